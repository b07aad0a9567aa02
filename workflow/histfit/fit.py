"""Fits that start again wherever a local minimum threatens, and report how they went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .arrays import Array, Flags, Index, any_of
from .basins import across, allowed
from .errors import FitError
from .likelihood import (
    FAINTEST,
    Data,
    deviance,
    expected_bins,
    extended,
    mirrored,
    saturated_nll,
)
from .minimize import SAME_BASIN, SAME_MINIMUM, distance, minimize
from .minimum import Minimum, Problem
from .model import Model
from .newton import EDM_TOLERANCE

NO_EVENTS = 1e-8
"""Expected counts up to this are none: a fit that ends at the wall of a bin without events comes no
closer to a rate of 0, and what they add to a likelihood is of this size."""

STIFF = 1e7
"""Stiffness of walls that are not to be left behind; see `likelihood.WALL`."""

RAISED = 4.0
"""Where a loose normalisation is in a search that is to end with another size of it. (Of 36 lower
minima in random models, searches from 4 found 32, those from 3, 5, 6 and 8 one to three less.)"""

LARGE = 50
"""Of models with more parameters only fits without kin are searched for another size of loose
normalisations, that of the background among them, which serves all signals. (Such searches of all
fits took 15 % more iterations in tests of 1Lbb, 5 % in those of sbottom, and found nothing lower.)
"""

ROUNDS = 5
"""How often searches are repeated at most because one of them found something lower: with numbers
so large that rounding is lower and lower, there would be no end."""

FAR = 3.0 * SAME_BASIN
"""A conditional and a free fit that end so far apart (in σ of the constraints) may have ended in
different minima."""

SAME_START = 0.01
"""Fits that start so close together (in σ of the constraints) end in the same minimum."""


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A maximum-likelihood fit.

    Attributes:
        labels: names of the P parameters, as pyhf writes them
        values: best-fit parameters (P,)
        nll: negative log likelihood with all constants (half of pyhf's ``twice_nll``); infinite if
            there are events where none are expected, with `values` of a fit without those
        edm: estimated distance of `nll` to the minimum before the last Newton step
        gradient: largest component of the projected gradient before the last Newton step
        converged: the EDM is below `newton.EDM_TOLERANCE` at a point that is not a saddle
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
        return float(self.values[index_of(label, self.labels)])


def index_of(label: str, labels: tuple[str, ...]) -> int:
    """Where a parameter stands among `labels`; KeyError if it is none of them."""
    if label not in labels:
        raise KeyError(f"parameter '{label}': found {', '.join(labels)}")
    return labels.index(label)


@dataclass(frozen=True, slots=True, eq=False)
class Fits:
    """N fits of one model, row by row: the best minimum of each, and the number of starts."""

    minimum: Minimum
    starts: Index

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
    model: Model,
    data: Data,
    held: bool | Flags = False,
    poi_bounds: tuple[float, float] | None = None,
) -> Problem:
    """Fits with the POI free within `poi_bounds`, or `held` at its start, in all or some rows
    (N,)."""
    fixed = np.full(data.aux.shape, model.parameters.fixed)
    low, high = (np.full(data.aux.shape, bound) for bound in model.parameters.bounds.T)
    if model.poi is not None:
        fixed[:, model.poi] |= held
        if poi_bounds is not None:
            low[:, model.poi], high[:, model.poi] = poi_bounds
    return Problem(model, data, fixed, low, high)


def at_poi(model: Model, x: Array, mu: float) -> Array:
    """`x` (N, P) with the POI set to `mu`; unchanged for a model without POI."""
    if model.poi is None:
        return x
    x = x.copy()
    x[:, model.poi] = mu
    return x


def solve(
    problem: Problem,
    starts: Sequence[Array],
    kin: Index | None = None,
    *,
    thorough: bool | Flags = True,
) -> Fits:
    """Minimize from the first of `starts` (each (N, P)), and again from elsewhere (see
    `_elsewhere`), all or some rows (N,) in a `thorough` way.

    `kin` (N,) gives every row another one with about the same minima, or itself; a row is repeated
    once more whenever its kin has found a lower minimum, and a conditional fit from where a free
    one ended that is its kin, with the POI put back, if that has found one.

    The lowest objective wins; a lower one that did not converge makes the fit fail. It is infinite
    where there are events but no parameters in reach that expect any.
    """
    kin = np.arange(len(starts[0])) if kin is None else kin
    threatened = any_of(problem.model.one_sided > 0.0)
    best = _minimize(problem, starts[0])
    fits = Fits(best, np.ones(len(best.x), dtype=np.intp))
    looser = _looser(problem, kin)
    thorough = np.broadcast_to(thorough | threatened, kin.shape)
    searches = _elsewhere(problem, best, starts, kin, looser, thorough)
    lower = _search_again(problem, fits, searches)
    if threatened:
        lower |= _search_across(problem, fits)
    related = kin != np.arange(len(kin))
    for _ in range(ROUNDS):
        if not any_of(lower):
            break
        rows, finders = (lower[kin] & related).nonzero()[0], (lower & looser).nonzero()[0]
        searches = [(rows, best.x[kin[rows]]), _inherited(problem, best, kin, finders)]
        lower = _search_again(problem, fits, searches)
    return fits


Search = tuple[Index, Array]
"""Rows (n,) of all fits, and where to repeat them from (n, P)."""


def _elsewhere(
    problem: Problem,
    best: Minimum,
    starts: Sequence[Array],
    kin: Index,
    looser: Flags,
    thorough: Flags,
) -> list[Search]:
    """From where to repeat fits that went from the first of `starts` to `best`.

    Unsafe is a fit that did not converge, met an indefinite Hessian, or ended with the POI at a
    bound; of two conditional fits that are each other's kin both are if one is; and a free fit is,
    `looser` than its kin, a conditional one, if it ends above that.

    - From the other `starts`, what is thorough or unsafe.
    - From where its kin ended, what is unsafe; and a thorough conditional fit from where a free one
      ended that is its kin, with the POI put back, if they are `FAR` apart, unless it started there
      in the first place.
    - From the mirror image of where it ended (see `likelihood.mirrored`), what is thorough or
      unsafe, but not for its POI alone.
    - From the suggested initial values with each loose normalisation `RAISED`, what is thorough,
      but for free fits that have a conditional one as kin, and for all kin in `LARGE` models.
    """
    model, own = problem.model, np.arange(len(kin))
    bent = ~best.converged | best.indefinite
    unsafe = bent | _stuck(problem, best, kin, looser)
    unsafe |= unsafe[kin] & (kin[kin] == own)
    rows = (unsafe | thorough).nonzero()[0]
    searches = [(rows, start[rows]) for start in starts[1:]]
    rows = (unsafe & (kin != own)).nonzero()[0]
    searches.append((rows, best.x[kin[rows]]))
    rows = (looser & thorough).nonzero()[0]
    if len(rows):
        heirs, points = _inherited(problem, best, kin, rows)
        far = distance(model, points, best.x[heirs]) > FAR
        far &= distance(model, points, starts[0][heirs]) > SAME_START
        searches.append((heirs[far], points[far]))
    rows = (bent | thorough).nonzero()[0]
    if len(rows):
        image = mirrored(model, best.x[rows], problem.take(rows).data, SAME_BASIN)
        image = np.where(problem.fixed[rows], best.x[rows], image)
        apart = (image != best.x[rows]).any(axis=1)
        searches.append((rows[apart], image[apart]))
    small = len(model.parameters.labels) <= LARGE
    rows = (thorough & ~looser & (small | (kin == own))).nonzero()[0]
    return searches + [(rows, _raised(problem, best.x[rows], rows, i)) for i in model.loose]


def _minimize(problem: Problem, start: Array, known: Minimum | None = None) -> Minimum:
    """As `minimize`, but of the likelihood itself, and with an infinite value where that has none.

    A fit that ends in an extension (see `likelihood.LEAST_RATE`) is made again from there or, if
    there events are and none are expected, from the start. One that ends where the rate of a bin
    without events cannot but be negative, though all others allow the data, is at a minimum of how
    negative it is, of which there may be others: it is made again from where it is not. If there is
    no such place, the value is infinite; if it comes back, nothing is known, and it has not
    converged.
    """
    found = _unextended(problem, start, minimize(problem, start, known))
    forbidden = found.converged & np.isinf(found.value)
    if known is not None:
        forbidden &= np.isinf(known.value)
    if any_of(forbidden):
        forbidden &= np.isfinite(deviance(problem.model, found.x, problem.data))
        rows = forbidden.nonzero()[0]
        origin, possible = allowed(problem.take(rows), found.x[rows])
        rows, origin, some = rows[possible], origin[possible], problem.take(rows[possible])
        if len(rows):
            again = _unextended(some, origin, minimize(some, origin, stiffness=STIFF))
            again.converged[np.isinf(again.value)] = False
            again.iterations[...] += found.iterations[rows]
            again.indefinite[...] = True
            found.put(rows, again)
    return found


def _unextended(problem: Problem, start: Array, found: Minimum) -> Minimum:
    """`found` from the `start`, without the extension: see `_minimize`."""
    model = problem.model
    faint = extended(model, found.x, found.bins, problem.data) & np.isfinite(found.value)
    if not any_of(faint):
        return found
    rows = faint.nonzero()[0]
    origin, data = found.x[rows], problem.take(rows).data
    impossible = np.isinf(deviance(model, origin, data))
    origin = np.where(impossible[:, None], start[rows], origin)
    possible = np.isfinite(deviance(model, origin, data))
    _leave_out(problem, start, found, rows[~possible])
    rows, origin = rows[possible], origin[possible]
    if len(rows):
        again = minimize(problem.take(rows), origin, least=FAINTEST)
        again.iterations[...] += found.iterations[rows]
        again.indefinite[...] |= found.indefinite[rows]
        value = deviance(model, again.x, problem.take(rows).data)
        again.value[...] = np.where(np.isinf(again.value), np.inf, value)
        found.put(rows, again)
    return found


def _leave_out(problem: Problem, start: Array, found: Minimum, rows: Index) -> None:
    """Give `rows` of `found`, whose data are impossible, an infinite value, and the parameters that
    a fit to the bins ends at that are not to blame: those have no events where none are expected
    at the `start`."""
    if len(rows):
        some = problem.take(rows)
        counts = np.where(expected_bins(problem.model, start[rows]) > 0.0, some.data.counts, 0.0)
        others = replace(some, data=Data(counts, some.data.aux))
        if any_of(counts != some.data.counts):
            found.put(rows, _minimize(others, start[rows]))
        found.value[rows] = np.inf


def polished(problem: Problem, fits: Fits) -> Fits:
    """`fits` minimized again from where they ended: curvatures in a narrow valley need a better
    minimum than the NLL does."""
    best = _minimize(problem, fits.x)
    best.iterations[...] += fits.minimum.iterations
    best.indefinite[...] |= fits.minimum.indefinite
    return Fits(best, fits.starts)


def tried_again(problem: Problem, fits: Fits, points: Array) -> bool:
    """Repeat the fit of one row from those of `points` (n, P) that are `FAR` from where it ended,
    and keep what is lower; whether anything was."""
    far = (distance(problem.model, points, fits.x) > FAR).nonzero()[0]
    row = np.zeros(1, dtype=np.intp)
    return any_of(_search_again(problem, fits, [(row, points[[i]]) for i in far]))


def _looser(problem: Problem, kin: Index) -> Flags:
    """Free fits whose kin is a conditional one, (N,)."""
    poi = problem.model.poi
    if poi is None:
        return np.zeros(len(kin), dtype=bool)
    return np.asarray(~problem.fixed[:, poi] & problem.fixed[kin, poi])


def _inherited(problem: Problem, best: Minimum, kin: Index, rows: Index) -> Search:
    """The conditional fits that are kin of free ones, `rows`, and where these ended, but for the
    parameters that are fixed."""
    heirs = kin[rows]
    return heirs, np.where(problem.fixed[heirs], best.x[heirs], best.x[rows])


def _raised(problem: Problem, x: Array, rows: Index, loose: int) -> Array:
    """The suggested initial values, that of a `loose` normalisation times `RAISED`, for some `rows`
    of fits, and what is fixed in them as at `x` (n, P); (n, P)."""
    init = problem.model.parameters.init.copy()
    init[loose] = RAISED * (init[loose] or 1.0)
    return np.where(problem.fixed[rows], x, init)


def _stuck(problem: Problem, best: Minimum, kin: Index, looser: Flags) -> Flags:
    """Free fits that ended with the POI at a bound, or, if they are `looser`, above the conditional
    fit that is their kin; (N,)."""
    poi = problem.model.poi
    if poi is None:
        return np.zeros(len(kin), dtype=bool)
    free, mu = ~problem.fixed[:, poi], best.x[:, poi]
    at_bound = (mu == problem.low[:, poi]) | (mu == problem.high[:, poi])
    above = best.value[kin] < best.value - SAME_MINIMUM
    return np.asarray(free & at_bound | looser & above)


def _search_across(problem: Problem, fits: Fits) -> Flags:
    """Repeat `fits` with strong one-sided parameters elsewhere (see `basins.across`), until none
    gets lower, and say which did."""
    rows, improved = fits.minimum.converged.nonzero()[0], np.zeros(len(fits.x), dtype=bool)
    for _ in range(ROUNDS):
        lower = np.zeros_like(improved)
        for search in across(problem, fits.x, rows):  # one by one, as all may not fit in memory
            lower |= _search_again(problem, fits, [search])
        improved |= lower
        rows = (lower & fits.minimum.converged).nonzero()[0]
    return improved


def _search_again(problem: Problem, fits: Fits, searches: list[Search]) -> Flags:
    """Repeat some rows' `fits` from other points (n, P), all at once, and keep what is lower; says
    where."""
    best = fits.minimum
    improved = np.zeros(len(best.x), dtype=bool)
    searches = [(rows, points) for rows, points in searches if len(rows)]
    if not searches:
        return improved
    every, points = (np.concatenate(parts) for parts in zip(*searches, strict=True))
    searched = problem.take(every)
    found = _minimize(searched, points, best.take(every))
    _give_back(searched, found)
    first = 0
    for rows, _ in searches:
        other = found.take(np.arange(first, first + len(rows)))
        first += len(rows)
        fits.starts[rows] += 1
        best.iterations[rows] += other.iterations
        known = best.value[rows]
        lower = other.value < known - SAME_MINIMUM
        lower |= (other.value < known + SAME_MINIMUM) & other.converged & ~best.converged[rows]
        improved[rows] |= lower
        other.iterations[...] = best.iterations[rows]
        best.put(rows[lower], other.take(lower.nonzero()[0]))
    return improved


def _give_back(problem: Problem, found: Minimum) -> None:
    """Take from searches that did not converge what helps to minimize: walls and extensions may
    make their objective smaller than it is, and then look better than a minimum that is one."""
    rows = (~found.converged & np.isfinite(found.value)).nonzero()[0]
    if len(rows):
        data, below = problem.take(rows).data, problem.model.floor - found.bins[rows]
        negative = np.where(data.counts == 0.0, np.maximum(below, 0.0), 0.0)
        value = deviance(problem.model, found.x[rows], data)
        found.value[rows] = value + negative.sum(axis=1)


def report(problem: Problem, fits: Fits) -> list[Fit]:
    """All rows of `fits` for people."""
    minimum, labels = fits.minimum, problem.model.parameters.labels
    nll = minimum.value + saturated_nll(problem.model, problem.data)
    bound = ((minimum.x == problem.low) | (minimum.x == problem.high)) & ~problem.fixed
    values = minimum.x.copy()
    values.flags.writeable = False
    return [
        Fit(
            labels=labels,
            values=values[row],
            nll=float(nll[row]),
            edm=float(minimum.edm[row]),
            gradient=float(minimum.gradient[row]),
            converged=bool(minimum.converged[row]),
            indefinite=bool(minimum.indefinite[row]),
            starts=int(fits.starts[row]),
            iterations=int(minimum.iterations[row]),
            at_bound=tuple(labels[i] for i in bound[row].nonzero()[0]),
        )
        for row in range(len(nll))
    ]


def demand_converged(fit: Fit, what: str) -> None:
    """Raise FitError, with what is known of the failure, unless `fit` converged."""
    if not fit.converged:
        raise FitError(
            f"the {what} did not converge: after {fit.iterations} iterations from {fit.starts} "
            f"starts the EDM is {fit.edm:.2g} (wanted: below {EDM_TOLERANCE:g}), the largest "
            f"gradient {fit.gradient:.2g}, NLL {fit.nll:.9g}"
        )
