"""What jobs run with, and on: environments, containers, and the profiles of clusters."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from recontour import imports
from running import ROOT, clone, snakemake

CLUSTERS = ("slurm", "htcondor")
RULES = ROOT / "workflow/rules"
PACKAGES = {
    "yaml": "pyyaml",
    "matplotlib": "matplotlib-base",
    "urllib3": "requests",
    "markupsafe": "jinja2",
}
"""What brings a package that is called otherwise where it is imported."""


def pins(name: str) -> dict[str, str]:
    """The packages that a file in envs pins, with their versions, and those of files it names."""
    found: dict[str, str] = {}
    for line in (ROOT / "envs" / name).read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("-r "):
            found |= pins(line[3:])
        elif line:
            package, version = line.split("==")
            found[canonicalize_name(package)] = version
    return found


def imported(script: str) -> set[str]:
    """The packages of others that a program of the workflow, and the modules it uses, import."""
    workflow = ROOT / "workflow"
    found = set()
    for path in imports.sources(workflow / "scripts" / script, workflow):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"recontour", "histfit"}


@pytest.mark.parametrize("rules", sorted(path.name for path in RULES.glob("*.smk")))
def test_the_environment_of_a_rule_has_what_its_program_imports(rules: str) -> None:
    text = (RULES / rules).read_text(encoding="utf-8")
    for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
        script = re.search(r"\{params\.run\}/(\w+\.py)", rule)
        if script is None:
            continue
        (environment,) = re.findall(r"envs/(\w+\.yaml)", rule)
        packages = yaml.safe_load((ROOT / "envs" / environment).read_text(encoding="utf-8"))
        names = {line.split()[0] for line in packages["dependencies"]}
        needed = {PACKAGES.get(name, name) for name in imported(script[1])}
        assert needed <= names, f"{script[1]}: {environment}"


def profile(name: str) -> dict[str, Any]:
    text = (ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def test_conda_and_pip_install_the_same_versions() -> None:
    conda = yaml.safe_load((ROOT / "envs/environment.yaml").read_text(encoding="utf-8"))
    pip = pins("workflow.txt")
    for dependency in conda["dependencies"]:
        name, version = dependency.split(" =")
        if name != "python":
            assert pip[name.removesuffix("-base")] == version, name


@pytest.mark.parametrize("name", ["workflow.txt", "test.txt"])
def test_what_pinned_packages_need_is_pinned(name: str) -> None:
    pinned = pins(name)
    for package in pinned:
        for requirement in map(Requirement, requires(package) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                assert canonicalize_name(requirement.name) in pinned, f"{package}: {requirement}"


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_profile_of_a_cluster_holds_what_the_default_one_does(name: str) -> None:
    shared = {key: value for key, value in profile("default").items() if key != "quiet"}
    assert shared.items() <= profile(name).items()


def test_the_profiles_of_clusters_ask_for_the_same() -> None:
    """But for the time: of a group, Snakemake adds up `runtime` and nothing else."""
    slurm, htcondor = map(profile, CLUSTERS)
    one_after_the_other = 6  # rules of the group of results that wait for each other
    for key in ("jobs", "cores", "retries", "groups"):
        assert slurm[key] == htcondor[key]
    requests = slurm["default-resources"], htcondor["default-resources"]
    for attempt in (1, 2, 3, 4):
        first, second = (
            {
                key: eval(text, {"attempt": attempt})
                for key, text in request.items()
                if key != "job_wrapper"
            }
            for request in requests
        )
        assert first["mem_mb"] == second["htcondor_request_mem_mb"] == 1000 * 2 ** (attempt - 1)
        assert 60 * one_after_the_other * first["runtime"] == second["classad_MaxRuntime"]


def test_the_groups_of_the_profiles_hold_no_local_rules_and_fits_share_with_fits_only() -> None:
    rules = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("workflow/rules/*.smk"))
    bodies = dict(re.findall(r"^rule (\w+):\n((?:    .*\n|\n)*)", rules, re.MULTILINE))
    for name, group in profile("slurm")["groups"].items():
        assert "localrule:" not in bodies[name]
        assert ("journal=" in bodies[name]) == (group == "fits")


@pytest.mark.long
def test_the_profile_for_htcondor_runs_jobs_that_start_in_a_folder_of_their_own(
    tmp_path: Path, finished_demo: Path
) -> None:
    """With a stand-in for HTCondor, and Snakemake's real plugin."""
    plugin, log = tmp_path / "plugin", tmp_path / "log"
    (command,) = re.findall(
        r"pip install (snakemake-executor-plugin-htcondor==\S+)",
        (ROOT / "workflow/docs/clusters.md").read_text(encoding="utf-8"),
    )
    options = ["--quiet", "--no-compile", "--no-deps", "--target", plugin]
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, command],
        capture_output=True,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"needs a package index to install {command}")
    project = clone(tmp_path / "project")
    run = snakemake(
        project,
        *("demo", "--workflow-profile", "profiles/htcondor"),
        *("--cores", "1", "--latency-wait", "5"),
        project=project,
        PYTHONPATH=f"{plugin}:{ROOT / 'tests/stand_ins'}",
        POOL_LOG=str(log),
    )
    assert run.returncode == 0, run.stdout[-3000:]
    submitted = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert len(submitted) == 3
    for job in submitted:
        assert job["request_memory"] == "1000MB"
        assert job["+MaxRuntime"] == "3600"
    cls = "results/demo/cls.csv"
    assert (project / cls).read_bytes() == (finished_demo / cls).read_bytes()


@pytest.mark.long
def test_every_job_runs_in_the_container_that_the_config_names(tmp_path: Path) -> None:
    project = clone(tmp_path / "project")
    log = tmp_path / "log"
    image = tmp_path / "image.sif"
    image.touch()
    commands = tmp_path / "bin"
    commands.mkdir()
    # in place of apptainer: notes its arguments, and runs the command without a container
    apptainer = commands / "apptainer"
    apptainer.write_text(
        f"""#!{sys.executable}
import os, sys
if "--version" in sys.argv:
    print("apptainer version 1.3.0")
else:
    open({str(log)!r}, "a").write(repr(sys.argv[1:]) + "\\n")
    command = sys.argv[sys.argv.index({str(image)!r}) + 1:]
    os.execvp(command[0], command)
""",
        encoding="utf-8",
    )
    apptainer.chmod(0o755)
    run = snakemake(
        project,
        *("demo", "--software-deployment-method", "apptainer", "--config", f"container={image}"),
        project=project,
        PATH=f"{commands}:{Path(sys.executable).parent}:/usr/bin:/bin",
    )
    assert run.returncode == 0, run.stdout[-3000:]
    jobs = log.read_text(encoding="utf-8").splitlines()
    programs = {path.stem for path in project.glob("workflow/scripts/*.py")}
    used = {name for name in programs for job in jobs if f"/scripts/{name}.py" in job}
    expected = (
        "aggregate compare contour fetch_likelihood fetch_table hypotest page plot provenance"
    )
    assert used == {*expected.split(), "summary", "verify"}


@pytest.mark.long
def test_the_command_for_reana_needs_no_home_and_nothing_of_an_earlier_command(
    tmp_path: Path, mirror: Path
) -> None:
    """There, every command is a container of its own, whose user cannot write to HOME."""
    spec = yaml.safe_load((ROOT / "reana.yaml").read_text(encoding="utf-8"))
    (step,) = spec["workflow"]["specification"]["steps"]
    (command,) = step["commands"]
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in spec["inputs"]["files"]:
        shutil.copy2(ROOT / name, workspace)
    for name in spec["inputs"]["directories"]:
        shutil.copytree(ROOT / name, workspace / name)
    programs = f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin"
    run = subprocess.run(
        ["sh", "-c", command.replace("/tmp", str(tmp_path))],
        cwd=workspace,
        env={"HOME": "/proc", "PATH": programs, "HEPDATA_MIRROR": str(mirror)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-3000:]
    (results,) = spec["outputs"]["directories"]
    assert "125 done, 0 failed" in (workspace / results / "summary.txt").read_text(encoding="utf-8")


@pytest.mark.long
def test_reana_accepts_its_specification_and_finds_what_it_names(tmp_path: Path) -> None:
    spec = yaml.safe_load((ROOT / "reana.yaml").read_text(encoding="utf-8"))
    inputs = spec["inputs"]
    assert all((ROOT / name).exists() for name in (*inputs["files"], *inputs["directories"]))
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = ["reana-client==0.9.6", "setuptools<81"]
    pip = [sys.executable, "-m", "pip", "--python", venv]
    installed = subprocess.run(
        [*pip, "install", "--quiet", "--no-compile", *packages],
        capture_output=True,
        check=False,
    )
    if installed.returncode:
        pytest.skip("needs a package index to install reana-client")
    validated = subprocess.run(
        [venv / "bin/reana-client", "validate", "--file", ROOT / "reana.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert validated.returncode == 0, validated.stdout
    assert "Valid REANA specification file" in validated.stdout
