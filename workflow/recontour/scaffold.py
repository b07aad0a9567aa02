"""A config entry and a table of points for a likelihood that has none yet."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from recontour import discover, regions
from recontour.discover import Discovery, Patches
from recontour.errors import UserError, printable
from recontour.fetch import Retrieved
from recontour.likelihood import Point
from recontour.points import NEEDED, spanned

UNKNOWN = "# unknown:"
"""Begins a comment on what the archive does not tell."""


@dataclass(frozen=True)
class Entry:
    """An analysis for the config: its name, the text of its entry (YAML), where its table of points
    is to lie, and that table (CSV)."""

    name: str
    text: str
    table: Path
    points: str


def name_of(doi: str) -> str:
    """A name for an analysis of the archive `doi`."""
    return re.sub(r"[^A-Za-z0-9]+", "_", doi.partition("/")[2]).strip("_")


def entries(name: str, found: Discovery, archive: Retrieved, tables: Path) -> list[Entry]:
    """An entry for each search that was `found` in an archive, with tables of points in the folder
    `tables`: the analysis `name`, or several that are numbered. Raises UserError if none was."""
    groups = discover.groups(found.patches)
    if not groups:
        held = ", ".join(background.member for background in found.backgrounds)
        raise UserError(
            f"{archive.doi}: holds the workspaces {printable(held)}, but no patches for them: "
            f"{'; '.join(map(printable, found.notes)) or 'no patch is there'}. To test signals of "
            "your own with such a background, see the key `signal` in config/README.md"
        )
    names = [name] if len(groups) == 1 else [f"{name}_{i}" for i in range(1, len(groups) + 1)]
    return [
        entry(own, group, archive, tables / f"{own}.csv")
        for own, group in zip(names, groups, strict=True)
    ]


def entry(name: str, group: Sequence[Patches], archive: Retrieved, table: Path) -> Entry:
    """The entry of the analysis `name` with these patches of an `archive`; its table of points will
    lie at `table`.

    It can be run as it is, with axes chosen among the labels. What the archive cannot tell is
    marked with `# unknown:`.
    """
    several = len(group) > 1
    names = _region_names(group) if several else [""]
    labels, joined = regions.join(dict(zip(names, (p.held for p in group), strict=True)))
    points = sorted(regions.points(joined), key=_by_values)
    lines = [
        f"{_scalar(name)}:",
        f"  title: {_scalar(archive.doi)}  {UNKNOWN} the name of the analysis",
        f"  labels: []  {UNKNOWN} process, energy, luminosity",
        "  likelihood:",
        f"    doi: {_scalar(archive.doi)}",
        f"    size: {archive.size}",
        f"    sha256: {_scalar(archive.sha256)}",
        *_measurement(group),
    ]
    if several:
        lines.append("    regions:")
    for region, patches in zip(names, group, strict=True):
        if several:
            lines.append(f"      {_scalar(region)}:")
        indent = " " * (8 if several else 4)
        key = "patches" if patches.files else "patchset"
        lines += [
            f"{indent}background: {_scalar(patches.background.member)}",
            f"{indent}background_digest: {_scalar(patches.background.digests['sha256'])}",
            f"{indent}{key}: {_scalar(patches.source)}",
        ]
    lines += [f"  points: {_scalar(table.as_posix())}", *_plane(labels, points)]
    return Entry(name, "\n".join(lines) + "\n", table, _table(labels, points))


def config(entries: Sequence[Entry]) -> str:
    """The config file with these entries, to be laid over another by `--configfile`."""
    run = yaml.safe_dump([entry.name for entry in entries], default_flow_style=True).strip()
    text = "".join(
        f"  {line}\n" for entry in entries for line in entry.text.rstrip("\n").split("\n")
    )
    return f"run: {run}\n\nanalyses:\n{text}"


def refuse_to_replace(paths: Iterable[Path]) -> None:
    """Raise UserError if one of `paths` is there."""
    for path in paths:
        if path.exists():
            raise UserError(f"{path}: is there already; choose another --name, or add --force")


def said(
    texts: Mapping[Path, str], notes: Sequence[str], entries: Sequence[Entry]
) -> Iterator[str]:
    """What was written, the config file first, what could not be known, and how to go on, in lines
    for a terminal."""
    written, *_ = texts
    yield f"Written: {', '.join(map(str, texts))}\n"
    yield f"{texts[written]}\nCould not be known, and is a guess or empty until you fill it in:"
    for entry in entries:
        unknown = [line.strip() for line in entry.text.splitlines() if UNKNOWN in line]
        yield from (f"  {entry.name}: {line}" for line in unknown)
    yield from (f"  {printable(note)}" for note in notes)
    targets = " ".join(entry.name for entry in entries)
    yield f"\nTo run it as it is: snakemake --cores 2 --configfile {written} -- {targets}"


def _region_names(group: Sequence[Patches]) -> list[str]:
    """What distinguishes the paths of the backgrounds, as names of the signal regions."""
    paths = [re.split(r"[/.]", patches.background.member) for patches in group]
    differing = [parts for parts in zip(*paths, strict=False) if len(set(parts)) == len(group)]
    names = differing[0] if differing else [f"R{i + 1}" for i in range(len(group))]
    common = next(i for i in itertools.count() if len({name[: i + 1] for name in names}) > 1)
    short = [_region_name(name[common:]) for name in names]
    if all(short) and len(set(short)) == len(short):
        return short
    unique: list[str] = []
    for name in map(_region_name, names):
        numbered = (f"{name}_{i}" for i in itertools.count(2))
        unique.append(next(n for n in itertools.chain([name], numbered) if n not in unique))
    return unique


def _region_name(text: str) -> str:
    """A text without the characters that the config refuses in the name of a region."""
    return re.sub(r"[^A-Za-z0-9_]+", "_", text)


def _measurement(group: Sequence[Patches]) -> list[str]:
    found = group[0].background.measurements
    if len(found) < 2:
        return []
    listed = ", ".join(f"{name} (POI {poi})" for name, poi in found.items())
    first = _scalar(next(iter(found)))
    return [f"    measurement: {first}  {UNKNOWN} which of {listed}"]


def _plane(labels: Sequence[str], points: Sequence[Point]) -> list[str]:
    """Axes of the first two labels that are numbers and in which all points differ; if no two do,
    of those that show most points with one value of each other label."""
    columns = dict(zip(labels, zip(*(p.values for p in points), strict=True), strict=True))
    varying = [label for label, column in columns.items() if len(set(column)) > 1]
    numbers = [name for name in varying if all(type(v) is not str for v in columns[name])]
    if not numbers:
        return [f"  axes: {{x: {{label: {labels[0]}, title: {labels[0]}}}}}  {UNKNOWN} no numbers"]
    rows = [dict(zip(labels, p.values, strict=True)) for p in points]
    pairs = list(itertools.combinations(numbers, 2)) or [(numbers[0],)]
    slices = [_slice(pair, [], rows) for pair in pairs]
    apart = [one for one in slices if len(set(map(tuple, one.places))) == len(points)]
    if not apart:
        slices = [_slice(pair, [v for v in varying if v not in pair], rows) for pair in pairs]
        most = max(len(one.places) for one in slices)
        apart = [one for one in slices if len(one.places) == most]
    chosen = next((one for one in apart if one.spanned), apart[0])
    shown, lines = list(chosen.shown), []
    if chosen.fixed and len(chosen.places) < NEEDED[2]:
        lines.append(
            f"  {UNKNOWN} the key where, which planes; no values of {', '.join(chosen.fixed)} are "
            f"shared by {NEEDED[2]} points, so none is given, and the run will ask for it"
        )
    elif chosen.fixed:
        where = " and ".join(f"{k} == {_literal(value)}" for k, value in chosen.fixed.items())
        lines.append(
            f"  where: {_scalar(where)}  {UNKNOWN} which planes; this one holds "
            f"{len(chosen.places)} of {len(points)} points"
        )
    if len(shown) == 2 and not chosen.spanned:
        shown = _along(shown, chosen.places)
    lines.append(f"  axes:  {UNKNOWN} the titles and units")
    for axis, label in zip("xy", shown, strict=False):
        lines.append(f"    {axis}: {{label: {_scalar(label)}, title: {_scalar(label)}, unit: GeV}}")
    lines.append(f"  boundary: ''  {UNKNOWN} such as {shown[0]} >= {shown[-1]} + 125")
    return [*lines, f"  published: {{}}  {UNKNOWN} tables of published contours, if there are any"]


class _Slice(NamedTuple):
    """Points in the labels that are shown, shape (n, 1 or 2), and the values of others that they
    share."""

    shown: tuple[str, ...]
    fixed: dict[str, Any]
    places: np.ndarray

    @property
    def spanned(self) -> bool:
        """Do the points make a figure of these labels?"""
        return bool(spanned(self.places))


def _slice(
    shown: tuple[str, ...], fixed: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> _Slice:
    """The points with the values of `fixed` that most of them have."""
    values = [tuple(row[label] for label in fixed) for row in rows]
    chosen, _ = Counter(values).most_common(1)[0]
    held = [row for row, own in zip(rows, values, strict=True) if own == chosen]
    places = np.array([[float(row[label]) for label in shown] for row in held])
    return _Slice(shown, dict(zip(fixed, chosen, strict=True)), places)


def _along(shown: Sequence[str], places: np.ndarray) -> list[str]:
    """The label that tells apart points on a line."""
    return [max(shown, key=lambda label: len(set(places[:, shown.index(label)])))]


def _table(labels: Sequence[str], points: Sequence[Point]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("name", *labels))
    writer.writerows((point.name, *point.values) for point in points)
    return text.getvalue()


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, width=10_000).removesuffix("...\n").strip()


def _by_values(point: Point) -> list[tuple[bool, Any]]:
    """Numbers before texts, so that columns that hold both can be sorted."""
    return [(type(value) is str, value) for value in point.values]


def _literal(value: Any) -> str:
    return f'"{value}"' if type(value) is str else repr(value)
