"""Sum up an analysis for people, and fail if too many of its points failed."""

from __future__ import annotations

import argparse
from pathlib import Path

from recontour import cli, points, results, summary
from recontour.files import read_json, write_text
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    parser.add_argument("--cls", required=True, help="results as JSON")
    parser.add_argument("--tolerated", required=True, type=int, help="failed points allowed")
    parser.add_argument("--output", required=True)
    parser.add_argument("--contours", nargs="*", help="one a plane")
    parser.add_argument("--comparisons", nargs="*", help="with published contours, one a plane")
    parser.add_argument("--figures", nargs="*", help="one a plane")
    options = parser.parse_args()

    rows = read_json(options.cls)
    lines = [options.title, *summary.points(rows)]
    for contours, comparison, figure in zip(
        options.contours, options.comparisons, options.figures, strict=True
    ):
        plane = Path(comparison).parent
        if plane != Path(options.cls).parent:
            lines.append(f"  plane       {plane.name}")
        lines += [
            summary.extent(read_json(contours)),
            *summary.agreement(read_json(comparison)),
            f"  figure      {figure}",
        ]
    if not options.figures:
        lines.append(f"  figure      none: {points.NO_FIGURE}")
    print("\n".join(lines))

    results.refuse_failures(options.title, rows, options.cls, options.tolerated)
    write_text(options.output, "\n".join(lines) + "\n")
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
