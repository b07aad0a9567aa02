"""An analysis summed up for people, in lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recontour.points import LEVEL, compared_part, excluded, in_digits
from recontour.results import Row

SHOWN = 5
"""So many failed points are listed, and so many results."""

CURVES = ("observed", "expected")
"""Curves whose extent is told."""


def points(rows: Sequence[Row]) -> Iterator[str]:
    """How many points there are, how many of them are excluded, and which failed."""
    done = [row for row in rows if row["status"] == "ok"]
    failed = [row for row in rows if row["status"] != "ok"]
    yield f"  points      {len(done)} done, {len(failed)} failed"
    for row in failed[:SHOWN]:
        yield f"  failed      {row['name']}: {row['reason']}"
    if len(failed) > SHOWN:
        yield f"  failed      and {len(failed) - SHOWN} more"
    observed, expected = excluded(done)
    regions = Counter(row["region"] for row in done if "region" in row)
    if regions:
        best = ", ".join(f"{region} {regions[region]}" for region in sorted(regions))
        yield f"  best region {best} points, by expected CLs"
    without = [row for row in done if row["reason"]]
    if without:
        yield f"  no signal   {len(without)} points, whose CLs is 1"
    yield f"  excluded    {observed} observed, {expected} expected (CLs < {LEVEL})"
    for row in done if len(done) <= SHOWN else ():
        cls = f"{row['CLs_obs']:.4g} observed, {row['CLs_exp_0']:.4g} expected"
        yield f"  CLs         {row['name']}: {cls}"


def extent(contours: Mapping[str, Any]) -> str:
    """What is excluded of the plane: its area or, along a single axis, the ranges."""
    units = [axis["unit"] for axis in contours["axes"].values()]
    if not contours["region"]:
        what = "range" if len(units) == 1 else "area"
        return f"  {what:11} unknown: {contours['reasons']['observed']}"
    if len(units) == 1:
        ranges = {
            curve: ", ".join(f"{low:g} to {high:g} {units[0]}" for low, high in pieces) or "none"
            for curve, pieces in contours["excluded"].items()
        }
        return f"  range       {ranges['observed']} observed, {ranges['expected']} expected"
    unit = f"{units[0]}²" if units[0] == units[1] != "" else "·".join(filter(None, units))
    areas = [*(contours["excluded_area"][curve] for curve in CURVES), contours["region_area"]]
    observed, expected, region = (f"{_thousands(area)} {unit}".rstrip() for area in areas)
    return f"  area        {observed} observed, {expected} expected, of {region} scanned"


def agreement(comparison: Mapping[str, Any]) -> Iterator[str]:
    """How our contours compare with the published ones."""
    yield f"  published   {comparison['verdict']}"
    unit = comparison["units"]["x"]
    for curve, found in comparison["curves"].items():
        others = ", ".join(point["name"] for point in found["disagreements"]) or "none"
        median, p90, largest = (
            f"{in_digits(found[k], 3)} {unit}" for k in ("median", "p90", "max")
        )
        distances = comparison["no_distances"] or (
            f"distance median {median}, 90 % {p90}, largest {largest}"
        )
        if part := compared_part(found["covered"]):
            distances += f"; compared: the {part} of the published contour among the points"
        yield (
            f"  {curve:11} {found['verdict']}: {distances}; overlap "
            f"{in_digits(found['overlap'], 3)}; points on the other side: {others}"
        )
    for reason in comparison["reasons"]:
        yield f"  because     {reason}"


def _thousands(number: float) -> str:
    """With three significant digits, and a space between groups of three."""
    return f"{float(f'{number:.3g}'):,.10g}".replace(",", " ")
