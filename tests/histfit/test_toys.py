"""Toys against exact Poisson sums, asymptotic formulae and pyhf."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import histfit
import numpy as np
import pyhf
import pytest
from histfit import Toys, ToyTest, merge_toys, throw_toys
from histfit.fit import Fits, Problem, expected_data
from histfit.toys import BLOCK, _draw
from models import (
    Array,
    Spec,
    counterpart,
    counting,
    normfactor,
    normsys,
    sample,
    shapesys,
    staterror,
    workspace,
)
from scipy.stats import beta, kstest, norm, poisson


def two_bins(scale: float = 1.0) -> Spec:
    """A search with every kind of auxiliary data: normal α and γ, Poisson γ."""
    return workspace(
        {
            "SR": [
                sample(
                    "fakes", [20.0 * scale, 15.0 * scale], shapesys("f", [3.0 * scale, 2.0 * scale])
                ),
                sample(
                    "top",
                    [30.0 * scale, 22.0 * scale],
                    normsys("jes", 0.9, 1.12),
                    staterror("mc", [2.0 * scale, 1.5 * scale]),
                ),
                sample("sig", [9.0 * math.sqrt(scale), 7.0 * math.sqrt(scale)], normfactor("mu")),
            ]
        },
        {"SR": [53.0 * scale, 33.0 * scale]},
    )


def assert_compatible(value: float, error: float, truth: float) -> None:
    """`value` lies within 4 σ of `truth`; fixed seeds make that a test of the code, not of luck."""
    assert 0.0 < error < 0.05
    assert abs(value - truth) < 4.0 * error


@pytest.mark.parametrize(
    ("s", "b", "n", "mu"), [(5.0, 4.0, 2, 1.0), (3.0, 0.7, 0, 1.0), (6.0, 9.5, 7, 1.4)]
)
def test_counting_experiments_have_the_p_values_of_exact_poisson_sums(
    s: float, b: float, n: int, mu: float
) -> None:
    # q̃ falls with the count below μ s + b: q ≥ q_obs are counts up to the observed one
    result = throw_toys(counting(s, b, n), mu, toys=20_000, seed=5).hypotest()
    CLsb, CLb = poisson.cdf(n, mu * s + b), poisson.cdf(n, b)
    assert_compatible(result.CLsb_obs, result.CLsb_error, CLsb)
    assert_compatible(result.CLb_obs, result.CLb_error, CLb)
    assert result.CLs_obs is not None and result.CLs_error is not None
    assert_compatible(result.CLs_obs, result.CLs_error, CLsb / CLb)
    assert result.failed == (0, 0)
    # the band is CLs at the quantiles of the background's counts
    counts = poisson.ppf(norm.cdf([-2, -1, 0, 1, 2]), b)
    exact = poisson.cdf(counts, mu * s + b) / poisson.cdf(counts, b)
    assert result.CLs_exp == pytest.approx(exact, abs=0.02)


def test_discovery_has_the_p_value_of_an_exact_poisson_sum() -> None:
    toys = throw_toys(counting(5.0, 4.0, 9), toys=20_000, seed=2, test_stat="q0")
    result = toys.hypotest()
    assert_compatible(result.CLsb_obs, result.CLsb_error, poisson.sf(8, 4.0))
    assert_compatible(result.CLb_obs, result.CLb_error, poisson.sf(8, 9.0))


def test_two_sided_p_value_of_a_counting_experiment() -> None:
    toys = throw_toys(counting(5.0, 4.0, 4), toys=20_000, seed=3, test_stat="t")
    counts = np.arange(100)

    def t(n: Array) -> Array:
        muhat = np.clip((n - 4.0) / 5.0, 0.0, 10.0)
        best = poisson.logpmf(n, 4.0 + 5.0 * muhat)
        return np.asarray(2.0 * (best - poisson.logpmf(n, 9.0)))

    extreme = t(counts) >= t(np.array([4])) - 1e-9
    exact = float(poisson.pmf(counts, 9.0)[extreme].sum())
    result = toys.hypotest()
    assert_compatible(result.CLsb_obs, result.CLsb_error, exact)


@pytest.mark.parametrize("mu", [4.0, 7.0])
def test_toys_agree_with_asymptotic_formulae_where_these_hold(mu: float) -> None:
    result = throw_toys(two_bins(100.0), mu, toys=6000, seed=11).hypotest()
    asymptotic = result.observed
    assert_compatible(result.CLsb_obs, result.CLsb_error, asymptotic.CLsb_obs)
    assert_compatible(result.CLb_obs, result.CLb_error, asymptotic.CLb_obs)
    # above the median many toys have μ̂ > μ, q = 0 and CLs = 1, which CCGV's band does not know
    assert result.CLs_exp[:3] == pytest.approx(asymptotic.CLs_exp[:3], abs=0.03)


def test_the_test_statistic_of_every_toy_is_pyhfs() -> None:
    model = histfit.compile_model(two_bins())
    other = counterpart(two_bins(), model)
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-12, maxiter=100000))
    try:
        config = other.model.config
        for test_stat, function in (
            ("qtilde", pyhf.infer.test_statistics.qmu_tilde),
            ("q0", pyhf.infer.test_statistics.q0),
        ):
            toys = throw_toys(model, 1.0, toys=15, seed=4, test_stat=test_stat)
            truth = toys.observed.fits["background"].values[None]
            data = next(_draw(model, truth, 1, 4, 0, 15))
            for counts, aux, q in zip(data.counts, data.aux, toys.alternative, strict=True):
                theirs = function(
                    toys.observed.mu,
                    np.concatenate([counts, aux[other.aux]]),
                    other.model,
                    config.suggested_init(),
                    config.suggested_bounds(),
                    config.suggested_fixed(),
                )
                assert q == pytest.approx(float(theirs), abs=1e-5)
    finally:
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer())


@pytest.mark.parametrize(
    ("scale", "theirs"), [(0.1, (0.0795, 0.508)), (1.0, (0.086, 0.4685))], ids=["few", "many"]
)
def test_p_values_agree_with_pyhfs_toy_calculator(
    scale: float, theirs: tuple[float, float]
) -> None:
    """pyhf 0.7.6, CLsb and CLb by ToyCalculator(data, model, ntoys=2000) after np.random.seed(1):
    five minutes each."""
    ours = throw_toys(two_bins(scale), toys=4000, seed=1).hypotest()
    for mine, error, p in (
        (ours.CLsb_obs, ours.CLsb_error, theirs[0]),
        (ours.CLb_obs, ours.CLb_error, theirs[1]),
    ):
        assert abs(mine - p) < 4.0 * math.hypot(error, math.sqrt(p * (1 - p) / 2000))


def test_toys_are_drawn_from_the_model_at_its_best_fit() -> None:
    model = histfit.compile_model(two_bins())
    truth = histfit.hypotest(model).fits["conditional"].values[None]
    mean = expected_data(model, truth)
    data = next(_draw(model, truth, 0, 9, 0, BLOCK))
    for i, rate in enumerate(mean.counts[0]):
        assert data.counts[:, i].mean() == pytest.approx(rate, abs=4 * math.sqrt(rate / BLOCK))
        assert data.counts[:, i].var() == pytest.approx(rate, rel=0.2)
    for i, (tau, weight) in enumerate(
        zip(model.parameters.tau, model.parameters.weight, strict=True)
    ):
        aux = data.aux[:, i]
        if tau:
            assert aux.mean() == pytest.approx(mean.aux[0, i], rel=0.03)
            assert aux.var() == pytest.approx(mean.aux[0, i], rel=0.2)
            assert np.array_equal(aux, np.rint(aux))
        elif weight:
            assert kstest(aux, norm(truth[0, i], weight**-0.5).cdf).pvalue > 1e-3
        else:
            assert (aux == truth[0, i]).all()


def test_a_huge_poisson_constraint_is_drawn_from() -> None:
    # 1e-6 on 435 events: τ = 1.9e17 is beyond what a Poisson generator is good for
    spec = counting(5.0, 4.0, 3.0)
    spec["channels"][0]["samples"].append(sample("sure", [435.0], shapesys("s", [1e-6])))
    spec["observations"][0]["data"] = [430.0]
    result = throw_toys(spec, toys=50, seed=1).hypotest()
    assert result.failed == (0, 0)
    assert result.CLs_obs is not None


def values(toys: Toys) -> list[Array]:
    return [toys.tested, toys.alternative]


def test_toys_repeat_bit_for_bit_and_depend_on_the_seed() -> None:
    model = histfit.compile_model(two_bins())
    once, again = (throw_toys(model, toys=60, seed=8) for _ in range(2))
    assert all(map(np.array_equal, values(once), values(again)))
    other = throw_toys(model, toys=60, seed=9)
    assert not np.array_equal(once.tested, other.tested)
    assert not np.array_equal(once.tested, once.alternative)


def test_parts_merge_to_what_one_run_gives_bit_for_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("histfit.toys.BLOCK", 50)
    model = histfit.compile_model(two_bins())
    whole = throw_toys(model, toys=150, seed=8)
    parts = [
        throw_toys(two_bins(), toys=count, first=first, seed=8)
        for first, count in ((120, 30), (0, 70), (70, 50))
    ]
    merged = merge_toys(parts)
    assert all(map(np.array_equal, values(merged), values(whole)))
    assert numbers(merged.hypotest()) == numbers(whole.hypotest())


def test_the_size_of_what_is_fitted_at_once_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = histfit.compile_model(two_bins())
    together = throw_toys(model, toys=40, seed=8)
    monkeypatch.setattr("histfit.toys.WORKING_SET", 1)
    one_by_one = throw_toys(model, toys=40, seed=8)
    assert all(map(np.array_equal, values(together), values(one_by_one)))


def numbers(result: ToyTest) -> dict[str, Any]:
    fields = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    return {name: value for name, value in fields.items() if name != "observed"}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([{"first": 0}, {"first": 20}], "expected 10"),
        ([{"first": 0}, {"first": 5}], "expected 10"),
        ([{"seed": 1}, {"first": 10, "seed": 2}], "seed: found 2; expected 1"),
        ([{"mu": 1.0}, {"first": 10, "mu": 2.0}], "mu: found 2.0; expected 1.0"),
        ([{}, {"first": 10, "test_stat": "q"}], "test statistic: found q; expected qtilde"),
        ([{}, {"first": 10, "spec": counting(5.0, 4.0, 2.0)}], "observed test statistic"),
        # μ̂ > μ in both: q̃ is 0
        (
            [{"spec": counting(5.0, 4.0, 14.0)}, {"first": 10, "spec": counting(6.0, 4.0, 14.0)}],
            "Asimov test statistic",
        ),
        (
            [{"test_stat": "t", "poi_bounds": (-0.5, 10.0)}, {"first": 10, "test_stat": "t"}],
            r"range of the POI: found \(0.0, 10.0\)",
        ),
        ([], "found none"),
    ],
)
def test_what_does_not_belong_together_is_not_merged(
    parts: Sequence[dict[str, Any]], message: str
) -> None:
    thrown = [throw_toys(**{"spec": counting(5.0, 4.0, 3.0), "toys": 10, **part}) for part in parts]
    with pytest.raises(histfit.InvalidWorkspace, match=message):
        merge_toys(thrown)


@pytest.mark.parametrize(
    "wrong", [{"toys": 0}, {"first": -1}, {"first": 2**80}, {"seed": -1}, {"seed": 2**64}]
)
def test_numbers_of_toys_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(histfit.InvalidWorkspace, match=str(next(iter(wrong.values())))):
        throw_toys(counting(5.0, 4.0, 3.0), **wrong)


@pytest.mark.parametrize("wrong", [{"toys": 2.5}, {"seed": 1.5}, {"first": 0.5}])
def test_numbers_of_toys_are_whole(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        throw_toys(counting(5.0, 4.0, 3.0), **wrong)


def test_the_error_of_cls_is_that_of_a_quotient_of_counts() -> None:
    # σ of k out of n is that of the Beta(k + 1, n − k + 1) distribution (arXiv:physics/0701199),
    # and (σ_CLs/CLs)² = (σ_CLsb/CLsb)² + (σ_CLb/CLb)²
    result = throw_toys(counting(5.0, 4.0, 4.0), toys=2000).hypotest()
    counts = [round(2000 * p) for p in (result.CLsb_obs, result.CLb_obs)]
    errors = [float(beta.std(k + 1, 2000 - k + 1)) for k in counts]
    assert [result.CLsb_error, result.CLb_error] == pytest.approx(errors, rel=1e-9)
    relative = math.hypot(errors[0] / result.CLsb_obs, errors[1] / result.CLb_obs)
    assert result.CLs_error == pytest.approx(result.CLs_obs * relative, rel=1e-9)


def test_failed_toys_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    solve = histfit.toys.solve

    def failing(problem: Problem, starts: Sequence[Array], *, thorough: bool) -> Fits:
        fits = solve(problem, starts, thorough=thorough)
        fits.minimum.converged[problem.data.counts[:, 0] == 4.0] = False
        return fits

    monkeypatch.setattr("histfit.toys.solve", failing)
    model = histfit.compile_model(counting(5.0, 4.0, 3.0))
    toys = throw_toys(model, toys=200, seed=1)
    result = toys.hypotest()
    for h, failed in enumerate(result.failed):
        truth = toys.observed.fits[("conditional", "background")[h]].values[None]
        counts = next(_draw(model, truth, h, 1, 0, 200)).counts[:, 0]
        assert failed == (counts == 4.0).sum() > 0
        assert failed == np.isnan(values(toys)[h]).sum()
    assert result.toys == 200


def test_no_number_where_toys_cannot_give_one() -> None:
    observed = histfit.hypotest(counting(5.0, 4.0, 1.0))
    below = np.full(50, observed.q_obs - 1.0)
    result = Toys(0, 0, below, below, (0.0, 10.0), observed).hypotest()
    assert (result.CLsb_obs, result.CLb_obs, result.CLs_obs, result.CLs_error) == (0, 0, None, None)
    # mean 1/52 of the binomial probability after 0 of 50, arXiv:physics/0701199
    assert result.CLsb_error == pytest.approx(math.sqrt(1 / 52 * 51 / 52 / 53), rel=1e-12)
    with pytest.raises(histfit.InvalidWorkspace, match="found 0 and 50 fitted toys"):
        Toys(0, 0, np.full(50, np.nan), below, (0.0, 10.0), observed).hypotest()


def test_without_signal_nothing_is_excluded() -> None:
    spec = workspace({"SR": [sample("bkg", [9.0], normsys("a", 0.9, 1.1))]}, {"SR": [7.0]}, poi="")
    with pytest.warns(UserWarning, match="there is no signal to test"):
        result = throw_toys(spec, toys=20).hypotest()
    assert (result.CLs_obs, *result.CLs_exp) == (1.0,) * 6
