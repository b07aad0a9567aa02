"""The fits behind one signal point, looked at closely: CLs against μ, pulls, impacts, correlations
and yields, as one JSON-able record that figures are drawn from.

Every part of the record has a `status`: "ok" with its numbers, "failed" or "no signal" with a
`reason` in place of them. One that failed costs the others nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import histfit
import numpy as np

from recontour import limits
from recontour.errors import printable
from recontour.results import NO_SIGNAL

SCANNED = 41
"""Signal strengths of the scan, besides the best fit."""

BEYOND = 1.1
"""How far it goes, over the largest limit."""

THRESHOLD, STEP, MOST = 0.2, 0.05, 30
"""Correlations above the threshold are shown; it is raised in steps if that leaves too many
parameters to be read."""

Json = dict[str, Any]


def diagnose(spec: Mapping[str, Any], measurement: str = "") -> Json:
    """What there is to know of the fits to a workspace, a signal point's patch on its background.

    Args:
        spec: a workspace in pyhf's schema
        measurement: the name of one, empty for the first

    Returns the record with the parts `scan` (CLs and the expected band over μ, arXiv:1007.1727,
    with the limits), `fit` (the free fit and its parameters), `impacts`, `correlation` and
    `yields`; `poi` is the name of the signal strength, None if no sample has it. Where the signal
    strength ends at a bound of the model, its range in the free fit has none (`fit.poi_bounds`),
    since impacts on what cannot move say nothing.

    Raises histfit.InvalidWorkspace.
    """
    model = histfit.compile_model(spec, measurement or None)
    record: Json = {"poi": model.poi_name}
    nothing = None if model.has_signal else {"status": "no signal", "reason": NO_SIGNAL}
    record["scan"] = nothing or _part(_scan, model)
    bounds = _poi_bounds(model)
    record["fit"] = _part(_fit, model, bounds)
    record["impacts"] = nothing or _part(_impacts, model, bounds)
    record["correlation"] = _part(_correlation, model, bounds)
    record["yields"] = _part(_yields, model, bounds, set(_signals(spec, model.poi_name)))
    return record


def said(record: Mapping[str, Any]) -> Iterator[str]:
    """What the `record` holds, in lines for a terminal."""
    limits = record["scan"].get("limits", {})
    for curve in ("observed", "expected"):
        if limits.get(curve) is not None:
            yield f"  {curve + ' limit':15} {limits[curve]:.4g}"
    parts = [part for part in record.values() if isinstance(part, dict)]
    for reason in dict.fromkeys(part["reason"] for part in parts if "reason" in part):
        yield f"  {printable(reason)}"


def _part(compute: Callable[..., Json], model: histfit.Model, *arguments: Any) -> Json:
    try:
        return {"status": "ok"} | compute(model, *arguments)
    except histfit.FitError as error:
        return {"status": "failed", "reason": str(error)}


def _scan(model: histfit.Model) -> Json:
    limit = limits.upper_limit(model)
    found = dict(zip(limits.CURVES, (limit.observed, *limit.expected), strict=True))
    known = [value for value in found.values() if value is not None]
    end = BEYOND * max(known, default=float(model.parameters.bounds[model.poi, 1]))
    strengths = np.linspace(0.0, end, SCANNED)
    if 0.0 < limit.muhat < end:  # where the observed curve has a kink
        strengths = np.union1d(strengths, limit.muhat)
    rows = [_tested(model, float(mu), limit.reach) for mu in strengths]
    return {
        "level": limit.level,
        "limits": found,
        "muhat": limit.muhat,
        "reach": limit.reach,
        "rows": rows,
    }


def _tested(model: histfit.Model, mu: float, reach: float) -> Json:
    low = float(model.parameters.bounds[model.poi, 0])
    try:
        result = histfit.hypotest(model, mu, poi_bounds=(low, reach))
    except histfit.FitError as error:
        return {"mu": mu, "status": "failed", "reason": str(error)}
    values = zip(limits.CURVES, (result.CLs_obs, *result.CLs_exp), strict=True)
    return {"mu": mu, "status": "ok"} | dict(values)


def _poi_bounds(model: histfit.Model) -> tuple[float, float] | None:
    """The range of the POI in the free fit: the model's (None), or none at all."""
    if model.poi is None:
        return None
    everywhere = (-math.inf, math.inf)
    try:
        if histfit.estimate(model)[model.poi_name].status != "at bound":
            return None
        histfit.estimate(model, poi_bounds=everywhere)
    except histfit.FitError:
        return None
    return everywhere


def _fit(model: histfit.Model, bounds: tuple[float, float] | None) -> Json:
    found = histfit.estimate(model, poi_bounds=bounds)
    keys = ("nll", "edm", "gradient", "starts", "iterations", "at_bound")
    columns = ("name", "value", "status", "uncertainty", "pull", "constraint")
    return {
        "poi_bounds": "none" if bounds else "of the model",
        **{key: getattr(found.fit, key) for key in keys},
        "parameters": [
            {column: getattr(parameter, column) for column in columns}
            for parameter in found.parameters
        ],
    }


def _impacts(model: histfit.Model, bounds: tuple[float, float] | None) -> Json:
    found = histfit.impacts(model, poi_bounds=bounds)
    sides = ("up", "down", "prior_up", "prior_down")
    return {
        "parameters": [
            {"name": impact.name, "size": impact.size}
            | {side: _refit(getattr(impact, side)) for side in sides}
            for impact in found.impacts
        ]
    }


def _refit(refit: histfit.Refit | None) -> Json | None:
    if refit is None:
        return None
    return {"held_at": refit.held_at, "shift": refit.shift, "status": refit.status}


def _correlation(model: histfit.Model, bounds: tuple[float, float] | None) -> Json:
    found = histfit.estimate(model, poi_bounds=bounds)
    size = np.abs(found.correlation - np.eye(len(found.free))).max(axis=1, initial=0.0)
    threshold = THRESHOLD
    while (size > threshold).sum() > MOST:
        threshold += STEP
    shown = np.flatnonzero(size > threshold)
    return {
        "threshold": round(threshold, 2),
        "parameters": [found.free[i] for i in shown],
        "matrix": found.correlation[np.ix_(shown, shown)].tolist(),
    }


def _yields(
    model: histfit.Model, bounds: tuple[float, float] | None, signals: Collection[tuple[str, str]]
) -> Json:
    found = histfit.yields(model, poi_bounds=bounds)
    return {
        "channels": [
            {
                "name": before.channel,
                "observed": before.observed.tolist(),
                "prefit": _expected(before.expected),
                "postfit": _expected(after.expected),
                "samples": [
                    {
                        "name": name,
                        "signal": (before.channel, name) in signals,
                        "prefit": _expected(before.samples[name]),
                        "postfit": _expected(after.samples[name]),
                    }
                    for name in before.samples
                ],
            }
            for before, after in zip(found.prefit, found.postfit, strict=True)
        ]
    }


def _expected(expected: histfit.Expected) -> Json:
    return {
        "bins": expected.bins.tolist(),
        "uncertainties": expected.uncertainties.tolist(),
        "total": expected.total,
        "total_uncertainty": expected.total_uncertainty,
    }


def _signals(spec: Mapping[str, Any], poi: str | None) -> Iterator[tuple[str, str]]:
    """Channel and name of the samples that the signal strength scales."""
    for channel in spec["channels"]:
        for sample in channel["samples"]:
            if any(modifier["name"] == poi for modifier in sample["modifiers"]):
                yield channel["name"], sample["name"]
