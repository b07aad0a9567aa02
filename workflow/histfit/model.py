"""Compiles a workspace into the arrays that the likelihood is evaluated with.

The expected rate of a cell (one sample in one bin) is, as in HistFactory,

    rate = (nominal + Σ histosys shifts) · Π normsys scales · Π factors

and the C cells of a model, ordered by channel, bin and sample, add up to B bins. Parameters are
ordered by what they do: histosys only, histosys and normsys, normsys only, factors; in each class
by name. So the parameters that shift, and those that scale, are contiguous slices, and the order
depends on nothing but the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import parameters as par
from .errors import InvalidWorkspace
from .interpolation import (
    HISTOSYS_CODES,
    KINKED_CODES,
    NORMSYS_CODES,
    Array,
    code4_polynomials,
)
from .spec import (
    Measurement,
    Sample,
    channels_by_name,
    read_measurement,
    read_observations,
    read_sample,
)

Index = NDArray[np.intp]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A compiled HistFactory model with P parameters, C cells and B bins; immutable.

    Attributes:
        channels: number of bins a channel, in name order
        samples: (channel, sample) of each of the G groups of cells
        parameters: names, start values, bounds and constraints
        start: where background-only fits start, (1, P)
        poi: index of the parameter of interest, None if the model has none
        observed: counts (B,)
        floor: what the rate of a bin without events may fall to: 0, or less where the nominal
            background is negative, (B,)
        histosys, normsys, factors: slices of the parameters that do so
        kinked: parameters whose interpolation has a kink at 0, (P,) bool
    """

    channels: Mapping[str, int]
    samples: tuple[tuple[str, str], ...]
    parameters: par.Parameters
    start: Array
    poi_name: str | None
    poi: int | None
    observed: Array
    floor: Array
    histosys: slice
    normsys: slice
    factors: slice
    histosys_code: str
    normsys_code: str
    kinked: Flags
    nominal: Array  # (C,)
    shifts: Array  # S and A, (2, Kh, C)
    polynomials: Array  # of code4, (Kn, 7, 3, G)
    log_lo: Array  # (Kn, G)
    log_hi: Array  # (Kn, G)
    incidence: Array  # 1 where a factor scales a cell, (Kf, C)
    slots: Index  # the factors of each cell, padded with Kf, (C, M)
    group: Index  # the group of each cell, (C,)
    by_group: Index  # cells sorted by group, (C,)
    group_starts: Index  # where each group starts in by_group, (G,)
    bin: Index  # the bin of each cell, (C,)
    bin_starts: Index  # the first cell of each bin, (B,)


def compile_model(
    spec: Mapping[str, Any],
    measurement: str | None = None,
    modifier_settings: Mapping[str, Mapping[str, str]] | None = None,
) -> Model:
    """Compile one workspace; arguments and errors are those of `background.Background`."""
    channels = {
        channel: {name: read_sample(sample, channel) for name, sample in samples.items()}
        for channel, samples in channels_by_name(spec).items()
    }
    codes = interpolation_codes(modifier_settings)
    return assemble(channels, spec, read_measurement(spec, measurement), *codes)


def interpolation_codes(settings: Mapping[str, Mapping[str, str]] | None) -> tuple[str, str]:
    """The histosys and the normsys code that pyhf's `modifier_settings` name."""
    codes = {"histosys": "code4p", "normsys": "code4"}
    known = {"histosys": HISTOSYS_CODES, "normsys": NORMSYS_CODES}
    for modifier, setting in (settings or {}).items():
        if modifier not in known:
            raise InvalidWorkspace(
                f"modifier settings: found '{modifier}'; expected {' or '.join(known)}"
            )
        code = setting.get("interpcode", codes[modifier])
        if code not in known[modifier]:
            raise InvalidWorkspace(
                f"modifier settings, {modifier}: found interpcode '{code}'; "
                f"expected one of {', '.join(known[modifier])}"
            )
        codes[modifier] = code
    return codes["histosys"], codes["normsys"]


@dataclass(slots=True)
class _Placed:
    """A sample at its place in the model: its cells, and its channel's bins."""

    channel: str
    name: str
    sample: Sample
    cells: slice
    bins: slice


def assemble(
    channels: Mapping[str, Mapping[str, Sample]],
    spec: Mapping[str, Any],
    measurement: Measurement,
    histosys_code: str,
    normsys_code: str,
) -> Model:
    """Put the samples of all channels (both in name order) together to a model."""
    placed = list(_place(channels))
    n_bins = {p.channel: p.bins.stop - p.bins.start for p in placed}
    n_cells = sum(len(p.sample.nominal) for p in placed)
    sizes = np.array([len(channels[channel]) for channel in n_bins], dtype=np.intp)
    samples_of_bin = np.repeat(sizes, list(n_bins.values()))
    bin_starts = np.cumsum(samples_of_bin) - samples_of_bin

    shifting = set().union(*(p.sample.histosys for p in placed))
    scaling = set().union(*(p.sample.normsys for p in placed))
    alphas = sorted(shifting - scaling) + sorted(shifting & scaling) + sorted(scaling - shifting)
    row = {name: i for i, name in enumerate(alphas)}
    first_scale = len(shifting - scaling)
    n_shift, n_scale = len(shifting), len(scaling)

    def places(names: tuple[str, ...]) -> Index:
        return np.array(list(map(row.__getitem__, names)), dtype=np.intp)

    nominal = np.empty(n_cells)
    shifts = np.zeros((2, n_shift, n_cells))
    coefficients = np.zeros((n_scale, 6, len(placed)))
    log_lo, log_hi = np.zeros((2, n_scale, len(placed)))
    group = np.empty(n_cells, dtype=np.intp)
    for g, p in enumerate(placed):
        sample = p.sample
        group[p.cells] = g
        nominal[p.cells] = sample.nominal
        rows = places(sample.histosys)
        shifts[0, rows, p.cells] = sample.symmetric
        shifts[1, rows, p.cells] = sample.asymmetric
        rows = places(sample.normsys) - first_scale
        coefficients[rows, :, g] = sample.coefficients
        log_lo[rows, g] = sample.log_lo
        log_hi[rows, g] = sample.log_hi

    factor_sets, factor_of_cell = _factors(placed, row, measurement)
    factor_start, incidence, slots = _incidence(factor_sets, factor_of_cell, n_cells)
    sets = [par.alpha(name) for name in alphas] + factor_sets
    configured = [
        par.configure(s, measurement.parameters[s.name]) if s.name in measurement.parameters else s
        for s in sets
    ]
    if not configured:
        raise InvalidWorkspace("the workspace: found no modifier; expected at least one")
    # the POI comes with a signal, and writers configure the luminosity whether it is used or not
    known = {s.name for s in sets} | {measurement.poi, "lumi"}
    unknown = [name for name in measurement.parameters if name not in known]
    if unknown:
        raise InvalidWorkspace(
            f"measurement '{measurement.name}', parameter '{unknown[0]}': found a configuration; "
            "expected none, since no modifier has this name"
        )
    parameters = par.concatenate(configured)
    poi_name, poi = measurement.poi, None
    if poi_name in row:
        poi = row[poi_name]
    elif poi_name in factor_start:
        poi = len(alphas) + factor_start[poi_name]
        if parameters.labels[poi] != poi_name:
            raise InvalidWorkspace(
                f"measurement '{measurement.name}': found POI '{poi_name}', which stands for "
                "several parameters; expected the name of a single one"
            )
    background = nominal.copy()
    if poi_name in factor_start:
        background[incidence[factor_start[poi_name]] > 0.0] = 0.0
    by_group = np.argsort(group, kind="stable")
    kinked = np.zeros(len(parameters.labels), dtype=bool)
    kinked[:n_shift] |= histosys_code in KINKED_CODES
    kinked[first_scale : len(alphas)] |= normsys_code in KINKED_CODES
    return Model(
        channels=n_bins,
        samples=tuple((p.channel, p.name) for p in placed),
        parameters=parameters,
        start=parameters.init[None],
        poi_name=poi_name,
        poi=poi,
        observed=read_observations(spec, n_bins),
        floor=np.minimum(np.add.reduceat(background, bin_starts), 0.0),
        histosys=slice(0, n_shift),
        normsys=slice(first_scale, len(alphas)),
        factors=slice(len(alphas), len(parameters.labels)),
        histosys_code=histosys_code,
        normsys_code=normsys_code,
        kinked=kinked,
        nominal=nominal,
        shifts=shifts,
        polynomials=code4_polynomials(coefficients),
        log_lo=log_lo,
        log_hi=log_hi,
        incidence=incidence,
        slots=slots,
        group=group,
        by_group=by_group,
        group_starts=np.searchsorted(group[by_group], np.arange(len(placed))),
        bin=np.repeat(np.arange(len(bin_starts)), samples_of_bin),
        bin_starts=bin_starts,
    )


def _place(channels: Mapping[str, Mapping[str, Sample]]) -> Iterator[_Placed]:
    """Give every sample its cells, ordered by channel, bin and sample."""
    first_cell = first_bin = 0
    for channel, samples in channels.items():
        n_samples = len(samples)
        n_bins = len(next(iter(samples.values())).nominal)
        end = first_cell + n_samples * n_bins
        for i, (name, sample) in enumerate(samples.items()):
            if len(sample.nominal) != n_bins:
                raise InvalidWorkspace(
                    f"channel '{channel}', sample '{name}': found {len(sample.nominal)} bins; "
                    f"expected {n_bins}, as in sample '{next(iter(samples))}'"
                )
            cells = slice(first_cell + i, end, n_samples)
            yield _Placed(channel, name, sample, cells, slice(first_bin, first_bin + n_bins))
        first_cell, first_bin = end, first_bin + n_bins


def _factors(
    placed: list[_Placed], alphas: Mapping[str, int], measurement: Measurement
) -> tuple[list[par.ParameterSet], list[tuple[str, _Placed, Index]]]:
    """Parameter sets of all factors in name order, and which of them scale which sample.

    The second list holds (parameter name, sample, index within the set for each bin).
    """
    kinds: dict[str, tuple[str, _Placed]] = {}
    uses: list[tuple[str, _Placed, Index]] = []
    statistical: dict[str, list[tuple[_Placed, Array]]] = {}
    sets: dict[str, par.ParameterSet] = {}
    for p in placed:
        bins = np.arange(len(p.sample.nominal))
        for kind, name, uncertainty in (
            *((kind, name, None) for kind, name in p.sample.scalar),
            *p.sample.binwise,
        ):
            where = f"channel '{p.channel}', sample '{p.name}', modifier '{name}' ({kind})"
            other, first = kinds.setdefault(name, (kind, p))
            if name in alphas:
                other = "histosys or normsys"
            if other != kind or (kind == "shapesys" and first is not p):
                raise InvalidWorkspace(
                    f"{where}: found the name in use for a {other} of channel '{first.channel}', "
                    f"sample '{first.name}'; expected a name of its own"
                )
            if kind == "staterror":
                assert uncertainty is not None
                statistical.setdefault(name, []).append((p, uncertainty))
                continue
            uses.append((name, p, bins if kind == "shapefactor" else 0 * bins))
            if kind == "shapesys":
                assert uncertainty is not None
                sets[name] = par.shapesys(name, p.sample.nominal, uncertainty)
                uses[-1] = (name, p, bins)
            elif name not in sets:
                if kind == "normfactor":
                    sets[name] = par.normfactor(name)
                elif kind == "lumi":
                    sets[name] = par.lumi(name, measurement.parameters.get(name, {}))
                else:
                    sets[name] = par.shapefactor(name, len(bins))
            elif kind == "shapefactor" and len(sets[name].init) != len(bins):
                raise InvalidWorkspace(
                    f"{where}: found {len(bins)} bins; expected {len(sets[name].init)}, as in "
                    f"channel '{first.channel}', with which it shares the parameter"
                )
    for name, users in statistical.items():
        occupied = sorted({b for p, _ in users for b in range(p.bins.start, p.bins.stop)})
        position = {b: i for i, b in enumerate(occupied)}
        variance, nominal = np.zeros((2, len(occupied)))
        for p, uncertainty in users:
            index = np.array([position[b] for b in range(p.bins.start, p.bins.stop)])
            variance[index] += uncertainty**2
            nominal[index] += p.sample.nominal
            uses.append((name, p, index))
        sets[name] = par.staterror(name, variance, nominal)
    return [sets[name] for name in sorted(sets)], uses


def _incidence(
    sets: list[par.ParameterSet], uses: list[tuple[str, _Placed, Index]], n_cells: int
) -> tuple[dict[str, int], Array, Index]:
    """Where each set starts, the factor × cell matrix, and the factors of each cell."""
    lengths = [len(s.init) for s in sets]
    start = dict(zip((s.name for s in sets), np.cumsum([0, *lengths]).tolist(), strict=False))
    n_factors = sum(lengths)
    incidence = np.zeros((n_factors, n_cells))
    cells = np.arange(n_cells)
    for name, p, index in uses:
        incidence[start[name] + index, cells[p.cells]] = 1.0
    factor, cell = np.nonzero(incidence)
    order = np.lexsort((factor, cell))
    factor, cell = factor[order], cell[order]
    first = np.searchsorted(cell, cells)
    depth = np.arange(len(cell)) - first[cell]
    slots = np.full((n_cells, int(depth.max(initial=-1)) + 1), n_factors, dtype=np.intp)
    slots[cell, depth] = factor
    return start, incidence, slots
