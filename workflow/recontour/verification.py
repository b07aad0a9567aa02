"""A fetched archive, unpacked and checked against what is published of it; and what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recontour import regions, signals
from recontour.archive import ArchiveLimits, as_published, unpack
from recontour.errors import UserError
from recontour.files import read_json, seal_of, sha256
from recontour.likelihood import (
    Patch,
    Patchset,
    index_folder,
    index_patchset,
    verify_background,
)
from recontour.measurements import check_measurement
from recontour.structure import check_workspace

Report = dict[str, Any]


@dataclass(frozen=True)
class Verified:
    """What an archive holds, once all of it is as published.

    Attributes:
        labels: of the points' values
        patches: of all signal regions
        sums: SHA-256 of the files in the folder of members, own signals among them
        report: digests and sources, for people
    """

    labels: tuple[str, ...]
    patches: tuple[Patch, ...]
    sums: dict[Path, str]
    report: Report


@dataclass(frozen=True)
class Source:
    """Where the patches of an analysis come from.

    Attributes:
        regions: of each signal region by name, its `background` (a member of the archive),
            `background_digest`, and `patchset` (a member) or `patches` (a pattern for members)
        signal: own signals in place of these (see `signals`), or empty
        measurement: the name of one, empty for the first
    """

    regions: Mapping[str, Mapping[str, Any]]
    signal: Mapping[str, str]
    measurement: str


def verify(
    archive: str,
    expected: str,
    members: Path,
    source: Source,
    limits: ArchiveLimits,
    processes: int,
) -> Verified:
    """Unpack an archive, whose SHA-256 is `expected`, into the folder `members`, and verify what is
    used of it; so many `processes` share the work. Raises UserError."""
    found = sha256(archive)
    if found != expected:
        raise UserError(
            f"{archive}: has sha256 {found}, but the config expects {expected}: it changed after "
            "it was fetched; delete it and run again"
        )
    parts = source.regions.values()
    names = [part[key] for part in parts for key in ("background", "patchset") if part.get(key)]
    patterns = [part["patches"] for part in parts if part.get("patches")]
    seal_of(members).unlink(missing_ok=True)
    patchsets, reports = {}, {}
    with as_published(archive, members):
        sums = unpack(archive, members, names, patterns=patterns, limits=limits)
        for region in source.regions:
            patchsets[region], reports[region] = _verify_region(
                members, source, region, sums, processes
            )
    labels, patches = regions.join(patchsets)
    report: Report = {
        "archive_sha256": found,
        "labels": labels,
        "points": len(regions.points(patches)),
    }
    if list(reports) == [""]:
        report |= reports[""]
    else:
        report["regions"] = reports
    return Verified(labels, patches, sums, report)


def _verify_region(
    folder: Path, source: Source, region: str, sums: dict[Path, str], processes: int
) -> tuple[Patchset, Report]:
    """What the patches of a region are, and a report on them and their background; `sums` are the
    SHA-256 of the files in the folder of members, to which own signals are added."""
    part = source.regions[region]
    background = folder / part["background"]
    spec = read_json(background)
    check_workspace(spec, background)
    check_measurement(source.measurement, spec, part["background"])
    if part.get("patchset"):
        path = folder / part["patchset"]
        patchset = index_patchset(path, folder=folder, processes=processes)
        origin = {"patchset": part["patchset"], "patchset_sha256": sums[path]}
    elif part.get("patches"):
        patchset = index_folder(folder, part["patches"])
        origin = {"patch_files": part["patches"]}
    else:
        patchset = signals.bring(
            source.signal, folder, spec, source.measurement, region, list(source.regions)
        )
        own = {folder / patch.member for patch in patchset.patches}
        sums |= {path: sha256(path) for path in own}
        origin = {"signal": {file: sha256(file) for file in signals.files(source.signal)}}
    digests = verify_background(spec, patchset.digests, part["background_digest"], background)
    return patchset, {
        "description": patchset.description,
        "version": patchset.version,
        "references": patchset.references,
        "patches": len(patchset.patches),
        "background": part["background"],
        "background_digests": digests,
        **origin,
    }


def in_words(verified: Verified) -> Iterator[str]:
    """What the likelihood holds, line by line."""
    for key, value in verified.report.items():
        if key != "regions":
            yield f"{key:20} {value}"
    parts = verified.report.get("regions", {})
    absent = regions.missing(verified.patches, parts)
    for region, part in parts.items():
        yield f"\nregion {region}"
        for key, value in part.items():
            yield f"  {key:20} {value}"
        yield f"  {'points without patch':20} {', '.join(absent[region]) or 'none'}"
    yield f"\n{'name':40} {'region':10} ({', '.join(verified.labels)})"
    for patch in verified.patches:
        yield f"{patch.name:40} {patch.region:10} ({', '.join(map(str, patch.values))})"
