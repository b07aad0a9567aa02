"""Batches of points: how many signal points one job of the scan computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from recontour.errors import UserError

T = TypeVar("T")

SMALLEST, LARGEST = 32, 1024
MANY_JOBS = 8
LONGEST_LIST = 100_000
"""Bytes of the names of a job's points: they are arguments of its shell command, which Linux limits
to 131072 bytes."""

PATTERN = r"[0-9]+-[0-9]+"
"""A batch's name: the places of its first and last point in the selection, from 1 (`33-64`)."""


def automatic_size(points: int) -> int:
    """Points a job when the user names no number.

    So few that a scan of a hundred points comes in pieces that share evenly over a few cores; twice
    as many as long as that makes more than `MANY_JOBS`, which leaves five or more, up to a size
    where the start of a process no longer matters (measured times are in workflow/docs/scale.md).
    The number of cores plays no part: a rerun with another `--cores` finds the same files and has
    nothing to do.
    """
    size = SMALLEST
    while points > MANY_JOBS * size and size < LARGEST:
        size *= 2
    return size


def check_size(names: Sequence[str], size: int) -> None:
    """Raise UserError if the names of `size` points (0: automatic) exceed a shell command."""
    size = size or automatic_size(len(names))
    batches = (members(names, batch) for batch in batch_names(len(names), size))
    longest = max(len(" ".join(batch)) for batch in batches)
    if longest > LONGEST_LIST:
        raise UserError(
            f"config key points_per_job: the names of {size} points take {longest} bytes, but a "
            f"job's command holds {LONGEST_LIST}; choose {size * LONGEST_LIST // longest} or less"
        )


def batch_names(points: int, size: int) -> list[str]:
    """The names of the batches of `points` points, `size` a job (0: automatic)."""
    size = size or automatic_size(points)
    return [f"{i + 1}-{min(i + size, points)}" for i in range(0, points, size)]


def files(folder: str, points: int, size: int) -> list[str]:
    """The files of results of these batches in a `folder`."""
    return [f"{folder}/{name}.jsonl" for name in batch_names(points, size)]


def members(points: Sequence[T], name: str) -> Sequence[T]:
    """The points of the batch `name`."""
    first, last = map(int, name.split("-"))
    return points[first - 1 : last]
