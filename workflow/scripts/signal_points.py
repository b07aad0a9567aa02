"""List the points of a user's own signals."""

from __future__ import annotations

import argparse
import json

from recontour import cli, selection, signals
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--signal", required=True, type=json.loads, help="JSON: form and files")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    selection.write_points(options.output, signals.points(options.signal))
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
