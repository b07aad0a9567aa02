"""Runs of the workflow as users start them: `snakemake` in a process of its own."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import preloaded

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("Snakefile", "workflow", "config", "profiles", "envs")


PEAK = """import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print("peak memory", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, "kB")
sys.exit(code)"""
"""Runs a command and prints what its largest process took. In a process of its own: the kernel
counts the parent's memory for the moment before a child becomes another program."""


def snakemake(
    folder: Path,
    *arguments: str,
    project: Path = ROOT,
    under: Sequence[str] = (),
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run `snakemake --cores 2` with these arguments in `folder`, on the workflow of `project`,
    which in a clone is the folder itself. `under` is a command that runs commands, such as `env`;
    without it, the run is a fork of a process that has imported Snakemake. `environment` adds
    variables, HEPDATA_MIRROR too."""
    here = [] if folder == project else ["--snakefile", str(project / "Snakefile")]
    profile = [] if folder == project else ["--workflow-profile", str(project / "profiles/default")]
    inherited = {key: value for key, value in os.environ.items() if key != "HEPDATA_MIRROR"}
    everything = ["--cores", "2", *here, *profile, *arguments]
    if not under and "PYTHONPATH" not in environment:  # which is read when Python starts
        status, output = preloaded.run(folder, everything, inherited | environment, timeout=600)
        return subprocess.CompletedProcess(everything, status, output)
    return subprocess.run(
        [*under, sys.executable, "-m", "snakemake", *everything],
        cwd=folder,
        env=inherited | environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=600,
        check=False,
    )


def clone(folder: Path) -> Path:
    """A copy of the project as a fresh clone holds it: what a run needs, and no results."""
    for part in PARTS:
        source, target = ROOT / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return folder


def planned(output: str) -> dict[str, int]:
    """The jobs of a dry run, by rule, from the table "Job stats" that it prints first."""
    lines = output.split("Job stats:", 1)[1].split("total", 1)[0].splitlines()[3:]
    return {rule: int(count) for rule, count in (line.split() for line in lines if line.strip())}


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table of results, from column to text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by_name(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a table of points, by the points' names."""
    return {row["name"]: row for row in rows(path)}
