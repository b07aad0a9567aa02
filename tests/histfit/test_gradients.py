"""The objective's gradient and Hessian against finite differences, and rows against each other."""

from __future__ import annotations

import histfit
import numpy as np
import pytest
from histfit.likelihood import (
    Data,
    evaluate,
    expected_bins,
    hessians,
    log_likelihood,
    saturated_nll,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from models import KINKED, Array, counterpart, counting, random_data, random_point, random_workspace

CODES = {
    "default": None,
    "kinked": KINKED,
    "quadratic": {"histosys": {"interpcode": "code2"}},
}


def differences(
    model: histfit.Model, x: Array, data: Data, wall: Array, step: float
) -> tuple[Array, Array]:
    """Gradient (P,) and Hessian (P, P) by central differences, of fourth order in `step`."""
    n = len(x)
    offsets = step * np.array([-2.0, -1.0, 1.0, 2.0])
    points = (x + offsets[:, None, None] * np.eye(n)).reshape(-1, n)
    rows = Data(*(np.repeat(part, len(points), axis=0) for part in data))
    walls, sides = np.repeat(wall, len(points), axis=0), np.ones_like(points)
    around = evaluate(model, points, rows, sides, walls)
    weights = np.array([1.0, -8.0, 8.0, -1.0]) / (12.0 * step)
    gradient = weights @ around.value.reshape(4, n)
    hessian = np.einsum("a,aij->ij", weights, around.gradient.reshape(4, n, n))
    return gradient, hessian


def safe_point(model: histfit.Model, rng: np.random.Generator) -> Array:
    """A point where no α is so near −1, 0 or 1 that the differences straddle a change of form."""
    x = random_point(model, rng)
    alphas = slice(0, model.normsys.stop)
    near = np.abs(x[alphas] - np.round(x[alphas])) < 0.02
    x[alphas] += np.where(near, 0.05, 0.0)
    return x


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES.keys())
@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_gradient_and_hessian_are_the_differences(codes: dict | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = histfit.compile_model(random_workspace(seed), None, codes)
    x, data = safe_point(model, rng), random_data(model, rng)
    rates = expected_bins(model, x[None])
    empty = (rng.random(rates.shape) < 0.2) | (rates < 0.05 * data.counts)
    data = Data(np.where(empty, 0.0, data.counts), data.aux)
    wall = np.where(empty, rng.uniform(0.0, 2.0, empty.shape), 0.0)
    exact = evaluate(model, x[None], data, np.ones((1, len(x))), wall)
    matrices = hessians(model, exact)
    exact_hessian, gauss_newton = matrices.exact[0], matrices.gauss_newton(0)
    gradient, hessian = differences(model, x, data, wall, 1e-4)
    size = np.sqrt(np.abs(np.diag(gauss_newton))) + 1.0
    assert np.abs((exact.gradient[0] - gradient) / size).max() < 1e-6 * (1 + abs(exact.value[0]))
    error = np.abs(exact_hessian - hessian) / np.outer(size, size)
    assert error.max() < 1e-6 * (1.0 + np.abs(exact_hessian / np.outer(size, size)).max())
    assert np.abs(exact_hessian - exact_hessian.T).max() <= 1e-12 * size.max() ** 2
    assert np.linalg.eigvalsh(gauss_newton / np.outer(size, size)).min() > -1e-12


def test_the_objective_is_the_likelihood_without_the_saturated_one() -> None:
    # and twice that is pyhf's twice_nll
    for seed in range(20):
        spec = random_workspace(seed, kinds="smooth")
        model = histfit.compile_model(spec)
        rng = np.random.default_rng(seed)
        x, data = random_point(model, rng, 0.3), random_data(model, rng)
        no_wall = np.zeros_like(data.counts)
        value = evaluate(model, x[None], data, np.ones((1, len(x))), no_wall).value
        nll = value + saturated_nll(model, data)
        assert nll == pytest.approx(-log_likelihood(model, x[None], data), rel=1e-12)
        assert -nll[0] == pytest.approx(counterpart(spec, model).logpdf(x, data), rel=1e-12)


def test_a_row_does_not_depend_on_the_others_bit_for_bit() -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        model = histfit.compile_model(random_workspace(seed))
        x = np.array([random_point(model, rng) for _ in range(7)])
        rows = [random_data(model, rng) for _ in range(7)]
        data = Data(*(np.concatenate(part) for part in zip(*rows, strict=True)))
        wall = np.zeros_like(data.counts)
        together = everything(model, x, data, wall)
        for i, row in enumerate(rows):
            alone = everything(model, x[[i]], row, wall[[i]])
            for one, all_rows in zip(alone, together, strict=True):
                assert np.array_equal(one[0], all_rows[i])


def everything(model: histfit.Model, x: Array, data: Data, wall: Array) -> list[Array]:
    at = evaluate(model, x, data, np.ones_like(x), wall)
    return [at.value, at.gradient, at.pressure, at.unsettled, *hessians(model, at)]


def test_impossible_counts_have_likelihood_zero_without_warnings() -> None:
    model = histfit.compile_model(counting(-5.0, 0.0, 3.0))
    data = Data(model.observed[None], model.parameters.aux[None])
    with np.errstate(all="raise"):
        assert log_likelihood(model, np.array([[1.0]]), data) == -np.inf
        assert log_likelihood(model, np.array([[0.0]]), data) == -np.inf


def test_a_constraint_of_1e11_costs_no_digit() -> None:
    # n(δ − log(1 + δ)) with δ = 1e-6·k at n = 1.9e11: 0.095 k², to all digits
    from models import sample, shapesys, workspace

    spec = workspace({"SR": [sample("b", [435.0], shapesys("g", [0.001]))]}, {"SR": [435.0]})
    model = histfit.compile_model(spec)
    tau = 435.0**2 / 1e-6
    data = Data(model.observed[None], model.parameters.aux[None])
    for delta in (1e-6, -3e-6):
        x = np.array([[1.0 + delta]])
        exact = (tau + 435.0) * (x[0, 0] - 1.0 - np.log1p(x[0, 0] - 1.0))
        got = evaluate(model, x, data, np.ones((1, 1)), np.zeros((1, 1))).value[0]
        assert got == pytest.approx(exact, rel=1e-9)
