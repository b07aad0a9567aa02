"""Published contours, from HEPData's tables of their vertices."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recontour import geometry, tables
from recontour.errors import UserError, printable


def read_curves(paths: Iterable[Path | str]) -> dict[str, list[np.ndarray]]:
    """The polylines of each table `<curve>.csv`, shape (n, 2): x and y of the vertices, one
    polyline a block of the table. Raises UserError for a table with a block that is no curve: not
    of two columns, or of less than two vertices; for one whose vertices are all one place; and for
    one whose blocks have different columns, as they are curves of their own then."""
    return {path.stem: _lines(path) for path in map(Path, paths)}


def _lines(path: Path) -> list[np.ndarray]:
    blocks = tables.read_table(path).blocks
    for number, block in enumerate(blocks, 1):
        found = f"{len(block.columns)} columns and {len(block.rows)} rows in block {number}"
        if len(block.columns) != 2 or len(block.rows) < 2:
            raise _no_contour(path, found)
    if len({block.columns for block in blocks}) > 1:
        columns = "; ".join(", ".join(block.columns) for block in blocks)
        raise UserError(
            f"{path}: found blocks of different columns ({printable(columns)}); expected one "
            "curve, whose branches have the same; check which table the config key published names "
            f"for {path.stem}"
        )
    lines = [np.array(block.rows) for block in blocks]
    if geometry.length(lines) == 0.0:
        raise _no_contour(path, "one and the same place in all rows")
    return lines


def _no_contour(path: Path, found: str) -> UserError:
    return UserError(
        f"{path}: found {found}; expected a contour: x and y, in at least two rows a block; check "
        f"which table the config key published names for {path.stem}"
    )
