"""What random starts find: the yardstick for searches for the lowest of several minima."""

from __future__ import annotations

import histfit
import numpy as np
from histfit.fit import problem
from histfit.likelihood import Data, deviance
from histfit.minimize import minimize


def objective(model: histfit.Model, data: Data, fit: histfit.Fit) -> float:
    """NLL less that of the saturated model."""
    return float(deviance(model, fit.values[None], data)[0])


def lowest(model: histfit.Model, data: Data, mu: float | None, seed: int, starts: int) -> float:
    """The lowest objective from random starts, with the POI free from 0 on if `mu` is None."""
    rng = np.random.default_rng(seed)
    low, high = model.parameters.bounds.T
    poi_bounds = None if mu is not None else (0.0, float(high[model.poi]))
    one = problem(model, data, mu is not None, poi_bounds)
    many = one.take(np.zeros(starts, dtype=np.intp))
    init = model.parameters.init.copy()
    init[model.poi] = 1.0 if mu is None else mu
    moves = rng.normal(size=(starts, len(init)))
    points = np.where(init == 0.0, moves, init * np.exp(0.4 * moves))
    points = np.where(many.fixed, init, np.clip(points, low, high))
    found = minimize(many, points)
    values = deviance(model, found.x, many.data)
    return float(np.where(found.converged, values, np.inf).min())
