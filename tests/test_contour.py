"""Contours of scans whose significance is known in closed form."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from recontour import contour, geometry
from recontour.errors import UserError
from recontour.points import COLUMNS, CURVES, Points, beyond, read_points
from scipy.special import ndtr

AXES = {
    "x": {"label": "m_a", "title": "$m(A)$", "unit": "GeV"},
    "y": {"label": "m_b", "title": "$m(B)$", "unit": "GeV"},
}
Z95 = 1.6448536269514722  # Φ⁻¹(0.95)


def grid(xs: object, ys: object, significance: Callable[..., object]) -> Points:
    """Points with this observed significance z(x, y); expected −1σ, 0, +1σ: z+0.5, z, z−0.5."""
    x, y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    z = np.broadcast_to(significance(x, y), x.shape)
    shift = {"observed": 0.0, "expected": 0.0, "expected_m1": 0.5, "expected_p1": -0.5}
    names = tuple(f"signal_{a:g}_{b:g}" for a, b in zip(x, y, strict=True))
    return Points(names, x, y, {curve: ndtr(-z - shift[curve]) for curve in CURVES})


def slope(points_x: np.ndarray, _: np.ndarray) -> np.ndarray:
    return Z95 + (500 - points_x) / 100


def test_a_thin_plate_spline_follows_a_plane_significance_exactly() -> None:
    points = grid(np.arange(300, 701, 100.0), np.arange(0, 301, 100.0), slope)
    found = contour.contours(points, AXES)
    curves, areas = found["curves"], found["excluded_area"]
    for curve, x in {"observed": 500, "expected_m1": 550, "expected_p1": 450}.items():
        (line,) = np.array(curves[curve])
        assert np.allclose(line[:, 0], x, atol=1e-3)
        assert sorted(line[[0, -1], 1]) == [0, 300]
        assert areas[curve] == pytest.approx((x - 300) * 300, rel=1e-5)


def test_a_round_exclusion_gives_one_closed_contour_and_its_area() -> None:
    ticks = np.linspace(-500, 500, 21)
    points = grid(ticks, ticks, lambda x, y: Z95 + (300 - np.hypot(x, y)) / 100)
    found = contour.contours(points, AXES)
    (line,) = np.array(found["curves"]["observed"])
    assert np.array_equal(line[0], line[-1])
    assert np.allclose(np.hypot(*line.T), 300, atol=2.0)
    assert found["excluded_area"]["observed"] == pytest.approx(np.pi * 300**2, rel=0.005)
    assert found["excluded_area"]["expected_m1"] == pytest.approx(np.pi * 350**2, rel=0.005)
    assert found["region_area"] == 1e6


def test_two_excluded_islands_give_two_contours() -> None:
    ticks = np.linspace(-500, 500, 21)

    def islands(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return Z95 + (100 - np.minimum(np.hypot(x - 250, y), np.hypot(x + 250, y))) / 100

    lines = contour.contours(grid(ticks, ticks, islands), AXES)["curves"]["observed"]
    assert sorted(round(np.mean([x for x, _ in line]), -1) for line in lines) == [-250, 250]


@pytest.mark.parametrize("spacing", [40.0, 8.0])
def test_the_boundary_is_imposed_where_every_point_is_excluded(spacing: float) -> None:
    points = grid(np.arange(120, 601, spacing), np.arange(0, 401, spacing), lambda x, y: 3.0)
    allowed = points.x - points.y >= 120
    points = Points(
        tuple(np.array(points.names)[allowed]),
        points.x[allowed],
        points.y[allowed],
        {curve: cls[allowed] for curve, cls in points.cls.items()},
    )
    result = contour.contours(points, AXES, (1, -1, 100))
    (line,) = np.array(result["curves"]["observed"])
    beyond = line[:, 0] - line[:, 1] - 100
    assert (beyond > 0).all()
    assert (beyond < 20).all()
    assert np.ptp(line[:, 1]) == pytest.approx(400)
    assert not contour.contours(points, AXES)["curves"]["observed"]


def test_where_points_lie_on_the_boundary_their_own_cls_counts() -> None:
    # as dense as the places where the boundary is imposed, and all excluded
    inside = grid(np.arange(100, 601, 40.0), np.arange(0, 401, 40.0), lambda x, y: 3.0)
    x, y = inside.x[inside.x - inside.y > 100], inside.y[inside.x - inside.y > 100]
    along = np.linspace(0.0, 400.0, contour.BOUNDARY_STEPS + 1)
    x, y = np.append(x, along + 100.0), np.append(y, along)
    cls = {curve: np.full(len(x), 1e-3) for curve in CURVES}
    points = Points(tuple(map(str, range(len(x)))), x, y, cls)
    result = contour.contours(points, AXES, (1, -1, 100))
    assert result["excluded_area"]["observed"] == result["region_area"]
    assert result["method"]["boundary_places"] == 0


@pytest.mark.parametrize(
    ("significance", "reason"),
    [(0.5, "no point is excluded: the smallest CLs is 0.309"), (3.0, "every point is excluded")],
)
def test_a_scan_without_contour_says_why(significance: float, reason: str) -> None:
    points = grid([100.0, 200.0, 300.0], [0.0, 100.0], lambda x, y: significance)
    result = contour.contours(points, AXES)
    assert result["curves"]["observed"] == []
    assert reason in result["reasons"]["observed"]


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_where_the_surface_is_not_evaluated(
    seed: int, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against an evaluation of the whole raster; the points fill a thin triangle, whose tips are
    narrower than a cell."""
    rng = np.random.default_rng(seed)
    corners = np.array([[10.0, 10.0], [1000.0, 300.0], [1000.0, rng.uniform(320, 900)]])
    x, y = np.vstack([corners, rng.dirichlet([1, 1, 1], 40) @ corners]).T
    z = {curve: Z95 + np.cos(x / rng.uniform(60, 200)) for curve in CURVES}
    names = tuple(map(str, range(len(x))))
    points = Points(names, x, y, {curve: ndtr(-z[curve]) for curve in CURVES})
    axes = {axis: settings | {"scale": scale} for axis, settings in AXES.items()}
    evaluated = []
    spline = contour._spline
    monkeypatch.setattr(contour, "_spline", lambda *a: evaluated.append(len(a[2])) or spline(*a))
    found = contour.contours(points, axes)
    monkeypatch.setattr(
        contour, "_corners_within", lambda raster, _: np.ones(raster.shape[:2], bool)
    )
    whole = contour.contours(points, axes)
    assert evaluated[0] < 0.8 * evaluated[1]
    assert found["excluded_area"] == whole["excluded_area"]
    for curve in CURVES:  # lines may begin at their other ends
        lines, others = ([*map(np.array, each["curves"][curve])] for each in (found, whole))
        assert lines
        assert geometry.length(lines) == pytest.approx(geometry.length(others), rel=1e-5)
        assert geometry.distances(np.concatenate(others), lines).max() < 0.01


def test_cls_of_exactly_0_and_1_are_clipped() -> None:
    points = grid([0.0, 100.0, 200.0], [0.0, 100.0], slope)
    for cls in points.cls.values():
        cls[:] = np.select([points.x == 0, points.x == 200], [0.0, 1.0], 0.5)
    (line,) = np.array(contour.contours(points, AXES)["curves"]["observed"])
    assert (line[:, 0] > 0).all()
    assert (line[:, 0] < 100).all()  # z falls from 5 at x = 0 to 0 at x = 100


def test_a_logarithmic_axis_interpolates_in_the_logarithm() -> None:
    points = grid(
        10.0 ** np.arange(-1, 3),
        [0.0, 100.0, 200.0],
        lambda x, y: Z95 + 1 - np.log10(x),
    )
    axes = {"x": AXES["x"] | {"scale": "log"}, "y": AXES["y"]}
    (line,) = np.array(contour.contours(points, axes)["curves"]["observed"])
    assert np.allclose(line[:, 0], 10, rtol=1e-4)


def test_a_logarithmic_axis_refuses_zero() -> None:
    points = grid([0.0, 100.0, 200.0], [0.0, 100.0], slope)
    with pytest.raises(UserError, match=r'axes/x/scale: .* "signal_0_0" lies at 0 on it'):
        contour.contours(points, {"x": AXES["x"] | {"scale": "log"}, "y": AXES["y"]})


def test_failed_points_are_left_out_and_named() -> None:
    points = grid(np.arange(300, 701, 100.0), np.arange(0, 301, 100.0), slope)
    for cls in points.cls.values():
        cls[7] = np.nan
    result = contour.contours(points, AXES)
    assert result["points"] == {"used": 19, "failed": ["signal_500_100"]}
    assert np.allclose(np.array(result["curves"]["observed"])[..., 0], 500, atol=1e-3)


@pytest.mark.parametrize("left", [[], [0], [0, 7], [0, 1, 2]])
def test_where_failed_points_leave_too_few_others_there_is_a_reason_for_no_contour(
    left: list[int],
) -> None:
    points = grid(np.arange(300, 701, 100.0), np.arange(0, 301, 100.0), slope)
    for cls in points.cls.values():
        cls[~np.isin(np.arange(20), left)] = np.nan
    result = contour.contours(points, AXES, (1, 0, 200))
    assert result["points"]["used"] == len(left)
    assert result["region"] == [] and result["region_area"] is None
    assert [*result["curves"].values()] == [[]] * 4
    assert [*result["excluded_area"].values()] == [None] * 4
    why = f"{20 - len(left)} of 20 points failed, and a contour takes three others, not on a line"
    assert {*result["reasons"].values()} == {why}


def row(name: str, x: object, y: object, cls: object, status: str = "ok") -> dict[str, str]:
    values = dict.fromkeys(COLUMNS.values(), str(cls))
    return {"name": name, "m_a": str(x), "m_b": str(y), **values, "status": status}


def test_the_order_of_points_changes_no_byte() -> None:
    generator = np.random.default_rng(1)
    rows = [row(f"s{i}", i % 7 * 50, i // 7 * 30, generator.uniform()) for i in range(42)]

    def text(rows: list[dict[str, str]]) -> str:
        return json.dumps(contour.contours(read_points(rows, AXES, "cls.csv"), AXES, (1, -1, -400)))

    expected = text(rows)
    generator.shuffle(rows)
    assert text(rows) == expected


def test_reading_takes_any_label_and_no_cls_of_failed_points() -> None:
    rows = [row("b", 200, 10, 0.25), row("a", 100, 20, "", "failed")]
    points = read_points(rows, AXES, "cls.csv")
    assert points.names == ("a", "b")
    assert points.plane.tolist() == [[100, 20], [200, 10]]
    assert points.fitted.tolist() == [False, True]
    assert points.cls["expected_p1"][1] == 0.25


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CLs_obs": ""}, 'cls.csv: point "a", CLs_obs: found "", expected a number between 0 and'),
        ({"CLs_exp_0": "nan"}, 'CLs_exp_0: found "nan"'),
        ({"CLs_exp_m1": "1.5"}, 'CLs_exp_m1: found "1.5"'),
        ({"m_a": "inf"}, 'm_a is "inf", which is no number'),
        ({"CLs_exp_p2": None}, 'column "CLs_exp_p2" is missing'),
    ],
)
def test_a_bad_table_of_cls_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError) as error:
        read_points([row("a", 100, 20, 0.1) | changes], AXES, "cls.csv")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("places", "boundary", "message"),
    [
        ([(1, 1), (2, 1)], None, "a figure takes 3 points, found 2"),
        ([(1, 1), (2, 2), (3, 3)], None, "lie on a line"),
        ([(1, 1), (1, 2), (1, 5)], None, "lie on a line"),
        ([(1, 1), (2, 1), (2, 3), (2, 1)], None, 'points "s1" and "s3" both lie at \\(2, 1\\)'),
        ([(1, 1), (2, 1), (2, 3)], (1, -1, 0), 'point "s2" at \\(2, 3\\) lies beyond'),
    ],
)
def test_points_that_span_no_plane_are_refused(
    places: list[tuple[float, float]], boundary: contour.Boundary | None, message: str
) -> None:
    rows = [row(f"s{i}", x, y, 0.04) for i, (x, y) in enumerate(places)]
    with pytest.raises(UserError, match=message):
        contour.contours(read_points(rows, AXES, "cls.csv"), AXES, boundary)


def test_three_points_are_enough() -> None:
    rows = [row("a", 0, 0, 0.001), row("b", 100, 0, 0.5), row("c", 0, 100, 0.5)]
    (line,) = contour.contours(read_points(rows, AXES, "cls.csv"), AXES)["curves"]["observed"]
    # z falls linearly from 3.0902 to 0 (scipy.stats.norm.isf(0.001)) along x + y
    assert np.allclose(np.sum(line, axis=1), 100 * (1 - Z95 / 3.090232306167813), atol=1e-3)


def test_a_dense_scan_has_the_contours_of_a_coarse_one_in_seconds_and_little_memory() -> None:
    """A thin-plate spline through so many points would take minutes and gigabytes."""
    ticks = np.linspace(-500, 500, 101)
    points = grid(ticks, ticks, lambda x, y: Z95 + (300 - np.hypot(x, y)) / 100)
    found = contour.contours(points, AXES)
    assert found["method"]["interpolation"].startswith("cubic interpolation")
    (line,) = np.array(found["curves"]["observed"])
    assert np.array_equal(line[0], line[-1])
    assert np.allclose(np.hypot(*line.T), 300, atol=0.1)


def log_log(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[Points, dict[str, Any]]:
    axes = {axis: {"label": axis, "scale": "log"} for axis in ("x", "y")}
    names = tuple(f"p{i}" for i in range(len(x)))
    return Points(names, x, y, dict.fromkeys(CURVES, ndtr(-z))), axes


@pytest.mark.parametrize(
    ("fitted", "drawn"),
    [
        ([(10, 100), (20, 400), (40, 1600)], False),  # y = x²
        ([(1, 2), (2, 3), (4, 5)], True),  # y = x + 1
    ],
)
def test_failed_points_leave_too_few_others_by_what_logarithmic_axes_show(
    fitted: list[tuple[float, float]], drawn: bool
) -> None:
    x, y = np.array([*fitted, (3, 3)], dtype=float).T
    found = contour.contours(*log_log(x, y, np.array([3.0, 2.0, 0.0, np.nan])))
    assert bool(found["region"]) is bool(found["curves"]["observed"]) is drawn
    if not drawn:
        assert found["reasons"]["observed"].startswith("1 of 4 points failed, and a contour takes")


def test_nothing_is_extrapolated_on_logarithmic_axes() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.geomspace(1.0, 1000.0, 7)] * 2))
    below = x * y <= 1000.0 * (1 + 1e-9)
    x, y = x[below], y[below]
    found = contour.contours(*log_log(x, y, 3.0 - 0.3 * np.log10(x * y)))
    assert found["curves"]["observed"] == []
    assert "every point is excluded" in found["reasons"]["observed"]
    # within x y ≤ 1000 and 1 ≤ x: ∫ (1000/x − 1) dx
    assert found["region_area"] == pytest.approx(1000.0 * np.log(1000.0) - 999.0, rel=0.01)
    assert found["excluded_area"]["observed"] == found["region_area"]


def test_a_boundary_holds_along_all_of_logarithmic_axes() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(*[np.geomspace(1.0, 1000.0, 13)] * 2))
    allowed = y < x
    x, y = x[allowed], y[allowed]
    points, axes = log_log(x, y, np.minimum(4.0 * np.log10(x / y), 4.0))
    found = contour.contours(points, axes, (1.0, -1.0, 0.0))
    (line,) = found["curves"]["observed"]
    across = np.array([place[1] / place[0] for place in line if 2.0 < place[1] < 500.0])
    assert across == pytest.approx(np.full(len(across), 10 ** (-1.645 / 4.0)), rel=0.15)
    assert np.ptp([np.log10(place[0]) for place in line]) > 2.5


def test_an_end_of_the_boundary_at_0_is_not_on_a_logarithmic_axis() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(np.geomspace(10, 1000, 7), np.linspace(0, 900, 7)))
    points, axes = log_log(x[y <= x], y[y <= x], np.log10(x[y <= x]))
    del axes["y"]["scale"]
    found = contour.contours(points, axes, (1.0, -1.0, 0.0))
    assert min(place[0] for place in found["region"]) == 10.0


def test_a_point_on_a_boundary_through_0_is_not_beyond_it() -> None:
    plane = np.array([(0.3, 0.1), (0.3, 0.1001)])  # 3 × 0.1 > 0.3 by rounding
    assert beyond((1.0, -3.0, 0.0), plane).tolist() == [False, True]
