"""A bounded Newton minimizer that certifies its minimum.

Exact Newton steps on the parameters that are not held by a bound (a two-metric projection;
D. P. Bertsekas, SIAM J. Control Optim. 20 (1982) 221), with an Armijo search along the projected
path. Where the Hessian is not positive definite, its eigenvalues are taken by magnitude with a
floor, in coordinates scaled by the diagonal (saddle-free Newton, arXiv:1406.2572), which
also walks away from saddle points and stays calm in flat valleys; far from the minimum the
Gauss-Newton matrix does at less cost. It stops on the estimated distance to the minimum,
EDM = ½ gᵀH⁻¹g, never on a small change of the function.

N minimizations run side by side, one a row; no row's result depends on the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from .interpolation import Array
from .likelihood import Data, Evaluation, evaluate
from .model import Model

EDM_TOLERANCE = 1e-9
MAX_ITERATIONS = 200
ARMIJO = 1e-4
SMALLEST_STEP = 1e-10
ROUNDING = 1e-13
"""Changes of the objective below this part of it are noise."""

FLOOR = 1e-7
"""Least eigenvalue of the diagonally scaled Hessian that a step divides by."""

WORTHWHILE = 1e-3
"""EDM above which a Gauss-Newton step is taken where the Hessian is not positive definite."""

SAME_BASIN = 0.05
"""A search that comes this close to a known minimum (in σ of the constraints) will end there."""

Flags = NDArray[np.bool_]


class Minimum(NamedTuple):
    """Where N minimizations ended, row by row.

    Attributes:
        x: parameters (N, P)
        value: objective, the NLL less that of the saturated model (N,)
        edm: estimated distance of the objective to its minimum (N,), before the last step
        gradient: largest projected gradient component (N,), before the last step
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
    iterations: NDArray[np.intp]


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
    lower, upper = bounds[:, 0], bounds[:, 1]
    x = np.where(fixed, start, np.clip(start, lower, upper))
    result = Minimum(
        x.copy(),
        np.full(n_fits, np.inf),
        np.full(n_fits, np.inf),
        np.full(n_fits, np.inf),
        np.zeros(n_fits, dtype=bool),
        np.zeros(n_fits, dtype=bool),
        np.zeros(n_fits, dtype=np.intp),
    )
    rows = np.arange(n_fits)
    side = np.where(x < 0.0, -1.0, 1.0)
    both_sides_seen = np.zeros(x.shape, dtype=bool)
    now = evaluate(model, x, data, side, hessian=True)
    for iteration in range(1, MAX_ITERATIONS + 1):
        turned = model.kinked & (x == 0.0) & (side * now.gradient > 0.0) & ~both_sides_seen
        if turned.any():
            side = np.where(turned, -side, side)
            both_sides_seen |= turned
            now = evaluate(model, x, data, side, hessian=True)
        low = np.where(model.kinked & (side > 0.0), np.maximum(lower, 0.0), lower)
        high = np.where(model.kinked & (side < 0.0), np.minimum(upper, 0.0), upper)
        held = fixed | ((x <= low) & (now.gradient >= 0.0)) | ((x >= high) & (now.gradient <= 0.0))
        gradient = np.where(held, 0.0, now.gradient)
        step, edm, saddle, indefinite = newton_step(now, gradient, held)

        done = (edm < EDM_TOLERANCE) & ~saddle
        last = np.clip(x + step, low, high)
        unclipped = (last == x + step).all(axis=1)
        result.x[rows] = np.where((done & unclipped)[:, None], last, x)
        result.value[rows] = now.value - np.where(done & unclipped, edm, 0.0)
        result.edm[rows] = edm
        result.gradient[rows] = np.abs(gradient).max(axis=1, initial=0.0)
        result.converged[rows] = done
        result.indefinite[rows] |= indefinite
        result.iterations[rows] = iteration
        if done.all():
            break

        keep = ~done
        if known is not None:
            given_up = keep & _superfluous(model, x, now.value, edm, known, rows)
            result.value[rows[given_up]] = np.inf
            keep &= ~given_up
            if not keep.any():
                break
        rows, x, step, side, both_sides_seen, low, high, gradient = (
            a[keep] for a in (rows, x, step, side, both_sides_seen, low, high, gradient)
        )
        data = Data(data.counts[keep], data.aux[keep])
        new_x = np.clip(x + step, low, high)
        trial = evaluate(model, new_x, data, side, hessian=True)
        value = now.value[keep]
        scale = np.ones(len(rows))
        noise = ROUNDING * (1.0 + np.abs(value))
        while True:
            wanted = ARMIJO * (gradient * (new_x - x)).sum(axis=1)
            bad = ~(trial.value <= value + wanted + noise)
            if not bad.any():
                break
            scale[bad] *= 0.5
            if (scale < SMALLEST_STEP).any():
                break
            new_x = np.clip(x + scale[:, None] * step, low, high)
            trial = evaluate(model, new_x, data, side, hessian=True)
        if bad.any():
            break
        both_sides_seen &= new_x == 0.0
        x, now = new_x, trial
    return result


def _superfluous(
    model: Model, x: Array, value: Array, edm: Array, known: Minimum, rows: NDArray[np.intp]
) -> Flags:
    """Whether a search has come back to the known minimum or is about to end above it."""
    weight = model.parameters.weight
    away = np.abs(x - known.x[rows]) * np.sqrt(np.where(weight > 0.0, weight, 1.0))
    above = (edm < 0.1) & (value - 3.0 * edm > known.value[rows])
    return np.asarray((away.max(axis=1) < SAME_BASIN) | above)


def newton_step(
    now: Evaluation, gradient: Array, held: Flags
) -> tuple[Array, Array, Flags, Flags]:
    """Steps (N, P) that leave `held` parameters alone, their EDM (N,), and whether each point is a
    saddle point and its Hessian indefinite.

    Where the Hessian is not positive definite, the Gauss-Newton part serves as long as it promises
    a decrease worth having.
    """
    n_fits = len(gradient)
    step = np.empty_like(gradient)
    edm = np.empty(n_fits)
    saddle = np.zeros(n_fits, dtype=bool)
    indefinite = np.zeros(n_fits, dtype=bool)
    for i in range(n_fits):
        hessian = _without(now.hessian[i], held[i])
        solution = _solve(hessian, gradient[i])
        if solution is None:
            indefinite[i] = True
            solution = _solve(_without(now.gauss_newton[i], held[i]), gradient[i])
            if solution is None or 0.5 * gradient[i] @ solution < WORTHWHILE:
                solution, saddle[i], indefinite[i] = _saddle_free(hessian, gradient[i])
        step[i] = -solution
        edm[i] = 0.5 * gradient[i] @ solution
    return step, edm, saddle, indefinite


def _without(hessian: Array, held: Flags) -> Array:
    """The Hessian with the rows and columns of `held` parameters made those of the identity."""
    free = ~held
    reduced = hessian * free
    reduced *= free[:, None]
    reduced.flat[:: len(held) + 1] += held
    return reduced


def _solve(hessian: Array, gradient: Array) -> Array | None:
    """H⁻¹ g by Cholesky, or None where H is not positive definite to working accuracy."""
    factor, info = dpotrf(hessian.T, lower=1, clean=0)
    if info or (factor.diagonal() ** 2 < FLOOR * hessian.diagonal()).any():
        return None
    return np.asarray(dpotrs(factor, gradient, lower=1)[0])


def _saddle_free(hessian: Array, gradient: Array) -> tuple[Array, bool, bool]:
    """|H|⁻¹ g, whether this is a saddle point (then with a push off it), and whether H is
    indefinite."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(hessian.diagonal()), FLOOR))
    values, vectors = np.linalg.eigh(hessian * scale * scale[:, None])
    along = vectors.T @ (scale * gradient)
    size = np.maximum(np.abs(values), FLOOR)
    coefficients = along / size
    indefinite = bool(values[0] < -FLOOR)
    saddle = indefinite and bool(0.5 * along @ coefficients < EDM_TOLERANCE)
    if saddle:
        coefficients[0] += 0.1 if along[0] >= 0.0 else -0.1
    return scale * (vectors @ coefficients), saddle, indefinite
