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
from .fit import Fit, at_poi, demand_converged, problem, report, solve
from .hypotest import (
    N_SIGMA,
    observed_p_values,
    test_statistic,
    warn_of_bound,
    warn_of_no_signal,
)
from .hypotheses import ABOVE, Profile, free_range, in_range, profile
from .likelihood import Data
from .model import Model, as_model

PRECISION = 1e-8
"""Relative precision of the limits on μ; and how close a function of μ, in σ, must come to what is
looked for."""

CLS_RANGE = 1e-9
"""CLs is kept this far from 0 and 1 where a limit is looked for, or, if that is less, a tenth of
what the level is."""

FARTHEST = 1e6
"""Where the search for a limit ends at the least when it may leave the POI's bounds, and where it
ends if there are none."""


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

    Without events that the POI scales there is no limit, and a UserWarning says why.

    Raises:
        InvalidWorkspace: no model, no POI, or an argument that makes no sense.
        FitError: a fit did not converge.
    """
    model = as_model(spec)
    if model.poi is None:
        raise InvalidWorkspace("upper limit: found no POI in the model; expected one to limit")
    if test_stat not in ("qtilde", "q"):
        raise InvalidWorkspace(f"test statistic: found '{test_stat}'; expected qtilde or q")
    if not isinstance(level, int | float | np.number) or not 0.0 < level < 1.0:
        raise InvalidWorkspace(f"level: found {level!r}; expected a number between 0 and 1")
    lower, upper = free_range(model, poi_bounds, test_stat)
    reach = max(FARTHEST, upper) if beyond_bounds else upper
    if math.isinf(reach):
        reach = FARTHEST
    if reach <= 0.0:
        raise InvalidWorkspace(
            f"range of the POI '{model.poi_name}': found {lower:g} to {upper:g}; expected an upper "
            "end above 0, where limits are looked for"
        )

    warn_of_no_signal(model)
    first = min(1.0, reach)
    poi_range = lower, math.inf if beyond_bounds else upper
    found = profile(model, first, 0.0, poi_range)
    warn_of_bound(test_stat, model, found.reports["free"])
    scan = _Scan(model, found, test_stat, level)
    root = scan.root_asimov(first)
    width = first / max(root, 1e-9) if math.isfinite(root) else first
    expected: list[float | None] = []
    for n in N_SIGMA:
        wanted = n - float(ndtri(level * ndtr(n)))
        ends = scan.ends(1)
        expected.append(_crossing(scan.root_asimov, wanted, wanted * width, reach, ends))
    observed, at_last = None, math.inf
    while scan.lowest[0] < at_last:
        at_last = scan.lowest[0]
        guess = max(expected[2] or reach, scan.muhat[0])
        wanted = -float(ndtri(level))
        observed = _crossing(scan.significance, wanted, guess, reach, scan.ends(0))
        scan.lower_free_fit(poi_range)
    return UpperLimit(
        level=level,
        observed=observed,
        expected=tuple(expected),
        muhat=scan.muhat[0],
        reach=reach,
        fits=len(found.reports) + scan.fits,
    )


class _Scan:
    """The test statistic on the observed and on Asimov data as functions of μ.

    Fits start from where those next to them ended; but lest a scan stays in the higher one of two
    minima, they are searched for again as those of a hypothesis test are.

    Attributes:
        lowest, muhat: objective and POI of the free fits to the observed and to Asimov data
        fits: number of fits made
    """

    def __init__(self, model: Model, found: Profile, test_stat: str, level: float) -> None:
        assert found.muhat[0] is not None and found.muhat[1] is not None
        self.model, self.data = model, found.data
        self.test_stat = test_stat
        self.least_CLs, self.most_CLs = (min(CLS_RANGE, 0.1 * p) for p in (level, 1.0 - level))
        self.lowest, self.muhat = found.lowest.tolist(), list(found.muhat)
        self.fits = 0
        truth = np.repeat(found.truth, 2, axis=0)
        self._points = dict(sorted({0.0: truth, found.mu: found.conditional}.items()))
        self._found: dict[float, tuple[Array, list[Fit]]] = {}

    def root_asimov(self, mu: float) -> float:
        """√q_A at μ."""
        return math.sqrt(self._statistic(mu, 1))

    def significance(self, mu: float) -> float:
        """Φ⁻¹(1 − CLs) at μ, observed."""
        q_obs, q_asimov = self._statistic(mu, 0), self._statistic(mu, 1)
        CLs = observed_p_values(self.test_stat, q_obs, q_asimov)[2]
        return -float(ndtri(min(max(CLs, self.least_CLs), 1.0 - self.most_CLs)))

    def ends(self, which: int) -> tuple[float, float]:
        """Where the likelihood of the observed (0) or of the Asimov data (1) ends, as far as it is
        known: the least μ above the best fit that they forbid, and before it the largest one that
        they allow. (Without background, events forbid μ = 0.)"""
        forbidden = [
            mu
            for mu, (values, _) in self._found.items()
            if mu > self.muhat[which] and np.isinf(values[which])
        ]
        end = min(forbidden, default=math.inf)
        return max((mu for mu in self._found if mu < end), default=0.0), end

    def lower_free_fit(self, poi_range: tuple[float, float]) -> None:
        """Fit the observed data with the POI free again, from the lowest of the conditional fits
        within its range, if one of them ended below the free one."""
        objectives = {
            mu: float(values[0])
            for mu, (values, _) in self._found.items()
            if in_range(self.model, mu, poi_range)
        }
        mu = min(objectives, key=objectives.__getitem__, default=None)
        if mu is None or objectives[mu] >= self.lowest[0] - ABOVE:
            return
        data = Data(self.data.counts[:1], self.data.aux[:1])
        what = problem(self.model, data, poi_bounds=poi_range)
        fits = solve(what, [self._points[mu][:1]])
        self.fits += 1
        demand_converged(report(what, fits)[0], "free fit")
        self.lowest[0], self.muhat[0] = float(fits.value[0]), float(fits.x[0, self.model.poi])

    def _statistic(self, mu: float, which: int) -> float:
        """q at μ of the observed (0) or of the Asimov data (1)."""
        excess = self._objective(mu, which) - self.lowest[which]
        return test_statistic(self.test_stat, mu, self.muhat[which], excess)

    def _objective(self, mu: float, which: int) -> float:
        if mu not in self._found:
            near = self._near(mu)
            init = np.repeat(self.model.parameters.init[None], 2, axis=0)
            starts = [at_poi(self.model, x, mu) for x in (near, near[::-1], init)]
            what = problem(self.model, self.data, held=True)
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
    function: Callable[[float], float],
    target: float,
    guess: float,
    reach: float,
    ends: tuple[float, float],
) -> float | None:
    """Where an increasing `function` of μ, which is below `target` at 0, crosses it; None beyond
    `reach`. The likelihood ends between `ends`. The secant method, kept inside a bracket (Illinois:
    M. Dowell, P. Jarratt, BIT 11 (1971) 168)."""
    last, end = ends
    low, high = 0.0, min(guess, reach, end)
    if end < math.inf and function(last) < target:
        low, high = last, end
    f_low = function(low) - target
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
