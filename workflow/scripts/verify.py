"""Unpack a likelihood, check that it is the published one, and list the patches it holds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recontour import cli
from recontour.archive import Limits, unpack
from recontour.errors import UserError
from recontour.files import read_json, sha256, write_json
from recontour.likelihood import Patchset, check_workspace, index_patchset, verify_background
from recontour.patches import write_index
from recontour.seals import seal, seal_folder
from recontour.selection import check_points_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", required=True)
    parser.add_argument("--sha256", required=True, help="of the archive")
    parser.add_argument("--points", required=True, help="table of points, to be checked")
    parser.add_argument("--background", required=True, help="member of the archive")
    parser.add_argument("--background-digest", required=True)
    parser.add_argument("--patchset", required=True, help="member of the archive")
    parser.add_argument("--limits", required=True, type=json.loads, help="JSON: of the archive")
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
    wanted = [options.background, options.patchset]
    sums = unpack(options.archive, options.members, wanted, limits=Limits(**options.limits))
    background = options.members / options.background
    spec = read_json(background)
    check_workspace(spec, background)
    patchset = index_patchset(options.members / options.patchset)
    digests = verify_background(spec, patchset.digests, options.background_digest, background)
    check_points_table(options.points, patchset.labels, patchset.patches)

    report = {
        "description": patchset.description,
        "version": patchset.version,
        "references": patchset.references,
        "labels": patchset.labels,
        "patches": len(patchset.patches),
        "archive_sha256": found,
        "background": options.background,
        "background_digests": digests,
        "patchset": options.patchset,
        "patchset_sha256": sums[options.members / options.patchset],
    }
    write_index(options.patches, patchset.labels, patchset.patches)
    write_json(options.report, report)
    seal_folder(options.members, sums)
    seal(options.patches, options.report)
    show(patchset, report)


def show(patchset: Patchset, report: dict[str, object]) -> None:
    """Print what the patchset holds."""
    for key, value in report.items():
        print(f"{key:20} {value}")
    print(f"\n{'name':40} ({', '.join(patchset.labels)})")
    for patch in patchset.patches:
        print(f"{patch.name:40} ({', '.join(map(str, patch.values))})")


if __name__ == "__main__":
    cli.main(main)
