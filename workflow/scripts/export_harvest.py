"""Write the points of a plane, with their upper limits, in HistFitter's form."""

from __future__ import annotations

import argparse
import json

from recontour import cli, points, results
from recontour.exports import harvest
from recontour.files import read_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cls", required=True, help="results as JSON")
    parser.add_argument("--limits", required=True, help="upper limits as JSON")
    parser.add_argument("--table", required=True, help="results as CSV")
    parser.add_argument("--axes", required=True, type=json.loads, help="JSON: axes of the plane")
    parser.add_argument("--where", required=True, help="condition on the points, or empty")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    scan = results.read_rows_json(options.cls)
    cells = results.read_cells(options.table)
    on_plane = points.read_points(cells, options.axes, options.table, options.where)
    places = {
        name: dict(zip(("x", "y"), place, strict=False))
        for name, place in zip(on_plane.names, on_plane.plane.tolist(), strict=True)
    }
    left_out = harvest.write_with_limits(
        options.output, scan.rows, scan.labels, read_json(options.limits), places
    )
    seal(options.output)
    for name in left_out:
        print(f"left out: {name}: no CLs, or not all upper limits")


if __name__ == "__main__":
    cli.main(main)
