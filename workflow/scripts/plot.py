"""Draw the exclusion figure."""

from __future__ import annotations

import argparse
import json

from recontour import cli, figure, line_figure, points
from recontour.files import read_json
from recontour.published import read_curves
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cls", required=True, help="table of CLs")
    parser.add_argument("--contours", required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--labels", required=True, type=json.loads, help="JSON: lines beside it")
    parser.add_argument("--png", required=True)
    parser.add_argument("--pdf", required=True)
    parser.add_argument("published", nargs="*", help="tables <curve>.csv")
    options = parser.parse_args()

    contours = read_json(options.contours)
    scan = points.of_plane(options.cls, contours)
    published = read_curves(options.published)
    out = [options.png, options.pdf]
    if "y" in contours["axes"]:
        figure.draw(contours, scan, published, options.title, options.labels, out)
    else:
        line_figure.draw(contours, scan, options.title, options.labels, out)
    seal(*out)


if __name__ == "__main__":
    cli.main(main)
