"""Which systematics bend so much that fits threaten to have minima on either side of 0.

A systematic bends where it moves bins the same way at +1 and −1, as one-sided ones do. A fit cannot
see the side then, and may choose either, unless the data are explained as well without it.
"""

from __future__ import annotations

import numpy as np

from .arrays import Array, Flags, Index
from .parameters import Parameters

THREAT = 3.0
"""What bins must tell about a bend, where the constraint tells 1, to be a threat."""

THREAT_AT_KINK = 0.1
"""The same for interpolations with a kink at 0, which can be a maximum."""

TOO_MUCH = 1e7
"""Beyond this no fit follows a bend: it is a hundred times what 10⁹ events see of 1 %."""

IMITATED = 0.05
"""A smooth bend of which no more than this is left once all other parameters have done their best
to do the same is no threat. (Of 1080 random models, 32 searches found a lower minimum where a bend
is smooth; the least that was left there was 0.057.)"""

FREE = 10.0
"""Width of the constraint that stands for none; counts for factors around 1."""

MOST = 1e6
"""Effects are taken to be of at most so many σ of the events."""


def bends(
    parameters: Parameters,
    kinked: Flags,
    observed: Array,
    nominal: Array,
    shifts: Array,
    scales: Array,
    incidence: Array,
    bin_starts: Index,
) -> tuple[Array, Array]:
    """By how much every parameter bends: the mean of both changes of the bins in σ of the events,
    squared and added up (P,); and the same where that is a threat, 0 elsewhere (P,).

    Arrays are those of `model.Model`; `scales` are the normsys scales at +1 and −1, (2, K, C).
    """
    n_shifts, n_alphas = shifts.shape[1], scales.shape[1]
    cells = np.repeat(np.repeat(nominal[None, None], n_alphas, axis=1), 2, axis=0)
    cells[0, :n_shifts] += 8.0 * shifts[1] + shifts[0]
    cells[1, :n_shifts] += 8.0 * shifts[1] - shifts[0]
    cells *= scales
    cells -= nominal
    up, down = np.add.reduceat(cells, bin_starts, axis=2)
    events = np.maximum(np.maximum(observed, np.add.reduceat(nominal, bin_starts)), 1.0)
    bend = np.zeros(len(parameters.labels))
    bend[:n_alphas] = (0.25 * (up + down) ** 2 / events).sum(axis=1)
    threat = (bend > np.where(kinked, THREAT_AT_KINK, THREAT)) & (bend < TOO_MUCH)
    smooth = (threat & ~kinked).nonzero()[0]
    if len(smooth):
        factors = np.add.reduceat(incidence * nominal, bin_starts, axis=1)
        effects = np.concatenate([0.5 * (up - down), factors]) / np.sqrt(events)
        curved = 0.5 * (up + down)[smooth] / np.sqrt(events)
        threat[smooth] = remainder(parameters, effects, smooth, curved) > IMITATED
    return bend, np.where(threat, bend, 0.0)


def remainder(parameters: Parameters, effects: Array, own: Index, curved: Array) -> Array:
    """What is left of each of `curved` (K, B) if all parameters but its `own` (K,) do the same with
    their `effects` (P, B), as far as their constraints let them: the least of |curved − Σ p
    effects|² + Σ p²/width² over the p, (K,).

    That of all parameters but one follows from the solution for all of them: to leave out p_i costs
    p_i² over its element of the inverse matrix.
    """
    precision = parameters.weight + parameters.tau
    width = 1.0 / np.sqrt(np.where(precision > 0.0, precision, FREE**-2))
    width[parameters.fixed] = 0.0
    scaled = np.clip(effects * width[:, None], -MOST, MOST)
    inverse = np.linalg.inv(np.eye(len(scaled)) + scaled @ scaled.T)
    best = curved @ scaled.T @ inverse
    left = ((curved - best @ scaled) ** 2).sum(axis=1) + (best**2).sum(axis=1)
    each = np.arange(len(own))
    return np.asarray(left + best[each, own] ** 2 / inverse[own, own])
