"""Processes that share work, and none of which outlives the one that started it."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_AT_ONCE = 16
"""Items that a process is sent together."""


def end_with(parent: int) -> None:
    """Let the kernel end this process with its `parent`. Elsewhere than on Linux, it goes on."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it had ended before
            sys.exit("error: the run that this job belongs to has ended")


def shared(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int
) -> list[Result]:
    """The results of `function` in the order of the `items`, computed by so many processes while
    the items are made."""
    # a fork's parent is this process; elsewhere than on Linux, forks are not safe
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with ProcessPoolExecutor(processes, context, end_with, (os.getpid(),)) as pool:
        return list(pool.map(function, items, chunksize=_AT_ONCE))
