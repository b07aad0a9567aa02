"""Upper limits against closed forms, the hypothesis tests they invert, and published ones."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import histfit
import jsonpatch
import numpy as np
import pytest
from histfit.fit import Fits, Problem, solve
from models import Spec, counting, normfactor, normsys, random_workspace, sample, workspace
from scipy.optimize import brentq
from scipy.stats import norm


def deviance(n: float, rate: float) -> float:
    """2 ln of the likelihood ratio of λ = n to λ = `rate`, for n observed events."""
    return 2.0 * (rate - n + (n * math.log(n / rate) if n else 0.0))


def counting_limits(s: float, b: float, n: float, level: float) -> tuple[float, list[float]]:
    """Observed and expected limits by q̃μ of a counting experiment, CCGV eqs. 16, 65, 66."""
    muhat = max((n - b) / s, 0.0)

    def root_asimov(mu: float) -> float:
        return math.sqrt(deviance(b, mu * s + b))

    def observed(mu: float) -> float:
        d = root_asimov(mu)
        q = max(deviance(n, mu * s + b) - deviance(n, muhat * s + b), 0.0) if mu > muhat else 0.0
        x = (q - d * d) / (2.0 * d) if q > d * d else math.sqrt(q) - d
        return float(norm.sf(x + d) / norm.sf(x))

    def expected(mu: float, k: int) -> float:
        return float(norm.sf(root_asimov(mu) - k) / norm.cdf(k))

    band = [brentq(lambda mu, k=k: expected(mu, k) - level, 1e-6, 1e3) for k in range(-2, 3)]
    return brentq(lambda mu: observed(mu) - level, 1e-6, 1e3), band


COUNTING = [(12.0, 50.0, 55.0), (5.0, 4.0, 2.0), (3.0, 9.5, 16.0), (2.0, 0.0, 1.0), (5.0, 0.0, 3.0)]


@pytest.mark.parametrize(("s", "b", "n"), COUNTING)
@pytest.mark.parametrize("level", [0.05, 0.32])
def test_limits_of_a_counting_experiment(s: float, b: float, n: float, level: float) -> None:
    found = histfit.upper_limit(counting(s, b, n), level=level)
    observed, expected = counting_limits(s, b, n, level)
    assert found.observed == pytest.approx(observed, rel=1e-7)
    assert found.expected == pytest.approx(expected, rel=1e-7)
    assert found.muhat == pytest.approx(max((n - b) / s, 0.0), abs=1e-8)


def test_limits_beyond_the_bound_are_found_when_asked_for() -> None:
    spec = counting(1.0, 50.0, 57.0)
    observed, expected = counting_limits(1.0, 50.0, 57.0, 0.05)
    assert expected[0] < 10.0 < min(expected[1:]) < observed
    within = histfit.upper_limit(spec)
    assert (within.observed, *within.expected[1:]) == (None,) * 5
    assert within.expected[0] == pytest.approx(expected[0], rel=1e-7)
    assert within.reach == 10.0
    beyond = histfit.upper_limit(spec, beyond_bounds=True)
    assert beyond.observed == pytest.approx(observed, rel=1e-7)
    assert beyond.expected == pytest.approx(expected, rel=1e-7)


def test_a_best_fit_beyond_the_bound_is_followed() -> None:
    # μ̂ = 70
    found = histfit.upper_limit(counting(1.0, 50.0, 120.0), beyond_bounds=True)
    assert found.muhat == pytest.approx(70.0, rel=1e-8)
    assert found.observed == pytest.approx(counting_limits(1.0, 50.0, 120.0, 0.05)[0], rel=1e-7)


def test_without_a_signal_there_is_no_limit() -> None:
    found = histfit.upper_limit(counting(0.0, 50.0, 55.0), beyond_bounds=True)
    assert (found.observed, *found.expected) == (None,) * 6
    assert found.reach >= 1e6


def test_a_systematic_that_switches_the_signal_off_leaves_no_limit() -> None:
    # α = −2 leaves 1e-4² of the signal, for 4 units of q: √q_A < 2 whatever μ ≤ 1e6
    signal = sample("s", [1.0], {"name": "mu", "type": "normfactor", "data": None})
    signal["modifiers"].append(normsys("a", 1e-4, 1.5))
    spec = workspace({"SR": [sample("b", [50.0]), signal]}, {"SR": [50.0]})
    found = histfit.upper_limit(spec, beyond_bounds=True)
    assert found.observed is None
    assert found.expected[2:] == (None, None, None)
    assert found.fits < 150


def test_cls_at_the_limits_is_the_level() -> None:
    for seed in range(6):
        model = histfit.compile_model(random_workspace(seed, kinds="smooth"))
        found = histfit.upper_limit(model, beyond_bounds=True)
        above = (0.0, 1e9)
        assert found.observed is not None
        at_limit = histfit.hypotest(model, found.observed, poi_bounds=above)
        assert at_limit.CLs_obs == pytest.approx(0.05, abs=1e-7)
        for i, limit in enumerate(found.expected):
            assert limit is not None
            test = histfit.hypotest(model, limit, poi_bounds=above)
            assert test.CLs_exp[i] == pytest.approx(0.05, abs=1e-7)


def test_q_takes_part_below_zero() -> None:
    # μ̂ = −1: q(μ) of CCGV eq. 14 with the free fit there
    found = histfit.upper_limit(counting(12.0, 50.0, 38.0), test_stat="q", poi_bounds=(-3.0, 10.0))

    def cls(mu: float) -> float:
        d = math.sqrt(deviance(50.0, 12.0 * mu + 50.0))
        root = math.sqrt(deviance(38.0, 12.0 * mu + 50.0))
        return float(norm.sf(root) / norm.sf(root - d))

    assert found.muhat == pytest.approx(-1.0, abs=1e-8)
    assert found.observed == pytest.approx(brentq(lambda mu: cls(mu) - 0.05, 0.1, 9.0), rel=1e-7)


def test_the_fits_made_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = []

    def counted(problem: Problem, *arguments: Any, **options: Any) -> Fits:
        rows.append(len(problem.fixed))
        return solve(problem, *arguments, **options)

    for module in ("hypotheses", "limits"):
        monkeypatch.setattr(sys.modules[f"histfit.{module}"], "solve", counted)
    found = histfit.upper_limit(counting(12.0, 50.0, 55.0, normsys("jes", 0.9, 1.1)))
    assert found.fits == sum(rows)


def test_a_limit_where_the_first_signal_strength_forbids_the_data() -> None:
    # λ = 50 − 60 μ; with q̃ and no excess μ̂ = 0, and the limit is the median expected one
    found = histfit.upper_limit(counting(-60.0, 50.0, 50.0))
    q = norm.isf(0.025) ** 2
    limit = brentq(lambda mu: deviance(50.0, 50.0 - 60.0 * mu) - q, 1e-6, 0.8)
    assert (found.observed, found.expected[2]) == pytest.approx((limit, limit), rel=1e-7)
    assert found.muhat == pytest.approx(0.0, abs=1e-9)


def test_a_free_fit_that_a_conditional_one_is_below_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = counting(12.0, 50.0, 62.0, normsys("jes", 0.9, 1.1))
    right = histfit.upper_limit(spec)
    profile = histfit.hypotheses.profile

    def failing(*arguments: Any) -> Any:
        found = profile(*arguments)
        return replace(found, lowest=np.add(found.lowest, [0.3, 0.0]), muhat=(0.1, found.muhat[1]))

    monkeypatch.setattr("histfit.limits.profile", failing)
    found = histfit.upper_limit(spec)
    assert found.muhat == pytest.approx(right.muhat, abs=1e-4)
    assert found.observed == pytest.approx(right.observed, rel=1e-6)


@pytest.mark.parametrize("level", [1e-6, 1e-12])
def test_limits_at_a_very_small_level(level: float) -> None:
    observed, expected = counting_limits(12.0, 50.0, 55.0, level)
    found = histfit.upper_limit(counting(12.0, 50.0, 55.0), level=level)
    assert found.observed == pytest.approx(observed, rel=1e-6)
    assert found.expected == pytest.approx(expected, rel=1e-6)


def test_limits_at_a_level_next_to_1() -> None:
    """Where μ is small and below μ̂, q is 0 and √q_A is d = μ s/√b, so that CLs = ½/Φ(d), which is
    1 − d √(2/π)."""
    near, nearer = (
        histfit.upper_limit(counting(12.0, 50.0, 55.0), level=1.0 - p) for p in (1e-6, 1e-10)
    )
    assert near.observed is not None and nearer.observed is not None
    assert near.observed == pytest.approx(1e-6 * math.sqrt(math.pi / 2 * 50.0) / 12.0, rel=1e-4)
    assert nearer.observed == pytest.approx(1e-4 * near.observed, rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"level": 0.0}, "level: found 0.0"),
        ({"test_stat": "t"}, "found 't'; expected qtilde or q"),
        ({"test_stat": "q", "poi_bounds": (-5.0, -1.0)}, "found -5 to -1; expected an upper end"),
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(histfit.InvalidWorkspace, match=message):
        histfit.upper_limit(counting(12.0, 50.0, 55.0), **arguments)


def test_a_model_without_poi_has_no_limit() -> None:
    spec = workspace({"SR": [sample("b", [5.0], normsys("a", 0.9, 1.1))]}, {"SR": [5.0]}, poi="")
    with pytest.raises(histfit.InvalidWorkspace, match="no POI"):
        histfit.upper_limit(spec)


def published_model(folder: Path, point: str) -> histfit.Model:
    background = json.loads((folder / "BkgOnly.json").read_bytes())
    patches: list[Spec] = json.loads((folder / "patchset.json").read_bytes())["patches"]
    (patch,) = [p["patch"] for p in patches if p["metadata"]["name"] == point]
    return histfit.compile_model(jsonpatch.apply_patch(background, patch))


def test_published_limits_of_900_250_and_between_their_grid(published_1lbb: Path) -> None:
    """pyhf's authors give 2.547958147632675 and the expected limits below, interpolated linearly in
    CLs between 41 signal strengths from 0 to 5. The same interpolation gives the same; the root of
    CLs itself lies lower, since CLs is convex."""
    model = published_model(published_1lbb, "C1N2_Wh_hbb_900_250")
    grid = np.linspace(0.0, 5.0, 41)
    tests = [histfit.hypotest(model, mu) for mu in grid]
    cls = np.array([[test.CLs_obs, *test.CLs_exp] for test in tests])
    interpolated = [float(np.interp(0.05, curve[::-1], grid[::-1])) for curve in cls.T]
    published = [2.547958147632675, 0.7065311975182036, 1.0136453820160332]
    published += [1.5766626372587724, 2.558234487679955, 4.105381941514062]
    assert interpolated == pytest.approx(published, rel=2e-5)
    found = histfit.upper_limit(model)
    assert found.observed == pytest.approx(2.545179, abs=2e-6)
    limits = np.array([found.observed, *found.expected])
    assert (limits <= interpolated).all()
    assert limits == pytest.approx(interpolated, rel=0.012)


def test_a_limit_far_beyond_the_bound_of_a_published_model(published_1lbb: Path) -> None:
    """(500, 350), whose published limit of 1.9883 pb is 43 times the cross-section (46.35 fb); pyhf
    with a tolerance of 1e-13 gives CLs = 0.0500008 at the limit found here."""
    model = published_model(published_1lbb, "C1N2_Wh_hbb_500_350")
    assert histfit.upper_limit(model).observed is None
    found = histfit.upper_limit(model, beyond_bounds=True)
    assert found.observed == pytest.approx(45.190, abs=0.002)
    assert found.observed * 0.04635 == pytest.approx(1.9883, rel=0.06)


def test_looking_beyond_a_far_bound_finds_what_is_found_within_it() -> None:
    """A signal of 1e-6 events: its bound lies beyond where limits are looked for without bounds."""
    far = [{"name": "mu", "bounds": [[0.0, 1e8]], "inits": [1e6]}]
    background = sample("b", [50.0], normsys("a", 0.9, 1.1))
    spec = workspace(
        {"SR": [background, sample("s", [1e-6], normfactor("mu"))]}, {"SR": [45.0]}, parameters=far
    )
    within, beyond = (histfit.upper_limit(spec, beyond_bounds=flag) for flag in (False, True))
    assert beyond.observed == pytest.approx(within.observed, rel=1e-6)
    usual = histfit.upper_limit(
        counting(1.0, 50.0, 45.0, normsys("a", 0.9, 1.1)), beyond_bounds=True
    )
    assert beyond.observed == pytest.approx(1e6 * usual.observed, rel=1e-6)
    assert beyond.expected == pytest.approx(within.expected, rel=1e-6)


def test_a_range_without_end_is_looked_at_as_far_as_one_beyond_bounds() -> None:
    spec = counting(0.0, 50.0, 45.0, normsys("a", 0.9, 1.1))
    found = histfit.upper_limit(spec, poi_bounds=(0.0, math.inf))
    assert (found.observed, found.reach) == (None, 1e6)
