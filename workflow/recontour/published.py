"""Published contours, from HEPData's tables of their vertices."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recontour import tables
from recontour.errors import UserError


def read_curves(paths: Iterable[Path | str]) -> dict[str, list[np.ndarray]]:
    """The polylines of each table `<curve>.csv`, shape (n, 2): x and y of the vertices, one
    polyline a block of the table. Raises UserError for a table that has not two columns."""
    curves: dict[str, list[np.ndarray]] = {}
    for path in map(Path, paths):
        blocks = tables.read_table(path).blocks
        for block in blocks:
            if len(block.columns) != 2:
                raise UserError(
                    f"{path}: {len(block.columns)} columns, where a contour has x and y; check "
                    f"the table that the config names for {path.stem}"
                )
        curves[path.stem] = [np.array(block.rows) for block in blocks]
    return curves
