"""Many fits in one call: every row gets what it gets alone, bit for bit."""

from __future__ import annotations

import histfit
import numpy as np
import pytest
from histfit.fit import observed_data, problem, solve
from histfit.likelihood import Data
from histfit.minimize import minimize
from histfit.newton import SMALL
from models import (
    counting,
    histosys,
    normfactor,
    normsys,
    random_data,
    random_workspace,
    sample,
    workspace,
)


@pytest.mark.parametrize("seed", [4, 7, 21, 23, 42, 49])
def test_a_row_does_not_depend_on_the_others(seed: int) -> None:
    model = histfit.compile_model(random_workspace(seed, kinds="smooth"))
    rng = np.random.default_rng(seed)
    rows = [random_data(model, rng) for _ in range(40)]
    data = Data(*(np.concatenate(part) for part in zip(*rows, strict=True)))
    start = np.tile(model.parameters.init, (40, 1))
    together = solve(problem(model, data), [start, model.parameters.aux + 0.0 * start])
    for i, row in enumerate(rows[::7]):
        alone = solve(problem(model, row), [start[:1], model.parameters.aux[None]])
        assert np.array_equal(together.x[7 * i], alone.x[0])
        assert together.value[7 * i] == alone.value[0]


def test_a_row_does_not_depend_on_what_is_searched_for_the_others() -> None:
    """A strong one-sided systematic, and a bin that a signal may leave without room for events."""
    background = sample("b", [3.0, 0.0], histosys("a", [3.0, 0.1], [3.0, -1.0]))
    signal = sample("s", [2.0, -0.2], normfactor("mu"))
    many = sample("b", [9000.0], histosys("c", [9300.0], [9400.0]))
    channels = {"SR": [background, signal], "CR": [many]}
    spec = workspace(channels, {"SR": [3.0, 0.0], "CR": [9250.0]})
    model = histfit.compile_model(spec)
    assert model.one_sided.any()
    rng = np.random.default_rng(3)
    counts = rng.poisson([9200.0, 4.0, 0.1], (40, 3)).astype(float)
    data = Data(counts, rng.normal(0.0, 1.0, (40, 3)))
    start = np.tile(model.parameters.init, (40, 1))
    held = np.arange(40) % 2 == 0
    start[:, model.poi] = rng.uniform(0.0, 8.0, 40)
    other = start + 0.5 * ~model.parameters.fixed * (np.arange(3) != model.poi)
    together = solve(problem(model, data, held), [start, other])
    assert np.isinf(together.value).any() and np.isfinite(together.value).any()
    for i in range(40):
        row, one = Data(data.counts[[i]], data.aux[[i]]), np.array([i])
        alone = solve(problem(model, row, held[[i]]), [start[one], other[one]])
        assert np.array_equal(together.x[i], alone.x[0]), i
        assert together.value[i] == alone.value[0]


def test_small_models_fit_all_rows_at_once_as_they_would_one_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # events from none (a flat Hessian) to many (μ at its upper bound)
    model = histfit.compile_model(counting(5.0, 4.0, 3.0, normsys("b", 0.8, 1.2)))
    assert len(model.parameters.labels) <= SMALL
    counts = np.arange(80.0)[:, None]
    data = Data(counts, np.zeros((80, 2)))
    start = np.tile(model.parameters.init, (80, 1))
    stacked = solve(problem(model, data), [start])
    monkeypatch.setattr("histfit.newton.SMALL", 0)
    by_row = solve(problem(model, data), [start])
    assert stacked.minimum.converged.all()
    assert by_row.minimum.converged.all()
    np.testing.assert_allclose(stacked.value, by_row.value, rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(stacked.x, by_row.x, rtol=0.0, atol=1e-5)
    muhat = np.clip((counts[:, 0] - 4.0) / 5.0, 0.0, 10.0)
    np.testing.assert_allclose(stacked.x[:, model.poi], muhat, rtol=0.0, atol=1e-5)


def test_a_search_from_a_known_minimum_ends_before_it_begins() -> None:
    """In rows: from the minimum, from near it, and from where a search without it goes on."""
    model = histfit.compile_model(random_workspace(7, kinds="smooth"))
    data = Data(*(np.repeat(part, 3, axis=0) for part in observed_data(model)))
    what = problem(model, data)
    known = minimize(what, np.tile(model.parameters.init, (3, 1)))
    assert known.converged.all()
    constrained = model.parameters.weight > 0.0
    sigma = 1.0 / np.sqrt(np.where(constrained, model.parameters.weight, 1.0))
    away = np.where(constrained, sigma, 0.0) * np.array([[0.0], [0.2], [1.5]])
    found = minimize(what, known.x + away, known)
    assert found.iterations[:2].tolist() == [0, 0]
    assert found.iterations[2] > 0
    assert np.isinf(found.value).all()  # the third came back, too
