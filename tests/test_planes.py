"""Planes of a scan, and scans along one axis: which points, where CLs crosses 0.05, the figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from recontour import config, crossings, line_figure, planes, points
from recontour.errors import UserError
from recontour.files import read_json
from recontour.points import COLUMNS, VARIED_CURVES, Points, spanned
from running import snakemake
from scipy.special import ndtr
from small_search import write, write_config

ROOT = Path(__file__).resolve().parents[1]
Z95 = 1.6448536269514722  # Φ⁻¹(0.95)
X = {"x": {"label": "m1", "title": "$m_1$", "unit": "GeV", "scale": "linear"}}
SHIFT = {"expected_m2": 1.0, "expected_m1": 0.5, "expected_p1": -0.5, "expected_p2": -1.0}


def planes_of(tmp_path: Path, rows: list[str], **plane: Any) -> dict[str, planes.Plane]:
    """The planes of a search with these points of three labels."""
    table = tmp_path / "points.csv"
    table.write_text("\n".join(["name,m1,m2,m3", *rows, ""]), encoding="utf-8")
    settings = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    analysis = {"title": "T", "points": str(table)}
    analysis["likelihood"] = settings["analyses"]["1Lbb"]["likelihood"]
    settings = {"run": ["three"], "analyses": {"three": analysis | plane}}
    config.complete(settings)
    return planes.planes(settings, config.scans(settings, ROOT))


def axes(x: str = "m1", y: str | None = "m2") -> dict[str, Any]:
    shown = {"x": {"label": x, "title": x}} | ({} if y is None else {"y": {"label": y, "title": y}})
    return {"axes": shown}


ROWS = ["a,100,0,60", "b,200,0,60", "c,200,50,60", "d,300,130,0", "e,300,170,40", "f,400,130,0"]


def test_a_plane_holds_the_points_that_its_condition_chooses(tmp_path: Path) -> None:
    found = planes_of(
        tmp_path,
        ROWS,
        planes={
            "m60": {"where": "m3 == 60", **axes()},
            "dm130": {"where": "m2 - m3 == 130", "boundary": "m3 >= -5", **axes()},
        },
    )
    assert [point.name for point in found["three/m60"].points] == ["a", "b", "c"]
    assert [point.name for point in found["three/dm130"].points] == ["d", "e", "f"]
    assert found["three/m60"].boundary is None
    assert found["three/dm130"].boundary == (0, 1, 125)


def test_the_plane_of_an_analysis_without_planes_lies_in_its_own_folder(tmp_path: Path) -> None:
    found = planes_of(tmp_path, ROWS, where="m3 == 60", **axes("m1 - m2", "log(m1)"))
    assert list(found) == ["three"]
    assert found["three"].can_draw


def test_a_selection_on_a_line_is_computed_and_not_drawn(tmp_path: Path) -> None:
    found = planes_of(tmp_path, ROWS, select=["d", "f", "a"], where="m2 - m3 == 130", **axes())
    assert [point.name for point in found["three"].points] == ["d", "f"]
    assert not found["three"].can_draw
    line = [f"l{m},{m},0,0" for m in (1, 2, 3)] + ["other,1,1,0"]
    found = planes_of(tmp_path, line, select=["l1", "l2", "l3"], **axes())
    assert not found["three"].can_draw


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        ({"where": "m2 == 130", **axes()}, "holds for 2 of the 6 points"),
        (
            {"where": "m3 == 60", "tolerance": {"disagreements": ["a", "bb"]}, **axes()},
            'three/tolerance/disagreements: point "bb" is unknown; did you mean "b"',
        ),
        ({"where": "m2 == 0 or m1 == 400", **axes("m1", "2 * m1")}, "all 3 points lie on a line"),
        ({"where": "m3 == 40", **axes()}, r"three/where: .* holds for 1 of the 6 points .*\(e\)"),
        ({"where": "m3 = 60", **axes()}, "three/where: .* it is no formula; .* m1, m2, m3"),
        ({"where": "m4 > 0", **axes()}, 'three/where: .*"m4" is no label'),
        (axes("m1 +"), "three/axes/x/label: .* it is no formula"),
        (axes("m1", "log(m2)"), r"three/axes/y/label: .*no value for m1 = 100, m2 = 0"),
        (
            axes("m2", "m2 - m1 + m1"),
            r'"a" and "b" both lie at \(0, 0\); choose one plane .* `where`',
        ),
        (
            {"axes": {**axes()["axes"], "y": {"label": "m2", "title": "t", "scale": "log"}}},
            'three/axes/y/scale: .* logarithmic, but the point "a" lies at 0 on it',
        ),
        (
            {
                "axes": {"x": {"label": "150 - m1", "title": "t", "scale": "log"}},
                "where": "m3 == 0",
            },
            'three/axes/x/scale: .* logarithmic, but the point "f" lies at -250 on it',
        ),
        ({"boundary": "m1 >= m3", **axes("m1", "m2")}, "three/boundary: .* not linear in the axes"),
        (
            {"boundary": "m1 >= m2 + 120", **axes()},
            r'three/boundary: the point "a" at \(100, 0\) lies beyond 1·x \+ -1·y ≥ 120',
        ),
        ({"planes": {"p": axes()}, **axes()}, "planes cannot be given beside axes"),
        ({}, "three: axes, or else planes, must be given"),
    ],
)
def test_a_plane_that_is_none_is_refused(
    tmp_path: Path, plane: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=f"config key analyses/{message}|{message}"):
        planes_of(tmp_path, ROWS, **plane)


def test_a_point_that_cannot_be_drawn_can_be_computed_where_nothing_is_drawn(
    tmp_path: Path,
) -> None:
    beyond = {"boundary": "m1 >= m2 + 150", **axes()}
    assert not planes_of(tmp_path, ROWS, select=["e"], **beyond)["three"].can_draw
    scale = {"axes": {**axes()["axes"], "y": {"label": "m2", "title": "t", "scale": "log"}}}
    assert not planes_of(tmp_path, ROWS, select=["a"], **scale)["three"].can_draw
    assert planes_of(tmp_path, ROWS, where="m2 > 0", **scale)["three"].can_draw


@pytest.mark.parametrize("size", [1e-15, 1e9])
@pytest.mark.parametrize("bent", [False, True])
def test_points_of_any_size_span_a_plane_or_lie_on_a_line(size: float, bent: bool) -> None:
    x = np.linspace(200.0, 2000.0, 20)
    y = size * (1.0 + (np.arange(20) % 2 if bent else np.arange(20)))
    assert spanned(np.column_stack([x, y])) is bent


def test_no_plane_can_take_the_name_of_another_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="planes"):
        planes_of(tmp_path, ROWS, planes={"download": axes()})


def line(x: Any, z: Any) -> Points:
    """Points along x with the significance z observed and expected, the band 0.5 a σ around it."""
    x, z = np.asarray(x, dtype=float), np.asarray(z, dtype=float)
    cls = {curve: ndtr(-z - SHIFT.get(curve, 0.0)) for curve in COLUMNS}
    return Points(tuple(f"s{i}" for i in range(len(x))), x, None, cls)


def test_the_crossing_of_a_straight_significance_is_exact() -> None:
    x = np.arange(200, 801, 100.0)
    found = crossings.crossings(line(x, Z95 + (500 - x) / 200), X)
    assert found["curves"]["observed"] == [500]
    assert found["curves"]["expected_m1"] == [600]
    assert found["curves"]["expected_p2"] == [300]
    assert found["excluded"]["observed"] == [[200, 500]]
    assert found["region"] == [200, 800]
    assert found["reasons"] == {}


def test_along_an_axis_too_the_cross_section_is_varied_by_its_uncertainty() -> None:
    x = np.arange(200, 801, 100.0)
    scan = line(x, Z95 + (500 - x) / 200)
    for curve, shift in (("observed_up", 0.25), ("observed_down", -0.25)):
        scan.cls[curve] = ndtr(-Z95 - (500 - x) / 200 - shift)
    found = crossings.crossings(scan, X)
    assert (found["curves"]["observed_down"], found["curves"]["observed_up"]) == ([450], [550])
    assert found["excluded"]["observed_up"] == [[200, 550]]
    figure = line_figure.draw(found, scan, "Title")
    (drawn,) = figure.axes
    shown = {artist.get_label() for artist in drawn.get_lines()}
    assert {"_ours observed_up", "_ours observed_down"} <= shown
    assert line_figure.VARIED_LABEL in [text.get_text() for text in drawn.get_legend().get_texts()]


def test_a_legend_of_many_entries_leaves_the_header_free() -> None:
    x = np.arange(200, 801, 100.0)
    scan = line(x, Z95 + (500 - x) / 200)
    scan.cls.update(dict.fromkeys(VARIED_CURVES, scan.cls["observed"]))
    for cls in scan.cls.values():
        cls[-1] = np.nan
    figure = line_figure.draw(crossings.crossings(scan, X), scan, "Title", ["label"])
    legend = figure.axes[0].get_legend()
    assert len(legend.get_texts()) == 8
    header = min(text.get_window_extent().y0 for text in figure.texts)
    assert legend.get_window_extent().y1 < header


def test_a_boundary_changes_nothing_along_one_axis() -> None:
    scan = line([200, 300, 400], [3.0, 2.0, 1.0])
    bounded = crossings.crossings(scan, X, (1.0, 150.0))
    assert bounded | {"boundary": None} == crossings.crossings(scan, X)


def test_two_excluded_ranges_give_three_crossings() -> None:
    z = Z95 + np.array([1, -1, 1, -1.0])
    found = crossings.crossings(line([0, 100, 200, 300], z), X)
    first, middle, last = found["curves"]["observed"]
    assert middle == 150  # of a curve that is odd around it
    assert first + last == pytest.approx(300, abs=1e-3)
    assert found["excluded"]["observed"] == [[0, first], [150, last]]


def test_along_a_logarithmic_axis_the_logarithm_is_interpolated() -> None:
    x = np.array([1, 10, 100, 1000.0])
    scale = {"x": X["x"] | {"scale": "log"}}
    found = crossings.crossings(line(x, Z95 + 1.5 - np.log10(x)), scale)
    assert found["curves"]["observed"] == pytest.approx([10**1.5], rel=1e-5)


def test_where_nothing_or_all_is_excluded_there_is_a_reason() -> None:
    found = crossings.crossings(line([1, 2, 3], [0.5, 0.4, 0.3]), X)
    assert (found["curves"]["observed"], found["excluded"]["observed"]) == ([], [])
    assert "no point is excluded" in found["reasons"]["observed"]
    found = crossings.crossings(line([1, 2, 3], [4, 5, 6]), X)
    assert found["excluded"]["observed"] == [[1, 3]]
    assert "every point is excluded" in found["reasons"]["observed"]


@pytest.mark.parametrize(
    ("x", "scale", "boundary", "message"),
    [
        ([1], "linear", None, "a figure takes 2 points, found 1"),
        ([1, 2, 2], "linear", None, r'"s1" and "s2" both lie at \(2\)'),
        ([0, 1], "log", None, 'is logarithmic, but the point "s0" lies at 0'),
        ([1, 2], "linear", (1.0, 1.5), r'"s0" at \(1\) lies beyond 1·x ≥ 1.5'),
    ],
)
def test_points_that_make_no_curve_are_refused(
    x: list[float], scale: str, boundary: tuple[float, ...] | None, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        crossings.crossings(line(x, np.ones(len(x))), {"x": X["x"] | {"scale": scale}}, boundary)


def test_the_figure_shows_curves_band_level_and_what_is_excluded(tmp_path: Path) -> None:
    x = np.arange(200, 801, 100.0)
    scan = line(x, Z95 + (500 - x) / 200)
    found = crossings.crossings(scan, X)
    out = [tmp_path / "line.png", tmp_path / "line.pdf"]
    figure = line_figure.draw(found, scan, "Title", ["label"], out)
    (drawn,) = figure.axes
    names = {artist.get_label() for artist in drawn.get_children()}
    assert {"_ours observed", "_ours expected", "_band 1", "_band 2", "_level"} <= names
    assert drawn.get_xlabel() == "$m_1$ [GeV]"
    first = [path.read_bytes() for path in out]
    line_figure.draw(found, scan, "Title", ["label"], out)
    assert [path.read_bytes() for path in out] == first


@pytest.mark.parametrize("left", [0, 1, 3])
def test_failed_points_are_marked_on_the_axis_also_where_they_leave_no_curve(left: int) -> None:
    x = np.array([200, 300, 400, 500.0])
    scan = line(x, Z95 + (300 - x) / 200)
    for cls in scan.cls.values():
        cls[left:] = np.nan
    found = crossings.crossings(scan, X)
    if left < 2:
        assert found["region"] == found["drawn"]["x"] == found["excluded"]["observed"] == []
        assert (
            f"{4 - left} of 4 points failed, and a curve takes two" in found["reasons"]["observed"]
        )
    (drawn,) = line_figure.draw(found, scan, "Title").axes
    shown = {artist.get_label(): artist for artist in drawn.get_lines()}
    assert shown["_failed"].get_xdata().tolist() == x[left:].tolist()
    assert shown["_points"].get_xdata().tolist() == x[:left].tolist()
    assert drawn.get_xlim() == (200, 500)


def test_limits_along_one_axis_are_drawn_with_band_and_theory(tmp_path: Path) -> None:
    x = np.array([300.0, 100.0, 200.0])
    band = {"expected_m2": 0.5, "expected_m1": 0.7, "expected_p1": 1.4, "expected_p2": 2.0}
    limits = {"observed": np.array([np.nan, 0.5, 0.9]), "expected": x / 200}
    limits |= {curve: factor * x / 200 for curve, factor in band.items()}
    contours = {"axes": X}
    out = [tmp_path / "limits.png"]
    named = (np.ones(3), "Theory")
    figure = line_figure.draw_limits(contours, x, limits, named, "Limit", "Title", ["label"], out)
    (drawn,) = figure.axes
    lines = {artist.get_label(): artist.get_xydata().tolist() for artist in drawn.get_lines()}
    assert lines["_ours expected"] == [[100, 0.5], [200, 1.0], [300, 1.5]]
    assert lines["_points"] == [[100, 0.5], [200, 0.9]]
    assert lines["_theory"] == [[100, 1], [200, 1], [300, 1]]
    assert {"_band 1", "_band 2"} <= {artist.get_label() for artist in drawn.collections}
    assert drawn.get_ylabel() == "Limit"
    assert out[0].stat().st_size > 10_000


@pytest.fixture(scope="module")
def two_planes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small search, drawn over m1 at one m2, and over log(m1) and m1 - m2."""
    folder = tmp_path_factory.mktemp("planes")
    settings = write(folder)
    analysis = settings["analyses"]["small"]
    for key in ("axes", "boundary", "published"):
        del analysis[key]
    analysis["planes"] = {
        "line": {"where": "m2 == 50", "boundary": "m1 >= m2 + 50", **axes("m1", None)},
        "split": axes("log(m1)", "m1 - m2"),
    }
    write_config(folder, settings)
    run = snakemake(folder, "small")
    assert run.returncode == 0, run.stdout[-3000:]
    return folder / "results" / "small"


def test_one_scan_is_drawn_in_several_planes(two_planes: Path) -> None:
    curve = read_json(two_planes / "line" / "contours.json")
    assert curve["points"]["used"] == 4
    (crossing,) = curve["curves"]["observed"]
    assert 300 < crossing < 400
    contour = read_json(two_planes / "split" / "contours.json")
    assert contour["axes"]["x"]["label"] == "log(m1)"
    assert contour["points"]["used"] == 12
    for plane in ("line", "split"):
        assert (two_planes / plane / "exclusion.png").stat().st_size > 10_000
        verdict = json.loads((two_planes / plane / "comparison.json").read_text())["verdict"]
        assert verdict == "not compared"
    assert "plane       line" in (two_planes / "summary.txt").read_text(encoding="utf-8")


def test_a_table_of_cls_is_read_for_a_plane() -> None:
    cells = dict.fromkeys(COLUMNS.values(), "0.1") | {"status": "ok"}
    rows = [{"name": n, "m1": m1, "m2": m2, **cells} for n, m1, m2 in ("b31", "a21", "c14")]
    axis = {"x": {"label": "m1 ** 2 + m2"}}
    found = points.read_points(rows, axis, "cls.csv", "m2 == 1")
    assert (found.names, found.x.tolist(), found.y) == (("a", "b"), [5, 10], None)
