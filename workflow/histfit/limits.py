"""Upper limits on the signal strength, observed and expected.

All six curves are algebra on two functions of μ: the test statistic on the data, and on the
background-only Asimov data. Both are found by warm-started fits that are kept, so that a root
found for one curve brackets the next.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from .arrays import Array
from .errors import InvalidWorkspace
from .fit import Fit, at_poi, demand_converged, expected_data, observed_data, problem, report, solve
from .hypotest import (
    N_SIGMA,
    background_fit,
    free_range,
    observed_shift,
    p_values,
    test_statistic,
    tested_and_free,
)
from .likelihood import Data
from .model import Model, as_model

PRECISION = 1e-8
"""Relative precision of the limits on μ; and how close a function of μ, in σ, must come to what is
looked for."""

CLS_RANGE = 1e-9
"""CLs is kept this far from 0 and 1 where a limit is looked for, or, if that is less, a tenth of
the level from 0."""

FARTHEST = 1e6
"""Where the search for a limit ends when it may leave the POI's bounds."""


@dataclass(frozen=True, slots=True)
class UpperLimit:
    """Upper limits on the signal strength at confidence level 1 − `level`.

    Attributes:
        level: CLs at the limit
        observed: observed limit, None if there is none within `reach`
        expected: limits expected under the background-only hypothesis at −2, −1, 0, +1, +2 σ
            (None beyond `reach`)
        muhat: the POI of the free fit
        reach: largest signal strength looked at
        fits: number of fits made
    """

    level: float
    observed: float | None
    expected: tuple[float | None, ...]
    muhat: float
    reach: float
    fits: int


def upper_limit(
    spec: Mapping[str, Any] | Model,
    *,
    level: float = 0.05,
    test_stat: str = "qtilde",
    poi_bounds: tuple[float, float] | None = None,
    beyond_bounds: bool = False,
) -> UpperLimit:
    """The signal strengths at which CLs falls to `level`, observed and expected.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        level: CLs at the limit, 0.05 for limits at 95 % confidence level.
        test_stat: "qtilde" or "q".
        poi_bounds: range of the POI in the free fit, by default the model's.
        beyond_bounds: look for limits above the POI's upper bound, too, with a free fit that has
            no upper bound.

    Raises:
        InvalidWorkspace: no model, no POI, or an argument that makes no sense.
        FitError: a fit did not converge.
    """
    model = as_model(spec)
    if model.poi is None:
        raise InvalidWorkspace("upper limit: found no POI in the model; expected one to limit")
    if test_stat not in ("qtilde", "q"):
        raise InvalidWorkspace(f"test statistic: found '{test_stat}'; expected qtilde or q")
    if not 0.0 < level < 1.0:
        raise InvalidWorkspace(f"level: found {level}; expected a number between 0 and 1")
    lower, upper = free_range(model, poi_bounds, test_stat)
    reach = FARTHEST if beyond_bounds else upper
    if reach <= 0.0:
        raise InvalidWorkspace(
            f"range of the POI '{model.poi_name}': found {lower:g} to {upper:g}; expected an upper "
            "end above 0, where limits are looked for"
        )

    data = observed_data(model)
    truth_problem, truth = background_fit(model, data, 0.0)
    demand_converged(report(truth_problem, truth)[0], "background fit")
    asimov_data = expected_data(model, truth.x)
    both = Data(*(np.concatenate(parts) for parts in zip(data, asimov_data, strict=True)))
    first = min(1.0, reach)
    poi_range = lower, math.inf if beyond_bounds else upper
    what, found = tested_and_free(model, both, first, poi_range, truth.x)
    demand_converged(report(what, found)[1], "free fit")
    muhat, lowest = float(found.x[1, model.poi]), float(found.value[1])
    scan = _Scan(model, both, truth.x, {first: found.x[[0, 2]]})

    def root_asimov(mu: float) -> float:
        return math.sqrt(test_statistic(test_stat, mu, 0.0, scan(mu, 1)))

    def significance(mu: float) -> float:
        excess = scan(mu, 0) - lowest
        q_obs = test_statistic(test_stat, mu, muhat, excess)
        q_asimov = root_asimov(mu) ** 2
        CLs = p_values(test_stat, observed_shift(test_stat, q_obs, q_asimov), q_asimov)[2]
        return -float(ndtri(min(max(CLs, min(CLS_RANGE, 0.1 * level)), 1.0 - CLS_RANGE)))

    expected_roots = [n - float(ndtri(level * ndtr(n))) for n in N_SIGMA]
    width = first / max(root_asimov(first), 1e-9)
    expected: list[float | None] = []
    for root in expected_roots:
        expected.append(_crossing(root_asimov, root, root * width, reach))
    guess = max(expected[2] or reach, muhat)
    observed = _crossing(significance, -float(ndtri(level)), guess, reach)
    return UpperLimit(
        level=level,
        observed=observed,
        expected=tuple(expected),
        muhat=muhat,
        reach=reach,
        fits=4 + scan.fits,
    )


class _Scan:
    """The objectives of conditional fits to the observed and to Asimov data, as functions of μ.

    Fits start from where those next to them ended; but lest a scan stays in the higher one of two
    minima, they are searched for again as those of a hypothesis test are.
    """

    def __init__(self, model: Model, both: Data, truth: Array, known: dict[float, Array]) -> None:
        self.model, self.both = model, both
        self.fits = 0
        self._points = dict(sorted({0.0: np.repeat(truth, 2, axis=0), **known}.items()))
        self._found: dict[float, tuple[Array, list[Fit]]] = {}

    def __call__(self, mu: float, which: int) -> float:
        """The objective at μ of the observed (0) or of the Asimov data (1)."""
        if mu not in self._found:
            near = self._near(mu)
            init = np.repeat(self.model.parameters.init[None], 2, axis=0)
            starts = [at_poi(self.model, x, mu) for x in (near, near[::-1], init)]
            what = problem(self.model, self.both, held=True)
            fits = solve(what, starts, kin=np.array([1, 0]))
            self.fits += 2
            self._found[mu] = fits.value, report(what, fits)
            self._points = dict(sorted({**self._points, mu: fits.x}.items()))
        values, reports = self._found[mu]
        demand_converged(reports[which], f"conditional fit at mu = {mu:g}")
        return float(values[which])

    def _near(self, mu: float) -> Array:
        """Where a fit at μ will end, by linear interpolation between its neighbours."""
        known = list(self._points)
        i = min(max(bisect_left(known, mu), 1), len(known) - 1)
        if len(known) == 1 or mu > known[-1]:
            return self._points[known[-1]]
        low, high = known[i - 1], known[i]
        t = (mu - low) / (high - low)
        return (1.0 - t) * self._points[low] + t * self._points[high]


def _crossing(
    function: Callable[[float], float], target: float, guess: float, reach: float
) -> float | None:
    """Where an increasing `function` of μ, which is below `target` at 0, crosses it; None beyond
    `reach`. The secant method, kept inside a bracket (Illinois: M. Dowell, P. Jarratt, BIT 11
    (1971) 168)."""
    low, f_low = 0.0, function(0.0) - target
    high = min(guess, reach)
    while (f_high := function(high) - target) < 0.0:
        if high >= reach:
            return None
        slope = (f_high - f_low) / (high - low)
        step = -1.1 * f_high / slope if slope > 0.0 else high
        low, f_low = high, f_high
        high = min(high + min(step, 3.0 * high), reach)
    side = 0
    while high - low > PRECISION * high:
        mu = high - f_high * (high - low) / (f_high - f_low)
        if not low < mu < high:
            mu = 0.5 * (low + high)
        f = function(mu) - target
        if abs(f) < PRECISION:
            return mu
        if f < 0.0:
            low, f_low, f_high = mu, f, f_high / 2.0 if side < 0 else f_high
            side = -1
        else:
            high, f_high, f_low = mu, f, f_low / 2.0 if side > 0 else f_low
            side = 1
    return 0.5 * (low + high)
