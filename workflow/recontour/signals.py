"""A user's own signals under a published background, in each form that the config allows."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from recontour import selection, yields
from recontour.errors import UserError, printable
from recontour.files import read_json, reading, sha256, write_json
from recontour.likelihood import Patch, Patchset, Point, index_patchset
from recontour.structure import VERSION, check_operations

FOLDER = "signal"
"""Where the signals lie among the members of the likelihood."""

Signal = Mapping[str, str]
"""One of `patchset` (a file), `patches` (a folder) with `table` (a file), and `yields` (a file)."""


def points(signal: Signal) -> selection.PointTable:
    """The points of a signal. Raises UserError."""
    if signal["yields"]:
        table = yields.read(signal["yields"])
        return selection.PointTable(table.labels, table.points)
    if signal["patchset"]:
        with reading(signal["patchset"], "patchset"):
            patchset = index_patchset(signal["patchset"])
        found = tuple(Point(patch.name, patch.values) for patch in patchset.patches)
        return selection.PointTable(patchset.labels, found)
    if not Path(signal["patches"]).is_dir():
        raise UserError(
            f"{signal['patches']}: there is no such folder of patches; check the config key signal"
        )
    return selection.read_points(signal["table"])


def files(signal: Signal) -> list[str]:
    """The files that a signal is made from, the one that lists its points first."""
    if signal["patches"]:
        found = sorted(Path(signal["patches"]).rglob("[!.]*.json"))
        return [signal["table"], *(str(path) for path in found if path.is_file())]
    return [signal["patchset"] or signal["yields"]]


def bring(
    signal: Signal,
    members: Path,
    background: Mapping[str, Any],
    measurement: str = "",
    region: str = "",
    regions: Collection[str] = ("",),
) -> Patchset:
    """Write the patches of a signal for a background into the folder `members`, and say what they
    are; of several `regions`, the background is that of `region`. Raises UserError."""
    if signal["patchset"]:
        if len(regions) > 1:
            raise UserError(
                f"{signal['patchset']}: a patchset is for one background, but there are those of "
                f"the regions {', '.join(regions)}; give a table of yields, or a folder of patches "
                "with a folder for each region"
            )
        copy = members / FOLDER / "patchset.json"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(signal["patchset"], copy)
        return index_patchset(copy, folder=members)
    if signal["yields"]:
        operations = _from_yields(signal["yields"], background, measurement, region, regions)
    else:
        operations = _from_folder(signal, region, regions)
    listed = points(signal)
    written = tuple(
        _write(members, region, point, operations[point.name])
        for point in listed.points
        if point.name in operations
    )
    return Patchset("", VERSION, {}, {}, listed.labels, written)


def _from_yields(
    path: str,
    background: Mapping[str, Any],
    measurement: str,
    region: str,
    regions: Collection[str],
) -> dict[str, yields.Patch]:
    table = yields.read(path)
    for entry in table.bins:
        if entry.region not in regions:
            valid = ", ".join(filter(None, regions)) or "none: leave the column out"
            raise UserError(
                f'{entry.row.where("region")}: found "{printable(entry.region)}"; valid: {valid}'
            )
    return yields.patches(table, background, measurement, region)


def _from_folder(signal: Signal, region: str, regions: Collection[str]) -> dict[str, yields.Patch]:
    """The patches `<name>.json` in the folder, or `<region>/<name>.json` in its folders."""
    folder = Path(signal["patches"])
    found: dict[str, yields.Patch] = {}
    for point in points(signal).points:
        places = {name: folder / name / f"{point.name}.json" for name in regions}
        if not any(path.exists() for path in places.values()):
            raise UserError(
                f"{signal['table']}: point {printable(point.name)}: there is no patch "
                f"{' or '.join(map(str, places.values()))}; the folder holds "
                f"{_names(sorted(folder.rglob('*.json')))}"
            )
        if places[region].exists():
            found[point.name] = read_json(places[region])
            check_operations(found[point.name], places[region])
    return found


def _write(members: Path, region: str, point: Point, operations: yields.Patch) -> Patch:
    """Write a patch to a file of its own."""
    path = members / FOLDER / region / f"{point.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, operations)
    member = path.relative_to(members).as_posix()
    return Patch(point.name, point.values, member, 0, path.stat().st_size, sha256(path))


def _names(paths: Sequence[Path]) -> str:
    names = [path.name for path in paths]
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return printable(", ".join(names[:5])) + more if names else "no JSON files"
