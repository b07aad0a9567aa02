"""A model at given parameters, without a fit: its likelihood and its expected rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .arrays import Array
from .errors import InvalidWorkspace
from .fit import observed_data
from .likelihood import expected_bins, log_likelihood
from .model import Model, as_model

FARTHEST = 1e300
"""What no parameter's value is beyond."""


def logpdf(spec: Mapping[str, Any] | Model, parameters: Mapping[str, float] | None = None) -> float:
    """The log likelihood of the observed and auxiliary data with all its constants (pyhf's
    ``logpdf``); −inf where there are events but none are expected.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        parameters: values by label, such as ``{"mu_SIG": 1.0, "staterror_SR[0]": 0.98}``; what is
            not named has its suggested initial value.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model, has no such parameter, or its rates
            cannot be computed there.
    """
    model = as_model(spec)
    x = _point(model, parameters)
    _rates(model, x)
    return float(log_likelihood(model, x, observed_data(model))[0])


def expected_rates(
    spec: Mapping[str, Any] | Model, parameters: Mapping[str, float] | None = None
) -> dict[str, Array]:
    """Expected events in the b bins of every channel, (b,) each, by its name; arguments and errors
    are those of `logpdf`."""
    model = as_model(spec)
    bins = _rates(model, _point(model, parameters))
    ends = np.cumsum(list(model.channels.values()))[:-1]
    return dict(zip(model.channels, np.split(bins, ends), strict=True))


def _rates(model: Model, x: Array) -> Array:
    """The expected rates at `x` (1, P), (B,); InvalidWorkspace where they are not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        bins = expected_bins(model, x)[0]
    if not np.isfinite(bins).all():
        farthest = int(np.argmax(np.abs(x[0] - model.parameters.init)))
        raise InvalidWorkspace(
            f"parameter '{model.parameters.labels[farthest]}': found {x[0, farthest]:g}, where the "
            "expected rates are not finite; expected a value nearer to the initial one"
        )
    return np.asarray(bins)


def _point(model: Model, parameters: Mapping[str, float] | None) -> Array:
    """The suggested initial values with these `parameters`, (1, P)."""
    x, labels = model.parameters.init[None].copy(), model.parameters.labels
    if not isinstance(parameters, Mapping | None):
        raise InvalidWorkspace(f"parameters: found {parameters!r:.80}; expected values by label")
    for label, value in (parameters or {}).items():
        if label not in labels:
            raise InvalidWorkspace(
                f"parameter '{label}': the model has no such parameter; it has {', '.join(labels)}"
            )
        real = isinstance(value, int | float | np.floating | np.integer)
        if not real or not abs(value) <= FARTHEST:
            raise InvalidWorkspace(
                f"parameter '{label}': found {value!r:.80}; expected a finite number"
            )
        x[0, labels.index(label)] = value
    return x
