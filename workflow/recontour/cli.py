"""What all command-line programs of the workflow share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn


def main(function: Callable[[], None]) -> NoReturn:
    """Run a program's `function` and exit: 0 when it returns; 1 with a one-paragraph `error: …`
    on stderr when it raises UserError or OSError (unwritable folder, full disk)."""
    raise NotImplementedError
