"""Parameters that a fit must not move, and bins whose rate ends at the wall at 0."""

from __future__ import annotations

import histfit
import numpy as np
import pytest
from histfit.fit import NO_EVENTS, expected_data, observed_data
from histfit.likelihood import Data, expected_bins, log_likelihood
from models import (
    Spec,
    histosys,
    normfactor,
    normsys,
    random_workspace,
    sample,
    shapesys,
    workspace,
)
from scipy.optimize import minimize_scalar


def one_sided_under_a_fixed_parameter(seed: int) -> Spec:
    """Both templates of `f` raise a rate, and the measurement fixes it at 0.7."""
    rng = np.random.default_rng(seed)
    up = rng.uniform(0.05, 0.4, 4)
    one_sided = normsys("f", 1.0 + up[0], 1.0 + up[1])
    free = histosys("a", [50.0 * (1.0 + up[2])], [50.0 * (1.0 + up[3])])
    two_sided = sample("b", [50.0], normsys("f", 0.9, 1.1))
    return workspace(
        {
            "A": [sample("b", [50.0], one_sided, free)],
            "B": [two_sided, sample("s", [5.0], normfactor("mu"))],
        },
        {"A": [float(rng.poisson(80))], "B": [float(rng.poisson(55))]},
        parameters=[{"name": "f", "fixed": True, "inits": [0.7]}],
    )


def test_a_fixed_parameter_is_not_turned_to_where_the_likelihood_would_be_higher() -> None:
    """The search for a second minimum turns one-sided parameters, but not this one. CLs of the
    first model is that of pyhf 0.7.6 with a tolerance of 1e-13."""
    results = [histfit.hypotest(one_sided_under_a_fixed_parameter(seed)) for seed in range(10)]
    for result in results:
        assert {fit["f"] for fit in result.fits.values()} == {0.7}
    assert results[0].CLs_obs == pytest.approx(0.5893041, abs=1e-6)


@pytest.mark.parametrize("mu", [1.0, 60.0])
def test_held_parameters_keep_their_values_to_the_last_bit(mu: float) -> None:
    tested = 0
    for seed in range(100, 120):
        model = histfit.compile_model(random_workspace(seed))
        try:
            fits = histfit.hypotest(model, mu).fits
        except histfit.FitError:
            continue
        fixed, init = model.parameters.fixed, model.parameters.init
        for name, poi in (("background", 0.0), ("conditional", mu), ("asimov", mu)):
            assert fits[name].values[model.poi] == poi, (seed, name)
            assert np.array_equal(fits[name].values[fixed], init[fixed]), (seed, name)
        tested += 1
    assert tested > 15


def can_vanish(seed: int) -> Spec:
    """No events where two systematics can bring the expected rate to 0."""
    rng = np.random.default_rng(seed)
    b, other = rng.uniform(2.0, 30.0), rng.uniform(5.0, 60.0)
    d = rng.uniform(0.2, 1.5, 4)
    systematics = [
        histosys("a", [b * (1.0 - d[0])], [b * (1.0 + d[1])]),
        histosys("e", [b * (1.0 - d[2])], [b * (1.0 + d[3])]),
    ]
    signals = [sample("s", [s], normfactor("mu")) for s in (rng.uniform(0.1, 4.0), 5.0)]
    a = [sample("b", [b], *systematics), signals[0]]
    correlated = histosys("a", [0.9 * other], [1.05 * other])
    return workspace(
        {"A": a, "B": [sample("b", [other], correlated), signals[1]]},
        {"A": [0.0], "B": [float(rng.poisson(other))]},
        "mu",
    )


def test_the_rounding_of_a_rate_of_zero_is_no_event_of_asimov_data() -> None:
    """It would be one that the tested hypothesis cannot expect, and all expected CLs were 0."""
    at_zero = 0
    for seed in range(40):
        model = histfit.compile_model(can_vanish(seed))
        result = histfit.hypotest(model)
        rates = expected_bins(model, result.fits["background"].values[None])
        counts = expected_data(model, result.fits["background"].values[None]).counts
        at_zero += int(rates.min() < NO_EVENTS)
        assert ((counts == 0.0) | (counts > NO_EVENTS)).all()
        assert all(
            np.isfinite([result.q_obs, result.q_asimov, *(f.nll for f in result.fits.values())])
        )
    assert at_zero > 30


@pytest.mark.parametrize("background", [-0.3, -0.03, -0.01, -0.003, -0.0003])
def test_a_wall_that_hardly_yields_is_reached(background: float) -> None:
    """The smaller the rate that a systematic can move, the softer its bin's wall is to it. With no
    event there, the likelihood rewards lower rates than the nominal one, where the wall stands."""
    signal = [sample("s", [s], normfactor("mu")) for s in (2.0, 5.0)]
    a = sample("fakes", [background], normsys("x", 0.7, 1.4))
    b = sample("b", [50.0], normsys("y", 0.9, 1.1))
    spec = workspace({"A": [a, signal[0]], "B": [b, signal[1]]}, {"A": [0.0], "B": [50.0]}, "mu")
    fits = histfit.hypotest(spec).fits
    rates = expected_bins(histfit.compile_model(spec), fits["background"].values[None])[0]
    assert rates[0] == pytest.approx(background, abs=1e-7)


def with_an_empty_bin(background: float, signal: float) -> Spec:
    """A bin that holds no event, and less and less room for it as the signal grows."""
    samples = [sample("b", [50.0, background]), sample("s", [10.0, signal], normfactor("mu"))]
    return workspace({"SR": samples}, {"SR": [55.0, 0.0]})


@pytest.mark.parametrize(("background", "signal"), [(0.02, -0.02), (0.5, -0.3)])
def test_a_signal_that_makes_the_rate_of_an_empty_bin_negative_is_excluded(
    background: float, signal: float
) -> None:
    spec, last = with_an_empty_bin(background, signal), -background / signal
    assert histfit.hypotest(spec, 0.999 * last).CLs_obs > 0.0
    result = histfit.hypotest(spec, 1.001 * last)
    assert (result.q_obs, result.CLs_obs) == (np.inf, 0.0)
    assert result.fits["conditional"].nll == np.inf
    limit = histfit.upper_limit(spec)
    assert limit.observed is not None and limit.observed <= last * 1.0001
    assert all(mu is not None and mu <= last * 1.0001 for mu in limit.expected)


def test_a_model_whose_rates_are_negative_wherever_it_may_go_is_told() -> None:
    spec = with_an_empty_bin(0.5, -0.3)
    with pytest.raises(histfit.FitError, match=r"bin 1: found .* but expect -0\.1 events"):
        histfit.hypotest(spec, 3.0, poi_bounds=(2.0, 5.0))
    with pytest.raises(histfit.InvalidWorkspace, match=r"bin 1: found that -0\.4 events"):
        histfit.throw_toys(spec, 3.0, toys=10)


@pytest.mark.parametrize(
    ("lo", "hi", "a"), [(1.0, 1.0, 0.235), (0.1, -1.0, -1.0)], ids=["either way", "one way"]
)
def test_a_signal_that_a_systematic_saves_an_empty_bin_from_is_not_excluded(
    lo: float, hi: float, a: float
) -> None:
    """The rate of the second bin is −0.1 at α = 0, from where both ways it is, or seems to be, no
    better; at −1 of the second case it is 0. Values are of a grid."""
    background = sample("b", [3.0, 0.0], histosys("a", [3.0, lo], [3.0, hi]))
    signal = sample("s", [2.0, -0.2], normfactor("mu"))
    model = histfit.compile_model(workspace({"SR": [background, signal]}, {"SR": [3.0, 0.0]}))
    fit = histfit.hypotest(model, 0.5).fits["conditional"]
    scan = np.linspace(-5.0, 5.0, 100_001)
    x = np.stack([scan, np.full_like(scan, 0.5)], axis=1)
    x = x[expected_bins(model, x)[:, 1] >= -1e-12]
    data = Data(*(np.repeat(part, len(x), axis=0) for part in observed_data(model)))
    nll = -log_likelihood(model, x, data)
    assert abs(fit["a"]) == pytest.approx(abs(a), abs=1e-3)
    assert abs(x[nll.argmin(), 0]) == pytest.approx(abs(a), abs=1e-3)
    assert fit.nll == pytest.approx(float(nll.min()), abs=2e-4)
    assert expected_bins(model, fit.values[None])[0, 1] > -1e-8


def test_an_impact_where_the_data_are_impossible_is_no_number() -> None:
    """At h = 1 the bin of D expects −1 events, and has 5."""
    background = sample("b", [5.0], histosys("h", [11.0], [-1.0]))
    signal = sample("s", [2.0, 5.0], normfactor("mu"))
    spec = workspace(
        {"C": [signal, sample("b", [10.0, 0.1])], "D": [background]},
        {"C": [12.0, 4.0], "D": [5.0]},
    )
    (impact,) = histfit.impacts(spec).impacts
    assert impact.prior_up is not None
    assert (impact.prior_up.held_at, impact.prior_up.shift) == (1.0, None)
    assert impact.prior_up.status == "not converged"
    assert impact.down.status == "converged"


@pytest.mark.parametrize("bounds", [[0.0, 5.0], [-5.0, 0.0]])
def test_a_fit_does_not_stay_on_a_maximum_at_a_bound_that_has_no_slope(bounds: list[float]) -> None:
    """Both templates of `a` raise the rate alike, so that it makes no difference on which side of 0
    it may be. At its start 0 is a minimum along `a`, and a maximum once `k` has moved."""

    def spec(parameters: list[Spec]) -> Spec:
        k = normsys("k", 0.6, 1.4)
        a = [sample("b", [100.0], k, histosys("a", [114.0], [114.0]))]
        return workspace(
            {"A": [*a, sample("s", [10.0], normfactor("mu"))], "B": [sample("b", [1000.0], k)]},
            {"A": [100.0], "B": [500.0]},
            parameters=parameters,
        )

    free = histfit.hypotest(spec([]))
    confined = histfit.hypotest(spec([{"name": "a", "bounds": [bounds]}]))
    for name, fit in confined.fits.items():
        assert fit.nll == pytest.approx(free.fits[name].nll, abs=1e-8)
    assert confined.CLs_obs == pytest.approx(free.CLs_obs, abs=1e-6)
    assert confined.CLs_exp == pytest.approx(free.CLs_exp, abs=1e-6)


def one_event(background: float) -> Spec:
    """One event where `background` is expected without signal, and 100 in another bin."""
    n = normsys("n", 0.8, 1.2)
    a = [sample("s", [3.0], normfactor("mu")), sample("b", [background], n)]
    b = [sample("s", [10.0], normfactor("mu")), sample("b", [100.0], n)]
    return workspace({"A": a, "B": b}, {"A": [1.0], "B": [100.0]})


def test_what_is_expected_without_signal_is_fitted_to_the_data_that_it_allows() -> None:
    """Without background the event is impossible at μ = 0, and what is expected at the least is so
    in the limit of a tiny background."""
    some = histfit.hypotest(one_event(1e-6))
    for background in (0.0, -1e-6):
        result = histfit.hypotest(one_event(background))
        assert result.fits["background"].nll == np.inf
        assert result.fits["background"]["n"] == pytest.approx(0.0, abs=1e-6)
        assert result.CLs_exp == pytest.approx(some.CLs_exp, abs=1e-4)
        assert result.CLs_obs == pytest.approx(some.CLs_obs, abs=1e-4)


def test_nothing_is_expected_of_a_background_whose_rate_cannot_but_be_negative() -> None:
    background = sample("b", [0.5], histosys("h", [0.1], [0.9]), normsys("n", 0.8, 1.2))
    spec = workspace(
        {
            "A": [background, sample("s", [3.0], normfactor("mu"))],
            "B": [sample("b", [100.0], normsys("n", 0.8, 1.2))],
        },
        {"A": [0.0], "B": [100.0]},
        parameters=[{"name": "h", "fixed": True, "inits": [-1.3]}],
    )
    with pytest.raises(histfit.FitError, match="channel 'A', bin 0: found that the model cannot"):
        histfit.hypotest(spec)
    with pytest.raises(histfit.FitError, match="channel 'A', bin 0: found that the model cannot"):
        histfit.upper_limit(spec, beyond_bounds=True)


def test_a_parameter_that_its_constraint_forbids_is_named() -> None:
    samples = [sample("b", [20.0], shapesys("w", [4.0])), sample("c", [5.0])]
    spec = workspace(
        {"A": [*samples, sample("s", [9.0], normfactor("mu"))]},
        {"A": [24.0]},
        parameters=[{"name": "w", "fixed": True, "inits": [0.0]}],
    )
    with pytest.raises(histfit.FitError, match=r"parameter 'w\[0\]': found 0, at which its const"):
        histfit.hypotest(spec)


def test_events_without_background_beside_a_bin_at_its_wall() -> None:
    """An observed event forbids mu = 0, and the last bin, where none were observed, ends at its
    wall: with its rate at 0, α = −1 − μ/5. The rest is a function of μ alone."""
    spec = workspace(
        {
            "c": [
                sample("b", [50.0, 0.0, 5.0], histosys("a", [50.0, 0.0, 0.0], [50.0, 0.0, 10.0])),
                sample("s", [5.0, 3.0, 1.0], normfactor("mu")),
            ]
        },
        {"c": [50.0, 2.0, 0.0]},
    )

    def nll(mu: float) -> float:
        rates = np.array([50.0 + 5.0 * mu, 3.0 * mu])
        main = (rates - np.array([50.0, 2.0]) * np.log(rates)).sum()
        return float(main + 0.5 * (1.0 + mu / 5.0) ** 2)

    best = minimize_scalar(nll, bounds=(0.01, 5.0), method="bounded", options={"xatol": 1e-9})
    result = histfit.hypotest(spec)
    assert result.muhat == pytest.approx(best.x, abs=1e-6)
    assert result.q_obs == pytest.approx(2.0 * (nll(1.0) - best.fun), abs=1e-8)
    assert result.CLs_obs == pytest.approx(0.18894541, abs=1e-7)
    discovery = histfit.hypotest(spec, test_stat="q0")
    assert (discovery.q_obs, discovery.CLsb_obs) == (np.inf, 0.0)
