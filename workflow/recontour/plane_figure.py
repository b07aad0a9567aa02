"""Numbers over the plane of the axes, coloured and printed: upper limits, and CLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.tri import Triangulation

from recontour import figure as exclusion
from recontour import style
from recontour.points import LEVEL, Points, spanned

CURVES = {curve: style.CURVES[curve] for curve in ("observed", "expected")}
COLOURS = ListedColormap(colormaps["viridis"](np.linspace(0.3, 1.0, 256)))
"""In order of lightness, for colour-blind eyes and in print; numbers show on the darkest."""
SHADES = 60
LARGEST_TEXT, SMALLEST_TEXT = 7.5, 3.5
MOST_PRINTED = 1000
"""Points whose values stand as numbers, too: more could not be read."""
DIGIT, SPACE, LINE = 0.6, 0.5, 1.2
"""Widths of a digit and of the least space, and height of a line, over the size of the type."""


def draw_limits(
    contours: Mapping[str, Any],
    points: Points,
    limits: np.ndarray,
    what: str,
    title: str,
    labels: Sequence[str] = (),
    out: Sequence[Path | str] = (),
) -> Figure:
    """The figure of observed upper `limits`, shape (n,), one for each of `points` in their order,
    NaN where there is none, written to the files `out`.

    Between the points the colour is interpolated linearly, in the logarithm of the limit, and of
    what is on a logarithmic axis. `what` says what is limited, with its unit. The contours are
    those of `contour.contours`.
    """
    found = limits[np.isfinite(limits)]
    low, high = (found.min(), found.max()) if len(found) else (1.0, 1.0)
    span = low, high * (1.0 + 1e-9)
    ticks = _ticks(*span)
    return _draw(contours, points, limits, f"Observed {what}", span, ticks, title, labels, out)


def draw_cls(
    contours: Mapping[str, Any],
    points: Points,
    title: str,
    labels: Sequence[str] = (),
    out: Sequence[Path | str] = (),
) -> Figure:
    """The same figure of the observed CLs of `points`; the darkest colour is that of
    `style.SMALLEST_CLS` and everything below."""
    span = style.SMALLEST_CLS, 1.0
    ticks = [*np.geomspace(*span, 5), LEVEL]
    cls = points.cls["observed"]
    return _draw(contours, points, cls, "Observed CLs", span, ticks, title, labels, out)


def _draw(
    contours: Mapping[str, Any],
    points: Points,
    numbers: np.ndarray,
    what: str,
    span: tuple[float, float],
    ticks: Sequence[float],
    title: str,
    labels: Sequence[str],
    out: Sequence[Path | str],
) -> Figure:
    known = np.isfinite(numbers)
    plane, values = points.plane[known], numbers[known]
    with style.new_figure(8.2, 6.4) as figure:
        axes = figure.add_axes((0.09, 0.085, 0.76, 0.78))
        exclusion.set_up_axes(axes, contours, points, {})
        exclusion.draw_forbidden(axes, contours)
        places = axes.transScale.transform(plane)
        if spanned(places):
            _colour(figure, axes, places, np.clip(values, *span), span, ticks, what)
        exclusion.draw_lines(axes, contours["curves"], CURVES, "ours", 4)
        axes.plot(*points.plane[~known].T, linestyle="none", **style.MARKERS["failed"])
        if 0 < len(values) <= MOST_PRINTED:
            _print(axes, plane, [_digits(value) for value in values])
        style.write_header(
            figure, axes.get_position().intervalx, title, [*labels, what, style.LIMITS]
        )
        axes.legend(
            [axes.plot([], [], **curve)[0] for curve in CURVES.values()],
            ["Observed exclusion", "Expected exclusion"],
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=2,
        )
        style.save(figure, out)
    return figure


def _colour(
    figure: Figure,
    axes: Axes,
    places: np.ndarray,
    values: np.ndarray,
    span: tuple[float, float],
    ticks: Sequence[float],
    what: str,
) -> None:
    """Colour the axes between places, shape (n, 2), in the coordinates that their scales make,
    linearly in the logarithm of the values."""
    unit = (places - places.min(axis=0)) / np.ptp(places, axis=0)
    triangles = Triangulation(*places.T, Triangulation(*unit.T).triangles)
    drawn = axes.tricontourf(
        triangles,
        np.log(values),
        np.linspace(*np.log(span), SHADES),
        cmap=COLOURS,
        zorder=1,
        transform=axes.transLimits + axes.transAxes,
    )
    bar = figure.colorbar(drawn, cax=figure.add_axes((0.865, 0.085, 0.022, 0.78)))
    bar.set_label(what, loc="top")
    bar.set_ticks(np.log(ticks), labels=[_digits(tick) for tick in ticks])
    bar.minorticks_off()


def _print(axes: Axes, plane: np.ndarray, texts: Sequence[str]) -> None:
    size = _text_size(axes, plane, np.array([len(text) for text in texts]))
    foot = axes.get_ylim()[0]
    for (x, y), text in zip(plane, texts, strict=True):
        axes.annotate(
            text,
            (x, y),
            ha="center",
            va="bottom" if y == foot else "center",
            size=size,
            zorder=6,
            path_effects=[withStroke(linewidth=1.5, foreground="white", alpha=0.8)],
        )


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within the range; of one that holds fewer than two, its ends
    and two numbers between them."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    round_ones = [m * 10.0**k for k in powers for m in (1, 2, 5) if low <= m * 10.0**k <= high]
    return round_ones if len(round_ones) > 1 else np.geomspace(low, high, 4).tolist()


def _digits(value: float) -> str:
    """Two significant digits, without exponent where five characters do; else one digit."""
    if 0.0 < value < 0.01:
        digit, exponent = f"{value:.0e}".split("e")
        return f"{digit}e{int(exponent)}"
    return f"{float(f'{value:.2g}'):.4g}"


def _text_size(axes: Axes, plane: np.ndarray, digits: np.ndarray) -> float:
    """The size at which texts of so many digits fit between most points, in points of type."""
    places = axes.transData.transform(plane) * 72.0 / axes.figure.dpi
    gaps = np.abs(places[:, None] - places)
    widths = DIGIT * (digits[:, None] + digits) / 2.0 + SPACE
    near = np.maximum(gaps[..., 0] / widths, gaps[..., 1] / LINE)
    np.fill_diagonal(near, np.finfo(float).max)
    return float(np.clip(np.quantile(near.min(axis=1), 0.1), SMALLEST_TEXT, LARGEST_TEXT))
