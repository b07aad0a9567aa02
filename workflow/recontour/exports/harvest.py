"""HistFitter's harvest, as its scripts `harvestToContours.py` and `multiplexContours.py` read it: a
list of one object a point. Those take every entry for a result, so failed points are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recontour.files import write_json
from recontour.limits import ON_MU
from recontour.results import CLS, Row

KEYS = ("CLs", "clsd2s", "clsd1s", "CLsexp", "clsu1s", "clsu2s")
"""HistFitter's names of `CLS`."""

LIMIT_KEYS = (
    "upperLimit",
    "expectedUpperLimitMinus2Sig",
    "expectedUpperLimitMinus1Sig",
    "expectedUpperLimit",
    "expectedUpperLimitPlus1Sig",
    "expectedUpperLimitPlus2Sig",
)
"""HistFitter's names of `ON_MU`, read with the option --useUpperLimit."""

NO_LIMITS = {"upperLimit": -1, "expectedUpperLimit": -1}
"""What stands for limits that were not computed."""


def write_harvest(path: Path | str, rows: Sequence[Row], labels: Sequence[str]) -> None:
    """Write the harvest of all points, rows of cls.json, by their labels."""
    write_json(path, [_entry(row, labels) | NO_LIMITS for row in rows if row["status"] == "ok"])


def write_with_limits(
    path: Path | str,
    rows: Sequence[Row],
    labels: Sequence[str],
    limits: Sequence[Row],
    places: Mapping[str, Mapping[str, float]],
) -> list[str]:
    """Write the harvest of a plane, with the upper limits on the signal strength (rows of
    upper_limits.json).

    `places` holds the coordinates in the plane, `x` and `y`, of the points on it, by name. A point
    without all its limits is left out: HistFitter would take what stands for a limit for one.
    Returns the names of the points on the plane that were left out.
    """
    bounded = {row["name"]: row for row in limits if row["status"] == "ok"}
    entries, left_out = [], []
    for row in rows:
        name = row["name"]
        if name not in places:
            continue
        if row["status"] != "ok" or name not in bounded:
            left_out.append(name)
            continue
        upper = {key: bounded[name][column] for key, column in zip(LIMIT_KEYS, ON_MU, strict=True)}
        entries.append(_entry(row, labels) | dict(places[name]) | upper)
    write_json(path, entries)
    return left_out


def _entry(row: Row, labels: Sequence[str]) -> dict[str, Any]:
    return (
        {label: row[label] for label in labels}
        | {key: row[column] for key, column in zip(KEYS, CLS, strict=True)}
        | {"fID": row["name"], "failedstatus": 0}
    )
