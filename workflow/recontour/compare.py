"""How far our contours are from the published ones, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from recontour import geometry
from recontour.points import CURVES, LEVEL, VARIED_CURVES, Points

SAMPLES = 1000
MIN_COVERED = 0.5
"""Less of the published contour among our points cannot be called reproduced. Not more is asked
for, since some tables close their contour along the frame of the figure, beyond all points."""


def compare(
    contours: Mapping[str, Any],
    published: Mapping[str, Sequence[np.ndarray]],
    points: Points,
    tolerance: Mapping[str, Any],
) -> dict[str, Any]:
    """The comparison of contours with published ones, as written to `comparison.json`.

    `contours` is what `contour.contours` returned, `published` the published polylines, each of
    shape (n, 2), by curve; curves that we have no counterpart of are left out. For each curve:

    - median, 90th percentile and maximum of the distance from the published contour to ours, in
      the axes' unit, over 1000 places at equal distances along the published contour as far as it
      lies within our region (`covered`: that share of its length), whatever its vertices are. A
      closed published contour, which may follow the edge of the grid, is compared with the outline
      of our excluded area: our contour, and the edge of our region where the area ends at it. None
      where the axes have different units or one is logarithmic: `no_distances` says so;
    - overlap, the intersection over union of the excluded areas within our region, as the axes show
      them;
    - the points where "inside the published contour" and CLs < 0.05 disagree.

    The verdict is "reproduced" if median and p90 are at most, and overlap at least, what
    `tolerance` says, `covered` is at least `MIN_COVERED`, and no point disagrees but those that
    `tolerance["disagreements"]` names (nor is any judged by a varied cross-section: the published
    one may be from another table); what `tolerance` leaves out is not judged. Without published
    contours that we have counterparts of, or where failed points leave none of ours, it is "not
    compared".
    """
    shared = [
        curve
        for curve in (*CURVES, *VARIED_CURVES)
        if curve in published and curve in contours["curves"]
    ]
    curves = {
        curve: _compare_curve(curve, contours, published[curve], points, tolerance)
        for curve in (shared if contours["region"] else ())
    }
    reasons = [
        f"{curve}: {reason}" for curve, entry in curves.items() for reason in entry["reasons"]
    ]
    if not curves:
        why = contours["reasons"][shared[0]] if shared else _nothing_shared(published)
        verdict, reasons = "not compared", [why]
    else:
        verdict = "not reproduced" if reasons else "reproduced"
    return {
        "verdict": verdict,
        "reasons": reasons,
        "tolerance": dict(tolerance),
        "units": {axis: contours["axes"][axis].get("unit", "") for axis in contours["axes"]},
        "no_distances": _no_distances(contours["axes"]),
        "points": {"compared": int(points.fitted.sum()), "failed": contours["points"]["failed"]},
        "curves": curves,
    }


def _compare_curve(
    curve: str,
    contours: Mapping[str, Any],
    published: Sequence[np.ndarray],
    points: Points,
    tolerance: Mapping[str, Any],
) -> dict[str, Any]:
    fitted, log = points.fitted, geometry.logarithmic(contours["axes"])
    places, cls = points.plane[fitted], points.cls[curve][fitted]
    excluded = cls < LEVEL
    region = np.array(contours["region"])
    least = np.where(log, 1e-3 * region.min(axis=0), -np.inf)  # tables may reach 0
    plane, region = (geometry.drawn(part, log) for part in (places, region))
    ours = [geometry.drawn(np.array(line), log) for line in contours["curves"][curve]]
    published = [geometry.drawn(np.maximum(line, least), log) for line in published]

    our_area = geometry.enclosed(ours, region, plane, excluded)
    if all(map(geometry.is_closed, published)):  # these exclude their inside, whatever we find
        published_area = geometry.Area(published, complement=False)
        outline = [*ours, *geometry.edges_within(our_area, region)]
    else:
        published_area = geometry.enclosed(published, region, plane, excluded)
        outline = ours

    within = geometry.clip(published, region)
    covered = geometry.length(within) / geometry.length(published)
    median = p90 = largest = None
    if ours and within and not _no_distances(contours["axes"]):
        gaps = geometry.distances(geometry.samples(within, SAMPLES), outline)
        median, p90, largest = (round(float(np.quantile(gaps, q)), 4) for q in (0.5, 0.9, 1.0))
    overlap = geometry.overlap(published_area, our_area, region)
    inside = published_area.contains(plane)
    disagreements = [
        {
            "name": points.used[i],
            "x": float(places[i, 0]),
            "y": float(places[i, 1]),
            "CLs": float(cls[i]),
            "inside_published": bool(inside[i]),
        }
        for i in np.flatnonzero(inside != excluded)
    ]
    result = {
        "median": median,
        "p90": p90,
        "max": largest,
        "overlap": None if overlap is None else round(overlap, 5),
        "covered": round(covered, 5),
        "disagreements": disagreements,
    }
    reasons = _reasons(curve, result, contours["reasons"].get(curve), tolerance)
    return {"verdict": "not reproduced" if reasons else "reproduced", **result, "reasons": reasons}


def _nothing_shared(published: Iterable[str]) -> str:
    """Why no published curve has a counterpart: of ours, only the varied ones may be missing."""
    curves = " and ".join(published)
    if not curves:
        return "no published contour is given"
    return (
        f"no contour of ours is the counterpart of the published {curves}, which take the config "
        "key cross_sections, a table with uncertainties"
    )


def _no_distances(axes: Mapping[str, Any]) -> str:
    """Why there are no distances in a plane with these axes; empty if there are."""
    units = {axis.get("unit", "") for axis in axes.values()}
    if len(units) > 1:
        return "x and y have different units, so that there are no distances"
    if any(geometry.logarithmic(axes)):
        return "an axis is logarithmic, so that there are no distances"
    return ""


def _reasons(
    curve: str, result: Mapping[str, Any], no_contour: str | None, tolerance: Mapping[str, Any]
) -> list[str]:
    reasons = [f"there is no contour of ours: {no_contour}"] if no_contour else []
    if result["covered"] < MIN_COVERED:
        reasons.append(
            f"only {result['covered']:.1%} of the published contour lies among the points, "
            f"{MIN_COVERED:.0%} is needed"
        )
    for key, what in (("median", "median distance"), ("p90", "90th percentile of the distance")):
        if key in tolerance and result[key] is not None and result[key] > tolerance[key]:
            reasons.append(f"{what} is {result[key]:.4g}, at most {tolerance[key]:g} is tolerated")
    if "overlap" in tolerance and (result["overlap"] or 0.0) < tolerance["overlap"]:
        reasons.append(
            f"overlap is {result['overlap'] or 0.0:.4g}, at least {tolerance['overlap']:g} is "
            "required"
        )
    if "disagreements" in tolerance and curve not in VARIED_CURVES:
        for point in result["disagreements"]:
            if point["name"] not in tolerance["disagreements"]:
                side = "inside" if point["inside_published"] else "outside"
                reasons.append(
                    f"point {point['name']} at ({point['x']:g}, {point['y']:g}) lies {side} the "
                    f"published contour, and its CLs is {point['CLs']:.4g}"
                )
    return reasons
