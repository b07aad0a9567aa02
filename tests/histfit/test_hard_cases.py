"""Fits that are known to go wrong elsewhere, against independent computations."""

from __future__ import annotations

import math
from decimal import Decimal, getcontext

import histfit
import numpy as np
import pyhf
import pytest
from histfit.fit import expected_data, observed_data, problem, solve
from histfit.likelihood import Data
from models import (
    KINKED,
    Array,
    Spec,
    counterpart,
    counting,
    histosys,
    normfactor,
    normsys,
    random_workspace,
    sample,
    shapefactor,
    shapesys,
    workspace,
)
from scipy.optimize import minimize_scalar
from scipy.stats import norm


def cls(q: float, q_asimov: float) -> float:
    """CLs of q̃μ, CCGV eqs. 65 and 66."""
    root, d = math.sqrt(max(q, 0.0)), math.sqrt(q_asimov)
    if root > d:
        return norm.sf((q + d * d) / (2 * d)) / norm.sf((q - d * d) / (2 * d))
    return norm.sf(root) / norm.sf(root - d)


def shapesys_deviance(mu: float, s: float, b: float, tau: float, n: float, aux: float) -> float:
    """2 × the NLL above the saturated one, γ profiled in closed form with 60 digits.

    Of Pois(n | μ s + γ b) Pois(aux | γ τ); dNLL/dγ = 0 is a quadratic equation.
    """
    getcontext().prec = 60
    m, b_, t, n_, a = Decimal(mu) * Decimal(s), Decimal(b), Decimal(tau), Decimal(n), Decimal(aux)
    linear = (b_ + t) * m - b_ * n_ - b_ * a
    root = (linear * linear + 4 * (b_ + t) * b_ * a * m).sqrt()
    gamma = (root - linear) / (2 * (b_ + t) * b_)
    rate = m + gamma * b_

    def term(count: Decimal, mean: Decimal) -> Decimal:
        return mean - count + (count * (count / mean).ln() if count else Decimal(0))

    return float(2 * (term(n_, rate) + term(a, gamma * t)))


@pytest.mark.parametrize(
    ("s", "b", "width", "n"),
    [(20.0, 435.0, 0.001, 440.0), (60.0, 435.0, 0.001, 420.0), (5.0, 50.0, 1e-5, 52.0)],
)
def test_a_huge_poisson_constraint_costs_no_accuracy(
    s: float, b: float, width: float, n: float
) -> None:
    # as 0.001 on 435 in a published search (τ = 1.9e11)
    tau = b * b / (width * width)
    result = histfit.hypotest(counting(s, b, n, shapesys("g", [width])))
    free = 0.0 if n >= b else shapesys_deviance(0.0, s, b, tau, n, tau)
    q = shapesys_deviance(1.0, s, b, tau, n, tau) - free
    q_asimov = shapesys_deviance(1.0, s, b, tau, b, tau)
    # without data's pull on γ the Asimov data are the nominal ones to 1e-11
    assert result.q_obs == pytest.approx(q, rel=1e-7)
    assert result.q_asimov == pytest.approx(q_asimov, rel=1e-6)
    assert result.CLs_obs == pytest.approx(cls(q, q_asimov), abs=1e-6)


def test_pyhf_at_default_tolerance_fails_under_a_huge_constraint() -> None:
    spec = counting(20.0, 435.0, 440.0, shapesys("g", [0.001]), normsys("a", 0.9, 1.1))
    model = histfit.compile_model(spec)
    other = counterpart(spec, model)
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())
    result = histfit.hypotest(model)
    try:
        theirs = float(pyhf.infer.hypotest(1.0, other.data, other.model))
    except pyhf.exceptions.FailedMinimization:
        theirs = math.nan
    # γ cannot move: normsys alone, profiled numerically
    alone = histfit.hypotest(counting(20.0, 435.0, 440.0, normsys("a", 0.9, 1.1)))
    assert result.CLs_obs == pytest.approx(alone.CLs_obs, abs=1e-6)
    assert not abs(theirs - result.CLs_obs) < 1e-6


@pytest.mark.parametrize("size", [1e7, 1e8, 1e9])
def test_bins_with_very_many_events(size: float) -> None:
    # Gaussian limit, by scaling: s, δb and √b all ∝ √size
    root = math.sqrt(size)
    spec = counting(2 * root, size, size + root, normsys("a", 1 - 1 / root, 1 + 1 / root))
    result = histfit.hypotest(spec)
    # σ² = b + (δb)² = 2 b: μ̂ = 1/2, q = (1/2 · 2)²/2, q_A = 2²/2
    assert result.muhat == pytest.approx(0.5, abs=3 / root)
    assert result.q_obs == pytest.approx(0.5, abs=10 / root)
    assert result.CLs_obs == pytest.approx(cls(0.5, 2.0), abs=10 / root)
    assert max(fit.edm for fit in result.fits.values()) < 1e-9


def test_one_event_over_no_background() -> None:
    # CCGV with b = 0: q = 2(s − 1 − ln s) below μ̂ = 1/s; q_A = 2 s
    for s in (2.0, 5.0):
        result = histfit.hypotest(counting(s, 0.0, 1.0))
        q = 2 * (s - 1 - math.log(s))
        assert result.muhat == pytest.approx(1 / s, rel=1e-6)
        assert result.q_obs == pytest.approx(q, rel=1e-8)
        assert result.q_asimov == pytest.approx(2 * s, rel=1e-8)
        assert result.CLs_obs == pytest.approx(cls(q, 2 * s), rel=1e-7)


def test_no_event_over_no_background() -> None:
    # q = 2 s − 0 = q_A
    result = histfit.hypotest(counting(3.0, 0.0, 0.0))
    assert result.q_obs == pytest.approx(6.0, rel=1e-9)
    assert result.CLs_obs == pytest.approx(cls(6.0, 6.0), rel=1e-8)


def test_no_signal_excludes_nothing() -> None:
    with pytest.warns(UserWarning, match="there is no signal to test"):
        result = histfit.hypotest(counting(0.0, 50.0, 40.0, normsys("a", 0.9, 1.1)))
    assert (result.CLs_obs, *result.CLs_exp) == pytest.approx((1.0,) * 6, abs=1e-9)


def test_a_tiny_signal_strength() -> None:
    result = histfit.hypotest(counting(20.0, 50.0, 45.0), mu=0.001)
    deviance = 2 * (50.02 - 50 + 45 * math.log(50 / 50.02))
    q_asimov = 2 * (50.02 - 50 + 50 * math.log(50 / 50.02))
    assert result.q_obs == pytest.approx(deviance, rel=1e-7)
    assert result.q_asimov == pytest.approx(q_asimov, rel=1e-6)
    assert result.CLs_obs == pytest.approx(cls(deviance, q_asimov), abs=1e-7)


def test_a_signal_strength_beyond_the_poi_bound() -> None:
    result = histfit.hypotest(counting(2.0, 50.0, 55.0), mu=12.0)
    deviance = 2 * (74 - 55 + 55 * math.log(55 / 74))
    assert result.q_obs == pytest.approx(deviance, rel=1e-9)
    assert result.fits["conditional"]["mu"] == 12.0
    assert result.muhat == pytest.approx(2.5, abs=1e-8)


def test_the_poi_at_its_upper_bound() -> None:
    # μ̂ = 25 is beyond the bound of 10: the free fit ends there, and q is 0
    result = histfit.hypotest(counting(2.0, 50.0, 100.0), mu=1.0)
    assert result.muhat == 10.0
    assert result.fits["free"].at_bound == ("mu",)
    assert result.q_obs == 0.0
    # μ̂ = 11, tested at 40: twice the NLL above that at μ = 10
    above = histfit.hypotest(counting(2.0, 50.0, 72.0), mu=40.0)
    excess = 2 * (130 - 70 + 72 * math.log(70 / 130))
    assert above.q_obs == pytest.approx(excess, rel=1e-9)


def test_rates_that_start_negative() -> None:
    # the template makes the rate −15 at the start; a scan of the exact profile says where it ends
    spec = workspace(
        {"SR": [sample("b", [30.0], histosys("a", [-20.0], [80.0])), sample("s", [5.0], MU)]},
        {"SR": [25.0]},
        parameters=[{"name": "a", "inits": [-0.9]}],
    )
    model = histfit.compile_model(spec)
    assert model.start[0, 0] == -0.9

    def twice_nll(alpha: float) -> float:
        rate = 30.0 + 50.0 * alpha + 5.0
        return 2 * (rate - 25 * math.log(rate)) + alpha**2 if rate > 0 else math.inf

    best = minimize_scalar(
        twice_nll, bounds=(-0.6, 1.0), method="bounded", options={"xatol": 1e-12}
    )
    fit = histfit.hypotest(model).fits["conditional"]
    assert fit["a"] == pytest.approx(best.x, abs=1e-6)


MU = normfactor("mu")


def test_a_flat_valley_converges_and_the_flat_direction_is_harmless() -> None:
    # three free factors over one bin, of which only the sum is known
    spec = workspace(
        {
            "CR": [sample(f"b{i}", [20.0], normfactor(f"k{i}")) for i in range(3)],
            "SR": [
                *(sample(f"b{i}", [5.0], normfactor(f"k{i}")) for i in range(3)),
                sample("s", [6.0], normfactor("mu")),
            ],
        },
        {"CR": [66.0], "SR": [15.0]},
    )
    # the same with one factor
    simple = workspace(
        {
            "CR": [sample("b", [60.0], normfactor("k"))],
            "SR": [sample("b", [15.0], normfactor("k")), sample("s", [6.0], normfactor("mu"))],
        },
        {"CR": [66.0], "SR": [15.0]},
    )
    valley, point = histfit.hypotest(spec), histfit.hypotest(simple)
    assert valley.CLs_obs == pytest.approx(point.CLs_obs, abs=1e-7)
    assert valley.CLs_exp == pytest.approx(point.CLs_exp, abs=1e-7)


@pytest.mark.parametrize("mu", [0.1, 0.5, 1.0, 2.0])
def test_factors_pinned_to_bounds_along_a_flat_direction(mu: float) -> None:
    # every bin has a factor of its own, and μ and k scale both: any μ fits exactly
    spec = workspace(
        {"SR": [sample("b", [600.0, 400.0], shapefactor("f"), normfactor("k"), normfactor("mu"))]},
        {"SR": [500.0, 400.0]},
    )
    result = histfit.hypotest(spec, mu)
    assert result.q_obs == pytest.approx(0.0, abs=1e-8)
    assert result.CLs_obs == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("n", [1e8, 1e9, 1e10])
def test_a_narrow_bent_valley_is_followed_to_its_end(n: float) -> None:
    # CR fixes k (1 + 0.3 α) = 1 to 1/√n, so that SR expects 100/(1 + 0.3 α) + 10 μ
    spec = workspace(
        {
            "CR": [sample("b", [n], histosys("a", [0.7 * n], [1.3 * n]), normfactor("k"))],
            "SR": [sample("b", [100.0], normfactor("k")), sample("s", [10.0], normfactor("mu"))],
        },
        {"CR": [n], "SR": [125.0]},
    )

    def deviance(events: float, mu: float, centre: float) -> tuple[float, float]:
        """2 ΔNLL at the best α, and that α; `centre` is what α was measured to be."""

        def at(alpha: float) -> float:
            rate = 100.0 / (1.0 + 0.3 * alpha) + 10.0 * mu
            excess = rate - events + events * math.log(events / rate)
            return (alpha - centre) ** 2 + 2.0 * excess

        found = minimize_scalar(at, bounds=(-2.0, 2.0), method="bounded", options={"xatol": 1e-10})
        return float(found.fun), float(found.x)

    truth = deviance(125.0, 0.0, 0.0)[1]
    q = deviance(125.0, 4.0, 0.0)[0]
    q_asimov = deviance(100.0 / (1.0 + 0.3 * truth), 4.0, truth)[0]
    result = histfit.hypotest(spec, 4.0)
    assert result.muhat == pytest.approx(2.5, abs=1e-4)
    assert (result.q_obs, result.q_asimov) == pytest.approx((q, q_asimov), abs=2e-7)
    assert result.CLs_obs == pytest.approx(cls(q, q_asimov), abs=1e-6)


def test_a_bimodal_nuisance_parameter_ends_in_the_deeper_minimum() -> None:
    # both variations raise the yield: minima at either sign of α, the deeper found by a scan
    for observed in (62.0, 70.0, 90.0):
        for lo, hi in ((60.0, 58.0), (58.0, 60.0), (60.0, 60.0)):
            spec = counting(5.0, 50.0, observed, histosys("a", [lo], [hi]))
            model = histfit.compile_model(spec)
            fit = histfit.hypotest(model).fits["conditional"]
            alphas = np.linspace(-5.0, 5.0, 200001)
            symmetric, asymmetric = 0.5 * (hi - lo), (hi + lo - 100.0) / 16.0
            square = alphas**2
            inner = square * (15.0 + square * (3.0 * square - 10.0))
            v = np.where(square < 1.0, inner, 8.0 * np.abs(alphas))
            rate = 55.0 + symmetric * alphas + asymmetric * v
            scan = 2 * (rate - observed * np.log(rate)) + square
            ours = rate_at(fit["a"], symmetric, asymmetric)
            found = 2 * (ours - observed * math.log(ours)) + fit["a"] ** 2
            assert found <= scan.min() + 1e-9


def rate_at(alpha: float, symmetric: float, asymmetric: float) -> float:
    v = alpha**2 * (15 + alpha**2 * (3 * alpha**2 - 10)) if abs(alpha) < 1 else 8 * abs(alpha)
    return 55.0 + symmetric * alpha + asymmetric * v


def test_a_free_fit_above_the_conditional_one_starts_again_from_there() -> None:
    # SR has minima at either sign of α, the deeper below 0; the free fit starts above
    spec = workspace(
        {
            "SR": [sample("b", [50.0], histosys("a", [60.0], [57.0]))],
            "SB": [sample("b", [50.0]), sample("s", [5.0], normfactor("mu"))],
        },
        {"SR": [80.0], "SB": [60.0]},
    )
    model = histfit.compile_model(spec)
    twice = Data(*(np.repeat(part, 2, axis=0) for part in observed_data(model)))
    both = problem(model, twice, np.array([True, False]))
    assert model.parameters.labels == ("a", "mu")
    starts = np.array([[-3.0, 1.5], [3.0, 2.0]])
    alone = solve(both, [starts], thorough=False)
    assert alone.value[1] > alone.value[0]
    assert alone.x[1, 0] > 0.0
    kin = solve(both, [starts], np.array([0, 0]), thorough=False)
    assert kin.value[1] < kin.value[0] == alone.value[0]
    assert kin.x[1] == pytest.approx([kin.x[0, 0], 2.0], abs=1e-6)
    assert kin.starts.tolist() == [2, 2]  # the conditional fit tries where the free one ended


@pytest.mark.parametrize(
    "modifier", [histosys("a", [49.0], [40.0]), normsys("a", 0.98, 0.8)], ids=["code0", "code1"]
)
def test_a_minimum_at_a_kink(modifier: Spec) -> None:
    # both variations lower the yield, and an excess was seen: α = 0 exactly
    model = histfit.compile_model(counting(5.0, 50.0, 70.0, modifier), None, KINKED)
    result = histfit.hypotest(model)
    assert result.fits["conditional"]["a"] == 0.0
    assert result.fits["background"]["a"] == 0.0
    assert result.q_obs == 0.0  # μ̂ = 4


def test_kinked_models_equal_pyhf() -> None:
    spec = workspace(
        {
            "SR": [
                sample("b", [50.0, 30.0], histosys("a", [48.0, 33.0], [55.0, 29.0])),
                sample("c", [20.0, 10.0], normsys("n", 0.9, 1.25)),
                sample("s", [6.0, 9.0], normfactor("mu")),
            ]
        },
        {"SR": [75.0, 44.0]},
    )
    model = histfit.compile_model(spec, None, KINKED)
    other = counterpart(spec, model, settings=KINKED)
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-13))
    theirs = float(pyhf.infer.hypotest(1.0, other.data, other.model))
    assert histfit.hypotest(model).CLs_obs == pytest.approx(theirs, abs=1e-6)


def test_a_rate_that_ends_at_zero_in_an_empty_bin() -> None:
    # n = 0 wants λ = 40 + 50 α → 0; α = −0.8 is where it gets there, no further: NLL = α²/2
    spec = workspace(
        {
            "A": [sample("b", [40.0], histosys("a", [-10.0], [90.0]))],
            "B": [sample("b", [10.0]), sample("s", [5.0], normfactor("mu"))],
        },
        {"A": [0.0], "B": [12.0]},
    )
    result = histfit.hypotest(spec)
    fit = result.fits["background"]
    assert fit.converged
    assert fit["a"] == pytest.approx(-0.8, abs=1e-8)
    assert result.q_obs == pytest.approx(2 * (15 - 12 + 12 * math.log(12 / 15)), rel=1e-6)


def test_one_row_that_cannot_converge_leaves_the_others_alone() -> None:
    # no factor k below 10 makes 10 k − 20 anything like 1e12
    spec = workspace(
        {
            "A": [sample("b", [10.0], normfactor("k")), sample("c", [-20.0])],
            "B": [sample("b", [50.0]), sample("s", [5.0], normfactor("mu"))],
        },
        {"A": [5.0], "B": [55.0]},
    )
    model = histfit.compile_model(spec)
    data = observed_data(model)
    lonely = solve(problem(model, data), [model.start])
    rows = type(data)(np.array([[5.0, 55.0], [1e12, 55.0]]), np.repeat(data.aux, 2, axis=0))
    both = solve(problem(model, rows), [np.repeat(model.start, 2, axis=0)])
    assert lonely.minimum.converged[0]
    assert np.array_equal(both.x[0], lonely.x[0])


def test_events_where_none_can_be_expected_are_an_error_by_name() -> None:
    spec = workspace(
        {"SR": [sample("b", [5.0, -10.0]), sample("s", [2.0, 0.0], normfactor("mu"))]},
        {"SR": [6.0, 5.0]},
    )
    with pytest.raises(histfit.FitError, match=r"channel 'SR', bin 1.*5 events"):
        histfit.hypotest(spec)


def test_a_background_that_forbids_the_data_is_excluded_with_certainty() -> None:
    found = histfit.hypotest(counting(5.0, 0.0, 3.0), test_stat="q0")
    assert (found.q_obs, found.CLsb_obs, found.CLsb_exp) == (math.inf, 0.0, (0.0,) * 5)
    nothing = histfit.hypotest(counting(5.0, 0.0, 0.0), test_stat="q0")
    assert (nothing.q_obs, nothing.CLsb_obs) == (0.0, 0.5)


def test_a_slightly_negative_background_is_like_none() -> None:
    for n in (0.0, 3.0):
        negative = histfit.hypotest(counting(5.0, -1e-9, n, normsys("a", 0.9, 1.1)))
        none = histfit.hypotest(counting(5.0, 0.0, n, normsys("a", 0.9, 1.1)))
        assert negative.CLs_obs == pytest.approx(none.CLs_obs, abs=1e-6)
        assert negative.CLs_exp == pytest.approx(none.CLs_exp, abs=1e-6)


def test_starts_outside_the_bounds_are_moved_inside() -> None:
    spec = counting(5.0, 50.0, 55.0, normfactor("k"))
    spec["measurements"][0]["config"]["parameters"] = [
        {"name": "k", "inits": [30.0], "bounds": [[0.5, 2.0]]},
        {"name": "mu", "inits": [-4.0]},
    ]
    model = histfit.compile_model(spec)
    fit = histfit.hypotest(model, mu=0.5).fits["conditional"]
    assert fit["k"] == pytest.approx(52.5 / 50.0, rel=1e-8)


def test_asimov_data_of_a_certain_model_are_its_rates() -> None:
    model = histfit.compile_model(counting(5.0, 50.0, 55.0, shapesys("g", [5.0])))
    x = np.array([[1.2, 1.0]])
    data = expected_data(model, x)
    assert data.counts.tolist() == [[1.2 * 50.0 + 5.0]]
    assert data.aux[0, 0] == pytest.approx(1.2 * 100.0)


def separable(observed: Array) -> Spec:
    """Bins without correlation, whose fits are known: γ = 1 and k = n/b."""
    names = [f"k{i}" for i in range(len(observed))]
    return workspace(
        {f"region{i}": [sample("b", [10.0], normfactor(name))] for i, name in enumerate(names)}
        | {"zz": [sample("b", [30.0]), sample("s", [10.0], normfactor("mu"))]},
        {f"region{i}": [float(n)] for i, n in enumerate(observed)} | {"zz": [33.0]},
    )


def test_as_many_free_factors_as_bins_are_fitted_exactly() -> None:
    observed = np.array([0.0, 1.0, 3.0, 40.0, 99.0, 7.0])
    result = histfit.hypotest(separable(observed))
    fit = result.fits["free"]
    for i, n in enumerate(observed):
        assert fit[f"k{i}"] == pytest.approx(n / 10.0, abs=1e-7)
    assert fit["mu"] == pytest.approx(0.3, abs=1e-8)


@pytest.mark.parametrize("test_stat", ["qtilde", "q"])
def test_random_models_of_the_size_of_searches_all_converge(test_stat: str) -> None:
    bounds = None if test_stat == "qtilde" else (-5.0, 10.0)
    for seed in range(150):
        spec = random_workspace(seed, kinds="smooth", scale=(2.0, 20.0, 200.0)[seed % 3])
        histfit.hypotest(spec, test_stat=test_stat, poi_bounds=bounds)


@pytest.mark.long
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("codes", [None, KINKED], ids=["default", "kinked"])
def test_models_that_no_search_has_converge_or_say_that_they_did_not(codes: dict | None) -> None:
    # effects of 100 %, negative and empty bins, two events a bin: the hardest that is drawn
    failed = 0
    for seed in range(300):
        spec = random_workspace(seed, scale=(2.0, 20.0, 200.0)[seed % 3])
        try:
            result = histfit.hypotest(histfit.compile_model(spec, None, codes))
        except histfit.FitError:
            failed += 1
            continue
        assert 0.0 <= result.CLs_obs <= 1.0
    assert failed <= 1
