"""Choose signal points by name or values."""

from __future__ import annotations

import csv
import difflib
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recontour import sheets
from recontour.errors import UserError, printable
from recontour.files import atomic_write
from recontour.likelihood import Point, Value, as_value
from recontour.structure import NAME

P = TypeVar("P", bound=Point)


@dataclass(frozen=True)
class PointTable:
    """A table of points: labels of the values, and the points in the patchset's order."""

    labels: tuple[str, ...]
    points: tuple[Point, ...]


def read_points(path: Path | str) -> PointTable:
    """Read a table of points: name, then one column a label. Raises UserError."""
    lines = sheets.read_lines(path, "points")
    header = lines[0][1] if lines else []
    if len(header) < 2 or header[0] != "name":
        raise UserError(
            f"{path}: found the columns {printable(', '.join(header)) or 'none'}; expected name "
            "and the labels of the points, as in name,m1,m2"
        )
    if not all(header) or len(set(header)) < len(header):
        raise UserError(
            f"{path}: found the columns {printable(', '.join(header))}; each needs a name of its "
            "own"
        )
    labels = tuple(header[1:])
    rows: dict[str, int] = {}
    points = []
    for number, (name, *values) in lines[1:]:
        if len(values) != len(labels) or not NAME.fullmatch(name):
            raise UserError(
                f"{path}, row {number}: found {printable(','.join((name, *values)))[:80]}, "
                "expected a name of letters, digits and _ (at most 200), and a value for each of "
                f"{printable(', '.join(labels))}"
            )
        if rows.setdefault(name, number) != number:
            raise UserError(
                f"{path}, row {number}: point {name} stands in row {rows[name]}, too; remove one "
                "of the two rows"
            )
        points.append(Point(name, tuple(map(as_value, values))))
    if not points:
        raise UserError(f"{path}: holds no points; expected a row a point")
    return PointTable(labels, tuple(points))


def write_points(path: Path | str, table: PointTable) -> None:
    """Write a table of points."""
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", *table.labels))
        writer.writerows((point.name, *point.values) for point in table.points)


def select(points: Sequence[P], wanted: Any) -> tuple[P, ...]:
    """The points that are wanted, in the order of `points`, each once.

    `wanted` is "all", or a list (or a single one) of names ("C1N2_Wh_hbb_900_250") and values
    ([900, 250] or "(900, 250)"; 900 and 900.0 are the same). Raises UserError with the nearest
    matches for a point that is not there.
    """
    if wanted == "all":
        return tuple(points)
    wanted = entries(wanted, points)
    if not wanted:
        raise UserError('no point is selected; write "all", or names or values of points')
    by_name = {point.name: point for point in points}
    by_values = {point.values: point for point in points}
    chosen = {_find(one, by_name, by_values).name for one in wanted}
    return tuple(point for point in points if point.name in chosen)


def entries(wanted: Any, points: Sequence[Point]) -> Sequence[Any]:
    """What is wanted, each one of the `points`: a list of them, or a single one in a list."""
    several = isinstance(wanted, list | tuple) and not _is_values(wanted, points)
    return wanted if several else [wanted]


def check_points_table(
    path: Path | str, labels: Sequence[str], points: Sequence[Point], right: Path
) -> None:
    """Check that the committed table of points at `path` holds the names and values of the
    patchset's `points`, in any order. If not, write the `right` table, and raise UserError saying
    which rows differ and how to take the right one."""
    table = read_points(path)
    differences = []
    if table.labels != tuple(labels):
        differences.append(f"labels {_show(table.labels)} for {_show(labels)}")
    here = {point.name: point for point in table.points}
    there = {point.name: point for point in points}
    for name in here | there:
        mine, theirs = here.get(name), there.get(name)
        if mine is None or theirs is None or mine.values != theirs.values:
            differences.append(f"{_describe(mine)} for {_describe(theirs)}")
    right.unlink(missing_ok=True)
    if differences:
        write_points(right, PointTable(tuple(labels), tuple(points)))
        more = f"; and {len(differences) - 5} more" if len(differences) > 5 else ""
        raise UserError(
            f"{path}: does not agree with the patchset: {'; '.join(differences[:5])}{more} (found "
            f"here for what the patchset holds). If the patchset is right, take its own table: "
            f"{shlex.join(['cp', str(right), str(path)])}"
        )


def _is_values(wanted: Sequence[Any], points: Sequence[Point]) -> bool:
    """Is the list one point's values, such as [900, 250] (texts on the command line), and no list
    of points?"""
    plain = [as_value(value) if isinstance(value, str) else value for value in wanted]
    return (
        len(points) > 0
        and len(wanted) == len(points[0].values) > 1
        and all(type(value) is not str and _is_value(value) for value in plain)
    )


def _find(one: Any, by_name: dict[str, P], by_values: dict[tuple[Value, ...], P]) -> P:
    if isinstance(one, str) and one in by_name:
        return by_name[one]
    values = _values(one)
    if values in by_values:
        return by_values[values]
    near = _nearest(one, values, by_name)
    raise UserError(
        f"{printable(one)[:80]} is not a point of this likelihood; the nearest are "
        f"{', '.join(f'{p.name} {_show(p.values)}' for p in near)}; all are in the table of points"
    )


def _values(one: Any) -> tuple[Value, ...]:
    """The values that "(900, 250)", [900, 250] or 900 stand for."""
    if isinstance(one, str):
        one = [as_value(part.strip(" '\"")) for part in one.strip().strip("()[]").split(",")]
    if not isinstance(one, list | tuple):
        one = [one]
    if not all(map(_is_value, one)):
        return ()
    return tuple(as_value(value) if isinstance(value, str) else value for value in one)


def _is_value(value: Any) -> bool:
    return type(value) is str or (type(value) in (int, float) and abs(value) < 1e300)


def _nearest(one: Any, values: tuple[Value, ...], by_name: dict[str, P]) -> list[P]:
    numbers = [v for v in values if type(v) is not str]
    alike = [p for p in by_name.values() if len(p.values) == len(numbers) == len(values)]

    def distance(point: Point) -> float:
        pairs = zip(point.values, numbers, strict=True)
        return math.hypot(*(p - v if type(p) is not str else math.inf for p, v in pairs))

    if alike:
        return sorted(alike, key=distance)[:3]
    names = difflib.get_close_matches(str(one), by_name, n=3, cutoff=0.0)
    return [by_name[name] for name in names]


def _describe(point: Point | None) -> str:
    return "nothing" if point is None else f"{printable(point.name)} {_show(point.values)}"


def _show(values: Sequence[Value]) -> str:
    return f"({', '.join(printable(value) for value in values)})"
