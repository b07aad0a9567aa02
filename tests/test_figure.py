"""What the exclusion figure shows, and that its files are whole and repeatable."""

from __future__ import annotations

import struct
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.path import Path
from recontour import contour, figure, plane_figure, style
from recontour.points import CURVES, Points
from scipy.special import ndtr

AXES = {
    "x": {"label": "m_a", "title": "$m(A)$", "unit": "GeV"},
    "y": {"label": "m_b", "title": "$m(B)$", "unit": "GeV"},
}
PUBLISHED = {
    "observed": [np.array([[480.0, 0.0], [490.0, 450.0]])],
    "observed_up": [np.array([[500.0, 0.0], [510.0, 450.0]])],
    "observed_down": [np.array([[460.0, 0.0], [470.0, 450.0]])],
    "expected": [np.array([[520.0, 0.0], [530.0, 450.0]])],
}


@pytest.fixture
def points() -> Points:
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(50.0, 701, 50), np.arange(0.0, 451, 50)))
    x, y = x[x - y >= 50], y[x - y >= 50]
    shift = {"observed": 0.0, "expected": 0.2, "expected_m1": 0.8, "expected_p1": -0.6}
    cls = {curve: ndtr(-1.645 - (500 - x) / 100 - shift[curve]) for curve in CURVES}
    for values in cls.values():
        values[8] = np.nan
    return Points(tuple(f"signal_{i}" for i in range(len(x))), x, y, cls)


def drawn(
    points: Points,
    boundary: contour.Boundary | None = (1, -1, 20),
    axes: dict[str, Any] = AXES,
    published: dict[str, Any] = PUBLISHED,
    out: tuple[FilePath, ...] = (),
) -> Figure:
    contours = contour.contours(points, axes, boundary)
    return figure.draw(contours, points, published, "A search", ["$pp$", "13 TeV"], out)


def artists(drawing: Figure) -> set[str]:
    axes = drawing.axes[0]
    return {artist.get_label() for artist in (*axes.lines, *axes.patches)}


def texts(drawing: Figure) -> list[str]:
    axes = drawing.axes[0]
    legend = axes.get_legend().get_texts()
    return [text.get_text() for text in (*drawing.texts, *axes.texts, *legend)]


def test_curves_points_boundary_and_band_are_drawn(points: Points) -> None:
    drawing = drawn(points)
    ours = {"_ours observed", "_ours expected", "_band", "_boundary"}
    theirs = {f"_published {curve}" for curve in PUBLISHED}
    assert ours | theirs | {"_excluded", "_not excluded", "_failed"} <= artists(drawing)
    (failed,) = (line for line in drawing.axes[0].lines if line.get_label() == "_failed")
    assert failed.get_xydata().tolist() == [[450.0, 0.0]]


def test_axes_labels_and_legend_say_what_is_shown(points: Points) -> None:
    drawing = drawn(points)
    axes = drawing.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$m(A)$ [GeV]", "$m(B)$ [GeV]")
    shown = texts(drawing)
    assert {"A search", "Observed", "Expected ±1σ", "Published observed"} <= set(shown)
    assert "$pp$     13 TeV     Limits at 95% CL" in shown
    assert {"Kinematically forbidden", "$m(A)$ < $m(B)$ + 20 GeV"} <= set(shown)


def test_observed_and_expected_contours_keep_their_place(points: Points) -> None:
    lines = {line.get_label(): line for line in drawn(points, None).axes[0].lines}
    assert np.allclose(lines["_ours observed"].get_xdata(), 500, atol=0.5)
    assert np.allclose(lines["_ours expected"].get_xdata(), 520, atol=0.5)


def test_what_is_not_there_is_not_drawn(points: Points) -> None:
    drawing = drawn(points, boundary=None, published={})
    assert "_boundary" not in artists(drawing)
    assert not any("ublished" in text or "forbidden" in text for text in texts(drawing))


def test_a_boundary_where_the_axes_end_anyway_is_not_drawn(points: Points) -> None:
    # m(B) ≥ 0: the axis begins at 0
    drawing = drawn(points, boundary=(0.0, 1.0, 0.0))
    assert "_boundary" not in artists(drawing)
    assert "_ours observed" in artists(drawing)


@pytest.mark.parametrize("cls", [0.9, 0.001])
def test_a_scan_without_contour_is_drawn(points: Points, cls: float) -> None:
    flat = points._replace(cls={curve: np.full(len(points.x), cls) for curve in CURVES})
    drawing = drawn(flat, boundary=None)
    assert "_ours observed" not in artists(drawing)
    assert "_published observed" in artists(drawing)


@pytest.mark.parametrize("left", [0, 1, 2])
def test_where_failed_points_leave_no_contour_they_are_drawn_and_what_is_published(
    points: Points, left: int
) -> None:
    for cls in points.cls.values():
        cls[left:] = np.nan
    drawing = drawn(points)
    (failed,) = (line for line in drawing.axes[0].lines if line.get_label() == "_failed")
    assert len(failed.get_xydata()) == len(points.names) - left
    assert {"_published observed", "_published expected"} <= artists(drawing)
    assert "_ours observed" not in artists(drawing)
    found = contour.contours(points, AXES)
    numbers = plane_figure.draw_cls(found, points, "A search").axes[0].texts
    assert len(numbers) == left
    nothing = np.full(len(points.names), np.nan)
    limits = plane_figure.draw_limits(found, points, nothing, "upper limit", "A search")
    assert list(limits.axes[0].texts) == []


def test_logarithmic_axes_are_drawn_logarithmically(points: Points, tmp_path: FilePath) -> None:
    axes = {"x": AXES["x"] | {"scale": "log"}, "y": AXES["y"]}
    drawing = drawn(points, axes=axes, out=(tmp_path / "exclusion.png",))
    assert drawing.axes[0].get_xscale() == "log"


def test_what_is_forbidden_on_logarithmic_axes_ends_at_the_boundary(points: Points) -> None:
    axes = {name: axis | {"scale": "log"} for name, axis in AXES.items()}
    above = Points(points.names, points.x, points.y + 1.0, points.cls)
    contours = contour.contours(above, axes, (1, -1, 20))
    outline, line = figure.forbidden(contours, (40.0, 800.0), (1.0, 500.0))
    assert line[:, 0] - line[:, 1] == pytest.approx(np.full(200, 20.0))
    area = Path(np.log(outline))
    x, y = np.geomspace(41.0, 799.0, 40)[:, None], np.geomspace(1.1, 499.0, 41)
    x, y = (axis.ravel() for axis in np.broadcast_arrays(x, y))
    clear = np.abs(x - y - 20.0) > 0.02 * x
    inside = area.contains_points(np.log(np.column_stack([x, y])))
    assert (inside == (x - y < 20.0))[clear].all()
    assert 0 < np.count_nonzero(inside) < len(inside)


def test_a_colour_bar_has_numbers_whatever_its_range() -> None:
    for low, high in ((2.1, 4.9), (0.051, 0.099), (1.0, 1000.0)):
        ticks = plane_figure._ticks(low, high)
        assert len(ticks) > 1 and low * (1 - 1e-9) <= min(ticks) < max(ticks) <= high * (1 + 1e-9)


def test_a_published_line_that_reaches_0_leaves_logarithmic_axes_as_they_are(
    points: Points, tmp_path: FilePath
) -> None:
    axes = {"x": AXES["x"] | {"scale": "log"}, "y": AXES["y"]}
    line = {"observed": [np.array([[0.0, 0.0], [300.0, 200.0]])]}
    drawing = drawn(points, axes=axes, published=line, out=(tmp_path / "exclusion.png",))
    without = drawn(points, axes=axes, published={})
    assert drawing.axes[0].get_xlim() == without.axes[0].get_xlim()


def test_no_text_reaches_beyond_the_figure_or_over_the_axes(points: Points) -> None:
    contours = contour.contours(points, AXES, (1, -1, 20))
    labels = ["a long line about the process"] * 5
    drawing = figure.draw(contours, points, PUBLISHED, "A search with a long title " * 5, labels)
    with rc_context(style.RC):
        header = [text.get_window_extent() for text in drawing.texts]
        legend = drawing.axes[0].get_legend().get_window_extent()
        axes = drawing.axes[0].get_window_extent()
    assert legend.y0 >= axes.y1
    assert min(box.y0 for box in header) >= legend.y1
    assert max(box.x1 for box in (*header, legend)) <= axes.x1 + 1


def test_equal_input_makes_equal_bytes(points: Points, tmp_path: FilePath) -> None:
    names = ("exclusion.png", "exclusion.pdf")
    for folder in ("first", "second"):
        drawn(points, out=tuple(tmp_path / folder / name for name in names))
    for name in names:
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("first", "second"))
        assert first == second
        assert len(first) > 10_000
    png, pdf = ((tmp_path / "first" / name).read_bytes() for name in names)
    assert struct.unpack(">II", png[16:24]) == (1280, 1120)
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf


@pytest.mark.parametrize(
    ("boundary", "text"),
    [
        ((-1.0, -1.0, -1000.0), "m1 + m2 > 1000 GeV"),
        ((0.0, -1.0, -80.0), "m2 > 80 TeV"),
        ((0.0, 1.0, 80.0), "m2 < 80 TeV"),
        ((-1.0, -2.0, 0.0), "m1 + 2 m2 > 0"),
        ((1.0, -1.0, 25.0), "m1 < m2 + 25 GeV"),
    ],
)
def test_what_is_forbidden_is_an_inequality_with_two_sides(
    boundary: tuple[float, float, float], text: str
) -> None:
    axes = {"x": {"label": "m1", "unit": "GeV"}, "y": {"label": "m2", "unit": "TeV"}}
    assert figure.forbidden_text({"boundary": boundary, "axes": axes}) == text
