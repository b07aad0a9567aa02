"""The exclusion figure: our contours over the plane of the axes, with the published ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Polygon
from matplotlib.path import Path as Outline

from recontour import geometry, style
from recontour.points import LEVEL, Points

PUBLISHED_CURVES: dict[str, dict[str, Any]] = {
    "observed": {"color": style.PUBLISHED, "linewidth": 1.1, "linestyle": "-"},
    "expected": {"color": style.PUBLISHED, "linewidth": 1.1, "linestyle": style.DASHED},
    "observed_up": {"color": style.PUBLISHED, "linewidth": 0.9, "linestyle": style.DOTTED},
    "observed_down": {"color": style.PUBLISHED, "linewidth": 0.9, "linestyle": style.DOTTED},
}
VARIED_LABEL = r"Observed $\pm1\sigma_\mathrm{theory}$"
"""What both curves for a varied cross-section are called together."""

BOUNDARY = "0.3"
FORBIDDEN = {"facecolor": "0.94", "edgecolor": "0.75", "hatch": "////", "linewidth": 0}


def draw(
    contours: Mapping[str, Any],
    points: Points,
    published: Mapping[str, Sequence[np.ndarray]],
    title: str,
    labels: Sequence[str] = (),
    out: Sequence[Path | str] = (),
    theirs: str = "Published",
) -> Figure:
    """The figure of `contours` (what `contour.contours` returned), written to the files `out`,
    by their suffix PDF or PNG (200 dots an inch).

    `published` holds polylines, shape (n, 2), by curve: observed, expected, observed_up and
    observed_down; what is not there is not drawn. `labels` are the lines beside the title, such as
    process, √s and luminosity; `theirs` is what the published contours are called. The same input
    makes the same bytes.
    """
    with style.new_figure(6.4, 5.6) as figure:
        legend = _legend_columns(contours, points, published, theirs)
        rows = max(map(len, legend))
        axes = figure.add_axes((0.115, 0.095, 0.86, 0.79 - 0.034 * rows))
        set_up_axes(axes, contours, points, published)
        draw_forbidden(axes, contours)
        _draw_band(axes, contours)
        _draw_points(axes, points)
        draw_lines(axes, contours["curves"], style.CURVES, "ours", 4)
        draw_lines(axes, published, PUBLISHED_CURVES, "published", 5)
        style.write_header(figure, axes.get_position().intervalx, title, [*labels, style.LIMITS])
        _draw_legend(axes, legend, rows)
        style.save(figure, out)
    return figure


def set_up_axes(
    axes: Axes,
    contours: Mapping[str, Any],
    points: Points,
    published: Mapping[str, Sequence[np.ndarray]],
) -> None:
    for name, limits in view(contours, points, published).items():
        axis = contours["axes"][name]
        getattr(axes, f"set_{name}scale")(axis.get("scale", "linear"))
        getattr(axes, f"set_{name}lim")(*limits)
        getattr(axes, f"set_{name}label")(
            axis_title(axis), loc="right" if name == "x" else "top", size=style.AXIS_TITLE
        )


def view(
    contours: Mapping[str, Any],
    points: Points,
    published: Mapping[str, Sequence[np.ndarray]],
) -> dict[str, tuple[float, float]]:
    """The limits of the axes x and y, between which all lies that is drawn; of a published line on
    a logarithmic axis, what is above 0."""
    drawn = [line for curve in PUBLISHED_CURVES for line in published.get(curve, [])]
    extent = np.vstack([points.plane, *filter(None, [contours["region"]]), *drawn])
    found = {}
    for i, name in enumerate("xy"):
        log = contours["axes"][name].get("scale") == "log"
        values = extent[:, i]
        values = np.log(values[values > 0.0]) if log else values
        low, high = values.min(), values.max()
        pad = 0.05 * (high - low)
        low, high = (low if low == 0 and not log else low - pad), high + pad
        found[name] = (math.exp(low), math.exp(high)) if log else (float(low), float(high))
    return found


def axis_title(axis: Mapping[str, Any]) -> str:
    """The title of an axis, with its unit."""
    unit = f" [{axis['unit']}]" if axis.get("unit") else ""
    return f"{axis.get('title', axis['label'])}{unit}"


def draw_forbidden(axes: Axes, contours: Mapping[str, Any]) -> None:
    if not contours["method"]["boundary_places"]:
        return
    outline, line = forbidden(contours, axes.get_xlim(), axes.get_ylim())
    if not len(line):
        return
    axes.add_patch(Polygon(outline, label="_forbidden", zorder=0.5, **FORBIDDEN))
    axes.plot(*line.T, color=BOUNDARY, linewidth=1.0, zorder=1.5, label="_boundary")
    a, b, _ = contours["boundary"]
    _write_along(axes, line, forbidden_text(contours), above=b < 0 or (b == 0 and a > 0))


def forbidden(
    contours: Mapping[str, Any], x: tuple[float, float], y: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Where a·x + b·y < c between the limits of the axes: the outline, shape (n, 2), and the part
    of it that is the boundary, shape (200, 2), a curve if an axis is logarithmic. Both are empty
    where the axes end at the boundary."""
    *normal, offset = contours["boundary"]
    corners = np.array([[x[0], y[0]], [x[1], y[0]], [x[1], y[1]], [x[0], y[1]]])
    beyond = corners @ normal < offset
    if beyond.all() or not beyond.any():
        return np.empty((0, 2)), np.empty((0, 2))
    first = int(np.flatnonzero(beyond & ~np.roll(beyond, 1))[0])
    corners, beyond = np.roll(corners, -first, axis=0), np.roll(beyond, -first)
    inside = corners[beyond]  # one after the other, as a line has two sides
    leave, enter = (
        start + (start @ normal - offset) / ((start - end) @ normal) * (end - start)
        for start, end in ((inside[-1], corners[len(inside)]), (inside[0], corners[-1]))
    )
    log = geometry.logarithmic(contours["axes"])
    size = np.ptp(geometry.drawn(corners, log), axis=0)
    line = geometry.along(leave, enter, 200, log, size)
    return np.vstack([inside, line]), line if tuple(leave) < tuple(enter) else line[::-1]


def _write_along(axes: Axes, line: np.ndarray, text: str, above: bool) -> None:
    """Write on one side of a line, beyond its middle, if there is room."""
    places = axes.transData.transform(line)
    along = places[115] - places[105]
    normal = np.array([-along[1], along[0]]) / np.hypot(*along)
    written = axes.annotate(
        text,
        line[110],
        xytext=normal * (10 if above else -10),
        textcoords="offset points",
        rotation_mode="anchor",
        ha="center",
        va="center",
        size=8.5,
        color="0.15",
        zorder=7,
        bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1.2},
    )
    if written.get_window_extent().width > 0.8 * np.hypot(*(places[-1] - places[0])):
        written.remove()
    written.set_rotation(float(np.degrees(np.arctan2(along[1], along[0]))))


def forbidden_text(contours: Mapping[str, Any]) -> str:
    a, b, c = contours["boundary"]
    x, y = (contours["axes"][name] for name in "xy")
    terms = {x.get("title", x["label"]): a, y.get("title", y["label"]): b}
    left = " + ".join(_times(k, term) for term, k in terms.items() if k > 0)
    right = " + ".join(_times(-k, term) for term, k in terms.items() if k < 0)
    unit = (x if a else y).get("unit", "")
    offset = f"{abs(c):g} {unit}".strip() if c else ""
    if not left:
        return f"{right} > {'−' if c > 0 else ''}{offset or '0'}"
    if right and offset:
        return f"{left} < {right} {'+' if c > 0 else '−'} {offset}"
    return f"{left} < {right or ('−' if c < 0 else '') + (offset or '0')}"


def _times(factor: float, term: str) -> str:
    return term if factor == 1 else f"{factor:g} {term}"


def _draw_band(axes: Axes, contours: Mapping[str, Any]) -> None:
    if not contours["band"]:
        return
    rings = [np.array(ring) for polygon in contours["band"] for ring in polygon]
    band = PathPatch(
        Outline.make_compound_path(*(Outline(ring, closed=True) for ring in rings)),
        facecolor=style.BAND,
        linewidth=0,
        zorder=1,
        label="_band",
    )
    axes.add_patch(band)
    band.set_clip_path(Outline(contours["region"] + contours["region"][:1]), axes.transData)


def _draw_points(axes: Axes, points: Points) -> None:
    for kind, which in kinds(points).items():
        places = points.plane[which]
        axes.plot(
            *places.T,
            linestyle="none",
            zorder=6,
            clip_on=False,
            label=f"_{kind}",
            **style.MARKERS[kind],
        )


def kinds(points: Points) -> dict[str, np.ndarray]:
    """Which points are excluded, not excluded, and failed: shape (n,), bool, of each kind of
    which there are any."""
    excluded = points.cls["observed"] < LEVEL
    found = {
        "excluded": points.fitted & excluded,
        "not excluded": points.fitted & ~excluded,
        "failed": ~points.fitted,
    }
    return {kind: which for kind, which in found.items() if which.any()}


def draw_lines(
    axes: Axes,
    curves: Mapping[str, Sequence[Any]],
    styles: Mapping[str, Mapping[str, Any]],
    whose: str,
    zorder: int,
) -> None:
    for curve, look in styles.items():
        for line in curves.get(curve, []):
            axes.plot(*np.array(line).T, zorder=zorder, label=f"_{whose} {curve}", **look)


def _legend_columns(
    contours: Mapping[str, Any],
    points: Points,
    published: Mapping[str, Sequence[np.ndarray]],
    whose: str,
) -> list[list[tuple[Any, str]]]:
    expected = Line2D([], [], **style.CURVES["expected"])
    band = Patch(facecolor=style.BAND, linewidth=0)
    ours = [
        (Line2D([], [], **style.CURVES["observed"]), "Observed"),
        ((band, expected), "Expected ±1σ") if contours["band"] else (expected, "Expected"),
    ]
    if "observed_up" in contours["curves"]:
        theory = Line2D([], [], **style.CURVES["observed_up"])
        ours.insert(1, (theory, VARIED_LABEL))
    if contours["method"]["boundary_places"]:
        ours.append((Patch(**FORBIDDEN), "Kinematically forbidden"))
    names = {
        "observed": f"{whose} observed",
        "expected": f"{whose} expected",
        "observed_up": rf"{whose} $\pm1\sigma_\mathrm{{theory}}$",
    }
    theirs = [
        (Line2D([], [], **PUBLISHED_CURVES[curve]), name)
        for curve, name in names.items()
        if curve in published
    ]
    signals = [
        (
            Line2D([], [], linestyle="none", **style.MARKERS[kind]),
            "Fit failed" if kind == "failed" else f"Signal {kind}",
        )
        for kind in kinds(points)
    ]
    return [column for column in (ours, theirs, signals) if column]


def _draw_legend(axes: Axes, columns: list[list[tuple[Any, str]]], rows: int) -> None:
    blank = (Line2D([], [], linestyle="none"), "")
    entries = [entry for column in columns for entry in column + [blank] * (rows - len(column))]
    style.draw_entries(axes, entries, len(columns))
