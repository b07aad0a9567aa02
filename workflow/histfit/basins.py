"""Where other minima may be, as `minimize` goes to the one that is downhill.

A strong one-sided systematic moves rates the same way at ±1, by more than data and constraint let
pass for chance: there is a minimum on either side of 0. And where a bin without events has a
negative rate, others may have none.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .arrays import Array, Flags, Index, any_of
from .likelihood import WALL, deviance, expected_bins
from .minimum import Problem

STRONGEST = 16
"""How many one-sided parameters are tried at most, those that the bins tell most about."""

PLACES = np.array([0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.0, 3.0])
"""How far from 0 a minimum is looked for on the other side."""

OUTERMOST = 10.0, 1e20
"""Bounds of systematics, and of factors, that are farther out are tried there, where rates can be
computed."""

AWAY = 0.3
"""On its own side of 0, a minimum is looked for at least so far from a parameter, and from 0."""


def across(problem: Problem, x: Array, rows: Index) -> Iterator[tuple[Index, Array]]:
    """Starting points with each of the strongest one-sided parameters elsewhere than where some
    `rows` of all fits are, `x` (N, P): at the best of `PLACES` on the other side of 0, and at the
    best one on its own side (both, if it is at 0), with all other parameters as they are. For every
    parameter and side the rows where it is free and has such places (n,), and points (n, P)."""
    strength = problem.model.one_sided
    strongest = np.argsort(-strength, kind="stable")[:STRONGEST]
    places = np.concatenate([-PLACES, PLACES])
    for i in strongest[strength[strongest] > 0.0].tolist():
        some = rows[~problem.fixed[rows, i]]
        where, here = problem.take(some), x[some, i][:, None]
        within = (places >= where.low[:, [i]]) & (places <= where.high[:, [i]])
        away = (np.abs(places - here) > AWAY) & (np.abs(places) > AWAY)
        other = np.where(here < 0.0, 1.0, -1.0) * places > 0.0
        points = np.repeat(x[some][:, None], len(places), axis=1)
        points[:, :, i] = np.clip(places, where.low[:, [i]], where.high[:, [i]])
        value = _ranked(where, points)
        for wanted in (within & other & (away | (here != 0.0)), within & ~other & away):
            best = np.argmin(np.where(wanted, value, np.inf), axis=1)
            found = wanted.any(axis=1)
            yield some[found], points[np.arange(len(some)), best][found]


def allowed(problem: Problem, x: Array) -> tuple[Array, Flags]:
    """From `x` (N, P), where bins without events have rates below their floor, points within bounds
    where none has (N, P), and whether there are (N,), as far as one parameter after the other at
    `PLACES` or a bound leads there, from `x` or from there with all factors at 1."""
    found = _raised(problem, x)
    factors = np.zeros(x.shape[1], dtype=bool)
    factors[problem.model.factors] = True
    factors = factors & ~problem.fixed
    other = _raised(problem, np.where(factors, np.clip(1.0, problem.low, problem.high), x))
    possible, otherwise = (
        _lacking(problem, points[:, None])[:, 0] == 0.0 for points in (found, other)
    )
    negative = _lacking(problem, x[:, None])[:, 0] > 0.0
    return np.where(possible[:, None], found, other), negative & (possible | otherwise)


def _raised(problem: Problem, x: Array) -> Array:
    """`x` (N, P) with one free parameter after the other moved to that of `PLACES` and its bounds
    where rates are below their floor least, until they are not or nothing helps."""
    x = x.copy()
    lacking = _lacking(problem, x[:, None])[:, 0]
    before = np.full_like(lacking, np.inf)
    places = np.concatenate([[0.0], np.stack([PLACES, -PLACES], axis=1).ravel()])
    while any_of((lacking > 0.0) & (lacking < before)):
        before = lacking.copy()
        for i in range(x.shape[1]):
            free = ((lacking > 0.0) & ~problem.fixed[:, i]).nonzero()[0]
            if len(free) == 0:
                continue
            where = problem.take(free)
            most = OUTERMOST[i >= problem.model.factors.start]
            low, high = (np.clip(b[:, [i]], -most, most) for b in (where.low, where.high))
            points = np.repeat(x[free][:, None], len(places) + 2, axis=1)
            points[:, :-2, i] = np.clip(places, low, high)
            points[:, -2:, i] = np.concatenate([low, high], axis=1)
            value = _lacking(where, points)
            best, each = np.argmin(value, axis=1), np.arange(len(free))
            less = value[each, best] < lacking[free]
            x[free[less]] = points[each, best][less]
            lacking[free[less]] = value[each, best][less]
    return x


def _ranked(problem: Problem, points: Array) -> Array:
    """The objective of N fits at K points each (N, K, P), more where rates are negative; (N, K)."""
    columns = range(points.shape[1])
    value = [deviance(problem.model, points[:, k], problem.data) for k in columns]
    return np.stack(value, axis=1) + WALL * _lacking(problem, points)


def _lacking(problem: Problem, points: Array) -> Array:
    """By how much rates of bins without events are below their floor, squared and added up, of N
    fits at K points each (N, K, P); (N, K)."""
    model, empty = problem.model, problem.data.counts == 0.0
    rates = [expected_bins(model, points[:, k]) for k in range(points.shape[1])]
    lacks = [np.where(empty, np.maximum(model.floor - rate, 0.0), 0.0) for rate in rates]
    return np.stack([(lack**2).sum(axis=1) for lack in lacks], axis=1)
