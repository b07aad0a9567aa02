"""Unpack the members that are needed from an archive that is not trusted."""

from __future__ import annotations

import errno
import gzip
import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from recontour.errors import UserError, printable
from recontour.files import ANEW
from recontour.likelihood import file_pattern

_AS_PUBLISHED = (
    "these are the bytes that the config expects, so fetching them again cannot help: either the "
    "published file is damaged, or the config's size and sha256 are those of a damaged copy"
)
_PIECE = 1 << 17  # bytes; more are mapped anew by the system, piece by piece
_LARGEST_READ = 1 << 24  # tarfile reads an extended header into memory at once
_RATIO_MATTERS = 10_000_000  # bytes; a few thousand zeros are no bomb
_ENCRYPTED = 0x1
_START = 512  # bytes that tell what a file is
_JSON = (b"{", b"[")
_ARCHIVES = (".tar", ".gz", ".tgz", ".zip", ".bz2", ".xz", ".7z")


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold: bytes and members in total, and unpacked over packed bytes."""

    total_bytes: int = 2**30
    members: int = 10_000
    ratio: float = 300.0


def unpack(
    archive: Path | str,
    destination: Path | str,
    members: Sequence[str],
    *,
    patterns: Sequence[str] = (),
    limits: ArchiveLimits = ArchiveLimits(),
) -> dict[Path, str]:
    """Unpack `members` of a tar, tar.gz or zip archive, or a plain JSON file, told by content, and
    those whose path, or the end of it, matches one of the regular expressions `patterns`.

    A member is named by its path or the end of it (`BkgOnly.json` finds `likelihood/BkgOnly.json`
    if it is the only one), and may hold `*` (`RegionA/patch.*.json`). It is written to
    `destination/<member>`, nothing before all is well. Returns the paths written, sorted, with
    their SHA-256. Raises UserError, naming what the archive holds when a member is missing.
    """
    archive, destination = Path(archive), Path(destination)
    expressions = [file_pattern(pattern) for pattern in patterns]
    members = [_safe_name(m, f"the member {printable(m)} in the config") for m in members]
    destination.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=destination) as folder:
        held: list[str] = []
        sums: dict[Path, str] = {}
        copies: dict[str, dict[str, Path]] = {}  # by place in the destination, then by member
        with _read_errors(archive):
            for name, content in _entries(archive, members, _Guard(archive, limits)):
                held.append(name)
                places = {*_places(name, members), *_matching(name, expressions)}
                copy = Path(folder) / str(len(held))
                if places:
                    sums[copy] = _write(content, copy)
                for place in places:
                    copies.setdefault(place, {})[name] = copy
        chosen = {place: _only(archive, place, found) for place, found in copies.items()}
        _check_complete(archive, members, expressions, chosen, held)
        uses = Counter(chosen.values())
        for place, copy in chosen.items():
            target = destination / place
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(copy, target) if uses[copy] > 1 else copy.replace(target)
    return {destination / place: sums[chosen[place]] for place in sorted(chosen)}


@contextmanager
def as_published(archive: Path | str, folder: Path | str) -> Iterator[None]:
    """In errors about an archive that has the sha256 in the config, or about what was unpacked from
    it to `folder`, name the archive and its member, since a failed job leaves no folder; and do not
    advise to fetch the same bytes again."""
    try:
        yield
    except UserError as error:
        text = str(error).replace(f"{folder}/", f"{archive}, member ")
        if str(archive) not in text:  # a file of the user's
            raise
        raise UserError(text.replace(ANEW, _AS_PUBLISHED)) from None


class _Guard:
    """Counts what comes out of an archive, and refuses what exceeds the limits."""

    def __init__(self, archive: Path, limits: ArchiveLimits) -> None:
        self.archive, self.limits = archive, limits
        self.packed = archive.stat().st_size
        self._names: set[str] = set()

    def size(self, unpacked: int) -> None:
        limits = self.limits
        if unpacked > limits.total_bytes:
            self.refuse(f"unpacks to more than {limits.total_bytes} bytes")
        if unpacked > _RATIO_MATTERS and unpacked > limits.ratio * self.packed:
            self.refuse(f"unpacks to more than {limits.ratio:g} times its size")

    def name(self, raw: str) -> str:
        """The name of one more member in plain form."""
        name = _safe_name(raw, f"{self.archive}: its member {printable(raw)[:120]}")
        if name in self._names:
            self.refuse(f"holds two members with the name {printable(name)[:120]}")
        self._names.add(name)
        if len(self._names) > self.limits.members:
            self.refuse(f"holds more than {self.limits.members} members")
        return name

    def refuse(self, problem: str) -> None:
        raise UserError(
            f"{self.archive}: {problem}, which no published likelihood should need; it is not "
            "unpacked. Check where it comes from; the config key archive_limits raises the limits"
        )


class _GuardedFile:
    """The unpacked bytes of a tar archive, as far as tarfile needs a file."""

    def __init__(self, file: IO[bytes], guard: _Guard) -> None:
        self._file, self._guard = file, guard
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST_READ:
            self._guard.refuse(f"has a header of {size} bytes")
        data = self._file.read(size)
        self._guard.size(self._file.tell())
        return data

    def seek(self, position: int) -> int:
        self._guard.size(position)
        return self._file.seek(position)


Entries = Iterator[tuple[str, IO[bytes]]]


def is_json(archive: Path) -> bool:
    """Whether the file is no archive, but a single JSON text."""
    with archive.open("rb") as file:
        return _text(file.read(_START)).startswith(_JSON)


def _text(start: bytes) -> bytes:
    """The first bytes of a file without white space and byte order mark."""
    return start.lstrip(b" \t\r\n\xef\xbb\xbf")


def _entries(archive: Path, members: Sequence[str], guard: _Guard) -> Entries:
    """Name and content of every file in the archive; read each content before the next."""
    with archive.open("rb") as file:
        start = file.read(_START)
        file.seek(0)
        if not start:
            raise UserError(f"{archive}: is empty; {ANEW}")
        if start.startswith(b"\x1f\x8b"):
            with gzip.open(file) as unzipped:
                yield from _tar_entries(unzipped, guard)
        elif start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _zip_entries(file, guard)
        elif _text(start).startswith(_JSON):
            yield from _json_entry(file, members, guard)
        elif _text(start).startswith(b"<"):
            raise UserError(
                f"{archive}: is an HTML or XML page, not an archive; check that the DOI is that of "
                "a resource (10.17182/hepdata.90607.v3/r3), not of a record"
            )
        else:
            yield from _tar_entries(file, guard)


def _tar_entries(file: IO[bytes], guard: _Guard) -> Entries:
    guarded: Any = _GuardedFile(file, guard)
    with tarfile.open(fileobj=guarded, mode="r:") as tar:
        for member in tar:
            name = guard.name(member.name)
            if member.isdir():
                continue
            if not member.isreg() or member.issparse() or member.size < 0:
                kind = "a link" if member.issym() or member.islnk() else "no ordinary file"
                guard.refuse(f"holds {printable(name)[:120]}, which is {kind}")
            content = tar.extractfile(member)
            assert content is not None
            yield name, content
    # to the end, because gzip's checksum is there, and tarfile takes a damaged header for the end
    while piece := guarded.read(_PIECE):
        if piece.strip(b"\0"):
            guard.refuse("has a damaged header, or data after its end")


def _zip_entries(file: IO[bytes], guard: _Guard) -> Entries:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        guard.size(sum(entry.file_size for entry in entries))
        for entry in entries:
            name = guard.name(entry.filename)
            if entry.is_dir():
                continue
            if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
                guard.refuse(f"holds {printable(name)[:120]}, which is a link or no ordinary file")
            if entry.flag_bits & _ENCRYPTED:
                guard.refuse(f"is encrypted ({printable(name)[:120]})")
            with archive.open(entry) as content:
                yield name, content


def _json_entry(file: IO[bytes], members: Sequence[str], guard: _Guard) -> Entries:
    guard.size(guard.packed)
    if len(members) != 1 or "*" in members[0]:
        raise UserError(
            f"{guard.archive}: is a single JSON file, but the members "
            f"{printable(', '.join(members))} are wanted; check the DOI, or name one member"
        )
    yield members[0], file


def _safe_name(raw: str, what: str) -> str:
    """`raw` without `./` and the like. Raises UserError if it could lead out of a folder."""
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if raw.startswith("/") or ".." in parts or not parts or re.search(r"[\\\0]|^[A-Za-z]:", raw):
        if raw in (".", "./"):
            return "."
        raise UserError(
            f"{what}: such a path could lead out of the folder it is unpacked to; nothing is "
            "unpacked. Check where the archive comes from"
        )
    return "/".join(parts)


def _places(name: str, members: Iterable[str]) -> Iterator[str]:
    """The places in the destination that the archive's member `name` may take."""
    parts = name.split("/")
    for member in dict.fromkeys(members):
        place = "/".join(parts[-1 - member.count("/") :])
        if _matches(place, member):
            yield place


def _matching(name: str, expressions: Iterable[re.Pattern[str]]) -> Iterator[str]:
    """The longest ends of the path `name` that match the expressions."""
    parts = name.split("/")
    ends = ["/".join(parts[i:]) for i in range(len(parts))]
    for expression in expressions:
        yield from [end for end in ends if expression.fullmatch(end)][:1]


def _matches(name: str, pattern: str) -> bool:
    return re.fullmatch("[^/]*".join(map(re.escape, pattern.split("*"))), name) is not None


def _only(archive: Path, place: str, found: dict[str, Path]) -> Path:
    """The copy for `place`: of the member with that very path, or of the only one that ends so."""
    if place not in found and len(found) > 1:
        raise UserError(
            f"{archive}: {place} may be any of {_listing(found)}; name it in the config with its "
            "folder"
        )
    return found.get(place) or next(iter(found.values()))


def _check_complete(
    archive: Path,
    members: Iterable[str],
    expressions: Iterable[re.Pattern[str]],
    places: Iterable[str],
    held: Sequence[str],
) -> None:
    found = {m: any(_matches(place, m) for place in places) for m in members}
    found |= {e.pattern: any(map(e.fullmatch, places)) for e in expressions}
    for member, there in found.items():
        if not there:
            nested = [name for name in held if name.lower().endswith(_ARCHIVES)]
            hint = f"; archives within it ({_listing(nested)}) are not opened" if nested else ""
            raise UserError(
                f"{archive}: holds no member {printable(member)}; it holds "
                f"{_listing(held) or 'nothing'}{hint}; correct the member's name in the config"
            )


def _listing(names: Iterable[str]) -> str:
    shown = [printable(name)[:80] for name in names]
    more = f" and {len(shown) - 10} more" if len(shown) > 10 else ""
    return ", ".join(shown[:10]) + more


def _write(content: IO[bytes], path: Path) -> str:
    """Write `content` to `path`; returns its SHA-256."""
    found = hashlib.sha256()
    with path.open("wb") as file:
        while piece := content.read(_PIECE):
            found.update(piece)
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return found.hexdigest()


@contextmanager
def _read_errors(archive: Path) -> Iterator[None]:
    """Turn what reading a damaged archive may raise into a UserError."""
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        EOFError,
        ValueError,
        LookupError,
        OverflowError,
        RuntimeError,
        OSError,
    ) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # no damage: a full disk, or a file that cannot be read
        raise UserError(
            f"{archive}: damaged, or no tar, tar.gz or zip archive or JSON file "
            f"({printable(error)[:120]}); {ANEW}"
        ) from None
