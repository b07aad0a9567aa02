"""Write the report page of an analysis: figures, comparison, fits, points and provenance."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recontour import cli, journal, report
from recontour.files import read_json, write_text
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    parser.add_argument("--labels", required=True, type=json.loads, help="JSON: lines beside it")
    parser.add_argument("--cls", required=True, type=Path, help="results as JSON")
    parser.add_argument("--provenance", required=True)
    parser.add_argument("--journal", required=True, type=Path, help="folder, of the fits")
    parser.add_argument("--output", required=True)
    parser.add_argument("--comparisons", nargs="*", type=Path, help="one a plane")
    parser.add_argument("--figures", nargs="*", type=Path, help="PNG, one a plane")
    options = parser.parse_args()

    rows = read_json(options.cls)
    planes = [
        report.Plane(
            figure.parent.name if figure.parent != options.cls.parent else "",
            figure,
            read_json(comparison),
        )
        for comparison, figure in zip(options.comparisons, options.figures, strict=True)
    ]
    names = {row["name"] for row in rows}
    took = journal.seconds(options.journal)
    seconds = [value for (name, _), value in took.items() if name in names]
    provenance = read_json(options.provenance)
    page = report.page(options.title, options.labels, planes, rows, seconds, provenance)
    write_text(options.output, page)
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
