"""A user's signals as a table of yields, and the patches that it makes for a background."""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recontour import measurements, sheets
from recontour.errors import UserError, printable
from recontour.likelihood import Point, as_value
from recontour.structure import NAME

REQUIRED = ("point", "channel", "bin", "yield")
STATISTICAL = "statistical"
SYSTEMATIC = "systematic"
OPTIONAL = ("region", STATISTICAL, SYSTEMATIC)
"""Columns that may be there; more systematic ones are named `systematic_<parameter>`."""

ABBREVIATED = {
    "stat": STATISTICAL,
    "sys": SYSTEMATIC,
    "unc": f"{STATISTICAL} or {SYSTEMATIC}",
    "err": f"{STATISTICAL} or {SYSTEMATIC}",
}
"""How a word of a column's name begins that may be meant for one of these columns."""

Patch = list[dict[str, Any]]


@dataclass(frozen=True)
class Bin:
    """A row of the table: expected events of a signal in one bin of a channel, their statistical
    uncertainty in events (None: not given), and their relative systematic ones by parameter."""

    row: sheets.Row
    point: str
    region: str
    channel: str
    bin: int
    events: float
    statistical: float | None
    systematics: dict[str, float]


@dataclass(frozen=True)
class Yields:
    """A table of yields: the file, the labels of the points' values, the columns of systematic
    uncertainties by their parameters, the points, and the bins."""

    path: Path
    labels: tuple[str, ...]
    systematics: dict[str, str]
    points: tuple[Point, ...]
    bins: tuple[Bin, ...]


def read(path: Path | str) -> Yields:
    """Read a table of yields (CSV), a row a bin.

    Columns: `point`; one column a parameter of the signals; `channel`; `bin`, from 0; `yield`, in
    events; and, if wanted, `statistical` (in events), `systematic` and `systematic_<parameter>`
    (fractions of the yield); with several signal regions also `region`.

    Raises UserError naming row and column.
    """
    sheet = sheets.read(path, "yields")
    labels, systematics = _labels(sheet), _systematics(sheet)
    points: dict[str, Point] = {}
    by_values: dict[tuple[Any, ...], str] = {}
    bins: dict[tuple[str, str, str, int], Bin] = {}
    for row in sheet.rows:
        entry = _bin(row, systematics)
        point = Point(entry.point, tuple(as_value(row.cells[label]) for label in labels))
        known = points.setdefault(point.name, point)
        for label, value, other in zip(labels, point.values, known.values, strict=True):
            if value != other:
                raise UserError(
                    f'{row.where(label)}: found "{printable(value)}", but point {point.name} has '
                    f'"{printable(other)}" in an earlier row; a column that is none of '
                    f"{', '.join((*REQUIRED, *OPTIONAL))}, {SYSTEMATIC}_<parameter> is a parameter "
                    "of the points, with one value each"
                )
        if by_values.setdefault(point.values, point.name) != point.name:
            raise UserError(
                f"{row.where('point', *labels)}: points {by_values[point.values]} and {point.name} "
                "have the same values; give each its own, or one name"
            )
        key = (entry.point, entry.region, entry.channel, entry.bin)
        if key in bins:
            raise UserError(
                f"{row.where('point', 'channel', 'bin')}: point {entry.point}, channel "
                f"{printable(entry.channel)}, bin {entry.bin} stands in row "
                f"{bins[key].row.number}, too; remove one of the two rows"
            )
        bins[key] = entry
    if not bins:
        raise UserError(f"{path}: holds no yields; expected a row a bin")
    listed = tuple(points.values())
    return Yields(sheet.path, labels, systematics, listed, tuple(bins.values()))


def patches(
    yields: Yields, background: Mapping[str, Any], measurement: str = "", region: str = ""
) -> dict[str, Patch]:
    """The patches that add the signals of a `region` to its `background`, by point.

    A signal is a sample, named as its point, in each channel that the table has rows of; channels
    without rows stay as they are. It scales with the POI of the `measurement` (empty: the first)
    and, in a channel where other samples do, with the luminosity. Statistical uncertainties join
    the channel's staterror; each systematic one is a parameter that all bins share, and the
    background, too, if it has one of that name.

    Raises UserError naming row and column, with the valid channels or bins.
    """
    poi = _poi(background, measurement)
    _check_systematics(yields, background, poi)
    channels = {channel["name"]: (i, channel) for i, channel in enumerate(background["channels"])}
    found: dict[str, dict[str, list[Bin]]] = {
        point.name: defaultdict(list) for point in yields.points
    }
    for entry in yields.bins:
        if entry.region != region:
            continue
        if entry.channel not in channels:
            raise UserError(
                f"{entry.row.where('channel')}: the background has no channel "
                f'"{printable(entry.channel)}"; valid: {printable(", ".join(channels))}'
            )
        found[entry.point][entry.channel].append(entry)
    made: dict[str, Patch] = {}
    for point, parts in found.items():
        operations = []
        for name, bins in parts.items():
            index, channel = channels[name]
            sample = _sample(point, channel, bins, poi)
            operations.append(
                {"op": "add", "path": f"/channels/{index}/samples/-", "value": sample}
            )
        if operations:
            made[point] = operations
    return made


def _labels(sheet: sheets.Sheet) -> tuple[str, ...]:
    missing = [column for column in REQUIRED if column not in sheet.columns]
    labels = tuple(
        column
        for column in sheet.columns
        if column not in REQUIRED + OPTIONAL and not column.startswith(f"{SYSTEMATIC}_")
    )
    wrong = [label for label in labels if not NAME.fullmatch(label)]
    if missing or wrong or not labels:
        raise UserError(
            f"{sheet.path}: found the columns {printable(', '.join(sheet.columns)) or 'none'}; "
            f"expected {', '.join(REQUIRED)}, a column a parameter of the points (letters, digits "
            f"and _), and, if you wish, {', '.join(OPTIONAL)}, {SYSTEMATIC}_<parameter>"
        )
    for label in labels:
        meant = _meant(label)
        if meant:
            raise UserError(
                f"{sheet.path}, column {label}: unknown, and as a parameter of the points it would "
                f"change no yield; did you mean {meant}? Valid are {', '.join(REQUIRED)}, "
                f"{', '.join(OPTIONAL)}, {SYSTEMATIC}_<parameter>; if it is a parameter of the "
                "points, rename it"
            )
    return labels


def _meant(label: str) -> str | None:
    """The optional column that a label may be meant for: a word of it is nearly that name, or one
    that people write for it."""
    for word in label.lower().split("_"):
        near = difflib.get_close_matches(word, OPTIONAL, n=1, cutoff=0.8)
        if near:
            return near[0]
        for start, meant in ABBREVIATED.items():
            if word.startswith(start):
                return meant
    return None


def _systematics(sheet: sheets.Sheet) -> dict[str, str]:
    """The columns of systematic uncertainties, by their parameters."""
    found: dict[str, str] = {}
    for column in sheet.columns:
        if column == SYSTEMATIC or column.startswith(f"{SYSTEMATIC}_"):
            parameter = column.removeprefix(f"{SYSTEMATIC}_")
            parameter = "signal_systematic" if column == SYSTEMATIC else parameter
            if not parameter or parameter in found:
                raise UserError(
                    f"{sheet.path}, column {printable(column)}: expected "
                    f"{SYSTEMATIC}_<parameter>, with a parameter of its own; found "
                    f'"{printable(parameter)}"'
                )
            found[parameter] = column
    return found


def _check_systematics(yields: Yields, background: Mapping[str, Any], poi: str) -> None:
    """Raise UserError for a systematic uncertainty of a parameter that is none of such."""
    others = {
        modifier["name"]: f"a {modifier['type']}"
        for channel in background["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
        if modifier["type"] not in ("histosys", "normsys")
    }
    others[poi] = "the parameter of interest"
    for parameter, column in yields.systematics.items():
        if parameter in others:
            raise UserError(
                f"{yields.path}, column {printable(column)}: {printable(parameter)} is "
                f"{others[parameter]} of the background; expected a parameter of its own, or a "
                "histosys or normsys of the background, with which the uncertainty is shared; "
                f"rename the column {SYSTEMATIC}_<parameter>, or leave it out"
            )


def _bin(row: sheets.Row, systematics: Mapping[str, str]) -> Bin:
    name = row.cells["point"]
    if not NAME.fullmatch(name):
        raise UserError(
            f'{row.where("point")}: found "{printable(name)}", expected a name of letters, digits '
            "and _, at most 200"
        )
    number = row.real("bin", 0, math.inf, "the number of a bin, from 0")
    if number != int(number):
        raise UserError(f"{row.where('bin')}: found {number:g}, expected a whole number, from 0")
    statistical = None
    if row.cells.get(STATISTICAL):
        statistical = row.real(STATISTICAL, 0, math.inf, "events, a finite number, 0 or more")
    expected = "a fraction of the yield, from -1 to 1 (0.1 for 10 %)"
    fractions = {
        parameter: row.real(column, -1, 1, expected) if row.cells[column] else 0.0
        for parameter, column in systematics.items()
    }
    return Bin(
        row,
        name,
        row.cells.get("region", ""),
        row.cells["channel"],
        int(number),
        row.real("yield", 0, math.inf, "events, a finite number, 0 or more"),
        statistical,
        fractions,
    )


def _poi(background: Mapping[str, Any], measurement: str) -> str:
    chosen = measurements.chosen(background, measurement)
    poi: str = chosen["config"]["poi"]
    if not poi:
        raise UserError(
            f"the measurement {printable(chosen['name'])} of the background has no parameter of "
            "interest, with which a signal could scale; choose another with the config key "
            "measurement"
        )
    return poi


def _sample(
    point: str, channel: Mapping[str, Any], bins: Sequence[Bin], poi: str
) -> dict[str, Any]:
    """The sample of a signal in a channel. Raises UserError."""
    size = len(channel["samples"][0]["data"])
    name = printable(channel["name"])
    by_bin = {entry.bin: entry for entry in bins}
    for entry in bins:
        if entry.bin >= size:
            raise UserError(
                f"{entry.row.where('bin')}: found {entry.bin}, but the bins of channel {name} of "
                f"the background are counted from 0; valid: {', '.join(map(str, range(size)))}"
            )
    missing = [str(i) for i in range(size) if i not in by_bin]
    if missing:
        raise UserError(
            f"{bins[0].row.where('bin')}: point {point} has no row for bin {', '.join(missing)} "
            f"of channel {name}; give each of its bins {', '.join(map(str, range(size)))} a row, "
            "with yield 0 where no signal is expected"
        )
    if any(sample["name"] == point for sample in channel["samples"]):
        raise UserError(
            f"{bins[0].row.where('point')}: the background has a sample {point} in channel {name}; "
            "give the point another name"
        )
    ordered = [by_bin[i] for i in range(size)]
    events = [entry.events for entry in ordered]
    kinds = [
        (modifier["type"], modifier["name"])
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    ]
    modifiers: list[dict[str, Any]] = [{"name": poi, "type": "normfactor", "data": None}]
    if ("lumi", "lumi") in kinds:
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    joined = [other for kind, other in kinds if kind == "staterror"]
    statistical = _statistical(ordered, shared=bool(joined))
    if statistical:
        gammas = joined[0] if joined else f"staterror_{channel['name']}"
        modifiers.append({"name": gammas, "type": "staterror", "data": statistical})
    for parameter in ordered[0].systematics:
        shifts = [entry.systematics[parameter] for entry in ordered]
        if any(shifts):
            data = {
                "hi_data": [n * (1 + shift) for n, shift in zip(events, shifts, strict=True)],
                "lo_data": [n * (1 - shift) for n, shift in zip(events, shifts, strict=True)],
            }
            modifiers.append({"name": parameter, "type": "histosys", "data": data})
    return {"name": point, "data": events, "modifiers": modifiers}


def _statistical(bins: Sequence[Bin], shared: bool) -> list[float]:
    """The statistical uncertainties of a channel's bins, none if none is given.

    Unless the background's staterror is `shared`, that of the signal scales its own yield alone: a
    bin with yield 0 can have none.
    """
    given = [entry for entry in bins if entry.statistical is not None]
    for entry in bins:
        empty = not shared and entry.events == 0
        if empty and entry.statistical:
            raise UserError(
                f"{entry.row.where(STATISTICAL)}: found {entry.statistical:g} with the yield 0, "
                f"but the background has no staterror in channel {printable(entry.channel)} to "
                "join, and one of the signal alone scales its yield, so it would be ignored; leave "
                "the cell empty"
            )
        if given and entry.statistical is None and not empty:
            raise UserError(
                f"{entry.row.where(STATISTICAL)}: found nothing, but other bins of point "
                f"{entry.point} in channel {printable(entry.channel)} have a statistical "
                "uncertainty; give all of them one, in events, or none"
            )
    return [entry.statistical or 0.0 for entry in bins] if given else []
