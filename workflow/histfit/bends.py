"""What makes fits threaten to have several minima: systematics that bend, and loose normalisations.

A systematic bends where it moves bins the same way at +1 and −1, as one-sided ones do. A fit cannot
see the side then, and may choose either, unless the data are explained as well without it.

A free normalisation is loose where the data leave it so uncertain that the effects of systematics
change with it: with much of one background and little of another, what raised the rates may lower
them, and there may be a minimum for each way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .arrays import Array, Flags, Index, any_of
from .parameters import Parameters

THREAT = 3.0
"""What bins must tell about a bend, where the constraint tells 1, to be a threat."""

THREAT_AT_KINK = 1e-4
"""The same for interpolations with a kink at 0, which can be a maximum. (With 0.1, 12 of 600 fits
of random models ended above minima that many random starts find, now 6, by 2e-5 at most.)"""

TOO_MUCH = 1e7
"""Beyond this no fit follows a bend: it is a hundred times what 10⁹ events see of 1 %."""

IMITATED = 0.05
"""A smooth bend of which no more than this is left once all other parameters have done their best
to do the same is no threat. (Of 1080 random models, 32 searches found a lower minimum where a bend
is smooth; the least that was left there was 0.057.)"""

FREE = 10.0
"""Width of the constraint that stands for none, in units of a factor's expected size."""

MOST = 1e6
"""Effects are taken to be of at most so many σ of the events."""

LOOSE = 0.1
"""A free normalisation is loose if its uncertainty changes the effect of a systematic by more than
this part of the precision to which that is known. (In 3600 random models of 5 to 56 parameters,
some 50 fits had a lower minimum for another size of the normalisations; the loosest of these models
was below 0.15 in two, and never below this.)"""

MOST_LOOSE = 16
"""Of more loose normalisations, the loosest count."""


class Threats(NamedTuple):
    """What threatens fits of a model with P parameters; see `model.Model`."""

    bend: Array
    one_sided: Array
    loose: Index


class _Effects(NamedTuple):
    """What the K systematics do to the C cells and B bins.

    Attributes:
        up, down: changes of the bins at +1 and −1, (K, B)
        either_way: half of what lies between the cells at +1 and −1, (K, C)
        events: in every bin, observed or expected, (B,)
    """

    up: Array
    down: Array
    either_way: Array
    events: Array


def threats(
    parameters: Parameters,
    poi: int | None,
    kinked: Flags,
    observed: Array,
    nominal: Array,
    shifts: Array,
    scales: Array,
    incidence: Array,
    bin_starts: Index,
) -> Threats:
    """By how much every parameter bends: the mean of both changes of the bins in σ of the events,
    squared and added up (P,); the same where that is a threat, 0 elsewhere (P,); and the free
    normalisations that are loose, the loosest first.

    Arrays are those of `model.Model`; `scales` are the normsys scales at +1 and −1, (2, K, C).
    """
    sizes = _sizes(parameters, poi, scales.shape[1])
    if any_of(sizes != 1.0):
        expected = np.multiply.reduce(np.where(incidence > 0.0, sizes[:, None], 1.0), axis=0)
        nominal, shifts = nominal * expected, shifts * expected
    up, down, either_way, events = _effects(observed, nominal, shifts, scales, bin_starts)
    bend = np.zeros(len(parameters.labels))
    bend[: len(up)] = (0.25 * (up + down) ** 2 / events).sum(axis=1)
    threat = (bend > np.where(kinked, THREAT_AT_KINK, THREAT)) & (bend < TOO_MUCH)
    smooth = (threat & ~kinked).nonzero()[0]
    free = _free_normalisations(parameters, poi, len(up))
    if not len(smooth) and not len(free):
        return Threats(bend, np.where(threat, bend, 0.0), free)
    sigma = np.sqrt(events)
    factors = np.add.reduceat(incidence * nominal, bin_starts, axis=1)
    changes = np.concatenate([0.5 * (up - down), factors]) / sigma
    scaled, covariance = fitted(parameters, changes)
    if len(smooth):
        curved = 0.5 * (up + down)[smooth] / sigma
        threat[smooth] = remainder(scaled, covariance, smooth, curved) > IMITATED
    precision = 1.0 + (0.25 * (up - down) ** 2 / events).sum(axis=1)
    looseness = FREE * np.sqrt(np.maximum(covariance[free, free], 0.0))
    for k, factor in enumerate(incidence[free - len(up)]):
        cells = factor.nonzero()[0]
        bins, first = np.unique(np.searchsorted(bin_starts, cells, "right"), return_index=True)
        own = np.add.reduceat(either_way[:, cells], first, axis=1)
        change = np.sqrt((own**2 / events[bins - 1]).sum(axis=1) / precision)
        looseness[k] *= change.max(initial=0.0)
    loosest = np.argsort(-looseness, kind="stable")[:MOST_LOOSE]
    loose = free[loosest[looseness[loosest] > LOOSE]]
    return Threats(bend, np.where(threat, bend, 0.0), loose)


def _effects(
    observed: Array, nominal: Array, shifts: Array, scales: Array, bin_starts: Index
) -> _Effects:
    n_shifts, n_alphas = shifts.shape[1], scales.shape[1]
    cells = np.repeat(np.repeat(nominal[None, None], n_alphas, axis=1), 2, axis=0)
    cells[0, :n_shifts] += 8.0 * shifts[1] + shifts[0]
    cells[1, :n_shifts] += 8.0 * shifts[1] - shifts[0]
    cells *= scales
    cells -= nominal
    up, down = np.add.reduceat(cells, bin_starts, axis=2)
    events = np.maximum(np.maximum(observed, np.add.reduceat(nominal, bin_starts)), 1.0)
    return _Effects(up, down, 0.5 * (cells[0] - cells[1]), events)


def _sizes(parameters: Parameters, poi: int | None, first: int) -> Array:
    """The factors, from parameter number `first` on, as they are expected to be: at their initial
    values; the POI, and what starts at 0, at 1."""
    sizes = np.abs(parameters.init[first:])
    sizes[(sizes == 0.0) & ~parameters.fixed[first:]] = 1.0
    if poi is not None and poi >= first:
        sizes[poi - first] = 1.0
    return sizes


def _free_normalisations(parameters: Parameters, poi: int | None, first: int) -> Index:
    """The factors, from parameter number `first` on, that are neither constrained nor held, but for
    the POI."""
    free = (parameters.weight + parameters.tau == 0.0) & ~parameters.fixed
    free[:first] = False
    if poi is not None:
        free[poi] = False
    return np.flatnonzero(free)


def fitted(parameters: Parameters, effects: Array) -> tuple[Array, Array]:
    """The `effects` (P, B) at the widths of the constraints, and the covariance matrix of the
    parameters in a fit to the bins, in units of these widths (P, P)."""
    precision = parameters.weight + parameters.tau
    width = 1.0 / np.sqrt(np.where(precision > 0.0, precision, FREE**-2))
    width[parameters.fixed] = 0.0
    scaled = np.clip(effects * width[:, None], -MOST, MOST)
    return scaled, np.asarray(np.linalg.inv(np.eye(len(scaled)) + scaled @ scaled.T))


def remainder(scaled: Array, covariance: Array, own: Index, curved: Array) -> Array:
    """What is left of each of `curved` (K, B) if all parameters but its `own` (K,) do the same with
    their effects (P, B), as far as their constraints let them: the least of |curved − Σ p
    effects|² + Σ p²/width² over the p, (K,). See `fitted` for `scaled` and `covariance`.

    That of all parameters but one follows from the solution for all of them: to leave out p_i costs
    p_i² over its element of the inverse matrix.
    """
    best = curved @ scaled.T @ covariance
    left = ((curved - best @ scaled) ** 2).sum(axis=1) + (best**2).sum(axis=1)
    each = np.arange(len(own))
    return np.asarray(left + best[each, own] ** 2 / covariance[own, own])
