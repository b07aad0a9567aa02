"""Write the contours of a plane as TGraphs in a ROOT file."""

from __future__ import annotations

import argparse

from recontour import cli
from recontour.exports import root
from recontour.files import read_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contours", required=True)
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    root.write_root(options.output, read_json(options.contours))
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
