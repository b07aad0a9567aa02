"""The workflow on a real Slurm cluster, which loses a job and two of its three nodes."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import slurm_cluster
from running import clone

pytestmark = pytest.mark.long

BATCHES = ("1-42", "43-84", "85-125")
IMPORTING = """
configfile: "config/config.yaml"
config["analyses"]["demo"]["likelihood"]["background_digest"] = 64 * "0"


module recontour:
    snakefile:
        "workflow/Snakefile"
    config:
        config


use rule * from recontour as recontour_*


rule all:
    default_target: True
    input:
        "results/demo/cls.csv",
"""


@dataclass(frozen=True)
class Run:
    """A run on the cluster that has ended."""

    folder: Path
    status: int
    output: str
    jobs: list[slurm_cluster.Job]

    def fits(self, batch: str) -> list[slurm_cluster.Job]:
        """The cluster's jobs for a batch of points, in their order."""
        return [job for job in self.jobs if job.rule.endswith(f"hypotest_wildcards_1Lbb_{batch}")]


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a run of the project in `folder` on the cluster."""
    command = [sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm"]
    with (folder / "output").open("w") as output:
        return subprocess.Popen(
            [*command, *slurm_cluster.SMALL, *arguments],
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> tuple[Run, Run, Run]:
    """A run of 1Lbb with a job for each batch, which loses jobs and nodes; one of a workflow that
    imports ours with a wrong digest; and one of the demo as the profile has it."""
    folders = [clone(tmp_path_factory.mktemp(name)) for name in ("hit", "wrong", "demo")]
    hit, wrong, demo = folders
    profile = hit / "profiles/slurm/config.yaml"
    text = profile.read_text(encoding="utf-8")
    assert "  hypotest: fits\n" in text
    profile.write_text(text.replace("  hypotest: fits\n", ""), encoding="utf-8")
    (wrong / "Snakefile").write_text(IMPORTING, encoding="utf-8")
    with slurm_cluster.cluster(tmp_path_factory.mktemp("cluster")):
        processes = [
            start(hit, "--config", "points_per_job=42", f"mirror={mirror}"),
            start(wrong, "--retries", "0"),
            start(demo, "demo", "--config", "points_per_job=12"),
        ]
        take_away_what_computes(hit)
        status = [process.wait(timeout=400) for process in processes]
        jobs = slurm_cluster.jobs()
    outputs = [(folder / "output").read_text(encoding="utf-8") for folder in folders]
    own = [[job for job in jobs if Path(job.folder) == folder] for folder in folders]
    first, second, third = map(Run, folders, status, outputs, own)
    return first, second, third


def take_away_what_computes(folder: Path) -> None:
    """Once the fits of a batch have begun: cancel the job of the first batch, let the node of the
    second go down, and drain that of the third."""
    fates = {
        BATCHES[0]: slurm_cluster.cancel,
        BATCHES[1]: lambda job: slurm_cluster.set_node(job.node, "down"),
        BATCHES[2]: lambda job: slurm_cluster.set_node(job.node, "drain"),
    }
    for _ in range(1500):
        for batch in list(fates):
            begun = (folder / f"results/1Lbb/logs/hypotest/{batch}.log").exists()
            for job in slurm_cluster.jobs() if begun else ():
                if job.rule.endswith(f"hypotest_wildcards_1Lbb_{batch}"):
                    fates.pop(batch)(job)
        if not fates:
            return
        time.sleep(0.1)
    pytest.fail((folder / "output").read_text(encoding="utf-8")[-3000:])


@pytest.fixture(scope="module")
def hit(runs: tuple[Run, Run, Run]) -> Run:
    assert runs[0].status == 0, runs[0].output[-3000:]
    return runs[0]


def test_results_are_those_of_a_local_run_to_the_byte(hit: Run, finished_1lbb: Path) -> None:
    table = Path("results/1Lbb/cls.csv")
    assert (hit.folder / table).read_bytes() == (finished_1lbb / table).read_bytes()


def test_a_cancelled_job_and_one_whose_node_went_down_are_repeated_with_larger_requests(
    hit: Run,
) -> None:
    for batch, fate in zip(BATCHES, ("CANCELLED", "NODE_FAIL"), strict=False):
        first, second = hit.fits(batch)
        assert (first.state, first.memory, first.time_limit) == (fate, "1000M", "10:00")
        assert (second.state, second.memory, second.time_limit) == ("COMPLETED", "2000M", "20:00")
        assert second.node != hit.fits(BATCHES[1])[0].node


def test_a_job_ends_on_a_node_that_is_drained(hit: Run) -> None:
    (only,) = hit.fits(BATCHES[2])
    assert only.state == "COMPLETED"
    assert only.node not in [again.node for batch in BATCHES[:2] for again in hit.fits(batch)[1:]]


def test_downloads_and_the_summary_run_where_snakemake_does_and_the_rest_in_three_steps(
    hit: Run,
) -> None:
    rules = [job.rule for job in hit.jobs if "hypotest" not in job.rule]
    verify, results = sorted(rules, reverse=True)
    assert "verify" in verify
    assert results.startswith("rule_results_aggregate_compare_contour_page")  # and so on, cut short
    assert {job.node for job in hit.jobs} <= set(slurm_cluster.NODES)
    assert (hit.folder / "results/1Lbb/download/likelihood.json").is_file()
    assert "125 done, 0 failed" in (hit.folder / "results/1Lbb/summary.txt").read_text("utf-8")


def test_downloads_run_where_snakemake_does_in_an_importing_workflow_too(
    runs: tuple[Run, Run, Run],
) -> None:
    assert (runs[1].folder / "results/demo/download/likelihood.json").is_file()
    assert [job.rule for job in runs[1].jobs] == ["rule_recontour_verify_wildcards_demo"]


def test_the_error_of_a_failed_job_names_its_logs_and_shows_what_they_say(
    runs: tuple[Run, Run, Run],
) -> None:
    wrong = runs[1]
    assert wrong.status == 1
    (slurm,) = (wrong.folder / ".snakemake/slurm_logs/rule_recontour_verify").rglob("*.log")
    error = wrong.output.split("Error in rule recontour_verify", 1)[1]
    assert str(slurm) in error
    assert "log: results/demo/logs/verify.log" in error
    assert re.search("^ *error: .*correct background_digest$", error, re.MULTILINE)


def test_four_batches_share_a_job_as_the_profile_has_it(runs: tuple[Run, Run, Run]) -> None:
    demo = runs[2]
    assert demo.status == 0, demo.output[-3000:]
    batches = list((demo.folder / "results/demo/hypotest").glob("*.jsonl"))
    rules = [job.rule for job in demo.jobs]
    assert (len(batches), rules.count("rule_fits_hypotest")) == (5, 2)
    assert "56 done, 0 failed" in (demo.folder / "results/demo/summary.txt").read_text("utf-8")
