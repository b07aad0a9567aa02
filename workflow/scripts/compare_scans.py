"""Compare the results of two analyses of one plane, such as a signal of one's own with the
published one: CLs point by point, the distance of the contours, and a figure of both."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recontour import cli, figure, scan_comparison


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ours", type=Path, help="folder of the results of an analysis")
    parser.add_argument("theirs", type=Path, help="folder of the results to compare with")
    parser.add_argument("--title", default="", help="of the figure, by default both names")
    parser.add_argument("--out", nargs="*", default=[], help="figure, PNG or PDF")
    options = parser.parse_args()

    contours, ours = scan_comparison.read(options.ours)
    other, theirs = scan_comparison.read(options.theirs)
    folders = (options.ours, options.theirs)
    scan_comparison.check_axes(contours, other, folders)
    curves = scan_comparison.curves(other)
    for line in (
        *scan_comparison.conditions(contours, other, folders),
        *scan_comparison.differences(ours, theirs),
        *scan_comparison.distances(contours, curves, ours),
    ):
        print(line)
    title = options.title or f"{options.ours.name} over {options.theirs.name}"
    figure.draw(contours, ours, curves, title, (), options.out, options.theirs.name)


if __name__ == "__main__":
    cli.main(main)
