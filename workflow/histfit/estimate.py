"""Maximum-likelihood estimates with uncertainties and correlations, from the exact Hessian."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .arrays import Array, Flags, Index, any_of
from .errors import FitError
from .fit import Fit, Fits, demand_converged, index_of, observed_data, polished, report
from .hypotheses import (
    FREE,
    TESTED,
    background_fit,
    conditional,
    demand_possible,
    finite,
    free_range,
    tested_and_free,
)
from .likelihood import FAINTEST, evaluate, hessians
from .minimum import Problem
from .model import Model, as_model
from .newton import EDM_TOLERANCE

Status = Literal["free", "fixed", "at bound", "at kink", "undetermined"]

FLAT = 1e-12
"""Eigenvalue of the diagonally scaled Hessian below which the likelihood is flat: what rounding
leaves of 0."""

NEGLIGIBLE = 1e-2
"""Part of its variance that flat directions may at least add to that of a parameter which counts as
determined."""

STATIONARY = 1e-4
"""EDM up to which the fitted point is a minimum of the likelihood itself."""


@dataclass(frozen=True, slots=True)
class ParameterEstimate:
    """One parameter after a fit.

    Attributes:
        name: as pyhf writes it
        value: best fit
        status: "free", with all numbers below; those of other parameters are None, and they take no
            part in uncertainties and correlations: "fixed" in the fit, "at bound" (the fit ended at
            a bound of its range), "at kink" (at α = 0 of a piecewise interpolation, with different
            slopes left and right), "undetermined" (the likelihood is flat along it)
        uncertainty: σ, the square root of its element of the inverse Hessian
        pull: (value − α₀)/σ₀, with the centre and the width of its constraint; for Poisson
            constraints α₀ is aux/τ (1 by default) and σ₀ is 1/√τ. None for parameters without
            constraint.
        constraint: σ/σ₀
    """

    name: str
    value: float
    status: Status
    uncertainty: float | None
    pull: float | None
    constraint: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A maximum-likelihood fit with uncertainties.

    Attributes:
        fit: the fit, converged, with its EDM, starts and NLL
        parameters: all P parameters, in the fit's order
        free: names of the F parameters of status "free"
        covariance, correlation: of these, (F, F)
        poi: name of the parameter of interest, None for a model without one
        mu: what the POI was held at, None where it was free or there is none
    """

    fit: Fit
    parameters: tuple[ParameterEstimate, ...]
    free: tuple[str, ...]
    covariance: Array
    correlation: Array
    poi: str | None
    mu: float | None

    def __getitem__(self, name: str) -> ParameterEstimate:
        """The parameter called `name`."""
        return self.parameters[index_of(name, self.fit.labels)]


def estimate(
    spec: Mapping[str, Any] | Model,
    mu: float | None = None,
    *,
    poi_bounds: tuple[float, float] | None = None,
) -> Estimate:
    """Fit the observed data, and give uncertainties and correlations of the parameters.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        mu: hold the POI, if there is one, at this value (0 for a background-only fit). If not
            given, it is free, or where the measurement fixes it.
        poi_bounds: range of the POI in a free fit, by default the model's.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model, or an argument makes no sense.
        FitError: the fit did not converge, the model cannot expect the events, or the fit ended
            where an empty bin's rate is kept from falling below 0, so that the likelihood has no
            minimum to expand about.
    """
    return estimated(as_model(spec), mu, poi_bounds)[0]


def estimated(
    model: Model, mu: float | None, poi_bounds: tuple[float, float] | None
) -> tuple[Estimate, Array]:
    """What `estimate` returns, and the covariance (P, P) of all parameters to propagate: 0 for
    those that are fixed, at a bound or at a kink, and along directions in which the likelihood is
    flat."""
    if mu is not None:
        mu = finite(mu)
    if model.poi is None:
        mu = None
    elif mu is None and model.parameters.fixed[model.poi]:
        mu = float(model.parameters.init[model.poi])
    what, fits = best_fit(model, mu, poi_bounds)
    demand_possible(what, fits, 0)
    fits = polished(what, fits)
    (fit,) = report(what, fits)
    demand_converged(fit, "fit")
    status = _status(what, fits.x[0], fit)
    hessian, gradient = _derivatives(what, fits.x)
    candidates = np.array([i for i, s in enumerate(status) if s == "free"], dtype=np.intp)
    idle = _idle(status, hessian, gradient)
    if len(idle):
        determined, _ = _covariance(hessian, gradient, np.union1d(candidates, idle))
        candidates = np.union1d(candidates, np.setdiff1d(idle, determined))
    free, propagated = _covariance(hessian, gradient, candidates)
    covariance = propagated[np.ix_(free, free)]
    sigma = np.sqrt(covariance.diagonal())
    correlation = covariance / np.outer(sigma, sigma)
    np.fill_diagonal(correlation, 1.0)
    covariance.flags.writeable = correlation.flags.writeable = False
    position = {int(i): k for k, i in enumerate(free)}
    centre, width = prior(model)
    parameters = []
    for i, label in enumerate(fit.labels):
        value = float(fit.values[i])
        if i not in position:
            not_free: Status = "undetermined" if status[i] == "free" else status[i]
            parameters.append(ParameterEstimate(label, value, not_free, None, None, None))
            continue
        error = float(sigma[position[i]])
        pull = constraint = None
        if width[i] > 0.0:
            pull, constraint = float((value - centre[i]) / width[i]), float(error / width[i])
        parameters.append(ParameterEstimate(label, value, "free", error, pull, constraint))
    found = Estimate(
        fit=fit,
        parameters=tuple(parameters),
        free=tuple(fit.labels[i] for i in free),
        covariance=covariance,
        correlation=correlation,
        poi=model.poi_name,
        mu=mu,
    )
    return found, propagated


def best_fit(
    model: Model, mu: float | None, poi_bounds: tuple[float, float] | None
) -> tuple[Problem, Fits]:
    """The fit to the observed data with the POI at `mu`, next to a free one, which may lead to a
    lower minimum; or free, next to one where it is 1."""
    data, init = observed_data(model), model.parameters.init[None]
    if model.poi is None or (mu is not None and model.parameters.fixed[model.poi]):
        return conditional(model, data, 0.0 if mu is None else mu, [model.start, init])
    poi_range = free_range(model, poi_bounds)
    background = background_fit(model, data, 0.0)[1]
    what, fits = tested_and_free(model, data, 1.0 if mu is None else mu, poi_range, background.x)
    row = FREE if mu is None else TESTED
    return what.take(np.array([row])), fits.take(row)


def prior(model: Model) -> tuple[Array, Array]:
    """Centre α₀ and width σ₀ (both (P,)) of the constraint terms; the start value and 0 for
    parameters without constraint, and for fixed ones."""
    parameters = model.parameters
    tau, weight = parameters.tau, parameters.weight
    poisson, normal = (tau > 0.0) & ~parameters.fixed, (weight > 0.0) & ~parameters.fixed
    centre = np.where(normal, parameters.aux, parameters.init)
    centre[poisson] = parameters.aux[poisson] / tau[poisson]
    width = np.zeros(len(tau))
    width[normal] = weight[normal] ** -0.5
    width[poisson] = tau[poisson] ** -0.5
    return centre, width


def _status(problem: Problem, x: Array, fit: Fit) -> list[Status]:
    """The status of every parameter as far as it can be told without the Hessian."""
    kinks = _kinks(problem, x)
    status: list[Status] = []
    for label, fixed, at_kink in zip(fit.labels, problem.fixed[0], kinks, strict=True):
        if fixed:
            status.append("fixed")
        elif label in fit.at_bound:
            status.append("at bound")
        else:
            status.append("at kink" if at_kink else "free")
    return status


def _kinks(problem: Problem, x: Array) -> Flags:
    """Parameters that stand at a kink of the likelihood at `x` (P,): slopes differ by more than
    what the fit leaves of them."""
    kinks = np.asarray(problem.model.kinked & (x == 0.0))
    if not any_of(kinks):
        return kinks
    hessian, right = _derivatives(problem, x[None])
    _, left = _derivatives(problem, x[None], at_zero=-1.0)
    gain = 0.5 * (right - left) ** 2 / _curvatures(hessian)
    return np.asarray(kinks & (gain > EDM_TOLERANCE))


def _derivatives(problem: Problem, x: Array, at_zero: float = 1.0) -> tuple[Array, Array]:
    """Hessian (P, P) and gradient (P,) of the likelihood itself at `x` (1, P); on which side of a
    kink, where a parameter is 0, is said by a sign."""
    side = np.where(x == 0.0, at_zero, np.sign(x))
    no_wall = np.zeros_like(problem.data.counts)
    at = evaluate(problem.model, x, problem.data, side, no_wall, least=FAINTEST)
    return hessians(problem.model, at).exact[0], at.gradient[0]


def _idle(status: list[Status], hessian: Array, gradient: Array) -> Index:
    """Parameters at a bound that nothing pushes against it: a flat direction may end there."""
    at_bound = np.array([s == "at bound" for s in status])
    slope = 0.5 * gradient**2 <= EDM_TOLERANCE * _curvatures(hessian)
    return np.flatnonzero(at_bound & slope)


def _curvatures(hessian: Array) -> Array:
    """The diagonal of the `hessian` (P, P), 1 where it is not positive; no least value, as
    parameters have any unit."""
    diagonal = hessian.diagonal()
    return np.where(diagonal > 0.0, diagonal, 1.0)


def _covariance(hessian: Array, gradient: Array, candidates: Index) -> tuple[Index, Array]:
    """Those of the `candidates` that take no part in a direction along which the likelihood is
    flat, and the covariance of all parameters (P, P), 0 along flat directions and for those that
    are no candidates."""
    every = np.zeros_like(hessian)
    hessian, gradient = hessian[np.ix_(candidates, candidates)], gradient[candidates]
    scale = 1.0 / np.sqrt(_curvatures(hessian))
    values, vectors = np.linalg.eigh(hessian * scale * scale[:, None])
    flat = values < FLAT
    curved = vectors[:, ~flat]
    scaled = (curved / values[~flat]) @ curved.T
    covariance = scaled * scale * scale[:, None]
    if 0.5 * gradient @ covariance @ gradient > STATIONARY:
        raise FitError(
            "the fit ended where the expected rate of a bin without events is kept from falling "
            "below 0; uncertainties were wanted, which need a minimum of the likelihood"
        )
    added = (vectors[:, flat] ** 2).sum(axis=1) / FLAT
    determined = added < NEGLIGIBLE * scaled.diagonal()
    every[np.ix_(candidates, candidates)] = covariance
    return candidates[determined], every
