"""Draw the upper limits over the plane of the axes, or along the only one."""

from __future__ import annotations

import argparse
import json
import math

import numpy as np
from recontour import cli, line_figure, plane_figure, points
from recontour.files import read_json
from recontour.limits import CURVES, ON_CROSS_SECTION, ON_MU, THEORY
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
    rows = {row["name"]: row for row in read_json(options.limits)}
    on_cross_section = ON_CROSS_SECTION[0] in next(iter(rows.values()))

    def column(name: str) -> np.ndarray:
        found = [rows[point][name] for point in scan.names]
        return np.array([math.nan if value is None else value for value in found])

    names = ON_CROSS_SECTION if on_cross_section else ON_MU
    limits = {curve: column(name) for curve, name in zip(CURVES, names, strict=True)}
    theory = column(THEORY[0]) if on_cross_section else np.ones(len(scan.names))
    what = r"upper limit on $\mu$"
    if on_cross_section:
        in_fb = np.nanmedian(limits["observed"]) < 1.0  # short numbers can be printed larger
        factor = 1e3 if in_fb else 1.0
        limits = {curve: values * factor for curve, values in limits.items()}
        theory = theory * factor
        what = f"upper limit on the cross-section [{'fb' if in_fb else 'pb'}]"

    out = [options.png, options.pdf]
    title, labels = options.title, options.labels
    if scan.y is not None:
        plane_figure.draw_limits(contours, scan, limits["observed"], what, title, labels, out)
    else:
        named = (theory, "Theory" if on_cross_section else r"$\mu$ = 1")
        line_figure.draw_limits(
            contours, scan.x, limits, named, what.capitalize(), title, labels, out
        )
    seal(*out)


if __name__ == "__main__":
    cli.main(main)
