"""Draw the upper limits over the plane of the axes, or along the only one."""

from __future__ import annotations

import argparse
import json

from recontour import cli, limits, line_figure, plane_figure, points
from recontour.files import read_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limits", required=True, help="upper limits as JSON")
    parser.add_argument("--cls", required=True, help="table of CLs")
    parser.add_argument("--contours", required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--labels", required=True, type=json.loads, help="JSON: lines beside it")
    parser.add_argument("--png", required=True)
    parser.add_argument("--pdf", required=True)
    options = parser.parse_args()

    contours = read_json(options.contours)
    scan = points.of_plane(options.cls, contours)
    drawn = limits.drawn(read_json(options.limits), scan.names)
    out = [options.png, options.pdf]
    title, labels = options.title, options.labels
    if scan.y is not None:
        observed = drawn.curves["observed"]
        plane_figure.draw_limits(contours, scan, observed, drawn.what, title, labels, out)
    else:
        what = drawn.what.capitalize()
        line_figure.draw_limits(
            contours, scan.x, drawn.curves, drawn.theory, what, title, labels, out
        )
    seal(*out)


if __name__ == "__main__":
    cli.main(main)
