"""Find the exclusion contours of a scan of CLs."""

from __future__ import annotations

import argparse
import json

from recontour import cli, contour, crossings, points, results
from recontour.files import write_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cls", required=True, help="table of CLs")
    parser.add_argument("--axes", required=True, type=json.loads, help="JSON: axes of the plane")
    parser.add_argument(
        "--boundary",
        required=True,
        type=json.loads,
        help="JSON: [a, b, c] of a·x + b·y ≥ c, or [a, c], or null",
    )
    parser.add_argument("--where", required=True, help="condition on the points, or empty")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    rows = results.read_cells(options.cls)
    scan = points.read_points(rows, options.axes, options.cls, options.where)
    find = contour.contours if "y" in options.axes else crossings.crossings
    write_json(options.output, find(scan, options.axes, options.boundary, options.where))
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
