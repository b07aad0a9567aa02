"""The results of two analyses of one plane, compared: CLs point by point, and the contours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recontour import compare, points
from recontour.errors import UserError, printable
from recontour.files import read_json

SHOWN = ("observed", "expected")


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


def check_axes(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], folders: tuple[Path, Path]
) -> None:
    """Raise UserError if the contours read from these `folders` are over different quantities, or
    in another unit or scale."""
    for axis in ours["axes"]:
        mine, other = _quantity(ours["axes"][axis]), _quantity(theirs["axes"][axis])
        if mine != other:
            raise UserError(
                f"{folders[0]}: found {printable(mine)} along {axis}, but {printable(other)} in "
                f"{folders[1]}; expected planes of the same quantities; give `axes` the same "
                "labels, units and scales in both analyses, or compare others"
            )


def conditions(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], folders: tuple[Path, Path]
) -> Iterator[str]:
    """Which points the two planes show, if they are not chosen by the same condition."""
    if ours["where"] == theirs["where"]:
        return
    for folder, contours in zip(folders, (ours, theirs), strict=True):
        where = f"the points with {contours['where']}" if contours["where"] else "all points"
        yield f"another condition: {folder} shows {where}"


def curves(contours: Mapping[str, Any]) -> dict[str, list[np.ndarray]]:
    """The contours that are compared, each as polylines (n, 2); those that there are none of are
    left out."""
    found = {curve: list(map(np.array, contours["curves"][curve])) for curve in SHOWN}
    return {curve: lines for curve, lines in found.items() if lines}


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


def distances(
    contours: Mapping[str, Any],
    theirs: Mapping[str, list[np.ndarray]],
    ours: points.Points,
) -> Iterator[str]:
    """How far the `contours` of `ours` are from the other ones."""
    comparison = compare.compare(contours, theirs, ours, {})
    for curve, found in comparison["curves"].items():
        median, p90, largest, overlap = (
            points.in_digits(found[key], 3) for key in ("median", "p90", "max", "overlap")
        )
        far = comparison["no_distances"] or (
            f"distance median {median}, 90 % {p90}, largest {largest} {comparison['units']['x']}"
        )
        if part := points.compared_part(found["covered"]):
            far += f"; compared: the {part} of the other contour among the points"
        yield f"{curve} contours: {far}; overlap {overlap}"


def _quantity(axis: Mapping[str, Any]) -> str:
    """What an axis shows, in its unit, and how."""
    unit, scale = axis.get("unit", ""), axis.get("scale", "linear")
    return f'"{axis["label"]}" in {unit or "no unit"}, {scale}'
