"""What a scan costs from 10² to 10⁵ points, stage by stage: wall and CPU time, and peak memory.

python tests/benchmarks/scale.py --points 125 1000 10000 --scratch FOLDER

makes searches of that many signals out of those of 1Lbb (HEPDATA_MIRROR must name a mirror), runs
the workflow on each with two cores, and prints a table. Each stage is a run of Snakemake of its
own, which takes the start of Snakemake, in the row `plan`, as often as there are stages.

    python tests/benchmarks/scale.py --points 1000 --efficiency 3 --scratch FOLDER

also repeats the fits alone (without the start of Snakemake), and the whole run, three times with
one core and with two, and prints the best wall times and T(1 core) / 2 T(2 cores).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

import large_search
from recontour import journal

ROOT = Path(__file__).resolve().parents[2]

STAGES = {
    "plan": ["--dry-run", "--quiet"],
    "fetch": ["--until", "fetch_likelihood"],
    "verify": ["--until", "verify"],
    "hypotest": ["--until", "hypotest"],
    "aggregate": ["--until", "aggregate"],
    "contour and figure": [],
}

MEASURED = """import json, resource, subprocess, sys, time
start = time.time()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.time() - start, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
sys.exit(code)"""
"""Runs a command; prints wall and CPU time in s, and the memory of its largest process in bytes."""


class Cost(NamedTuple):
    wall: float
    cpu: float
    peak: float


def measured(folder: Path, arguments: list[str], cores: int = 2) -> Cost:
    """What `snakemake` with these arguments costs in `folder`."""
    command = [sys.executable, "-c", MEASURED, sys.executable, "-m", "snakemake"]
    profile = ["--workflow-profile", str(ROOT / "profiles/default"), "--cores", str(cores)]
    done = subprocess.run(
        [*command, "--snakefile", str(ROOT / "Snakefile"), *profile, *arguments],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if k != "HEPDATA_MIRROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{folder}: snakemake failed:\n{done.stderr[-3000:]}")
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def table(points: int, costs: dict[str, Cost], fits: float) -> None:
    """Print costs a stage and a point, and what is spent beyond the fits."""
    start = costs["plan"]
    print(f"\n{points} points{'wall s':>18}{'CPU s':>9}{'CPU ms a point':>17}{'peak GB':>9}")
    wall = cpu = 0.0
    for stage, cost in costs.items():
        own = cost if stage == "plan" else Cost(cost.wall - start.wall, cost.cpu - start.cpu, 0)
        wall, cpu = wall + own.wall, cpu + own.cpu
        name = f"  {stage:20}{own.wall:12.1f}{own.cpu:9.1f}"
        print(f"{name}{1e3 * own.cpu / points:17.2f}{cost.peak / 1e9:9.2f}")
    print(f"  {'all':20}{wall:12.1f}{cpu:9.1f}{1e3 * cpu / points:17.2f}")
    print(f"  {'models and fits':20}{'':12}{fits:9.1f}{1e3 * fits / points:17.2f}")
    print(f"  {'beyond the fits':20}{'':12}{cpu - fits:9.1f}{1e3 * (cpu - fits) / points:17.2f}")


def efficiency(folder: Path, repeats: int) -> None:
    """Print the wall times of the fits, and of a whole run, with one core and with two."""
    results = folder / "results" / large_search.NAME
    before_fits = {results / "download", results / "likelihood"}
    print(f"  {'best of ' + str(repeats):20}{'1 core s':>12}{'2 cores s':>12}{'efficiency':>12}")
    for stage, until, kept in (("fits", STAGES["hypotest"], before_fits), ("whole run", [], set())):
        walls: dict[int, list[float]] = {1: [], 2: []}
        for _ in range(repeats):
            for cores, found in walls.items():
                for path in {*results.iterdir()} - kept:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                start = measured(folder, STAGES["plan"]).wall if kept else 0.0
                found.append(measured(folder, until, cores).wall - start)
        one, two = (min(found) for found in walls.values())
        print(f"  {stage:20}{one:12.1f}{two:12.1f}{one / two / 2:12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, nargs="+", required=True)
    parser.add_argument("--efficiency", type=int, default=0, metavar="REPEATS")
    parser.add_argument("--scratch", type=Path, required=True, help="a new or empty folder")
    options = parser.parse_args()
    if "HEPDATA_MIRROR" not in os.environ:
        parser.error("HEPDATA_MIRROR is not set; expected a folder of HEPData resources by DOI")
    if options.scratch.exists() and any(options.scratch.iterdir()):
        parser.error(f"--scratch: {options.scratch} is not empty; name a new folder, or empty it")
    mirror = Path(os.environ["HEPDATA_MIRROR"]).resolve()
    for points in options.points:
        folder = options.scratch.resolve() / str(points)
        folder.mkdir(parents=True)
        start = time.time()
        large_search.write(folder, mirror, points)
        print(f"made {points} signals in {time.time() - start:.0f} s", file=sys.stderr)
        costs = {stage: measured(folder, arguments) for stage, arguments in STAGES.items()}
        fits = sum(
            journal.seconds(folder / f"results/{large_search.NAME}/journal/hypotest").values()
        )
        table(points, costs, fits)
        if options.efficiency:
            efficiency(folder, options.efficiency)


if __name__ == "__main__":
    main()
