"""Plane geometry of contours: polylines, the convex region they live in, the areas they enclose.

A polyline is an array of shape (n, 2); it is closed if its last vertex repeats its first. A region
is a convex polygon, shape (k, 2), vertices counterclockwise, the first not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

SCAN_LINES = 1000  # overlaps come out within 1e-4 of the limit of infinitely many lines
EDGE_PARTS = 100
"""Parts of an edge of the region, each of which bounds an area or does not."""
FINE = 2001
"""Places by which a straight line is followed on logarithmic axes."""
_ON_EDGE = 1e-6  # of the region's size: vertices are stored with six significant digits


class Area(NamedTuple):
    """The inside of `loops` by the even–odd rule or, if `complement`, the outside of them."""

    loops: list[np.ndarray]
    complement: bool

    def contains(self, points: np.ndarray) -> np.ndarray:
        """Which of `points`, shape (n, 2), lie in the area: shape (n,), bool."""
        order = np.argsort(points[:, 1])
        x, y = points[order].T
        inside = np.full(len(points), self.complement)
        for loop in self.loops:
            first, last = np.searchsorted(y, np.sort([loop[:-1, 1], loop[1:, 1]], axis=0))
            for edge in np.flatnonzero(first < last).tolist():
                (x0, y0), (x1, y1) = loop[edge : edge + 2]
                at = slice(first[edge], last[edge])
                inside[at] ^= x[at] < x0 + (y[at] - y0) / (y1 - y0) * (x1 - x0)
        result = np.empty_like(inside)
        result[order] = inside
        return result


def logarithmic(axes: Mapping[str, Any]) -> list[bool]:
    """Which of the axes are, in the order of their names."""
    return [axes[axis].get("scale") == "log" for axis in sorted(axes)]


def drawn(places: np.ndarray, logarithmic: Sequence[bool]) -> np.ndarray:
    """Places of a plane, shape (n, axes), as axes show them: by the logarithm of what is on a
    `logarithmic` one."""
    columns = [np.log(v) if log else v for v, log in zip(places.T, logarithmic, strict=True)]
    return np.column_stack(columns)


def undrawn(places: np.ndarray, logarithmic: Sequence[bool]) -> np.ndarray:
    """The inverse of `drawn`."""
    columns = [np.exp(v) if log else v for v, log in zip(places.T, logarithmic, strict=True)]
    return np.column_stack(columns)


def subdivided(ring: np.ndarray, longest: float) -> np.ndarray:
    """A polygon with its edges in parts that are not longer than that."""
    places = []
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        parts = int(np.ceil(np.hypot(*(end - start)) / longest))
        places += [start + i / parts * (end - start) for i in range(parts)]
    return np.array(places)


def along(
    start: np.ndarray, end: np.ndarray, number: int, logarithmic: Sequence[bool], size: np.ndarray
) -> np.ndarray:
    """So many places on the way from `start` to `end`, which is straight in the plane, at equal
    distances as axes show it that span `size` (see `drawn`): shape (number, 2)."""
    shares = [np.linspace(0.0, 1.0, FINE)]
    for a, b, log in zip(start, end, logarithmic, strict=True):
        if log and a != b:
            shares.append((np.geomspace(a, b, FINE) - a) / (b - a))
    share = np.unique(np.clip(np.concatenate(shares), 0.0, 1.0))
    places = start + share[:, None] * (end - start)
    steps = np.diff(drawn(places, logarithmic) / size, axis=0)
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
    share = np.interp(np.linspace(0.0, arc[-1], number), arc, share)
    return np.asarray(start + share[:, None] * (end - start))


def is_closed(line: np.ndarray) -> bool:
    """Whether a polyline ends where it begins."""
    return bool(np.array_equal(line[0], line[-1]))


def length(lines: Sequence[np.ndarray]) -> float:
    """Summed arc length of polylines."""
    return float(sum(np.hypot(*np.diff(line, axis=0).T).sum() for line in lines))


def clip(lines: Sequence[np.ndarray], region: np.ndarray) -> list[np.ndarray]:
    """The pieces of polylines that lie in a convex region."""
    pieces = list(lines)
    size = np.ptp(region, axis=0)  # x and y may have different units
    for start, end in zip(region, np.roll(region, -1, axis=0), strict=True):
        along = (end - start) / size
        inward = np.array([-along[1], along[0]]) / np.hypot(*along) / size
        pieces = [
            piece for line in pieces for piece in _clip_by_edge(line, (line - start) @ inward)
        ]
    return [piece for piece in pieces if length([piece / size]) > _ON_EDGE]


def _clip_by_edge(line: np.ndarray, depth: np.ndarray) -> list[np.ndarray]:
    inside = depth >= -_ON_EDGE
    if inside.all():
        return [line]
    if is_closed(line):  # begin outside, so that no piece is cut in two at the seam
        first = int(np.argmin(inside))
        line, depth, inside = (
            np.concatenate([values[first:-1], values[: first + 1]])
            for values in (line, depth, inside)
        )
    pieces: list[list[np.ndarray]] = []
    for i, vertex in enumerate(line):
        if i and inside[i] != inside[i - 1]:
            share = np.clip(depth[i - 1] / (depth[i - 1] - depth[i]), 0.0, 1.0)
            crossing = line[i - 1] + share * (vertex - line[i - 1])
            if inside[i]:
                pieces.append([crossing])
            else:
                pieces[-1].append(crossing)
        elif i == 0 and inside[0]:
            pieces.append([])
        if inside[i]:
            pieces[-1].append(vertex)
    return [np.array(piece) for piece in pieces]


def enclosed(
    lines: Sequence[np.ndarray], region: np.ndarray, points: np.ndarray, expected: np.ndarray
) -> Area:
    """The area that contours enclose within a convex region.

    Contours divide the region in two; an open one after its ends are joined to the nearest edge
    and around the outside of the region. Which of the two sides is meant, one bit for the whole
    plane, is what most of `points`, shape (n, 2), say, of which those `expected`, shape (n,),
    bool, should lie within. The same holds if there is no contour.
    """
    pieces = clip(lines, region)
    area = Area([_close_around(piece, region) for piece in pieces], complement=False)
    agree = np.count_nonzero(area.contains(points) == expected)
    return area._replace(complement=bool(2 * agree < len(points)))


def edges_within(area: Area, region: np.ndarray) -> list[np.ndarray]:
    """The parts of the outline of a convex region that bound an area within it, as polylines."""
    centre = region.mean(axis=0)
    share = (np.arange(EDGE_PARTS + 1) / EDGE_PARTS)[:, None]
    lines = []
    for start, end in zip(region, np.roll(region, -1, axis=0), strict=True):
        places = start + share * (end - start)
        middles = (places[:-1] + places[1:]) / 2
        inside = area.contains(centre + (1 - 1e-6) * (middles - centre))
        lines += [places[i : i + 2] for i in np.flatnonzero(inside)]
    return lines


def _close_around(line: np.ndarray, region: np.ndarray) -> np.ndarray:
    if is_closed(line):
        return line
    centre = region.mean(axis=0)
    outer = centre + 1.1 * (region - centre)  # nothing that is asked about lies beyond the region
    (leave, leave_share, leave_point), (enter, enter_share, enter_point) = (
        _nearest_on_edge(vertex, region) for vertex in (line[-1], line[0])
    )
    corners = (enter - leave) % len(region)
    if corners == 0 and enter_share < leave_share:
        corners = len(region)
    around = [outer[(leave + 1 + i) % len(region)] for i in range(corners)]
    outside = [centre + 1.1 * (point - centre) for point in (leave_point, enter_point)]
    return np.array(
        [*line, leave_point, outside[0], *around, outside[1], enter_point, line[0]], dtype=float
    )


def _nearest_on_edge(vertex: np.ndarray, region: np.ndarray) -> tuple[int, float, np.ndarray]:
    """The edge nearest to a vertex, and there the nearest place: its share of the edge, itself."""
    size = np.ptp(region, axis=0)  # x and y may have different units
    along = np.roll(region, -1, axis=0) - region
    lengths, offset = along / size, (vertex - region) / size
    shares = np.clip((offset * lengths).sum(axis=1) / (lengths**2).sum(axis=1), 0.0, 1.0)
    places = region + shares[:, None] * along
    edge = int(np.argmin(np.hypot(*((places - vertex) / size).T)))
    return edge, float(shares[edge]), places[edge]


def overlap(first: Area, second: Area, region: np.ndarray) -> float | None:
    """Intersection over union of two areas within a convex region; None if both are empty."""
    intersection, union = _intersection_and_union([first, second], region)
    return intersection / union if union else None


def size(area: Area, region: np.ndarray) -> float:
    """How large an area is within a convex region, in the units of x times those of y."""
    return _intersection_and_union([area], region)[0]


def _intersection_and_union(areas: Sequence[Area], region: np.ndarray) -> tuple[float, float]:
    """The sizes of what areas share, and of what they cover together, within a convex region.

    Exact along horizontal scan lines, by the midpoint rule across them.
    """
    low, high = region[:, 1].min(), region[:, 1].max()
    lines = low + (high - low) * (np.arange(SCAN_LINES) + 0.5) / SCAN_LINES
    frame = Area([np.vstack([region, region[:1]])], complement=False)
    crossings = [_crossings(area, lines) for area in (frame, *areas)]
    line, x = np.hstack(crossings)
    order = np.lexsort((x, line))
    owner = np.repeat(np.arange(len(crossings)), [part.shape[1] for part in crossings])[order]
    widths = np.diff(x[order], append=0.0)
    # each line ends outside of everything, since a loop crosses it an even number of times
    in_region, *inside = (
        (np.cumsum(owner == number) % 2 == 1) ^ area.complement
        for number, area in enumerate((frame, *areas))
    )
    between = (high - low) / SCAN_LINES
    intersection, union = (
        float(widths[in_region & part].sum() * between)
        for part in (np.all(inside, axis=0), np.any(inside, axis=0))
    )
    return intersection, union


def _crossings(area: Area, lines: np.ndarray) -> np.ndarray:
    """Where an area's loops cross horizontal lines, of y ascending (n,): which line, x; (2, m)."""
    if not area.loops:
        return np.empty((2, 0))
    edges = np.vstack([np.hstack([loop[:-1], loop[1:]]) for loop in area.loops])
    first, last = np.searchsorted(lines, np.sort(edges[:, [1, 3]].T, axis=0))
    edge = np.repeat(np.arange(len(edges)), last - first)
    line = np.arange(len(edge)) + (last - np.cumsum(last - first))[edge]
    x0, y0, x1, y1 = edges[edge].T
    return np.array([line, x0 + (lines[line] - y0) / (y1 - y0) * (x1 - x0)])


def samples(lines: Sequence[np.ndarray], number: int) -> np.ndarray:
    """About `number` places at equal distances along polylines: shape (≈ number, 2)."""
    step = length(lines) / number
    places = []
    for line in lines:
        arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
        count = max(1, round(arc[-1] / step))
        at = (np.arange(count) + 0.5) / count * arc[-1]
        places.append(np.column_stack([np.interp(at, arc, line[:, i]) for i in (0, 1)]))
    return np.concatenate(places)


def distances(points: np.ndarray, lines: Sequence[np.ndarray]) -> np.ndarray:
    """Distance of each of `points`, shape (n, 2), to the nearest place on polylines: shape (n,)."""
    nearest = np.full(len(points), np.inf)
    px, py = points.T[:, :, None]
    for line in lines:
        (x, y), (dx, dy) = line[:-1].T, np.diff(line, axis=0).T
        squared = np.maximum(dx**2 + dy**2, np.finfo(float).tiny)
        share = np.clip(((px - x) * dx + (py - y) * dy) / squared, 0.0, 1.0)
        gaps = (px - x - share * dx) ** 2 + (py - y - share * dy) ** 2
        nearest = np.minimum(nearest, gaps.min(axis=1))
    return np.sqrt(nearest)
