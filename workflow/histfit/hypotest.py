"""Hypothesis tests with the asymptotic distributions of profile-likelihood test statistics.

Notation of Cowan, Cranmer, Gross, Vitells (CCGV), arXiv:1007.1727: a test of signal strength μ
needs the conditional and the free fit to the data, and the conditional fit to the background-only
Asimov data. (The free fit to Asimov data is its own truth, with objective 0.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr

from .arrays import Array
from .errors import FitError, InvalidWorkspace
from .fit import (
    Fit,
    Fits,
    at_poi,
    demand_converged,
    expected_data,
    observed_data,
    problem,
    report,
    solve,
)
from .likelihood import Data, expected_bins
from .minimize import Problem
from .model import Model, as_model

TEST_STATISTICS = ("qtilde", "q", "t", "q0")
N_SIGMA = (-2, -1, 0, 1, 2)


@dataclass(frozen=True, slots=True)
class HypoTest:
    """Result of a hypothesis test.

    Attributes:
        mu: tested signal strength
        test_stat: "qtilde", "q", "t" or "q0"
        CLs_obs: observed CLs = CLsb/CLb
        CLs_exp: expected CLs under the background-only hypothesis at −2, −1, 0, +1, +2 σ
        CLsb_obs, CLb_obs: observed p-values of the tested hypothesis and of the alternative;
            for q0, CLsb is the p-value p₀ of the background-only hypothesis
        CLsb_exp, CLb_exp: the same at −2…+2 σ
        q_obs, q_asimov: the test statistic on the observed and on the Asimov data
        muhat: the POI of the free fit, None for a model without POI
        fits: "background" (conditional fit that the Asimov data come from), "conditional", "free",
            and "asimov" (conditional, to Asimov data); all of them converged
    """

    mu: float
    test_stat: str
    CLs_obs: float
    CLs_exp: tuple[float, ...]
    CLsb_obs: float
    CLb_obs: float
    CLsb_exp: tuple[float, ...]
    CLb_exp: tuple[float, ...]
    q_obs: float
    q_asimov: float
    muhat: float | None
    fits: Mapping[str, Fit]


def hypotest(
    spec: Mapping[str, Any] | Model,
    mu: float = 1.0,
    *,
    test_stat: str = "qtilde",
    poi_bounds: tuple[float, float] | None = None,
) -> HypoTest:
    """Test the signal strength `mu` with asymptotic formulae.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        mu: signal strength to test; for q0 it is 0 whatever is given.
        test_stat: "qtilde" (q̃μ, CCGV eq. 16), "q" (qμ, eq. 14), "t" (tμ, eq. 8), "q0" (eq. 12).
        poi_bounds: range of the POI in the free fit, by default the model's; q̃μ starts it at 0.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model, or an argument makes no sense.
        FitError: a fit did not converge; there is no result without certified fits.
    """
    model = as_model(spec)
    if test_stat not in TEST_STATISTICS:
        raise InvalidWorkspace(
            f"test statistic: found '{test_stat}'; expected one of {', '.join(TEST_STATISTICS)}"
        )
    mu = 0.0 if test_stat == "q0" else finite(mu)
    asimov_mu = 1.0 if test_stat == "q0" else 0.0
    poi_range = free_range(model, poi_bounds, test_stat)

    data = observed_data(model)
    background, truth = background_fit(model, data, asimov_mu)
    asimov_data = expected_data(model, truth.x)
    both = Data(*(np.concatenate(parts) for parts in zip(data, asimov_data, strict=True)))
    tested, found = tested_and_free(model, both, mu, poi_range, truth.x)
    of_data, of_free, of_asimov = found.value.tolist()
    muhat = None if model.poi is None else float(found.x[1, model.poi])
    q_obs = test_statistic(test_stat, mu, muhat, of_data - of_free)
    q_asimov = test_statistic(test_stat, mu, asimov_mu, of_asimov)
    names = "background", "conditional", "free", "asimov"
    reports = report(background, truth) + report(tested, found)
    fits = dict(zip(names, reports, strict=True))
    for name, fit in fits.items():
        demand_converged(fit, f"{name} fit at mu = {mu:g}")
    CLsb, CLb, CLs = observed_p_values(test_stat, q_obs, q_asimov)
    band = [p_values(test_stat, -n, q_asimov) for n in N_SIGMA]
    return HypoTest(
        mu=mu,
        test_stat=test_stat,
        CLs_obs=CLs,
        CLs_exp=tuple(p[2] for p in band),
        CLsb_obs=CLsb,
        CLb_obs=CLb,
        CLsb_exp=tuple(p[0] for p in band),
        CLb_exp=tuple(p[1] for p in band),
        q_obs=q_obs,
        q_asimov=q_asimov,
        muhat=muhat,
        fits=fits,
    )


def finite(mu: float) -> float:
    """The signal strength, which must be a finite number."""
    mu = float(mu)
    if not math.isfinite(mu):
        raise InvalidWorkspace(f"mu: found {mu}; expected a finite signal strength")
    return mu


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
    lower, upper = model.parameters.bounds[model.poi].tolist() if poi_bounds is None else poi_bounds
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
    """Fit that Asimov data come from, to one row of `data` with the POI at `mu`; where it starts
    from the fit of the background alone (see `background.Background`), that was a thorough one."""
    fitted = mu == 0.0 and not np.array_equal(model.start, model.parameters.init[None])
    return conditional(model, data, mu, [model.start], thorough=not fitted)


def tested_and_free(
    model: Model, data: Data, mu: float, poi_bounds: tuple[float, float], start: Array
) -> tuple[Problem, Fits]:
    """Fits to observed `data`, the first row, with the POI at `mu` and with it free, and, if there
    is a second row, to these Asimov data with the POI at `mu`; all at once, from `start` (1, P)."""
    of_data, held = np.array([0, 0, 1]), np.array([True, False, True])
    # lower minima of the fit to data are tried for the one to Asimov data, too
    kin, thorough = np.array([2, 0, 0]), np.array([True, True, False])
    if len(data.counts) == 1:
        of_data, held, kin, thorough = of_data[:2], held[:2], np.array([0, 0]), thorough[:2]
    what = problem(model, Data(data.counts[of_data], data.aux[of_data]), held, poi_bounds)
    starts = []
    for point in (start, model.parameters.init[None]):
        x = np.repeat(point, len(held), axis=0)
        starts.append(np.where(held[:, None], at_poi(model, x, mu), x))
    fits = solve(what, starts, kin, thorough=thorough)
    demand_possible(what, fits, 1)
    return what, fits


def demand_possible(problem: Problem, fits: Fits, row: int) -> None:
    """Raise FitError if a `row` of `fits` ended where there are events but none are expected."""
    if np.isinf(fits.value[row]):
        model, counts = problem.model, problem.data.counts[row]
        rates = expected_bins(model, fits.x[[row]])[0]
        impossible = int(np.argmax((counts > 0.0) & (rates <= 0.0)))
        names = [
            f"channel '{name}', bin {i}" for name, n in model.channels.items() for i in range(n)
        ]
        raise FitError(
            f"{names[impossible]}: found {counts[impossible]:g} events where the model cannot "
            "expect any; expected a model that allows the data"
        )


def test_statistic(test_stat: str, mu: float, muhat: float | None, excess: float) -> float:
    """q from the `excess` of the conditional over the free NLL.

    q̃μ and qμ are 0 where μ̂ > μ (CCGV eqs. 14, 16), q₀ where μ̂ < 0 (eq. 12).
    """
    if muhat is not None:
        one_sided = test_stat in ("qtilde", "q") and muhat > mu
        if one_sided or (test_stat == "q0" and muhat < 0.0):
            return 0.0
    return max(2.0 * float(excess), 0.0)


def observed_shift(test_stat: str, q_obs: float, q_asimov: float) -> float:
    """How many σ the observed test statistic lies from its background-only median.

    √q − √q_A, and for q̃μ beyond μ²/σ² = q_A the other branch of CCGV eq. 65.
    """
    root, root_asimov = math.sqrt(q_obs), math.sqrt(q_asimov)
    if test_stat == "qtilde" and root > root_asimov > 0.0:
        return (q_obs - q_asimov) / (2.0 * root_asimov)
    return root - root_asimov


def observed_p_values(test_stat: str, q_obs: float, q_asimov: float) -> tuple[float, float, float]:
    """CLsb, CLb and CLs of the observed test statistic.

    It is infinite where the tested hypothesis expects nothing in a bin with events.
    """
    if math.isinf(q_obs):
        return 0.0, 0.0, 0.0
    if math.isinf(q_asimov):
        CLsb = float(ndtr(-math.sqrt(q_obs))) * (2.0 if test_stat == "t" else 1.0)
        return CLsb, 1.0, CLsb
    return p_values(test_stat, observed_shift(test_stat, q_obs, q_asimov), q_asimov)


def p_values(test_stat: str, shift: float, q_asimov: float) -> tuple[float, float, float]:
    """CLsb, CLb and CLs where the test statistic lies `shift` σ from its background-only median.

    CCGV eqs. 59 and 66; for tμ eqs. 35 and 36.
    """
    root_asimov = math.sqrt(q_asimov)
    if test_stat == "t":
        near = -shift if shift >= -root_asimov else shift + 2.0 * root_asimov
        log_CLsb = math.log(2.0) + log_ndtr(near - root_asimov)
        log_CLb = np.logaddexp(log_ndtr(near), log_ndtr(near - 2.0 * root_asimov))
    else:
        log_CLsb, log_CLb = log_ndtr(-(shift + root_asimov)), log_ndtr(-shift)
    return math.exp(log_CLsb), math.exp(log_CLb), math.exp(log_CLsb - log_CLb)
