"""Expected yields before and after the fit, with uncertainties, beside the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Array
from .estimate import Estimate, estimated, prior
from .fit import at_poi
from .likelihood import cell_slopes
from .model import Model, as_model


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """Expected numbers of events in the b bins of a channel.

    Attributes:
        bins, uncertainties: of each bin, (b,)
        total, total_uncertainty: of all bins together, with the correlations between them
    """

    bins: Array
    uncertainties: Array
    total: float
    total_uncertainty: float


@dataclass(frozen=True, slots=True, eq=False)
class ChannelYields:
    """The yields of one channel.

    Attributes:
        channel: its name
        observed: counts (b,)
        expected: of all samples together
        samples: of each sample, by name
    """

    channel: str
    observed: Array
    expected: Expected
    samples: Mapping[str, Expected]


@dataclass(frozen=True, slots=True, eq=False)
class Yields:
    """Yields of all channels, in name order.

    Attributes:
        prefit: at the centres of the constraints and the start values of all other parameters;
            uncertainties from the widths of the constraints, uncorrelated
        postfit: at the best fit; uncertainties from its covariance
        estimate: the fit; parameters that are fixed, at a bound or at a kink in it add no
            uncertainty, nor do directions along which the likelihood is flat
    """

    prefit: tuple[ChannelYields, ...]
    postfit: tuple[ChannelYields, ...]
    estimate: Estimate


def yields(
    spec: Mapping[str, Any] | Model,
    mu: float | None = None,
    *,
    poi_bounds: tuple[float, float] | None = None,
) -> Yields:
    """Yields before and after a fit to the observed data.

    Uncertainties are propagated linearly, σ² = Σ ∂y/∂x_k V_kl ∂y/∂x_l, with exact derivatives.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        mu: hold the POI at this value, before and after the fit (0 for yields of a background-only
            fit). If not given, it is at its start value before the fit, and free in it.
        poi_bounds: range of the POI in a free fit, by default the model's.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model.
        FitError: as `estimate`.
    """
    model = as_model(spec)
    fitted, covariance = estimated(model, mu, poi_bounds)
    centre, width = prior(model)
    before = centre[None] if mu is None else at_poi(model, centre[None], mu)
    if mu is not None and model.poi is not None:
        width[model.poi] = 0.0
    return Yields(
        prefit=_channels(model, before, np.diag(width**2)),
        postfit=_channels(model, fitted.fit.values[None], covariance),
        estimate=fitted,
    )


def _channels(model: Model, x: Array, covariance: Array) -> tuple[ChannelYields, ...]:
    """Yields at `x` (1, P) with the `covariance` (P, P) of its parameters."""
    (cells,), (slopes,) = cell_slopes(model, x)
    channel_of_bin = np.repeat(list(model.channels), list(model.channels.values()))
    result = []
    for channel in model.channels:
        in_channel = channel_of_bin == channel
        inside = in_channel[model.bin]
        samples = {
            name: _expected(cells[model.group == g], slopes[:, model.group == g], covariance)
            for g, (other, name) in enumerate(model.samples)
            if other == channel
        }
        n_samples = len(samples)
        by_bin = slopes[:, inside].reshape(len(slopes), -1, n_samples).sum(axis=2)
        expected = _expected(cells[inside].reshape(-1, n_samples).sum(axis=1), by_bin, covariance)
        observed = model.observed[in_channel]
        observed.flags.writeable = False
        result.append(ChannelYields(channel, observed, expected, samples))
    return tuple(result)


def _expected(bins: Array, slopes: Array, covariance: Array) -> Expected:
    """`bins` (b,) with the uncertainties that their derivatives `slopes` (P, b) make."""
    variance = np.maximum(np.einsum("kb,kl,lb->b", slopes, covariance, slopes), 0.0)
    along = slopes.sum(axis=1)
    uncertainties = np.sqrt(variance)
    bins.flags.writeable = uncertainties.flags.writeable = False
    total_variance = max(float(along @ covariance @ along), 0.0)
    return Expected(bins, uncertainties, float(bins.sum()), total_variance**0.5)
