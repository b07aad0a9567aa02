"""Fits that start again wherever a local minimum threatens, and report how they went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .errors import FitError
from .interpolation import Array
from .likelihood import LEAST_RATE, Data, deviance, expected_bins, mirrored, saturated_nll
from .minimize import Minimum, minimize
from .model import Flags, Index, Model

NO_EVENTS = 1e-12
"""Expected counts up to this are none: what they add to a likelihood is of this size."""

SAME_MINIMUM = 1e-9
"""Objectives closer than this are the same minimum."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A maximum-likelihood fit.

    Attributes:
        labels: names of the P parameters, as pyhf writes them
        values: best-fit parameters (P,)
        nll: negative log likelihood with all constants (half of pyhf's ``twice_nll``)
        edm: estimated distance of `nll` to the minimum before the last Newton step
        gradient: largest component of the projected gradient before the last Newton step
        converged: the EDM is below 1e-9 at a point that is not a saddle
        indefinite: a Hessian with a negative eigenvalue was met on the way
        starts: number of starting points tried
        iterations: Newton iterations, of all starts
        at_bound: labels of the free parameters that ended at a bound
    """

    labels: tuple[str, ...] = field(repr=False)
    values: Array = field(repr=False)
    nll: float
    edm: float
    gradient: float
    converged: bool
    indefinite: bool
    starts: int
    iterations: int
    at_bound: tuple[str, ...]

    def __getitem__(self, label: str) -> float:
        """Best-fit value of the parameter `label`."""
        return float(self.values[self.labels.index(label)])


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """What to fit: a model to `data`, with some parameters `fixed` (P,), within `bounds` (P, 2)."""

    model: Model
    data: Data
    fixed: Flags
    bounds: Array


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """N fits of one model, row by row: the best minimum of each, and the number of starts."""

    minimum: Minimum
    starts: NDArray[np.intp]

    def take(self, row: int) -> Fits:
        """One row."""
        rows = np.array([row])
        return Fits(self.minimum.take(rows), self.starts[rows])

    @property
    def x(self) -> Array:
        """Parameters (N, P)."""
        return self.minimum.x

    @property
    def value(self) -> Array:
        """Objective (N,): the NLL less that of the saturated model."""
        return self.minimum.value


def observed_data(model: Model) -> Data:
    """The observed counts and auxiliary data, as one row."""
    return Data(model.observed[None], model.parameters.aux[None])


def expected_data(model: Model, x: Array) -> Data:
    """The Asimov data (arXiv:1007.1727, section 3.2) at each row of `x` (N, P)."""
    tau = model.parameters.tau
    rates = expected_bins(model, x)
    return Data(np.where(rates > NO_EVENTS, rates, 0.0), np.where(tau > 0.0, tau * x, x))


def problem(
    model: Model, data: Data, mu: float | None, poi_bounds: tuple[float, float] | None = None
) -> Problem:
    """A fit with the POI free within `poi_bounds` (`mu` None) or held at its start."""
    fixed, bounds = model.parameters.fixed, model.parameters.bounds
    if model.poi is not None and (mu is not None or poi_bounds is not None):
        fixed, bounds = fixed.copy(), bounds.copy()
        fixed[model.poi] |= mu is not None
        bounds[model.poi] = bounds[model.poi] if poi_bounds is None else poi_bounds
    return Problem(model, data, fixed, bounds)


def at_poi(model: Model, x: Array, mu: float) -> Array:
    """`x` (N, P) with the POI set to `mu`; unchanged for a model without POI."""
    if model.poi is None:
        return x
    x = x.copy()
    x[:, model.poi] = mu
    return x


def solve(problem: Problem, starts: Sequence[Array], *, alike: bool = False) -> Fits:
    """Minimize from the first of `starts` (each (N, P)); and again where that looks unsafe.

    Unsafe is a fit that did not converge, met an indefinite Hessian, or ended with the POI at a
    bound. It is repeated from the other starts, and, where it did not converge or the Hessian was
    indefinite, from its mirror image (see `likelihood.mirrored`). Where the rows' data are `alike`,
    their likelihoods have about the same minima: if one fit is unsafe, all are, and each is
    repeated from where the row before it ended, too, at first and with the lowest objective.

    The lowest objective wins; a lower one that did not converge makes the fit fail. It is infinite
    where there are events but no parameters in reach that expect any.
    """
    fits = _solve(problem, starts, alike)
    expected = expected_bins(problem.model, fits.x)
    extended = (expected < LEAST_RATE * problem.data.counts).any(axis=1)
    if extended.any():
        fits.value[extended] = deviance(problem.model, fits.x, problem.data)[extended]
    return fits


def _solve(problem: Problem, starts: Sequence[Array], alike: bool) -> Fits:
    model, (counts, aux) = problem.model, problem.data
    best = minimize(model, starts[0], problem.data, problem.fixed, problem.bounds)
    bent = ~best.converged | best.indefinite
    unsafe = bent
    if model.poi is not None and not problem.fixed[model.poi]:
        unsafe = bent | (best.x[:, [model.poi]] == problem.bounds[model.poi]).any(axis=1)
    if alike and unsafe.any():
        unsafe = np.ones_like(unsafe)
        starts = [*starts, np.roll(best.x, 1, axis=0)]
    fits = Fits(best, np.ones(len(best.x), dtype=np.intp))
    searches = [(unsafe.nonzero()[0], start[unsafe]) for start in starts[1:]]
    if bent.any():
        data = Data(counts[bent], aux[bent])
        searches.append((bent.nonzero()[0], mirrored(model, best.x[bent], data)))
    lower = _search_again(problem, fits, searches)
    if alike and lower.any():
        after = np.roll(lower, 1)
        _search_again(problem, fits, [(after.nonzero()[0], np.roll(best.x, 1, axis=0)[after])])
    return fits


def _search_again(problem: Problem, fits: Fits, searches: list[tuple[Index, Array]]) -> Flags:
    """Repeat some rows' `fits` from other points (n, P), all at once, and keep what is lower; says
    where."""
    best, (counts, aux) = fits.minimum, problem.data
    improved = np.zeros(len(best.x), dtype=bool)
    searches = [(rows, points) for rows, points in searches if len(rows)]
    if not searches:
        return improved
    every, points = (np.concatenate(parts) for parts in zip(*searches, strict=True))
    data, known = Data(counts[every], aux[every]), best.take(every)
    found = minimize(problem.model, points, data, problem.fixed, problem.bounds, known)
    first = 0
    for rows, _ in searches:
        other = found.take(np.arange(first, first + len(rows)))
        first += len(rows)
        fits.starts[rows] += 1
        best.iterations[rows] += other.iterations
        difference = other.value - best.value[rows]
        lower = difference < -SAME_MINIMUM
        lower |= (difference < SAME_MINIMUM) & other.converged & ~best.converged[rows]
        improved[rows] |= lower
        for mine, others in zip(best[:-1], other[:-1], strict=True):
            mine[rows[lower]] = others[lower]
    return improved


def report(problem: Problem, fits: Fits, row: int = 0) -> Fit:
    """One row of `fits` for people."""
    minimum, labels = fits.minimum, problem.model.parameters.labels
    data = Data(problem.data.counts[[row]], problem.data.aux[[row]])
    x = minimum.x[row]
    bound = ((x == problem.bounds[:, 0]) | (x == problem.bounds[:, 1])) & ~problem.fixed
    values = x.copy()
    values.flags.writeable = False
    return Fit(
        labels=labels,
        values=values,
        nll=float(minimum.value[row] + saturated_nll(problem.model, data)[0]),
        edm=float(minimum.edm[row]),
        gradient=float(minimum.gradient[row]),
        converged=bool(minimum.converged[row]),
        indefinite=bool(minimum.indefinite[row]),
        starts=int(fits.starts[row]),
        iterations=int(minimum.iterations[row]),
        at_bound=tuple(labels[i] for i in np.flatnonzero(bound)),
    )


def demand_converged(fit: Fit, what: str) -> None:
    """Raise FitError, with what is known of the failure, unless `fit` converged."""
    if not fit.converged:
        raise FitError(
            f"the {what} did not converge: after {fit.iterations} iterations from {fit.starts} "
            f"starts the EDM is {fit.edm:.2g} (wanted: below 1e-9), the largest gradient "
            f"{fit.gradient:.2g}, NLL {fit.nll:.9g}"
        )
