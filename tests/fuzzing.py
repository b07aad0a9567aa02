"""Inputs that a random generator makes: in the everyday tests hypothesis chooses what it says, and
finds the smallest input that fails; in the long ones seeds do, which is ten times as fast."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import strategies as st

RANDOM = st.randoms(use_true_random=False, note_method_calls=True)


def for_ten_thousand_seeds(check: Callable[[Random], None]) -> None:
    for seed in range(10_000):
        try:
            check(Random(seed))
        except BaseException as error:
            error.add_note(f"Random({seed})")
            raise


def some_bytes(random: Random, most: int) -> bytes:
    return bytes(random.randrange(256) for _ in range(random.randint(0, most)))


def altered(spec: dict[str, Any], random: Random) -> dict[str, Any]:
    """`spec` with one of its parts removed or replaced."""
    node: Any = spec
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = random.choice(keys)
        child = node[key]
        if isinstance(child, dict | list) and child and random.randint(0, 4):
            node = child
            continue
        if random.random() < 0.5:
            del node[key]
        else:
            others = [None, True, 0, -1.5, "", "SR", [], {}, [1.0], [[0, 1]], {"name": "b"}]
            node[key] = copy.deepcopy(random.choice(others))
        return spec
