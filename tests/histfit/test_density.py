"""The likelihood and the expected rates at given parameters."""

from __future__ import annotations

import math
from typing import Any

import histfit
import numpy as np
import pyhf
import pytest
from models import counting, normsys, random_workspace


@pytest.mark.parametrize("seed", range(5))
def test_at_named_parameters_both_equal_pyhfs(seed: int) -> None:
    spec = random_workspace(seed)
    model = pyhf.Workspace(spec).model()
    data = pyhf.Workspace(spec).data(model)
    init = np.array(model.config.suggested_init())
    moved = init + np.random.default_rng(seed).uniform(0.0, 0.1, len(init))
    named = dict(zip(model.config.par_names, moved, strict=True))
    for values, given in ((init, {}), (moved, named)):
        expected = histfit.expected_rates(spec, given)
        assert list(expected) == model.config.channels
        rates = model.expected_actualdata(values)
        assert np.concatenate(list(expected.values())) == pytest.approx(rates, rel=1e-12)
        logpdf = model.logpdf(values, data)[0]
        assert histfit.logpdf(spec, given) == pytest.approx(logpdf, rel=1e-12)


def test_parameters_that_are_not_named_have_their_initial_values() -> None:
    spec = counting(10.0, 50.0, 45.0, normsys("a", 0.9, 1.1))
    assert histfit.expected_rates(spec, {"mu": 2.0})["SR"] == pytest.approx([70.0])
    assert histfit.expected_rates(spec)["SR"] == pytest.approx([60.0])


def test_events_where_none_are_expected_are_impossible() -> None:
    assert histfit.logpdf(counting(10.0, 0.0, 1.0), {"mu": 0.0}) == -math.inf


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"mu_SIG": 1.0}, "parameter 'mu_SIG': the model has no such parameter; it has a, mu"),
        ({"mu": math.nan}, "parameter 'mu': found nan; expected a finite number"),
        ({"mu": "1"}, "parameter 'mu': found '1'; expected a finite number"),
        ({"mu": 1j}, "parameter 'mu': found 1j; expected a finite number"),
        ({"mu": np.complex128(1)}, ".* expected a finite number"),
        ({"mu": 10**400}, "parameter 'mu': found 1000.* expected a finite number"),
        ({"mu": 0.0, "a": 1e5}, "parameter 'a': found 100000, where the expected rates are not .*"),
        ([1.0, 0.0], r"parameters: found \[1.0, 0.0\]; expected values by label"),
    ],
)
def test_parameters_that_are_none_are_errors(parameters: Any, expected: str) -> None:
    with pytest.raises(histfit.InvalidWorkspace, match=f"^{expected}$"):
        histfit.logpdf(counting(10.0, 50.0, 45.0, normsys("a", 0.9, 1.1)), parameters)
