"""What a fit calls its minimum is one: of the likelihood itself, on both sides of a kink, no saddle
point. Every minimum is compared with a scan of `log_likelihood`, which no fit takes part in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import histfit
import numpy as np
import pytest
from histfit.fit import observed_data, problem
from histfit.likelihood import Data, log_likelihood
from histfit.minimize import minimize
from models import (
    KINKED,
    Spec,
    counterpart,
    counting,
    histosys,
    normfactor,
    normsys,
    random_workspace,
    sample,
    shapesys,
    workspace,
)
from scipy.stats import norm, poisson


def symmetric() -> Spec:
    """A systematic whose templates both lie above the nominal one: α = 0 is a saddle point."""
    return workspace(
        {
            "C1": [sample("x", [20.0], histosys("a", [24.0], [24.0]))],
            "C2": [sample("y", [90.0], normfactor("k"))],
            "SR": [sample("b", [50.0]), sample("s", [10.0], normfactor("mu"))],
        },
        {"C1": [40.0], "C2": [100.0], "SR": [55.0]},
    )


def nll_of(model: histfit.Model, values: Any) -> float:
    return -float(log_likelihood(model, values[None], observed_data(model))[0])


def lowest(
    model: histfit.Model, fit: histfit.Fit, label: str, bounds: Sequence[float] = (-3.0, 3.0)
) -> tuple[float, float]:
    """Where the NLL is least along a parameter within `bounds`, and that NLL; all others as the
    `fit` left them."""
    scan = np.linspace(*bounds, 6001)
    x = np.repeat(fit.values[None], len(scan), axis=0)
    x[:, fit.labels.index(label)] = scan
    data = observed_data(model)
    data = Data(*(np.repeat(part, len(scan), axis=0) for part in data))
    nll = -log_likelihood(model, x, data)
    return float(scan[nll.argmin()]), float(nll.min())


@pytest.mark.parametrize("name", ["background", "conditional", "free"])
def test_a_saddle_point_is_no_minimum_while_another_parameter_settles(name: str) -> None:
    model = histfit.compile_model(symmetric())
    fit = histfit.hypotest(model).fits[name]
    place, nll = lowest(model, fit, "a")
    assert abs(fit["a"]) == pytest.approx(abs(place), abs=1e-3) == pytest.approx(1.844, abs=1e-3)
    assert nll - 1e-6 < fit.nll <= nll


def test_an_estimate_holds_the_values_that_its_certificate_is_for() -> None:
    model = histfit.compile_model(symmetric())
    found = histfit.estimate(model, 0.0)
    assert found.fit.nll == pytest.approx(nll_of(model, found.fit.values), abs=1e-9)
    assert found["a"].status == "free"


@pytest.mark.parametrize(
    ("lo", "hi", "observed"),
    [(1.3, 1.0, 70.0), (0.8, 1.00005, 51.0), (1.0, 1.3, 30.0), (1.00005, 0.8, 51.0)],
    ids=["flat above", "nearly flat above", "flat below", "nearly flat below"],
)
@pytest.mark.parametrize("name", ["background", "conditional", "free"])
def test_both_sides_of_a_kink_are_looked_at(
    lo: float, hi: float, observed: float, name: str
) -> None:
    spec = counting(5.0, 50.0, observed, normsys("a", lo, hi))
    model = histfit.compile_model(spec, None, KINKED)
    fit = histfit.hypotest(model).fits[name]
    place, nll = lowest(model, fit, "a")
    assert fit["a"] == pytest.approx(place, abs=1e-3)
    assert fit.nll < nll + 1e-8


def test_a_kink_is_looked_at_again_when_other_parameters_have_moved() -> None:
    a = histosys("a", [100.0, 60.0], [130.0, 50.0])
    signal = sample("s", [5.0], normfactor("mu"))
    channels = {
        "A": [sample("b", [100.0, 50.0], a, normfactor("k"))],
        "S": [sample("b", [10.0]), signal],
    }
    spec = workspace(channels, {"A": [80.0, 20.0], "S": [10.0]})
    fit = histfit.hypotest(histfit.compile_model(spec, None, KINKED)).fits["background"]
    assert (fit["a"], fit["k"]) == pytest.approx((1.3425, 0.5256), abs=1e-3)  # a scan over both
    assert fit.nll == pytest.approx(10.5086, abs=1e-4)


def test_where_both_sides_of_a_kink_slope_down_the_steeper_one_is_taken() -> None:
    spec = counting(5.0, 50.0, 60.0, normsys("a", 1.3, 1.01))
    fit = histfit.hypotest(histfit.compile_model(spec, None, KINKED)).fits["background"]
    assert fit["a"] == pytest.approx(-0.5575, abs=1e-3)  # a scan
    assert fit.nll == pytest.approx(4.0804, abs=1e-4)


def test_a_maximum_at_a_bound_is_left() -> None:
    """Without a slope there, the bound does not hold the parameter."""
    spec = counting(5.0, 50.0, 80.0, normsys("a", 1.3, 1.3))
    for bounds, a in (([0.0, 5.0], 1.507), ([-5.0, 0.0], -1.507)):
        configured = {"name": "a", "inits": [0.0], "bounds": [bounds]}
        spec["measurements"][0]["config"]["parameters"] = [configured]
        model = histfit.compile_model(spec)
        fit = histfit.hypotest(model).fits["background"]
        assert fit["a"] == pytest.approx(a, abs=1e-3)  # a scan
        assert fit.nll == pytest.approx(5.383, abs=1e-3)


def test_a_kink_at_a_bound_leaves_the_side_that_the_bound_leaves() -> None:
    spec = counting(5.0, 50.0, 60.0, histosys("a", [52.0], [57.0]))
    configured = {"name": "a", "inits": [0.0], "bounds": [[-5.0, 0.0]]}
    spec["measurements"][0]["config"]["parameters"] = [configured]
    fit = histfit.hypotest(histfit.compile_model(spec, None, KINKED)).fits["background"]
    assert fit["a"] == pytest.approx(-0.3651, abs=1e-3)  # a scan


@pytest.mark.parametrize("bounds", [[0.0, 5.0], [-5.0, 0.0]])
def test_a_one_sided_systematic_that_a_bound_holds_at_0_is_tried_beyond(
    bounds: list[float],
) -> None:
    """The slope at 0 leads out, but farther in the rate rises to what was observed."""
    near, far = (1.35, 1.25) if bounds[0] == 0.0 else (1.25, 1.35)
    spec = counting(5.0, 100.0, 160.0, normsys("a", near, far))
    configured = {"name": "a", "inits": [0.0], "bounds": [bounds]}
    spec["measurements"][0]["config"]["parameters"] = [configured]
    model = histfit.compile_model(spec)
    fit = histfit.hypotest(model).fits["background"]
    place, nll = lowest(model, fit, "a", bounds)
    assert fit["a"] == pytest.approx(place, abs=1e-3)
    assert nll - 1e-6 < fit.nll < nll + 1e-8


def test_no_fit_turns_to_a_side_where_a_factor_is_0() -> None:
    samples = [
        sample("b1", [50.0], normsys("a", 0.0, 1.2)),
        sample("b2", [50.0], normsys("a", 0.8, 1.1)),
        sample("s", [5.0], normfactor("mu")),
    ]
    model = histfit.compile_model(workspace({"SR": samples}, {"SR": [85.0]}), None, KINKED)
    fit = histfit.hypotest(model).fits["background"]
    assert fit["a"] == 0.0
    assert fit.nll == pytest.approx(5.24607, abs=1e-4)  # a scan


def test_events_of_a_signal_that_hardly_expects_any() -> None:
    channels = {
        "A": [sample("s", [1e-6], normfactor("mu"))],
        "B": [sample("b", [50.0]), sample("s", [10.0], normfactor("mu"))],
    }
    result = histfit.hypotest(workspace(channels, {"A": [1.0], "B": [30.0]}), 0.1)
    assert result.muhat == pytest.approx(0.23427, abs=1e-4)  # a scan
    assert result.fits["free"].nll == pytest.approx(23.53335, abs=1e-4)


@pytest.mark.parametrize(
    ("nominal", "width", "n"), [(1e7, 1e7, 0.0), (1e7, 1e7, 3.0), (1e6, 3e6, 2.0)]
)
def test_a_constraint_far_below_its_auxiliary_data(nominal: float, width: float, n: float) -> None:
    # the factor of the background ends at 10⁻⁷ of what its Poisson constraint expects
    background = sample("b", [nominal], shapesys("g", [width]))
    spec = workspace({"SR": [background, sample("s", [2.0], normfactor("mu"))]}, {"SR": [n]})
    model = histfit.compile_model(spec)
    fit = histfit.hypotest(model).fits["conditional"]
    scan = np.exp(np.linspace(-23.0, 0.0, 230_001))
    x = np.repeat(fit.values[None], len(scan), axis=0)
    x[:, fit.labels.index("g[0]")] = scan
    data = observed_data(model)
    nll = -log_likelihood(model, x, Data(*(np.repeat(part, len(scan), axis=0) for part in data)))
    assert fit["g[0]"] == pytest.approx(scan[nll.argmin()], rel=1e-4)
    assert nll.min() - 1e-6 < fit.nll <= nll.min()
    other = counterpart(spec, model)
    assert -other.logpdf(fit.values, data) == pytest.approx(fit.nll, abs=1e-8)


@pytest.mark.parametrize("background", [1e-5, 1e-7, 1e-9, 1e-14])
def test_one_event_above_next_to_no_background(background: float) -> None:
    spec = counting(1.0, background, 1.0, normsys("a", 0.5, 1.5))
    model = histfit.compile_model(spec)
    fit = histfit.hypotest(model, test_stat="q0").fits["conditional"]
    place, nll = lowest(model, fit, "a")
    assert fit["a"] == pytest.approx(place, abs=1e-3) == pytest.approx(0.383, abs=1e-3)
    assert nll - 1e-6 < fit.nll <= nll
    assert fit.converged


def test_a_factor_of_zero_at_a_kink_is_reached_from_its_side() -> None:
    """10 of the 50 events are gone anywhere below α = 0, where 40 are the infimum."""
    channel = [
        sample("b", [10.0], normsys("a", 0.0, 1.2)),
        sample("c", [40.0]),
        sample("s", [5.0], normfactor("mu")),
    ]
    model = histfit.compile_model(workspace({"A": channel}, {"A": [40.0]}), None, KINKED)
    fits = histfit.hypotest(model).fits
    for name, rate in (("background", 40.0), ("free", 40.0), ("conditional", 45.0)):
        nll = -poisson.logpmf(40, rate) - norm.logpdf(0.0)
        assert fits[name].nll == pytest.approx(nll, abs=1e-9)
        assert fits[name].converged
        assert -1e-9 < fits[name]["a"] < 0.0


@pytest.mark.parametrize(("seed", "codes"), [(8, None), (23, KINKED), (45, KINKED), (118, KINKED)])
def test_a_flat_valley_is_no_way_down_from_a_saddle_point(
    seed: int, codes: dict[str, dict[str, str]] | None
) -> None:
    """Free shapes times free factors: pushes along what they leave undetermined had no end."""
    spec = random_workspace(seed, scale=(2.0, 20.0, 200.0)[seed % 3])
    for fit in histfit.hypotest(histfit.compile_model(spec, None, codes)).fits.values():
        assert fit.converged
        assert fit.iterations < 500


@pytest.mark.parametrize(
    ("empty", "n", "searched"), [(0.0, 11.0, False), (-1.0, 11.0, False), (-1.0, 15.0, True)]
)
def test_what_fits_exactly_is_not_searched_again(empty: float, n: float, searched: bool) -> None:
    """Nothing is below the saturated model, unless bins without events have negative rates."""
    channel = [
        sample("b", [10.0, empty], normsys("a", 0.9, 1.2)),
        sample("s", [1.0, 0.0], normfactor("mu")),
    ]
    model = histfit.compile_model(workspace({"A": channel}, {"A": [n, 0.0]}))
    what = problem(model, observed_data(model), held=True)
    known = minimize(what, np.array([[0.1, 1.0]]))
    assert known.value[0] < 1e-9
    again = minimize(what, np.array([[-1.0, 1.0]]), known)
    assert again.value[0] == np.inf
    assert (again.iterations[0] > 0) == searched
