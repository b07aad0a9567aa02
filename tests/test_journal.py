"""Rows that earlier jobs computed are found again, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from recontour import journal
from recontour.journal import Entry, Journal
from recontour.likelihood import Patch
from running import snakemake
from small_search import patchset, write

A, B, C = (Patch(name, (1,), "patchset.json", 0, 9, sha) for name, sha in ("a1", "b2", "c3"))
CONTEXT = "code and background"
TABLE = "results/small/cls.csv"


def row(name: str) -> dict[str, Any]:
    return {"name": name, "CLs_obs": 0.1 + 0.2, "reason": "µ"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal in which the batch 1-2 has noted A and B."""
    with Journal(tmp_path / "journal", "1-2", CONTEXT, [A, B]) as first:
        assert first.entries == {}
        first.add(A, row("a"), 0.5)
        first.add(B, row("b"), 0.25)
    return tmp_path / "journal"


def test_any_batch_finds_the_rows_of_its_patches(folder: Path) -> None:
    assert Journal(folder, "7-9", CONTEXT, [B, C]).entries == {B: Entry(row("b"), 0.25)}
    assert sorted(journal.seconds(folder).values()) == [0.25, 0.5]


@pytest.mark.parametrize(
    "other",
    [
        replace(A, sha256="0"),
        replace(A, name="x"),
        replace(A, values=(1.5,)),
        replace(A, region="B"),
    ],
)
def test_a_row_of_another_patch_is_none_of_ours(folder: Path, other: Patch) -> None:
    assert Journal(folder, "1-2", CONTEXT, [other]).entries == {}


def test_a_patch_that_lies_elsewhere_in_the_patchset_is_the_same(folder: Path) -> None:
    moved = replace(A, offset=100)
    assert Journal(folder, "1-2", CONTEXT, [moved]).entries == {moved: Entry(row("a"), 0.5)}


def test_under_other_inputs_nothing_is_known_and_the_batch_forgets(folder: Path) -> None:
    with Journal(folder, "1-2", "other code", [A]) as other:
        assert other.entries == {}
    assert Journal(folder, "1-2", CONTEXT, [A]).entries == {}


def test_a_file_that_another_job_removes_meanwhile_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two jobs begin after a change of code, and the other one forgets its rows first."""
    listed = list(folder.iterdir())
    monkeypatch.setattr(journal, "_files", lambda _: [*listed, folder / "3-4.00000000.rows"])
    assert set(Journal(folder, "1-2", CONTEXT, [A, B]).entries) == {A, B}


@pytest.mark.parametrize("cut", [2, 20, 100])
def test_a_line_that_a_kill_tore_is_worthless_and_harms_no_other(folder: Path, cut: int) -> None:
    (path,) = folder.iterdir()
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(folder, "1-2", CONTEXT, [A, B]) as again:
        assert again.entries == {A: Entry(row("a"), 0.5)}
        again.add(B, row("b"), 0.25)
    assert set(Journal(folder, "1-2", CONTEXT, [A, B]).entries) == {A, B}


def test_no_flipped_bit_passes(folder: Path) -> None:
    (path,) = folder.iterdir()
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        for patch, entry in Journal(folder, "1-2", CONTEXT, [A, B]).entries.items():
            assert entry == {A: Entry(row("a"), 0.5), B: Entry(row("b"), 0.25)}[patch]


def noted(folder: Path) -> tuple[list[list[str]], list[str]]:
    """Of the batch with all points of the small search: rows and known rows of each job that ran,
    and the names of the points that were computed."""
    (path,) = (folder / "results/small/journal/hypotest").glob("1-12.*.rows")
    words = [line.split(" ") for line in path.read_text().splitlines()]
    jobs = [line[1:3] for line in words if line[0] == "begin"]
    return jobs, [line[4].strip('",') for line in words if line[0] == "row"]


def test_points_added_to_a_patchset_cost_only_their_own_fits(tmp_path: Path) -> None:
    signals = patchset()
    added, signals["patches"] = (
        signals["patches"][3:5],
        signals["patches"][:3] + signals["patches"][5:],
    )
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    write(first, signals)
    run = snakemake(first, TABLE)
    assert run.returncode == 0, run.stdout
    write(second, patchset())
    (first / "results").rename(second / "results")
    (first / ".snakemake").rename(second / ".snakemake")
    run = snakemake(second, TABLE)
    assert run.returncode == 0, run.stdout
    names = [entry["metadata"]["name"] for entry in added]
    assert noted(second) == ([["12", "10"]], names)


@pytest.mark.long
def test_a_failed_point_is_tried_again(tmp_path: Path) -> None:
    signals = patchset()
    signals["patches"][0]["patch"][0]["path"] = "/channels/9/samples/0"
    write(tmp_path, signals)
    for _ in range(2):
        snakemake(tmp_path, TABLE, "--forcerun", "hypotest")
        assert "failed: patch" in (tmp_path / "results/small/logs/hypotest/1-12.log").read_text()
    jobs, names = noted(tmp_path)
    assert jobs == [["12", "0"], ["12", "11"]]
    assert names == [entry["metadata"]["name"] for entry in signals["patches"][1:]]
