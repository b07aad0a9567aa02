"""Published likelihoods: structure, digests, and what a patchset holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Value = int | float | str


@dataclass(frozen=True)
class Point:
    """A signal point: its name and one value a label."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Patch(Point):
    """A point's patch: `length` bytes from byte `offset` of the file `member`, with `sha256`."""

    member: str
    offset: int
    length: int
    sha256: str


@dataclass(frozen=True)
class Patchset:
    """What a patchset holds, without the patches' contents."""

    description: str
    version: str
    digests: dict[str, str]
    references: dict[str, str]
    labels: tuple[str, ...]
    patches: tuple[Patch, ...]


def digest(spec: Any, algorithm: str = "sha256") -> str:
    """pyhf's digest: of the JSON text with sorted keys, encoded as UTF-8 (pyhf.utils.digest)."""
    raise NotImplementedError


def verify_background(
    spec: Mapping[str, Any], published: Mapping[str, str], expected: str | None, where: object
) -> dict[str, str]:
    """The digests of a background workspace by algorithm, each equal to the one that the patchset
    publishes; its sha256 also equal to `expected`, the one in the config.

    Raises UserError with both digests where they differ.
    """
    raise NotImplementedError


def check_workspace(
    spec: Any, where: object, *, trusted: Mapping[str, Any] | None = None
) -> None:
    """Check that `spec` is a workspace: pyhf's schema 1.0.0, names used once, and equal numbers of
    bins in a channel. Samples, observations and measurements that are the same objects as in the
    already checked `trusted` are not checked again. Raises UserError naming channel, sample and
    modifier.
    """
    raise NotImplementedError


def check_operations(operations: Any, where: object) -> None:
    """Check that `operations` is a list of JSON Patch operations. Raises UserError."""
    raise NotImplementedError


def index_patchset(path: Path | str) -> Patchset:
    """Read a patchset file once, patch by patch, and say what it holds and where. Raises UserError
    for a wrong structure, a name or values used twice, or a wrong number of values."""
    raise NotImplementedError


def index_folder(folder: Path | str, pattern: str) -> Patchset:
    """The same for single JSON Patch files without metadata (their names relative to `folder` match
    the regular expression `pattern` in full). Its named groups are the labels, save for the group
    `name`, the patch's name (without that group, the file's name up to `.json`)."""
    raise NotImplementedError
