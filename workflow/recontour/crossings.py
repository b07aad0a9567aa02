"""Exclusion along one axis: where the interpolated significance of CLs crosses 95 % CL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri

from recontour.contour import CROSSING, MAX_SIGNIFICANCE, reason
from recontour.points import (
    LEVEL,
    Points,
    check_apart,
    check_drawable,
    six_digits,
)

STEPS = 2000


def crossings(
    points: Points,
    axes: Mapping[str, Any],
    boundary: tuple[float, ...] | None = None,
    where: str = "",
) -> dict[str, Any]:
    """Where CLs is below 0.05 along the axis x, as written to `contours.json`.

    z = Φ⁻¹(1−CLs), clipped at ±5, is interpolated by monotone cubic pieces (PCHIP) through the
    points, in the logarithm of x where the axis says `scale: log`; nothing is extrapolated.
    `curves` holds the places of each curve's crossings, `excluded` the ranges with CLs < 0.05
    between or beyond them, and `drawn` CLs along the axis. `boundary` (a, c) means a·x ≥ c: it is
    checked, and CLs at it is not used. Where failed points leave too few others, all of these are
    empty, and `reasons` says so.

    Raises UserError if fewer than two points are given, if two lie on one place, or if one lies
    beyond the boundary.
    """
    lost = points.lost(axes)
    parts = _lost(points, lost) if lost else _interpolated(points, axes, boundary)
    return {
        "level": {"CLs": LEVEL, "z": round(CROSSING, 6)},
        "method": {
            "interpolation": "monotone cubic pieces (PCHIP) of z = Φ⁻¹(1−CLs)",
            "clipped_at": MAX_SIGNIFICANCE,
        },
        "axes": {"x": dict(axes["x"])},
        "where": where,
        "boundary": list(boundary) if boundary else None,
        "points": {
            "used": len(points.used),
            "failed": points.failed,
        },
        **parts,
    }


def _interpolated(
    points: Points, axes: Mapping[str, Any], boundary: tuple[float, ...] | None
) -> dict[str, Any]:
    """The curves, and what they exclude."""
    fitted = points.fitted
    plane = points.plane[fitted]
    check_apart(points.used, plane)
    check_drawable(points.used, plane, axes, boundary)
    x = plane[:, 0]
    log = axes["x"].get("scale") == "log"
    t = np.log(x) if log else x
    ticks = np.unique(np.concatenate([np.linspace(t[0], t[-1], STEPS + 1), t]))
    along = np.exp(ticks) if log else ticks
    curves, excluded, drawn, reasons = {}, {}, {}, {}
    for curve in points.cls:
        cls = points.cls[curve][fitted]
        z = np.clip(-ndtri(cls), -MAX_SIGNIFICANCE, MAX_SIGNIFICANCE)
        spline = PchipInterpolator(t, z)
        roots = spline.solve(CROSSING, extrapolate=False)
        roots = np.unique(roots[np.isfinite(roots)])
        edges = np.concatenate([t[:1], roots, t[-1:]])
        inside = spline((edges[:-1] + edges[1:]) / 2) > CROSSING
        places = np.exp(edges) if log else edges
        curves[curve] = [six_digits(place) for place in places[1:-1]]
        excluded[curve] = _joined(places, inside)
        drawn[curve] = [six_digits(value) for value in ndtr(-spline(ticks))]
        if not curves[curve]:
            reasons[curve] = reason(cls)
    return {
        "region": [six_digits(x[0]), six_digits(x[-1])],
        "curves": curves,
        "excluded": excluded,
        "reasons": reasons,
        "drawn": {"x": [six_digits(place) for place in along], **drawn},
    }


def _lost(points: Points, why: str) -> dict[str, Any]:
    """The same where there is nothing to interpolate, and why."""
    nothing: dict[str, list[float]] = {curve: [] for curve in points.cls}
    return {
        "region": [],
        "curves": nothing,
        "excluded": nothing,
        "reasons": dict.fromkeys(points.cls, why),
        "drawn": {"x": [], **nothing},
    }


def _joined(places: np.ndarray, inside: np.ndarray) -> list[list[float]]:
    """The ranges between `places` that are `inside`, neighbours made one."""
    ranges: list[list[float]] = []
    for low, high, within in zip(places, places[1:], inside, strict=False):
        if not within:
            continue
        if ranges and ranges[-1][1] == six_digits(low):
            ranges[-1][1] = six_digits(high)
        else:
            ranges.append([six_digits(low), six_digits(high)])
    return ranges
