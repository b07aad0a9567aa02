"""Hypothesis tests with the asymptotic distributions of profile-likelihood test statistics.

Notation of Cowan, Cranmer, Gross, Vitells (CCGV), arXiv:1007.1727: a test of signal strength μ
needs the conditional and the free fit to the data, and to the background-only Asimov data.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr, ndtr

from .errors import InvalidWorkspace
from .fit import Fit, demand_converged
from .hypotheses import finite, free_range, profile
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
        CLs_exp: expected CLs under the alternative (background only; for q0, μ = 1) at −2, −1, 0,
            +1, +2 σ
        CLsb_obs, CLb_obs: observed p-values of the tested hypothesis and of the alternative;
            for q0, CLsb is the p-value p₀ of the background-only hypothesis
        CLsb_exp, CLb_exp: the same at −2…+2 σ
        q_obs, q_asimov: the test statistic on the observed data, and on the Asimov data of the
            alternative
        muhat: the POI of the free fit, None for a model without POI
        has_signal: whether any events scale with the POI; if none do, CLs is 1
        fits: "background" (conditional fit that the Asimov data come from), "conditional", "free",
            "asimov" (conditional, to Asimov data), and "free asimov" where that is not known to end
            at their own truth; all of them converged
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
    has_signal: bool
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
            The formulae of qμ and tμ are for a POI without bounds: should the fit end at one, a
            UserWarning says so.

    Without events that the POI scales there is no signal: CLs is 1, and a UserWarning says why.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model, or an argument makes no sense.
        FitError: a fit did not converge; there is no result without certified fits.
    """
    model = as_model(spec)
    result = asymptotic_test(model, mu, test_stat, poi_bounds)
    warn_of_no_signal(model)
    warn_of_bound(test_stat, model, result.fits["free"])
    return result


def asymptotic_test(
    model: Model, mu: float, test_stat: str, poi_bounds: tuple[float, float] | None
) -> HypoTest:
    """What `hypotest` returns."""
    if test_stat not in TEST_STATISTICS:
        raise InvalidWorkspace(
            f"test statistic: found '{test_stat}'; expected one of {', '.join(TEST_STATISTICS)}"
        )
    mu = 0.0 if test_stat == "q0" else finite(mu)
    asimov_mu = 1.0 if test_stat == "q0" else 0.0
    poi_range = free_range(model, poi_bounds, test_stat)

    found = profile(model, mu, asimov_mu, poi_range)
    for name, fit in found.reports.items():
        demand_converged(fit, f"{name} fit at mu = {mu:g}")
    q_obs, q_asimov = (
        test_statistic(test_stat, mu, muhat, float(excess))
        for muhat, excess in zip(found.muhat, found.value - found.lowest, strict=True)
    )
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
        muhat=found.muhat[0],
        has_signal=model.has_signal,
        fits=found.reports,
    )


def warn_of_no_signal(model: Model) -> None:
    """Warn that there is nothing to test, if that is so."""
    if not model.has_signal:
        warnings.warn(
            "no events scale with the parameter of interest of the measurement: there is no signal "
            "to test, and CLs is 1",
            stacklevel=3,
        )


def warn_of_bound(test_stat: str, model: Model, free: Fit) -> None:
    """Warn of a `free` fit that ended where the formulae of qμ and tμ do not hold."""
    poi = model.poi_name
    if test_stat in ("q", "t") and poi is not None and poi in free.at_bound:
        warnings.warn(
            f"{test_stat}: the free fit ended with the POI at a bound, {free[poi]:g}, but the "
            "asymptotic formulae of this test statistic are for a POI without bounds; give it a "
            "wider range (poi_bounds), or use qtilde",
            stacklevel=3,
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
