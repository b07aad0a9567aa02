"""The parameters of a model: names, start values, bounds, and constraint terms.

Defaults are pyhf's: α of histosys and normsys is constrained by N(0 | α, 1) within ±5, γ of
staterror by N(1 | γ, σ) and γ of shapesys by Pois(τ | τ γ), both within (1e-10, 10), and
normfactors are free in (0, 10). A measurement may configure all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .arrays import Array, Flags, Index
from .errors import InvalidWorkspace
from .spec import parameter_values

GAMMA_BOUNDS = (1e-10, 10.0)

LEAST_WIDTH = 1e-13
"""Relative widths of constraints are 0 or larger than this, lest γ − 1 loses its digits."""


@dataclass(frozen=True, slots=True, eq=False)
class ParameterSet:
    """The parameters one name stands for: arrays of shape (n,), bounds (n, 2).

    Attributes:
        kind: "alpha" (histosys and normsys), or the modifier type
        sigma: widths of the normal constraint, or None
        factor: τ of the Poisson constraint, or None
        aux: auxiliary data; not used where neither constraint is present
    """

    name: str
    kind: str
    init: Array
    bounds: Array
    fixed: Flags
    aux: Array
    sigma: Array | None = None
    factor: Array | None = None

    @property
    def labels(self) -> list[str]:
        """One label a parameter, in pyhf's form: ``name`` or ``name[i]``."""
        if self.kind in ("alpha", "lumi", "normfactor"):
            return [self.name]
        return [f"{self.name}[{i}]" for i in range(len(self.init))]


@lru_cache(maxsize=10_000)
def alpha(name: str) -> ParameterSet:
    """A histosys or normsys nuisance parameter."""
    return _parameter_set(name, "alpha", 0.0, (-5.0, 5.0), sigma=np.ones(1))


def normfactor(name: str) -> ParameterSet:
    """A free normalisation."""
    return _parameter_set(name, "normfactor", 1.0, (0.0, 10.0))


def shapefactor(name: str, bins: int) -> ParameterSet:
    """A free factor for each of `bins` bins."""
    return _parameter_set(name, "shapefactor", np.ones(bins), (0.0, 10.0))


def staterror(name: str, variance: Array, nominal: Array) -> ParameterSet:
    """Statistical factors with widths sqrt(`variance`)/`nominal`, summed over the samples.

    Bins of width 0 are fixed, and carry a constraint of width 1 (as in pyhf).
    """
    relative = np.sqrt(variance) / np.where(nominal > 0.0, nominal, np.inf)
    fixed = relative == 0.0
    sigma = np.where(fixed, 1.0, relative)
    ones = np.ones(len(sigma))
    return _parameter_set(name, "staterror", ones, GAMMA_BOUNDS, sigma=sigma, fixed=fixed)


def shapesys(name: str, nominal: Array, uncertainty: Array) -> ParameterSet:
    """Factors with Poisson constraints, τ = (`nominal`/`uncertainty`)²; empty bins are fixed."""
    valid = (nominal > 0.0) & (uncertainty > 0.0)
    ratio = np.divide(nominal, uncertainty, out=np.ones_like(nominal), where=valid)
    tau = np.minimum(ratio, LEAST_WIDTH**-2) ** 2  # not to overflow; `concatenate` objects
    ones = np.ones(len(tau))
    return _parameter_set(
        name, "shapesys", ones, GAMMA_BOUNDS, aux=tau, factor=tau.copy(), fixed=~valid
    )


def lumi(name: str, config: Mapping[str, Any]) -> ParameterSet:
    """The luminosity, whose auxiliary value and width only the measurement can give."""
    for key in ("auxdata", "sigmas"):
        if config.get(key) is None:
            raise InvalidWorkspace(
                f"parameter '{name}' (lumi): found no '{key}' in the measurement's parameter "
                "configuration; expected both auxdata and sigmas there"
            )
    aux = parameter_values(config, "auxdata", (1,))
    assert aux is not None
    return _parameter_set(name, "lumi", aux, (0.0, 10.0 * aux[0]), aux=aux, sigma=np.ones(1))


def configure(parameters: ParameterSet, config: Mapping[str, Any]) -> ParameterSet:
    """`parameters` with what the measurement configures in place of the defaults."""
    n = len(parameters.init)
    constrained = parameters.sigma is not None or parameters.factor is not None
    usable = {
        "auxdata": constrained,
        "sigmas": parameters.kind in ("lumi", "staterror"),
        "factors": parameters.factor is not None,
    }
    for key, is_usable in usable.items():
        if config.get(key) and not is_usable:
            raise InvalidWorkspace(
                f"parameter '{parameters.name}': found '{key}' in its configuration; "
                f"expected none, since a {parameters.kind} parameter has no such attribute"
            )
    given = {key: parameter_values(config, key, (n,)) for key in ("inits", *usable)}
    bounds = parameter_values(config, "bounds", (n, 2))
    sigma = parameters.sigma if given["sigmas"] is None else given["sigmas"]
    counts = given["auxdata"] if parameters.factor is not None else None
    for key, values, sign in (
        ("sigmas", sigma, "> 0"),
        ("factors", given["factors"], "> 0"),
        ("auxdata", counts, "≥ 0"),
    ):
        if values is not None and not (values > 0.0 if sign == "> 0" else values >= 0.0).all():
            raise InvalidWorkspace(
                f"parameter '{parameters.name}', {key}: found {values.tolist()}; "
                f"expected all {sign}"
            )
    fixed = config.get("fixed")
    return ParameterSet(
        name=parameters.name,
        kind=parameters.kind,
        init=parameters.init if given["inits"] is None else given["inits"],
        bounds=parameters.bounds if bounds is None else bounds,
        fixed=parameters.fixed if fixed is None else np.full(n, bool(fixed)),
        aux=parameters.aux if given["auxdata"] is None else given["auxdata"],
        sigma=sigma,
        factor=parameters.factor if given["factors"] is None else given["factors"],
    )


@dataclass(frozen=True, slots=True, eq=False)
class Parameters:
    """All P parameters of a model, in its order.

    Attributes:
        labels: P names, as pyhf writes them
        init, aux: (P,); bounds: (P, 2); fixed: (P,) bool
        weight: 1/σ² of normal constraints, 0 elsewhere, (P,)
        tau: τ of Poisson constraints, 0 elsewhere, (P,)
        poisson: the parameters that have one
    """

    labels: tuple[str, ...]
    init: Array
    bounds: Array
    fixed: Flags
    aux: Array
    weight: Array
    tau: Array
    poisson: Index


def concatenate(sets: Iterable[ParameterSet]) -> Parameters:
    """The parameter sets one after the other."""
    sets = list(sets)
    labels = tuple(label for s in sets for label in s.labels)
    sigma = np.concatenate(
        [np.full(len(s.init), np.inf) if s.sigma is None else s.sigma for s in sets]
    )
    tau = np.concatenate([np.zeros(len(s.init)) if s.factor is None else s.factor for s in sets])
    narrow = (sigma < LEAST_WIDTH) | (tau > LEAST_WIDTH**-2)
    if narrow.any():
        raise InvalidWorkspace(
            f"parameter '{labels[int(np.argmax(narrow))]}': found a constraint narrower than "
            f"{LEAST_WIDTH:g}; expected a wider one, or an uncertainty of 0"
        )
    bounds = np.concatenate([s.bounds for s in sets])
    turned = bounds[:, 0] > bounds[:, 1]
    if turned.any():
        which = int(np.argmax(turned))
        raise InvalidWorkspace(
            f"parameter '{labels[which]}', bounds: found {bounds[which].tolist()}; "
            "expected lower ≤ upper"
        )
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise InvalidWorkspace(
            f"parameter '{twice}': found a modifier of this name, which is also that of another "
            "one's parameter for a bin; expected names that differ"
        )
    return Parameters(
        labels=labels,
        init=np.concatenate([s.init for s in sets]),
        bounds=bounds,
        fixed=np.concatenate([s.fixed for s in sets]),
        aux=np.concatenate([s.aux for s in sets]),
        weight=sigma**-2,
        tau=tau,
        poisson=np.flatnonzero(tau),
    )


def _parameter_set(
    name: str,
    kind: str,
    init: Array | float,
    bounds: tuple[float, float],
    *,
    aux: Array | None = None,
    sigma: Array | None = None,
    factor: Array | None = None,
    fixed: Flags | None = None,
) -> ParameterSet:
    init = np.atleast_1d(np.asarray(init, dtype=np.float64))
    return ParameterSet(
        name=name,
        kind=kind,
        init=init,
        bounds=np.full((len(init), 2), bounds),
        fixed=np.zeros(len(init), dtype=bool) if fixed is None else fixed,
        aux=init if aux is None else aux,
        sigma=sigma,
        factor=factor,
    )
