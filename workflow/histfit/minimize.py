"""A bounded Newton minimizer that certifies its minimum.

A step goes to the minimum that the quadratic model has within the bounds (see `newton`), with an
Armijo search on the way; parameters at a bound that the gradient pushes against take no part.

It stops on the estimated distance to the minimum, EDM = ½ gᵀH⁻¹g, never on a small change of the
function. N minimizations run side by side, one a row; no row's result depends on the others.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .interpolation import Array
from .likelihood import Data, Evaluation, evaluate
from .model import Model
from .newton import EDM_TOLERANCE, FLOOR, UNSETTLED, WORTHWHILE, Flags, Newton, newton_step

SETTLED = 1e-5
"""EDM below which one more step, with the gradient at its end but the same Hessian, is enough."""

NEGLIGIBLE_GAIN = 1e-12
"""A parameter may stay at its bound if to leave it would gain less (gradient² over curvature)."""

MAX_ITERATIONS = 200
ARMIJO = 1e-4
SHORTENING = (0.1, 0.5)
"""By how much a step that leads too high is shortened at least and at most."""

SMALLEST_STEP = 1e-10
SMALLEST_PUSH = 1e-3
ROUNDING = 1e-13
"""Changes of the objective below this part of it are noise."""

SAME_BASIN = 0.3
"""A search that comes this close to a known minimum (in σ of the constraints) will end there."""

Rows = NDArray[np.intp]


class Minimum(NamedTuple):
    """Where N minimizations ended, row by row.

    Attributes:
        x: parameters (N, P)
        value: objective, the NLL less that of the saturated model (N,)
        edm: estimated distance of the objective to its minimum, before the last step (N,)
        gradient: largest projected gradient component, before the last step (N,)
        converged: EDM below `EDM_TOLERANCE` at a point that is no saddle (N,)
        indefinite: a Hessian with a negative eigenvalue was met on the way (N,)
        iterations: (N,)
    """

    x: Array
    value: Array
    edm: Array
    gradient: Array
    converged: Flags
    indefinite: Flags
    iterations: Rows

    def take(self, rows: Rows) -> Minimum:
        """The minima of some rows, copied."""
        return Minimum(
            self.x[rows],
            self.value[rows],
            self.edm[rows],
            self.gradient[rows],
            self.converged[rows],
            self.indefinite[rows],
            self.iterations[rows],
        )


def minimize(
    model: Model,
    start: Array,
    data: Data,
    fixed: Flags,
    bounds: Array,
    known: Minimum | None = None,
) -> Minimum:
    """Minimize the objective from `start` (N, P).

    Args:
        data: counts and auxiliary data of each row.
        fixed: parameters held at their start, (P,).
        bounds: lower and upper bounds, (P, 2).
        known: minima found before. A row that comes back to its known minimum, or will not get
            below it, is given up: its value is then infinite.
    """
    n_fits = len(start)
    bounds = np.where(fixed[:, None], [-np.inf, np.inf], bounds)  # a test may lie beyond them
    x = np.clip(start, bounds[:, 0], bounds[:, 1])
    result = Minimum(
        x=x.copy(),
        value=np.full(n_fits, np.inf),
        edm=np.full(n_fits, np.inf),
        gradient=np.full(n_fits, np.inf),
        converged=np.zeros(n_fits, dtype=bool),
        indefinite=np.zeros(n_fits, dtype=bool),
        iterations=np.zeros(n_fits, dtype=np.intp),
    )
    rows: Rows = np.arange(n_fits)
    kinks = _Kinks(model.kinked, x)
    wall = np.zeros_like(data.counts)
    now = evaluate(model, x, data, kinks.side, wall, hessian=True)
    edm = result.edm
    for iteration in range(1, MAX_ITERATIONS + 1):
        building = (now.unsettled > UNSETTLED) & (edm < WORTHWHILE)
        if building.any():
            wall = np.where(building[:, None], now.pressure, wall)
        if kinks.turn(x, now.gradient) or building.any():
            now = evaluate(model, x, data, kinks.side, wall, hessian=True)
        low, high = kinks.confine(bounds)
        held = fixed | _pushed_out(x, now.gradient, low, high)
        gradient = np.where(held, 0.0, now.gradient)
        newton = newton_step(now, gradient, held, low - x, high - x)
        result.x[rows] = x
        result.value[rows] = now.value
        result.edm[rows] = newton.edm
        result.gradient[rows] = np.abs(gradient).max(axis=1, initial=0.0)
        result.indefinite[rows] |= newton.indefinite
        result.iterations[rows] = iteration

        target = np.clip(x + newton.step, low, high)
        target = np.where(newton.pinned < 0, low, np.where(newton.pinned > 0, high, target))
        going_on = np.ones(len(rows), dtype=bool)
        settled = ((newton.edm < SETTLED) & ~newton.saddle).nonzero()[0]
        if len(settled):
            going_on[settled] = ~_finish(
                model,
                target[settled],
                Data(data.counts[settled], data.aux[settled]),
                kinks.side[settled],
                wall[settled],
                (low[settled], high[settled]),
                ((held | (newton.pinned != 0))[settled], fixed),
                partial(newton.solve, settled),
                np.einsum("nii->ni", now.gauss_newton)[settled],
                result,
                rows[settled],
            )
        if known is not None:
            given_up = going_on & _superfluous(model, x, target, now.value, newton, known, rows)
            result.value[rows[given_up]] = np.inf
            going_on &= ~given_up
        if not going_on.any():
            break
        if not going_on.all():
            kinks.keep(going_on)
            data = Data(data.counts[going_on], data.aux[going_on])
            wall = wall[going_on]
            rows = rows[going_on]
            x, target, gradient = (a[going_on] for a in (x, target, gradient))
        slope = (gradient * (target - x)).sum(axis=1)
        saddle, edm = newton.saddle[going_on], newton.edm[going_on]
        x, now, too_high = _search(
            model, x, target, now.value[going_on], slope, saddle, data, kinks.side, wall
        )
        if too_high.any():
            result.converged[rows] = too_high & saddle
            going_on = ~too_high
            if not going_on.any():
                break
            kinks.keep(going_on)
            data = Data(data.counts[going_on], data.aux[going_on])
            wall = wall[going_on]
            rows, x, edm = rows[going_on], x[going_on], edm[going_on]
            now = Evaluation(*(part[going_on] for part in now))
    return result


def _search(
    model: Model,
    x: Array,
    target: Array,
    value: Array,
    slope: Array,
    saddle: Flags,
    data: Data,
    side: Array,
    wall: Array,
) -> tuple[Array, Evaluation, Flags]:
    """How far to go from `x` towards `target` (N, P) for the objective to fall from `value` as its
    `slope` (N,) on the way promises; its evaluation there, and the rows that found no such place.

    Backtracks to the minimum of the cubic through values and slopes at both ends (Nocedal and
    Wright, Numerical Optimization, eq. 3.59).
    """
    way = target - x
    noise = ROUNDING * (1.0 + np.abs(value))
    # a push off a saddle point that leads up even if small started from a minimum
    shortest = np.where(saddle, SMALLEST_PUSH, SMALLEST_STEP)
    size, end = np.ones(len(x)), target.copy()
    now = evaluate(model, target, data, side, wall, hessian=True)
    while True:
        too_high = ~(now.value <= value + ARMIJO * size * slope + noise)
        again = (too_high & (size >= shortest)).nonzero()[0]
        if len(again) == 0:
            return end, now, too_high
        before = size[again] * slope[again]
        after = size[again] * (now.gradient[again] * way[again]).sum(axis=1)
        size[again] *= _cubic_minimum(now.value[again] - value[again], before, after)
        end[again] = x[again] + size[again, None] * way[again]
        data_again = Data(data.counts[again], data.aux[again])
        better = evaluate(model, end[again], data_again, side[again], wall[again], hessian=True)
        for rows, those in zip(now, better, strict=True):
            rows[again] = those


def _cubic_minimum(rise: Array, before: Array, after: Array) -> Array:
    """Where on the way from 0 to 1 a cubic has its minimum that rises by `rise` in all and has the
    slopes `before` and `after` at the ends; within `SHORTENING`, and half way if nowhere."""
    mean = before + after - 3.0 * rise
    root = np.sqrt(np.maximum(mean * mean - before * after, 0.0))
    width = after - before + 2.0 * root
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        place = 1.0 - (after + root - mean) / width
    return np.clip(np.where(np.isfinite(place), place, 0.5), *SHORTENING)


def _pushed_out(x: Array, gradient: Array, low: Array, high: Array) -> Flags:
    """Parameters at a bound that the objective's decrease would push beyond it."""
    return np.asarray(((x <= low) & (gradient >= 0.0)) | ((x >= high) & (gradient <= 0.0)))


def _finish(
    model: Model,
    end: Array,
    data: Data,
    side: Array,
    wall: Array,
    bounds: tuple[Array, Array],
    holds: tuple[Flags, Flags],
    solve: Callable[[Array], Array],
    curvature: Array,
    result: Minimum,
    rows: Rows,
) -> Flags:
    """Where the minimum is certain at the `end` (n, P) of settled fits' steps; there, the very
    last step is made, and `result` filled."""
    last = evaluate(model, end, data, side, wall, hessian=False)
    held, fixed = holds
    freed = held & ~fixed & ~_pushed_out(end, last.gradient, *bounds)
    gain = np.where(freed, last.gradient**2, 0.0)
    gradient = np.where(held, 0.0, last.gradient)
    step = -solve(gradient)
    edm = -0.5 * (gradient * step).sum(axis=1)
    certain = (last.unsettled <= UNSETTLED) & (edm < EDM_TOLERANCE)
    certain &= (gain <= NEGLIGIBLE_GAIN * np.maximum(curvature, FLOOR)).all(axis=1)
    x = np.clip(end + step, *bounds)
    inside = (x == end + step).all(axis=1)
    done = rows[certain]
    result.x[done] = x[certain]
    result.value[done] = (last.value - np.where(inside, edm, 0.0))[certain]
    result.edm[done] = edm[certain]
    result.gradient[done] = np.abs(gradient).max(axis=1, initial=0.0)[certain]
    result.converged[done] = True
    return np.asarray(certain)


def _superfluous(
    model: Model, x: Array, target: Array, value: Array, newton: Newton, known: Minimum, rows: Rows
) -> Flags:
    """Whether a search has come back to the known minimum, or is about to, or to end above it."""
    weight = model.parameters.weight
    width = np.sqrt(np.where(weight > 0.0, weight, 1.0))
    back = (np.abs(x - known.x[rows]) * width).max(axis=1) < SAME_BASIN
    back |= ~newton.indefinite & ((np.abs(target - known.x[rows]) * width).max(axis=1) < SAME_BASIN)
    return np.asarray(back | ((newton.edm < 0.1) & (value - 3.0 * newton.edm > known.value[rows])))


class _Kinks:
    """Parameters whose derivative jumps at 0 stay on one side of it a step.

    Where that side slopes up, the other one is tried before 0 counts as a minimum.
    """

    def __init__(self, kinked: Flags, x: Array) -> None:
        self.kinked = kinked
        self.any = bool(kinked.any())
        self.side = np.where(x < 0.0, -1.0, 1.0)
        self.turned = np.zeros(x.shape, dtype=bool)

    def turn(self, x: Array, gradient: Array) -> bool:
        """Change side where a parameter stands at 0 and its side slopes up; whether any did."""
        if not self.any:
            return False
        self.turned &= x == 0.0
        turning = self.kinked & (x == 0.0) & (self.side * gradient > 0.0) & ~self.turned
        self.side = np.where(turning, -self.side, self.side)
        self.turned |= turning
        return bool(turning.any())

    def confine(self, bounds: Array) -> tuple[Array, Array]:
        """Lower and upper bounds (N, P) that keep every kinked parameter on its side."""
        low, high = bounds.T.copy()[:, None].repeat(len(self.side), axis=1)
        if self.any:
            low = np.where(self.kinked & (self.side > 0.0), np.maximum(low, 0.0), low)
            high = np.where(self.kinked & (self.side < 0.0), np.minimum(high, 0.0), high)
        return low, high

    def keep(self, rows: Flags) -> None:
        self.side, self.turned = self.side[rows], self.turned[rows]
