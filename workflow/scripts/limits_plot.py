"""Draw the upper limits over the plane of the axes."""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
from recontour import cli, limit_figure, points, results
from recontour.files import read_json
from recontour.limits import ON_CROSS_SECTION, ON_MU
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
    cells = results.read_cells(options.cls)
    scan = points.read_points(cells, contours["axes"], options.cls, contours["where"])
    rows = {row["name"]: row for row in read_json(options.limits)}
    on_cross_section = ON_CROSS_SECTION[0] in next(iter(rows.values()))
    found = [
        rows[name][(ON_CROSS_SECTION if on_cross_section else ON_MU)[0]] for name in scan.names
    ]
    limits = np.array([math.nan if value is None else value for value in found])
    what = r"upper limit on $\mu$"
    if on_cross_section:
        in_fb = np.nanmedian(limits) < 1.0  # short numbers can be printed larger
        limits *= 1e3 if in_fb else 1.0
        what = f"upper limit on the cross-section [{'fb' if in_fb else 'pb'}]"
    out = [options.png, options.pdf]
    limit_figure.draw(contours, scan, limits, what, options.title, options.labels, out)
    seal(*out)


if __name__ == "__main__":
    cli.main(main)
