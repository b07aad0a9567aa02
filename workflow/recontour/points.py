"""Signal points in the plane of the figure's axes, with their CLs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from recontour.errors import UserError, printable

CURVES = {
    "observed": "CLs_obs",
    "expected": "CLs_exp_0",
    "expected_m1": "CLs_exp_m1",
    "expected_p1": "CLs_exp_p1",
}
"""Contours, and the columns of CLs they are drawn from."""

LEVEL = 0.05


class Points(NamedTuple):
    """Signal points in the plane of the axes: names, coordinates of shape (n,), and for each of
    `CURVES` the CLs, shape (n,), NaN where the fit failed."""

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    cls: dict[str, np.ndarray]

    @property
    def fitted(self) -> np.ndarray:
        """Which points have results: shape (n,), bool."""
        return np.isfinite(self.cls["observed"])

    @property
    def plane(self) -> np.ndarray:
        """Coordinates, shape (n, 2)."""
        return np.column_stack([self.x, self.y])


def read_points(rows: Iterable[Mapping[str, str]], axes: Mapping[str, Any], source: str) -> Points:
    """The points of a table of CLs (rows of `cls.csv`), sorted by x, y and name.

    `source` names the table in errors. Raises UserError for a missing column, and for a cell that
    is no number or no CLs in a row whose status is not "failed".
    """
    columns = [axes["x"]["label"], axes["y"]["label"], *CURVES.values()]
    table = []
    for row in rows:
        for column in ("name", *columns):
            if row.get(column) is None:
                raise UserError(
                    f'{source}: column "{printable(column)}" is missing; found: '
                    f"{printable(', '.join(map(str, row)))}; the axes' labels and the columns of "
                    "CLs must be there"
                )
        failed = row.get("status", "ok") == "failed"
        where = f'{source}: point "{printable(row["name"])}"'
        place = [
            _number(row[column], -np.inf, np.inf, f"{where}, {column}") for column in columns[:2]
        ]
        cls = [
            np.nan if failed else _number(row[column], 0.0, 1.0, f"{where}, {column}")
            for column in columns[2:]
        ]
        table.append((*place, row["name"], *cls))
    table.sort(key=lambda entry: entry[:3])
    x, y, names, *cls = zip(*table, strict=True) if table else [()] * (3 + len(CURVES))
    return Points(
        tuple(names),
        np.array(x, dtype=float),
        np.array(y, dtype=float),
        {curve: np.array(values, dtype=float) for curve, values in zip(CURVES, cls, strict=True)},
    )


def _number(text: str, low: float, high: float, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not (low <= value <= high and np.isfinite(value)):
        kind = "a finite number" if high == np.inf else f"a number between {low:g} and {high:g}"
        raise UserError(
            f'{where}: found "{printable(text)}", expected {kind}; if the fit failed, the status '
            'must be "failed"'
        )
    return value
