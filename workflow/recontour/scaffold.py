"""A config entry and a table of points for a likelihood that has none yet."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from recontour import regions
from recontour.discover import Patches
from recontour.likelihood import Point
from recontour.points import spanned

UNKNOWN = "# unknown:"
"""Begins a comment on what the archive does not tell."""


@dataclass(frozen=True)
class Entry:
    """An analysis for the config: its name, the text of its entry (YAML), and its table of points
    (CSV)."""

    name: str
    text: str
    points: str


def entry(
    name: str, group: Sequence[Patches], doi: str, size: int, sha256: str, table: str
) -> Entry:
    """The entry of the analysis `name` with these patches, from the archive `doi` of `size` bytes;
    `table` is where its table of points will lie.

    It can be run as it is, with axes chosen among the labels. What the archive cannot tell is
    marked with `# unknown:`.
    """
    several = len(group) > 1
    names = _region_names(group) if several else [""]
    labels, joined = regions.join(dict(zip(names, (p.held for p in group), strict=True)))
    points = sorted(regions.points(joined), key=_by_values)
    lines = [
        f"{_scalar(name)}:",
        f"  title: {_scalar(doi)}  {UNKNOWN} the name of the analysis",
        f"  labels: []  {UNKNOWN} process, energy, luminosity",
        "  likelihood:",
        f"    doi: {_scalar(doi)}",
        f"    size: {size}",
        f"    sha256: {_scalar(sha256)}",
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
    lines += [f"  points: {_scalar(table)}", *_plane(labels, points)]
    return Entry(name, "\n".join(lines) + "\n", _table(labels, points))


def config(entries: Sequence[Entry]) -> str:
    """The config file with these entries, to be laid over another by `--configfile`."""
    run = yaml.safe_dump([entry.name for entry in entries], default_flow_style=True).strip()
    text = "".join(
        f"  {line}\n" for entry in entries for line in entry.text.rstrip("\n").split("\n")
    )
    return f"run: {run}\n\nanalyses:\n{text}"


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
