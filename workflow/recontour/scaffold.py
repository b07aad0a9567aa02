"""A config entry and a table of points for a likelihood that has none yet."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from recontour import discover, regions
from recontour.discover import Discovery, Patches
from recontour.errors import UserError, printable
from recontour.fetch import Retrieved
from recontour.likelihood import Point
from recontour.points import spanned

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
    common = next(i for i in range(99) if len({name[: i + 1] for name in names}) > 1)
    short = [re.sub(r"\W+", "_", name[common:]) for name in names]
    return short if all(short) and len(set(short)) == len(short) else list(names)


def _measurement(group: Sequence[Patches]) -> list[str]:
    found = group[0].background.measurements
    if len(found) < 2:
        return []
    listed = ", ".join(f"{name} (POI {poi})" for name, poi in found.items())
    first = _scalar(next(iter(found)))
    return [f"    measurement: {first}  {UNKNOWN} which of {listed}"]


def _plane(labels: Sequence[str], points: Sequence[Point]) -> list[str]:
    """Axes of the first two labels that are numbers and vary; others where most points lie."""
    columns = dict(zip(labels, zip(*(p.values for p in points), strict=True), strict=True))
    varying = [label for label, column in columns.items() if len(set(column)) > 1]
    numbers = [name for name in varying if all(type(v) is not str for v in columns[name])]
    if not numbers:
        return [f"  axes: {{x: {{label: {labels[0]}, title: {labels[0]}}}}}  {UNKNOWN} no numbers"]
    shown = numbers[:2]
    fixed = [label for label in varying if label not in shown]
    rows = [dict(zip(labels, p.values, strict=True)) for p in points]
    lines = []
    if fixed:
        combinations = Counter(tuple(row[label] for label in fixed) for row in rows)
        chosen, count = combinations.most_common(1)[0]
        where = " and ".join(
            f"{label} == {_literal(value)}" for label, value in zip(fixed, chosen, strict=True)
        )
        lines.append(
            f"  where: {_scalar(where)}  {UNKNOWN} which planes; this one holds {count} of "
            f"{len(points)} points"
        )
        rows = [row for row in rows if tuple(row[label] for label in fixed) == chosen]
    if len(shown) == 2:
        places = np.array([[float(row[label]) for label in shown] for row in rows])
        if not spanned(places):
            shown = _along(shown, places)
    lines.append(f"  axes:  {UNKNOWN} the titles and units")
    for axis, label in zip("xy", shown, strict=False):
        lines.append(f"    {axis}: {{label: {_scalar(label)}, title: {_scalar(label)}, unit: GeV}}")
    lines.append(f"  boundary: ''  {UNKNOWN} such as {shown[0]} >= {shown[-1]} + 125")
    return [*lines, f"  published: {{}}  {UNKNOWN} tables of published contours, if there are any"]


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
