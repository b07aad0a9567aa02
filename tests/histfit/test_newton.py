"""Steps: where a bounded quadratic has its minimum, and down from where it has none."""

from __future__ import annotations

import numpy as np
import pytest
from histfit.likelihood import Hessians
from histfit.newton import SMALL, Newton, newton_step
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

Array = NDArray[np.float64]

SIZES = (3, SMALL, SMALL + 1, 40)


def step(matrix: Array, gradient: Array, lower: Array, upper: Array) -> Newton:
    """One row's; its Gauss-Newton part is that of the constraint terms alone, 1."""
    size = len(gradient)
    hessians = Hessians(
        exact=matrix[None].copy(),
        jacobian=np.zeros((1, size, 1)),
        curvature=np.ones((1, 1)),
        constraint=np.ones((1, size)),
    )
    held = np.zeros((1, size), dtype=bool)
    return newton_step(hessians, np.zeros(1), gradient[None], held, lower[None], upper[None])


def problem(size: int, seed: int) -> tuple[Array, Array, Array, Array]:
    """A root R of the Hessian RᵀR, a gradient, and bounds around 0, about half of which matter."""
    rng = np.random.default_rng(seed)
    root = np.eye(size) + 0.3 * rng.normal(size=(size, size))
    lower, upper = -rng.exponential(0.5, size), rng.exponential(0.5, size)
    return root, rng.normal(size=size), lower, upper


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", range(5))
def test_a_step_ends_at_the_minimum_within_bounds_that_scipy_finds(size: int, seed: int) -> None:
    root, gradient, lower, upper = problem(size, seed)
    matrix = root.T @ root
    newton = step(matrix, gradient, lower, upper)
    towards = -np.linalg.solve(root.T, gradient)
    expected = lsq_linear(root, towards, (lower, upper), method="bvls", tol=1e-14).x
    np.testing.assert_allclose(newton.step[0], expected, atol=1e-9)
    np.testing.assert_array_equal(newton.pinned[0] < 0, np.isclose(expected, lower, atol=1e-9))
    np.testing.assert_array_equal(newton.pinned[0] > 0, np.isclose(expected, upper, atol=1e-9))
    gain = -(gradient @ expected + 0.5 * expected @ matrix @ expected)
    assert newton.edm[0] == pytest.approx(gain, rel=1e-9)


@pytest.mark.parametrize("size", SIZES)
def test_the_inverse_is_that_of_the_parameters_that_are_not_pinned(size: int) -> None:
    root, gradient, lower, upper = problem(size, 1)
    matrix = root.T @ root
    newton = step(matrix, gradient, lower, upper)
    free = newton.pinned[0] == 0
    assert 0 < free.sum() < size
    vector = np.where(free, np.arange(1.0, size + 1.0), 0.0)
    solved = newton.solve(np.array([0]), vector[None])[0]
    expected = np.linalg.solve(matrix[np.ix_(free, free)], vector[free])
    np.testing.assert_allclose(solved[free], expected, rtol=1e-9)
    assert not solved[~free].any()


@pytest.mark.parametrize("size", SIZES)
def test_a_step_from_where_the_hessian_is_indefinite_leads_down(size: int) -> None:
    root, gradient, _, _ = problem(size, 2)
    matrix = root.T @ root
    matrix[0, 0] -= 2.0 * matrix.trace()
    anywhere = np.full(size, np.inf)
    newton = step(matrix, gradient, -anywhere, anywhere)
    assert newton.indefinite[0]
    assert not newton.saddle[0]
    assert gradient @ newton.step[0] < 0.0


@pytest.mark.parametrize("size", SIZES)
def test_a_saddle_point_is_told_and_left_along_the_negative_curvature(size: int) -> None:
    matrix = np.eye(size)
    matrix[0, 0] = -1.0
    anywhere = np.full(size, np.inf)
    newton = step(matrix, np.zeros(size), -anywhere, anywhere)
    assert newton.saddle[0]
    assert newton.step[0] @ matrix @ newton.step[0] < 0.0


@pytest.mark.parametrize("size", SIZES)
def test_where_the_hessian_is_indefinite_its_larger_curvatures_still_count(size: int) -> None:
    """A systematic that lowers a rate either way is curved by the data, not by its constraint."""
    matrix = 50.0 * np.eye(size)
    matrix[0, 0] = -1.0
    anywhere = np.full(size, np.inf)
    newton = step(matrix, np.ones(size), -anywhere, anywhere)
    assert newton.indefinite[0]
    np.testing.assert_allclose(newton.step[0, 1:], -1.0 / 50.0)
