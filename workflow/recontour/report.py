"""What the report page of an analysis says: the comparison in words and numbers, the quality of the
fits, the points, and where the results come from."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recontour import pages
from recontour.compare import MIN_COVERED
from recontour.points import LEVEL, NO_FIGURE, compared_part, excluded, in_digits
from recontour.results import Row

STEPS = (
    ("fetch_likelihood, fetch_table", "the published files, from HEPData or a mirror"),
    (
        "signal_points",
        "the table of your own signals, if they take the place of the published ones",
    ),
    ("verify", "structure and digests; the list of the patches"),
    ("hypotest", "CLs of every signal point, in batches"),
    ("aggregate", "the table of points"),
    ("cls_regions", "the same of every signal region, where there are several"),
    ("contour", "the exclusion contour"),
    ("compare, plot", "next to the published one"),
    ("provenance", "where the results come from"),
    ("page, summary", "what they say"),
)
"""The rules of every run, in the order in which a signal point meets them, and what each makes."""


class Plane(NamedTuple):
    """What the page shows of a plane: its name (empty if it is the only one), the figure (a PNG
    file) and the comparison (as `compare.compare` returned it)."""

    name: str
    figure: Path
    comparison: Mapping[str, Any]


def page(
    title: str,
    labels: Sequence[str],
    planes: Sequence[Plane],
    rows: Sequence[Row],
    seconds: Sequence[float],
    provenance: Mapping[str, Any],
) -> str:
    """The page, of the `rows` of the table of points, the `seconds` of CPU time that models and
    fits took, one by one, and the other results."""
    content = {
        "title": title,
        "labels": labels,
        "planes": [_plane(plane) for plane in planes],
        "no_figure": NO_FIGURE,
        "quality": quality(rows, seconds),
        "columns": list(rows[0]),
        "rows": rows,
        "kind": _kind,
        "provenance": provenance,
        "code": _code(provenance["code"]),
        "everything": json.dumps(provenance, indent=1, ensure_ascii=False),
        "steps": STEPS,
    }
    return pages.render("page.html.jinja", content)


def quality(rows: Sequence[Row], seconds: Sequence[float]) -> dict[str, str]:
    """What there is to say of all fits together, and of the `seconds` they took, by name."""
    done = [row for row in rows if row["status"] == "ok"]
    observed, expected = excluded(done)
    found = {
        "Status": f"{len(done)} points done, {len(rows) - len(done)} failed",
        "Excluded": f"{observed} points observed, {expected} expected",
    }
    if done:
        several = sum(row["starts"] > 1 for row in done)
        iterations = statistics.median(row["iterations"] for row in done)
        found["Largest EDM"] = f"{max(row['edm'] for row in done):.2g}"
        found["Starts"] = f"one at {len(done) - several} points, more at {several}"
        found["Newton iterations"] = f"{iterations:g} a point (median), all of its fits together"
    if seconds:
        median, longest = (in_digits(of(seconds), 2) for of in (statistics.median, max))
        found["Time per point"] = f"{median} s of CPU (median), {longest} s at most"
    return found


def in_words(curve: str, found: Mapping[str, Any], unit: str, no_distances: str = "") -> str:
    """How a contour compares with the published one, `found` for it by `compare.compare`, which
    also says why there are no distances, if there are none."""
    published = f"the published {curve} contour"
    part = compared_part(found["covered"])
    if no_distances or found["median"] is None:
        words = [
            f"Of the {curve} contours, {no_distances}."
            if no_distances
            else f"There is no {curve} contour of ours near the published one."
        ]
        if part:
            words.append(f"Of {published}, {part} lies among the points.")
    else:
        half_of_it = f"Half of {published}"
        if part:
            half_of_it = f"Of the {part} of {published} that lies among the points, half"
        half, most, every = (
            f"{in_digits(found[key], 2)} {unit}".rstrip() for key in ("median", "p90", "max")
        )
        words = [
            f"{half_of_it} lies within {half} of ours, 90 % within {most}, all within {every}."
        ]
    if found["overlap"] is not None:
        words.append(f"The excluded areas overlap by {100 * found['overlap']:.1f} %.")
    others = [
        f"{point['name']} ({'within' if point['inside_published'] else 'beyond'} the published "
        f"contour, CLs = {point['CLs']:.2g})"
        for point in found["disagreements"]
    ]
    words.append(f"On its other side: {', '.join(others) or 'no signal point'}.")
    return " ".join(words)


def _plane(plane: Plane) -> dict[str, Any]:
    unit = plane.comparison["units"]["x"]
    curves = plane.comparison["curves"]
    return {
        "name": plane.name,
        "figure": pages.data_uri(plane.figure),
        "comparison": plane.comparison,
        "unit": f" [{unit}]" if unit else "",
        "least_covered": 100 * MIN_COVERED,
        "words": [
            in_words(curve, found, unit, plane.comparison["no_distances"])
            for curve, found in curves.items()
        ],
    }


def _kind(row: Row) -> str:
    if row["status"] != "ok":
        return "failed"
    return "excluded" if row["CLs_obs"] < LEVEL else "allowed"


def _code(code: Mapping[str, Any]) -> str:
    commit = f"commit {code['commit']}" if code["commit"] else "of an unknown commit"
    changed = ", changed since" if code["modified"] else ""
    return f"{code['version']}, {commit}{changed}"
