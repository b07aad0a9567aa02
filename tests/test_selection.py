"""Choosing points by name or values, and checking a committed table of points."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recontour import config, cross_sections, yields
from recontour.errors import UserError
from recontour.likelihood import Point, index_patchset
from recontour.selection import check_points_table, read_points, select

POINTS = (
    Point("hbb_900_250", (900, 250)),
    Point("hbb_650_0", (650, 0)),
    Point("hbb_152_22", (152.5, 22)),
    Point("hbb_low_7", ("low", 7)),
)
LABELS = ("m1", "m2")


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ("all", [0, 1, 2, 3]),
        ("hbb_650_0", [1]),
        (["hbb_650_0", "hbb_900_250"], [0, 1]),
        (["hbb_650_0", [650, 0], "(650, 0)"], [1]),
        ([[900, 250]], [0]),
        ([900, 250], [0]),
        (["900", "250"], [0]),  # as --config 'select=[900, 250]' gives it
        ((900.0, 250), [0]),
        ("(900, 250)", [0]),
        ("900,250.0", [0]),
        ("[152.5, 22]", [2]),
        (["('low', 7)"], [3]),
        ([["low", 7], [900, 250]], [0, 3]),
    ],
)
def test_points_are_chosen_by_name_or_values_in_the_order_of_the_table(
    wanted: Any, places: list[int]
) -> None:
    assert select(POINTS, wanted) == tuple(POINTS[place] for place in places)


def test_with_one_label_a_list_of_numbers_is_several_points() -> None:
    points = (Point("a", (300,)), Point("b", (500,)))
    assert select(points, [500, 300]) == points
    assert select(points, 300) == points[:1]


def scans_of_a_plane_and_a_line(folder: Path, **keys: Any) -> dict[str, list[str]]:
    """The names of the points that a config with these general keys selects."""
    rows = {"plane": "name,m1,m2\na,600,700\nb,1,2\n", "line": "name,m\nc,600\nd,700\ne,800\n"}
    settings: dict[str, Any] = {"run": ["plane"], "analyses": {}, **keys}
    for name, text in rows.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
        settings["analyses"][name] = {
            "title": name,
            "likelihood": {"doi": "10.5072/a", "size": 1, "sha256": "0" * 64}
            | {"background": "b", "background_digest": "0" * 64, "patchset": "p"},
            "points": str(folder / f"{name}.csv"),
            "axes": {"x": {"label": "m1" if name == "plane" else "m", "title": "x"}},
        }
    config.complete(settings)
    scans = config.scans(settings, folder)
    return {name: [point.name for point in scan.points] for name, scan in scans.items()}


@pytest.mark.parametrize(
    ("wanted", "plane", "line"),
    [
        ([600, 700], "a", "cd"),
        (["600", "700"], "a", "cd"),  # as --config 'select=[600, 700]' gives it
        ([1, 2], "b", "cde"),
        ([600, 800], "ab", "ce"),
        (600, "ab", "c"),
        ("600", "ab", "c"),
        ([600, [1, 2]], "b", "c"),
        (["a", "b", "e"], "ab", "e"),
        ("", "ab", "cde"),
    ],
)
def test_what_a_list_of_the_general_selection_means_depends_on_the_number_of_labels(
    tmp_path: Path, wanted: Any, plane: str, line: str
) -> None:
    found = scans_of_a_plane_and_a_line(tmp_path, select=wanted)
    assert found == {"plane": [*plane], "line": [*line]}


@pytest.mark.parametrize("wanted", [[600, 900], ["c", "900"], 900, [[1, 3]], [1, 600]])
def test_a_point_of_the_general_selection_that_no_analysis_holds_is_told(
    tmp_path: Path, wanted: Any
) -> None:
    with pytest.raises(UserError, match=r"^config key select: plane: .* not a .*; line: .* not a "):
        scans_of_a_plane_and_a_line(tmp_path, select=wanted)


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ("hbb_900_255", "hbb_900_255 is not a point"),
        ("hbb_900_255", "the nearest are hbb_900_250 (900, 250)"),
        ("(910, 260)", "the nearest are hbb_900_250 (900, 250), hbb_650_0 (650, 0)"),
        ([[160, 20]], "the nearest are hbb_152_22 (152.5, 22)"),
        (["hbb_650_0", [True, 0]], "[True, 0] is not a point"),
        ([[float("nan"), 0]], "is not a point"),
        ([[10**400, 0]], "is not a point"),
        ([None], "None is not a point"),
        ({}, "{} is not a point"),
        ("", "is not a point"),
        ("\x1b[2J", "\\x1b[2J is not a point"),
        ([], "no point is selected"),
    ],
)
def test_an_unknown_point_is_named_with_its_nearest(wanted: Any, named: str) -> None:
    with pytest.raises(UserError) as caught:
        select(POINTS, wanted)
    assert named in str(caught.value) and str(caught.value).isprintable()


@given(st.recursive(st.none() | st.integers() | st.floats() | st.text(), st.lists))
def test_any_selection_is_found_or_refused(wanted: Any) -> None:
    try:
        assert set(select(POINTS, wanted)) <= set(POINTS)
    except UserError as error:
        assert str(error).isprintable()


def table(folder: Path, *lines: str) -> Path:
    path = folder / "1Lbb.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


ROWS = ("hbb_900_250,900,250", "hbb_650_0,650,0", "hbb_152_22,152.5,22", "hbb_low_7,low,7")


def test_a_table_that_agrees_passes_in_any_order(tmp_path: Path) -> None:
    right = tmp_path / "right.csv"
    right.touch()  # after an earlier run
    check_points_table(table(tmp_path, "name,m1,m2", *ROWS), LABELS, POINTS, right)
    check_points_table(table(tmp_path, "name,m1,m2", *reversed(ROWS)), LABELS, POINTS, right)
    assert not right.exists()
    assert read_points(tmp_path / "1Lbb.csv").points == POINTS[::-1]


@pytest.mark.parametrize(
    ("lines", "difference"),
    [
        (("name,m2,m1", *ROWS), "labels (m2, m1) for (m1, m2)"),
        (("name,m1,m2", *ROWS[1:]), "nothing for hbb_900_250 (900, 250)"),
        (("name,m1,m2", *ROWS, "x,1,2"), "x (1, 2) for nothing"),
        (("name,m1,m2", *ROWS[1:], "hbb_900_250,900,251"), "hbb_900_250 (900, 251) for hbb_900_2"),
    ],
)
def test_a_table_that_differs_is_refused_with_its_rows_and_the_remedy(
    tmp_path: Path, lines: tuple[str, ...], difference: str
) -> None:
    path, right = table(tmp_path, *lines), tmp_path / "own results" / "points.csv"
    with pytest.raises(UserError) as caught:
        check_points_table(path, LABELS, POINTS, right)
    assert str(caught.value).startswith(f"{path}: ") and difference in str(caught.value)
    _, remedy = str(caught.value).split("take its own table: ")
    subprocess.run(remedy, shell=True, check=True)
    check_points_table(path, LABELS, POINTS, right)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "found the columns none; expected name and the labels of the points"),
        (b"m1,m2\n", "found the columns m1, m2; expected name and the labels"),
        (b"name\n", "found the columns name; expected name and the labels"),
        (b"name,m1,m2,m2\na,1,2,3\n", "the columns name, m1, m2, m2; each needs a name of its own"),
        (b"name,m1,name\na,1,2\n", "the columns name, m1, name; each needs a name of its own"),
        (b"name,m1,\na,1,2\n", "the columns name, m1, ; each needs a name of its own"),
        (b"name,m1\n\n", "holds no points; expected a row a point"),
        (b"name;m1;m2\na;1;2\n", 'found the first line "name;m1;m2"; expected commas between'),
        (b"name\tm1\na\t1\n", 'found the first line "name\\tm1"; expected commas between'),
        (b"name,m1\na\n", "row 2: found a, expected a name"),
        (b"name,m1\na,1,2\n", "row 2: found a,1,2, expected a name"),
        (b"name,m1\n../a,1\n", "row 2: found ../a,1, expected a name of letters"),
        (b"name,m1\na,1\n\na,1\n", "row 4: point a stands in row 2, too; remove one of the two"),
        (b"name,m1\n\xff,1\n", "not a table in CSV form"),
        (b'name,m1\n"a,1\n', "not a table in CSV form"),
    ],
)
def test_what_is_no_table_of_points_is_refused(tmp_path: Path, text: bytes, problem: str) -> None:
    (tmp_path / "points.csv").write_bytes(text)
    with pytest.raises(UserError) as caught:
        read_points(tmp_path / "points.csv")
    assert problem in str(caught.value)


def test_a_table_that_excel_has_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_bytes(b"\xef\xbb\xbfname,m1\r\na, 1\r\n\r\nb,x \r\n")
    assert read_points(tmp_path / "points.csv").points == (Point("a", (1,)), Point("b", ("x",)))


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    for read in (read_points, yields.read, lambda path: cross_sections.read(path, LABELS)):
        with pytest.raises(UserError, match="is a folder, not a table of "):
            read(tmp_path)


def test_a_table_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user may be root, who may read all."""

    def refuse(*arguments: Any, **options: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match=r"points\.csv: no permission to read this table of points"):
        read_points(tmp_path / "points.csv")


def test_a_missing_table_of_points_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such table of points"):
        read_points(tmp_path / "points.csv")


def test_the_points_of_1lbb(published_1lbb: Path) -> None:
    patches = index_patchset(published_1lbb / "patchset.json").patches
    assert select(patches, "(900, 250)")[0].name == "C1N2_Wh_hbb_900_250"
    assert len(select(patches, "all")) == 125
