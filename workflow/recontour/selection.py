"""Choose signal points by name or values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from recontour.likelihood import Point

P = TypeVar("P", bound=Point)


@dataclass(frozen=True)
class Points:
    """A table of points: labels of the values, and the points in the patchset's order."""

    labels: tuple[str, ...]
    points: tuple[Point, ...]


def read_points(path: Path | str) -> Points:
    """Read a table of points: name, then one column a label. Raises UserError."""
    raise NotImplementedError


def select(points: Sequence[P], wanted: Any) -> tuple[P, ...]:
    """The points that are wanted, in the order of `points`, each once.

    `wanted` is "all", or a list (or a single one) of names ("C1N2_Wh_hbb_900_250") and values
    ([900, 250] or "(900, 250)"; 900 and 900.0 are the same). Raises UserError with the nearest
    matches for a point that is not there.
    """
    raise NotImplementedError


def check_points_table(path: Path | str, labels: Sequence[str], points: Sequence[Point]) -> None:
    """Check that the committed table of points at `path` holds the names and values of the
    patchset's `points`, in order. Raises UserError saying which rows differ and how to make the
    table anew."""
    raise NotImplementedError
