"""The fits that tests, limits and estimates are made of: with the signal strength held, and free,
to the observed and to Asimov data."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .arrays import Array, any_of
from .errors import FitError, InvalidWorkspace
from .fit import (
    NO_EVENTS,
    ROUNDS,
    Fit,
    Fits,
    at_poi,
    demand_converged,
    expected_data,
    observed_data,
    problem,
    report,
    solve,
    tried_again,
)
from .likelihood import Data, expected_bins
from .minimum import Problem
from .model import Model

ABOVE = 1e-7
"""A free fit that ends so far above a conditional one within its range has failed."""

TESTED, FREE, ASIMOV, FREE_ASIMOV = range(4)
"""Rows of the fits that `tested_and_free` makes: to the observed data and to Asimov data, each with
the POI at the tested signal strength and with it free."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Fits at a tested signal strength and free ones, to the observed and to Asimov data.

    Attributes:
        data: observed and Asimov data, a row each
        truth: parameters at which the Asimov data are expected, (1, P)
        mu: the tested signal strength
        conditional: parameters of the fits there, (2, P)
        value: their objectives, (2,)
        lowest: objectives of the free fits, (2,)
        muhat: the POI of the free fits; None twice for a model without POI
        reports: the fits by name: "background" (that Asimov data come from), "conditional", "free",
            "asimov" (conditional), and "free asimov" if it was made
    """

    data: Data
    truth: Array
    mu: float
    conditional: Array
    value: Array
    lowest: Array
    muhat: tuple[float, float] | tuple[None, None]
    reports: dict[str, Fit]


def profile(model: Model, mu: float, asimov_mu: float, poi_range: tuple[float, float]) -> Profile:
    """The fits at `mu`, and with the POI free in `poi_range`; Asimov data are for `asimov_mu`.

    Asimov data come from the lowest fit that the others lead to, with all of them repeated from it.

    The free fit to Asimov data is known, at their own truth with objective 0, unless that is out of
    range, or expects a negative number of events in a bin (where Asimov data have none).

    Raises:
        FitError: a fit with the POI free, or the one that Asimov data come from, did not converge.
    """
    observed = observed_data(model)
    background, truth = background_fit(model, observed, asimov_mu)
    if any_of(truth.minimum.bins < model.floor - NO_EVENTS):
        demand_possible(background, truth, 0)
    in_reach = model.poi is None or poi_range[0] <= asimov_mu <= poi_range[1]
    for further in reversed(range(ROUNDS)):
        asimov = expected_data(model, truth.x)
        data = Data(*(np.concatenate(parts) for parts in zip(observed, asimov, strict=True)))
        known = in_reach and bool((truth.minimum.bins >= -NO_EVENTS).all())
        what, fits = tested_and_free(model, data, mu, poi_range, truth.x, free_asimov=not known)
        end_of_free = at_poi(model, fits.x[[FREE]], asimov_mu)
        if not further or not tried_again(background, truth, end_of_free):
            break
    names = ["background", "conditional", "free", "asimov", *([] if known else ["free asimov"])]
    made = report(background, truth) + report(what, fits)
    reports = dict(zip(names, made, strict=True))
    for name in ("background", "free", *names[4:]):
        demand_converged(reports[name], f"{name} fit")
    of_data, of_free, of_asimov = fits.value[[TESTED, FREE, ASIMOV]].tolist()
    if in_range(model, mu, poi_range) and of_data < of_free - ABOVE:
        raise FitError(
            f"the free fit ended {of_free - of_data:.3g} above the one at mu = {mu:g}, in NLL; "
            "expected it below"
        )
    muhat: tuple[float, float] | tuple[None, None] = (None, None)
    if model.poi is not None:
        found = float(fits.x[FREE, model.poi])
        muhat = found, asimov_mu if known else float(fits.x[FREE_ASIMOV, model.poi])
    return Profile(
        data=data,
        truth=truth.x,
        mu=mu,
        conditional=fits.x[[TESTED, ASIMOV]],
        value=np.array([of_data, of_asimov]),
        lowest=np.array([of_free, 0.0 if known else fits.value[FREE_ASIMOV]]),
        muhat=muhat,
        reports=reports,
    )


def finite(mu: float) -> float:
    """The signal strength, which must be a finite number."""
    try:
        number = float(mu)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidWorkspace(f"mu: found {mu!r}; expected a finite signal strength")
    return number


def free_range(
    model: Model, poi_bounds: tuple[float, float] | None, test_stat: str | None = None
) -> tuple[float, float]:
    """The POI's range in the free fit: `poi_bounds` or the model's, from 0 for q̃μ."""
    if model.poi is None:
        return (0.0, 0.0)
    if model.parameters.fixed[model.poi]:
        raise InvalidWorkspace(
            f"POI '{model.poi_name}': found it fixed by the measurement; expected a free one"
        )
    ends = model.parameters.bounds[model.poi] if poi_bounds is None else poi_bounds
    try:
        lower, upper = map(float, ends)
    except (TypeError, ValueError, OverflowError):
        raise InvalidWorkspace(
            f"range of the POI '{model.poi_name}': found {poi_bounds!r}; expected two numbers, its "
            "lower and its upper end"
        ) from None
    if test_stat == "qtilde":
        lower = max(lower, 0.0)
    if not lower < upper:
        raise InvalidWorkspace(
            f"range of the POI '{model.poi_name}': found {lower:g} to {upper:g}; expected a lower "
            "end below the upper one (for qtilde it is at least 0)"
        )
    return (lower, upper)


def conditional(
    model: Model, data: Data, mu: float, starts: list[Array], *, thorough: bool = True
) -> tuple[Problem, Fits]:
    """Fit to one row of `data` with the POI at `mu`, from `starts` (each (1, P))."""
    what = problem(model, data, held=True)
    return what, solve(what, [at_poi(model, x, mu) for x in starts], thorough=thorough)


def background_fit(model: Model, data: Data, mu: float) -> tuple[Problem, Fits]:
    """Fit that Asimov data come from, to one row of `data` with the POI at `mu`; a thorough one,
    but where that of the background alone was, which it starts from (`background.Background`)."""
    found = mu == 0.0 and model.started_at_best
    return conditional(model, data, mu, [model.start], thorough=not found)


def tested_and_free(
    model: Model,
    data: Data,
    mu: float,
    poi_range: tuple[float, float],
    start: Array,
    *,
    free_asimov: bool = False,
) -> tuple[Problem, Fits]:
    """Fits to observed `data`, the first row, with the POI at `mu` and with it free, and, if there
    is a second row, to these Asimov data with the POI at `mu`, and free if `free_asimov` (see
    `TESTED`); all at once, from `start` (1, P)."""
    n_fits = 2 * len(data.counts) - (len(data.counts) == 2 and not free_asimov)
    of_data, held = np.array([0, 0, 1, 1])[:n_fits], np.array([True, False, True, False])[:n_fits]
    # lower minima of the fit to data are tried for the one to Asimov data, too
    kin = [ASIMOV, TESTED, TESTED, ASIMOV] if n_fits > 2 else [TESTED, TESTED]
    thorough = np.array([True, True, False, False])
    what = problem(model, Data(data.counts[of_data], data.aux[of_data]), held, poi_range)
    starts = []
    for point in (start, model.parameters.init[None]):
        x = np.repeat(point, n_fits, axis=0)
        starts.append(np.where(held[:, None], at_poi(model, x, mu), x))
    fits = solve(what, starts, np.array(kin[:n_fits]), thorough=thorough[:n_fits])
    for row in (~held).nonzero()[0].tolist():
        demand_possible(what, fits, row)
    return what, fits


def demand_possible(problem: Problem, fits: Fits, row: int) -> None:
    """Raise FitError if a `row` of `fits` ended where there are events but none are expected, where
    a Poisson constraint forbids a parameter, or where a rate is negative."""
    if np.isinf(fits.value[row]):
        model, counts = problem.model, problem.data.counts[row]
        rates = expected_bins(model, fits.x[[row]])[0]
        impossible = (counts > 0.0) & (rates <= 0.0)
        if any_of(impossible):
            i = int(np.argmax(impossible))
            raise FitError(
                f"{bin_label(model, i)}: found {counts[i]:g} events where the model cannot expect "
                "any; expected a model that allows the data"
            )
        parameters = model.parameters
        forbidden = (problem.data.aux[row] > 0.0) & ~(fits.x[row] > 0.0) & (parameters.tau > 0.0)
        if any_of(forbidden):
            i = int(np.argmax(forbidden))
            raise FitError(
                f"parameter '{parameters.labels[i]}': found {fits.x[row, i]:g}, at which its "
                "constraint cannot be; expected a value above 0"
            )
        i = int(np.argmin(rates - model.floor))
        raise FitError(
            f"{bin_label(model, i)}: found that the model cannot but expect {rates[i]:.3g} events; "
            "expected rates that are not negative"
        )


def bin_label(model: Model, i: int) -> str:
    """What bin number `i` of all is called."""
    names = [f"channel '{name}', bin {k}" for name, n in model.channels.items() for k in range(n)]
    return names[i]


def in_range(model: Model, mu: float, poi_range: tuple[float, float]) -> bool:
    """Whether a free fit may take the POI to `mu`."""
    return model.poi is not None and poi_range[0] <= mu <= poi_range[1]
