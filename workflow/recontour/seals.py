"""Seals: the checksum of a result when it was made, so that a later run finds damage.

The seal of `cls.csv` is the file `.cls.csv.sha256` next to it, with one line: size, SHA-256, name.
The seal of a folder has a line for each of its files.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from recontour.files import sha256, write_text

LARGEST_READ = 1_000_000_000
"""Bytes of a file whose checksum is compared at the start of a run. Of larger ones, patchsets of
thousands of points, only the size is: each patch is compared with its own checksum when it is used.
"""


def seal(*paths: Path | str) -> None:
    """Seal files that have just been written."""
    for path in map(Path, paths):
        _write(path, {path.name: (path.stat().st_size, sha256(path))})


def seal_folder(folder: Path, sums: Mapping[Path, str]) -> None:
    """Seal a folder that holds the files of `sums`, with these SHA-256."""
    _write(
        folder,
        {
            path.relative_to(folder).as_posix(): (path.stat().st_size, found)
            for path, found in sums.items()
        },
    )


def set_damaged_aside(folder: Path) -> Iterator[Path]:
    """Rename whatever differs from its seal under `folder` to `<name>.damaged`. Yields the names
    that it had."""
    for note in sorted(folder.rglob(".*.sha256")):
        path = note.with_name(note.name[1:].removesuffix(".sha256"))
        if path.exists() and not _intact(path, note.read_text("utf-8", "replace")):
            aside = path.with_name(f"{path.name}.damaged")
            if aside.is_dir():
                shutil.rmtree(aside)
            path.rename(aside)
            yield path


def _write(path: Path, files: Mapping[str, tuple[int, str]]) -> None:
    lines = [f"{size} {found} {name}\n" for name, (size, found) in sorted(files.items())]
    write_text(path.with_name(f".{path.name}.sha256"), "".join(lines))


def _intact(path: Path, seal: str) -> bool:
    base = path if path.is_dir() else path.parent
    lines = [line.split(" ", 2) for line in seal.splitlines()]
    return bool(lines) and all(
        len(line) == 3 and _same(base / line[2], *line[:2]) for line in lines
    )


def _same(file: Path, size: str, expected: str) -> bool:
    if not file.is_file() or str(file.stat().st_size) != size:
        return False
    return file.stat().st_size > LARGEST_READ or sha256(file) == expected
