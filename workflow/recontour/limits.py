"""Upper limits: the columns of their table, limits on cross-sections, and published ones."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recontour import tables
from recontour.cross_sections import CrossSections
from recontour.errors import UserError, printable
from recontour.likelihood import Point
from recontour.results import BAND, NO_SIGNAL, Results, Row, row_of

if TYPE_CHECKING:
    from histfit import Model, UpperLimit

ON_MU = tuple(f"mu_{which}" for which in BAND)
ON_CROSS_SECTION = tuple(f"xsec_{which}_pb" for which in BAND)
CURVES = ("observed", "expected_m2", "expected_m1", "expected", "expected_p1", "expected_p2")
"""The names of the limits in figures, in the order of their columns."""

NO_LIMIT = "no limit"
"""The status of a point that lacks some or all limits, which is no failure: they lie beyond the
largest signal strength that was looked at, or its patch adds no signal."""

QUANTILES = {"min": 0, "p05": 0.05, "p16": 0.16, "median": 0.5, "p84": 0.84, "p95": 0.95, "max": 1}
THEORY = ("xsec_theory_pb", "xsec_theory_uncertainty")


def columns(labels: Sequence[str]) -> tuple[str, ...]:
    """The columns of a batch's results. Raises UserError for a label that is the name of another
    column."""
    own = (*ON_MU, "status", "fits", "reason")
    for label in labels:
        if label in ("name", "region", *own, *THEORY, *ON_CROSS_SECTION):
            raise UserError(
                f'the label "{printable(label)}" is also a column of the upper limits; rename the '
                "label"
            )
    return ("name", *labels, *own)


def upper_limit(model: Model) -> UpperLimit:
    """The limits of a model with signal, looked for above the POI's bound, too, unless a fit there
    does not converge. Raises histfit.FitError."""
    import histfit  # here, since tables of limits are read without it

    try:
        return histfit.upper_limit(model, beyond_bounds=True)
    except histfit.FitError:
        return histfit.upper_limit(model)


def found(point: Point, labels: Sequence[str], limit: UpperLimit) -> Row:
    """The row of a point with these limits; its status is `no limit` if there is none of one of
    them up to the largest signal strength that was looked at."""
    values = (limit.observed, *limit.expected)
    missing = [column for column, value in zip(ON_MU, values, strict=True) if value is None]
    if missing:
        reason = f"no {', '.join(missing)} up to a signal strength of {limit.reach:g}"
        return row_of(columns(labels), point, (*values, NO_LIMIT, limit.fits, reason))
    return row_of(columns(labels), point, (*values, "ok", limit.fits, ""))


def without_signal(point: Point, labels: Sequence[str]) -> Row:
    """The row of a point whose patch adds no signal."""
    return row_of(columns(labels), point, (*[None] * len(ON_MU), NO_LIMIT, 0, NO_SIGNAL))


def failed(point: Point, labels: Sequence[str], reason: object) -> Row:
    """The row of a point without limits."""
    return row_of(columns(labels), point, (*[None] * len(ON_MU), "failed", None, printable(reason)))


def on_cross_sections(
    table: Results, points: Sequence[Point], theory: CrossSections | None
) -> Results:
    """The table with the theory cross-section of each point and the limits on the cross-section,
    signal strength times theory, in pb; `points` are those of the rows. Without cross-sections, the
    table as it is. Raises UserError for a point that they do not cover."""
    if theory is None:
        return table
    rows = []
    for row, point in zip(table.rows, points, strict=True):
        value, uncertainty = theory.at(point, table.labels)
        cells = dict(zip(THEORY, (value, uncertainty), strict=True))
        for column, mu in zip(ON_CROSS_SECTION, ON_MU, strict=True):
            cells[column] = None if row[mu] is None else row[mu] * value
        last = {column: row[column] for column in ("status", "fits", "reason")}
        rows.append({k: v for k, v in row.items() if k not in last} | cells | last)
    return replace(table, rows=tuple(rows))


class Drawn(NamedTuple):
    """Limits as figures show them, NaN where there is none.

    Attributes:
        curves: by name, see `CURVES`, (n,) each
        theory: what excludes a point if its limit is less (n,), and the name of that
        what: the limits' name and unit
    """

    curves: dict[str, np.ndarray]
    theory: tuple[np.ndarray, str]
    what: str


def drawn(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Drawn:
    """The limits of the points with these `names`, from the rows of upper_limits.json: on the
    cross-section, if they have it, in the unit that makes numbers short."""
    by_name = {row["name"]: row for row in rows}

    def column(name: str) -> np.ndarray:
        values = [by_name[point][name] for point in names]
        return np.array([math.nan if value is None else value for value in values])

    if ON_CROSS_SECTION[0] not in rows[0]:
        curves = {curve: column(name) for curve, name in zip(CURVES, ON_MU, strict=True)}
        return Drawn(curves, (np.ones(len(names)), r"$\mu$ = 1"), r"upper limit on $\mu$")
    curves = {curve: column(name) for curve, name in zip(CURVES, ON_CROSS_SECTION, strict=True)}
    in_fb = np.nanmedian(curves["observed"]) < 1.0
    unit, factor = ("fb", 1e3) if in_fb else ("pb", 1.0)
    curves = {curve: factor * values for curve, values in curves.items()}
    theory = (factor * column(THEORY[0]), "Theory")
    return Drawn(curves, theory, f"upper limit on the cross-section [{unit}]")


def read_published(path: Path | str) -> list[tuple[float, float, float]]:
    """The rows of a published table of upper limits on cross-sections: x, y, limit in pb. Raises
    UserError if it has other columns, or several blocks of limits."""
    table = tables.read_table(path)
    if len(table.blocks) > 1:
        found = "; ".join(block.columns[-1] for block in table.blocks)
        raise UserError(
            f"{path}: found {len(table.blocks)} blocks ({printable(found)}); expected one, of the "
            "observed limits; check the table that the config names for upper_limits"
        )
    unit = re.search(r"\[\s*(pb|fb)\s*\]", table.columns[-1])
    if len(table.columns) != 3 or not unit:
        raise UserError(
            f"{path}: found the columns {printable(', '.join(table.columns))}; expected the "
            "values of both axes and an upper limit in [pb] or [fb]; check the table that the "
            "config names for upper_limits"
        )
    for x, y, limit in table.rows:
        if limit <= 0.0:
            raise UserError(
                f"{path}: found an upper limit of {limit:g} at ({x:g}, {y:g}); expected one above "
                "0; check the table that the config names for upper_limits"
            )
    factor = {"pb": 1.0, "fb": 1e-3}[unit[1]]
    return [(x, y, factor * limit) for x, y, limit in table.rows]


def compare(
    rows: Sequence[Mapping[str, Any]],
    places: Mapping[str, tuple[float, float]],
    published: Sequence[tuple[float, float, float]],
) -> dict[str, Any]:
    """Our observed limits on cross-sections over the published ones.

    Args:
        rows: the rows of upper_limits.json
        places: x and y of the points in the plane, by name; those of other planes are left out
        published: what `read_published` returned

    Returns what limits_comparison.json holds: the quantiles of the ratio, the ratio for every point
    that stands in both tables, and the names or places of those that stand in one.
    """
    if not rows or ON_CROSS_SECTION[0] not in rows[0]:
        reason = "published limits are on cross-sections: set the config key cross_sections"
        return {"verdict": "not compared", "reasons": [reason]}
    rows = [row for row in rows if row["name"] in places]
    theirs = {_nine_digits((x, y)): limit for x, y, limit in published}
    places = {name: _nine_digits(place) for name, place in places.items()}
    both = [
        {
            "name": row["name"],
            "x": places[row["name"]][0],
            "y": places[row["name"]][1],
            "ours_pb": row[ON_CROSS_SECTION[0]],
            "published_pb": theirs[places[row["name"]]],
            "ratio": row[ON_CROSS_SECTION[0]] / theirs[places[row["name"]]],
        }
        for row in rows
        if row[ON_CROSS_SECTION[0]] is not None and places[row["name"]] in theirs
    ]
    if not both:
        reason = "no point has a limit in our table and in the published one"
        return {"verdict": "not compared", "reasons": [reason]}
    ratios = [entry["ratio"] for entry in both]
    return {
        "verdict": "compared",
        "reasons": [],
        "points": len(both),
        "ratio": {name: float(np.quantile(ratios, q)) for name, q in QUANTILES.items()},
        "only_ours": [row["name"] for row in rows if places[row["name"]] not in theirs],
        "only_published": sorted(theirs.keys() - places.values()),
        "without_limit": [
            row["name"]
            for row in rows
            if row[ON_CROSS_SECTION[0]] is None and places[row["name"]] in theirs
        ],
        "compared": both,
    }


def agreement(comparison: Mapping[str, Any]) -> Iterator[str]:
    """How our limits compare with the published ones."""
    for reason in comparison["reasons"]:
        yield f"  published   {comparison['verdict']}: {reason}"
    if "ratio" in comparison:
        ratio = {name: f"{value:.3f}" for name, value in comparison["ratio"].items()}
        yield (
            f"  published   ours/published at {comparison['points']} points: median "
            f"{ratio['median']}, 68 % from {ratio['p16']} to {ratio['p84']}, all from "
            f"{ratio['min']} to {ratio['max']}"
        )


def _nine_digits(place: tuple[float, float]) -> tuple[float, float]:
    """A place of the plane, as tables and formulas agree on it."""
    x, y = (float(f"{value:.9g}") for value in place)
    return x, y
