"""Impacts: how far the parameter of interest moves when a nuisance parameter does."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from .errors import InvalidWorkspace
from .estimate import Estimate, estimate, prior
from .fit import observed_data, problem, solve
from .hypotheses import free_range
from .model import Model, as_model

RefitStatus = Literal["converged", "not converged", "POI at bound", "out of bounds"]


@dataclass(frozen=True, slots=True)
class Refit:
    """A fit with one nuisance parameter held away from its best value.

    Attributes:
        held_at: value of the nuisance parameter
        shift: by how much the POI moved; None where the status is "not converged", or "out of
            bounds" (`held_at` is beyond the parameter's bounds, and no fit was made)
        status: "converged"; "POI at bound" if it did there, which limits the shift; or else why
            there is no shift
    """

    held_at: float
    shift: float | None
    status: RefitStatus


@dataclass(frozen=True, slots=True)
class Impact:
    """The impact of one nuisance parameter on the POI.

    Attributes:
        name: the nuisance parameter
        up, down: held one post-fit σ above and below its best value
        prior_up, prior_down: held one σ₀ of its constraint above and below; None without constraint
        size: the largest absolute shift of `up` and `down`, 0 if there is neither
    """

    name: str
    up: Refit
    down: Refit
    prior_up: Refit | None
    prior_down: Refit | None

    @property
    def size(self) -> float:
        """What impacts are sorted by."""
        return max(abs(refit.shift or 0.0) for refit in (self.up, self.down))


@dataclass(frozen=True, slots=True, eq=False)
class Impacts:
    """Impacts on the POI, and the fit that they are shifts from.

    Attributes:
        estimate: the fit with everything free
        impacts: of all nuisance parameters of status "free" in `estimate`, largest first
    """

    estimate: Estimate
    impacts: tuple[Impact, ...]


def impacts(
    spec: Mapping[str, Any] | Model, *, poi_bounds: tuple[float, float] | None = None
) -> Impacts:
    """Refit with every nuisance parameter held at its best value ± σ, and ± σ₀.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        poi_bounds: range of the POI, by default the model's.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model, or has no free POI.
        FitError: as `estimate`, for the fit with everything free. A refit that fails is reported by
            its status.
    """
    model = as_model(spec)
    if model.poi is None:
        raise InvalidWorkspace("impacts: found no POI in the model; expected one to look at")
    poi_range = free_range(model, poi_bounds)
    nominal = estimate(model, poi_bounds=poi_bounds)
    refit = _Refits(model, nominal, poi_range)
    width = prior(model)[1]
    found = []
    for k, name in enumerate(nominal.free):
        i = nominal.fit.labels.index(name)
        if i == model.poi:
            continue
        sigma = math.sqrt(nominal.covariance[k, k])
        up, down = refit(k, sigma), refit(k, -sigma)
        prior_up = prior_down = None
        if width[i] > 0.0:
            prior_up, prior_down = refit(k, float(width[i])), refit(k, -float(width[i]))
        found.append(Impact(name, up, down, prior_up, prior_down))
    return Impacts(nominal, tuple(sorted(found, key=lambda impact: -impact.size)))


class _Refits:
    """Fits with a nuisance parameter held, started from where the covariance predicts them."""

    def __init__(self, model: Model, nominal: Estimate, poi_range: tuple[float, float]) -> None:
        self.model, self.nominal = model, nominal
        self.problem = problem(model, observed_data(model), poi_bounds=poi_range)
        self.free = [nominal.fit.labels.index(name) for name in nominal.free]

    def __call__(self, k: int, distance: float) -> Refit:
        """The free parameter number `k` held at `distance` from its best value."""
        poi, i = self.model.poi, self.free[k]
        assert poi is not None
        best = self.nominal.fit.values
        held_at = float(best[i] + distance)
        low, high = self.problem.low[0], self.problem.high[0]
        if not low[i] <= held_at <= high[i]:
            return Refit(held_at, None, "out of bounds")
        fixed = self.problem.fixed.copy()
        fixed[0, i] = True
        start, second = best[None].copy(), best[None].copy()
        slope = self.nominal.covariance[:, k] / self.nominal.covariance[k, k]
        start[0, self.free] += distance * slope
        start[0, i] = second[0, i] = held_at
        fits = solve(replace(self.problem, fixed=fixed), [start, second])
        if not fits.minimum.converged[0] or math.isinf(fits.value[0]):
            return Refit(held_at, None, "not converged")
        reached = float(fits.x[0, poi])
        at_bound = reached in (low[poi], high[poi])
        shift = reached - float(best[poi])
        return Refit(held_at, shift, "POI at bound" if at_bound else "converged")
