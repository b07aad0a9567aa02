"""Signal patches: the table of where they lie, reading one, applying one."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from recontour.errors import UserError, printable
from recontour.files import atomic_write
from recontour.likelihood import Patch, as_value
from recontour.operations import NotApplicable, apply_operation
from recontour.structure import check_operations, check_workspace

_PLACE = ("region", "member", "offset", "length", "sha256")


@dataclass(frozen=True)
class Index:
    """The table `patches.csv`: labels of the values, and the patches in the patchset's order."""

    labels: tuple[str, ...]
    patches: tuple[Patch, ...]


def write_index(path: Path | str, labels: Iterable[str], patches: Iterable[Patch]) -> None:
    """Write `patches.csv`: name, one column a label, region, member, offset, length, sha256."""
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", *labels, *_PLACE))
        for patch in patches:
            place = (patch.region, patch.member, patch.offset, patch.length, patch.sha256)
            writer.writerow((patch.name, *patch.values, *place))


def read_index(path: Path | str, names: Collection[str] | None = None) -> Index:
    """Read `patches.csv`, or only the patches with these names. Raises UserError."""
    wanted = None if names is None else {*names}
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines)
            rows = [row for row in lines if wanted is None or row[0] in wanted]
        if header[0] != "name" or tuple(header[-len(_PLACE) :]) != _PLACE:
            raise ValueError
        patches = tuple(_index_row(row, len(header)) for row in rows)
    except (ValueError, IndexError, StopIteration, csv.Error):
        raise UserError(
            f"{path}: not a table of patches with the columns name, labels, {', '.join(_PLACE)}; "
            "delete it and run again"
        ) from None
    return Index(tuple(header[1 : -len(_PLACE)]), patches)


def load_patch(folder: Path | str, patch: Patch) -> list[dict[str, Any]]:
    """The operations of a patch, read from its bytes in `folder/<member>`. Raises UserError if the
    bytes are not the ones that were verified, and parsed strictly, when it was listed."""
    path = Path(folder) / patch.member
    where = f"{path}, patch {patch.name}"
    with path.open("rb") as file:
        file.seek(patch.offset)
        data = file.read(patch.length)
    found = hashlib.sha256(data).hexdigest()
    if found != patch.sha256:
        raise UserError(
            f"{where}: {len(data)} bytes from byte {patch.offset} on have sha256 {found}, but "
            f"{patch.length} bytes with sha256 {patch.sha256} were verified: the file changed "
            "after it was verified; run again, and it is unpacked and verified anew"
        )
    content = orjson.loads(data)
    operations: list[dict[str, Any]] = content["patch"] if type(content) is dict else content
    return operations


def apply(
    background: Mapping[str, Any], operations: list[dict[str, Any]], name: str
) -> dict[str, Any]:
    """The workspace that patch `name` makes of the background, which stays as it is.

    Only containers on the paths that the operations touch are copied: every other sample of the
    result is the same object as in `background`. Raises UserError naming the patch, the operation
    and its path if it cannot be applied, if it changes observed data, or if the result is no
    workspace.
    """
    where = f"patch {name}"
    check_operations(operations, where)
    result: Any = dict(background)
    for position, operation in enumerate(operations):
        try:
            result = apply_operation(result, operation)
        except (NotApplicable, RecursionError) as error:
            raise UserError(
                f"{where}: operation {position} ({operation['op']} "
                f"{printable(operation['path'])[:200]}) cannot be applied to the background: "
                f"{error}; background and patch do not belong together"
            ) from None
    check_workspace(result, f"{where}, applied to the background", trusted=background)
    _check_observations(background, result, where)
    return result


def _index_row(row: list[str], columns: int) -> Patch:
    if len(row) != columns:
        raise ValueError
    region, member, offset, length, sha256 = row[-len(_PLACE) :]
    values = tuple(as_value(cell) for cell in row[1 : -len(_PLACE)])
    return Patch(row[0], values, member, int(offset), int(length), sha256, region)


def _check_observations(
    background: Mapping[str, Any], result: Mapping[str, Any], where: str
) -> None:
    """A signal patch may drop a channel with its observation; the data of the others must stay."""
    observed = {item["name"]: item["data"] for item in background["observations"]}
    for item in result["observations"]:
        before = observed.get(item["name"], item["data"])
        if item["data"] != before:
            raise UserError(
                f"{where}: changes the observed data of channel {printable(item['name'])} from "
                f"{printable(before)[:80]} to {printable(item['data'])[:80]}; a signal patch must "
                "leave them alone, so it was made for another background"
            )
