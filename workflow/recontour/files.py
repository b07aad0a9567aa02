"""Files: written whole or not at all, JSON read strictly, checksums."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: Path | str, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing ("w": UTF-8 text, "wb": bytes) that takes the name `path` only
    when the block ends without an exception; until then, and after a failure, what was at `path`
    stays. Makes the parent folders."""
    raise NotImplementedError


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    raise NotImplementedError


def write_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as JSON, atomically: insertion order, indent 1, final newline, no NaN."""
    raise NotImplementedError


def read_json(path: Path | str) -> Any:
    """The content of a JSON file; see `parse_json`."""
    raise NotImplementedError


def parse_json(data: bytes, where: object) -> Any:
    """The value of a JSON text, strictly: UTF-8, no duplicate keys, no NaN or Infinity, no number
    beyond the range of a double, nesting no deeper than Python's recursion limit.

    `where` names the text in errors. Raises UserError.
    """
    raise NotImplementedError


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    raise NotImplementedError
