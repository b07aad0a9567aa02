"""The figures of a scan over one axis: CLs and upper limits, observed and expected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from recontour import style
from recontour.figure import VARIED_LABEL, axis_title
from recontour.points import LEVEL, Points

SIZE = (6.4, 4.8)
PLACE = (0.115, 0.11, 0.845, 0.68)
"""Left edge, foot, width and height of the axes below a legend of two rows."""

COLUMNS = 3
ROW = 0.04
"""Height of a row of the legend, over the figure's."""


def draw(
    contours: Mapping[str, Any],
    points: Points,
    title: str,
    labels: Sequence[str] = (),
    out: Sequence[Path | str] = (),
) -> Figure:
    """The figure of `contours` (what `crossings.crossings` returned), written to the files `out`,
    by their suffix PDF or PNG. Excluded ranges of the axis are marked along its foot. `labels` are
    the lines beside the title. The same input makes the same bytes."""
    drawn = {name: np.array(values) for name, values in contours["drawn"].items()}
    with style.new_figure(*SIZE) as figure:
        axes = _set_up(figure, contours, points.x)
        curves = [values for name, values in drawn.items() if name != "x"]
        lowest = np.concatenate([[LEVEL], points.cls["observed"][points.fitted], *curves]).min()
        axes.set_ylim(max(style.SMALLEST_CLS, lowest / 2), 1.3)
        axes.set_ylabel("CLs", loc="top", size=style.AXIS_TITLE)
        draw_curves(axes, drawn)
        _draw_points(axes, points.x, points.cls["observed"])
        axes.axhline(LEVEL, **style.REFERENCE, label="_level")
        excluded = contours["excluded"]["observed"]
        for low, high in excluded:
            axes.axvspan(low, high, 0, 0.02, color=style.OURS, linewidth=0, label="_excluded")
        marks = [(Line2D([], [], **style.REFERENCE), f"CLs = {LEVEL:g}")]
        if "observed_up" in drawn:
            marks.insert(0, (Line2D([], [], **style.CURVES["observed_up"]), VARIED_LABEL))
        if excluded:
            marks.append((Patch(facecolor=style.OURS), "Excluded (observed)"))
        if points.failed:
            marks.append((_draw_failed(axes, points.x[~points.fitted]), "Fit failed"))
        style.write_header(figure, axes.get_position().intervalx, title, [*labels, style.LIMITS])
        rows = draw_legend(axes, marks)
        *corner, width, height = PLACE
        axes.set_position((*corner, width, height - ROW * (rows - 2)))
        style.save(figure, out)
    return figure


def draw_limits(
    contours: Mapping[str, Any],
    x: np.ndarray,
    limits: Mapping[str, np.ndarray],
    theory: tuple[np.ndarray, str],
    what: str,
    title: str,
    labels: Sequence[str] = (),
    out: Sequence[Path | str] = (),
) -> Figure:
    """The figure of upper limits along the axis of `contours`, written to the files `out`.

    Args:
        x: the points' places, shape (n,), in any order
        limits: `observed`, `expected`, `expected_m2` … `expected_p2`, each of shape (n,), NaN where
            there is none; between the points lines are drawn
        theory: what is excluded where the limit is below it, shape (n,), and its name
        what: what is limited, with its unit
    """
    order = np.argsort(x)
    drawn = {"x": x[order]} | {name: values[order] for name, values in limits.items()}
    predicted, name = theory
    with style.new_figure(*SIZE) as figure:
        axes = _set_up(figure, contours, drawn["x"])
        axes.set_ylabel(what, loc="top", size=style.AXIS_TITLE)
        draw_curves(axes, drawn)
        _draw_points(axes, x, limits["observed"])
        axes.plot(drawn["x"], predicted[order], **style.REFERENCE, label="_theory")
        style.write_header(figure, axes.get_position().intervalx, title, [*labels, style.LIMITS])
        draw_legend(axes, [(Line2D([], [], **style.REFERENCE), name)])
        style.save(figure, out)
    return figure


def _set_up(figure: Figure, contours: Mapping[str, Any], x: np.ndarray) -> Axes:
    axes = figure.add_axes(PLACE)
    axes.set_yscale("log")
    axes.set_xscale(contours["axes"]["x"].get("scale", "linear"))
    axes.set_xlim(x.min(), x.max())
    axes.set_xlabel(axis_title(contours["axes"]["x"]), loc="right", size=style.AXIS_TITLE)
    return axes


def draw_curves(axes: Axes, drawn: Mapping[str, np.ndarray]) -> None:
    x = drawn["x"]
    for sigma, colour in (("2", style.TWO_SIGMA), ("1", style.ONE_SIGMA)):
        low, high = drawn[f"expected_m{sigma}"], drawn[f"expected_p{sigma}"]
        axes.fill_between(x, low, high, color=colour, linewidth=0, label=f"_band {sigma}")
    for curve, look in style.CURVES.items():
        if curve in drawn:
            axes.plot(x, drawn[curve], label=f"_ours {curve}", **look)


def _draw_points(axes: Axes, x: np.ndarray, values: np.ndarray) -> None:
    known = np.isfinite(values)
    shown = {"linestyle": "none", "label": "_points", "clip_on": False, "zorder": 6}
    axes.plot(x[known], values[known], **shown, **style.MARKERS["excluded"])


def _draw_failed(axes: Axes, x: np.ndarray) -> Line2D:
    """Mark places on the axis, where there is no value to mark."""
    shown = {"linestyle": "none", "label": "_failed", "clip_on": False, "zorder": 6}
    foot = axes.get_xaxis_transform()
    (marks,) = axes.plot(x, np.zeros(len(x)), transform=foot, **shown, **style.MARKERS["failed"])
    return marks


def draw_legend(axes: Axes, marks: Sequence[tuple[Any, str]]) -> int:
    """Draw the legend above the axes, and return the number of its rows."""
    entries = [
        (Line2D([], [], **style.CURVES["observed"]), "Observed"),
        (Line2D([], [], **style.CURVES["expected"]), "Expected"),
        (Patch(facecolor=style.ONE_SIGMA), "Expected ±1σ"),
        (Patch(facecolor=style.TWO_SIGMA), "Expected ±2σ"),
        *marks,
    ]
    style.draw_entries(axes, entries, COLUMNS)
    return math.ceil(len(entries) / COLUMNS)
