"""Which systematics are taken for threats, against formulas for one or two bins."""

from __future__ import annotations

import histfit
import numpy as np
import pytest
from histfit import bends
from models import (
    KINKED,
    Spec,
    counting,
    histosys,
    lumi,
    normfactor,
    normsys,
    sample,
    shapesys,
    workspace,
)

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
    left = bends.remainder(model.parameters, effects, np.array([0]), curved[None])
    assert left == pytest.approx([expected], rel=1e-9)
