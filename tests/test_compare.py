"""Distances, overlaps and verdicts for shapes whose answers are known, and for the real search."""

from __future__ import annotations

import csv
import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.path import Path as PlotPath
from recontour import contour, geometry
from recontour.compare import compare
from recontour.errors import UserError
from recontour.points import CURVES, Points, read_points
from recontour.published import read_curves

TOLERANCE = {"median": 3.5, "p90": 10, "overlap": 0.95, "disagreements": []}
SQUARE = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
AXES = {"x": {"label": "m_a", "unit": "GeV"}, "y": {"label": "m_b", "unit": "GeV"}}


def circle(radius: float, x: float = 50, y: float = 50, vertices: int = 721) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, vertices)
    angle[-1] = 0.0
    return np.column_stack([x + radius * np.cos(angle), y + radius * np.sin(angle)])


def scan(inside: Any) -> Points:
    """Points every 10 GeV of the square, with CLs 0.01 where `inside` and 0.2 elsewhere."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(0.0, 101, 10), np.arange(0.0, 101, 10)))
    cls = np.where(inside(x, y), 0.01, 0.2)
    names = tuple(f"signal_{a:g}_{b:g}" for a, b in zip(x, y, strict=True))
    return Points(names, x, y, dict.fromkeys(CURVES, cls))


def ours(*lines: np.ndarray, reason: str = "") -> dict[str, Any]:
    return {
        "axes": AXES,
        "region": SQUARE.tolist(),
        "points": {"failed": []},
        "curves": {curve: [line.tolist() for line in lines] for curve in CURVES},
        "reasons": {"observed": reason} if reason else {},
    }


def in_circle(radius: float) -> Any:
    return lambda x, y: np.hypot(x - 50, y - 50) < radius


def test_equal_contours_are_reproduced() -> None:
    result = compare(ours(circle(33)), {"observed": [circle(33)]}, scan(in_circle(33)), TOLERANCE)
    assert result["verdict"] == "reproduced"
    assert result["reasons"] == []
    entry = result["curves"]["observed"]
    assert (entry["median"], entry["max"], entry["overlap"], entry["covered"]) == (0, 0, 1, 1)


def test_distance_and_overlap_of_concentric_circles() -> None:
    entry = compare(ours(circle(30)), {"observed": [circle(33)]}, scan(in_circle(30)), {})
    entry = entry["curves"]["observed"]
    assert [entry[key] for key in ("median", "p90", "max")] == pytest.approx([3, 3, 3], abs=1e-3)
    assert entry["overlap"] == pytest.approx(30**2 / 33**2, abs=1e-4)


def test_the_density_of_published_vertices_does_not_matter() -> None:
    sparse = np.array([[20.0, 0.0], [20.0, 100.0]])
    crowded = np.array([[20.0, 0.0], *([20.0, y] for y in np.linspace(90, 100, 500))])
    tilted = np.array([[10.0, 0.0], [30.0, 100.0]])
    points = scan(lambda x, y: x < 20 + (y - 50) / 10)
    first, second = (
        compare(ours(tilted), {"observed": [line]}, points, TOLERANCE)["curves"]["observed"]
        for line in (sparse, crowded)
    )
    assert first == second
    # the gap at height y is |y − 50|/5 · cos(atan(1/5)), and is uniform in y
    assert first["median"] == pytest.approx(5 * np.cos(np.arctan(0.2)), abs=0.01)


def test_points_within_a_contour_are_those_that_matplotlib_finds_in_little_memory() -> None:
    turn = np.linspace(0.0, 2.0 * np.pi, 2001)
    radius = 30.0 + 10.0 * np.sin(5.0 * turn)
    loop = 50.0 + np.column_stack([radius * np.cos(turn), radius * np.sin(turn)])
    loop[-1] = loop[0]
    points = np.random.default_rng(1).uniform(0.0, 100.0, (100_000, 2))
    tracemalloc.start()
    inside = geometry.Area([loop], complement=False).contains(points)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.array_equal(inside, PlotPath(loop).contains_points(points))
    assert 0 < np.count_nonzero(inside) < len(points)
    assert peak < 20e6, "points times vertices are 1.6 GB"


def test_open_contours_are_closed_along_the_frame_on_the_side_of_the_excluded_points() -> None:
    line = np.array([[40.0, 0.0], [40.0, 100.0]])
    half = geometry.enclosed([line], SQUARE, *sides(lambda x, y: x < 40))
    other = geometry.enclosed([line[::-1]], SQUARE, *sides(lambda x, y: x > 40))
    probe = np.array([[0.0, 0.0], [39.0, 100.0], [41.0, 0.0], [100.0, 50.0]])
    assert half.contains(probe).tolist() == [True, True, False, False]
    assert other.contains(probe).tolist() == [False, False, True, True]
    assert geometry.overlap(half, other, SQUARE) == 0
    whole = geometry.enclosed([], SQUARE, *sides(lambda x, y: x >= 0))
    assert geometry.overlap(half, whole, SQUARE) == pytest.approx(0.4)
    assert geometry.size(half, SQUARE) == pytest.approx(4000)
    assert geometry.size(whole, SQUARE) == pytest.approx(10_000)


def sides(inside: Any) -> tuple[np.ndarray, np.ndarray]:
    points = scan(inside)
    return points.plane, points.cls["observed"] < 0.05


def test_an_open_contour_that_stops_short_of_the_frame_is_joined_to_its_nearest_edge() -> None:
    corner = np.array([[60.0, 0.4], [60.0, 60.0], [0.3, 60.0]])
    area = geometry.enclosed([corner], SQUARE, *sides(lambda x, y: (x < 60) & (y < 60)))
    exact = geometry.Area([np.array([[0, 0], [60, 0], [60, 60], [0, 60], [0, 0.0]])], False)
    assert geometry.overlap(area, exact, SQUARE) == pytest.approx(1, abs=1e-4)


def test_several_open_contours_divide_the_plane_together() -> None:
    lines = [np.array([[x, 0.0], [x, 100.0]]) for x in (25.0, 55.0, 85.0)]
    area = geometry.enclosed(lines, SQUARE, *sides(lambda x, y: (x < 25) | ((x > 55) & (x < 85))))
    probe = np.array([[10.0, 50], [40.0, 50], [70.0, 50], [95.0, 50]])
    assert area.contains(probe).tolist() == [True, False, True, False]
    band = geometry.Area([np.array([[25, 0], [55, 0], [55, 100], [25, 100], [25, 0.0]])], True)
    assert geometry.overlap(area, band, SQUARE) == pytest.approx(0.55 / 0.70)


def test_a_hole_in_a_closed_contour_is_not_excluded() -> None:
    def ring(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return in_circle(40)(x, y) & ~in_circle(20)(x, y)

    probe = np.array([[50.0, 50.0], [50.0, 80.0], [0.0, 0.0]])
    area = geometry.enclosed([circle(40), circle(20)], SQUARE, *sides(ring))
    assert area.contains(probe).tolist() == [False, True, False]
    hole = geometry.enclosed([circle(20)], SQUARE, *sides(lambda x, y: ~in_circle(20)(x, y)))
    assert hole.contains(probe).tolist() == [False, True, True]


def test_a_closed_published_contour_excludes_its_inside_whatever_the_cls() -> None:
    points = scan(lambda x, y: ~in_circle(33)(x, y))
    result = compare(ours(circle(33)), {"observed": [circle(33)]}, points, TOLERANCE)
    entry = result["curves"]["observed"]
    assert entry["overlap"] == 0
    assert len(entry["disagreements"]) == 121


def test_different_units_of_the_axes_do_not_matter() -> None:
    shrink = np.array([1.0, 1e-6])
    line = np.array([[30.0, 0.001], [70.0, 60.0], [99.9, 60.0]])
    plane, excluded = sides(lambda x, y: (x > 40) & (y < 60))
    wide = geometry.enclosed([line], SQUARE, plane, excluded)
    flat = geometry.enclosed([line * shrink], SQUARE * shrink, plane * shrink, excluded)
    assert np.allclose(flat.loops[0], wide.loops[0] * shrink, rtol=1e-9)


@pytest.mark.parametrize("wrong", [{"unit": "ns"}, {"scale": "log"}])
def test_distances_between_different_units_and_on_logarithmic_axes_are_none(
    wrong: dict[str, Any],
) -> None:
    contours = ours(circle(30)) | {"axes": AXES | {"y": AXES["y"] | wrong}}
    contours["region"] = [[0.0, 1.0], [100.0, 1.0], [100.0, 100.0], [0.0, 100.0]]
    published = {"observed": [circle(33)]}
    points = scan(in_circle(30))
    above = points.y > 0.0
    points = Points(
        tuple(np.array(points.names)[above]),
        points.x[above],
        points.y[above],
        dict.fromkeys(CURVES, points.cls["observed"][above]),
    )
    tolerance = {"median": 3.5, "p90": 10, "overlap": 0.5}
    result = compare(contours, published, points, tolerance)
    entry = result["curves"]["observed"]
    assert [entry[key] for key in ("median", "p90", "max")] == [None] * 3
    assert "there are no distances" in result["no_distances"]
    assert result["verdict"] == "reproduced"
    if "scale" in wrong:  # the area of a circle whose y is shown by its logarithm
        y = np.linspace(-1, 1, 200_001)
        area = {r: np.sum(np.sqrt(1 - y**2) * r * r / (50 + r * y)) for r in (30, 33)}
        assert entry["overlap"] == pytest.approx(area[30] / area[33], abs=1e-3)


def test_published_contour_beyond_the_points_is_left_out_of_the_distances() -> None:
    wide = np.array([[-60.0, 50.0], [160.0, 50.0]])
    points = scan(lambda x, y: y < 50)
    published = {"observed": [wide]}
    entry = compare(ours(np.array([[0.0, 50], [100.0, 50]])), published, points, TOLERANCE)
    assert entry["curves"]["observed"]["max"] == 0
    assert entry["curves"]["observed"]["covered"] == pytest.approx(100 / 220, abs=1e-4)
    assert "only 45.5% of the published contour lies among the points" in entry["reasons"][0]


def test_clipping_a_closed_contour_leaves_the_pieces_within() -> None:
    pieces = geometry.clip([circle(60)], SQUARE)  # cuts off the four corners
    assert len(pieces) == 4
    # each corner keeps the arc between the angles where 60 cos φ = 50 and 60 sin φ = 50
    arc = np.pi / 2 - 2 * np.arccos(50 / 60)
    assert geometry.length(pieces) == pytest.approx(4 * 60 * arc, rel=1e-3)


def test_disagreeing_points_are_listed_and_judged_by_name() -> None:
    points = scan(lambda x, y: in_circle(33)(x, y) & ~((x == 50) & (y == 80)))
    published = {"observed": [circle(33)]}
    result = compare(ours(circle(33)), published, points, TOLERANCE)
    assert result["curves"]["observed"]["disagreements"] == [
        {"name": "signal_50_80", "x": 50.0, "y": 80.0, "CLs": 0.2, "inside_published": True}
    ]
    assert result["verdict"] == "not reproduced"
    assert result["reasons"] == [
        "observed: point signal_50_80 at (50, 80) lies inside the published contour, and its CLs "
        "is 0.2"
    ]
    tolerance = TOLERANCE | {"disagreements": ["signal_50_80"]}
    assert compare(ours(circle(33)), published, points, tolerance)["verdict"] == "reproduced"


@pytest.mark.parametrize(
    ("radius", "reason"),
    [
        (29.0, "observed: median distance is 4, at most 3.5 is tolerated"),
        (21.0, "observed: 90th percentile of the distance is 12, at most 10 is tolerated"),
        (32.0, "observed: overlap is 0.9403, at least 0.95 is required"),
    ],
)
def test_what_is_out_of_tolerance_is_said(radius: float, reason: str) -> None:
    published = {"observed": [circle(33)]}
    result = compare(ours(circle(radius)), published, scan(in_circle(33)), TOLERANCE)
    assert result["verdict"] == "not reproduced"
    assert reason in result["reasons"]


def test_a_missing_contour_of_ours_is_not_reproduced() -> None:
    contours = ours(reason="no point is excluded: the smallest CLs is 0.2")
    published = {"observed": [circle(33)]}
    result = compare(contours, published, scan(lambda x, y: x < 0), TOLERANCE)
    entry = result["curves"]["observed"]
    assert (entry["median"], entry["overlap"]) == (None, 0)
    assert "observed: there is no contour of ours: no point is excluded" in result["reasons"][0]
    assert json.dumps(result, allow_nan=False)


def test_without_published_contours_nothing_is_compared() -> None:
    result = compare(ours(circle(33)), {}, scan(in_circle(33)), TOLERANCE)
    assert result["verdict"] == "not compared"


def test_published_curves_without_counterpart_are_named_with_the_key_that_they_take() -> None:
    published = {"observed_up": [circle(33)], "observed_down": [circle(30)]}
    result = compare(ours(circle(33)), published, scan(in_circle(33)), TOLERANCE)
    assert result["verdict"] == "not compared"
    (reason,) = result["reasons"]
    assert "published observed_up and observed_down" in reason
    assert "config key cross_sections" in reason


def test_where_failed_points_leave_no_contour_nothing_is_compared() -> None:
    contours = ours(reason="4 of 4 points failed") | {"region": []}
    result = compare(contours, {"observed": [circle(33)]}, scan(in_circle(33)), TOLERANCE)
    assert (result["verdict"], result["reasons"]) == ("not compared", ["4 of 4 points failed"])


def test_a_closed_published_contour_may_follow_the_edge_of_our_points() -> None:
    left = np.array([[0.0, 0.0], [40.0, 0.0], [40.0, 100.0], [0.0, 100.0], [0.0, 0.0]])
    line = np.array([[43.0, 0.0], [43.0, 100.0]])
    entry = compare(ours(line), {"observed": [left]}, scan(lambda x, y: x < 42), TOLERANCE)
    found = entry["curves"]["observed"]
    assert found["max"] == pytest.approx(3.0, abs=1e-3)  # along x = 40; 0 along the edge
    assert found["median"] == pytest.approx(0.0, abs=1e-3)
    assert found["overlap"] == pytest.approx(40 / 43, abs=1e-3)


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("x,y", "2 columns and 0 rows in block 2"),
        ("x,y\n1,2", "2 columns and 1 rows in block 2"),
        ("x,y,z\n1,2,3\n4,5,6", "3 columns and 2 rows in block 2"),
    ],
)
def test_a_published_table_with_a_block_that_is_no_curve_is_refused(
    block: str, found: str, tmp_path: Path
) -> None:
    table = tmp_path / "observed.csv"
    table.write_text(f"x,y\n0,0\n1,1\n\n{block}\n", encoding="utf-8")
    with pytest.raises(UserError, match=rf"observed\.csv: found {found}; expected a contour"):
        read_curves([table])


def test_a_published_table_of_several_curves_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "observed.csv"
    branch, other = "x,Observed\n0,0\n1,1\n", "x,Expected\n0,1\n1,2\n"
    table.write_text(f"{branch}\n{branch}", encoding="utf-8")
    assert len(read_curves([table])["observed"]) == 2
    table.write_text(f"{branch}\n{other}", encoding="utf-8")
    with pytest.raises(UserError, match=r"different columns \(x, Observed; x, Expected\)"):
        read_curves([table])


def test_a_published_curve_without_length_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "expected.csv"
    table.write_text("x,y\n1,2\n1,2\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"one and the same place.*names for expected$"):
        read_curves([table])


@pytest.fixture(scope="module")
def real(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """ATLAS SUSY-2019-08 (1Lbb): CLs of an independent computation against HEPData's contours."""
    table = mirror.parent / "reference" / "1Lbb_CLs.csv"
    if not table.is_file():
        pytest.skip("needs the independently computed CLs of 1Lbb beside the mirror")
    axes = {"x": {"label": "m_C1N2_GeV", "unit": "GeV"}, "y": {"label": "m_N1_GeV", "unit": "GeV"}}
    with table.open(newline="") as file:
        points = read_points(csv.DictReader(file), axes, table.name)
    folder = tmp_path_factory.mktemp("published")
    for curve, number in {"observed": 13, "expected": 16}.items():
        source = mirror / "10.17182" / "hepdata.90607.v2" / f"t{number}.csv"
        (folder / f"{curve}.csv").write_bytes(source.read_bytes())
    published = read_curves(sorted(folder.iterdir()))
    return compare(contour.contours(points, axes, (1, -1, 125)), published, points, TOLERANCE)


@pytest.mark.parametrize("curve", ["observed", "expected"])
def test_the_published_1Lbb_contours_come_back(real: dict[str, Any], curve: str) -> None:
    entry = real["curves"][curve]
    assert entry["median"] <= 3.5
    assert entry["p90"] <= 10
    assert entry["overlap"] >= 0.95
    assert entry["covered"] == 1


def test_only_the_1Lbb_point_on_the_edge_disagrees(real: dict[str, Any]) -> None:
    disagreements = {
        curve: [point["name"] for point in entry["disagreements"]]
        for curve, entry in real["curves"].items()
    }
    assert disagreements == {"observed": ["C1N2_Wh_hbb_190_60"], "expected": []}
