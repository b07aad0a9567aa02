"""Which systematics and normalisations are taken for threats, against formulas for few bins."""

from __future__ import annotations

import histfit
import numpy as np
import pytest
from histfit import bends
from histfit.fit import observed_data
from histfit.likelihood import saturated_nll
from models import (
    KINKED,
    Spec,
    counting,
    histosys,
    lumi,
    normfactor,
    normsys,
    random_workspace,
    sample,
    shapesys,
    workspace,
)
from starts import lowest

LUMI = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.1], "inits": [1.0], "bounds": [[0.0, 9.0]]}


def bent(*modifiers: Spec, lo: float = 480.0, hi: float = 460.0) -> Spec:
    """400 events, which a changes by 60 and 80 to one side: by 70 ± 10, or (3.5 ± 0.5) σ."""
    return counting(0.0, 400.0, 400.0, histosys("a", [lo], [hi]), *modifiers)


def one_sided(spec: Spec, codes: dict[str, dict[str, str]] | None = None) -> float:
    model = histfit.compile_model(spec, None, codes)
    return float(model.one_sided[model.parameters.labels.index("a")])


def test_a_bend_is_the_mean_change_in_sigmas_of_the_events_squared() -> None:
    model = histfit.compile_model(bent())
    assert model.bend[model.parameters.labels.index("a")] == pytest.approx(3.5**2)
    assert one_sided(bent()) == pytest.approx(3.5**2)


@pytest.mark.parametrize(("lo", "hi"), [(340.0, 460.0), (366.0, 366.0), (400.0, 468.0)])
def test_weak_bends_are_no_threat_but_at_a_kink(lo: float, hi: float) -> None:
    assert one_sided(bent(lo=lo, hi=hi)) == 0.0
    expected = (0.5 * (lo + hi) - 400.0) ** 2 / 400.0
    assert one_sided(bent(lo=lo, hi=hi), KINKED) == (expected if expected > 0.1 else 0.0)


def test_a_bend_that_no_fit_can_follow_is_no_threat() -> None:
    assert one_sided(bent(lo=1e5, hi=1e5)) == 0.0


@pytest.mark.parametrize(
    ("modifier", "threat"),
    [
        (normfactor("k"), False),  # free: 12.25 / (1 + 200²) is left
        (lumi(), True),  # 10 %, or 2 σ: 12.25 / (1 + 2²)
        (normsys("b", 0.9, 1.1), True),
        (shapesys("g", [400.0 * 20.0]), False),  # 2000 %, or 400 σ
    ],
)
def test_what_other_parameters_can_do_as_well_is_no_threat(modifier: Spec, threat: bool) -> None:
    spec = bent(modifier)
    spec["measurements"][0]["config"]["parameters"] = [LUMI] * (modifier["name"] == "lumi")
    assert (one_sided(spec) > 0.0) == threat


def test_a_parameter_that_is_held_imitates_nothing() -> None:
    spec = bent(normfactor("k"))
    spec["measurements"][0]["config"]["parameters"] = [{"name": "k", "fixed": True}]
    assert one_sided(spec) == pytest.approx(3.5**2)


def test_what_is_left_of_a_bend_is_that_of_least_squares_with_constraints() -> None:
    shapes = {"a": ([430.0, 95.0], [470.0, 97.0]), "b": ([380.0, 104.0], [430.0, 97.0])}
    modifiers = [histosys(name, *templates) for name, templates in shapes.items()]
    spec = workspace(
        {
            "A": [
                sample("bkg", [400.0, 100.0], *modifiers, normsys("c", 0.9, 1.2)),
                sample("sig", [0.0, 10.0], normfactor("mu")),
            ]
        },
        {"A": [400.0, 100.0]},
    )
    model = histfit.compile_model(spec)
    sigma = np.array([20.0, 10.0])
    curved = np.array([50.0, -4.0]) / sigma
    # what a does to either side takes no part; of the POI the constraint is 10 wide
    others = np.array([[25.0, -3.5], [0.15 * 400.0, 0.15 * 100.0], [0.0, 10.0 * 10.0]]) / sigma
    system = np.concatenate([others.T, np.eye(3)])
    wanted = np.concatenate([curved, np.zeros(3)])
    expected = np.linalg.lstsq(system, wanted, rcond=None)[1][0]
    effects = np.array([[20.0, 1.0], [25.0, -3.5], [60.0, 15.0], [0.0, 10.0]]) / sigma
    assert model.parameters.labels == ("a", "b", "c", "mu")
    scaled, covariance = bends.fitted(model.parameters, effects)
    left = bends.remainder(scaled, covariance, np.array([0]), curved[None])
    assert left == pytest.approx([expected], rel=1e-9)


def two_backgrounds(*modifiers: Spec, config: list[Spec] | None = None) -> Spec:
    """A bin with 100 events of a background that k scales, and one with 300 of another; a moves
    them by 20 and −30."""
    scaled = sample("k_bkg", [100.0, 0.0], histosys("a", [80.0, 0.0], [120.0, 0.0]), *modifiers)
    other = sample("bkg", [0.0, 300.0], histosys("a", [0.0, 330.0], [0.0, 270.0]))
    signal = sample("sig", [0.0, 10.0], normfactor("mu"))
    return workspace({"A": [scaled, other, signal]}, {"A": [100.0, 310.0]}, "mu", config or [])


def loose(spec: Spec) -> list[str]:
    model = histfit.compile_model(spec)
    return [model.parameters.labels[i] for i in model.loose]


def looseness(spec: Spec) -> float:
    """At which threshold k ceases to be loose."""
    low, high = 0.0, 1e3
    for _ in range(60):
        middle = 0.5 * (low + high)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bends, "LOOSE", middle)
            low, high = (middle, high) if loose(spec) else (low, middle)
    return low


def test_looseness_is_the_change_of_an_effect_within_the_uncertainty_of_the_normalisation() -> None:
    sigma = np.sqrt([100.0, 310.0])
    a, k, mu = np.array([20.0, -30.0]) / sigma, np.array([100.0, 0.0]) / sigma, [0.0, 10.0] / sigma
    system = np.array([a, 10.0 * k, 10.0 * mu])  # k and the POI have constraints 10 wide
    uncertainty = 10.0 * np.sqrt(np.linalg.inv(np.eye(3) + system @ system.T)[1, 1])
    expected = uncertainty * (20.0 / 10.0) / np.sqrt(1.0 + a @ a)
    assert 0.1 < expected < 1.0
    assert looseness(two_backgrounds(normfactor("k"))) == pytest.approx(expected, rel=1e-9)
    assert loose(two_backgrounds(normfactor("k"))) == ["k"]


@pytest.mark.parametrize(
    ("modifiers", "config"),
    [
        ([normfactor("k")], [{"name": "k", "fixed": True}]),
        ([normsys("k", 0.5, 1.5)], []),
        ([normfactor("mu")], []),
        ([], []),
    ],
    ids=["held", "constrained", "POI", "none"],
)
def test_only_a_free_normalisation_is_loose(modifiers: list[Spec], config: list[Spec]) -> None:
    assert loose(two_backgrounds(*modifiers, config=config)) == []


def test_a_normalisation_that_the_data_fix_is_not_loose() -> None:
    spec = two_backgrounds(normfactor("k"))
    fixing = sample("k_bkg", [1e5], normfactor("k"))
    spec["channels"].append({"name": "B", "samples": [fixing]})
    spec["observations"].append({"name": "B", "data": [1e5]})
    assert loose(spec) == []


def test_the_loosest_normalisations_come_first_and_not_too_many_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rest = [
        sample(
            f"b{i}",
            [float(np.sqrt(i + 1.0)) * 10.0],
            normfactor(f"k{i}"),
            histosys("a", [5.0], [30.0]),
        )
        for i in range(3)
    ]
    regions = {f"C{i}": [one] for i, one in enumerate(rest)}
    signal = sample("sig", [1.0], normfactor("mu"))
    spec = workspace(
        {"A": [signal], **regions}, {"A": [3.0], **{f"C{i}": [10.0] for i in range(3)}}
    )
    assert loose(spec) == ["k0", "k1", "k2"]
    monkeypatch.setattr(bends, "MOST_LOOSE", 2)
    assert loose(spec) == ["k0", "k1"]


def test_weak_bends_at_kinks_are_searched_too() -> None:
    # its strongest bend tells 0.084 where the constraint tells 1; one start ends 0.089 higher
    model = histfit.compile_model(random_workspace(18, kinds="smooth"), modifier_settings=KINKED)
    mu = 3.188
    conditional = histfit.hypotest(model, mu).fits["conditional"].nll
    data = observed_data(model)
    best = lowest(model, data, mu, 18, 24) + saturated_nll(model, data)[0]
    assert conditional <= best + 1e-6
