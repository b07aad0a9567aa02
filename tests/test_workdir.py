"""The folder of a run: its lock, damaged results, files from the future."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from recontour.files import below, write_text
from recontour.seals import seal, seal_folder, set_aside, set_damaged_aside
from recontour.workdir import Run
from running import ROOT

PYTHONPATH = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left_by_snakemake(folder: Path) -> Path:
    lock = folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    return lock


def test_only_one_run_is_alone(folder: Path) -> None:
    first, second = Run(), Run()
    assert first.alone() and first.alone()
    assert not second.alone()
    assert f"process {os.getpid()} on " in Run.other()


def test_snakemakes_lock_is_removed_after_a_kill_and_only_then(folder: Path) -> None:
    lock = left_by_snakemake(folder)
    run = "from recontour.workdir import Run; from pathlib import Path; import os; r = Run(); "
    run += "assert r.alone(); list(r.tidy(Path('results'), [], {}))"
    for end, expected in (("0", 0), ("os.kill(os.getpid(), 9)", -9), ("0", 0)):
        assert lock.exists()  # after an orderly end, it is another workflow's
        done = subprocess.run([sys.executable, "-c", f"{run}; {end}"], check=False, env=PYTHONPATH)
        assert done.returncode == expected
    assert not lock.exists()


@pytest.mark.parametrize("holder", ["jobs elsewhere", "another host"])
def test_snakemakes_lock_stays_where_jobs_of_a_killed_run_may_go_on(
    folder: Path, holder: str
) -> None:
    lock = left_by_snakemake(folder)
    node = os.uname().nodename if holder == "jobs elsewhere" else "login1"
    kind = holder if holder == "jobs elsewhere" else "jobs here"
    (folder / ".snakemake/recontour.lock").write_text(f"process 4242 on {node}, {kind}\n")
    run = Run()
    assert run.alone()
    (note,) = run.tidy(folder / "results", [], {})
    assert "see to it that nothing of it goes on" in note
    assert lock.exists()


def test_where_a_file_system_has_no_locks_snakemakes_own_one_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    lock = left_by_snakemake(folder)
    run = Run()
    assert run.alone() and list(run.tidy(folder / "results", [], {})) == []
    assert lock.exists()


def sealed(path: Path, text: str = "content") -> Path:
    write_text(path, text)
    seal(path)
    return path


def test_damage_takes_later_results_with_it_but_no_other_batch(folder: Path) -> None:
    earlier = sealed(folder / "download/a.csv")
    batch, other = (sealed(folder / f"hypotest/{name}.jsonl") for name in ("1-2", "3-4"))
    later = sealed(folder / "cls.csv")
    batch.write_text("CONTENT")
    assert list(set_damaged_aside(folder)) == [(batch, [later])]
    assert (folder / "hypotest/1-2.jsonl.aside").read_text() == "CONTENT"
    assert earlier.exists() and other.exists() and not batch.exists() and not later.exists()
    assert list(set_damaged_aside(folder)) == []


def test_what_was_made_from_a_deleted_archive_goes_too_also_in_analyses_that_share_it(
    folder: Path,
) -> None:
    archive = sealed(folder / "1Lbb/download/likelihood.archive")
    table, mine = sealed(folder / "1Lbb/cls.csv"), sealed(folder / "mine/cls.csv")
    archive.unlink()
    assert list(set_damaged_aside(folder / "1Lbb", [folder / "mine"])) == [(archive, [table, mine])]
    assert list(set_damaged_aside(folder / "1Lbb", [folder / "mine"])) == []


def test_damage_to_what_one_analysis_has_made_leaves_others_alone(folder: Path) -> None:
    patches, mine = sealed(folder / "1Lbb/likelihood/patches.csv"), sealed(folder / "mine/cls.csv")
    patches.unlink()
    assert list(set_damaged_aside(folder / "1Lbb", [folder / "mine"])) == [(patches, [])]
    assert mine.exists()


LATER = [
    "cls.csv",
    "diagnostics/b",
    "download/a.csv",
    "exports/table.tex",
    "hypotest/3-4.jsonl",
    "limits/3-4.jsonl",
    "m60/exclusion.png",
    "provenance.json",
    "summary.txt",
    "upper_limits.csv",
    "workspaces/b.json",
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *dict.fromkeys(("workspaces/a.json", "workspaces/A/a.json", "diagnostics/A/a"), ()).items(),
        *dict.fromkeys(("summary.txt", "report.html", "limits_comparison.json"), ()).items(),
        *dict.fromkeys(("exports/harvest.json", "m60/exclusion.html", "m60/cls.pdf"), ()).items(),
        ("exclusion.pdf", ("m60/exclusion.png", "summary.txt")),
        ("comparison.json", ("provenance.json", "summary.txt")),
        ("limits/1-2.jsonl", ("exports/table.tex", "upper_limits.csv")),
        (
            "contours.json",
            ("cls.csv", "exports/table.tex", "m60/exclusion.png", "provenance.json", "summary.txt"),
        ),
    ],
)
def test_a_deleted_file_takes_nothing_with_it_that_is_not_made_from_it(
    folder: Path, name: str, expected: tuple[str, ...]
) -> None:
    deleted = sealed(folder / name)
    for other in {*LATER} - {name}:
        sealed(folder / other)
    deleted.unlink()
    assert list(set_damaged_aside(folder)) == [(deleted, [folder / other for other in expected])]


@pytest.mark.parametrize("harm", ["changed", "missing", "longer"])
def test_a_folder_is_damaged_with_any_of_its_files(folder: Path, harm: str) -> None:
    members = folder / "likelihood/members"
    file = members / "deep" / "a.json"
    write_text(file, "[1]")
    seal_folder(members, {file: "080a9ed428559ef602668b4c00f114f1a11c3f6b02a435f0bdc154578e4d7f22"})
    assert list(set_damaged_aside(folder)) == []  # sha256 of [1]
    if harm == "missing":
        file.unlink()
    else:
        file.write_text({"changed": "[2]", "longer": "[1] "}[harm])
    assert list(set_damaged_aside(folder)) == [(members, [])]


def test_a_folder_without_files_is_as_it_was_made(folder: Path) -> None:
    empty = folder / "exports/pyhf"
    empty.mkdir(parents=True)
    seal_folder(empty, {})
    assert list(set_damaged_aside(folder)) == []
    (empty / ".snakemake_timestamp").touch()  # after the job, by Snakemake
    assert list(set_damaged_aside(folder)) == []
    write_text(empty / "a.json", "[1]")
    assert list(set_damaged_aside(folder)) == [(empty, [])]


def test_new_content_takes_the_old_seal_away(folder: Path) -> None:
    path = sealed(folder / "cls.csv")
    write_text(path, "new")  # and then the program is killed
    assert list(set_damaged_aside(folder)) == []


def test_a_kill_while_results_are_set_aside_leaves_the_rest_to_the_next_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, table, summary = (
        sealed(folder / name) for name in ("hypotest/1-2.jsonl", "cls.csv", "summary.txt")
    )
    batch.write_text("CONTENT")

    def killed(path: Path) -> None:
        set_aside(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("recontour.seals.set_aside", killed)
        with pytest.raises(KeyboardInterrupt):
            list(set_damaged_aside(folder))
    list(set_damaged_aside(folder))
    assert not any(path.exists() for path in (batch, table, summary))


def test_results_of_which_snakemake_knows_nothing_are_told(folder: Path) -> None:
    """A change of the config since they were made would not be noticed."""
    sealed(folder / "results/x/download/a.csv")
    made = sealed(folder / "results/x/cls.csv")
    run = Run()
    assert run.alone()
    (note,) = run.tidy(folder / "results", [], {})
    assert "how 1 results in" in note and "--forcerun verify" in note
    assert made.exists()


def test_results_behind_a_link_are_seen(folder: Path) -> None:
    (folder / "results").mkdir()
    (folder / "disk").mkdir()
    (folder / "results/x").symlink_to(folder / "disk")
    (folder / "disk/round").symlink_to(folder / "results")
    log = folder / "results/x/logs/summary.log"
    write_text(log, "")
    assert [*below(folder / "results")].count(log) == 1
    assert not any("round/x" in str(path) for path in below(folder / "results"))


def test_files_from_the_future_keep_their_order(folder: Path) -> None:
    (folder / ".snakemake").mkdir()
    (folder / ".snakemake/recontour.lock").touch()
    past, *future = (sealed(folder / f"results/x/{name}") for name in "abc")
    for hours, path in enumerate(future, 1):
        os.utime(path, (time.time() + 3600 * hours,) * 2)
    run = Run()
    assert run.alone()
    (note,) = run.tidy(folder / "results", [], {})
    assert note.startswith("2 files were younger")
    times = [path.stat().st_mtime_ns for path in (past, *future)]
    assert times == sorted(times) and times[-1] <= time.time_ns()
