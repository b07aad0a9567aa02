"""Signal regions: one list of points for the patches of all, and the best region of each point."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from recontour import backgrounds, regions, results, unpacked, verification
from recontour.archive import unpack
from recontour.errors import UserError
from recontour.files import write_json
from recontour.likelihood import Patch, Patchset, Point
from small_search import background, patch

LABELS = ("m1", "m2")


def patchset(*points: tuple[str, int, int], labels: tuple[str, ...] = LABELS) -> Patchset:
    patches = tuple(Patch(name, (m1, m2), "p.json", 0, 1, "0") for name, m1, m2 in points)
    return Patchset("", "1.0.0", {}, {}, labels, patches)


def test_patches_with_equal_values_are_one_point_under_its_first_name() -> None:
    first, second = patchset(("a", 1, 2), ("b", 3, 4)), patchset(("other", 3, 4), ("c", 5, 6))
    labels, joined = regions.join({"A": first, "B": second})
    assert labels == LABELS
    assert [(p.region, p.name, p.values) for p in joined] == [
        *(("A", "a", (1, 2)), ("A", "b", (3, 4))),
        *(("B", "b", (3, 4)), ("B", "c", (5, 6))),
    ]
    assert [point.name for point in regions.points(joined)] == ["a", "b", "c"]
    assert regions.missing(joined, ["A", "B"]) == {"A": ["c"], "B": ["a"]}
    everywhere = regions.missing(joined, ["A", "B", "C"])[
        "C"
    ]  # such as a table of one's own leaves
    assert sorted(everywhere) == ["a", "b", "c"]


def test_one_name_for_two_points_and_different_labels_are_refused() -> None:
    with pytest.raises(UserError, match=r"region B: the patch a has the values \(3, 4\)"):
        regions.join({"A": patchset(("a", 1, 2)), "B": patchset(("a", 3, 4))})
    with pytest.raises(UserError, match="region B have the labels m1, mass"):
        other = patchset(("a", 1, 2), labels=("m1", "mass"))
        regions.join({"A": patchset(("a", 1, 2)), "B": other})


def test_a_patch_is_found_by_region_and_name() -> None:
    _, joined = regions.join({"A": patchset(("a", 1, 2)), "B": patchset(("a", 1, 2))})
    assert unpacked.find(joined, "B/a").region == "B"
    with pytest.raises(UserError, match='no patch "a"; the point a has A/a, B/a'):
        unpacked.find(joined, "a")
    _, single = regions.join({"": patchset(("a", 1, 2))})
    assert unpacked.find(single, "a").name == "a"


def row(region: str, expected: float | None, reason: str = "") -> results.Row:
    cells = dict.fromkeys(results.columns(LABELS)) | {"name": "a", "m1": 1, "m2": 2}
    cells |= {"CLs_exp_0": expected, "reason": reason}
    cells["status"] = "failed" if expected is None else "ok"
    return results.in_region(cells, LABELS, region)


def best(*rows: results.Row) -> results.Row:
    (chosen,) = results.best(results.Results(LABELS, rows), "CLs_exp_0").rows
    return chosen


def test_the_best_region_has_the_smallest_expected_value_and_the_first_wins_ties() -> None:
    assert best(row("A", 0.3), row("B", 0.1), row("C", 0.2))["region"] == "B"
    assert best(row("A", 0.1), row("B", 0.1))["region"] == "A"


def test_a_region_without_signal_has_no_say_but_a_failed_one_has() -> None:
    assert best(row("A", 1.0, results.NO_SIGNAL), row("B", 1.0))["region"] == "B"
    failed = best(row("A", 0.1), row("B", None, "the free fit did not converge"))
    assert failed["status"] == "failed"
    assert failed["reason"] == "region B: the free fit did not converge"
    assert best(row("A", None, results.NO_SIGNAL), row("B", 0.4))["status"] == "ok"


def test_the_results_of_regions_are_joined_in_the_order_of_the_points(tmp_path: Path) -> None:
    results.write_batch(tmp_path / "1-1.jsonl", [row("A", 0.3), row("B", 0.1)])
    joined = results.join_batches([tmp_path / "1-1.jsonl"], [Point("a", (1, 2))], LABELS)
    assert [entry["region"] for entry in joined.rows] == ["A", "B"]
    assert joined.columns[:4] == ("name", "m1", "m2", "region")


def two_measurements() -> dict[str, Any]:
    spec = background()
    other = {"name": "Other", "config": {"poi": "mu_other", "parameters": []}}
    return spec | {"measurements": [*spec["measurements"], other]}


def test_a_region_without_any_patch_is_told() -> None:
    """As a table of one's own, with rows of a single region, leaves it."""
    held = (Patch("a", (1, 2), "p.json", 0, 1, "0", "A"),)
    report = {"regions": {"A": {"patches": 1}, "B": {"patches": 0}}}
    words = list(verification.in_words(verification.Verified(LABELS, held, {}, report)))
    assert [line.split()[-1] for line in words if "points without patch" in line] == ["none", "a"]


def test_the_measurement_that_is_named_says_which_parameter_is_tested(tmp_path: Path) -> None:
    write_json(tmp_path / "BkgOnly.json", two_measurements())
    files, operations = {"": "BkgOnly.json"}, patch(200, 0)["patch"]
    first = backgrounds.read(tmp_path, files, "")[""]
    workspace = first.workspace(operations, "s")
    assert first.model(workspace, "s").poi is not None
    with pytest.raises(UserError, match='measurement Other, "mu_other", scales no sample'):
        backgrounds.read(tmp_path, files, "Other")[""].model(workspace, "s")
    expected = (
        r"config key likelihood/measurement: BkgOnly.json: measurement \"Othre\" is unknown; "
        r"did you mean \"Other\"\? valid: NormalMeasurement, Other$"
    )
    with pytest.raises(UserError, match=expected):
        backgrounds.read(tmp_path, files, "Othre")


def test_patch_files_are_unpacked_by_pattern_from_any_folder(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for name in ("x/A/bkg.json", "x/A/p_1.json", "x/A/p_2.json", "x/B/p_1.json"):
            (tmp_path / "file").write_text(json.dumps(name), encoding="utf-8")
            tar.add(tmp_path / "file", name)
    written = unpack(
        tmp_path / "a.tar.gz", tmp_path / "out", ["bkg.json"], patterns=[r"A/p_\d.json"]
    )
    names = [path.relative_to(tmp_path / "out").as_posix() for path in written]
    assert names == ["A/p_1.json", "A/p_2.json", "bkg.json"]
    for pattern, message in ((r"C/p_\d", "holds no member"), ("(", "no regular expression")):
        with pytest.raises(UserError, match=message):
            unpack(tmp_path / "a.tar.gz", tmp_path / "out", [], patterns=[pattern])
