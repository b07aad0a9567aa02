"""Exclusion contours: where the interpolated significance of a scan of CLs crosses 95 % CL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import contourpy
import numpy as np
from scipy.interpolate import CloughTocher2DInterpolator, NearestNDInterpolator, RBFInterpolator
from scipy.spatial import ConvexHull, KDTree, QhullError
from scipy.special import ndtri

from recontour import geometry
from recontour.errors import UserError
from recontour.points import (
    CURVES,
    LEVEL,
    VARIED_CURVES,
    Points,
    check_apart,
    check_drawable,
    six_digits,
)

# The kernel, the scaling and these numbers were chosen on ATLAS SUSY-2019-08 (1Lbb): the published
# contours come back alike for MAX_SIGNIFICANCE from 3 to 7, and best for a dense boundary. Linear,
# cubic and multiquadric kernels are farther off, or hold only for some scalings.
MAX_SIGNIFICANCE = 5.0
BOUNDARY_STEPS = 80
CROSSING = float(-ndtri(LEVEL))
"""Significance of what is just excluded."""
EDGE_PART = 0.025
"""How far vertices of the region lie apart in the unit square, where its edges are straight: a
logarithmic axis bends them."""
RASTER = 301  # contours lie within 0.3 GeV of those of a raster twice as fine
SPLINE, CUBIC = "thin-plate spline", "cubic interpolation in the triangles between points"
LARGEST_SPLINE = 1500
"""Places that a thin-plate spline goes through: time and memory grow with their cube and square."""

Boundary = tuple[float, float, float]
"""(a, b, c): signals with a·x + b·y ≥ c are kinematically allowed."""


def contours(
    points: Points,
    axes: Mapping[str, Any],
    boundary: Boundary | None = None,
    where: str = "",
) -> dict[str, Any]:
    """The contours CLs = 0.05, as written to `contours.json`.

    z = Φ⁻¹(1−CLs), clipped at ±5, is interpolated by a thin-plate spline through the points, in
    coordinates scaled to the unit square (of the logarithm where an axis says `scale: log`); by
    cubic polynomials in the triangles between them if there are more than 1500. A kinematic
    boundary is imposed by z = 0 along it. Contours are drawn within the convex hull of points and
    boundary only: nothing is extrapolated. A curve without contour is an empty list, and `reasons`
    says why. `excluded_area` is what each curve excludes of the `region_area` within which contours
    are drawn, in the axes' units multiplied. Where failed points leave too few others, there is no
    region (an empty list), and no area (None).

    Raises UserError if fewer than three points are given, if they lie on a line or two on the same
    place, or if one lies beyond the boundary.
    """
    lost = points.lost(axes)
    method, parts = _lost(points, lost) if lost else _interpolated(points, axes, boundary)
    return {
        "level": {"CLs": LEVEL, "z": round(CROSSING, 6)},
        "method": method,
        "axes": {axis: dict(axes[axis]) for axis in ("x", "y")},
        "where": where,
        "boundary": list(boundary) if boundary else None,
        "points": {
            "used": len(points.used),
            "failed": points.failed,
        },
        **parts,
    }


Parts = tuple[dict[str, Any], dict[str, Any]]
"""How the significance is interpolated; the contours, with the region they are drawn in."""


def _interpolated(points: Points, axes: Mapping[str, Any], boundary: Boundary | None) -> Parts:
    fitted = points.fitted
    plane = points.plane[fitted]
    check_apart(points.used, plane)
    check_drawable(points.used, plane, axes, boundary)
    log = geometry.logarithmic(axes)
    ends = _boundary_ends(plane, boundary, log)
    scale = _Scale(np.vstack([plane, *ends]), log)
    edge = geometry.along(*ends, BOUNDARY_STEPS + 1, log, scale.span) if ends else plane[:0]
    hull = _hull(scale.to_unit(np.vstack([plane, *(edge if any(log) else ends)])))
    region = scale.from_unit(geometry.subdivided(hull, EDGE_PART) if any(log) else hull)
    anchors = _boundary_anchors(plane, edge, scale)
    significance = {
        curve: np.clip(-ndtri(points.cls[curve][fitted]), -MAX_SIGNIFICANCE, MAX_SIGNIFICANCE)
        for curve in _curves(points)
    }
    ticks = np.linspace(0.0, 1.0, RASTER)
    raster = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    within = _corners_within(raster, hull)
    places = scale.to_unit(np.vstack([plane, anchors]))
    heights = np.zeros((len(places), len(significance)))
    heights[: len(plane)] = np.column_stack(list(significance.values()))
    dense = len(places) > LARGEST_SPLINE
    values = np.full((*within.shape, len(significance)), np.nan)
    values[within] = (_cubic if dense else _spline)(places, heights, raster[within])
    fields = dict(zip(significance, np.moveaxis(values, 2, 0), strict=True))

    curves, reasons, areas = {}, {}, {}
    for curve, field in fields.items():
        lines = contourpy.contour_generator(ticks, ticks, field).lines(CROSSING)
        curves[curve] = _rounded(map(scale.from_unit, geometry.clip(lines, hull)))
        cls = points.cls[curve][fitted]
        if not curves[curve]:
            reasons[curve] = reason(cls)
        pieces = [scale.to_unit(np.array(line)) for line in curves[curve]]
        area = geometry.enclosed(pieces, hull, places[: len(plane)], cls < LEVEL)
        loops = [scale.from_unit(loop) for loop in area.loops]
        areas[curve] = six_digits(geometry.size(area._replace(loops=loops), region))
    band = np.minimum(fields["expected_m1"] - CROSSING, CROSSING - fields["expected_p1"])
    polygons, offsets = contourpy.contour_generator(
        ticks, ticks, band, fill_type=contourpy.FillType.OuterOffset
    ).filled(0.0, np.inf)
    parts = {
        "region": _rounded([region])[0],
        "region_area": six_digits(geometry.size(geometry.Area([], complement=True), region)),
        "curves": curves,
        "excluded_area": areas,
        "reasons": reasons,
        "band": [
            _rounded([scale.from_unit(ring) for ring in np.split(polygon, offset[1:-1])])
            for polygon, offset in zip(polygons, offsets, strict=True)
        ],
    }
    return _method(CUBIC if dense else SPLINE, len(anchors)), parts


def _lost(points: Points, why: str) -> Parts:
    """The same where there is nothing to interpolate, and why."""
    curves = _curves(points)
    parts = {
        "region": [],
        "region_area": None,
        "curves": {curve: [] for curve in curves},
        "excluded_area": dict.fromkeys(curves),
        "reasons": dict.fromkeys(curves, why),
        "band": [],
    }
    return _method(SPLINE, 0), parts


def _method(interpolation: str, boundary_places: int) -> dict[str, Any]:
    return {
        "interpolation": f"{interpolation} of z = Φ⁻¹(1−CLs), axes scaled to the unit square",
        "clipped_at": MAX_SIGNIFICANCE,
        "boundary": "z = 0 at places along it" if boundary_places else None,
        "boundary_places": boundary_places,
        "raster": [RASTER, RASTER],
    }


def _curves(points: Points) -> list[str]:
    """The curves whose contours are drawn."""
    return [curve for curve in points.cls if curve in CURVES or curve in VARIED_CURVES]


def _corners_within(raster: np.ndarray, hull: np.ndarray) -> np.ndarray:
    """Which places of a raster (r, r, 2) are corners of cells that reach into the hull: (r, r).

    How deep a place lies inside of an edge's line grows or falls steadily along a row and a column;
    so a cell reaches as deep as its deepest corner.
    """
    cells = np.ones((len(raster) - 1, len(raster) - 1), dtype=bool)
    for start, end in zip(hull, np.roll(hull, -1, axis=0), strict=True):
        depth = (raster - start) @ np.array([start[1] - end[1], end[0] - start[0]])
        deepest = np.maximum(depth[1:], depth[:-1])
        cells &= np.maximum(deepest[:, 1:], deepest[:, :-1]) >= 0.0
    within = np.zeros(raster.shape[:2], dtype=bool)
    for corner in (within[1:, 1:], within[1:, :-1], within[:-1, 1:], within[:-1, :-1]):
        corner |= cells
    return within


def _spline(places: np.ndarray, heights: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Heights, shape (n, k) at places (n, 2), interpolated to others (m, 2): (m, k)."""
    return RBFInterpolator(places, heights, kernel="thin_plate_spline")(others)


def _cubic(places: np.ndarray, heights: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The same for many places; beyond their hull the nearest height."""
    surface = CloughTocher2DInterpolator(places, heights)(others)
    beyond = np.isnan(surface).any(axis=1)
    surface[beyond] = NearestNDInterpolator(places, heights)(others[beyond])
    return surface


def _boundary_ends(
    plane: np.ndarray, boundary: Boundary | None, log: Sequence[bool]
) -> list[np.ndarray]:
    """Where the boundary runs along the points: between its crossings with the lines of their
    bounding box, as far as these are not further than a tenth of the box away from it, as the axes
    show it."""
    if boundary is None:
        return []
    a, b, c = boundary
    (left, bottom), (right, top) = plane.min(axis=0), plane.max(axis=0)
    crossings = [(x, (c - a * x) / b) for x in (left, right) if b]
    crossings += [((c - b * y) / a, y) for y in (bottom, top) if a]
    places = np.array(crossings)
    places = places[((places > 0.0) | ~np.array(log)).all(axis=1)]
    shown = geometry.drawn(plane, log)
    low, high = shown.min(axis=0), shown.max(axis=0)
    margin = 0.1 * (high - low)
    near = [
        place
        for place, at in zip(places, geometry.drawn(places, log), strict=True)
        if np.all(at >= low - margin) and np.all(at <= high + margin)
    ]
    if not near:
        return []
    along = [place @ np.array([-b, a]) for place in near]
    ends = [near[int(np.argmin(along))], near[int(np.argmax(along))]]
    return [] if np.array_equal(*ends) else ends


def _boundary_anchors(plane: np.ndarray, places: np.ndarray, scale: _Scale) -> np.ndarray:
    """Those of the `places` along the boundary that are not next to a point, whose own CLs counts,
    shape (n, 2)."""
    if not len(places):
        return places
    unit = scale.to_unit(places)
    steps = np.hypot(*np.gradient(unit, axis=0).T)
    gaps, _ = KDTree(scale.to_unit(plane)).query(unit)
    return places[gaps > 0.25 * steps]


def _hull(places: np.ndarray) -> np.ndarray:
    """The convex hull of places in the unit square."""
    try:
        return places[ConvexHull(places).vertices]
    except QhullError:
        raise UserError(
            "the points lie on a line of the plane of the axes, where no contour can be drawn; "
            "select more points, or other labels for the axes"
        ) from None


class _Scale:
    """Coordinates in which the bounding box of places, as the axes show it, is the unit square."""

    def __init__(self, places: np.ndarray, log: Sequence[bool]) -> None:
        self.log = log
        shown = geometry.drawn(places, log)
        self.low, span = shown.min(axis=0), np.ptp(shown, axis=0)
        self.span = np.where(span > 0, span, 1.0)

    def to_unit(self, places: np.ndarray) -> np.ndarray:
        return (geometry.drawn(places, self.log) - self.low) / self.span

    def from_unit(self, places: np.ndarray) -> np.ndarray:
        return geometry.undrawn(self.low + self.span * places, self.log)


def reason(cls: np.ndarray) -> str:
    """Why no line separates excluded points from others, from their CLs."""
    excluded = int(np.count_nonzero(cls < LEVEL))
    if excluded == 0:
        return f"no point is excluded: the smallest CLs is {cls.min():.3g}"
    if excluded == len(cls):
        return f"every point is excluded: the largest CLs is {cls.max():.3g}"
    return f"{excluded} of {len(cls)} points are excluded, but no line separates them"


def _rounded(lines: Iterable[np.ndarray]) -> list[list[list[float]]]:
    """Polylines with six significant digits."""
    return [[[six_digits(value) for value in vertex] for vertex in line] for line in lines]
