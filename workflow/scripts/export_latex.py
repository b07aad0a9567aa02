"""Write the table of points in LaTeX."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recontour import cli, results
from recontour.exports import latex
from recontour.files import write_text
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    parser.add_argument("--headings", required=True, type=json.loads, help="JSON: axes by label")
    parser.add_argument("--cls", required=True, type=Path, help="results as JSON")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    scan = results.read_rows_json(options.cls)
    analysis = options.cls.parent.name
    write_text(
        options.output,
        latex.table(scan.rows, scan.labels, options.headings, options.title, analysis),
    )
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
