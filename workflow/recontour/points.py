"""Signal points in the plane of the figure's axes (or along its only one), with their CLs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recontour import formula, geometry
from recontour.errors import UserError, printable
from recontour.likelihood import as_value
from recontour.results import OWN, read_cells

CURVES = {
    "observed": "CLs_obs",
    "expected": "CLs_exp_0",
    "expected_m1": "CLs_exp_m1",
    "expected_p1": "CLs_exp_p1",
}
"""Contours, and the columns of CLs they are drawn from."""

VARIED_CURVES = {"observed_up": "CLs_obs_up", "observed_down": "CLs_obs_down"}
"""Contours for a varied cross-section of the signal, if its uncertainty is known."""

COLUMNS = CURVES | {"expected_m2": "CLs_exp_m2", "expected_p2": "CLs_exp_p2"}
"""All curves of CLs."""

LEVEL = 0.05

NEARLY_ALL = 0.995
"""From this part of a contour on, it is said to be compared as a whole."""

NEEDED = {1: 2, 2: 3}
"""Points that a curve over one axis, or a contour over two, takes."""

NO_FIGURE = "it takes three points, not on a line, or two along a single axis"
"""Why fewer make no figure."""


class Points(NamedTuple):
    """Signal points in the plane of the axes: names, coordinates of shape (n,) (y is None if there
    is no such axis), and for each of `COLUMNS`, and `VARIED_CURVES` if they are known, the CLs,
    shape (n,), NaN where the fit failed."""

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray | None
    cls: dict[str, np.ndarray]

    @property
    def fitted(self) -> np.ndarray:
        """Which points have results: shape (n,), bool."""
        return np.isfinite(self.cls["observed"])

    @property
    def used(self) -> list[str]:
        """The names of the points that have results."""
        return [name for name, use in zip(self.names, self.fitted, strict=True) if use]

    @property
    def failed(self) -> list[str]:
        """The names of the others."""
        return [name for name, use in zip(self.names, self.fitted, strict=True) if not use]

    @property
    def plane(self) -> np.ndarray:
        """Coordinates, shape (n, 2), or (n, 1) without y."""
        return np.column_stack([self.x] if self.y is None else [self.x, self.y])

    def lost(self, axes: Mapping[str, Any]) -> str:
        """Why there are no curves on these axes, where failed points leave too few others; else
        empty."""
        places, log = self.plane[self.fitted], geometry.logarithmic(axes)
        above = bool((places[:, log] > 0.0).all())
        if not self.failed or spanned(geometry.drawn(places, log) if above else places):
            return ""
        takes = {1: "a curve takes two others", 2: "a contour takes three others, not on a line"}
        failed = f"{len(self.failed)} of {len(self.names)} points failed"
        return f"{failed}, and {takes[self.plane.shape[1]]}"


def read_points(
    rows: Iterable[Mapping[str, str]], axes: Mapping[str, Any], source: str, where: str = ""
) -> Points:
    """The points of a table of CLs (rows of `cls.csv`) that meet the condition `where`, placed by
    the formulas of `axes`, sorted by x, y and name.

    `source` names the table in errors. Raises UserError for a missing column, for a cell that is no
    number or no CLs in a row whose status is not "failed", and for a formula that has no value.
    """
    rows = list(rows)
    labels = [column for column in rows[0] if column not in OWN] if rows else []
    holds = formula.condition(where, labels, source)
    varied = bool(rows) and rows[0].keys() >= {*VARIED_CURVES.values()}
    columns = COLUMNS | (VARIED_CURVES if varied else {})
    places = [formula.formula(axes[axis]["label"], labels, source) for axis in sorted(axes)]
    table = []
    for row in rows:
        for column in ("name", *columns.values()):
            if row.get(column) is None:
                raise UserError(
                    f'{source}: column "{printable(column)}" is missing; found: '
                    f"{printable(', '.join(map(str, row)))}; the columns of CLs must be there"
                )
        values = {label: as_value(row[label] or "") for label in labels}
        if not holds(values):
            continue
        failed = row.get("status", "ok") == "failed"
        point = f'{source}: point "{printable(row["name"])}"'
        cls = [
            np.nan if failed else _cls(row[column], f"{point}, {column}")
            for column in columns.values()
        ]
        table.append((tuple(place(values) for place in places), row["name"], *cls))
    table.sort(key=lambda entry: entry[:2])
    at, names, *cls = zip(*table, strict=True) if table else [()] * (2 + len(columns))
    plane = np.array(at, dtype=float).reshape(len(names), len(axes))
    return Points(
        tuple(names),
        plane[:, 0],
        plane[:, 1] if len(axes) > 1 else None,
        {curve: np.array(values, dtype=float) for curve, values in zip(columns, cls, strict=True)},
    )


def of_plane(path: Path | str, contours: Mapping[str, Any]) -> Points:
    """The points of the table of CLs at `path` that the `contours` (`contours.json`) are drawn
    from. Raises UserError as `read_points` does."""
    return read_points(read_cells(path), contours["axes"], str(path), contours["where"])


def excluded(rows: Iterable[Mapping[str, Any]]) -> tuple[int, int]:
    """How many `rows` of `cls.json`, none of them failed, are excluded: observed, and expected."""
    rows = list(rows)
    observed, expected = (
        sum(row[COLUMNS[curve]] < LEVEL for row in rows) for curve in ("observed", "expected")
    )
    return observed, expected


def spanned(places: np.ndarray) -> bool:
    """Do these places, shape (n, 2), span a plane or, of shape (n, 1), a line? (They do not if they
    are that close to one.)"""
    size = np.ptp(places, axis=0) if len(places) else np.zeros(1)
    if not size.all():
        return False
    return bool(np.linalg.matrix_rank((places - places[0]) / size, tol=1e-6) == places.shape[1])


def check_apart(names: Sequence[str], plane: np.ndarray, key: str = "") -> None:
    """Raise UserError if two of the points `names` lie on one place of `plane`, shape (n, axes).

    `key` is what comes before the names of keys in the config.
    """
    places: dict[tuple[float, ...], str] = {}
    for name, place in zip(names, map(tuple, plane.tolist()), strict=True):
        if place in places:
            raise UserError(
                f'{key}axes: the points "{printable(places[place])}" and "{printable(name)}" both '
                f"lie at {_shown(place)}; choose one plane through the scan with `where`, as in "
                "m3 == 60, or other axes"
            )
        places[place] = name


def check_drawable(
    names: Sequence[str],
    plane: np.ndarray,
    axes: Mapping[str, Any],
    boundary: Sequence[float] | None,
    key: str = "",
) -> None:
    """Raise UserError if the points `names` are too few, or one lies at 0 or below on a logarithmic
    axis of `plane`, shape (n, axes), or beyond the `boundary`. `key` is as in `check_apart`."""
    needed = NEEDED[len(axes)]
    if len(names) < needed:
        raise UserError(f"a figure takes {needed} points, found {len(names)}; select more of them")
    for axis, column in zip(sorted(axes), plane.T, strict=True):
        lowest = int(column.argmin())
        if axes[axis].get("scale") == "log" and column[lowest] <= 0:
            raise UserError(
                f"{key}axes/{axis}/scale: the axis is logarithmic, but the point "
                f'"{printable(names[lowest])}" lies at {column[lowest]:g} on it; make it linear, '
                "or choose points above 0 with `where` or `select`"
            )
    if boundary and (outside := beyond(boundary, plane)).any():
        first = int(outside.argmax())
        *factors, least = boundary
        form = " + ".join(f"{a:g}·{axis}" for a, axis in zip(factors, "xy", strict=False))
        raise UserError(
            f'{key}boundary: the point "{printable(names[first])}" at {_shown(plane[first])} lies '
            f"beyond {form} ≥ {least:g}; correct the boundary, or leave the point out with "
            "`where` or `select`"
        )


def beyond(boundary: Sequence[float], plane: np.ndarray) -> np.ndarray:
    """Which places, shape (n, axes), do not meet a·x + b·y ≥ c, or a·x ≥ c, save for rounding:
    shape (n,), bool."""
    *factors, least = boundary
    terms = plane * factors
    largest = np.abs(terms).max(axis=1, initial=abs(least))
    return np.asarray(terms.sum(axis=1) < least - 1e-9 * largest)


def _shown(place: Iterable[float]) -> str:
    return f"({', '.join(f'{number:g}' for number in place)})"


def six_digits(value: float) -> float:
    """With six significant digits: far below the accuracy, and equal on any machine."""
    return float(f"{value:.6g}")


def in_digits(value: float | None, digits: int) -> str:
    """For people: with so many significant digits, and no exponent up to 10¹⁵. None is "none"."""
    return "none" if value is None else f"{float(f'{value:.{digits}g}'):.15g}"


def compared_part(covered: float) -> str:
    """For people: the part of a contour that was compared with ours, in percent; empty if that is
    (nearly) all of it."""
    return "" if covered >= NEARLY_ALL else f"{in_digits(100 * covered, 2)} %"


def _cls(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not 0.0 <= value <= 1.0:
        raise UserError(
            f'{where}: found "{printable(text)}", expected a number between 0 and 1; if the fit '
            'failed, the status must be "failed"'
        )
    return value
