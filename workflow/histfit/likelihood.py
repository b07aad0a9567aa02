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

from .arrays import Array, Flags, Index, all_of, any_of, diagonals, times
from .interpolation import scale, shift
from .model import Model

TINY = 1e-150
"""Stands for a smaller factor, so that logarithmic derivatives stay finite."""

LEAST_RATE = 1e-6
"""Below this part of n, −n log λ continues as a parabola (C²), so that a fit can come back from
rates that are not positive. A fit that ends there is made again with `FAINTEST` in its place."""

FAINTEST = 1e-50

WALL = 1e3
"""First stiffness K of the wall that keeps λ ≥ 0 (or the model's `floor`) in bins without events,
where the likelihood would reward negative rates. It is an augmented Lagrangian (Nocedal and Wright,
Numerical Optimization, section 17.3): the bin's term is λ + (max(p − K λ, 0)² − p²)/2K, and once
its price p is right the minimum has λ = 0 exactly, while the Hessian stays well conditioned."""

STRAINED, READINESS = 2.0, 3.0
"""Where a systematic is pulled further, in σ of its constraint, another minimum threatens more:
`mirrored` turns so many times as readily."""


class Data(NamedTuple):
    """Main counts (N, B) and auxiliary data (N, P) of N fits; unconstrained entries are unused."""

    counts: Array
    aux: Array


class Rates(NamedTuple):
    """Expected rates and the parts their derivatives are made of; see `rates`."""

    bins: Array  # λ, (N, B)
    cells: Array  # r, (N, C)
    factor: Array  # f, (N, C)
    slope: Array  # v'(α), (N, Kh)
    curvature: Array  # v''(α), (N, Kh)
    scale_slope: Array  # f'/f of normsys, (N, Kn, G)
    scale_curvature: Array  # f''/f of normsys, (N, Kn, G)
    free: Array  # the other factors, (N, Kf)


class Evaluation(NamedTuple):
    """The objective (NLL less that of the saturated model) with its gradient, and what `hessians`
    needs.

    Attributes:
        value, gradient: (N,) and (N, P)
        pressure: the price that the wall of every bin should have (see `WALL`), (N, B)
        unsettled: what wrong prices add to the value, (N,)
        weight, curvature: first and second derivatives of the main terms by λ, (N, B)
        bend: ∂/∂v of histosys, Σ w f A over the cells, (N, Kh)
        by_group: Σ w r over the cells of every group, (N, G)
        constraint: second derivatives of the constraint terms, (N, P)
    """

    value: Array
    gradient: Array
    pressure: Array
    unsettled: Array
    weight: Array
    curvature: Array
    bend: Array
    by_group: Array
    constraint: Array
    rates: Rates

    def take(self, rows: Index) -> Evaluation:
        """Some rows, copied."""
        rates = Rates._make(part.take(rows, axis=0) for part in self.rates)
        return Evaluation._make([*(part.take(rows, axis=0) for part in self[:-1]), rates])

    def put(self, rows: Index, others: Evaluation) -> None:
        """Replace some rows by all of `others`."""
        for mine, theirs in zip(self[:-1], others[:-1], strict=True):
            mine[rows] = theirs
        for mine, theirs in zip(self.rates, others.rates, strict=True):
            mine[rows] = theirs


class Hessians(NamedTuple):
    """The Hessians of N objectives (N, P, P), and their Gauss-Newton parts, which are positive
    semidefinite: J diag(n/λ²) Jᵀ and the constraint terms."""

    exact: Array
    jacobian: Array  # J, (N, P, B)
    curvature: Array  # n/λ², (N, B)
    constraint: Array  # (N, P)

    def gauss_newton(self, row: int) -> Array:
        """The Gauss-Newton part of one row, (P, P)."""
        jacobian = self.jacobian[row]
        result = (jacobian * self.curvature[row]) @ jacobian.T
        diagonals(result)[...] += self.constraint[row]
        return np.asarray(result)

    def gauss_newton_diagonal(self, rows: Index) -> Array:
        """The diagonals of some rows' Gauss-Newton parts, (n, P)."""
        squares = self.jacobian[rows] ** 2
        return times(squares, self.curvature[rows]) + self.constraint[rows]


def expected_bins(model: Model, x: Array) -> Array:
    """Expected rates λ (N, B)."""
    shifted, factor = _parts(model, x)
    return np.add.reduceat(shifted * factor, model.bin_starts, axis=1)


def rates(model: Model, x: Array, side: Array) -> Rates:
    """Rates and derivatives at `x` (N, P); `side` (N, P) chooses one side at a kink."""
    moved = shift(model.histosys_code, x[:, model.histosys], side[:, model.histosys])
    scales = _scales(model, x[:, model.normsys], side)
    scale_value = _nonzero(scales[:, 0])
    free = _nonzero(x[:, model.factors].copy())
    factor = _product(model, scale_value, free)
    cells = _shifted(model, moved.u, moved.v) * factor
    return Rates(
        bins=np.add.reduceat(cells, model.bin_starts, axis=1),
        cells=cells,
        factor=factor,
        slope=moved.dv,
        curvature=moved.d2v,
        scale_slope=scales[:, 1] / scale_value,
        scale_curvature=scales[:, 2] / scale_value,
        free=free,
    )


def cell_slopes(model: Model, x: Array) -> tuple[Array, Array]:
    """Expected rates of the cells (N, C) at `x` (N, P), and their derivatives (N, P, C); at a kink
    the mean of both sides."""
    sides = [rates(model, x, np.full_like(x, side)) for side in (1.0, -1.0)]
    right, left = (_cell_derivatives(model, rate)[0] for rate in sides)
    cells = sides[0].cells
    return np.where(np.abs(cells) < math.sqrt(TINY), 0.0, cells), 0.5 * (right + left)


def evaluate(
    model: Model,
    x: Array,
    data: Data,
    side: Array,
    wall: Array,
    stiffness: Array | float = WALL,
    least: float = LEAST_RATE,
) -> Evaluation:
    """The objective with its gradient at `x` (N, P), with the prices p and the `stiffness` K of the
    `wall` in every bin, both (N, B); extended below the part `least` of n (see `LEAST_RATE`)."""
    rate = rates(model, x, side)
    main, weight, curvature = _poisson(data.counts, rate.bins, least)
    empty = data.counts == 0.0
    pressure, unsettled = wall, np.zeros(len(x))
    if any_of(empty):
        pressure = np.maximum(wall - stiffness * (rate.bins - model.floor), 0.0)
        pressure = np.where(empty, pressure, 0.0)
        cost = (pressure - wall) * (pressure + wall) / (2.0 * stiffness)
        unsettled = np.abs(cost).sum(axis=1)
        main = main + cost.sum(axis=1)
        weight = weight - pressure
        curvature = curvature + stiffness * (pressure > 0.0)
    value, gradient, constraint = _constraints(model, x, data.aux, least)

    cell_weight = weight.take(model.bin, axis=1)
    by_shift = times(model.shifts.reshape(-1, len(model.nominal)), cell_weight * rate.factor)
    bend = by_shift[:, model.histosys.stop :]
    gradient[:, model.histosys] += by_shift[:, model.histosys] + rate.slope * bend
    cell_weight *= rate.cells
    cells = cell_weight.take(model.by_group, axis=1)
    by_group = np.add.reduceat(cells, model.group_starts, axis=1)
    gradient[:, model.normsys] += times(rate.scale_slope, by_group)
    gradient[:, model.factors] += times(model.incidence, cell_weight) / rate.free
    return Evaluation(
        value=value + main,
        gradient=gradient,
        pressure=pressure,
        unsettled=unsettled,
        weight=weight,
        curvature=curvature,
        bend=bend,
        by_group=by_group,
        constraint=constraint,
        rates=rate,
    )


def hessians(model: Model, at: Evaluation) -> Hessians:
    """The exact Hessians, and what their Gauss-Newton parts are made of.

    With J the bins' and r the cells' derivatives, D the histosys slopes, L the logarithmic slopes
    of the factors, and w = 1 − n/λ, the Hessian is J diag(n/λ²) Jᵀ + X Lᵀ + L Xᵀ with
    X = w (f D + r L/2), but for its diagonal, which is written down exactly.
    """
    rate, scaling = at.rates, slice(model.normsys.start, None)
    derivative, scaled_by, log_slope, cross = _cell_derivatives(model, rate)
    jacobian = np.add.reduceat(derivative, model.bin_starts, axis=2)
    cell_weight = at.weight.take(model.bin, axis=1)
    diagonal = at.constraint.copy()
    diagonal[:, model.histosys] += rate.curvature * at.bend
    diagonal[:, model.normsys.start : model.histosys.stop] += 2.0 * times(cross, cell_weight)
    diagonal[:, model.normsys] += times(rate.scale_curvature, at.by_group)
    scaled_by *= 0.5
    derivative[:, scaling] -= scaled_by
    log_slope *= cell_weight[:, None, :]
    mixed = np.zeros((len(jacobian), jacobian.shape[1], jacobian.shape[1]))
    np.matmul(derivative, log_slope.transpose(0, 2, 1), out=mixed[:, :, scaling])
    exact = (jacobian * at.curvature[:, None, :]) @ jacobian.transpose(0, 2, 1)
    on_diagonal = diagonals(exact)
    diagonal += on_diagonal
    exact += mixed
    exact += mixed.transpose(0, 2, 1)
    on_diagonal[...] = diagonal
    return Hessians(exact, jacobian, at.curvature, at.constraint)


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
    impossible = ((data.counts > 0.0) & ~(expected > 0.0)).any(axis=1)
    poisson = model.parameters.poisson
    impossible |= ((data.aux > 0.0) & ~(x > 0.0))[:, poisson].any(axis=1)
    main = _poisson(data.counts, expected, FAINTEST)[0]
    return np.where(impossible, np.inf, main + _constraints(model, x, data.aux, FAINTEST)[0])


def extended(model: Model, x: Array, bins: Array, data: Data) -> Flags:
    """Where (N,) a main term with events or a constraint term is below `LEAST_RATE`, at `x` (N, P)
    with the expected rates `bins` (N, B)."""
    found = ((bins < LEAST_RATE * data.counts) & (data.counts > 0.0)).any(axis=1)
    poisson = model.parameters.poisson
    if len(poisson):
        tau = model.parameters.tau
        found |= (tau * x < LEAST_RATE * data.aux)[:, poisson].any(axis=1)
    return np.asarray(found)


def mirrored(model: Model, x: Array, data: Data, nearest: float) -> Array:
    """`x` (N, P) with the sign of every α turned that is beyond ±`nearest` (in σ of constraint and,
    for one-sided ones, data) and has about the same effect either way.

    One-sided systematics, whose up and down templates move a rate the same way, make the
    likelihood nearly even in α, and a minimum at −α stands against each one at α. A parameter is
    turned if that alone costs less than half of what a linear effect would (2 α²), or, in a fit
    that is `STRAINED`, `READINESS` times that.
    """
    least = nearest / np.sqrt(1.0 + model.one_sided[: model.normsys.stop])
    alphas = np.flatnonzero((np.abs(x[:, : model.normsys.stop]) > least).any(axis=0))
    if len(alphas) == 0:
        return x
    shifting = alphas < model.histosys.stop
    scaling = alphas >= model.normsys.start
    plain = np.ones_like(x)
    shifted, factor = _parts(model, x)
    turned = np.repeat(shifted[:, None, :], len(alphas), axis=1)
    moving = alphas[shifting]
    alpha, side = x[:, moving], plain[:, moving]
    forth, back = (shift(model.histosys_code, sign * alpha, side) for sign in (1.0, -1.0))
    turned[:, shifting] += (back.u - forth.u)[:, :, None] * model.shifts[0, moving]
    turned[:, shifting] += (back.v - forth.v)[:, :, None] * model.shifts[1, moving]
    turned *= factor[:, None, :]
    which = alphas[scaling] - model.normsys.start
    alpha, side = x[:, alphas[scaling]], plain[:, alphas[scaling]]
    parts = model.coefficients[which], model.log_lo[which], model.log_hi[which]
    here, there = (
        scale(model.normsys_code, sign * alpha, side, *parts)[:, 0] for sign in (1.0, -1.0)
    )
    turned[:, scaling] *= (there / _nonzero(here))[:, :, model.group]
    before = np.add.reduceat(shifted * factor, model.bin_starts, axis=1)
    after = np.add.reduceat(turned, model.bin_starts, axis=2)
    counts = np.repeat(data.counts, len(alphas), axis=0)
    cost = _poisson(counts, after.reshape(counts.shape))[0].reshape(len(x), len(alphas))
    cost -= _poisson(data.counts, before)[0][:, None]
    pull = np.sqrt(model.parameters.weight) * np.abs(x - data.aux)
    strained = (pull[:, : model.normsys.stop] > STRAINED).any(axis=1)
    worth = np.where(strained, READINESS, 1.0)[:, None] * x[:, alphas] ** 2
    turning = (cost < worth) & (np.abs(x[:, alphas]) > least[alphas])
    result = x.copy()
    result[:, alphas] *= np.where(turning, -1.0, 1.0)
    return result


def _parts(model: Model, x: Array) -> tuple[Array, Array]:
    """What the shifts make of every cell, and the factor that scales it, both (N, C)."""
    plain = np.ones_like(x)
    moved = shift(model.histosys_code, x[:, model.histosys], plain[:, model.histosys])
    scales = _scales(model, x[:, model.normsys], plain)[:, 0]
    factor = _product(model, scales, x[:, model.factors])
    return _shifted(model, moved.u, moved.v), factor


def _scales(model: Model, alpha: Array, side: Array) -> Array:
    """f, f' and f'' of normsys at `alpha` (N, Kn), (N, 3, Kn, G)."""
    logs = model.log_lo, model.log_hi
    return scale(model.normsys_code, alpha, side[:, model.normsys], model.coefficients, *logs)


def _shifted(model: Model, u: Array, v: Array) -> Array:
    """nominal + S u + A v, (N, C)."""
    basis = np.concatenate([u, v], axis=1)[:, None, :]
    return (basis @ model.shifts.reshape(-1, len(model.nominal)))[:, 0] + model.nominal


def _product(model: Model, scales: Array, factors: Array) -> Array:
    """Product of the normsys `scales` (N, Kn, G) and the `factors` (N, Kf) of each cell, (N, C)."""
    padded = np.ones((len(factors), factors.shape[1] + 1))
    padded[:, :-1] = factors
    product = np.multiply.reduce(padded.take(model.slots, axis=1), axis=2)
    product *= np.multiply.reduce(scales, axis=1).take(model.group, axis=1)
    return np.asarray(product)


def _nonzero(factors: Array) -> Array:
    if factors.size and factors.min() >= TINY:
        return factors
    return np.where(np.abs(factors) < TINY, TINY, factors)


def _deviance(counts: Array, expected: Array) -> Array:
    delta = (expected - counts) / counts
    return np.asarray(counts * (delta - np.log1p(delta)))


def _poisson(
    counts: Array, expected: Array, least: float = LEAST_RATE
) -> tuple[Array, Array, Array]:
    """Deviance (N,), and its first and second derivative by λ (N, B), extended below the part
    `least` of n."""
    some = counts > 0.0
    if all_of((expected > LEAST_RATE * counts) & some):
        ratio = counts / expected
        return _deviance(counts, expected).sum(axis=1), 1.0 - ratio, ratio / expected
    n = np.where(some, counts, 1.0)
    lowest = least * n
    below = expected < lowest
    safe = np.where(below, lowest, expected)
    excess = np.where(below, expected - lowest, 0.0)
    ratio = n / safe
    rare = safe < LEAST_RATE * n  # where δ has lost the digits of λ
    value = np.where(rare, safe - n + n * np.log(ratio), _deviance(n, np.where(rare, n, safe)))
    value += excess * (1.0 - ratio + 0.5 * excess * ratio / safe)
    first = 1.0 - ratio + excess * ratio / safe
    second = ratio / safe
    return (
        np.where(some, value, expected).sum(axis=1),
        np.where(some, first, 1.0),
        np.where(some, second, 0.0),
    )


def _constraints(model: Model, x: Array, aux: Array, least: float) -> tuple[Array, Array, Array]:
    """Constraint terms (N,), their gradient and second derivatives (N, P); Poisson terms extended
    below the part `least` of the auxiliary data."""
    parameters = model.parameters
    pull = x - aux
    gradient = parameters.weight * pull
    value = 0.5 * (gradient * pull).sum(axis=1)
    curvature = np.empty_like(x)
    curvature[...] = parameters.weight
    poisson = parameters.poisson
    if len(poisson):
        tau = parameters.tau[poisson]
        counts, gamma = aux.take(poisson, axis=1), x.take(poisson, axis=1)
        main, first, second = _poisson(counts, tau * gamma, least)
        value += main
        gradient[:, poisson] = tau * first
        curvature[:, poisson] = tau * tau * second
    return value, gradient, curvature


def _cell_derivatives(model: Model, rate: Rates) -> tuple[Array, Array, Array, Array]:
    """∂r/∂x (N, P, C); its part r L by the factors; the logarithmic slopes L; and the cross terms
    D L of the parameters that shift and scale."""
    n_shift, first = model.histosys.stop, model.normsys.start
    n_fits, n_scale, _ = rate.scale_slope.shape
    n_scaling, n_cells = n_scale + rate.free.shape[1], len(model.nominal)
    log_slope = np.empty((n_fits, n_scaling, n_cells))
    log_slope[:, :n_scale] = rate.scale_slope.take(model.group, axis=2)
    np.divide(model.incidence, rate.free[:, :, None], out=log_slope[:, n_scale:])
    scaled_by = rate.cells[:, None, :] * log_slope
    derivative = np.empty((n_fits, first + n_scaling, n_cells))
    shifted_by = derivative[:, :n_shift]
    np.multiply(rate.slope[:, :, None], model.shifts[1], out=shifted_by)
    shifted_by += model.shifts[0]
    shifted_by *= rate.factor[:, None, :]
    cross = shifted_by[:, first:] * log_slope[:, : max(n_shift - first, 0)]
    derivative[:, n_shift:] = scaled_by[:, n_shift - first :]
    derivative[:, first:n_shift] += scaled_by[:, : n_shift - first]
    return derivative, scaled_by, log_slope, cross


def _saturated(counts: Array) -> Array:
    logs = np.log(counts, out=np.zeros_like(counts), where=counts > 0.0)
    return np.asarray((counts - counts * logs + gammaln(counts + 1.0)).sum(axis=1))
