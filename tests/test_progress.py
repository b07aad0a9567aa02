"""How far a run is, from what its jobs have noted."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recontour import progress
from recontour.errors import UserError
from recontour.journal import Journal
from recontour.likelihood import Patch
from recontour.progress import Batch, Progress
from running import ROOT

PATCHES = [Patch(f"p{i}", (i,), "patchset.json", 0, 1, f"{i}") for i in range(4)]
FOLDER = "results/x/journal/hypotest"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that has two batches of four points to compute."""
    monkeypatch.chdir(tmp_path)
    names = ("results/x/hypotest/1-4.jsonl", "results/x/hypotest/5-8.jsonl")
    progress.write_plan(Batch(name, FOLDER, 4) for name in names)
    return tmp_path


def test_points_count_as_soon_as_they_are_computed(run: Path) -> None:
    assert progress.scans(run) == {"x/hypotest": Progress(8)}
    with Journal(run / FOLDER, "1-4", "", PATCHES) as journal:
        for number, patch in enumerate(PATCHES):
            scan = progress.scans(run)["x/hypotest"]
            assert (scan.points, scan.done, scan.added) == (8, number, number)
            journal.add(patch, {}, 0.1)


def test_known_points_are_done_but_say_nothing_of_the_rate(run: Path) -> None:
    with Journal(run / FOLDER, "9-9", "", PATCHES) as journal:
        journal.add(PATCHES[0], {}, 0.1)
    with Journal(run / FOLDER, "1-4", "", PATCHES):
        scan = progress.scans(run)["x/hypotest"]
    assert (scan.done, scan.added) == (1, 0)
    assert scan.words(time.time()) == "1 of 8 points"


def test_two_signal_regions_make_half_a_point_each(run: Path) -> None:
    both = [*PATCHES, *(Patch(p.name, p.values, "q", 0, 1, p.sha256, "B") for p in PATCHES)]
    with Journal(run / FOLDER, "1-4", "", both) as journal:
        for patch in both[:6]:
            journal.add(patch, {}, 0.1)
    assert progress.scans(run)["x/hypotest"].done == 3


def test_a_complete_batch_counts_whole_and_one_of_an_earlier_run_not(run: Path) -> None:
    with Journal(run / FOLDER, "1-4", "", PATCHES):
        pass  # every point failed: none is noted
    output = run / "results/x/hypotest/1-4.jsonl"
    output.parent.mkdir()
    output.write_text("")
    assert progress.scans(run)["x/hypotest"].done == 4
    time.sleep(0.01)
    progress.write_plan([Batch("results/x/hypotest/1-4.jsonl", FOLDER, 4)])
    assert progress.scans(run)["x/hypotest"] == Progress(4)


def test_rate_and_time_left_are_those_of_what_was_computed() -> None:
    scan = Progress(points=1000, done=300, added=200, began=100.0)
    assert scan.words(110.0) == "300 of 1000 points (30%), 20 a second, 0:35 left"
    assert scan._replace(points=100_000).words(110.0).endswith("1:23:05 left")
    assert scan._replace(done=1000).words(110.0) == "1000 of 1000 points"


def test_without_a_run_the_script_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run has begun"):
        progress.scans(tmp_path)
    script = [sys.executable, str(ROOT / "workflow/scripts/progress.py")]
    found = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 1 and "error: .snakemake/recontour.plan.json: not" in found.stderr


def test_a_run_without_points_to_compute_is_told(run: Path) -> None:
    progress.write_plan([])
    script = [sys.executable, str(ROOT / "workflow/scripts/progress.py")]
    found = subprocess.run(script, cwd=run, capture_output=True, text=True, check=True)
    assert found.stdout == "this run has no points to compute\n"


def test_watching_ends_with_ctrl_c_and_no_traceback(run: Path) -> None:
    script = [sys.executable, str(ROOT / "workflow/scripts/progress.py"), "--watch", "60"]
    with subprocess.Popen(
        script, cwd=run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=interruptible
    ) as watching:
        assert watching.stdout is not None and watching.stderr is not None
        assert watching.stdout.readline() == b"x/hypotest: 0 of 8 points\n"
        watching.send_signal(signal.SIGINT)
        assert (watching.wait(timeout=10), watching.stderr.read()) == (130, b"")


def interruptible() -> None:
    """Undo what a shell does for commands in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("pause", ["-1", "0", "nan"])
def test_a_pause_that_is_none_is_refused(run: Path, pause: str) -> None:
    script = [sys.executable, str(ROOT / "workflow/scripts/progress.py"), "--watch", pause]
    found = subprocess.run(script, cwd=run, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert f"argument --watch: found {pause}, expected more than 0, and" in found.stderr


def test_after_a_run_all_its_points_are_done(finished_small: Path) -> None:
    script = [sys.executable, str(ROOT / "workflow/scripts/progress.py"), "--watch", "60"]
    found = subprocess.run(script, cwd=finished_small, capture_output=True, text=True, check=True)
    assert found.stdout == "small/hypotest: 12 of 12 points\n"
