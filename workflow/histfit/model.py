"""Compiles a workspace into the arrays that the likelihood is evaluated with.

The expected rate of a cell (one sample in one bin) is, as in HistFactory,

    rate = (nominal + Σ histosys shifts) · Π normsys scales · Π factors

and the C cells of a model, ordered by channel, bin and sample, add up to B bins. Parameters are
ordered by what they do: histosys only, histosys and normsys, normsys only, factors; in each class
by name. So the parameters that shift, and those that scale, are contiguous slices, and the order
depends on nothing but the model.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, NoReturn

import numpy as np

from . import parameters as par
from .arrays import Array, Flags, Index, any_of
from .bends import threats
from .errors import InvalidWorkspace
from .interpolation import KINKED_CODES, LOG_OF_ZERO, interpolation_codes
from .spec import (
    Measurement,
    Sample,
    channels_by_name,
    read_measurement,
    read_observations,
    read_sample,
)


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A compiled HistFactory model with P parameters, C cells and B bins; immutable.

    Attributes:
        channels: number of bins a channel, in name order
        samples: (channel, sample) of each of the G groups of cells
        parameters: names, start values, bounds and constraints
        start: where background-only fits start, (1, P)
        started_at_best: whether that is the best fit without signal, found by thorough searches
        poi_name, poi: name and index of the parameter of interest, None if the model has none
        observed: counts (B,)
        floor: what the rate of a bin without events may fall to: 0, or less where the nominal
            background is negative, (B,)
        histosys, normsys, factors: slices of the parameters that do so
        kinked: parameters whose interpolation has a kink at 0, (P,) bool
        bend: by how much a parameter moves the bins the same way at +1 and −1: the mean of both
            changes in σ of the events, squared and added up (P,)
        one_sided: `bend` where it is a threat, 0 elsewhere (P,)
        loose: free normalisations that decide which way systematics go, the loosest first
    """

    channels: Mapping[str, int]
    samples: tuple[tuple[str, str], ...]
    parameters: par.Parameters
    start: Array
    started_at_best: bool
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
    bend: Array
    one_sided: Array
    loose: Index
    nominal: Array  # (C,)
    shifts: Array  # S and A, (2, Kh, C)
    coefficients: Array  # of code4, (Kn, 7, G)
    log_lo: Array  # (Kn, G)
    log_hi: Array  # (Kn, G)
    incidence: Array  # 1 where a factor scales a cell, (Kf, C)
    slots: Index  # the factors of each cell, padded with Kf, (C, M)
    group: Index  # the group of each cell, (C,)
    by_group: Index  # cells sorted by group, (C,)
    group_starts: Index  # where each group starts in by_group, (G,)
    bin: Index  # the bin of each cell, (C,)
    bin_starts: Index  # the first cell of each bin, (B,)

    @property
    def has_signal(self) -> bool:
        """Whether the POI scales events, be it those of a variation."""
        if self.poi is None or self.poi < self.factors.start:
            return self.poi is not None
        scaled = self.incidence[self.poi - self.factors.start] > 0.0
        return any_of(scaled & (self.nominal != 0.0)) or any_of(scaled & (self.shifts != 0.0))

    @property
    def cliffs(self) -> tuple[Flags, Flags]:
        """Parameters (P,) whose factor falls from 1 to 0 at a kink, below and above it."""
        below, above = np.zeros((2, len(self.parameters.labels)), dtype=bool)
        if self.normsys_code in KINKED_CODES:
            below[self.normsys] = (self.log_lo == LOG_OF_ZERO).any(axis=1)
            above[self.normsys] = (self.log_hi == LOG_OF_ZERO).any(axis=1)
        return below, above


def compile_model(
    spec: Mapping[str, Any],
    measurement: str | None = None,
    modifier_settings: Mapping[str, Mapping[str, str]] | None = None,
) -> Model:
    """Compile one workspace; arguments and errors are those of `background.Background`."""
    return assemble(spec, measurement, interpolation_codes(modifier_settings), {})


def as_model(spec: Mapping[str, Any] | Model) -> Model:
    """`spec` compiled, unless it is a model already."""
    return spec if isinstance(spec, Model) else compile_model(spec)


@dataclass(slots=True)
class _Placed:
    """A sample at its place in the model: its first cell and how far its cells lie apart, and its
    channel's bins."""

    channel: str
    name: str
    sample: Sample
    first_cell: int
    step: int
    bins: Index


class _Cells:
    """The cells of all samples.

    Attributes:
        count: of all cells
        bins: number of bins of each sample
    """

    def __init__(self, placed: list[_Placed]) -> None:
        self.bins = np.array([len(p.bins) for p in placed], dtype=np.intp)
        self.count = int(self.bins.sum())
        self._first = np.array([p.first_cell for p in placed], dtype=np.intp)
        self._step = np.array([p.step for p in placed], dtype=np.intp)

    def of(self, samples: Index) -> Index:
        """The cells of these samples, one sample after the other, each in the order of bins."""
        bins = self.bins[samples]
        bin = np.arange(bins.sum()) - np.repeat(np.cumsum(bins) - bins, bins)
        result = np.repeat(self._step[samples], bins)
        result *= bin
        result += np.repeat(self._first[samples], bins)
        return result


def assemble(
    spec: Mapping[str, Any],
    measurement_name: str | None,
    codes: tuple[str, str],
    read: Mapping[int, Sample],
    known: Collection[str] | None = (),
) -> Model:
    """Compile `spec` with these interpolation `codes`; samples that were `read` before, here by
    the id of their JSON, are not read again. The measurement may configure parameters that are
    `known` though no modifier has their name; any, if that is None."""
    channels = {
        channel: {
            name: read.get(id(sample)) or read_sample(sample, channel)
            for name, sample in samples.items()
        }
        for channel, samples in channels_by_name(spec).items()
    }
    measurement = read_measurement(spec, measurement_name)
    placed = list(_place(channels))
    samples, cells = [p.sample for p in placed], _Cells(placed)
    n_bins = {p.channel: len(p.bins) for p in placed}
    sizes = np.array([len(channels[channel]) for channel in n_bins], dtype=np.intp)
    samples_of_bin = np.repeat(sizes, list(n_bins.values()))
    bin_starts = np.cumsum(samples_of_bin) - samples_of_bin

    alphas = _order(samples)
    factor_sets, uses = _factors(placed, alphas.row, measurement)
    factor_start, incidence, slots = _incidence(factor_sets, uses, cells)
    parameters = _configured([*map(par.alpha, alphas.row), *factor_sets], measurement, known)
    poi = _poi(measurement, alphas.row, factor_start, factor_sets)

    every, of_cell = np.arange(len(placed)), cells.of(np.arange(len(placed)))
    nominal, group = np.empty(cells.count), np.empty(cells.count, dtype=np.intp)
    nominal[of_cell] = np.concatenate([sample.nominal for sample in samples])
    group[of_cell] = np.repeat(every, cells.bins)
    by_group = np.argsort(group, kind="stable")
    background = nominal.copy()
    if poi is not None and poi >= len(alphas.row):
        background[incidence[poi - len(alphas.row)] > 0.0] = 0.0
    histosys_code, normsys_code = codes
    kinked = np.zeros(len(parameters.labels), dtype=bool)
    kinked[alphas.histosys] |= histosys_code in KINKED_CODES
    kinked[alphas.normsys] |= normsys_code in KINKED_CODES
    coefficients, log_lo, log_hi = _scales(samples, alphas)
    shifts, observed = _shifts(samples, alphas, cells), read_observations(spec, n_bins)
    scales = np.ones((2, len(alphas.row), len(placed)))
    scales[:, alphas.normsys] = np.exp([log_hi, log_lo])
    scales = scales.take(group, axis=2)
    bend, one_sided, loose = threats(
        parameters, poi, kinked, observed, nominal, shifts, scales, incidence, bin_starts
    )
    return Model(
        channels=n_bins,
        samples=tuple((p.channel, p.name) for p in placed),
        parameters=parameters,
        start=parameters.init[None],
        started_at_best=False,
        poi_name=None if poi is None else parameters.labels[poi],
        poi=poi,
        observed=observed,
        floor=np.minimum(np.add.reduceat(background, bin_starts), 0.0),
        histosys=alphas.histosys,
        normsys=alphas.normsys,
        factors=slice(len(alphas.row), len(parameters.labels)),
        histosys_code=histosys_code,
        normsys_code=normsys_code,
        kinked=kinked,
        bend=bend,
        one_sided=one_sided,
        loose=loose,
        nominal=nominal,
        shifts=shifts,
        coefficients=coefficients,
        log_lo=log_lo,
        log_hi=log_hi,
        incidence=incidence,
        slots=slots,
        group=group,
        by_group=by_group,
        group_starts=np.searchsorted(group[by_group], every),
        bin=np.repeat(np.arange(len(bin_starts)), samples_of_bin),
        bin_starts=bin_starts,
    )


def _place(channels: Mapping[str, Mapping[str, Sample]]) -> Iterator[_Placed]:
    """Give every sample its cells, ordered by channel, bin and sample."""
    first_cell = first_bin = 0
    for channel, samples in channels.items():
        n_bins = len(next(iter(samples.values())).nominal)
        bins = np.arange(first_bin, first_bin + n_bins)
        for i, (name, sample) in enumerate(samples.items()):
            if len(sample.nominal) != n_bins:
                raise InvalidWorkspace(
                    f"channel '{channel}', sample '{name}': found {len(sample.nominal)} bins; "
                    f"expected {n_bins}, as in sample '{next(iter(samples))}'"
                )
            yield _Placed(channel, name, sample, first_cell + i, len(samples), bins)
        first_cell, first_bin = first_cell + len(samples) * n_bins, first_bin + n_bins


class _Alphas(NamedTuple):
    """The parameters of histosys and normsys: where each stands, and which do what."""

    row: dict[str, int]
    histosys: slice
    normsys: slice

    def places(self, names: list[tuple[str, ...]]) -> tuple[Index, Index]:
        """The rows of the names that every sample has, and the samples that have them."""
        of = np.repeat(np.arange(len(names)), [len(some) for some in names])
        rows = map(self.row.__getitem__, chain.from_iterable(names))
        return np.fromiter(rows, np.intp, len(of)), of


def _order(samples: list[Sample]) -> _Alphas:
    """Order the parameters that shift or scale by which of these they do, and by name."""
    shifting = set().union(*(sample.histosys for sample in samples))
    scaling = set().union(*(sample.normsys for sample in samples))
    names = sorted(shifting - scaling) + sorted(shifting & scaling) + sorted(scaling - shifting)
    return _Alphas(
        {name: i for i, name in enumerate(names)},
        histosys=slice(0, len(shifting)),
        normsys=slice(len(shifting - scaling), len(names)),
    )


def _shifts(samples: list[Sample], alphas: _Alphas, cells: _Cells) -> Array:
    """S and A of histosys, (2, Kh, C)."""
    result = np.zeros((2, alphas.histosys.stop, cells.count))
    rows, of = alphas.places([sample.histosys for sample in samples])
    shifted = np.repeat(rows, cells.bins[of]), cells.of(of)
    result[0][shifted] = np.concatenate([sample.symmetric.ravel() for sample in samples])
    result[1][shifted] = np.concatenate([sample.asymmetric.ravel() for sample in samples])
    return result


def _scales(samples: list[Sample], alphas: _Alphas) -> tuple[Array, Array, Array]:
    """Coefficients of code4 (Kn, 7, G) and logs of the ±1σ factors (Kn, G) of normsys."""
    shape = alphas.normsys.stop - alphas.normsys.start, len(samples)
    coefficients = np.zeros((shape[0], 7, shape[1]))
    coefficients[:, 0] = 1.0
    log_lo, log_hi = np.zeros((2, *shape))
    rows, of = alphas.places([sample.normsys for sample in samples])
    rows -= alphas.normsys.start
    coefficients[rows, :, of] = np.concatenate([sample.coefficients for sample in samples])
    log_lo[rows, of] = np.concatenate([sample.log_lo for sample in samples])
    log_hi[rows, of] = np.concatenate([sample.log_hi for sample in samples])
    return coefficients, log_lo, log_hi


def _factors(
    placed: list[_Placed], alphas: Mapping[str, int], measurement: Measurement
) -> tuple[list[par.ParameterSet], list[tuple[str, list[int], Index]]]:
    """Parameter sets of all factors in name order, and which of them scale which samples.

    The second list holds (parameter name, numbers of samples, index within the set for each of
    their bins).
    """
    kinds: dict[str, tuple[str, int]] = {}
    uses: list[tuple[str, list[int], Index]] = []
    statistical: dict[str, list[tuple[int, Array]]] = {}
    sets: dict[str, par.ParameterSet] = {}

    def fail(number: int, kind: str, name: str, found: str, expected: str) -> NoReturn:
        p = placed[number]
        raise InvalidWorkspace(
            f"channel '{p.channel}', sample '{p.name}', modifier '{name}' ({kind}): "
            f"found {found}; expected {expected}"
        )

    for number, p in enumerate(placed):
        n_bins = len(p.bins)
        for kind, name, uncertainty in p.sample.factors:
            other, first = kinds.setdefault(name, (kind, number))
            if name in alphas:
                other = "histosys or normsys"
            if other != kind or (kind == "shapesys" and first != number):
                found = f"channel '{placed[first].channel}', sample '{placed[first].name}'"
                fail(
                    *(number, kind, name),
                    f"the name in use for a {other} of {found}",
                    "a name of its own",
                )
            if kind == "staterror":
                assert uncertainty is not None
                statistical.setdefault(name, []).append((number, uncertainty))
            elif kind == "shapesys":
                assert uncertainty is not None
                sets[name] = par.shapesys(name, p.sample.nominal, uncertainty)
                uses.append((name, [number], np.arange(n_bins)))
            elif kind == "shapefactor":
                if name not in sets or len(sets[name].init) < n_bins:
                    sets[name] = par.shapefactor(name, n_bins)
                uses.append((name, [number], np.arange(n_bins)))
            else:
                if name not in sets and kind == "lumi":
                    sets[name] = par.lumi(name, measurement.parameters.get(name, {}))
                elif name not in sets:
                    sets[name] = par.normfactor(name)
                uses.append((name, [number], np.zeros(n_bins, dtype=np.intp)))
    occupied = np.empty(placed[-1].bins[-1] + 1, dtype=bool)
    for name, users in statistical.items():
        numbers = [number for number, _ in users]
        bins = np.concatenate([placed[number].bins for number in numbers])
        occupied[...] = False
        occupied[bins] = True
        index = (np.cumsum(occupied) - 1)[bins]
        variance, nominal = np.zeros((2, np.count_nonzero(occupied)))
        np.add.at(variance, index, np.concatenate([widths for _, widths in users]) ** 2)
        np.add.at(nominal, index, np.concatenate([placed[i].sample.nominal for i in numbers]))
        sets[name] = par.staterror(name, variance, nominal)
        uses.append((name, numbers, index))
    return [sets[name] for name in sorted(sets)], uses


def _configured(
    sets: list[par.ParameterSet], measurement: Measurement, known: Collection[str] | None
) -> par.Parameters:
    """All parameters, as the `measurement` configures them."""
    if not sets:
        raise InvalidWorkspace("the workspace: found no modifier; expected at least one")
    configs = measurement.parameters
    # the POI comes with a signal, and writers configure the luminosity whether it is used or not
    valid = {s.name for s in sets} | {
        measurement.poi,
        "lumi",
        *(configs if known is None else known),
    }
    unknown = [name for name in configs if name not in valid]
    if unknown:
        raise InvalidWorkspace(
            f"measurement '{measurement.name}', parameter '{unknown[0]}': found a configuration; "
            "expected none, since no modifier has this name"
        )
    configured = [par.configure(s, configs[s.name]) if s.name in configs else s for s in sets]
    return par.concatenate(configured)


def _poi(
    measurement: Measurement,
    alphas: Mapping[str, int],
    factor_start: Mapping[str, int],
    factor_sets: list[par.ParameterSet],
) -> int | None:
    """The index of the parameter of interest, None if there is none or no modifier has its name."""
    name = measurement.poi
    if name is None:
        return None
    if name in alphas:
        return alphas[name]
    if name not in factor_start:
        return None
    poi = len(alphas) + factor_start[name]
    if any(factor.name == name and len(factor.init) > 1 for factor in factor_sets):
        raise InvalidWorkspace(
            f"measurement '{measurement.name}': found POI '{name}', which stands for several "
            "parameters; expected the name of a single one"
        )
    return poi


def _incidence(
    sets: list[par.ParameterSet], uses: list[tuple[str, list[int], Index]], cells: _Cells
) -> tuple[dict[str, int], Array, Index]:
    """Where each set starts, the factor × cell matrix, and the factors of each cell."""
    lengths = [len(s.init) for s in sets]
    start = dict(zip((s.name for s in sets), np.cumsum([0, *lengths]).tolist(), strict=False))
    n_factors = sum(lengths)
    incidence = np.zeros((n_factors, cells.count))
    none = np.empty(0, dtype=np.intp)
    factor = np.concatenate([none, *(start[name] + index for name, _, index in uses)])
    cell = cells.of(np.array([number for _, some, _ in uses for number in some], dtype=np.intp))
    incidence[factor, cell] = 1.0
    order = np.lexsort((factor, cell))
    factor, cell = factor[order], cell[order]
    depth = np.arange(len(cell)) - np.searchsorted(cell, np.arange(cells.count))[cell]
    slots = np.full((cells.count, int(depth.max(initial=-1)) + 1), n_factors, dtype=np.intp)
    slots[cell, depth] = factor
    return start, incidence, slots
