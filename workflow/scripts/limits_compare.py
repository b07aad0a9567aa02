"""Sum up the upper limits, compare them with published ones, and fail if too many points did."""

from __future__ import annotations

import argparse
from pathlib import Path

from recontour import cli, limits, points, results
from recontour.files import read_json, write_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    parser.add_argument("--limits", required=True, type=Path, help="upper limits as JSON")
    parser.add_argument("--plane", nargs="*", help="table of CLs and contours: where points lie")
    parser.add_argument("--published", nargs="?", help="table of upper limits on cross-sections")
    parser.add_argument("--tolerated", required=True, type=int, help="failed points allowed")
    parser.add_argument("--output", required=True, type=Path)
    options = parser.parse_args()

    rows = read_json(options.limits)
    shown, places = rows, {}
    if options.plane:
        cls, contours = options.plane
        scan = points.of_plane(cls, read_json(contours))
        places = dict(zip(scan.names, map(tuple, scan.plane.tolist()), strict=True))
        shown = [row for row in rows if row["name"] in places]
    failed = [row for row in shown if row["status"] == "failed"]
    without = [row for row in shown if row["status"] == limits.NO_LIMIT]
    if options.published and options.plane:
        published = limits.read_published(options.published)
        comparison = limits.compare(rows, places, published)
    else:
        reason = (
            "the points span no plane" if options.published else "no published limits are given"
        )
        comparison = {"verdict": "not compared", "reasons": [reason]}
    folder = options.output.parent
    plane = "" if folder == options.limits.parent else f", plane {folder.name}"
    print(f"{options.title}: upper limits{plane}")
    print(f"  points      {len(shown) - len(failed)} done, {len(failed)} failed")
    if without:
        print(f"  no limit    {len(without)} points, for the reasons in the table")
    print("\n".join(limits.agreement(comparison)))

    results.refuse_failures(options.title, rows, options.limits, options.tolerated)
    write_json(options.output, comparison)
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
