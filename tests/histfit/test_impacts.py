"""Impacts against pyhf's fits and the Gaussian limit."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import histfit
import pyhf
import pytest
from histfit import Refit, impacts
from histfit.fit import Fits, Problem
from models import (
    Array,
    counterpart,
    counting,
    normfactor,
    normsys,
    sample,
    search,
    staterror,
    workspace,
)


def test_impacts_are_those_of_pyhfs_fits() -> None:
    spec = search()
    model = histfit.compile_model(spec)
    other = counterpart(spec, model)
    names = other.model.config.par_names
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12, maxiter=100000))

    def muhat(held: str, value: float) -> float:
        init, fixed = other.model.config.suggested_init(), other.model.config.suggested_fixed()
        init[names.index(held)], fixed[names.index(held)] = value, True
        best = pyhf.infer.mle.fit(other.data, other.model, init_pars=init, fixed_params=fixed)
        return float(best[names.index("mu")])

    result = impacts(model)
    nominal = result.estimate
    assert {i.name for i in result.impacts} == set(names) - {"mu"}
    for impact in result.impacts:
        best, sigma = nominal[impact.name].value, nominal[impact.name].uncertainty
        assert sigma is not None
        assert (impact.up.held_at, impact.down.held_at) == pytest.approx(
            (best + sigma, best - sigma)
        )
        for refit in (impact.up, impact.down, impact.prior_up, impact.prior_down):
            if refit is not None:
                assert refit.status == "converged"
                expected = muhat(impact.name, refit.held_at) - nominal["mu"].value
                assert refit.shift == pytest.approx(expected, abs=1e-5)
    assert [i.name for i in result.impacts if i.prior_up is None] == ["mu_top"]
    sizes = [i.size for i in result.impacts]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 0.0


def test_impacts_of_many_events_are_correlations() -> None:
    # Gaussian limit: Δμ̂ = ρ σ_μ
    spec = workspace(
        {
            "SR": [
                sample(
                    "b", [1e6, 8e5], normsys("jes", 0.999, 1.001), staterror("mc", [500.0, 400.0])
                ),
                sample("sig", [3e4, 1e4], normfactor("mu")),
            ]
        },
        {"SR": [1.02e6, 8.1e5]},
    )
    result = impacts(spec)
    of_mu = result.estimate.correlation[result.estimate.free.index("mu")]
    sigma = result.estimate["mu"].uncertainty
    assert sigma is not None
    for impact in result.impacts:
        expected = of_mu[result.estimate.free.index(impact.name)] * sigma
        assert impact.up.shift == pytest.approx(expected, rel=0.02)
        assert impact.down.shift == pytest.approx(-expected, rel=0.02)


def test_refits_say_what_limits_them() -> None:
    # γ − σ₀ = −0.2 is beyond γ's bound; μ̂ falls to its bound where γ rises
    result = impacts(counting(12.0, 50.0, 51.0, staterror("mc", [60.0])))
    (impact,) = result.impacts
    assert impact.prior_down == Refit(pytest.approx(-0.2, abs=1e-6), None, "out of bounds")
    assert impact.up.status == "POI at bound"
    assert impact.up.shift == -result.estimate["mu"].value
    assert impact.size == abs(impact.up.shift)


def test_a_refit_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["histfit.impacts"]  # the name histfit.impacts is the function's
    solve = module.solve

    def failing(problem: Problem, starts: Sequence[Array]) -> Fits:
        fits = solve(problem, starts)
        fits.minimum.converged[:] = starts[0][0, 0] < 0.0
        return fits

    monkeypatch.setattr(module, "solve", failing)
    impact = impacts(counting(12.0, 50.0, 71.0, normsys("jes", 0.9, 1.1))).impacts[0]
    assert (impact.up.status, impact.up.shift) == ("not converged", None)
    assert impact.down.status == "converged"
    assert impact.size == abs(impact.down.shift or 0.0) > 0.0


def test_impacts_need_a_poi() -> None:
    spec = workspace({"SR": [sample("b", [9.0], normsys("a", 0.9, 1.1))]}, {"SR": [7.0]}, poi="")
    with pytest.raises(histfit.InvalidWorkspace, match="impacts: found no POI"):
        impacts(spec)
