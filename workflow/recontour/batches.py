"""Batches of points: how many signal points one job of the scan computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SMALLEST = 32
MOST_JOBS = 200

PATTERN = r"[0-9]+-[0-9]+"
"""A batch's name: the places of its first and last point in the selection, from 1 (`33-64`)."""


def automatic_size(points: int) -> int:
    """Points a job when the user names no number.

    A process starts in about 0.5 s and fits a point in about 20 ms, so 32 points keep the start
    below half of a job's time and a scan of a hundred points in pieces that share evenly over a few
    cores. Large scans double that until there are no more than 200 jobs. The number of cores plays
    no part: a rerun with another `--cores` finds the same files and has nothing to do.
    """
    size = SMALLEST
    while points > MOST_JOBS * size:
        size *= 2
    return size


def batch_names(points: int, size: int) -> list[str]:
    """The names of the batches of `points` points, `size` a job (0: automatic)."""
    size = size or automatic_size(points)
    return [f"{i + 1}-{min(i + size, points)}" for i in range(0, points, size)]


def members(points: Sequence[T], name: str) -> Sequence[T]:
    """The points of the batch `name`."""
    first, last = map(int, name.split("-"))
    return points[first - 1 : last]
