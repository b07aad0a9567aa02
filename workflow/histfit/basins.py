"""Where other minima may be: on the other side of 0 of a strong one-sided systematic.

Its templates move rates the same way at ±1, by more than the data and the constraint let pass for
chance. So the likelihood falls on either side of 0, to minima that no search from one side finds.
"""

from __future__ import annotations

import numpy as np

from .arrays import Array, Index
from .likelihood import deviance
from .minimum import Problem

STRONGEST = 16
"""How many one-sided parameters are tried at most, those that the bins tell most about."""

PLACES = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0])
"""How far on the other side of 0 a minimum is looked for."""


def across(problem: Problem, x: Array, rows: Index) -> list[tuple[Index, Array]]:
    """Starting points on the other side of 0 of each of the strongest one-sided parameters, from
    where some `rows` of all fits are, `x` (N, P): the best of `PLACES` there, with all other
    parameters as they are. For every parameter the rows where it is free (n,), and points (n, P).
    """
    strength = problem.model.one_sided
    strongest = np.argsort(-strength, kind="stable")[:STRONGEST]
    searches = []
    for i in strongest[strength[strongest] > 0.0].tolist():
        some = rows[~problem.fixed[rows, i]]
        origin, where = x[some], problem.take(some)
        points = np.repeat(origin[:, None], len(PLACES), axis=1)
        there = np.where(origin[:, i] < 0.0, 1.0, -1.0)[:, None] * PLACES
        points[:, :, i] = np.clip(there, where.low[:, [i]], where.high[:, [i]])
        value = [deviance(problem.model, points[:, k], where.data) for k in range(len(PLACES))]
        searches.append((some, points[np.arange(len(some)), np.argmin(value, axis=0)]))
    return searches
