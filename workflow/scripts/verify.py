"""Unpack a likelihood, check that it is the published one, and list the patches it holds."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recontour import cli, regions, signals
from recontour.archive import Limits, as_published, unpack
from recontour.errors import UserError
from recontour.files import read_json, seal_of, sha256, write_json
from recontour.likelihood import (
    Patch,
    Patchset,
    index_folder,
    index_patchset,
    verify_background,
)
from recontour.patches import write_index
from recontour.seals import seal, seal_folder
from recontour.selection import check_points_table
from recontour.structure import check_workspace


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", required=True)
    parser.add_argument("--sha256", required=True, help="of the archive")
    parser.add_argument("--points", required=True, help="table of points, to be checked")
    parser.add_argument(
        "--regions",
        required=True,
        type=json.loads,
        help="JSON: background, background_digest, and patchset or patches of each region",
    )
    parser.add_argument("--signal", required=True, type=json.loads, help="JSON: own signals, or {}")
    parser.add_argument("--measurement", required=True, help="its name, empty for the first")
    parser.add_argument("--limits", required=True, type=json.loads, help="JSON: of the archive")
    parser.add_argument("--processes", required=True, type=int, help="that share the work")
    parser.add_argument("--members", required=True, type=Path, help="folder to unpack to")
    parser.add_argument("--patches", required=True, help="CSV file to list the patches in")
    parser.add_argument("--report", required=True, help="JSON file to write")
    options = parser.parse_args()

    found = sha256(options.archive)
    if found != options.sha256:
        raise UserError(
            f"{options.archive}: has sha256 {found}, but the config expects {options.sha256}: it "
            "changed after it was fetched; delete it and run again"
        )
    parts = options.regions.values()
    members = [part[key] for part in parts for key in ("background", "patchset") if part.get(key)]
    patterns = [part["patches"] for part in parts if part.get("patches")]
    limits = Limits(**options.limits)
    seal_of(options.members).unlink(missing_ok=True)
    patchsets, reports = {}, {}
    with as_published(options.archive, options.members):
        sums = unpack(options.archive, options.members, members, patterns=patterns, limits=limits)
        for region in options.regions:
            patchsets[region], reports[region] = verify(options, region, sums)
    labels, patches = regions.join(patchsets)
    points = regions.points(patches)
    right = Path(options.patches).with_name("points.csv")
    check_points_table(options.points, labels, points, right)

    report: dict[str, Any] = {
        "archive_sha256": found,
        "labels": labels,
        "points": len(points),
    }
    if list(reports) == [""]:
        report |= reports[""]
    else:
        report["regions"] = reports
    write_index(options.patches, labels, patches)
    write_json(options.report, report)
    seal_folder(options.members, sums)
    seal(options.patches, options.report)
    show(report, labels, patches)


def verify(
    options: argparse.Namespace, region: str, sums: dict[Path, str]
) -> tuple[Patchset, dict[str, Any]]:
    """What the patches of a region are, and a report on them and their background; `sums` are the
    SHA-256 of the files in the folder of members, to which own signals are added."""
    folder, part = options.members, options.regions[region]
    background = folder / part["background"]
    spec = read_json(background)
    check_workspace(spec, background)
    if part.get("patchset"):
        patchset = index_patchset(
            folder / part["patchset"], folder=folder, processes=options.processes
        )
        source = {
            "patchset": part["patchset"],
            "patchset_sha256": sums[folder / part["patchset"]],
        }
    elif part.get("patches"):
        patchset = index_folder(folder, part["patches"])
        source = {"patch_files": part["patches"]}
    else:
        patchset = signals.bring(
            options.signal, folder, spec, options.measurement, region, list(options.regions)
        )
        own = {folder / patch.member for patch in patchset.patches}
        sums |= {path: sha256(path) for path in own}
        source = {"signal": {file: sha256(file) for file in signals.files(options.signal)}}
    digests = verify_background(spec, patchset.digests, part["background_digest"], background)
    return patchset, {
        "description": patchset.description,
        "version": patchset.version,
        "references": patchset.references,
        "patches": len(patchset.patches),
        "background": part["background"],
        "background_digests": digests,
        **source,
    }


def show(report: Mapping[str, Any], labels: Sequence[str], patches: Sequence[Patch]) -> None:
    """Print what the likelihood holds."""
    for key, value in report.items():
        if key != "regions":
            print(f"{key:20} {value}")
    absent = regions.missing(patches)
    for region, part in report.get("regions", {}).items():
        print(f"\nregion {region}")
        for key, value in part.items():
            print(f"  {key:20} {value}")
        print(f"  {'points without patch':20} {', '.join(absent[region]) or 'none'}")
    print(f"\n{'name':40} {'region':10} ({', '.join(labels)})")
    for patch in patches:
        print(f"{patch.name:40} {patch.region:10} ({', '.join(map(str, patch.values))})")


if __name__ == "__main__":
    cli.main(main)
