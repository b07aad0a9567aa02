"""Write the contours of a plane as CSV."""

from __future__ import annotations

import argparse

from recontour import cli
from recontour.exports import curves
from recontour.files import read_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contours", required=True)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    contours = read_json(options.contours)
    curves.write_csv(options.output, contours)
    seal(options.output)
    for curve, reason in curves.missing(contours).items():
        print(f"{curve}: no contour: {reason}")


if __name__ == "__main__":
    cli.main(main)
