"""The negative log likelihood of a model, with its exact gradient and Hessian.

Poisson terms are deviances, n (δ − log(1 + δ)) with δ = (λ − n)/n, which is 0 at λ = n: nothing of
the size of n log n is ever added up, so a constraint with τ = 1e11 costs no digit. All functions
take N parameter points at once, as rows of `x` (N, P), each with data of its own; a row's result
does not depend on the others. (Hence ``take`` before a sum or product: what x[:, index] returns
lies in memory in an order that depends on N, and so does the order in which it is added up.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

from .interpolation import Array, scale, shift
from .model import Model

TINY = 1e-150
"""Stands for a smaller factor, so that logarithmic derivatives stay finite."""

LEAST_RATE = 1e-6
"""Below this part of n, −n log λ continues as a parabola (C²), so that a fit can come back from
rates that are not positive."""

WALL = 1e3
"""Stiffness K of the wall that keeps λ ≥ 0 (or the model's `floor`) in bins without events, where
the likelihood would reward negative rates. It is an augmented Lagrangian (Nocedal and Wright,
Numerical Optimization, section 17.3): the bin's term is λ + (max(p − K λ, 0)² − p²)/2K, and once
its price p is right the minimum has λ = 0 exactly, while the Hessian stays well conditioned."""


class Data(NamedTuple):
    """Main counts (N, B) and auxiliary data (N, P) of N fits; unconstrained entries are unused."""

    counts: Array
    aux: Array


class Rates(NamedTuple):
    """Expected rates and the parts their derivatives are made of; see `rates`."""

    bins: Array  # λ, (N, B)
    cells: Array  # r, (N, C)
    factor: Array  # f, (N, C)
    slope: Array  # ∂(nominal + shift)/∂α, (N, Kh, C)
    curvature: Array  # second derivative of v(α), (N, Kh)
    log_slope: Array  # L = ∂ log f/∂x, (N, P − first scaling parameter, C)
    scale_curvature: Array  # f''/f of normsys, (N, Kn, G)


class Evaluation(NamedTuple):
    """The objective (NLL less that of the saturated model) and its derivatives.

    Attributes:
        value, gradient: (N,) and (N, P)
        hessian, gauss_newton: the Hessian and that part of it which is positive semidefinite,
            (N, P, P), or empty where not asked for
        pressure: the price that the wall of every bin should have (see `WALL`), (N, B)
        unsettled: what wrong prices add to the value, (N,)
    """

    value: Array
    gradient: Array
    hessian: Array
    gauss_newton: Array
    pressure: Array
    unsettled: Array


def expected_bins(model: Model, x: Array) -> Array:
    """Expected rates λ (N, B)."""
    alpha = x[:, model.histosys]
    moved = shift(model.histosys_code, alpha, np.ones_like(alpha))
    shifted = _shifted(model, moved.u, moved.v)
    alpha = x[:, model.normsys]
    scales = scale(
        model.normsys_code,
        alpha,
        np.ones_like(alpha),
        model.coefficients,
        model.log_lo,
        model.log_hi,
    )
    factor = np.multiply.reduce(scales[:, :, 0], axis=1)[:, model.group]
    factor *= _product(model, x[:, model.factors])
    return np.add.reduceat(shifted * factor, model.bin_starts, axis=1)


def rates(model: Model, x: Array, side: Array) -> Rates:
    """Rates and derivatives at `x` (N, P); `side` (N, P) chooses one side at a kink."""
    moved = shift(model.histosys_code, x[:, model.histosys], side[:, model.histosys])
    shifted = _shifted(model, moved.u, moved.v)
    slope = moved.dv[:, :, None] * model.shifts[1]
    slope += model.shifts[0]

    scales = scale(
        model.normsys_code,
        x[:, model.normsys],
        side[:, model.normsys],
        model.coefficients,
        model.log_lo,
        model.log_hi,
    )
    scale_value = _nonzero(scales[:, :, 0])
    free = _nonzero(x[:, model.factors])
    n_scale = scale_value.shape[1]
    log_slope = np.empty((len(x), n_scale + free.shape[1], len(model.nominal)))
    log_slope[:, :n_scale] = (scales[:, :, 1] / scale_value)[:, :, model.group]
    np.divide(model.incidence, free[:, :, None], out=log_slope[:, n_scale:])
    factor = np.multiply.reduce(scale_value, axis=1)[:, model.group] * _product(model, free)
    cells = shifted * factor
    return Rates(
        bins=np.add.reduceat(cells, model.bin_starts, axis=1),
        cells=cells,
        factor=factor,
        slope=slope,
        curvature=moved.d2v,
        log_slope=log_slope,
        scale_curvature=scales[:, :, 2] / scale_value,
    )


def cell_slopes(model: Model, x: Array) -> tuple[Array, Array]:
    """Expected rates of the cells (N, C) at `x` (N, P), and their derivatives (N, P, C); at a kink
    the mean of both sides."""
    sides = [rates(model, x, np.full_like(x, side)) for side in (1.0, -1.0)]
    right, left = (_cell_derivatives(model, rate)[0] for rate in sides)
    cells = sides[0].cells
    return np.where(np.abs(cells) < math.sqrt(TINY), 0.0, cells), 0.5 * (right + left)


def evaluate(
    model: Model, x: Array, data: Data, side: Array, wall: Array, *, hessian: bool
) -> Evaluation:
    """The objective with its derivatives at `x` (N, P).

    With J the bins' and r the cells' derivatives, D the histosys slopes, L the logarithmic slopes
    of the factors, and w = 1 − n/λ, the Hessian is J diag(n/λ²) Jᵀ + X Lᵀ + L Xᵀ with
    X = w (f D + r L/2), but for its diagonal, which is written down exactly.
    """
    rate = rates(model, x, side)
    main, weight, curvature = _poisson(data.counts, rate.bins)
    empty = data.counts == 0.0
    pressure, unsettled = wall, np.zeros(len(x))
    if empty.any():
        pressure = np.where(empty, np.maximum(wall - WALL * (rate.bins - model.floor), 0.0), 0.0)
        cost = (pressure - wall) * (pressure + wall) / (2.0 * WALL)
        unsettled = np.abs(cost).sum(axis=1)
        main = main + cost.sum(axis=1)
        weight = weight - pressure
        curvature = curvature + WALL * (pressure > 0.0)
    constraint, constraint_gradient, constraint_curvature = _constraints(model, x, data.aux)

    derivative, scaled_by, cross = _cell_derivatives(model, rate)
    jacobian = np.add.reduceat(derivative, model.bin_starts, axis=2)
    gradient = (jacobian @ weight[:, :, None])[:, :, 0] + constraint_gradient
    value = main + constraint
    if not hessian:
        none = np.empty((len(x), 0, 0))
        return Evaluation(value, gradient, none, none, pressure, unsettled)

    cell_weight = weight.take(model.bin, axis=1)
    diagonal = _diagonal(model, rate, cell_weight, cross)
    scaled_by *= 0.5
    derivative[:, model.normsys.start :] -= scaled_by
    derivative *= cell_weight[:, None, :]
    mixed = derivative @ rate.log_slope.transpose(0, 2, 1)
    gauss_newton = (jacobian * curvature[:, None, :]) @ jacobian.transpose(0, 2, 1)
    np.einsum("nii->ni", gauss_newton)[...] += constraint_curvature
    result = gauss_newton.copy()
    result[:, :, model.normsys.start :] += mixed
    result[:, model.normsys.start :, :] += mixed.transpose(0, 2, 1)
    np.einsum("nii->ni", result)[...] = np.einsum("nii->ni", gauss_newton) + diagonal
    return Evaluation(value, gradient, result, gauss_newton, pressure, unsettled)


def saturated_nll(model: Model, data: Data) -> Array:
    """NLL (N,) of the saturated model: what the objective leaves out of the full NLL."""
    normal, poisson = model.parameters.weight > 0.0, model.parameters.tau > 0.0
    widths = 0.5 * np.log(2.0 * np.pi / model.parameters.weight[normal]).sum()
    counts = _saturated(data.counts) + _saturated(data.aux[:, poisson])
    return np.asarray(counts + widths)


def log_likelihood(model: Model, x: Array, data: Data) -> Array:
    """The full log likelihood (N,) with all its constants, as pyhf's ``logpdf``.

    −inf where the expected rate of a bin with events is not positive.
    """
    return np.asarray(-(deviance(model, x, data) + saturated_nll(model, data)))


def deviance(model: Model, x: Array, data: Data) -> Array:
    """The objective (N,) as it is, without the extensions that help to minimize it: +inf where the
    expected rate of a bin with events is not positive."""
    expected = expected_bins(model, x)
    counts = data.counts
    some = counts > 0.0
    n, rate = np.where(some, counts, 1.0), np.where(some & (expected > 0.0), expected, 1.0)
    # δ of `_deviance` is −1 in double precision where λ is far below n
    rare = rate < LEAST_RATE * n
    main = np.where(rare, rate - n + n * np.log(n / rate), _deviance(n, np.where(rare, n, rate)))
    main = np.where(some, np.where(expected > 0.0, main, np.inf), expected).sum(axis=1)
    return np.asarray(main + _constraints(model, x, data.aux)[0])


def mirrored(model: Model, x: Array, data: Data) -> Array:
    """`x` (N, P) with the sign of every α turned whose effect is about the same either way.

    One-sided systematics, whose up and down templates move a rate the same way, make the
    likelihood nearly even in α, and a minimum at −α stands against each one at α. A parameter is
    turned if that alone costs less than half of what a linear effect would (2 α²).
    """
    plain = np.ones_like(x)
    rate = rates(model, x, plain)
    alphas = slice(0, model.normsys.stop)
    turned = np.where(rate.factor == 0.0, 0.0, rate.cells / _nonzero(rate.factor))[:, None, :]
    turned = np.repeat(turned, alphas.stop, axis=1)
    alpha = x[:, model.histosys]
    back = shift(model.histosys_code, -alpha, plain[:, model.histosys])
    forth = shift(model.histosys_code, alpha, plain[:, model.histosys])
    turned[:, model.histosys] += (back.u - forth.u)[:, :, None] * model.shifts[0]
    turned[:, model.histosys] += (back.v - forth.v)[:, :, None] * model.shifts[1]
    turned *= rate.factor[:, None, :]
    here, there = (
        scale(
            model.normsys_code,
            sign * x[:, model.normsys],
            plain[:, model.normsys],
            model.coefficients,
            model.log_lo,
            model.log_hi,
        )[:, :, 0]
        for sign in (1.0, -1.0)
    )
    turned[:, model.normsys] *= (there / _nonzero(here))[:, :, model.group]
    bins = np.add.reduceat(turned, model.bin_starts, axis=2)
    counts = np.repeat(data.counts, alphas.stop, axis=0)
    cost = _poisson(counts, bins.reshape(counts.shape))[0].reshape(len(x), alphas.stop)
    cost -= _poisson(data.counts, rate.bins)[0][:, None]
    result = x.copy()
    result[:, alphas] *= np.where(cost < x[:, alphas] ** 2, -1.0, 1.0)
    return result


def _shifted(model: Model, u: Array, v: Array) -> Array:
    """nominal + S u + A v, (N, C)."""
    basis = np.concatenate([u, v], axis=1)[:, None, :]
    return (basis @ model.shifts.reshape(-1, len(model.nominal)))[:, 0] + model.nominal


def _product(model: Model, factors: Array) -> Array:
    """Product of the factors of each cell, (N, C)."""
    padded = np.concatenate([factors, np.ones((len(factors), 1))], axis=1)
    return np.asarray(np.multiply.reduce(padded[:, model.slots], axis=2))


def _nonzero(factors: Array) -> Array:
    return np.where(np.abs(factors) < TINY, TINY, factors)


def _deviance(counts: Array, expected: Array) -> Array:
    delta = (expected - counts) / counts
    return np.asarray(counts * (delta - np.log1p(delta)))


def _poisson(counts: Array, expected: Array) -> tuple[Array, Array, Array]:
    """Deviance (N,), and its first and second derivative by λ (N, B), extended below
    `LEAST_RATE`."""
    some = counts > 0.0
    if some.all() and (expected > LEAST_RATE * counts).all():
        ratio = counts / expected
        return _deviance(counts, expected).sum(axis=1), 1.0 - ratio, ratio / expected
    n = np.where(some, counts, 1.0)
    least = LEAST_RATE * n
    below = expected < least
    safe = np.where(below, least, expected)
    excess = np.where(below, expected - least, 0.0)
    ratio = n / safe
    value = _deviance(n, safe) + excess * (1.0 - ratio + 0.5 * excess * ratio / safe)
    first = 1.0 - ratio + excess * ratio / safe
    second = ratio / safe
    return (
        np.where(some, value, expected).sum(axis=1),
        np.where(some, first, 1.0),
        np.where(some, second, 0.0),
    )


def _constraints(model: Model, x: Array, aux: Array) -> tuple[Array, Array, Array]:
    """Constraint terms (N,), their gradient and second derivatives (N, P)."""
    parameters = model.parameters
    pull = x - aux
    gradient = parameters.weight * pull
    value = 0.5 * (gradient * pull).sum(axis=1)
    curvature = np.broadcast_to(parameters.weight, x.shape)
    poisson = np.flatnonzero(parameters.tau)
    if len(poisson):
        tau = parameters.tau[poisson]
        counts, gamma = aux.take(poisson, axis=1), x.take(poisson, axis=1)
        main, first, second = _poisson(counts, tau * gamma)
        value = value + main
        gradient[:, poisson] = tau * first
        curvature = curvature.copy()
        curvature[:, poisson] = tau * tau * second
    return value, gradient, curvature


def _cell_derivatives(model: Model, rate: Rates) -> tuple[Array, Array, Array]:
    """∂r/∂x (N, P, C); its part r L by the factors, and the cross terms D L of the parameters that
    shift and scale."""
    n_shift, first = model.histosys.stop, model.normsys.start
    scaled_by = rate.cells[:, None, :] * rate.log_slope
    n_fits, n_scaling, n_cells = scaled_by.shape
    derivative = np.empty((n_fits, first + n_scaling, n_cells))
    shifted_by = derivative[:, :n_shift]
    np.multiply(rate.factor[:, None, :], rate.slope, out=shifted_by)
    cross = shifted_by[:, first:] * rate.log_slope[:, : max(n_shift - first, 0)]
    derivative[:, n_shift:] = scaled_by[:, n_shift - first :]
    derivative[:, first:n_shift] += scaled_by[:, : n_shift - first]
    return derivative, scaled_by, cross


def _diagonal(model: Model, rate: Rates, cell_weight: Array, cross: Array) -> Array:
    """Σ w ∂²r/∂x² of every parameter, (N, P)."""
    result = np.zeros((len(cell_weight), len(model.parameters.labels)))
    weighted = cell_weight * rate.factor
    asymmetry = (model.shifts[1] @ weighted[:, :, None])[:, :, 0]
    result[:, model.histosys] = rate.curvature * asymmetry
    both = slice(model.normsys.start, model.histosys.stop)
    result[:, both] += 2.0 * (cross @ cell_weight[:, :, None])[:, :, 0]
    by_group = (cell_weight * rate.cells).take(model.by_group, axis=1)
    sums = np.add.reduceat(by_group, model.group_starts, axis=1)
    result[:, model.normsys] += (rate.scale_curvature @ sums[:, :, None])[:, :, 0]
    return result


def _saturated(counts: Array) -> Array:
    logs = np.log(counts, out=np.zeros_like(counts), where=counts > 0.0)
    return np.asarray((counts - counts * logs + gammaln(counts + 1.0)).sum(axis=1))
