"""Unpack the members that are needed from an archive that is not trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: bytes and members in total, and unpacked over packed bytes."""

    total_bytes: int = 2**30
    members: int = 10_000
    ratio: float = 300.0


def unpack(
    archive: Path | str,
    destination: Path | str,
    members: Sequence[str],
    *,
    limits: Limits = Limits(),
) -> tuple[Path, ...]:
    """Unpack `members` of a tar, tar.gz or zip archive, or a plain JSON file, told by content.

    A member is named by its path or the end of it (`BkgOnly.json` finds `likelihood/BkgOnly.json`
    if it is the only one), and may hold `*` (`RegionA/patch.*.json`). It is written to
    `destination/<member>`, nothing before all is well. Returns the paths written, sorted.
    Raises UserError, naming what the archive holds when a member is missing.
    """
    raise NotImplementedError
