"""A bounded Newton minimizer that certifies its minimum.

A step goes to the minimum that the quadratic model has within the bounds (see `newton`), with an
Armijo search on the way; parameters at a bound that the gradient pushes against take no part.

It stops on the estimated distance to the minimum, EDM = ½ gᵀH⁻¹g, never on a small change of the
function. N minimizations run side by side, one a row; no row's result depends on the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .arrays import Array, Flags, Index, all_of, any_of, diagonals
from .likelihood import LEAST_RATE, WALL, Data, Evaluation, Hessians, evaluate, hessians
from .minimum import Minimum, Problem
from .model import Model
from .newton import EDM_TOLERANCE, FLOOR, UNSETTLED, WORTHWHILE, Newton, newton_step

SETTLED = 1e-5
"""EDM below which one more step, with the gradient at its end but the same Hessian, is enough."""

MANY = 1e6
"""Events in a bin beyond which valleys can be so narrow and bent that the Hessian, and the EDM with
it, changes much within an EDM of `SETTLED`: there it is to be below `EDM_TOLERANCE` twice."""

NEGLIGIBLE_GAIN = 1e-12
"""A parameter may stay at its bound if to leave it would gain less (gradient² over curvature)."""

MAX_ITERATIONS = 1000
ARMIJO = 1e-4
SHORTENING = (0.1, 0.5)
"""By how much a step that leads too high is shortened at least and at most."""

SMALLEST_STEP, SMALLEST_PUSH = 1e-10, 1e-3
ROUNDING = 1e-13
"""Changes of the objective below this part of it are noise."""

EDGE = 1e-12
"""How close to 0 a parameter comes whose factor is 0 until there, and 1 there."""

OFF_BOUND = 0.1
"""How far from a bound a parameter is moved along which there is a maximum at it."""

CLOSING, STIFFENING = 0.25, 10.0
"""A wall whose gap to the rate stays more than this part of what it was is made so many times as
stiff."""

FORBIDDEN = 1e9
"""If the wall of a bin without events costs more at the least, the rate there cannot but be
negative: the objective is infinite."""

SAME_BASIN = 0.3
"""A search that comes this close to a known minimum, and is not lower, will end there; see
`distance`."""

SAME_MINIMUM = 1e-9
"""Objectives closer than this are the same minimum."""


def minimize(
    problem: Problem,
    start: Array,
    known: Minimum | None = None,
    least: float = LEAST_RATE,
    stiffness: float = WALL,
) -> Minimum:
    """Minimize the objective from `start` (N, P).

    Args:
        known: minima found before. A row that comes back to its known minimum, or will not get
            below it, is given up: its value is then infinite.
        least: rate below which a bin's term is extended, see `likelihood.LEAST_RATE`.
        stiffness: that walls begin with, see `likelihood.WALL`.
    """
    model, n_fits = problem.model, len(start)
    result = Minimum(
        x=np.empty_like(start),
        bins=np.empty_like(problem.data.counts),
        value=np.full(n_fits, np.inf),
        edm=np.full(n_fits, np.inf),
        gradient=np.full(n_fits, np.inf),
        converged=np.zeros(n_fits, dtype=bool),
        indefinite=np.zeros(n_fits, dtype=bool),
        iterations=np.zeros(n_fits, dtype=np.intp),
    )
    fits = _begun(problem, start, least, stiffness)
    result.x[...] = fits.x
    if known is not None:
        new = distance(model, fits.x, known.x) >= SAME_BASIN
        if not all_of(new):
            old = (~new).nonzero()[0]
            new[old] = fits.evaluate(fits.x[old], old).value < known.value[old] - SAME_MINIMUM
        new &= (known.value > _infimum(problem) + SAME_MINIMUM) | ~known.converged
        fits.keep(new.nonzero()[0])
        if not len(fits.rows):
            return result
    many = np.asarray((problem.data.counts > MANY).any(axis=1))
    now, edm = fits.evaluate(fits.x), result.edm[fits.rows]
    for iteration in range(1, MAX_ITERATIONS + 1):
        building = (now.unsettled > UNSETTLED) & (edm < WORTHWHILE)
        going_on = np.ones(len(fits.rows), dtype=bool)
        if any_of(building):
            waiting = building & (edm < 0.01 * now.unsettled)
            going_on = ~(waiting & (now.unsettled > FORBIDDEN))
            fits.build(building, waiting, now.pressure)
        ending = (edm < SETTLED) | (iteration == 1)
        off = any_of(ending) and fits.leave_bounds(now, ending)
        if fits.turn(now.gradient) or off or any_of(building):
            now = fits.evaluate(fits.x)
        rows, step = fits.rows, _propose(fits, now)
        newton, target = step.newton, step.target
        _note(result, fits, now, step, iteration)
        if not all_of(going_on):
            _forbid(result, rows[~going_on])
        if known is not None:
            at, lowest = known.x[rows], known.value[rows]
            below = now.value < lowest - SAME_MINIMUM
            going_on &= below | ~_superfluous(model, target, now.value, newton, at, lowest)
            result.value[rows[~going_on]] = np.inf
        if not any_of(going_on):
            break
        there = fits.evaluate(target)
        too_high = going_on & _too_high(there.value, now.value, step.slope)
        near = (newton.edm < SETTLED) & (~many[rows] | (edm < EDM_TOLERANCE))
        settled = (going_on & near & ~newton.saddle & ~newton.indefinite).nonzero()[0]
        if len(settled):
            going_on[_finish(fits, step, there, settled, result)] = False
        if any_of(too_high & going_on):
            stuck = _backtrack(fits, step, there, now.value, too_high & going_on)
            result.converged[rows[stuck]] = newton.saddle[stuck]
            going_on[stuck] = False
        if any_of(newton.saddle):
            flat = going_on & newton.saddle & _level(there.value, now.value)
            result.converged[rows[flat]] = True
            going_on[flat] = False
        if known is not None:
            back = going_on & (distance(model, target, at) < SAME_BASIN)
            back &= there.value >= lowest - SAME_MINIMUM
            result.value[rows[back]] = np.inf
            going_on[back] = False
        if not any_of(going_on):
            break
        fits.x, now, edm = target, there, newton.edm
        if not all_of(going_on):
            left = going_on.nonzero()[0]
            fits.keep(left)
            now, edm = now.take(left), edm[left]
    return result


class _Step(NamedTuple):
    """The next step of every fit that is not finished.

    Attributes:
        low, high: bounds that confine it (n, P)
        held: parameters that are fixed, or stay at a bound in it or from its end on (n, P)
        gradient: of the objective where it begins, 0 along parameters that take no part (n, P)
        hessians: there
        newton: what the quadratic model makes of them
        target: where it leads (n, P)
        slope: of the objective on the way to the target (n,)
    """

    low: Array
    high: Array
    held: Flags
    gradient: Array
    hessians: Hessians
    newton: Newton
    target: Array
    slope: Array


@dataclass(slots=True)
class _Fits:
    """The fits that are not finished yet, row by row.

    Parameters whose derivative jumps at 0 stay on one side of it a step. There, 0 is a minimum only
    if both sides slope up.

    Attributes:
        problem: what is left of it
        rows: their numbers among all fits
        x: where they are
        wall, stiffness: see `likelihood.WALL`
        gap: how far from its wall's the rate of a bin was when the wall was built last
        side: of kinked parameters
        kinks: whether there are any
        least: see `likelihood.LEAST_RATE`
    """

    problem: Problem
    rows: Index
    x: Array
    wall: Array
    stiffness: Array
    gap: Array
    side: Array
    kinks: bool
    least: float

    def evaluate(
        self, x: Array, some: Index | slice = slice(None), side: Array | None = None
    ) -> Evaluation:
        """The objective of `some` fits at `x`; on another `side` of the kinks if that is given."""
        counts, aux = self.problem.data
        data = Data(counts[some], aux[some])
        wall, stiffness = self.wall[some], self.stiffness[some]
        side = self.side[some] if side is None else side
        return evaluate(self.problem.model, x, data, side, wall, stiffness, self.least)

    def build(self, rows: Flags, waiting: Flags, price: Array) -> None:
        """Give the walls of some `rows` their new `price`. Those of rows that are `waiting` for
        their walls alone become stiffer where the gap to the rate closes too slowly (Nocedal and
        Wright, Numerical Optimization, section 17.4)."""
        gap = np.abs(price - self.wall) / self.stiffness
        matters = gap * (price + self.wall) > UNSETTLED
        slow = waiting[:, None] & matters & (gap > CLOSING * self.gap)
        self.stiffness = np.where(slow, STIFFENING * self.stiffness, self.stiffness)
        self.gap = np.where(rows[:, None], gap, self.gap)
        self.wall = np.where(rows[:, None], price, self.wall)

    def turn(self, gradient: Array) -> bool:
        """Change side where a parameter falls beyond its kink; whether any did."""
        if not self.kinks:
            return False
        turning = self.beyond_kink(self.x, gradient)
        self.side = np.where(turning, -self.side, self.side)
        return any_of(turning)

    def beyond_kink(self, x: Array, gradient: Array, some: Index | slice = slice(None)) -> Flags:
        """Parameters of `some` fits that stand at a kink at `x`, where the other side slopes down,
        and more than theirs does, (n, P)."""
        side, low, high = self.side[some], self.problem.low[some], self.problem.high[some]
        at_kink = self.problem.model.kinked & ~self.problem.fixed[some] & (x == 0.0)
        at_kink &= np.where(side > 0.0, low < 0.0, high > 0.0)
        at_kink &= ~np.where(side > 0.0, *self.problem.model.cliffs)
        if not any_of(at_kink):
            return np.asarray(at_kink)
        other = np.where(at_kink, -side, side)
        slope = other * self.evaluate(x, some, other).gradient
        steeper = (slope < np.minimum(side * gradient, 0.0)) & (slope**2 > NEGLIGIBLE_GAIN)
        return np.asarray(at_kink & steeper)

    def peaked(self, x: Array, at: Evaluation, some: Index | slice = slice(None)) -> Flags:
        """Parameters of `some` fits that stand at a bound at `x`, where the objective has a maximum
        along them (a one-sided systematic at 0), which no slope tells, (n, P)."""
        low, high = self.problem.low[some], self.problem.high[some]
        flat = ((x <= low) | (x >= high)) & (at.gradient == 0.0)
        if any_of(flat):
            flat &= diagonals(hessians(self.problem.model, at).exact) < 0.0
        return np.asarray(flat)

    def leave_bounds(self, now: Evaluation, rows: Flags) -> bool:
        """Move the parameters of some `rows` inward that are `peaked`; whether there were any."""
        low, high = self.problem.low, self.problem.high
        inward = np.where(self.x <= low, 1.0, -1.0) * np.minimum(OFF_BOUND, 0.5 * (high - low))
        moved = rows[:, None] & self.peaked(self.x, now)
        self.x = np.where(moved, self.x + inward, self.x)
        return any_of(moved)

    def confined(self) -> tuple[Array, Array]:
        """Lower and upper bounds that keep every kinked parameter on its side."""
        low, high, model = self.problem.low, self.problem.high, self.problem.model
        if not self.kinks:
            return low, high
        above, below = model.kinked & (self.side > 0.0), model.kinked & (self.side < 0.0)
        under, over = model.cliffs
        least = np.where(over & (self.x > 0.0), EDGE, 0.0)
        most = np.where(under & (self.x < 0.0), -EDGE, 0.0)
        low = np.where(above, np.maximum(low, least), low)
        return low, np.where(below, np.minimum(high, most), high)

    def keep(self, rows: Index) -> None:
        """Drop all other rows."""
        self.problem, self.rows, self.x = self.problem.take(rows), self.rows[rows], self.x[rows]
        self.wall, self.stiffness = self.wall[rows], self.stiffness[rows]
        self.gap, self.side = self.gap[rows], self.side[rows]


def _begun(problem: Problem, start: Array, least: float, stiffness: float) -> _Fits:
    """Fits of a `problem` at their `start` (N, P), as far as it lies within bounds."""
    model, counts = problem.model, problem.data.counts
    low = np.where(problem.fixed, -np.inf, problem.low)  # a test may lie beyond the bounds
    high = np.where(problem.fixed, np.inf, problem.high)
    x = np.minimum(np.maximum(start, low), high)
    return _Fits(
        Problem(model, problem.data, problem.fixed, low, high),
        np.arange(len(x)),
        x,
        wall=np.zeros_like(counts),
        stiffness=np.full_like(counts, stiffness),
        gap=np.full_like(counts, np.inf),
        side=np.where((x < 0.0) | (high <= 0.0), -1.0, 1.0),
        kinks=any_of(model.kinked),
        least=least,
    )


def _propose(fits: _Fits, now: Evaluation) -> _Step:
    """The Newton step of each of the `fits` from where it is `now`."""
    x = fits.x
    low, high = fits.confined()
    held = fits.problem.fixed | _pushed_out(x, now.gradient, low, high)
    gradient = np.where(held, 0.0, now.gradient)
    matrices = hessians(fits.problem.model, now)
    newton = newton_step(matrices, now.unsettled, gradient, held, low - x, high - x)
    target = np.minimum(np.maximum(x + newton.step, low), high)
    pinned = newton.pinned != 0
    if any_of(pinned):
        target = np.where(newton.pinned < 0, low, np.where(newton.pinned > 0, high, target))
    slope = (gradient * (target - x)).sum(axis=1)
    return _Step(low, high, held | pinned, gradient, matrices, newton, target, slope)


def _note(result: Minimum, fits: _Fits, now: Evaluation, step: _Step, iteration: int) -> None:
    """Write into the `result` where the `fits` are `now`."""
    rows = fits.rows
    result.x[rows] = fits.x
    result.bins[rows] = now.rates.bins
    result.value[rows] = now.value
    result.edm[rows] = step.newton.edm
    result.gradient[rows] = np.abs(step.gradient).max(axis=1, initial=0.0)
    result.indefinite[rows] |= step.newton.indefinite
    result.iterations[rows] = iteration


def _forbid(result: Minimum, rows: Index) -> None:
    """Write into the `result` that the objective of some `rows` is infinite."""
    result.value[rows] = np.inf
    result.edm[rows] = result.gradient[rows] = 0.0
    result.converged[rows] = True


def _infimum(problem: Problem) -> Array:
    """What no objective is below (N,): 0, less the negative rates that bins without events may
    have."""
    return np.asarray(np.where(problem.data.counts == 0.0, problem.model.floor, 0.0).sum(axis=1))


def _too_high(value: Array, before: Array, promised: Array) -> Flags:
    """Whether the objective did not fall as the slope promised."""
    return np.asarray(~(value <= before + ARMIJO * promised + _noise(before)))


def _level(value: Array, before: Array) -> Flags:
    """Whether the objective changed by no more than noise: a push off a saddle point that does so
    went along a flat valley, whose curvature is negative only by what is left of its gradient."""
    return np.asarray(np.abs(value - before) <= _noise(before))


def _noise(value: Array) -> Array:
    return np.asarray(ROUNDING * (1.0 + np.abs(value)))


def _finish(fits: _Fits, step: _Step, there: Evaluation, settled: Index, result: Minimum) -> Index:
    """Those of the `settled` fits whose minimum is certain at the end of their step; there, the
    very last step is made, and `result` filled."""
    held, fixed = step.held[settled], fits.problem.fixed[settled]
    low, high, end = (part[settled] for part in (step.low, step.high, step.target))
    value, slopes = there.value[settled], there.gradient[settled]
    freed = held & ~fixed & ~_pushed_out(end, slopes, low, high)
    gain = np.where(freed, slopes**2, 0.0)
    gradient = np.where(held, 0.0, slopes)
    last = np.where(held, 0.0, -step.newton.solve(settled, gradient))
    edm = -0.5 * (gradient * last).sum(axis=1)
    certain = (there.unsettled[settled] <= UNSETTLED) & (edm < EDM_TOLERANCE)
    if fits.kinks:
        certain &= ~fits.beyond_kink(end, slopes, settled).any(axis=1)
    if any_of(held & ~fixed & (slopes == 0.0)):
        certain &= ~fits.peaked(end, there.take(settled), settled).any(axis=1)
    if any_of(freed):
        curvature = np.maximum(step.hessians.gauss_newton_diagonal(settled), FLOOR)
        certain &= (gain <= NEGLIGIBLE_GAIN * curvature).all(axis=1)
    x = np.minimum(np.maximum(end + last, low), high)
    inside = (x == end + last).all(axis=1)
    done = fits.rows[settled[certain]]
    result.x[done] = x[certain]
    result.bins[done] = there.rates.bins[settled[certain]]
    result.value[done] = (value - np.where(inside, edm, 0.0))[certain]
    result.edm[done] = edm[certain]
    result.gradient[done] = np.abs(gradient).max(axis=1, initial=0.0)[certain]
    result.converged[done] = True
    return np.asarray(settled[certain])


def _backtrack(fits: _Fits, step: _Step, there: Evaluation, value: Array, too_high: Flags) -> Index:
    """Shorten steps that lead `too_high`, for the objective to fall from `value` as its slope on
    the way promises; the step's target and `there` become where they lead then. Returns the rows
    that found no such place.

    Backtracks to the minimum of the cubic through values and slopes at both ends (Nocedal and
    Wright, Numerical Optimization, eq. 3.59).
    """
    target, slope = step.target, step.slope
    way = target - fits.x
    size = np.ones(len(way))
    # a push off a saddle point that leads up even if small started from a minimum
    shortest = SMALLEST_STEP / np.maximum(np.abs(way).max(axis=1, initial=0.0), 1.0)
    shortest = np.where(step.newton.saddle, SMALLEST_PUSH, shortest)
    while True:
        again = (too_high & (size >= shortest)).nonzero()[0]
        if len(again) == 0:
            return too_high.nonzero()[0]
        before = size[again] * slope[again]
        after = size[again] * (there.gradient[again] * way[again]).sum(axis=1)
        size[again] *= _cubic_minimum(there.value[again] - value[again], before, after)
        target[again] = fits.x[again] + size[again, None] * way[again]
        there.put(again, fits.evaluate(target[again], again))
        promised = size[again] * slope[again]
        too_high[again] = _too_high(there.value[again], value[again], promised)


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


def distance(model: Model, x: Array, other: Array) -> Array:
    """The largest difference between parameters of two points (n, P), (n,): in σ of the constraint,
    for one-sided systematics of constraint and data together, and as it is without one."""
    precision = model.parameters.weight + model.parameters.tau + model.one_sided
    width = np.sqrt(np.where(precision > 0.0, precision, 1.0))
    return np.asarray((np.abs(x - other) * width).max(axis=1))


def _superfluous(
    model: Model, target: Array, value: Array, newton: Newton, known: Array, lowest: Array
) -> Flags:
    """Whether a search is about to come back to the `known` minimum, or to end above its `lowest`
    value."""
    above = (newton.edm < 0.1) & (value - 3.0 * newton.edm > lowest)
    arriving = above | (distance(model, target, known) < SAME_BASIN)
    # what an indefinite Hessian says of the minimum is not worth much
    return np.asarray(arriving & ~newton.indefinite)
