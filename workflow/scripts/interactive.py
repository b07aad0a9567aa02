"""Draw the exclusion figure to explore in a browser."""

from __future__ import annotations

import argparse
import json

from recontour import cli, interactive, points
from recontour.files import read_json, write_text
from recontour.published import read_curves
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cls", required=True, help="table of CLs")
    parser.add_argument("--rows", required=True, help="the same as JSON")
    parser.add_argument("--contours", required=True)
    parser.add_argument("--limits", nargs="?", help="upper limits as JSON")
    parser.add_argument("--title", required=True)
    parser.add_argument("--labels", required=True, type=json.loads, help="JSON: lines beside it")
    parser.add_argument("--output", required=True)
    parser.add_argument("published", nargs="*", help="tables <curve>.csv")
    options = parser.parse_args()

    contours = read_json(options.contours)
    scan = points.of_plane(options.cls, contours)
    rows, limits = (
        {row["name"]: row for row in (read_json(path) if path else [])}
        for path in (options.rows, options.limits)
    )
    published = read_curves(options.published)
    page = interactive.page(contours, scan, rows, limits, published, options.title, options.labels)
    write_text(options.output, page)
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
