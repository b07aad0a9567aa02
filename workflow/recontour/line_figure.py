"""The figures of a scan over one axis: CLs and upper limits, observed and expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from recontour import figure as exclusion
from recontour.points import LEVEL, Points

ONE_SIGMA, TWO_SIGMA = "#7fc97f", "#ffe98a"  # told apart in greyscale, too
REFERENCE = {"color": exclusion.PUBLISHED, "linewidth": 1.1}
SMALLEST = 1e-4
"""CLs below which nothing is drawn: by then, no one cares how far a point is excluded."""


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
    with rc_context(exclusion.RC):
        figure, axes = _set_up(contours, drawn["x"])
        lowest = min(curve.min() for name, curve in drawn.items() if name != "x")
        axes.set_ylim(max(SMALLEST, lowest / 2), 1.3)
        axes.set_ylabel("CLs", loc="top", size=11)
        _draw_curves(axes, drawn)
        _draw_points(axes, points.x, points.cls["observed"])
        axes.axhline(LEVEL, **REFERENCE, label="_level")
        excluded = contours["excluded"]["observed"]
        for low, high in excluded:
            axes.axvspan(low, high, 0, 0.02, color=exclusion.OURS, linewidth=0, label="_excluded")
        marks = [(Line2D([], [], **REFERENCE), f"CLs = {LEVEL:g}")]
        if excluded:
            marks.append((Patch(facecolor=exclusion.OURS), "Excluded (observed)"))
        exclusion.write_header(figure, axes, title, labels)
        _draw_legend(axes, marks)
        exclusion.save(figure, out)
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
    with rc_context(exclusion.RC):
        figure, axes = _set_up(contours, drawn["x"])
        axes.set_ylabel(what, loc="top", size=11)
        _draw_curves(axes, drawn)
        _draw_points(axes, x, limits["observed"])
        axes.plot(drawn["x"], predicted[order], **REFERENCE, label="_theory")
        exclusion.write_header(figure, axes, title, labels)
        _draw_legend(axes, [(Line2D([], [], **REFERENCE), name)])
        exclusion.save(figure, out)
    return figure


def _set_up(contours: Mapping[str, Any], x: np.ndarray) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.4, 4.8))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.115, 0.11, 0.845, 0.68))
    axes.set_yscale("log")
    axes.set_xscale(contours["axes"]["x"].get("scale", "linear"))
    axes.set_xlim(x[0], x[-1])
    axes.set_xlabel(exclusion.axis_title(contours["axes"]["x"]), loc="right", size=11)
    return figure, axes


def _draw_curves(axes: Any, drawn: Mapping[str, np.ndarray]) -> None:
    x = drawn["x"]
    for sigma, colour in (("2", TWO_SIGMA), ("1", ONE_SIGMA)):
        low, high = drawn[f"expected_m{sigma}"], drawn[f"expected_p{sigma}"]
        axes.fill_between(x, low, high, color=colour, linewidth=0, label=f"_band {sigma}")
    for curve in ("observed", "expected"):
        axes.plot(x, drawn[curve], label=f"_ours {curve}", **exclusion.CURVES[curve])


def _draw_points(axes: Any, x: np.ndarray, values: np.ndarray) -> None:
    known = np.isfinite(values)
    style = {"linestyle": "none", "label": "_points", "clip_on": False, "zorder": 6}
    axes.plot(x[known], values[known], **style, **exclusion.MARKERS["excluded"])


def _draw_legend(axes: Any, marks: Sequence[tuple[Any, str]]) -> None:
    entries = [
        (Line2D([], [], **exclusion.CURVES["observed"]), "Observed"),
        (Line2D([], [], **exclusion.CURVES["expected"]), "Expected"),
        (Patch(facecolor=ONE_SIGMA), "Expected ±1σ"),
        (Patch(facecolor=TWO_SIGMA), "Expected ±2σ"),
        *marks,
    ]
    exclusion.draw_entries(axes, entries, 3)
