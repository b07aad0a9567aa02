"""The figure of CLs against the signal strength, with the limits where it is 0.05."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from recontour import limits, line_figure, style

LOWEST = 8e-3
"""CLs from which on the scan is drawn; a limit is where it is 0.05."""


def draw(
    record: Mapping[str, Any], title: str, labels: Sequence[str], out: Sequence[Path | str]
) -> Figure:
    """The scan of a `record` (what `diagnostics.diagnose` returned), observed and expected with the
    ±1σ and ±2σ band, written to the files `out`. Where a fit failed the curves have a gap."""
    scan = record["scan"]
    if scan["status"] != "ok":
        return style.draw_reason(scan, title, labels, out)
    with style.new_figure(*line_figure.SIZE) as figure:
        axes = figure.add_axes((0.115, 0.115, 0.845, 0.645))
        style.write_header(figure, axes.get_position().intervalx, title, labels)
        _draw_scan(axes, scan)
        style.save(figure, out)
    return figure


def _draw_scan(axes: Axes, scan: Mapping[str, Any]) -> None:
    drawn = {
        name: np.array([row.get(name, np.nan) for row in scan["rows"]], dtype=float)
        for name in limits.CURVES
    }
    drawn["x"] = np.array([row["mu"] for row in scan["rows"]])
    axes.set_yscale("log")
    axes.set_xlim(0.0, drawn["x"][-1])
    axes.set_ylim(LOWEST, 1.2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xlabel(r"Signal strength $\mu$", loc="right", size=style.AXIS_TITLE)
    axes.set_ylabel("CLs", loc="top", size=style.AXIS_TITLE)
    line_figure.draw_curves(axes, drawn)
    axes.axhline(scan["level"], **style.REFERENCE, label="_level")
    for curve in ("observed", "expected"):
        limit = scan["limits"][curve]
        if limit is not None:
            foot = {"linewidth": 0.8, "linestyle": style.CURVES[curve]["linestyle"]}
            axes.plot([limit] * 2, [LOWEST, scan["level"]], color=style.PUBLISHED, **foot)
            axes.plot(limit, scan["level"], zorder=6, label=f"_limit {curve}", **_mark(curve))
    level = (Line2D([], [], **style.REFERENCE), f"CLs = {scan['level']:g}")
    marks = [
        (Line2D([], [], linestyle="none", **_mark(curve)), _words(scan, curve))
        for curve in ("observed", "expected")
    ]
    failed = sum(row["status"] != "ok" for row in scan["rows"])
    if failed:
        marks.append((Line2D([], [], linestyle="none"), f"{failed} strengths: fit failed"))
    line_figure.draw_legend(axes, [level, *marks])


def _mark(curve: str) -> dict[str, Any]:
    face = "white" if curve == "expected" else style.PUBLISHED
    return {
        "marker": "o",
        "markersize": 5,
        "color": style.PUBLISHED,
        "markerfacecolor": face,
    }


def _words(scan: Mapping[str, Any], curve: str) -> str:
    limit = scan["limits"][curve]
    if limit is None:
        return f"No {curve} limit up to {scan['reach']:g}"
    text = f"{curve.capitalize()} limit {limit:.3g}"
    edges = [scan["limits"][f"expected_{side}1"] for side in "pm"]
    if curve == "observed" or None in edges:
        return text
    up, down = (abs(edge - limit) for edge in edges)
    return f"{text} $^{{+{up:.2g}}}_{{-{down:.2g}}}$"
