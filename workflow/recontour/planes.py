"""The planes of a scan that figures are drawn of: which points lie on them, and where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recontour import formula
from recontour.config import PLANE_KEYS, Scan
from recontour.errors import UserError, known, printable
from recontour.geometry import drawn, logarithmic
from recontour.likelihood import Point
from recontour.points import NEEDED, check_apart, check_drawable, spanned


@dataclass(frozen=True)
class Plane:
    """A plane of the scan of `analysis`; its results lie in `results/<folder>`.

    `axes`, `where`, `published` and `tolerance` are those of the config, `boundary` what
    `formula.boundary` makes of it, `labels` the lines beside the figure's title, and `points` the
    selected points that lie on it; `can_draw` if these are enough for a figure, and on no line.
    """

    folder: str
    analysis: str
    labels: Sequence[str]
    where: str
    axes: Mapping[str, Any]
    boundary: tuple[float, ...] | None
    published: Mapping[str, Any]
    tolerance: Mapping[str, Any]
    points: tuple[Point, ...]
    can_draw: bool

    @property
    def curves(self) -> list[str]:
        """The published contours, by name."""
        return [name for name in self.published if name != "upper_limits"]


def planes(config: Mapping[str, Any], scans: Mapping[str, Scan]) -> dict[str, Plane]:
    """The planes of all analyses, by the folder of their results. Raises UserError naming the
    config key, for a formula that is none, a plane that holds too few of the table's points, two
    selected points on one place, all on a line, or one at 0 on a logarithmic axis or beyond the
    boundary, and tolerance for a point that is not there."""
    found = {}
    for analysis, entry in config["analyses"].items():
        for folder, key, settings in _settings(analysis, entry):
            labels = [*entry["labels"], *settings.get("labels", [])]
            found[folder] = _plane(folder, analysis, key, settings, labels, scans[analysis])
    return found


def headings(found: Iterable[Plane]) -> dict[str, Mapping[str, Any]]:
    """The axes of these planes by their labels, the first one that has it: where that is a label of
    the points itself, its title and unit."""
    return {axis["label"]: axis for plane in reversed([*found]) for axis in plane.axes.values()}


def _settings(
    analysis: str, entry: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Folder, config key and settings of each plane of an analysis."""
    key = f"config key analyses/{analysis}"
    for plane, settings in entry["planes"].items():
        yield f"{analysis}/{plane}", f"{key}/planes/{plane}", settings
    if not entry["planes"]:
        yield analysis, key, {name: entry[name] for name in PLANE_KEYS}


def _plane(
    folder: str,
    analysis: str,
    key: str,
    settings: Mapping[str, Any],
    lines: Sequence[str],
    scan: Scan,
) -> Plane:
    labels, axes, where = scan.listed.labels, settings["axes"], settings["where"]
    holds = formula.condition(where, labels, f"{key}/where")
    listed = [point for point in scan.listed.points if holds(_values(labels, point))]
    if where and len(listed) < NEEDED[len(axes)]:
        names = ", ".join(point.name for point in listed) or "none"
        raise UserError(
            f'{key}/where: "{printable(where)}" holds for {len(listed)} of the '
            f"{len(scan.listed.points)} points in {scan.table} ({names}), but a figure takes "
            f"{NEEDED[len(axes)]}; correct the condition on {printable(', '.join(labels))}"
        )
    if len(axes) == 1 and settings["published"]:
        raise UserError(f"{key}/published: a contour needs two axes; add the axis y, or leave it")
    everywhere = dict.fromkeys(point.name for point in scan.listed.points)
    for name in settings["tolerance"]["disagreements"]:
        known(name, everywhere, f"{key}/tolerance/disagreements: point")
    on_plane = {point.name for point in listed}
    points = tuple(point for point in scan.points if point.name in on_plane)
    names = [point.name for point in points]
    places = _places(points, labels, axes, key)
    check_apart(names, places, f"{key}/")
    log = logarithmic(axes)
    above = bool((places[:, log] > 0.0).all())
    can_draw = spanned(drawn(places, log) if above else places)
    if len(points) == len(listed) >= NEEDED[len(axes)] and not can_draw:
        raise UserError(
            f"{key}/axes: all {len(points)} points lie on a line; draw CLs over the axis x alone, "
            "or choose other axes"
        )
    boundary = None
    if settings["boundary"]:
        shown = [axes[axis]["label"] for axis in sorted(axes)]
        boundary = formula.boundary(settings["boundary"], shown, where, labels, f"{key}/boundary")
    if can_draw:
        check_drawable(names, places, axes, boundary, f"{key}/")
    return Plane(
        folder,
        analysis,
        lines,
        where,
        axes,
        boundary,
        settings["published"],
        settings["tolerance"],
        points,
        can_draw,
    )


def _places(
    points: Sequence[Point], labels: Sequence[str], axes: Mapping[str, Any], key: str
) -> np.ndarray:
    """Where the points lie, shape (n, axes). Raises UserError for a formula without a value."""
    shown = [
        formula.formula(axes[axis]["label"], labels, f"{key}/axes/{axis}/label")
        for axis in sorted(axes)
    ]
    places = [[axis(_values(labels, point)) for axis in shown] for point in points]
    return np.array(places, dtype=float).reshape(len(points), len(axes))


def _values(labels: Sequence[str], point: Point) -> dict[str, Any]:
    return dict(zip(labels, point.values, strict=True))
