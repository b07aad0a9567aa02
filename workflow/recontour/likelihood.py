"""Published likelihoods: digests, and what a patchset holds."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recontour.errors import UserError, printable
from recontour.files import NotPlainError, parse_json, plain_json
from recontour.jsonstream import JsonStream, Span
from recontour.processes import shared
from recontour.structure import (
    DIGESTS,
    VERSION,
    check_metadata,
    check_operations,
    point_problem,
)

Value = int | float | str

_NUMBER = re.compile(r"[-+]?(\d{1,300}\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)

_TRY_ALONE = UserError, OSError, BrokenProcessPool, NotImplementedError
"""After these, one process reads a patchset again, and says what is wrong, or finds that nothing
is: the others may have been killed, or not be allowed."""


@dataclass(frozen=True)
class Point:
    """A signal point: its name and one value a label."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Patch(Point):
    """A point's patch: `length` bytes from byte `offset` of the file `member`, with `sha256`, for
    the background of a signal region (without a name if it is the only one)."""

    member: str
    offset: int
    length: int
    sha256: str
    region: str = ""


@dataclass(frozen=True)
class Patchset:
    """What a patchset holds, without the patches' contents."""

    description: str
    version: str
    digests: dict[str, str]
    references: dict[str, str]
    labels: tuple[str, ...]
    patches: tuple[Patch, ...]


def as_value(text: str) -> Value:
    """The value of a label that `text` spells: a number if it is one, else the text itself."""
    if not _NUMBER.fullmatch(text):
        return text
    if text.lstrip("-+").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else text


def digest(spec: Any, algorithm: str = "sha256") -> str:
    """pyhf's digest: of the JSON text with sorted keys, encoded as UTF-8 (pyhf.utils.digest)."""
    if algorithm not in DIGESTS:
        raise UserError(
            f'digest algorithm "{printable(algorithm)}": unknown; expected {" or ".join(DIGESTS)}'
        )
    text = json.dumps(spec, sort_keys=True, ensure_ascii=False)
    return hashlib.new(algorithm, text.encode("utf-8"), usedforsecurity=False).hexdigest()


def verify_background(
    spec: Mapping[str, Any], published: Mapping[str, str], expected: str | None, where: object
) -> dict[str, str]:
    """The digests of a background workspace by algorithm, each equal to the one that the patchset
    publishes; its sha256 also equal to `expected`, the one in the config.

    Raises UserError with both digests where they differ, or if there is none to compare with.
    """
    found = {algorithm: digest(spec, algorithm) for algorithm in {*published, "sha256"}}
    for algorithm, stated in published.items():
        if stated.lower() != found[algorithm]:
            raise UserError(
                f"{where}: its {algorithm} digest is {found[algorithm]}, but the patchset was made "
                f"for a background with {algorithm} {stated}: background and patchset do not "
                "belong together; take both from one archive"
            )
    if expected is not None and expected.lower() != found["sha256"]:
        raise UserError(
            f"{where}: its sha256 digest is {found['sha256']}, but the config expects "
            f"{expected} (background_digest): this is not the workspace that the config was "
            "written for; check the DOI and the member's name, or correct background_digest"
        )
    if expected is None and not published:
        raise UserError(
            f"{where}: neither a patchset nor the config states a digest to verify it with; if you "
            f"trust this file, set background_digest: {found['sha256']} in the config"
        )
    return dict(sorted(found.items()))


def index_patchset(
    path: Path | str, *, folder: Path | str | None = None, processes: int = 1
) -> Patchset:
    """Read a patchset file once, patch by patch, and say what it holds and where: in the file named
    by its path within `folder` (by default the one it lies in). So many `processes` share the
    work. Raises UserError for a wrong structure, a name or values used twice, or a wrong number of
    values."""
    path = Path(path)
    member = path.relative_to(folder or path.parent).as_posix()
    if processes > 1:
        with suppress(*_TRY_ALONE):
            return _index(path, member, partial(_patches_by_many, processes))
    return _index(path, member, _patches_in_turn)


Reader = Callable[[JsonStream, Path, str], list[Patch]]


def _index(path: Path, member: str, read: Reader) -> Patchset:
    top: dict[str, Any] = {}
    patches: list[Patch] = []
    with path.open("rb") as file:
        stream = JsonStream(file, path)
        for key in stream.members():
            if key == "patches":
                top[key] = patches = read(stream, path, member)
            else:
                top[key] = stream.value().value
        stream.end()
    if top.keys() != {"metadata", "patches", "version"} or top["version"] != VERSION:
        raise UserError(
            f"{path}: not a patchset: expected an object with metadata, patches and version "
            f'"{VERSION}", found {printable(", ".join(sorted(top)))[:200]} and version '
            f"{printable(top.get('version'))[:40]}"
        )
    metadata = top["metadata"]
    check_metadata(metadata, path)
    labels = tuple(metadata["labels"])
    _check_points(patches, labels, path)
    return Patchset(
        description=metadata["description"],
        version=top["version"],
        digests=dict(metadata["digests"]),
        references=dict(metadata["references"]),
        labels=labels,
        patches=tuple(patches),
    )


def _patches_in_turn(stream: JsonStream, path: Path, member: str) -> list[Patch]:
    return [
        _patch(stream.value(), f"{path}, patch {position}", member)
        for position in stream.elements()
    ]


def _patches_by_many(processes: int, stream: JsonStream, path: Path, member: str) -> list[Patch]:
    places = (stream.place() for _ in stream.elements())
    spans = ((span.offset, len(span.raw)) for span in places)
    return shared(partial(_patch_at, path, member), spans, processes)


def _patch_at(path: Path, member: str, place: tuple[int, int]) -> Patch:
    """The patch at this offset of this length."""
    offset, length = place
    with path.open("rb") as file:
        file.seek(offset)
        raw = file.read(length)
    try:
        value = plain_json(raw)
    except NotPlainError:
        value = parse_json(raw, path)
    return _patch(Span(value, offset, raw), str(path), member)


def index_folder(folder: Path | str, pattern: str) -> Patchset:
    """The same for single JSON Patch files without metadata, whose paths within `folder` match the
    regular expression `pattern` in full. Its named groups are the labels, save for the group
    `name`, which is the patch's name (without it, the file's name up to `.json`); in it, _ stands
    for what is no letter, digit or _."""
    folder = Path(folder)
    expression = file_pattern(pattern)
    labels = tuple(sorted(expression.groupindex, key=expression.groupindex.__getitem__))
    labels = tuple(label for label in labels if label != "name")
    members = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.json"))
    patches = []
    for member in members:
        match = expression.fullmatch(member)
        if match:
            patches.append(_patch_file(folder, member, match.groupdict(), labels))
    _check_points(patches, labels, f"{folder} (files that match {printable(pattern)})")
    return Patchset("", VERSION, {}, {}, labels, tuple(patches))


def file_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression that names patch files. Raises UserError if it is none."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"the pattern {printable(pattern)} for patch files is no regular expression: {error}"
        ) from None


def _patch(span: Span, where: str, member: str) -> Patch:
    """An element of a patchset's list of patches."""
    entry = span.value
    if type(entry) is not dict or entry.keys() != {"metadata", "patch"}:
        raise UserError(f'{where}: expected an object with "metadata" and "patch"')
    problem = point_problem(entry["metadata"])
    if problem:
        raise UserError(f"{where}: {problem}")
    name = entry["metadata"]["name"]
    check_operations(entry["patch"], f"{where} ({name})")
    return Patch(
        name=name,
        values=tuple(_plain(value) for value in entry["metadata"]["values"]),
        member=member,
        offset=span.offset,
        length=len(span.raw),
        sha256=hashlib.sha256(span.raw).hexdigest(),
    )


def _patch_file(
    folder: Path, member: str, groups: Mapping[str, str | None], labels: Iterable[str]
) -> Patch:
    path = folder / member
    name = re.sub(r"[^A-Za-z0-9_]+", "_", groups.get("name") or path.name.removesuffix(".json"))
    data = path.read_bytes()
    check_operations(parse_json(data, path), path)
    return Patch(
        name=name,
        values=tuple(_plain(groups[label] or "") for label in labels),
        member=member,
        offset=0,
        length=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def _plain(value: Value) -> Value:
    """A number that a patchset spells as a text is a number, and blanks around a text do not count:
    tables of points cannot tell."""
    return as_value(value.strip()) if type(value) is str else value


def _check_points(points: Iterable[Point], labels: tuple[str, ...], where: object) -> None:
    """Check that there are points, with one value a label, each name and values once."""
    names: dict[str, Point] = {}
    values: dict[tuple[Value, ...], Point] = {}
    for point in points:
        if len(point.values) != len(labels):
            raise UserError(
                f"{where}: patch {point.name} has {len(point.values)} values "
                f"{printable(point.values)}, expected one for each of the labels "
                f"{printable(', '.join(labels))}"
            )
        for key, known in ((point.name, names), (point.values, values)):
            if key in known:
                raise UserError(
                    f"{where}: the patches {known[key].name} {printable(known[key].values)} and "
                    f"{point.name} {printable(point.values)} cannot be told apart; each needs a "
                    "name and values of its own"
                )
            known[key] = point
    if not names:
        raise UserError(f"{where}: holds no patches")
