"""What an archive holds that no config describes yet: backgrounds, and the patches for them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from recontour.archive import is_json, unpack
from recontour.errors import UserError, printable
from recontour.files import read_json
from recontour.likelihood import Patchset, digest, index_folder, index_patchset
from recontour.structure import DIGESTS

NUMBER = re.compile(r"\d+(?:\.\d+)?")
SINGLE = "likelihood.json"
"""The name of the only file, if the resource is no archive but a JSON file."""


@dataclass(frozen=True)
class Background:
    """A workspace that patches apply to: its path in the archive, pyhf's digests by algorithm, and
    the names of its measurements with their POIs."""

    member: str
    digests: Mapping[str, str]
    measurements: Mapping[str, str]


@dataclass(frozen=True)
class Patches:
    """Patches for one background: `source` is the patchset's path or, with `files`, the regular
    expression of the paths of single files; `held` what they are."""

    background: Background
    source: str
    files: bool
    held: Patchset


@dataclass
class Discovery:
    """All that an archive holds, and in `notes` what could not be made use of, in words."""

    backgrounds: list[Background]
    patches: list[Patches] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def discover(archive: Path, folder: Path) -> Discovery:
    """Unpack the JSON files of `archive` to `folder`, and say what they are. Raises UserError if
    no workspace is among them."""
    if is_json(archive):
        unpack(archive, folder, [SINGLE])
    else:
        unpack(archive, folder, [], patterns=[r"(?i).+\.json"])
    found = Discovery([])
    patchsets, files = [], defaultdict(list)
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        member = path.relative_to(folder).as_posix()
        content = read_json(path)
        if type(content) is list:
            files[str(PurePosixPath(member).parent)].append(member)
        elif type(content) is dict and {"metadata", "patches"} <= content.keys():
            patchsets.append((member, index_patchset(path, folder=folder)))
        elif type(content) is dict and {"channels", "measurements"} <= content.keys():
            found.backgrounds.append(_background(member, content))
        else:
            found.notes.append(f"{member} is no workspace, patchset or patch, and is left out")
    if not found.backgrounds:
        held = ", ".join(member for member, _ in patchsets) or "none"
        raise UserError(
            f"{archive}: holds no workspace in pyhf's format (its patchsets: {printable(held)}); "
            "take the DOI of the resource that is the full likelihood"
        )
    for member, held in patchsets:
        background = _matching(member, held.digests, found)
        if background:
            found.patches.append(Patches(background, member, False, held))
    for place, members in sorted(files.items()):
        background = _matching(f"{place}/", {}, found)
        pattern = _pattern(members, found.notes)
        if background and pattern:
            found.patches.append(Patches(background, pattern, True, index_folder(folder, pattern)))
    return found


def groups(patches: Sequence[Patches]) -> list[list[Patches]]:
    """Patches that belong to one analysis: those of different backgrounds, the signal regions, for
    the same points; anything else is an analysis of its own."""
    found: list[list[Patches]] = []
    for one in patches:
        for group in found:
            apart = all(one.background.member != other.background.member for other in group)
            if apart and one.held.labels == group[0].held.labels and _share(one, group[0]):
                group.append(one)
                break
        else:
            found.append([one])
    return found


def _share(one: Patches, other: Patches) -> bool:
    """Do most of the points of one stand in the other?"""
    mine, theirs = ({patch.values for patch in p.held.patches} for p in (one, other))
    return 2 * len(mine & theirs) > min(len(mine), len(theirs))


def _background(member: str, spec: Mapping[str, Any]) -> Background:
    measurements = {
        str(entry.get("name")): str(entry.get("config", {}).get("poi", ""))
        for entry in spec["measurements"]
        if type(entry) is dict
    }
    digests = {algorithm: digest(spec, algorithm) for algorithm in DIGESTS}
    return Background(member, digests, measurements)


def _matching(member: str, digests: Mapping[str, str], found: Discovery) -> Background | None:
    """The background of the patches in `member`: by the digests that they state, or else the only
    one in their folder, or in the nearest one above."""
    if digests:
        for background in found.backgrounds:
            stated = {name: value.lower() for name, value in digests.items()}
            if all(background.digests[name] == value for name, value in stated.items()):
                return background
    for place in PurePosixPath(f"{member}_").parents:
        near = [b for b in found.backgrounds if PurePosixPath(b.member).parent == place]
        if len(near) == 1:
            if digests:
                found.notes.append(
                    f"{member} states the digest of another background than {near[0].member}; "
                    "it cannot be verified, and is left out"
                )
                return None
            return near[0]
    found.notes.append(f"{member} has no background that clearly belongs to it, and is left out")
    return None


def _pattern(members: Iterable[str], notes: list[str]) -> str | None:
    """A regular expression for the paths of patch files that differ in numbers only. The numbers
    that differ are the groups m1, m2, …; files named otherwise are left out, and noted."""
    shapes = defaultdict(list)
    for member in members:
        shapes[NUMBER.sub("#", member)].append(member)
    shape, alike = max(shapes.items(), key=lambda item: len(item[1]))
    for other, left in shapes.items():
        if other != shape:
            notes.append(
                f"{len(left)} patches named like {left[0]} are left out, since most are named like "
                f"{alike[0]}; write an analysis of their own for them"
            )
    columns = list(zip(*(NUMBER.findall(member) for member in alike), strict=True))
    texts = NUMBER.split(alike[0])
    varying = [len(set(column)) > 1 for column in columns]
    if not any(varying):
        notes.append(f"{alike[0]} has no number in its name, and is left out: no label is known")
        return None
    pattern, number = re.escape(texts[0]), 0
    for column, varies, text in zip(columns, varying, texts[1:], strict=True):
        if varies:
            number += 1
            digits = r"\d+(?:\.\d+)?" if any("." in value for value in column) else r"\d+"
            pattern += f"(?P<m{number}>{digits})"
        else:
            pattern += re.escape(column[0])
        pattern += re.escape(text)
    pattern = pattern.replace(r"\-", "-").replace(r"\ ", " ")
    return re.sub(r"((?:^|/)patch\\\.)(.+)(\\\.json)$", r"\1(?P<name>\2)\3", pattern)
