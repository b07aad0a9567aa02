"""Compare the results of two analyses of one plane, such as a signal of one's own with the
published one: CLs point by point, the distance of the contours, and a figure of both."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recontour import cli, compare, figure, points
from recontour.errors import UserError
from recontour.files import read_json

SHOWN = ("observed", "expected")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ours", type=Path, help="folder of the results of an analysis")
    parser.add_argument("theirs", type=Path, help="folder of the results to compare with")
    parser.add_argument("--title", default="", help="of the figure, by default both names")
    parser.add_argument("--out", nargs="*", default=[], help="figure, PNG or PDF")
    options = parser.parse_args()

    contours, ours = read(options.ours)
    other, theirs = read(options.theirs)
    curves = {curve: list(map(np.array, other["curves"][curve])) for curve in SHOWN}
    curves = {curve: lines for curve, lines in curves.items() if lines}
    print("\n".join(differences(ours, theirs)))
    comparison = compare.compare(contours, curves, ours, {})
    for curve, found in comparison["curves"].items():
        median, p90, largest = (number(found[key], ".3g") for key in ("median", "p90", "max"))
        distances = comparison["no_distances"] or (
            f"distance median {median}, 90 % {p90}, largest {largest} {comparison['units']['x']}"
        )
        print(f"{curve} contours: {distances}; overlap {number(found['overlap'], '.3f')}")
    title = options.title or f"{options.ours.name} over {options.theirs.name}"
    figure.draw(contours, ours, curves, title, (), options.out, options.theirs.name)


def read(folder: Path) -> tuple[dict, points.Points]:
    """The contours and the points of an analysis. Raises UserError if there are none."""
    try:
        contours = read_json(folder / "contours.json")
    except FileNotFoundError:
        raise UserError(
            f"{folder}: found no contours.json; expected the folder of an analysis, or of one of "
            "its planes, that has been run (snakemake --cores 2 <analysis>) and has at least three "
            "points, not all on a line: of fewer, no contour is drawn"
        ) from None
    if len(contours["axes"]) != 2:
        raise UserError(
            f"{folder}: found points along a single axis; expected a plane of two, where contours "
            "can be compared"
        )
    home = folder if (folder / "cls.csv").exists() else folder.parent
    table = points.of_plane(home / "cls.csv", contours)
    drawn, there = contours["points"], {"used": len(table.used), "failed": table.failed}
    if drawn != there:
        raise UserError(
            f"{folder}: contours.json is drawn of {drawn['used']} points and leaves out "
            f"{len(drawn['failed'])}, but cls.csv has {there['used']} and {len(there['failed'])} "
            "failed ones; run the analysis again, so that both are of the same points"
        )
    return contours, table


def number(value: float | None, form: str) -> str:
    """A number in this form; one of the analyses may have no contour."""
    return "none" if value is None else format(value, form)


def differences(ours: points.Points, theirs: points.Points) -> Iterator[str]:
    """How the CLs of the points on the same places differ."""
    place = {at: i for i, at in enumerate(map(tuple, theirs.plane.tolist()))}
    pairs = [(i, place[at]) for i, at in enumerate(map(tuple, ours.plane.tolist())) if at in place]
    if not pairs:
        raise UserError("the two analyses have no point in common: nothing can be compared")
    mine, other = map(list, zip(*pairs, strict=True))
    yield f"{len(pairs)} points of {len(ours.names)} and {len(theirs.names)} are on the same places"
    for curve in SHOWN:
        shift = ours.cls[curve][mine] - theirs.cls[curve][other]
        size = np.abs(shift)
        if not np.isfinite(size).any():
            yield f"{curve} CLs: no point has results in both analyses"
            continue
        worst = int(np.nanargmax(size))
        yield (
            f"{curve} CLs: median difference {np.nanmedian(shift):+.4f}; size median "
            f"{np.nanmedian(size):.4f}, 90 % {np.nanquantile(size, 0.9):.4f}, largest "
            f"{size[worst]:.4f} at {ours.names[mine[worst]]}"
        )


if __name__ == "__main__":
    cli.main(main)
