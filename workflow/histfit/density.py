"""A model at given parameters, without a fit: its likelihood and its expected rates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .arrays import Array
from .errors import InvalidWorkspace
from .fit import observed_data
from .likelihood import expected_bins, log_likelihood
from .model import Model, as_model


def logpdf(spec: Mapping[str, Any] | Model, parameters: Mapping[str, float] | None = None) -> float:
    """The log likelihood of the observed and auxiliary data with all its constants (pyhf's
    ``logpdf``); −inf where there are events but none are expected.

    Args:
        spec: a workspace in pyhf's schema, or a compiled model.
        parameters: values by label, such as ``{"mu_SIG": 1.0, "staterror_SR[0]": 0.98}``; what is
            not named has its suggested initial value.

    Raises:
        InvalidWorkspace: `spec` is not a HistFactory model, or has no such parameter.
    """
    model = as_model(spec)
    return float(log_likelihood(model, _point(model, parameters), observed_data(model))[0])


def expected_rates(
    spec: Mapping[str, Any] | Model, parameters: Mapping[str, float] | None = None
) -> dict[str, Array]:
    """Expected events in the b bins of every channel, (b,) each, by its name; arguments and errors
    are those of `logpdf`."""
    model = as_model(spec)
    bins = expected_bins(model, _point(model, parameters))[0]
    ends = np.cumsum(list(model.channels.values()))[:-1]
    return dict(zip(model.channels, np.split(bins, ends), strict=True))


def _point(model: Model, parameters: Mapping[str, float] | None) -> Array:
    """The suggested initial values with these `parameters`, (1, P)."""
    x, labels = model.parameters.init[None].copy(), model.parameters.labels
    for label, value in (parameters or {}).items():
        if label not in labels:
            raise InvalidWorkspace(
                f"parameter '{label}': the model has no such parameter; it has {', '.join(labels)}"
            )
        if not isinstance(value, int | float | np.number) or not math.isfinite(value):
            raise InvalidWorkspace(
                f"parameter '{label}': found {value!r}; expected a finite number"
            )
        x[0, labels.index(label)] = value
    return x
