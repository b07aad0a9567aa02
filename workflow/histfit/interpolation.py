"""How HistFactory interpolates between the −1σ, nominal and +1σ templates.

A nuisance parameter α moves a template additively (histosys) or scales it (normsys). The codes are
those of pyhf (arXiv:1806.03282 and CERN-OPEN-2012-016, section 4.1):

=======  ========  ====================================================================
code     modifier  form
=======  ========  ====================================================================
code0    histosys  piecewise linear, kink at α = 0
code2    histosys  quadratic for |α| ≤ 1; beyond, as pyhf evaluates it (jumps at ±1)
code4p   histosys  sixth-order polynomial for |α| < 1, linear beyond
code1    normsys   piecewise exponential, kink at α = 0
code4    normsys   sixth-order polynomial for |α| < 1, exponential beyond
=======  ========  ====================================================================

All histosys codes are ``nominal + S u(α) + A v(α)`` with S = (hi − lo)/2 and
A = (hi + lo − 2 nominal)/16, so that one matrix product serves every code. Arrays carry a leading
axis N, one row a fit. At a kink, `side` (±1) says which one-sided derivative is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .arrays import Array, any_of
from .errors import InvalidWorkspace

HISTOSYS_CODES = ("code0", "code2", "code4p")
NORMSYS_CODES = ("code1", "code4")
KINKED_CODES = ("code0", "code1")

_CODE4P = np.reshape([15.0, 30.0, 30.0, -10.0, -40.0, -120.0, 3.0, 18.0, 90.0], (3, 3, 1, 1))
"""code4p's v/α² = 15 − 10 α² + 3 α⁴, v'/α and v'' for |α| ≤ 1, by powers of α²."""

_POWERS = np.array([[0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 2, 3, 4]])
_FACTORS = np.array([[1, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6], [0, 0, 2, 6, 12, 20, 30]], float)
"""αⁱ, i = 0…6, and its first and second derivative are these powers of α times these factors."""

LOG_OF_ZERO = -1e3
"""Stands for log 0, so that products stay finite; the power of a factor of 0 is 1 at α = 0, and 0
beyond."""


def interpolation_codes(settings: Mapping[str, Mapping[str, str]] | None) -> tuple[str, str]:
    """The histosys and the normsys code that pyhf's `modifier_settings` name; as in pyhf, settings
    that leave one of them out mean code0 and code1 there."""
    if settings is None:
        return "code4p", "code4"
    if not isinstance(settings, Mapping) or not all(
        isinstance(setting, Mapping) for setting in settings.values()
    ):
        raise InvalidWorkspace(
            f"modifier settings: found {settings!r:.80}; expected interpcode by modifier, such as "
            '{"normsys": {"interpcode": "code4"}}'
        )
    codes = {"histosys": "code0", "normsys": "code1"}
    known = {"histosys": HISTOSYS_CODES, "normsys": NORMSYS_CODES}
    for modifier, setting in settings.items():
        if modifier not in known:
            raise InvalidWorkspace(
                f"modifier settings: found '{modifier}'; expected {' or '.join(known)}"
            )
        unknown = [key for key in setting if key != "interpcode"]
        if unknown:
            raise InvalidWorkspace(
                f"modifier settings, {modifier}: found '{unknown[0]}'; expected interpcode"
            )
        code = setting.get("interpcode", codes[modifier])
        if code not in known[modifier]:
            raise InvalidWorkspace(
                f"modifier settings, {modifier}: found interpcode '{code}'; "
                f"expected one of {', '.join(known[modifier])}"
            )
        codes[modifier] = code
    return codes["histosys"], codes["normsys"]


class Shift(NamedTuple):
    """u(α), v(α), v'(α) and v''(α), each of shape (N, K); u' is 1 for every code."""

    u: Array
    v: Array
    dv: Array
    d2v: Array


def shift(code: str, alpha: Array, side: Array) -> Shift:
    """The additive basis of a histosys `code` at `alpha` (N, K)."""
    if code == "code0":
        sign = np.where(alpha == 0.0, side, np.sign(alpha))
        return Shift(alpha, 8.0 * np.abs(alpha), 8.0 * sign, 0.0 * alpha)
    if code == "code2":
        # pyhf's own form beyond ±1: (S + 16 A)(α − 1) above and (S − 16 A) α below.
        above, below = alpha > 1.0, alpha < -1.0
        outside = above | below
        beyond = np.where(above, alpha - 1.0, alpha)
        return Shift(
            np.where(outside, beyond, alpha),
            np.where(outside, 16.0 * np.sign(alpha) * beyond, 8.0 * alpha * alpha),
            np.where(outside, 16.0 * np.sign(alpha), 16.0 * alpha),
            np.where(outside, 0.0, 16.0),
        )
    inner = np.minimum(np.maximum(alpha, -1.0), 1.0)
    square = inner * inner
    v, dv, d2v = (_CODE4P[2] * square + _CODE4P[1]) * square + _CODE4P[0]
    return Shift(alpha, v * square + 8.0 * np.abs(alpha - inner), dv * inner, d2v)


def log_factors(factor: Array) -> Array:
    """log of the ±1σ scale factors, finite for a factor of 0."""
    return np.log(factor, out=np.full_like(factor, LOG_OF_ZERO), where=factor > 0.0)


def code4_coefficients(lo: Array, hi: Array) -> Array:
    """Coefficients a₀…a₆ (7, …) of code4's polynomial, with a₀ = 1.

    They make value, first and second derivative continuous with hi^α at α = 1 and with lo^(−α) at
    α = −1. A factor of 0 enters through the limits x log x → 0 and x log² x → 0.
    """
    log_hi, log_lo = log_factors(hi), log_factors(lo)
    even_0, odd_0 = 0.5 * (hi + lo) - 1.0, 0.5 * (hi - lo)
    slope_hi, slope_lo = hi * log_hi, -lo * log_lo
    even_1, odd_1 = 0.5 * (slope_hi - slope_lo), 0.5 * (slope_hi + slope_lo)
    curve_hi, curve_lo = slope_hi * log_hi, -slope_lo * log_lo
    even_2, odd_2 = 0.5 * (curve_hi + curve_lo), 0.5 * (curve_hi - curve_lo)
    return np.stack(
        [
            np.ones_like(lo),
            (15.0 * odd_0 - 7.0 * odd_1 + odd_2) / 8.0,
            3.0 * even_0 - (9.0 * even_1 - even_2) / 8.0,
            (-5.0 * odd_0 + 5.0 * odd_1 - odd_2) / 4.0,
            -3.0 * even_0 + (7.0 * even_1 - even_2) / 4.0,
            (3.0 * odd_0 - 3.0 * odd_1 + odd_2) / 8.0,
            even_0 - (5.0 * even_1 - even_2) / 8.0,
        ]
    )


def scale(
    code: str, alpha: Array, side: Array, coefficients: Array, log_lo: Array, log_hi: Array
) -> Array:
    """Scale factors f and derivatives f', f'' of a normsys `code`, shape (N, 3, K, G).

    `alpha` and `side` have shape (N, K), `coefficients` of code4 (K, 7, G), the logs (K, G): G
    groups of cells that share a normsys, one a channel and sample.
    """
    n, k = alpha.shape
    result = np.empty((n, 3, k, log_hi.shape[1]))
    if code == "code1":
        outside = np.ones(alpha.shape, dtype=bool)
    else:
        powers = np.empty((n, k, 7))
        powers[..., 0] = 1.0
        powers[..., 1:] = alpha[:, :, None]
        np.multiply.accumulate(powers, axis=2, out=powers)
        terms = powers.take(_POWERS, axis=2) * _FACTORS
        np.matmul(terms, coefficients, out=result.swapaxes(1, 2))
        outside = np.abs(alpha) >= 1.0
    if any_of(outside):
        fit, parameter = np.nonzero(outside)
        value = alpha[fit, parameter]
        above = np.where(value == 0.0, side[fit, parameter], value) > 0.0
        slope = np.where(above[:, None], log_hi[parameter], -log_lo[parameter])
        factor = np.exp(value[:, None] * slope)
        none = np.abs(slope) == -LOG_OF_ZERO
        factor = np.where(none, value[:, None] == 0.0, factor)
        slope = np.where(none, 0.0, slope)
        parts = np.stack([factor, factor * slope, factor * slope * slope], axis=1)
        result[fit, :, parameter] = parts
    return result
