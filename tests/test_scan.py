"""A job of the scan: which points it fits, and what stops it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recontour import patches, results, scan, seals
from recontour.errors import UserError
from recontour.files import sha256, write_json
from recontour.likelihood import index_patchset
from small_search import background, patchset


def job(folder: Path, names: list[str], spec: dict[str, Any]) -> Any:
    """The arguments of a job for these points of `patchset`, a background's file and patches."""
    members = folder / "members"
    write_json(members / "BkgOnly.json", background())
    write_json(members / "patchset.json", spec)
    seals.seal_folder(members, {path: sha256(path) for path in sorted(members.iterdir())})
    index = index_patchset(members / "patchset.json")
    patches.write_index(folder / "patches.csv", index.labels, index.patches)
    return scan.parser("").parse_args(
        [
            *("--members", str(members), "--backgrounds", '{"": "BkgOnly.json"}'),
            *("--measurement=", "--patches", str(folder / "patches.csv")),
            *("--journal", str(folder / "journal"), "--output", str(folder / "1-2.jsonl")),
            *("--points", *names),
        ]
    )


def named(*names: str) -> dict[str, Any]:
    spec = patchset()
    spec["patches"] = spec["patches"][: len(names)]
    for entry, name in zip(spec["patches"], names, strict=True):
        entry["metadata"]["name"] = name
    return spec


def row(point: Any, labels: Any, model: Any) -> results.Row:
    return results.failed(point, labels, "not fitted here")


def test_points_that_are_named_by_numbers_are_no_values(tmp_path: Path) -> None:
    scan.write(job(tmp_path, ["1", "2"], named("1", "2")), row, results.failed)
    lines = (tmp_path / "1-2.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["name"] for line in lines] == ["1", "2"]


def test_a_point_that_the_table_of_patches_lacks_stops_the_job(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"patches\.csv: found no patch of b; expected one"):
        scan.write(job(tmp_path, ["a", "b"], named("a")), row, results.failed)


def test_a_job_without_memory_fails_and_no_point_of_it(tmp_path: Path) -> None:
    def large(point: Any, labels: Any, model: Any) -> results.Row:
        raise MemoryError

    with pytest.raises(MemoryError):
        scan.write(job(tmp_path, ["a", "b"], named("a", "b")), large, results.failed)
    assert not (tmp_path / "1-2.jsonl").exists()


def test_a_background_that_changed_after_it_was_verified_stops_the_job(tmp_path: Path) -> None:
    options = job(tmp_path, ["a"], named("a"))
    write_json(tmp_path / "members/BkgOnly.json", background() | {"version": "1.0.0", "x": 1})
    with pytest.raises(UserError, match=r"BkgOnly\.json: found a file with sha256 .* was verified"):
        scan.write(options, row, results.failed)
