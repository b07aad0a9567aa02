"""The figure of correlations between parameters after the free fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from recontour import style

COLOURS = "PuOr_r"
"""Purple and orange, for colour-blind eyes. In greyscale the numbers alone tell the sign."""

SMALLEST, LARGEST, WIDTH = 0.26, 0.45, 4.0
"""Widths of a cell, and of all cells together if that allows it, in inches."""

SIZE = 7.0
"""Of the names, in points of type."""


def draw(
    record: Mapping[str, Any], title: str, labels: Sequence[str], out: Sequence[Path | str]
) -> Figure:
    """The correlations of a `record` (what `diagnostics.diagnose` returned), in percent, of the
    parameters that have one above its threshold, written to the files `out`."""
    part = record["correlation"]
    if part["status"] != "ok":
        return style.draw_reason(part, title, labels, out)
    names, percent = part["parameters"], 100.0 * np.array(part["matrix"])
    above = f"above {part['threshold']:g}"
    if not names:
        return style.draw_reason({"reason": f"no correlation is {above}"}, title, labels, out)
    cell = min(max(WIDTH / len(names), SMALLEST), LARGEST)
    side, margin = cell * len(names), style.width_of(names, SIZE) + 0.2
    width, height = max(margin + side + 0.15, 4.6), 0.75 + side + margin
    with style.new_figure(width, height) as figure:
        axes = figure.add_axes((margin / width, margin / height, side / width, side / height))
        axes.imshow(percent, cmap=COLOURS, vmin=-100.0, vmax=100.0, label="_correlation")
        for (i, j), value in np.ndenumerate(percent):
            colour = "white" if abs(value) > 70.0 else "black"
            axes.text(j, i, _words(value), color=colour, size=6.0, ha="center", va="center")
        shown = [style.plain(name) for name in names]
        axes.set_xticks(range(len(names)), shown, rotation=90, size=SIZE)
        axes.set_yticks(range(len(names)), shown, size=SIZE)
        axes.tick_params(which="both", length=0)
        text = [*labels, f"Correlations {above} [%]"]
        style.write_header(figure, (0.12 / width, 1.0 - 0.12 / width), title, text)
        style.save(figure, out)
    return figure


def _words(percent: float) -> str:
    return f"{round(percent)}".replace("-", "−")
