"""Theory cross-sections of signals: a table that the user gives, and its value at a point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from recontour import sheets
from recontour.errors import UserError, printable
from recontour.likelihood import Point, Value, as_value

UNITS = {"cross_section_pb": 1.0, "cross_section_fb": 1e-3}
"""Columns that may hold the cross-section, and their units in pb."""

UNCERTAINTY = "relative_uncertainty"
STEP = 1.5
"""Largest ratio of neighbouring values of the table that a power law is used between."""

SMALLEST, LARGEST = 1e-300, 1 - 1e-12


class CrossSection(NamedTuple):
    """A cross-section in pb, and its uncertainty relative to it (None: not given)."""

    value: float
    uncertainty: float | None


@dataclass(frozen=True)
class CrossSections:
    """A table of cross-sections: the file, the labels that it depends on, and its rows by their
    values."""

    path: Path
    labels: tuple[str, ...]
    rows: dict[tuple[Value, ...], CrossSection]

    @property
    def has_uncertainty(self) -> bool:
        """Does the table state uncertainties?"""
        return any(row.uncertainty is not None for row in self.rows.values())

    def at(self, point: Point, labels: Sequence[str]) -> CrossSection:
        """The cross-section of a point with one value for each of `labels`.

        Between the values of a table of one label, cross-section and uncertainty follow power laws
        of it, as the cross-sections of heavy particles do over small steps in mass; nothing is
        extrapolated. Raises UserError for a point that the table does not cover, or that lies
        between values more than a factor `STEP` apart.
        """
        values = tuple(point.values[labels.index(label)] for label in self.labels)
        if values in self.rows:
            return self.rows[values]
        between = self._between(values[0], point) if len(values) == 1 else None
        if between is None:
            wanted = ", ".join(
                f"{k} = {printable(v)}" for k, v in zip(self.labels, values, strict=True)
            )
            raise UserError(
                f"{self.path}: column {printable(', '.join(self.labels))}: no row covers {wanted} "
                f"of point {printable(point.name)}; {self._covered()}; add a row for it"
            )
        return between

    def _between(self, value: Value, point: Point) -> CrossSection | None:
        numbers = sorted(v for (v,) in self.rows if not isinstance(v, str) and v > 0)
        if isinstance(value, str) or not numbers or not numbers[0] < value < numbers[-1]:
            return None
        high = next(v for v in numbers if v > value)
        low = numbers[numbers.index(high) - 1]
        if high > STEP * low:
            raise UserError(
                f"{self.path}: column {printable(self.labels[0])}: {value} of point "
                f"{printable(point.name)} lies between {low} and {high}, which are more than a "
                f"factor {STEP:g} apart, too far for a power law; add rows between them"
            )
        share = math.log(value / low) / math.log(high / low)
        first, second = self.rows[(low,)], self.rows[(high,)]
        if first.uncertainty is None or second.uncertainty is None:
            uncertainty = None
        else:
            uncertainty = _power(first.uncertainty, second.uncertainty, share)
        return CrossSection(_power(first.value, second.value, share), uncertainty)

    def _covered(self) -> str:
        if len(self.labels) == 1:
            numbers = sorted(v for (v,) in self.rows if not isinstance(v, str) and v > 0)
            if numbers:
                return f"above 0, the table reaches from {numbers[0]} to {numbers[-1]}"
        rows = [f"({', '.join(map(printable, row))})" for row in self.rows]
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        return f"the table holds {', '.join(rows[:5])}{more}"


def read(path: Path | str, labels: Sequence[str]) -> CrossSections:
    """Read a table of cross-sections (CSV): columns that are labels of the points, one column
    `cross_section_pb` or `cross_section_fb`, and, if wanted, `relative_uncertainty` (0.07 for 7 %).

    Raises UserError naming row and column.
    """
    sheet = sheets.read(path, "cross-sections")
    keys, size = _columns(sheet, labels)
    rows: dict[tuple[Value, ...], CrossSection] = {}
    for row in sheet.rows:
        values = tuple(as_value(row.cells[key]) for key in keys)
        if values in rows:
            raise UserError(
                f"{row.where(*keys)}: the values {', '.join(map(printable, values))} stand in an "
                "earlier row, too; remove one of the two rows"
            )
        uncertainty = None
        if UNCERTAINTY in sheet.columns:
            expected = "a fraction below 1 (0.07 for 7 %) in every row, or else no such column"
            uncertainty = row.real(UNCERTAINTY, 0, LARGEST, expected)
        value = row.real(size, SMALLEST, math.inf, "a number above 0")
        rows[values] = CrossSection(UNITS[size] * value, uncertainty)
    if not rows:
        raise UserError(f"{path}: holds no cross-sections; expected a row a mass")
    return CrossSections(sheet.path, keys, rows)


def check_coverage(table: CrossSections, points: Iterable[Point], labels: Sequence[str]) -> None:
    """Raise UserError for the first point that the table does not cover."""
    for point in points:
        table.at(point, labels)


def _columns(sheet: sheets.Sheet, labels: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The columns that are labels, and the one that holds the cross-section."""
    keys = tuple(column for column in sheet.columns if column in labels)
    sizes = [column for column in sheet.columns if column in UNITS]
    known = (*labels, *UNITS, UNCERTAINTY)
    if not keys or len(sizes) != 1 or any(column not in known for column in sheet.columns):
        raise UserError(
            f"{sheet.path}: found the columns {printable(', '.join(sheet.columns)) or 'none'}; "
            f"expected one or more of the labels {printable(', '.join(labels))}, then "
            f"{' or '.join(UNITS)} and, if you wish, {UNCERTAINTY}"
        )
    return keys, sizes[0]


def _power(low: float, high: float, share: float) -> float:
    """Between two values, by a power law; linearly if one is 0."""
    if low == 0.0 or high == 0.0:
        return low + share * (high - low)
    return low ** (1.0 - share) * high**share
