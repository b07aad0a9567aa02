"""Interpolation codes against pyhf's own interpolators and against closed forms."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from histfit.interpolation import (
    code4_coefficients,
    log_factors,
    scale,
    shift,
)
from models import Array

ALPHA = np.array([-7.3, -2.0, -1.0, -0.999999, -0.4, 0.0, 1e-9, 0.3, 0.999999, 1.0, 1.5, 4.2])
TEMPLATES = np.array([[8.0, 10.0, 13.0], [12.0, 10.0, 12.5], [-3.0, 5.0, 0.0], [0.0, 2.0, 60.0]])


def shifted(code: str, alpha: Array, templates: Array, side: float = 1.0) -> Array:
    """Σ of nominal and shift, (len(alpha), len(templates))."""
    lo, nominal, hi = templates.T
    parts = shift(code, alpha[:, None], np.full((len(alpha), 1), side))
    return nominal + parts.u * 0.5 * (hi - lo) + parts.v * (hi + lo - 2.0 * nominal) / 16.0


def scaled(code: str, alpha: Array, lo: Array, hi: Array, side: float = 1.0) -> Array:
    """Factors and their two derivatives, (len(alpha), 3, len(lo))."""
    coefficients = code4_coefficients(lo, hi)[None]
    sides = np.full((len(alpha), 1), side)
    logs = log_factors(lo)[None], log_factors(hi)[None]
    return scale(code, alpha[:, None], sides, coefficients, *logs)[:, :, 0]


@pytest.mark.parametrize(
    ("code", "number"), [("code0", 0), ("code2", 2), ("code4p", "4p")], ids=lambda v: str(v)
)
def test_histosys_equals_pyhf(code: str, number: int | str) -> None:
    theirs = pyhf.interpolators.get(number)(TEMPLATES[:, None, :, None].tolist())
    deltas = theirs(np.tile(ALPHA, (len(TEMPLATES), 1)))[:, 0, :, 0].T
    ours = shifted(code, ALPHA, TEMPLATES) - TEMPLATES[:, 1]
    assert ours == pytest.approx(deltas, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("code", "number"), [("code1", 1), ("code4", 4)])
def test_normsys_equals_pyhf(code: str, number: int) -> None:
    lo, hi = np.array([0.8, 1.2, 0.5, 0.9]), np.array([1.3, 1.4, 23.0, 0.7])
    histograms = np.stack([lo, np.ones(4), hi], axis=1)[:, None, :, None]
    theirs = pyhf.interpolators.get(number)(histograms.tolist())
    factors = theirs(np.tile(ALPHA, (4, 1)))[:, 0, :, 0].T
    assert scaled(code, ALPHA, lo, hi)[:, 0] == pytest.approx(factors, rel=1e-12)


def test_piecewise_linear_histosys_goes_through_the_templates() -> None:
    assert shifted("code0", np.array([-2.0, -1.0, 0.0, 1.0, 3.0]), TEMPLATES[:1])[:, 0] == (
        pytest.approx([6.0, 8.0, 10.0, 13.0, 19.0], rel=1e-15)
    )


def test_quadratic_histosys_jumps_at_plus_and_minus_one_as_pyhf_does() -> None:
    # lo 8, nominal 10, hi 13: b = 2.5, a = 0.5; inside 10 + 2.5 α + 0.5 α²
    values = shifted("code2", np.array([-2.0, -1.0, 0.5, 1.0, 3.0]), TEMPLATES[:1])[:, 0]
    assert values == pytest.approx([10 - 2 * 1.5, 8.0, 11.375, 13.0, 10 + 2 * 3.5], rel=1e-15)


def test_code4p_is_linear_beyond_one_with_continuous_derivatives() -> None:
    lo, nominal, hi = TEMPLATES[0]
    outside = shifted("code4p", np.array([-3.0, 4.0]), TEMPLATES[:1])[:, 0]
    assert outside == pytest.approx(
        [nominal - 3 * (nominal - lo), nominal + 4 * (hi - nominal)], rel=1e-14
    )
    for edge in (-1.0, 1.0):
        inner, outer = (
            shift("code4p", np.array([[edge * (1 + sign * 1e-12)]]), np.ones((1, 1)))
            for sign in (-1, 1)
        )
        assert inner.v == pytest.approx(outer.v, rel=1e-11)
        assert inner.dv == pytest.approx(outer.dv, rel=1e-11)
        assert inner.d2v == pytest.approx(outer.d2v, abs=1e-9)


@pytest.mark.parametrize("code", ["code1", "code4"])
def test_normsys_is_exponential_beyond_one(code: str) -> None:
    factors = scaled(code, np.array([-2.0, 3.0]), np.array([0.8]), np.array([1.3]))[:, 0, 0]
    assert factors == pytest.approx([0.8**2, 1.3**3], rel=1e-14)


def test_code4_is_smooth_where_it_meets_the_exponential() -> None:
    lo, hi = np.array([0.8, 0.0, 0.4]), np.array([1.3, 2.0, 23.0])
    inside = scaled("code4", np.array([-1 + 1e-12, 1 - 1e-12]), lo, hi)
    log_hi = np.log(hi)
    assert inside[1, 0] == pytest.approx(hi, rel=1e-9)
    assert inside[1, 1] == pytest.approx(hi * log_hi, rel=1e-9)
    assert inside[1, 2] == pytest.approx(hi * log_hi**2, rel=1e-8)
    # a factor of 0: value, slope and curvature of lo^(−α) go to 0 as lo → 0
    assert inside[0, :, 1] == pytest.approx(np.zeros(3), abs=1e-10)


def test_a_factor_of_zero_is_the_limit_of_small_ones() -> None:
    # pyhf's code4 gives NaN within ±1 here (0 · log 0)
    alpha = np.array([-3.0, -1.0, -0.5, 0.0, 0.5, 2.0])
    zero = scaled("code4", alpha, np.array([0.0]), np.array([1.7]))[:, 0, 0]
    tiny = scaled("code4", alpha, np.array([1e-13]), np.array([1.7]))[:, 0, 0]
    assert np.isfinite(zero).all()
    assert zero == pytest.approx(tiny, abs=1e-9)
    assert zero[[0, 1]] == pytest.approx([0.0, 0.0], abs=1e-15)


def test_code4_may_be_negative_inside_without_harm() -> None:
    # hi = 23 and lo = 0 both occur in published files: the polynomial dips below 0
    factors = scaled("code4", np.linspace(-1, 1, 41), np.array([0.0]), np.array([23.0]))
    assert factors[:, 0].min() < 0.0
    assert np.isfinite(factors).all()


@pytest.mark.parametrize("code", ["code0", "code2", "code4p"])
def test_derivatives_of_shifts_are_those_of_the_values(code: str) -> None:
    alpha = np.array([-2.2, -0.7, -0.1, 0.2, 0.8, 1.9])[:, None]
    side, step = np.ones_like(alpha), 1e-5
    up, here, down = (shift(code, alpha + h, side) for h in (step, 0.0, -step))
    assert up.u - down.u == pytest.approx(np.full_like(alpha, 2 * step), rel=1e-9)
    assert (up.v - down.v) / (2 * step) == pytest.approx(here.dv, rel=1e-8, abs=1e-8)
    curvature = np.broadcast_to(here.d2v, alpha.shape)
    assert (up.dv - down.dv) / (2 * step) == pytest.approx(curvature, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("code", ["code1", "code4"])
def test_derivatives_of_scales_are_those_of_the_values(code: str) -> None:
    alpha, step = np.array([-2.2, -0.7, -0.1, 0.2, 0.8, 1.9]), 1e-5
    lo, hi = np.array([0.8, 1.1, 0.3]), np.array([1.3, 1.2, 9.0])
    up, here, down = (scaled(code, alpha + h, lo, hi) for h in (step, 0.0, -step))
    differences = (up - down) / (2 * step)
    assert differences[:, :2] == pytest.approx(here[:, 1:], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(("side", "slope"), [(1.0, 3.0), (-1.0, 2.0)])
def test_at_the_kink_the_side_says_which_derivative_is_meant(side: float, slope: float) -> None:
    parts = shift("code0", np.zeros((1, 1)), np.full((1, 1), side))
    lo, nominal, hi = TEMPLATES[0]
    assert 0.5 * (hi - lo) + parts.dv * (hi + lo - 2 * nominal) / 16 == pytest.approx(slope)
    factor = scaled("code1", np.zeros(1), np.array([0.8]), np.array([1.3]), side)
    assert factor[0, 1, 0] == pytest.approx(np.log(1.3) if side > 0 else -np.log(0.8))
