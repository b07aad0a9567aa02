"""Join the results of all batches into a table of every signal region's results."""

from __future__ import annotations

import argparse
import json

from recontour import batches, cli, results, selection
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", required=True, help="table of points")
    parser.add_argument("--select", required=True, type=json.loads, help="JSON: which of them")
    parser.add_argument("--csv", required=True)
    parser.add_argument("--batches", required=True, help="folder of the results of batches")
    parser.add_argument("--points-per-job", required=True, type=int, help="0: automatic")
    options = parser.parse_args()

    table = selection.read_points(options.points)
    points = selection.select(table.points, options.select)
    paths = batches.files(options.batches, len(points), options.points_per_job)
    results.write_csv(options.csv, results.join_batches(paths, points, table.labels))
    seal(options.csv)


if __name__ == "__main__":
    cli.main(main)
