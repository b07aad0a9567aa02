"""The curves of a plane as pieces of polylines, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recontour.files import write_text

Piece = list[list[float]]
"""The vertices of a polyline, in their order: x and y of each."""

COLUMNS = ("curve", "piece")
"""The columns before the coordinates; pieces of a curve are numbered from 1."""


def pieces(contours: Mapping[str, Any]) -> dict[str, list[Piece]]:
    """The pieces of each curve of `contours` (the content of contours.json), those without any left
    out. Along a single axis, each excluded range is a piece, from its lower to its upper end at the
    CLs of the exclusion."""
    if "y" in contours["axes"]:
        curves = contours["curves"]
    else:
        level = contours["level"]["CLs"]
        curves = {
            curve: [[[end, level] for end in ends] for ends in ranges]
            for curve, ranges in contours["excluded"].items()
        }
    return {curve: found for curve, found in curves.items() if found}


def missing(contours: Mapping[str, Any]) -> dict[str, str]:
    """The curves without pieces, and why they have none."""
    found = pieces(contours)
    return {curve: why for curve, why in contours["reasons"].items() if curve not in found}


def axes(contours: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What the two coordinates of a vertex are, in the form of the config."""
    return contours["axes"]["x"], contours["axes"].get("y", {"label": "CLs"})


def column(axis: Mapping[str, Any]) -> str:
    """The name of a column of coordinates, as in HEPData's tables: `m1 [GeV]`."""
    unit = axis.get("unit")
    return f"{axis['label']} [{unit}]" if unit else axis["label"]


def write_csv(path: Path | str, contours: Mapping[str, Any]) -> None:
    """Write the curves as CSV, one row a vertex."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow([*COLUMNS, *map(column, axes(contours))])
    for curve, found in pieces(contours).items():
        for number, piece in enumerate(found, start=1):
            table.writerows([curve, number, *vertex] for vertex in piece)
    write_text(path, text.getvalue())
