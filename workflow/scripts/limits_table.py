"""Join the upper limits of all batches into a table, with limits on cross-sections."""

from __future__ import annotations

import argparse
import json

from recontour import batches, cli, cross_sections, limits, results, selection
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", required=True, help="table of points")
    parser.add_argument("--select", required=True, type=json.loads, help="JSON: which of them")
    parser.add_argument("--cross-sections", nargs="?", help="table of theory cross-sections")
    parser.add_argument("--csv", required=True)
    parser.add_argument("--json", required=True)
    parser.add_argument("--batches", required=True, help="folder of the limits of batches")
    parser.add_argument("--points-per-job", required=True, type=int, help="0: automatic")
    options = parser.parse_args()

    table = selection.read_points(options.points)
    points = selection.select(table.points, options.select)
    paths = batches.files(options.batches, len(points), options.points_per_job)
    every = results.join_batches(paths, points, table.labels, limits.columns)
    joined = results.best(every, expected="mu_exp_0")
    theory = None
    if options.cross_sections:
        theory = cross_sections.read(options.cross_sections, table.labels)
    joined = limits.on_cross_sections(joined, points, theory)
    results.write_csv(options.csv, joined)
    results.write_rows_json(options.json, joined)
    seal(options.csv, options.json)


if __name__ == "__main__":
    cli.main(main)
