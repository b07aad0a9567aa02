"""Unpack a likelihood, check that it is the published one, and list the patches it holds."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recontour import cli, regions, verification
from recontour.archive import ArchiveLimits
from recontour.files import write_json
from recontour.patches import write_index
from recontour.seals import seal, seal_folder
from recontour.selection import check_points_table


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

    found = verification.verify(
        options.archive,
        options.sha256,
        options.members,
        verification.Source(options.regions, options.signal, options.measurement),
        ArchiveLimits(**options.limits),
        options.processes,
    )
    points = regions.points(found.patches)
    right = Path(options.patches).with_name("points.csv")
    check_points_table(options.points, found.labels, points, right)
    write_index(options.patches, found.labels, found.patches)
    write_json(options.report, found.report)
    seal_folder(options.members, found.sums)
    seal(options.patches, options.report)
    print("\n".join(verification.in_words(found)))


if __name__ == "__main__":
    cli.main(main)
