"""What a scan has computed so far, row by row: a job that was killed goes on where it was, points
added to a patchset cost only their own fits, and anybody can see how far a run is.

A journal is a folder with a file for each batch of points that was ever begun under one set of
inputs. Every line of it is complete or worthless: it ends with a checksum.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from recontour.likelihood import Patch

SUFFIX = ".rows"
_BEGIN, _ROW = "begin", "row"
_KEY_LENGTH, _SUM_LENGTH = 32, 16


class Entry(NamedTuple):
    """A row of results and the seconds of CPU time that it took."""

    row: dict[str, Any]
    seconds: float


class Begun(NamedTuple):
    """A job: of so many rows, some were known and some were added since, from this Unix time on."""

    rows: int
    known: int
    added: int
    when: float


class Journal:
    """The journal in `folder`, for a job that computes `patches` as the batch `name`.

    A row counts only for the very patch, by content, and the very `context`: a text that says all
    else that results depend on. Use as a context manager; `entries` are the rows that are known,
    by patch. Files of the batch under another context are removed.
    """

    def __init__(self, folder: Path, name: str, context: str, patches: Iterable[Patch]) -> None:
        self._keys = {patch: _key(context, patch) for patch in patches}
        self._path = folder / f"{name}.{_digest(context)[:8]}{SUFFIX}"
        wanted = {key: patch for patch, key in self._keys.items()}
        self.entries = {
            wanted[key]: entry for path in _files(folder) for key, entry in _rows(path, wanted)
        }

    def __enter__(self) -> Self:
        folder, name = self._path.parent, self._path.name.split(".")[0]
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(f"{name}.*{SUFFIX}"):
            if path != self._path:
                path.unlink()
        torn = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        self._file = self._path.open("a", encoding="utf-8", newline="\n", buffering=1)
        if torn:
            self._file.write("\n")
        self._write(_BEGIN, len(self._keys), len(self.entries), f"{time.time():.3f}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, patch: Patch, row: dict[str, Any], seconds: float) -> None:
        """Note a row that has just been computed."""
        content = json.dumps(row, ensure_ascii=False, allow_nan=False)
        self._write(_ROW, self._keys[patch], f"{seconds:.4f}", content)
        self.entries[patch] = Entry(row, seconds)

    def _write(self, *words: object) -> None:
        text = " ".join(map(str, words))
        self._file.write(f"{text} {_digest(text)[:_SUM_LENGTH]}\n")


def begun(folder: Path, name: str) -> Begun | None:
    """How far the job is that computes the batch `name`, None before it has begun."""
    found = None
    for path in folder.glob(f"{name}.*{SUFFIX}"):
        for kind, text in _intact(_lines(path)):
            if kind == _BEGIN:
                rows, known, when = text.split(" ")
                found = Begun(int(rows), int(known), 0, float(when))
            elif found:
                found = found._replace(added=found.added + 1)
    return found


def seconds(folder: Path) -> dict[tuple[str, str], float]:
    """The CPU time that the latest row of each point and region in a journal took, by their
    names."""
    found = {}
    for path in sorted(_files(folder), key=lambda path: path.stat().st_mtime_ns):
        for kind, text in _intact(_lines(path)):
            if kind == _ROW:
                _, took, content = text.split(" ", 2)
                row = json.loads(content)
                found[row["name"], row.get("region", "")] = float(took)
    return found


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{SUFFIX}"))


def _rows(path: Path, wanted: Collection[str]) -> Iterator[tuple[str, Entry]]:
    """The rows of a file whose keys are wanted: which is found before the checksum is computed, as
    every job reads the rows of all."""
    start = len(_ROW) + 1
    lines = (line for line in _lines(path) if line[start : start + _KEY_LENGTH] in wanted)
    for _, text in _intact(lines):
        key, took, content = text.split(" ", 2)
        yield key, Entry(json.loads(content), float(took))


def _lines(path: Path) -> list[str]:
    """The lines of a file, none if the job it belongs to has just removed it."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []


def _intact(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """First word and rest of lines, without those that a kill or a disk damaged."""
    for line in lines:
        text, _, found = line.rpartition(" ")
        if text and found == _digest(text)[:_SUM_LENGTH]:
            kind, _, rest = text.partition(" ")
            yield kind, rest


def _key(context: str, patch: Patch) -> str:
    named = (context, patch.region, patch.name, patch.values, patch.sha256)
    return _digest(json.dumps(named))[:_KEY_LENGTH]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
