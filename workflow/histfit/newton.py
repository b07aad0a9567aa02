"""Newton steps within bounds, each to the minimum that the quadratic model has there.

Where the Hessian is not positive definite, far from the minimum it is blended by halves with its
Gauss-Newton part, or, if need be, replaced by it. (Its diagonal is raised to the Hessian's, or a
systematic that lowers a rate either way would go back and forth across α = 0.) Near the minimum the
eigenvalues serve by magnitude (saddle-free Newton, arXiv:1406.2572), with a floor that keeps it
calm in flat valleys and a push off saddle points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from .arrays import Array, Flags, Index, all_of, any_of, diagonals, times
from .likelihood import Hessians

EDM_TOLERANCE = 1e-9

FLOOR = 1e-10
"""Least eigenvalue of the diagonally scaled Hessian that a step divides by."""

VANISHING = 1e-30
"""Pivots below are none: a step along them would overflow."""

WORTHWHILE = 1e-3
"""EDM above which a blended step is taken where the Hessian is not positive definite."""

FIRM = 0.05
"""Part of its diagonal that the pivots of a blend must keep, lest the step gets too long."""

UNSETTLED = 1e-10
"""What the walls of bins without events may add to the objective (see `likelihood.WALL`)."""

PATIENCE = 10
"""Rounds of pinning and freeing many parameters at once before it is done one by one."""

MAX_ROUNDS = 200

SMALL = 10
"""Models of up to so many parameters solve for all rows at once; larger ones lose nothing by going
row by row."""


class Solver(NamedTuple):
    """Applies H⁻¹ to vectors, (P,) or (P, n), from a Cholesky factor, or from scaled eigenvectors
    and |eigenvalues|."""

    factor: Array
    scale: Array | None = None
    size: Array | None = None

    def __call__(self, vectors: Array) -> Array:
        if self.scale is None or self.size is None:
            return np.asarray(dpotrs(self.factor, vectors, lower=1)[0])
        along = (self.factor.T @ (self.scale * vectors.T).T).T / self.size
        return np.asarray((self.scale * (self.factor @ along.T).T).T)

    def matrix(self) -> Array:
        """The matrix whose eigenvectors these are."""
        assert self.scale is not None and self.size is not None
        vectors = self.factor / self.scale[:, None]
        return np.asarray((vectors * self.size) @ vectors.T)


class Pinned(NamedTuple):
    """Applies the inverse of H without some rows and columns, from what applies H⁻¹.

    Attributes:
        solver: applies H⁻¹
        pinned: the rows and columns to do without (n,)
        columns: these columns of H⁻¹ (P, n)
    """

    solver: Solver
    pinned: Index
    columns: Array

    def __call__(self, vector: Array) -> Array:
        result = self.solver(vector)
        result -= self.columns @ _solved(self.columns[self.pinned], result[self.pinned])
        result[self.pinned] = 0.0
        return result


class Newton(NamedTuple):
    """Newton steps of N fits.

    Attributes:
        step: (N, P)
        pinned: −1 (+1) where the step ends at the lower (upper) bound, (N, P)
        edm: what the quadratic model says the step gains, (N,)
        whitening: W with H⁻¹ = Wᵀ W for the parameters that are neither held nor pinned,
            (N, P, P); empty in models of more than `SMALL` parameters
        solvers: what solves for these parameters in the rows that W does not serve
        saddle, indefinite: whether this is a saddle point, and its Hessian indefinite, (N,)
    """

    step: Array
    pinned: NDArray[np.int8]
    edm: Array
    whitening: Array
    solvers: dict[int, Solver | Pinned]
    saddle: Flags
    indefinite: Flags

    def solve(self, rows: Index, gradient: Array) -> Array:
        """H⁻¹ of some `rows` applied to `gradient`, one vector a row (n, P)."""
        if self.whitening.size:
            result = _solve_stack(self.whitening[rows], gradient)
        else:
            result = np.empty_like(gradient)
        for i, row in enumerate(rows.tolist()):
            if row in self.solvers:
                result[i] = self.solvers[row](gradient[i])
        return result


def newton_step(
    hessians: Hessians,
    unsettled: Array,
    gradient: Array,
    held: Flags,
    lower: Array,
    upper: Array,
) -> Newton:
    """Steps between `lower` and `upper` that leave `held` parameters alone (all (N, P)).

    For the use of the `hessians`, which are changed, see the module's text; `unsettled` is what
    walls add to the objective (N,).
    """
    n_fits, size = gradient.shape
    small = size <= SMALL
    newton = Newton(
        np.empty_like(gradient),
        np.zeros(gradient.shape, dtype=np.int8),
        np.empty(n_fits),
        np.empty((n_fits, size, size) if small else (n_fits, 0, 0)),
        {},
        *np.zeros((2, n_fits), dtype=bool),
    )
    done = np.zeros(n_fits, dtype=bool)
    reduced = without(hessians.exact, held)
    if small:
        done = _step_stack(newton, reduced, gradient, lower, upper)
    for i in (~done).nonzero()[0].tolist():
        g, push = gradient[i], None
        matrix = exact = reduced[i]
        solver = _cholesky(exact)
        if solver is None:
            newton.indefinite[i] = True
            definite = without(hessians.gauss_newton(i), held[i])
            diagonals(definite)[...] = np.maximum(diagonals(definite), diagonals(exact))
            matrix = 0.5 * (exact + definite)
            solver = _cholesky(matrix, FIRM)
            if solver is None:
                matrix = definite
                solver = _cholesky(matrix)
            if solver is None or 0.5 * g @ solver(g) < WORTHWHILE:
                solver, lowest = _magnitudes(exact)
                matrix = solver.matrix()
                newton.indefinite[i] = lowest < -FLOOR
                settled = 0.5 * g @ solver(g) < EDM_TOLERANCE and unsettled[i] <= UNSETTLED
                if lowest < -FLOOR and settled:
                    newton.saddle[i] = True
                    assert solver.scale is not None
                    push = 0.1 * np.minimum(solver.scale, 1.0) * solver.factor[:, 0]
                    push = push if g @ push <= 0.0 else -push
        step = -solver(g)
        edm = -0.5 * float(g @ step)
        newton.solvers[i] = solver
        if any_of((step < lower[i]) | (step > upper[i])):
            step, newton.pinned[i], newton.solvers[i] = _boxed(solver, step, lower[i], upper[i])
            edm = -float(g @ step + 0.5 * step @ matrix @ step)
        newton.edm[i] = edm
        newton.step[i] = step if push is None else step + push
    # eigenvectors mix held parameters, by rounding, with others of the same eigenvalue
    newton.step[held] = 0.0
    return newton


def _step_stack(
    newton: Newton, matrix: Array, gradient: Array, lower: Array, upper: Array
) -> Flags:
    """Fill `newton` for all rows whose `matrix` (N, P, P) is positive definite, and say which.

    What `_boxed` does for a row, for many at a time.
    """
    rows = np.arange(len(gradient))
    done = np.zeros(len(gradient), dtype=bool)
    pinned = newton.pinned
    for attempt in range(MAX_ROUNDS):
        fixed = pinned[rows] != 0
        bound = np.where(pinned[rows] < 0, lower[rows], np.where(fixed, upper[rows], 0.0))
        whitening, definite = _whitening(without(matrix[rows], fixed) if attempt else matrix)
        rows, fixed = rows[definite], fixed[definite]
        bound, whitening = bound[definite], whitening[definite]
        slope = gradient[rows] + times(matrix[rows], bound)
        step = bound - _solve_stack(whitening, np.where(fixed, 0.0, slope))
        beyond = np.where(step < lower[rows], -1, np.where(step > upper[rows], 1, 0))
        at_end = times(matrix[rows], step)
        released = fixed & (pinned[rows] * (gradient[rows] + at_end) > 0.0)
        wrong = np.where(fixed, released, beyond != 0)
        ready = ~wrong.any(axis=1)
        finished = rows[ready]
        done[finished] = True
        newton.step[finished] = step[ready]
        newton.whitening[finished] = whitening[ready]
        newton.edm[finished] = -(step * (gradient[rows] + 0.5 * at_end)).sum(axis=1)[ready]
        if all_of(ready):
            break
        rows, wrong, beyond, fixed = rows[~ready], wrong[~ready], beyond[~ready], fixed[~ready]
        if attempt >= PATIENCE:
            last = wrong.shape[1] - 1 - np.argmax(wrong[:, ::-1], axis=1)
            wrong &= np.arange(wrong.shape[1]) == last[:, None]
        pinned[rows] = np.where(wrong, np.where(fixed, 0, beyond), pinned[rows])
    pinned[~done] = 0
    return done


def _whitening(matrices: Array) -> tuple[Array, Flags]:
    """W with W⁻¹ W⁻ᵀ = M for every positive definite M of `matrices`, and which those are."""
    factor, definite = _factors(matrices)
    least = FLOOR * diagonals(matrices) + VANISHING
    definite &= (diagonals(factor) ** 2 >= least).all(axis=1)
    return np.asarray(np.linalg.inv(factor), dtype=np.float64), definite


def _factors(matrices: Array) -> tuple[Array, Flags]:
    """Lower Cholesky factors, the identity where there is none, and where there are."""
    n_rows, size = matrices.shape[:2]
    try:
        factors = np.asarray(np.linalg.cholesky(matrices), dtype=np.float64)
    except np.linalg.LinAlgError:
        if n_rows == 1:
            return np.eye(size)[None], np.zeros(1, dtype=bool)
        first, second = _factors(matrices[: n_rows // 2]), _factors(matrices[n_rows // 2 :])
        return np.concatenate([first[0], second[0]]), np.concatenate([first[1], second[1]])
    return factors, np.ones(n_rows, dtype=bool)


def _solve_stack(whitening: Array, vectors: Array) -> Array:
    """Wᵀ W applied to one vector a row."""
    return times(whitening.transpose(0, 2, 1), times(whitening, vectors))


def _boxed(
    solver: Solver, free: Array, lower: Array, upper: Array
) -> tuple[Array, NDArray[np.int8], Pinned]:
    """The minimum within `lower` and `upper` of the quadratic model whose H⁻¹ the `solver` applies,
    and whose `free` minimum lies beyond a bound.

    Parameters beyond a bound are pinned to it and those that pull away from it are freed, all at
    once, or, should that go in circles, one at a time (block principal pivoting; J. J. Júdice and
    F. M. Pires, Comput. Oper. Res. 21 (1994) 587). The price of a bound is the slope there. Returns
    the step, where it is pinned to the lower (−1) and upper (+1) bound, and what solves for the
    other parameters.
    """
    pinned = np.where(free < lower, -1, np.where(free > upper, 1, 0)).astype(np.int8)
    for attempt in range(MAX_ROUNDS):
        which = pinned.nonzero()[0]
        units = np.zeros((len(free), len(which)))
        units[which, np.arange(len(which))] = 1.0
        columns = solver(units)
        bound = np.where(pinned[which] < 0, lower[which], upper[which])
        price = _solved(columns[which], bound - free[which])
        step = free + columns @ price
        step[which] = bound
        wanted = np.where(step < lower, -1, np.where(step > upper, 1, 0))
        wanted[which] = np.where(pinned[which] * price > 0.0, 0, pinned[which])
        wrong = (wanted != pinned).nonzero()[0]
        if len(wrong) == 0:
            break
        if attempt >= PATIENCE:
            wrong = wrong[-1:]
        pinned[wrong] = wanted[wrong]
    return step, pinned, Pinned(solver, which, columns)


def _solved(matrix: Array, vector: Array) -> Array:
    """matrix⁻¹ vector, or the shortest solution where parameters pinned together span a flat
    direction, so that the `matrix` is singular."""
    try:
        return np.asarray(np.linalg.solve(matrix, vector))
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.lstsq(matrix, vector)[0])


def without(hessian: Array, held: Flags) -> Array:
    """`hessian` (…, P, P), whose rows and columns of `held` (…, P) parameters are made the
    identity's, in place."""
    those = held.nonzero()
    hessian[those] = 0.0
    hessian.swapaxes(-1, -2)[those] = 0.0
    diagonals(hessian)[those] = 1.0
    return hessian


def _cholesky(matrix: Array, least: float = FLOOR) -> Solver | None:
    """What solves with `matrix`, or None where a pivot is less than a part `least` of its diagonal,
    or negative."""
    factor, info = dpotrf(matrix.T, lower=1, clean=0)
    if info or any_of(factor.diagonal() ** 2 < least * matrix.diagonal() + VANISHING):
        return None
    return Solver(factor)


def _magnitudes(hessian: Array) -> tuple[Solver, float]:
    """What solves with |H|, and the lowest eigenvalue of the diagonally scaled H."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(hessian.diagonal()), FLOOR))
    values, vectors = np.linalg.eigh(hessian * scale * scale[:, None])
    return Solver(vectors, scale, np.maximum(np.abs(values), FLOOR)), float(values[0])
