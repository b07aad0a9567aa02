"""The figure of upper limits: coloured and printed over the plane of the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.tri import Triangulation

from recontour import figure as exclusion
from recontour.points import Points

CURVES = {curve: exclusion.CURVES[curve] for curve in ("observed", "expected")}
COLOURS = "viridis_r"  # of the same brightness order for colour-blind eyes and in print
SHADES = 60
LARGEST_TEXT, SMALLEST_TEXT = 7.0, 3.5


def draw(
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

    Between the points the colour is interpolated linearly, in the logarithm of the limit. `what`
    says what is limited, with its unit. The contours are those of `contour.contours`.
    """
    known = np.isfinite(limits)
    plane, values = points.plane[known], limits[known]
    with rc_context(exclusion.RC):
        figure = Figure(figsize=(8.2, 6.4))
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0.09, 0.085, 0.76, 0.78))
        exclusion.set_up_axes(axes, contours, points, {})
        exclusion.draw_forbidden(axes, contours)
        norm = LogNorm(values.min(), values.max() * (1.0 + 1e-9))
        _colour(figure, axes, plane, values, norm, what)
        exclusion.draw_lines(axes, contours["curves"], CURVES, "ours", 4)
        axes.plot(*points.plane[~known].T, linestyle="none", **exclusion.MARKERS["failed"])
        size = _text_size(axes, plane)
        for place, value in zip(plane, values, strict=True):
            axes.annotate(
                _digits(value),
                place,
                ha="center",
                va="center",
                size=size,
                zorder=6,
                path_effects=[withStroke(linewidth=1.2, foreground="white", alpha=0.7)],
            )
        exclusion.write_header(figure, axes, title, [*labels, f"Observed {what}"])
        axes.legend(
            [axes.plot([], [], **style)[0] for style in CURVES.values()],
            ["Observed exclusion", "Expected exclusion"],
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=2,
        )
        exclusion.save(figure, out)
    return figure


def _colour(
    figure: Figure, axes: Axes, plane: np.ndarray, values: np.ndarray, norm: LogNorm, what: str
) -> None:
    unit = (plane - plane.min(axis=0)) / np.ptp(plane, axis=0)
    triangles = Triangulation(*plane.T, Triangulation(*unit.T).triangles)
    shades = np.geomspace(norm.vmin, norm.vmax, SHADES)
    drawn = axes.tricontourf(
        triangles, np.clip(values, norm.vmin, norm.vmax), shades, cmap=COLOURS, norm=norm, zorder=1
    )
    bar = figure.colorbar(drawn, cax=figure.add_axes((0.865, 0.085, 0.022, 0.78)))
    bar.set_label(f"Observed {what}", loc="top")
    ticks = _ticks(norm.vmin, norm.vmax)
    bar.set_ticks(ticks, labels=[_digits(tick) for tick in ticks])
    bar.minorticks_off()


def _ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten within the range."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    return [m * 10.0**k for k in powers for m in (1, 2, 5) if low <= m * 10.0**k <= high]


def _digits(value: float) -> str:
    """Two significant digits, without exponent where four characters do."""
    return f"{float(f'{value:.2g}'):.4g}"


def _text_size(axes: Axes, plane: np.ndarray) -> float:
    """The size of four digits that fits between most points, in points of type."""
    places = axes.transData.transform(plane) * 72.0 / axes.figure.dpi
    gaps = np.abs(places[:, None] - places)
    near = np.maximum(gaps[..., 0] / 2.4, gaps[..., 1] / 1.2)
    np.fill_diagonal(near, np.inf)
    return float(np.clip(np.quantile(near.min(axis=1), 0.1), SMALLEST_TEXT, LARGEST_TEXT))
