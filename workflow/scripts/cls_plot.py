"""Draw the observed CLs over the plane of the axes."""

from __future__ import annotations

import argparse
import json

from recontour import cli, plane_figure, points
from recontour.errors import UserError
from recontour.files import read_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cls", required=True, help="table of CLs")
    parser.add_argument("--contours", required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--labels", required=True, type=json.loads, help="JSON: lines beside it")
    parser.add_argument("--png", required=True)
    parser.add_argument("--pdf", required=True)
    options = parser.parse_args()

    contours = read_json(options.contours)
    if "y" not in contours["axes"]:
        raise UserError(
            f"{options.png}: found one axis, expected a plane of two; along a single axis, "
            "exclusion.png shows CLs"
        )
    scan = points.of_plane(options.cls, contours)
    out = [options.png, options.pdf]
    plane_figure.draw_cls(contours, scan, options.title, options.labels, out)
    seal(*out)


if __name__ == "__main__":
    cli.main(main)
