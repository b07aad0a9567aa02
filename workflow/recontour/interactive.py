"""The exclusion figure to explore in a browser, drawn by Bokeh, in a page that needs no network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from bokeh import models
from bokeh.embed import json_item
from bokeh.plotting import figure as new_plot
from bokeh.resources import Resources
from markupsafe import Markup
from matplotlib.colors import to_hex

from recontour import figure as static
from recontour import pages, style
from recontour.limits import ON_CROSS_SECTION, ON_MU
from recontour.points import LEVEL, Points
from recontour.results import CLS, OWN, Row

PIXELS = 96 / 72
"""CSS pixels in a point of type, the unit of matplotlib's lines and markers."""

NAMES = {"observed": "observed", "expected": "expected"} | dict.fromkeys(
    ("observed_up", "observed_down"), "±1σ theory"
)
"""Curves in the legend; those with one name are hidden together."""

View = Mapping[str, tuple[float, float]]
"""The limits of the axes x and y."""


def page(
    contours: Mapping[str, Any],
    points: Points,
    rows: Mapping[str, Row],
    limits: Mapping[str, Row],
    published: Mapping[str, Sequence[np.ndarray]],
    title: str,
    labels: Sequence[str],
) -> str:
    """The page with the figure of `contours`, as `contour.contours` or, along a single axis,
    `crossings.crossings` returned them.

    `rows` are those of the results by the names of the points, `limits` those of the upper limits,
    which are told if all points have some; the other arguments are those of `figure.draw`. The same
    input makes the same bytes in a process that has drawn nothing before, since Bokeh counts what
    it draws.
    """
    axes = contours["axes"]
    plot = _plot(axes)
    if points.y is None:
        _draw_curves_along(plot, contours, points)
        y, y_title = points.cls["observed"], "CLs"
    else:
        view = static.view(contours, points, published)
        _draw_lines(plot, contours["curves"], style.CURVES)
        _draw_band(plot, contours, view)
        _draw_lines(plot, published, static.PUBLISHED_CURVES, "published ")
        _draw_forbidden(plot, contours, view)
        y, y_title = points.y, static.axis_title(axes["y"])
    told = limits if limits.keys() >= {*points.names} else {}
    said = [[*about(rows[name], told.get(name))] for name in points.names]
    _draw_points(plot, points, y, said)
    plot.legend.name = "legend"  # for the page's script
    library = Resources("inline", components=["bokeh"], log_level="error")
    content = {
        "title": title,
        "labels": labels,
        "x": static.axis_title(axes["x"]),
        "y": y_title,
        "plot": json_item(plot, "plot"),
        "library": Markup("\n".join(library.js_raw)),
    }
    return pages.render("interactive.html.jinja", content)


def _plot(axes: Mapping[str, Any]) -> Any:
    scales = {"y": {"scale": "log"}} | axes
    plot = new_plot(
        height=620,
        sizing_mode="stretch_width",
        x_axis_type=scales["x"].get("scale", "linear"),
        y_axis_type=scales["y"].get("scale", "linear"),
        tools="pan,box_zoom,wheel_zoom,reset,save",
        active_scroll=None,
    )
    legend = models.Legend(
        location="top_left",
        click_policy="hide",
        border_line_color=None,
        ncols=3,
        spacing=8,
        margin=6,
        padding=0,
    )
    plot.add_layout(legend, "above")
    plot.legend.label_text_font_size = plot.axis.major_label_text_font_size = "13px"
    plot.axis.minor_tick_line_color = None
    plot.grid.visible = False
    plot.outline_line_color = style.OURS
    plot.toolbar.logo = None
    return plot


def _draw_band(plot: Any, contours: Mapping[str, Any], view: View) -> None:
    """The band as far as it lies in the region of the points, and the limits of the axes."""
    (x0, x1), (y0, y1) = view["x"], view["y"]
    corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    if contours["band"]:
        _fill(plot, contours["band"], fill_color=style.BAND, legend_label="Expected ±1σ")
        _fill(plot, [[corners, contours["region"]]], fill_color="white")
    for name, (low, high) in view.items():
        margin = 0.015 * high if low == 0 else 0.0  # room for whole dots along the edge
        setattr(plot, f"{name}_range", models.Range1d(low - margin, high))


def _draw_forbidden(plot: Any, contours: Mapping[str, Any], view: View) -> None:
    if not contours["method"]["boundary_places"]:
        return
    outline, line = static.forbidden(contours, view["x"], view["y"])
    if not len(line):
        return
    _fill(
        plot,
        [[outline]],
        fill_color=to_hex(static.FORBIDDEN["facecolor"]),
        hatch_pattern="right_diagonal_line",
        hatch_color=to_hex(static.FORBIDDEN["edgecolor"]),
        hatch_weight=0.7,
        legend_label="Kinematically forbidden",
    )
    plot.line(*line.T, line_color=to_hex(static.BOUNDARY), line_width=PIXELS, level="underlay")


def _fill(plot: Any, polygons: Sequence[Sequence[Any]], **style: Any) -> None:
    """Fill polygons, each of which is an outline and the holes in it, all of shape (n, 2), below
    all lines."""
    x, y = (
        [[[float(vertex[i]) for vertex in ring] for ring in polygon] for polygon in polygons]
        for i in (0, 1)
    )
    plot.multi_polygons([x], [y], line_color=None, level="underlay", **style)


def _draw_curves_along(plot: Any, contours: Mapping[str, Any], points: Points) -> None:
    """Curves of CLs along a single axis, the bands, and the level of exclusion."""
    drawn = contours["drawn"]
    x = drawn["x"]
    curves = {curve: [np.column_stack([x, drawn[curve]])] for curve in style.CURVES.keys() & drawn}
    _draw_lines(plot, curves, style.CURVES)
    for sigma, colour in (("2", style.TWO_SIGMA), ("1", style.ONE_SIGMA)):
        band = drawn[f"expected_m{sigma}"], drawn[f"expected_p{sigma}"]
        name = f"Expected ±{sigma}σ"
        plot.varea(x, *band, fill_color=colour, level="underlay", legend_label=name)
    ends, level = [points.x.min(), points.x.max()], [LEVEL, LEVEL]
    plot.line(ends, level, **_line(style.REFERENCE), legend_label=f"CLs = {LEVEL:g}")
    plot.x_range = models.Range1d(*ends)
    plot.y_range = models.Range1d(style.SMALLEST_CLS, 1.3)


def _draw_lines(
    plot: Any,
    curves: Mapping[str, Sequence[Any]],
    styles: Mapping[str, Mapping[str, Any]],
    whose: str = "",
) -> None:
    for curve, curve_style in styles.items():
        name = whose + NAMES[curve]
        for line in curves.get(curve, []):
            x, y = np.transpose(line)
            plot.line(x, y, **_line(curve_style), legend_label=name[0].upper() + name[1:])


def _line(style: Mapping[str, Any]) -> dict[str, Any]:
    """A style of matplotlib's, whose dashes are multiples of the line's width."""
    width = PIXELS * style["linewidth"]
    solid = style.get("linestyle", "-") == "-"
    dashes = () if solid else style["linestyle"][1]
    return {
        "line_color": to_hex(style["color"]),
        "line_width": width,
        "line_dash": [max(1, round(part * width)) for part in dashes],
    }


def _draw_points(
    plot: Any, points: Points, y: np.ndarray, said: Sequence[Sequence[tuple[str, str]]]
) -> None:
    """The signal points, with what is said of each where the pointer rests on it: in columns that
    are numbered, since a label may have any name."""
    columns = [f"_{i}" for i in range(len(said[0]))]
    drawn = []
    for kind, which in static.kinds(points).items():
        mark = style.MARKERS[kind]
        chosen = np.flatnonzero(which)
        texts = {column: [said[i][n][1] for i in chosen] for n, column in enumerate(columns)}
        drawn.append(
            plot.scatter(
                "x",
                "y",
                source=models.ColumnDataSource({"x": points.x[chosen], "y": y[chosen], **texts}),
                marker={"o": "circle", "x": "x"}[mark["marker"]],
                size=PIXELS * mark["markersize"] * 1.4,  # to be hit more easily
                line_color=to_hex(mark["color"]),
                line_width=PIXELS * mark["markeredgewidth"],
                fill_color=to_hex(mark.get("markerfacecolor", mark["color"])),
                legend_label="Fit failed" if kind == "failed" else f"Signal {kind}",
            )
        )
    names = [name for name, _ in said[0]]
    tooltips = [(name, f"@{column}") for name, column in zip(names, columns, strict=True)]
    plot.add_tools(models.HoverTool(renderers=drawn, tooltips=tooltips))


def about(row: Row, limits: Row | None) -> Iterator[tuple[str, str]]:
    """What is said of a point: names, one of which may stand twice, and texts."""
    yield "point", row["name"]
    yield from ((label, pages.short(row[label])) for label in row if label not in OWN)
    if "region" in row:
        yield "region", row["region"]
    yield from _test("CLs", [row[column] for column in CLS])
    if limits is not None:
        on_cross_section = ON_CROSS_SECTION[0] in limits
        columns = ON_CROSS_SECTION if on_cross_section else ON_MU
        what = "limit [pb]" if on_cross_section else "limit on μ"
        yield from _test(what, [limits[column] for column in columns])
    yield "status", ": ".join(filter(None, (row["status"], row["reason"])))


def _test(what: str, values: Sequence[float | None]) -> Iterator[tuple[str, str]]:
    """Observed, and expected at −2, −1, 0, 1, 2 standard deviations."""
    observed, low2, low, expected, high, high2 = (pages.short(value) or "none" for value in values)
    yield f"{what} observed", observed
    yield f"{what} expected", expected
    yield f"{what} ±1σ", f"{low} to {high}"
    yield f"{what} ±2σ", f"{low2} to {high2}"
