"""Compare our contours with the published ones."""

from __future__ import annotations

import argparse
import json

from recontour import cli, compare, points
from recontour.files import read_json, write_json
from recontour.published import read_curves
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cls", required=True, help="table of CLs")
    parser.add_argument("--contours", required=True)
    parser.add_argument("--tolerance", required=True, type=json.loads, help="JSON")
    parser.add_argument("--output", required=True)
    parser.add_argument("published", nargs="*", help="tables <curve>.csv")
    options = parser.parse_args()

    contours = read_json(options.contours)
    scan = points.of_plane(options.cls, contours)
    published = read_curves(options.published)
    comparison = compare.compare(contours, published, scan, options.tolerance)
    write_json(options.output, comparison)
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
