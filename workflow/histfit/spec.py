"""Reads a workspace (a dict in pyhf's JSON schema 1.0.0) into arrays, and says what is wrong in it.

Every check names the channel, sample and modifier at fault. A sample is read on its own, so that
samples which many workspaces share need to be read only once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from .arrays import Array
from .errors import InvalidWorkspace
from .interpolation import code4_coefficients, log_factors

VERSION = "1.0.0"
"""Of pyhf's schema for workspaces."""

BINWISE = ("shapefactor", "shapesys", "staterror")
SCALAR = ("lumi", "normfactor")
INTERPOLATED = ("histosys", "normsys")
NUMERIC = "iuf"
"""The kinds of numpy arrays that hold numbers; neither true and false nor text are."""

LARGEST = 1e20
"""No yield, count or factor is larger; beyond, powers of it would overflow."""

MODIFIER_TYPES = (*INTERPOLATED, *SCALAR, *BINWISE)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One sample of one channel, with b bins.

    Attributes:
        nominal: rates (b,)
        histosys: nuisance parameter names, k of them
        symmetric, asymmetric: S and A of the histosys templates (see `interpolation`), (k, b)
        normsys: nuisance parameter names, m of them
        coefficients: code4 polynomials of the normsys, (m, 7)
        log_lo, log_hi: logs of the normsys factors, (m,)
        factors: (type, parameter name, uncertainties (b,) or None) of the modifiers that scale
            with parameters of their own, all bins alike or each bin
    """

    nominal: Array
    histosys: tuple[str, ...]
    symmetric: Array
    asymmetric: Array
    normsys: tuple[str, ...]
    coefficients: Array
    log_lo: Array
    log_hi: Array
    factors: tuple[tuple[str, str, Array | None], ...]

    @property
    def modified(self) -> bool:
        """Whether it has any modifier."""
        return bool(self.histosys or self.normsys or self.factors)


def read_sample(sample: Mapping[str, Any], channel: str) -> Sample:
    """Parse and check one sample of `channel`."""
    name = _text(sample, "name", f"a sample of channel '{channel}'")
    where = f"channel '{channel}', sample '{name}'"
    nominal = _numbers(_get(sample, "data", where), f"{where}, data")
    by_type: dict[str, dict[str, Any]] = {kind: {} for kind in MODIFIER_TYPES}
    for modifier in _list(_get(sample, "modifiers", where), f"{where}, modifiers"):
        try:
            parameter, data = modifier["name"], modifier["data"]
            earlier = by_type[modifier["type"]].setdefault(parameter, data)
        except (TypeError, KeyError):
            _unusable(modifier, where)
        if not isinstance(parameter, str):
            _unusable(modifier, where)
        if earlier is not data and earlier != data:
            kind = modifier["type"]
            _fail(where, f"modifier '{parameter}' ({kind}) twice with different data", "it once")

    histosys, normsys = by_type["histosys"], by_type["normsys"]
    lo_data, hi_data = _pair(histosys, "lo_data", "hi_data", where, (len(nominal),))
    lo, hi = _pair(normsys, "lo", "hi", where, ())
    if normsys and min(lo.min(), hi.min()) < 0.0:
        worst = int(np.argmin(np.minimum(lo, hi)))
        _fail(
            f"{where}, modifier '{list(normsys)[worst]}'",
            f"lo {lo[worst]:g}, hi {hi[worst]:g}",
            "factors of at least 0, since normsys interpolates exponentially",
        )
    factors: list[tuple[str, str, Array | None]] = [
        (kind, parameter, None) for kind in SCALAR for parameter in by_type[kind]
    ]
    for kind in BINWISE:
        for parameter, data in by_type[kind].items():
            uncertainty = None
            if kind != "shapefactor":
                at = f"{where}, modifier '{parameter}'"
                uncertainty = _numbers(data, at)
                if len(uncertainty) != len(nominal):
                    _fail(at, f"{len(uncertainty)} values", f"{len(nominal)}, one a bin")
            factors.append((kind, parameter, uncertainty))
    return Sample(
        nominal=nominal,
        histosys=tuple(histosys),
        symmetric=0.5 * (hi_data - lo_data),
        asymmetric=0.0625 * ((hi_data - nominal) - (nominal - lo_data)),
        normsys=tuple(normsys),
        coefficients=code4_coefficients(lo, hi).T,
        log_lo=log_factors(lo),
        log_hi=log_factors(hi),
        factors=tuple(factors),
    )


@dataclass(frozen=True, slots=True)
class Measurement:
    """The POI (None for a background-only model) and the parameter configurations by name."""

    name: str
    poi: str | None
    parameters: Mapping[str, Mapping[str, Any]]


_PARAMETER_KEYS = ("name", "inits", "bounds", "auxdata", "factors", "sigmas", "fixed")


def read_measurement(spec: Mapping[str, Any], name: str | None) -> Measurement:
    """The measurement called `name`, or the first one."""
    measurements = _list(_get(spec, "measurements", "the workspace"), "measurements")
    by_name: dict[str, Mapping[str, Any]] = {}
    for measurement in measurements:
        key = _text(measurement, "name", "a measurement")
        if key in by_name:
            _fail("the workspace", f"two measurements '{key}'", "one")
        by_name[key] = measurement
    if not by_name:
        _fail("the workspace", "no measurement", "at least one")
    if name is None:
        name = next(iter(by_name))
    if not isinstance(name, str) or name not in by_name:
        raise InvalidWorkspace(f"no measurement '{name}': the workspace has {_names(by_name)}")
    where = f"measurement '{name}'"
    config = _get(by_name[name], "config", where)
    poi = _text(config, "poi", where)
    parameters: dict[str, Mapping[str, Any]] = {}
    for parameter in _list(_get(config, "parameters", where), f"{where}, parameters"):
        key = _text(parameter, "name", f"a parameter of {where}")
        if key in parameters:
            _fail(where, f"two configurations of parameter '{key}'", "one")
        unknown = [k for k in parameter if k not in _PARAMETER_KEYS]
        if unknown:
            _fail(f"{where}, parameter '{key}'", f"key '{unknown[0]}'", _names(_PARAMETER_KEYS))
        if not isinstance(parameter.get("fixed", False), bool):
            _fail(
                f"{where}, parameter '{key}', fixed", f"{parameter['fixed']!r:.80}", "true or false"
            )
        parameters[key] = parameter
    return Measurement(name, poi or None, parameters)


def channels_by_name(spec: Mapping[str, Any]) -> dict[str, dict[str, Mapping[str, Any]]]:
    """The samples of every channel: {channel: {sample: spec}}, both in name order as in pyhf."""
    version = spec.get("version", VERSION) if isinstance(spec, Mapping) else VERSION
    if version != VERSION:
        _fail("the workspace", f"version {version!r:.40}", f"'{VERSION}'")
    channels: dict[str, dict[str, Mapping[str, Any]]] = {}
    for channel in _list(_get(spec, "channels", "the workspace"), "channels"):
        name = _text(channel, "name", "a channel")
        if name in channels:
            _fail("the workspace", f"two channels '{name}'", "one")
        where = f"channel '{name}'"
        samples: dict[str, Mapping[str, Any]] = {}
        for sample in _list(_get(channel, "samples", where), f"{where}, samples"):
            key = _text(sample, "name", f"a sample of {where}")
            if key in samples:
                _fail(where, f"two samples '{key}'", "one")
            samples[key] = sample
        if not samples:
            _fail(where, "no samples", "at least one")
        channels[name] = dict(sorted(samples.items()))
    if not channels:
        _fail("the workspace", "no channels", "at least one")
    return dict(sorted(channels.items()))


def read_observations(spec: Mapping[str, Any], bins: Mapping[str, int]) -> Array:
    """Observed counts (B,) of the channels and bins that `bins` gives, in that order."""
    observed: dict[str, Array] = {}
    for observation in _list(_get(spec, "observations", "the workspace"), "observations"):
        name = _text(observation, "name", "an observation")
        if name in observed:
            _fail("the workspace", f"two observations of channel '{name}'", "one")
        observed[name] = _numbers(
            _get(observation, "data", f"observation '{name}'"), f"observation '{name}'"
        )
    for name, count in bins.items():
        if name not in observed:
            _fail("the workspace", f"no observation of channel '{name}'", "one a channel")
        if len(observed[name]) != count:
            _fail(
                f"observation '{name}'", f"{len(observed[name])} bins", f"{count}, as the samples"
            )
        if observed[name].min() < 0.0:
            _fail(f"observation '{name}'", f"a count of {observed[name].min():g}", "at least 0")
    return np.concatenate([observed[name] for name in bins])


def parameter_values(config: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> Array | None:
    """`config[key]` as numbers of the given shape, or None where the key is absent."""
    if config.get(key) is None:
        return None
    where = f"parameter '{config['name']}', {key}"
    limitless = key == "bounds"  # 1e30 is RooFit's way to say none
    values = _numbers(config[key], where, len(shape), math.inf if limitless else LARGEST)
    values = np.clip(values, -LARGEST, LARGEST)
    if values.shape != shape:
        _fail(where, f"shape {values.shape}", f"{shape}")
    return values


def _unusable(modifier: Any, where: str) -> NoReturn:
    """Say why this is no modifier."""
    if not isinstance(modifier, Mapping) or not {"type", "name"} <= modifier.keys():
        _fail(where, f"a modifier without type and name: {modifier!r:.80}", "an object with both")
    at = f"{where}, modifier '{modifier['name']}'"
    if modifier["type"] not in MODIFIER_TYPES:
        _fail(at, f"type '{modifier['type']}'", f"one of {', '.join(MODIFIER_TYPES)}")
    if not isinstance(modifier["name"], str):
        _fail(at, "a name that is not text", "text")
    _fail(at, "no key 'data'", "the modifier's data (null for normfactor and the like)")


def _pair(
    modifiers: Mapping[str, Any], low: str, high: str, where: str, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """The two variations of all modifiers of one type as arrays (len(modifiers), *shape)."""
    full = (len(modifiers), *shape)
    if not modifiers:
        return np.empty(full), np.empty(full)
    try:
        data = [(content[low], content[high]) for content in modifiers.values()]
        values = np.array(data)
    except (TypeError, KeyError, ValueError):
        values = np.empty(0)
    if values.dtype.kind in NUMERIC and values.shape == (len(modifiers), 2, *shape):
        values = values.astype(np.float64)
        if (np.abs(values) <= LARGEST).all():
            return values[:, 0], values[:, 1]
    one_by_one = np.empty((len(modifiers), 2, *shape))
    for i, (parameter, content) in enumerate(modifiers.items()):
        for j, key in enumerate((low, high)):
            at = f"{where}, modifier '{parameter}', {key}"
            found = _numbers(_get(content, key, f"{where}, modifier '{parameter}'"), at, len(shape))
            if found.shape != shape:
                _fail(at, f"{found.size} values", f"{shape[0]}, one a bin")
            one_by_one[i, j] = found
    return one_by_one[:, 0], one_by_one[:, 1]


def _numbers(values: Any, where: str, dimensions: int = 1, largest: float = LARGEST) -> Array:
    try:
        array = np.array(values)
        if array.dtype.kind == "O" and {*map(type, array.flat)} <= {int, float}:
            array = array.astype(np.float64)  # whole numbers of 2^64 and more
    except (ValueError, OverflowError):
        _fail(where, f"{values!r:.80}", "numbers, in lists of equal length")
    if array.ndim != dimensions or not array.size:
        _fail(
            where,
            f"{values!r:.80}",
            ("a number", "a list of numbers", "pairs of numbers")[dimensions],
        )
    if array.dtype.kind not in NUMERIC:
        _fail(where, f"{values!r:.80}", "numbers")
    array = array.astype(np.float64)
    usable = np.isfinite(array) & (np.abs(array) <= largest)
    if not usable.all():
        _fail(
            where, f"{array[~usable].flat[0]:g}", f"finite numbers of at most {LARGEST:g} in size"
        )
    return array


def _get(mapping: Any, key: str, where: str) -> Any:
    if not isinstance(mapping, Mapping):
        _fail(where, f"{mapping!r:.80}", f"an object with the key '{key}'")
    if key not in mapping:
        _fail(where, f"no key '{key}'", "it, as pyhf's schema 1.0.0 demands")
    return mapping[key]


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        _fail(where, f"{value!r:.80}", "a list")
    return value


def _text(mapping: Any, key: str, where: str) -> str:
    value = _get(mapping, key, where)
    if not isinstance(value, str):
        _fail(where, f"{key} {value!r:.80}", "text")
    return value


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _fail(where: str, found: str, expected: str) -> NoReturn:
    raise InvalidWorkspace(f"{where}: found {found}; expected {expected}")
