"""Workspaces to test with, and pyhf's view of the same model.

Small ones are written out with the builders below; `random_workspace` draws any mixture of what
HistFactory allows. pyhf orders parameters differently: `counterpart` maps by label.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import histfit
import numpy as np
import pyhf
from histfit.likelihood import Data
from numpy.typing import NDArray

Spec = dict[str, Any]
Array = NDArray[np.float64]


def normfactor(name: str) -> Spec:
    return {"name": name, "type": "normfactor", "data": None}


def lumi() -> Spec:
    return {"name": "lumi", "type": "lumi", "data": None}


def shapefactor(name: str) -> Spec:
    return {"name": name, "type": "shapefactor", "data": None}


def normsys(name: str, lo: float, hi: float) -> Spec:
    return {"name": name, "type": "normsys", "data": {"lo": lo, "hi": hi}}


def histosys(name: str, lo: list[float], hi: list[float]) -> Spec:
    return {"name": name, "type": "histosys", "data": {"lo_data": lo, "hi_data": hi}}


def staterror(name: str, widths: list[float]) -> Spec:
    return {"name": name, "type": "staterror", "data": widths}


def shapesys(name: str, widths: list[float]) -> Spec:
    return {"name": name, "type": "shapesys", "data": widths}


def sample(name: str, data: list[float], *modifiers: Spec) -> Spec:
    return {"name": name, "data": data, "modifiers": list(modifiers)}


KINKED = {"histosys": {"interpcode": "code0"}, "normsys": {"interpcode": "code1"}}
"""pyhf's modifier settings for interpolations with a kink at α = 0."""

LUMI = {
    "name": "lumi",
    "auxdata": [1.0],
    "sigmas": [0.017],
    "inits": [1.0],
    "bounds": [[0.5, 1.5]],
}


def workspace(
    channels: dict[str, list[Spec]],
    observed: dict[str, list[float]],
    poi: str = "mu",
    parameters: list[Spec] | None = None,
) -> Spec:
    """A workspace with one measurement."""
    return {
        "channels": [{"name": name, "samples": samples} for name, samples in channels.items()],
        "observations": [{"name": name, "data": data} for name, data in observed.items()],
        "measurements": [{"name": "m", "config": {"poi": poi, "parameters": parameters or []}}],
        "version": "1.0.0",
    }


def counting(signal: float, background: float, observed: float, *modifiers: Spec) -> Spec:
    """One bin; `modifiers` act on the background."""
    return workspace(
        {
            "SR": [
                sample("bkg", [background], *modifiers),
                sample("sig", [signal], normfactor("mu")),
            ]
        },
        {"SR": [observed]},
    )


def search() -> Spec:
    """Two regions, normal and Poisson constraints, a free background."""
    return workspace(
        {
            "CR": [
                sample("top", [210.0], normfactor("mu_top"), normsys("jes", 0.93, 1.05)),
                sample("w", [40.0], shapesys("w", [6.0]), lumi()),
            ],
            "SR": [
                sample(
                    "top",
                    [30.0, 18.0],
                    normfactor("mu_top"),
                    normsys("jes", 0.88, 1.15),
                    histosys("scale", [27.0, 17.0], [32.0, 21.0]),
                ),
                sample("w", [9.0, 5.0], staterror("mc", [1.2, 0.9]), lumi()),
                sample("sig", [8.0, 11.0], normfactor("mu"), normsys("jes", 0.95, 1.04)),
            ],
        },
        {"CR": [263.0], "SR": [51.0, 33.0]},
        parameters=[LUMI],
    )


def exchangeable(**inits: float) -> Spec:
    """Two regions of a bin each, in which two backgrounds can take each other's place: a lowers
    their sum in CR where there is much of b1, and raises it where there is much of b2."""
    shape, width = histosys("a", [273.0], [191.0]), staterror("st", [38.5])
    regions = {
        "SR": [
            sample("s", [12.0], normfactor("mu")),
            sample("b1", [51.3], normfactor("k1")),
            sample("b2", [12.5], normfactor("k2")),
        ],
        "CR": [
            sample("b1", [237.0], normfactor("k1"), shape, width),
            sample("b2", [65.8], normfactor("k2"), normsys("a", 0.753, 1.23)),
        ],
    }
    config = [{"name": name, "inits": [value]} for name, value in inits.items()]
    return workspace(regions, {"SR": [34.0], "CR": [274.0]}, "mu", config)


def random_workspace(seed: int, *, bins: int = 4, scale: float = 50.0, kinds: str = "all") -> Spec:
    """Channels, samples and modifiers of every type, correlated at random.

    With `kinds` "smooth" there are no negative or empty bins, no free shape, and the systematics
    are of the size that searches have: a model to fit rather than to evaluate.
    """
    rng = np.random.default_rng(seed)
    wild = kinds == "all"
    systematics = [f"syst{i}" for i in range(int(rng.integers(1, 5)))]
    channels: dict[str, list[Spec]] = {}
    observed: dict[str, list[float]] = {}
    for c in range(int(rng.integers(1, 4))):
        channel, n = f"channel{c}", int(rng.integers(1, bins + 1))
        total = np.zeros(n)
        samples = []
        for s in range(int(rng.integers(1, 4))):
            nominal = scale * rng.uniform(0.2, 1.0, n)
            if wild:
                nominal[rng.random(n) < 0.1] = 0.0
                nominal[rng.random(n) < 0.05] *= -0.1
            total += np.maximum(nominal, 0.0)
            modifiers = []
            for name in systematics:
                if rng.random() < 0.4:
                    factors = 1.0 + rng.normal(0.0, 0.4 if wild else 0.1, 2)
                    lo, hi = np.clip(factors, 0.0 if wild else 0.5, None).tolist()
                    modifiers.append(normsys(name, lo, hi))
                if rng.random() < 0.4:
                    width = scale * (0.2 if wild else 0.05)
                    lo_data, hi_data = (nominal + width * rng.normal(size=(2, n))).tolist()
                    modifiers.append(histosys(name, lo_data, hi_data))
            if rng.random() < 0.6:
                widths = 0.1 * np.abs(nominal) * rng.uniform(0.2, 2.0, n)
                if wild:
                    widths[rng.random(n) < 0.15] = 0.0
                modifiers.append(staterror(f"stat_{channel}", widths.tolist()))
            if rng.random() < 0.3:
                widths = 0.2 * np.abs(nominal) * rng.uniform(0.2, 2.0, n)
                modifiers.append(shapesys(f"shape_{channel}_{s}", widths.tolist()))
            if wild and rng.random() < 0.2:
                modifiers.append(shapefactor(f"free_{channel}"))
            if rng.random() < 0.3:
                modifiers.append(lumi())
            if rng.random() < 0.3:
                modifiers.append(normfactor(f"norm{int(rng.integers(0, 2))}"))
            samples.append(sample(f"sample{s}", nominal.tolist(), *modifiers))
        signal = scale * rng.uniform(0.05, 0.4, n)
        systs = [normsys(name, 0.9, 1.15) for name in systematics if rng.random() < 0.3]
        samples.append(sample("signal", signal.tolist(), normfactor("mu"), *systs))
        channels[channel] = samples
        observed[channel] = rng.poisson(total).astype(float).tolist()
    return workspace(channels, observed, parameters=[LUMI])


@dataclass(frozen=True)
class Counterpart:
    """pyhf's model of a workspace: `order` takes our parameters to pyhf's, `aux` our auxiliary
    data to pyhf's."""

    model: pyhf.Model
    data: list[float]
    order: NDArray[np.intp]
    aux: NDArray[np.intp]

    def logpdf(self, x: Array, data: Data) -> float:
        values = np.concatenate([data.counts[0], data.aux[0][self.aux]])
        return float(self.model.logpdf(x[self.order], values)[0])


def counterpart(
    spec: Spec,
    model: histfit.Model,
    measurement: str | None = None,
    settings: dict[str, dict[str, str]] | None = None,
) -> Counterpart:
    """pyhf's model of `spec`, related to histfit's `model` of it."""
    options = {} if settings is None else {"modifier_settings": settings}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf's use of jsonschema
        built = pyhf.Workspace(spec)
        other = built.model(measurement_name=measurement, **options)
    labels = model.parameters.labels
    order = np.array([labels.index(name) for name in other.config.par_names])
    names = np.arange(len(order))
    aux = [names[other.config.par_slice(name)] for name in other.config.auxdata_order]
    return Counterpart(
        model=other,
        data=built.data(other),
        order=order,
        aux=order[np.concatenate(aux)] if aux else np.empty(0, dtype=np.intp),
    )


def random_point(model: histfit.Model, rng: np.random.Generator, reach: float = 1.5) -> Array:
    """A parameter point (P,) around the start values, inside the bounds."""
    parameters = model.parameters
    constrained = np.where(parameters.tau > 0.0, 0.2, 0.3)
    width = np.where(parameters.init == 0.0, reach, constrained)
    point = parameters.init + width * rng.normal(size=len(parameters.init))
    return np.clip(point, parameters.bounds[:, 0] + 1e-3, parameters.bounds[:, 1])


def random_data(model: histfit.Model, rng: np.random.Generator) -> Data:
    """Counts and auxiliary data (one row) around the observed ones."""
    counts = rng.poisson(np.maximum(model.observed, 1.0)).astype(float)
    aux = model.parameters.aux * rng.uniform(0.8, 1.2, model.parameters.aux.shape)
    return Data(counts[None], np.where(aux == 0.0, rng.normal(size=aux.shape), aux)[None])
