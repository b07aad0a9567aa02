"""Newton steps within bounds, each to the minimum that the quadratic model has there.

Where the Hessian is not positive definite, its Gauss-Newton part serves far from the
minimum, and near it the eigenvalues by magnitude (saddle-free Newton, arXiv:1406.2572), with a
floor that keeps it calm in flat valleys and a push off saddle points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dpotrf, dpotrs

from .interpolation import Array
from .likelihood import Evaluation

EDM_TOLERANCE = 1e-9

FLOOR = 1e-7
"""Least eigenvalue of the diagonally scaled Hessian that a step divides by."""

WORTHWHILE = 1e-3
"""EDM above which a Gauss-Newton step is taken where the Hessian is not positive definite."""

UNSETTLED = 1e-10
"""What the walls of bins without events may add to the objective (see `likelihood.WALL`)."""

PATIENCE = 10
"""Rounds of pinning and freeing many parameters at once before it is done one by one."""

MAX_ROUNDS = 200

Flags = NDArray[np.bool_]


class Solver(NamedTuple):
    """Applies H⁻¹, from a Cholesky factor, or from scaled eigenvectors and |eigenvalues|."""

    factor: Array
    scale: Array | None = None
    size: Array | None = None

    def __call__(self, gradient: Array) -> Array:
        if self.scale is None or self.size is None:
            return np.asarray(dpotrs(self.factor, gradient, lower=1)[0])
        along = self.factor.T @ (self.scale * gradient)
        return np.asarray(self.scale * (self.factor @ (along / self.size)))

    def matrix(self) -> Array:
        """The matrix whose eigenvectors these are."""
        assert self.scale is not None and self.size is not None
        vectors = self.factor / self.scale[:, None]
        return np.asarray((vectors * self.size) @ vectors.T)


class Newton(NamedTuple):
    """Newton steps of N fits.

    Attributes:
        step: (N, P)
        pinned: −1 (+1) where the step ends at the lower (upper) bound, (N, P)
        edm: what the quadratic model says the step gains, (N,)
        solve: what solves for the parameters that are neither held nor pinned, N
        saddle, indefinite: whether this is a saddle point, and its Hessian indefinite, (N,)
    """

    step: Array
    pinned: NDArray[np.int8]
    edm: Array
    solve: list[Solver]
    saddle: Flags
    indefinite: Flags


def newton_step(
    now: Evaluation, gradient: Array, held: Flags, lower: Array, upper: Array
) -> Newton:
    """Steps between `lower` and `upper` that leave `held` parameters alone (all (N, P)); see the
    module's text for the Hessian."""
    n_fits = len(gradient)
    newton = Newton(
        np.empty_like(gradient),
        np.zeros(gradient.shape, dtype=np.int8),
        np.empty(n_fits),
        [],
        *np.zeros((2, n_fits), dtype=bool),
    )
    for i in range(n_fits):
        g = gradient[i]
        push = np.zeros_like(g)
        matrix = now.hessian[i]
        solver = _cholesky(matrix, held[i])
        if solver is None:
            newton.indefinite[i] = True
            matrix = now.gauss_newton[i]
            solver = _cholesky(matrix, held[i])
            if solver is None or 0.5 * g @ solver(g) < WORTHWHILE:
                solver, lowest = _magnitudes(_without(now.hessian[i], held[i]))
                matrix = solver.matrix()
                newton.indefinite[i] = lowest < -FLOOR
                settled = 0.5 * g @ solver(g) < EDM_TOLERANCE and now.unsettled[i] <= UNSETTLED
                if lowest < -FLOOR and settled:
                    newton.saddle[i] = True
                    assert solver.scale is not None
                    push = 0.1 * np.minimum(solver.scale, 1.0) * solver.factor[:, 0]
                    push = push if g @ push <= 0.0 else -push
        step = -solver(g)
        edm = -0.5 * float(g @ step)
        if ((step < lower[i]) | (step > upper[i])).any():
            matrix = _without(matrix, held[i])
            step, newton.pinned[i], solver = _boxed(matrix, g, lower[i], upper[i])
            edm = -float(g @ step + 0.5 * step @ matrix @ step)
        newton.solve.append(solver)
        newton.edm[i] = edm
        newton.step[i] = push + step
    return newton


def _boxed(
    matrix: Array, gradient: Array, lower: Array, upper: Array
) -> tuple[Array, NDArray[np.int8], Solver]:
    """Minimize g·s + ½ s·M·s for `lower` ≤ s ≤ `upper`; M is positive definite.

    Parameters beyond a bound are pinned to it and those that pull away from it are freed, all at
    once, or, should that go in circles, one at a time (block principal pivoting; J. J. Júdice and
    F. M. Pires, Comput. Oper. Res. 21 (1994) 587). Returns the step, where it is pinned to the
    lower (−1) and upper (+1) bound, and what solves for the other parameters.
    """
    pinned = np.zeros(len(gradient), dtype=np.int8)
    for attempt in range(MAX_ROUNDS):
        bound = np.where(pinned < 0, lower, np.where(pinned > 0, upper, 0.0))
        fixed = pinned != 0
        solver = _cholesky(matrix, fixed) or _magnitudes(_without(matrix, fixed))[0]
        step = bound - solver(np.where(fixed, 0.0, gradient + matrix @ bound))
        beyond = np.where(step < lower, -1, np.where(step > upper, 1, 0))
        wanted = np.where(
            fixed, np.where(pinned * (gradient + matrix @ step) > 0.0, 0, pinned), beyond
        )
        wrong = np.flatnonzero(wanted != pinned)
        if len(wrong) == 0:
            break
        if attempt >= PATIENCE:
            wrong = wrong[-1:]
        pinned[wrong] = wanted[wrong]
    return step, pinned, solver


def _without(hessian: Array, held: Flags) -> Array:
    """The Hessian with the rows and columns of `held` parameters made those of the identity."""
    reduced = hessian.copy()
    holds = np.flatnonzero(held)
    reduced[holds] = 0.0
    reduced[:, holds] = 0.0
    reduced[holds, holds] = 1.0
    return reduced


def _cholesky(hessian: Array, held: Flags) -> Solver | None:
    """What solves with H, or None where H is not positive definite to working accuracy."""
    reduced = _without(hessian, held)
    diagonal = reduced.diagonal().copy()
    factor, info = dpotrf(reduced.T, lower=1, clean=0, overwrite_a=1)
    if info or (factor.diagonal() ** 2 < FLOOR * diagonal).any():
        return None
    return Solver(factor)


def _magnitudes(hessian: Array) -> tuple[Solver, float]:
    """What solves with |H|, and the lowest eigenvalue of the diagonally scaled H."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(hessian.diagonal()), FLOOR))
    values, vectors = np.linalg.eigh(hessian * scale * scale[:, None])
    return Solver(vectors, scale, np.maximum(np.abs(values), FLOOR)), float(values[0])
