"""What a minimization is given, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .arrays import Array, Flags, Index
from .likelihood import Data
from .model import Model


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """N fits of one model, a row each.

    Attributes:
        model: what is fitted
        data: counts and auxiliary data of each row
        fixed: parameters held at their start (N, P)
        low, high: bounds of the others (N, P)
    """

    model: Model
    data: Data
    fixed: Flags
    low: Array
    high: Array

    def take(self, rows: Index) -> Problem:
        """Some rows, copied."""
        data = Data(self.data.counts[rows], self.data.aux[rows])
        return Problem(self.model, data, self.fixed[rows], self.low[rows], self.high[rows])


class Minimum(NamedTuple):
    """Where N minimizations ended, row by row.

    Attributes:
        x: parameters (N, P)
        bins: expected rates where the objective was evaluated last, (N, B)
        value: objective, the NLL less that of the saturated model (N,)
        edm: estimated distance of the objective to its minimum, before the last step (N,)
        gradient: largest projected gradient component, before the last step (N,)
        converged: EDM below `EDM_TOLERANCE` at a point that is no saddle (N,)
        indefinite: a Hessian with a negative eigenvalue was met on the way (N,)
        iterations: (N,)
    """

    x: Array
    bins: Array
    value: Array
    edm: Array
    gradient: Array
    converged: Flags
    indefinite: Flags
    iterations: Index

    def take(self, rows: Index) -> Minimum:
        """The minima of some rows, copied."""
        return Minimum._make(part[rows] for part in self)

    def put(self, rows: Index, others: Minimum) -> None:
        """Replace some rows by all of `others`."""
        for mine, theirs in zip(self, others, strict=True):
            mine[rows] = theirs
