"""Figures of the parameters after the free fit: pulls, and impacts on the signal strength."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from recontour import style

ROWS, COLUMNS = 42, 3
"""Most rows and columns of a page of pulls: on a landscape page every name can be read."""

RANKED = 20
"""How many parameters the ranking shows."""

HEADER, LINE, FOOT = 0.66, 0.18, 0.5
"""Space for the header, for each line of the legend, and below the axes, in inches."""

EDGE = 0.12
"""Space beside the header, in inches."""

NARROWEST = 2.2
"""Axes of pulls reach at least to this, on both sides."""

PULL = r"$(\hat{\theta}-\theta_0)\,/\,\Delta\theta$"
POINT = {"color": style.OURS, "marker": "o", "elinewidth": 1.1, "capsize": 0}
PRIOR = {"color": "0.87", "linewidth": 0}
BARS = {"up": (style.UP, -0.2), "down": (style.DOWN, 0.2)}
"""Colour, and place within a row, of the impacts of a shift up and down."""

NAME_GAP = 0.06
"""Space between a name and its row, in inches."""

HEIGHT = 0.36
OUTLINE = {"facecolor": "none", "edgecolor": "0.15", "linewidth": 0.8}
LIMITED = {"facecolor": "none", "edgecolor": "0.2", "hatch": "//////", "linewidth": 0}

ALL_FIXED = "every parameter of the model is fixed"
NO_NUISANCE = "besides the signal strength, no parameter of the model is free"
"""Reasons why there are no pulls, and no impacts."""

Parameter = Mapping[str, Any]


def draw_pulls(
    record: Mapping[str, Any], title: str, labels: Sequence[str], out: Sequence[Path | str]
) -> list[Figure]:
    """The pulls and constraints of a `record` (what `diagnostics.diagnose` returned), written to
    the files `out`, further pages to `<name>_2` and so on: every parameter that is not fixed, with
    the ±1σ band that constrained ones had before the fit."""
    fit = record["fit"]
    if fit["status"] != "ok":
        return [style.draw_reason(fit, title, labels, out)]
    shown = [p for p in fit["parameters"] if p["status"] != "fixed"]
    if not shown:
        return [style.draw_reason({"reason": ALL_FIXED}, title, labels, out)]
    reach = _reach(shown)
    room = ROWS * COLUMNS
    pages = [shown[i : i + room] for i in range(0, len(shown), room)]
    return [
        _page(page, reach, title, labels, style.paged(out, number))
        for number, page in enumerate(pages, 1)
    ]


def draw_ranking(
    record: Mapping[str, Any], title: str, labels: Sequence[str], out: Sequence[Path | str]
) -> Figure:
    """The nuisance parameters with the largest impacts on the signal strength, their pulls, and the
    impacts of ±1σ after the fit (filled) and before it (outlines), written to the files `out`. A
    shift that ends where the signal strength has its bound is hatched; of refits that did not
    converge there is none."""
    impacts = record["impacts"]
    if impacts["status"] != "ok":
        return style.draw_reason(impacts, title, labels, out)
    shown = impacts["parameters"][:RANKED]
    if not shown:
        return style.draw_reason({"reason": NO_NUISANCE}, title, labels, out)
    fitted = {parameter["name"]: parameter for parameter in record["fit"]["parameters"]}
    size, row, top = 8.0, 0.27, HEADER + 2 * LINE
    height = top + row * len(shown) + FOOT
    names = style.width_of([impact["name"] for impact in shown], size) + 0.3
    width = names + 4.6
    with style.new_figure(width, height) as figure:
        foot, tall = FOOT / height, row * len(shown) / height
        left = figure.add_axes((names / width, foot, 1.85 / width, tall))
        right = figure.add_axes(((names + 1.97) / width, foot, 2.5 / width, tall))
        pulls = [fitted[impact["name"]] for impact in shown]
        _draw_pulls(left, pulls, _reach(pulls), row, size, 4.0)
        _draw_impacts(right, shown, row, size)
        style.write_header(figure, (EDGE / width, 1 - EDGE / width), title, labels)
        style.draw_entries(left, _ranking_legend(shown), 3)
        style.save(figure, out)
    return figure


def _page(
    page: Sequence[Parameter],
    reach: float,
    title: str,
    labels: Sequence[str],
    out: Sequence[Path | str],
) -> Figure:
    columns = min(math.ceil(len(page) / ROWS), COLUMNS)
    rows = math.ceil(len(page) / columns)
    size, row, top = 6.5, 0.15, HEADER + LINE
    parts = [page[i : i + rows] for i in range(0, len(page), rows)]
    names = [style.width_of([p["name"] for p in part], size) + 0.25 for part in parts]
    panel = max(1.25, (5.4 - sum(names)) / columns)
    width, height = sum(names) + panel * columns + 0.15, top + row * rows + FOOT
    with style.new_figure(width, height) as figure:
        for i, part in enumerate(parts):
            left, tall = sum(names[: i + 1]) + panel * i, row * len(part)
            place = (left / width, 1.0 - (top + tall) / height, panel / width, tall / height)
            axes = figure.add_axes(place)
            _draw_pulls(axes, part, reach, row, size, 2.6)
        style.write_header(figure, (EDGE / width, 1.0 - EDGE / width), title, labels)
        marks = [
            (_handle(2.6), "Post-fit"),
            (Patch(**PRIOR), r"Pre-fit $\pm1\sigma$"),
        ]
        style.draw_entries(figure.axes[0], marks, 2)
        style.save(figure, out)
    return figure


def _reach(parameters: Sequence[Parameter]) -> float:
    """How far axes of these pulls reach."""
    pulled = [p for p in parameters if p["pull"] is not None]
    return 1.05 * max((abs(p["pull"]) + p["constraint"] for p in pulled), default=0.0) + 0.1


def _draw_pulls(
    axes: Axes,
    parameters: Sequence[Parameter],
    reach: float,
    row: float,
    size: float,
    mark: float,
) -> None:
    """Pull and constraint of each parameter, from top to bottom; what has none in words."""
    reach = max(reach, NARROWEST)
    _set_up_rows(axes, len(parameters), row, size)
    _write_names(axes, [p["name"] for p in parameters], size)
    axes.set_xlim(-reach, reach)
    axes.set_xlabel(PULL, size=size + 1)
    axes.axvspan(-1.0, 1.0, zorder=0.6, label="_prior", **PRIOR)
    axes.axvline(0.0, color="0.55", linewidth=0.7, zorder=0.7)
    at = [i for i, p in enumerate(parameters) if p["pull"] is not None]
    pulled = [parameters[i] for i in at]
    axes.errorbar(
        [p["pull"] for p in pulled],
        at,
        xerr=[p["constraint"] for p in pulled],
        linestyle="none",
        markersize=mark,
        label="_pulls",
        **POINT,
    )
    for i, parameter in enumerate(parameters):
        if parameter["pull"] is None:
            box = {"facecolor": PRIOR["color"], "linewidth": 0, "pad": 0.5}
            place = {"ha": "center", "va": "center_baseline", "bbox": box}
            axes.text(0.0, i, _words(parameter), size=size - 0.5, **place)


def _words(parameter: Parameter) -> str:
    """Value and uncertainty of a parameter without constraint, or why there is none."""
    if parameter["status"] != "free":
        return f"{parameter['value']:.3g} ({parameter['status']})"
    return f"${style.measured(parameter['value'], parameter['uncertainty'])}$"


def _draw_impacts(
    axes: Axes, impacts: Sequence[Mapping[str, Any]], row: float, size: float
) -> None:
    _set_up_rows(axes, len(impacts), row, size)
    largest = 0.0
    for side, (colour, offset) in BARS.items():
        for i, impact in enumerate(impacts):
            for key, look in (
                (side, {"facecolor": colour, "linewidth": 0}),
                (f"prior_{side}", OUTLINE),
            ):
                refit = impact[key]
                if refit is None or refit["shift"] is None:
                    continue
                largest = max(largest, abs(refit["shift"]))
                axes.barh(i + offset, refit["shift"], HEIGHT, **look)
                if refit["status"] != "converged":
                    axes.barh(i + offset, refit["shift"], HEIGHT, **LIMITED, zorder=3)
            if impact[side]["shift"] is None:
                axes.text(0.0, i + offset, impact[side]["status"], size=size - 2.5, va="center")
    axes.axvline(0.0, color="0.3", linewidth=0.7, zorder=4)
    axes.set_xlim(-1.08 * largest or -1.0, 1.08 * largest or 1.0)
    axes.set_xlabel(r"Impact $\Delta\hat{\mu}$", size=size + 1)


def _ranking_legend(impacts: Sequence[Mapping[str, Any]]) -> list[tuple[Any, str]]:
    entries = [
        (_handle(4.0), "Post-fit"),
        (Patch(**PRIOR), r"Pre-fit $\pm1\sigma$"),
        (Patch(facecolor=style.UP), r"Post-fit impact, $+1\sigma$"),
        (Patch(facecolor=style.DOWN), r"Post-fit impact, $-1\sigma$"),
        (Patch(**OUTLINE), "Pre-fit impact"),
    ]
    refits = [impact[side] for impact in impacts for side in BARS]
    if any(refit["status"] == "POI at bound" for refit in refits):
        entries.append((Patch(**LIMITED), r"$\mu$ at its bound"))
    return entries


def _set_up_rows(axes: Axes, rows: int, row: float, size: float) -> None:
    """Rows of this height in inches, every other one shaded."""
    axes.set_ylim(rows - 0.5, -0.5)
    axes.yaxis.set_ticks([])
    axes.yaxis.minorticks_off()
    axes.tick_params(axis="x", which="both", labelsize=size)
    look = {"color": "0.955", "linewidth": 72.0 * row, "zorder": 0.5}
    axes.hlines(range(0, rows, 2), 0.0, 1.0, transform=axes.get_yaxis_transform(), **look)


def _write_names(axes: Axes, names: Sequence[str], size: float) -> None:
    """The names of the rows, on their left."""
    gap = NAME_GAP / (axes.get_position().width * axes.figure.get_figwidth())
    look = {"size": size, "ha": "right", "va": "center_baseline"}
    for i, name in enumerate(names):
        text = style.plain(name)
        axes.text(-gap, i, text, transform=axes.get_yaxis_transform(), **look)


def _handle(mark: float) -> Line2D:
    return Line2D([], [], color=style.OURS, marker="o", markersize=mark, linewidth=1.1)
