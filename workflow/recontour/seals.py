"""Seals: the checksum of a result when it was made, so that a later run finds damage.

The seal of `cls.csv` is the file `.cls.csv.sha256` next to it, with one line: size, SHA-256, name.
The seal of a folder has a line for each of its files.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from recontour.files import seal_of, sha256, write_text

LARGEST_READ = 1_000_000_000
"""Bytes of a file whose checksum is compared at the start of a run. Of larger ones, patchsets of
thousands of points, only the size is: each patch is compared with its own checksum when it is used.
"""

TIMESTAMP = ".snakemake_timestamp"
"""The file that Snakemake leaves in a folder that a job has made."""

_PAGES = ("report.html", "summary.txt")
_FIGURE = ("exclusion.png", "exclusion.pdf")
_LIMITS = ("limits.png", "limits.pdf", "limits_comparison.json")
_TABLE = ("upper_limits.csv", "upper_limits.json")
_LAST = (
    "workspaces",
    "diagnostics",
    "exports",
    "cls.png",
    "cls.pdf",
    "exclusion.html",
    *_LIMITS[2:],
)

MADE_FROM: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*_LAST, *_PAGES, "harvest.json"), ()),
    **dict.fromkeys(("provenance.json", "cls_regions.csv"), _PAGES),
    **dict.fromkeys(_FIGURE, (*_FIGURE, *_PAGES)),
    "comparison.json": ("provenance.json", *_PAGES),
    **dict.fromkeys(_LIMITS[:2], _LIMITS),
    **dict.fromkeys(("limits", *_TABLE), (*_TABLE, *_LIMITS, "exclusion.html", "exports")),
}
"""What is made from, or together with, a file or the files of a folder, where that is not all that
is made later."""

_LIKELIHOOD = {"likelihood", "likelihood.archive", "likelihood.json", "points.csv"}
_OF_LIKELIHOOD = {"hypotest", "limits", *_TABLE, "workspaces", "diagnostics"}
"""Files and folders, and what is made from them and, but for `MADE_FROM`, from nothing else."""


def seal(*paths: Path | str) -> None:
    """Seal the files that a program has just written."""
    _write({Path(path): _line(Path(path), Path(path).name) for path in paths})


def seal_folder(folder: Path, sums: Mapping[Path, str]) -> None:
    """Seal a folder that holds the files of `sums`, with these SHA-256."""
    lines = [_line(path, path.relative_to(folder).as_posix(), sums[path]) for path in sorted(sums)]
    _write({folder: "".join(lines)})


def sealed_sum(folder: Path, name: str) -> str | None:
    """The SHA-256 that the file `name` had when its `folder` was sealed, None if it was not."""
    if not seal_of(folder).exists():
        return None
    lines = seal_of(folder).read_text(encoding="utf-8").splitlines()
    return next((line.split(" ")[1] for line in lines if line.split(" ", 2)[2] == name), None)


def set_damaged_aside(
    folder: Path, dependents: Iterable[Path] = ()
) -> Iterator[tuple[Path, list[Path]]]:
    """Rename what differs from its seal under the `folder` of an analysis, and what may have been
    made from it, to `<name>.aside`; if it is the archive, in the folders of its `dependents`, too.
    Yields the path that is damaged or gone, and the others.

    Gone is what somebody deleted, and what a failed job should have made anew: Snakemake deletes
    that, and would take what was made from the old one for up to date. What was sealed later may
    have been made from it, unless it is known that it is not.
    """
    sealed = _seals(folder)
    elsewhere = {path: when for other in dependents for path, when in _seals(other).items()}
    damaged = [path for path in sorted(sealed) if not (path.exists() and _intact(path))]
    for path in damaged:
        later = sealed | elsewhere if path.name.startswith("likelihood.") else sealed
        others = [
            other
            for other, when in sorted(later.items())
            if when >= sealed[path]
            and _may_be_made_from(path.relative_to(folder), other)
            and other not in damaged
            and other.exists()
        ]
        for gone in (*others, path):  # the damaged one last: until then, a killed run is repeated
            set_aside(gone)
        yield path, others


def number_made(folder: Path) -> int:
    """How many results, but for downloads, are under the `folder` of an analysis."""
    return sum(path.parent.name != "download" and path.exists() for path in _seals(folder))


def set_aside(path: Path) -> None:
    """Rename a result, should it be there, to `<name>.aside`, and remove its seal."""
    aside = path.with_name(f"{path.name}.aside")
    if aside.is_dir():
        shutil.rmtree(aside)
    if path.exists():
        path.rename(aside)
    seal_of(path).unlink(missing_ok=True)


def _may_be_made_from(path: Path, other: Path) -> bool:
    """May the `other` result be made from the `path` within an analysis, if it is a later one?"""
    named = next((MADE_FROM[part] for part in path.parts if part in MADE_FROM), None)
    if other.parent.name == "download":
        return False
    if named is not None:
        return not set(named).isdisjoint(other.parts)
    return _OF_LIKELIHOOD.isdisjoint(other.parts) or not _LIKELIHOOD.isdisjoint(path.parts)


def _seals(folder: Path) -> dict[Path, int]:
    """What is sealed under `folder`, and when it was."""
    return {_sealed_by(path): path.stat().st_mtime_ns for path in folder.rglob(".*.sha256")}


def _line(path: Path, name: str, found: str | None = None) -> str:
    return f"{path.stat().st_size} {found or sha256(path)} {name}\n"


def _write(seals: Mapping[Path, str]) -> None:
    """Write seals, all with one time of modification, for what one program has made."""
    now = time.time_ns()
    for path, lines in seals.items():
        write_text(seal_of(path), lines)
        os.utime(seal_of(path), ns=(now, now))


def _sealed_by(path: Path) -> Path:
    return path.with_name(path.name[1:].removesuffix(".sha256"))


def _intact(path: Path) -> bool:
    base = path if path.is_dir() else path.parent
    text = seal_of(path).read_text(encoding="utf-8", errors="replace")
    lines = [line.split(" ", 2) for line in text.splitlines()]
    if not lines:
        return path.is_dir() and {file.name for file in path.iterdir()} <= {TIMESTAMP}
    return all(len(line) == 3 and _same(base / line[2], *line[:2]) for line in lines)


def _same(file: Path, size: str, expected: str) -> bool:
    if not file.is_file() or str(file.stat().st_size) != size:
        return False
    return file.stat().st_size > LARGEST_READ or sha256(file) == expected
