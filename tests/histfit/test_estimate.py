"""Estimates and yields against closed forms, automatic differentiation and pyhf."""

from __future__ import annotations

import json
import math
from pathlib import Path

import histfit
import jax
import numpy as np
import pyhf
import pytest
from histfit import Estimate, estimate, yields
from models import (
    Array,
    Spec,
    counterpart,
    counting,
    histosys,
    normfactor,
    normsys,
    random_workspace,
    sample,
    search,
    shapefactor,
    shapesys,
    staterror,
    workspace,
)


def jax_covariance(spec: Spec, result: Estimate) -> Array:
    """Covariance of the free parameters from the Hessian of pyhf's likelihood, by automatic
    differentiation at our best fit."""
    model = histfit.compile_model(spec)
    pyhf.set_backend("jax", precision="64b")
    try:
        workspace = pyhf.Workspace(spec, validate=False)
        name = result.poi if model.poi is not None else None
        other = workspace.model(validate=False, poi_name=name)
        data = pyhf.tensorlib.astensor(workspace.data(other))
        values = np.array([result[name].value for name in other.config.par_names])
        of_twice_nll = jax.jit(jax.hessian(lambda x: pyhf.infer.mle.twice_nll(x, data, other)[0]))
        hessian = 0.5 * np.asarray(of_twice_nll(values))
        free = [other.config.par_names.index(name) for name in result.free]
        return np.asarray(np.linalg.inv(hessian[np.ix_(free, free)]))
    finally:
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())


def assert_covariance(result: Estimate, expected: Array, precision: float) -> None:
    sigma = np.sqrt(expected.diagonal())
    ours = [result[name].uncertainty for name in result.free]
    np.testing.assert_allclose(ours, sigma, rtol=precision)
    np.testing.assert_allclose(
        result.correlation, expected / np.outer(sigma, sigma), rtol=0.0, atol=precision
    )
    np.testing.assert_allclose(result.covariance, result.correlation * np.outer(ours, ours))


@pytest.mark.parametrize("seed", [1, 2, 4, 6])
def test_uncertainties_are_those_of_second_differences(seed: int) -> None:
    spec = random_workspace(seed, kinds="smooth")
    result = estimate(spec)
    other = counterpart(spec, histfit.compile_model(spec))
    names = other.model.config.par_names
    values = np.array([result[name].value for name in names])
    step = np.array([1e-3 * (result[name].uncertainty or 0.0) for name in names])
    free = [names.index(name) for name in result.free]
    assert len(free) > 2

    def nll(i: int, j: int) -> float:
        """At one step along parameter |i| − 1 and |j| − 1, backwards for negative numbers."""
        x = values.copy()
        for k in (i, j):
            x[abs(k) - 1] += math.copysign(step[abs(k) - 1], k)
        return -float(other.model.logpdf(x, other.data)[0])

    hessian = np.empty((len(free), len(free)))
    for a, i in enumerate(free):
        for b, j in enumerate(free):
            i_up, j_up = i + 1, j + 1
            mixed = nll(i_up, j_up) - nll(i_up, -j_up) - nll(-i_up, j_up) + nll(-i_up, -j_up)
            hessian[a, b] = mixed / (4.0 * step[i] * step[j])
    assert_covariance(result, np.linalg.inv(hessian), 1e-4)


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 4])
def test_uncertainties_are_those_of_the_exact_hessian(seed: int) -> None:
    spec = random_workspace(seed, kinds="smooth")
    result = estimate(spec)
    assert_covariance(result, jax_covariance(spec, result), 1e-9)


@pytest.mark.long
def test_uncertainties_of_a_published_background(published_1lbb: Path) -> None:
    spec = json.loads((published_1lbb / "BkgOnly.json").read_bytes())
    result = estimate(spec)
    assert [p.name for p in result.parameters if p.status != "free"] == ["lumi"]
    assert_covariance(result, jax_covariance(spec, result), 1e-9)


def test_a_counting_experiment_in_closed_form() -> None:
    # n = 71, b = 50 ± 5, s = 12: σ² = (n + 25)/s², since γ is not measured here
    result = estimate(counting(12.0, 50.0, 71.0, staterror("mc", [5.0])))
    mu, gamma = result["mu"], result["mc[0]"]
    assert (result.poi, result.mu, result.free) == ("mu", None, ("mc[0]", "mu"))
    assert mu.value == pytest.approx(21.0 / 12.0, abs=1e-9)
    assert mu.uncertainty == pytest.approx(math.sqrt(71.0 + 25.0) / 12.0, rel=1e-9)
    assert (mu.pull, mu.constraint) == (None, None)
    assert (gamma.pull, gamma.constraint) == pytest.approx((0.0, 1.0), abs=1e-7)
    correlation = -5.0 / math.sqrt(71.0 + 25.0)
    np.testing.assert_allclose(result.correlation, [[1, correlation], [correlation, 1]], atol=1e-9)


def test_pulls_and_constraints_of_a_control_measurement() -> None:
    # without signal, n measures b γ: Poisson γ, τ = 100, gives γ = (100 + n)/(100 + b)
    spec = counting(12.0, 50.0, 71.0, shapesys("f", [5.0]))
    result = estimate(spec, 0.0)
    gamma = result["f[0]"]
    assert result["mu"].status == "fixed"
    assert result.mu == 0.0
    assert gamma.value == pytest.approx(171.0 / 150.0, abs=1e-9)
    assert gamma.uncertainty == pytest.approx(math.sqrt(171.0) / 150.0, rel=1e-9)
    assert gamma.pull == pytest.approx(10.0 * 21.0 / 150.0, abs=1e-7)
    assert gamma.constraint == pytest.approx(10.0 * math.sqrt(171.0) / 150.0, rel=1e-9)


def test_a_parameter_at_its_bound_has_no_uncertainty() -> None:
    result = estimate(counting(12.0, 50.0, 41.0, staterror("mc", [5.0])))
    mu = result["mu"]
    assert (mu.value, mu.status, mu.uncertainty) == (0.0, "at bound", None)
    assert result.free == ("mc[0]",)
    assert result.correlation.shape == (1, 1)


def test_a_fixed_parameter_has_no_uncertainty() -> None:
    spec = counting(12.0, 50.0, 71.0, normsys("jes", 0.9, 1.1))
    config = spec["measurements"][0]["config"]
    config["parameters"] = [{"name": "jes", "fixed": True, "inits": [0.5]}]
    result = estimate(spec)
    assert result["jes"] == histfit.ParameterEstimate("jes", 0.5, "fixed", None, None, None)
    assert result.free == ("mu",)


def test_parameters_that_share_a_flat_direction_are_undetermined() -> None:
    # n = 71 measures μ s + k b only
    result = estimate(counting(12.0, 50.0, 71.0, normfactor("k"), normsys("jes", 0.9, 1.1)))
    assert {p.name: p.status for p in result.parameters} == {
        "jes": "free",
        "k": "undetermined",
        "mu": "undetermined",
    }
    assert result["jes"].constraint == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("bound", [1.0, 10.0, 1e4])
def test_a_flat_direction_that_ends_at_a_bound_is_one(bound: float) -> None:
    # n = 71 measures μ k s + b only, and k starts, and stays, at its bound
    spec = counting(12.0, 50.0, 71.0, normsys("jes", 0.9, 1.1))
    spec["channels"][0]["samples"][1]["modifiers"].append(normfactor("k"))
    spec["measurements"][0]["config"]["parameters"] = [
        {"name": "k", "inits": [bound], "bounds": [[0.0, bound]]}
    ]
    result = estimate(spec)
    assert {p.name: p.status for p in result.parameters} == {
        "jes": "free",
        "k": "at bound",
        "mu": "undetermined",
    }
    assert result["jes"].constraint == pytest.approx(1.0, abs=1e-6)


def transfer(n: float, *modifiers: Spec) -> Spec:
    """A control region with `n` events measures k, which scales the background of SR."""
    return workspace(
        {
            "CR": [sample("b", [n], normfactor("k"), *modifiers)],
            "SR": [sample("b", [100.0], normfactor("k")), sample("s", [10.0], normfactor("mu"))],
        },
        {"CR": [n], "SR": [110.0]},
    )


@pytest.mark.parametrize("n", [1e4, 1e7, 1e9])
def test_uncertainties_in_a_narrow_valley(n: float) -> None:
    # CR measures k (1 + 0.3 α) to 1/√n, so k to 0.3, and SR 100 k + 10 μ = 110 ± √110
    spec = transfer(n, histosys("a", [0.7 * n], [1.3 * n]))
    result = yields(spec)
    assert {p.name: p.status for p in result.estimate.parameters} == dict.fromkeys("ak", "free") | {
        "mu": "free"
    }
    variance = 0.09 + 1.0 / n
    assert result.estimate["a"].uncertainty == pytest.approx(1.0, rel=1e-6)
    assert result.estimate["k"].uncertainty == pytest.approx(math.sqrt(variance), rel=1e-5)
    sigma = math.sqrt(110.0 + 1e4 * variance) / 10.0
    assert result.estimate["mu"].uncertainty == pytest.approx(sigma, rel=1e-5)
    background = result.postfit[1].samples["b"]
    assert background.total_uncertainty == pytest.approx(100.0 * math.sqrt(variance), rel=1e-5)


@pytest.mark.parametrize("n", [1e2, 1e6, 1e9])
def test_a_flat_direction_reaches_all_that_it_moves(n: float) -> None:
    # CR measures k j only: neither of them, and so not μ
    result = estimate(transfer(n, normfactor("j")))
    assert {p.name: p.status for p in result.parameters} == dict.fromkeys(
        ("j", "k", "mu"), "undetermined"
    )


def test_a_poi_that_the_measurement_fixes_stays_there() -> None:
    spec = counting(10.0, 50.0, 50.0, normsys("jes", 0.9, 1.1))
    fixed = {"name": "mu", "fixed": True, "inits": [1.0], "bounds": [[0.0, 10.0]]}
    spec["measurements"][0]["config"]["parameters"] = [fixed]
    result = yields(spec)
    assert result.estimate["mu"] == histfit.ParameterEstimate("mu", 1.0, "fixed", None, None, None)
    assert result.estimate.mu == 1.0
    assert result.prefit[0].expected.total == pytest.approx(60.0, rel=1e-12)
    assert result.postfit[0].expected.total > 52.0


def test_no_estimate_where_events_cannot_be_expected() -> None:
    with pytest.raises(histfit.FitError, match=r"channel 'SR', bin 0.*3 events"):
        estimate(counting(5.0, 0.0, 3.0, normsys("jes", 0.9, 1.1)), 0.0)


@pytest.mark.parametrize("mu", [math.nan, math.inf])
def test_a_signal_strength_to_hold_must_be_finite(mu: float) -> None:
    with pytest.raises(histfit.InvalidWorkspace, match="finite signal strength"):
        yields(counting(12.0, 50.0, 71.0), mu)


def test_a_parameter_where_both_branches_meet_with_one_slope_is_at_no_kink() -> None:
    """A straight histosys, whose σ is that of its constraint and the bin together, and a systematic
    of the signal, which does nothing at μ = 0."""
    shape = histosys("straight", [45.0], [55.0])
    spec = workspace(
        {
            "SR": [
                sample("bkg", [50.0], shape),
                sample("sig", [12.0], normfactor("mu"), normsys("xs", 0.8, 1.3)),
            ]
        },
        {"SR": [50.0]},
    )
    codes = {"histosys": {"interpcode": "code0"}, "normsys": {"interpcode": "code1"}}
    result = estimate(histfit.compile_model(spec, modifier_settings=codes), 0.0)
    assert (result["straight"].value, result["xs"].value) == (0.0, 0.0)
    assert result["straight"].uncertainty == pytest.approx((1.0 + 5.0**2 / 50.0) ** -0.5)
    assert result["xs"].uncertainty == pytest.approx(1.0)


def test_a_parameter_at_a_kink_has_no_uncertainty() -> None:
    # hi and lo both add 10 %: with code1 the minimum is where the two branches meet
    spec = counting(12.0, 50.0, 44.0, normsys("one_sided", 1.1, 1.1))
    model = histfit.compile_model(spec, modifier_settings={"normsys": {"interpcode": "code1"}})
    result = estimate(model, 0.0)
    assert (result["one_sided"].value, result["one_sided"].status) == (0.0, "at kink")
    assert result.free == ()
    assert result.correlation.shape == (0, 0)


def test_no_uncertainties_where_an_empty_bin_holds_the_fit() -> None:
    spec = counting(0.0, 1.0, 0.0, histosys("shape", [3.0], [-1.0]))
    with pytest.raises(histfit.FitError, match="without events"):
        estimate(spec, 0.0)


def test_a_fit_that_fails_gives_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histfit.minimize.MAX_ITERATIONS", 1)
    with pytest.raises(histfit.FitError, match="did not converge"):
        estimate(search())


def test_results_cannot_be_changed() -> None:
    result = estimate(search())
    for array in (result.correlation, result.covariance, result.fit.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0


def expected_by_sample(other: pyhf.Model, x: Array) -> Array:
    return np.asarray(other.main_model.expected_data(x, return_by_sample=True))


@pytest.mark.parametrize("spec", [search(), random_workspace(4, kinds="smooth")])
@pytest.mark.parametrize("mu", [None, 0.0])
def test_yields_are_pyhfs_with_linearly_propagated_uncertainties(
    spec: Spec, mu: float | None
) -> None:
    model = histfit.compile_model(spec)
    other = counterpart(spec, model)
    result = yields(model, mu)
    fitted = result.estimate
    names = other.model.config.par_names
    init = np.array(other.model.config.suggested_init())
    if mu is not None:
        init[names.index("mu")] = mu
    best = fitted.fit.values[other.order]
    prior = np.zeros((len(names), len(names)))
    for name in other.model.config.par_map:
        paramset = other.model.config.param_set(name)
        if paramset.constrained:
            where = other.model.config.par_slice(name)
            prior[where, where] = np.diag(np.array(paramset.width()) ** 2)
    free = [names.index(name) for name in fitted.free]
    posterior = np.zeros_like(prior)
    posterior[np.ix_(free, free)] = fitted.covariance
    for channels, x, covariance in (
        (result.prefit, init, prior),
        (result.postfit, best, posterior),
    ):
        step = 1e-5 * np.eye(len(x))
        slopes = np.array(
            [
                (expected_by_sample(other.model, x + h) - expected_by_sample(other.model, x - h))
                / 2e-5
                for h in step
            ]
        )
        rates = expected_by_sample(other.model, x)
        for channel in channels:
            place = other.model.config.channel_slices[channel.channel]
            parts = [
                (channel.expected, rates[:, place].sum(axis=0), slopes[:, :, place].sum(axis=1))
            ]
            for name, one in channel.samples.items():
                s = other.model.config.samples.index(name)
                parts.append((one, rates[s, place], slopes[:, s, place]))
            for ours, bins, by_bin in parts:
                np.testing.assert_allclose(ours.bins, bins, rtol=1e-12, atol=0.0)
                sigma = np.sqrt(np.einsum("kb,kl,lb->b", by_bin, covariance, by_bin))
                np.testing.assert_allclose(ours.uncertainties, sigma, rtol=1e-6, atol=1e-7)
                total = by_bin.sum(axis=1)
                assert ours.total == pytest.approx(bins.sum(), rel=1e-12)
                error = math.sqrt(total @ covariance @ total)
                assert ours.total_uncertainty == pytest.approx(error, rel=1e-6, abs=1e-7)


def test_the_fit_constrains_the_yields_to_the_data() -> None:
    # a free factor for the only sample: the yield is the count, with its Poisson error
    spec = workspace({"CR": [sample("b", [80.0], normfactor("k"))]}, {"CR": [64.0]}, poi="")
    result = yields(spec)
    (before,), (after,) = result.prefit, result.postfit
    assert (before.expected.total, before.expected.total_uncertainty) == (80.0, 0.0)
    assert after.expected.total == pytest.approx(64.0, abs=1e-8)
    assert after.expected.total_uncertainty == pytest.approx(8.0, rel=1e-8)
    assert after.observed.tolist() == [64.0]
    assert list(after.samples) == ["b"]


def test_a_kink_counts_with_the_mean_of_its_slopes() -> None:
    # code0: 6 events a σ above α = 0, and 2 below
    spec = counting(12.0, 50.0, 50.0, histosys("shape", [48.0], [56.0]))
    model = histfit.compile_model(spec, modifier_settings={"histosys": {"interpcode": "code0"}})
    (channel,) = yields(model, 0.0).prefit
    assert channel.samples["bkg"].uncertainties == pytest.approx([4.0])


@pytest.mark.parametrize("unit", [1e-9, 1e-14])
def test_the_unit_of_the_poi_changes_no_uncertainty(unit: float) -> None:
    def spec(unit: float) -> Spec:
        signal = sample("s", [10.0 * unit, 5.0 * unit], normfactor("mu"))
        return workspace(
            {"SR": [signal, sample("b", [50.0, 60.0], normsys("a", 0.8, 1.2))]},
            {"SR": [60.0, 64.0]},
            parameters=[{"name": "mu", "bounds": [[0.0, 10.0 / unit]], "inits": [1.0 / unit]}],
        )

    usual, other = histfit.estimate(spec(1.0))["mu"], histfit.estimate(spec(unit))["mu"]
    assert other.status == "free"
    assert other.uncertainty * unit == pytest.approx(usual.uncertainty, rel=1e-9)
    (impact,), (same,) = (histfit.impacts(spec(u)).impacts for u in (1.0, unit))
    assert same.up.shift * unit == pytest.approx(impact.up.shift, rel=1e-9)


def test_a_parameter_that_there_is_not_is_a_key_error() -> None:
    estimate = histfit.estimate(counting(12.0, 50.0, 50.0))
    with pytest.raises(KeyError, match="parameter 'zz': found mu"):
        estimate["zz"]
    with pytest.raises(KeyError, match="parameter 'zz': found mu"):
        estimate.fit["zz"]


def test_yields_that_flat_directions_leave_alone_have_their_uncertainty() -> None:
    # k and f cannot be told apart: their product is the count of the CR, with its Poisson error,
    # and the total of the SR, where mu is free, is its count
    spec = workspace(
        {
            "CR": [sample("b", [100.0], normfactor("k"), shapefactor("f"))],
            "SR": [
                sample("b", [20.0], normfactor("k"), shapefactor("f")),
                sample("s", [5.0], normfactor("mu")),
            ],
        },
        {"CR": [100.0], "SR": [22.0]},
    )
    result = yields(spec)
    assert [result.estimate[name].status for name in ("k", "f[0]")] == ["undetermined"] * 2
    errors = [channel.expected.total_uncertainty for channel in result.postfit]
    assert errors == pytest.approx([math.sqrt(100.0), math.sqrt(22.0)], rel=1e-8)
    background = result.postfit[1].samples["b"]
    assert background.total_uncertainty == pytest.approx(0.2 * math.sqrt(100.0), rel=1e-8)


def test_a_systematic_that_is_the_poi_and_held_has_no_uncertainty_before_the_fit() -> None:
    spec = workspace({"SR": [sample("b", [50.0], normsys("a", 0.8, 1.2))]}, {"SR": [55.0]}, poi="a")
    assert yields(spec, 0.0).prefit[0].expected.total_uncertainty == 0.0
    assert yields(spec).prefit[0].expected.total_uncertainty > 9.0


def test_an_estimate_at_a_signal_strength_is_no_higher_than_the_fit_of_its_test() -> None:
    # a free fit finds the minimum that fits with the POI held at 0 miss, by 0.164 in NLL
    spec = random_workspace(27)
    tested = histfit.hypotest(spec, 0.0).fits["conditional"].nll
    assert estimate(spec, 0.0).fit.nll <= tested + 1e-9


def test_the_range_of_a_free_fit_is_checked_where_the_poi_is_held_too() -> None:
    with pytest.raises(histfit.InvalidWorkspace, match="range of the POI 'mu'"):
        estimate(counting(12.0, 50.0, 50.0), 1.0, poi_bounds=("x",))
