"""Signal patches: the table of where they lie, reading one, applying one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recontour.likelihood import Patch


@dataclass(frozen=True)
class Index:
    """The table `patches.csv`: labels of the values, and the patches in the patchset's order."""

    labels: tuple[str, ...]
    patches: tuple[Patch, ...]


def write_index(path: Path | str, labels: Iterable[str], patches: Iterable[Patch]) -> None:
    """Write `patches.csv`: name, one column a label, member, offset, length, sha256."""
    raise NotImplementedError


def read_index(path: Path | str) -> Index:
    """Read `patches.csv`. Raises UserError."""
    raise NotImplementedError


def load_patch(folder: Path | str, patch: Patch) -> list[dict[str, Any]]:
    """The operations of a patch, read from its bytes in `folder/<member>`. Raises UserError if the
    bytes are not the ones that were verified."""
    raise NotImplementedError


def apply(
    background: Mapping[str, Any], operations: list[dict[str, Any]], name: str
) -> dict[str, Any]:
    """The workspace that patch `name` makes of the background, which stays as it is.

    Only containers on the paths that the operations touch are copied: every other sample of the
    result is the same object as in `background`. Raises UserError naming the patch, the operation
    and its path if it cannot be applied, if it changes observed data, or if the result is no
    workspace.
    """
    raise NotImplementedError
