"""Files: written whole or not at all, JSON read strictly, checksums."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import math
import os
import secrets
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from recontour.errors import UserError, printable

ANEW = "download or make the file anew"
"""The remedy for a damaged file."""

LARGE = 1 << 24
"""Bytes from which on a file is not read each time that a run starts."""


@contextmanager
def atomic_write(path: Path | str, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a file for writing ("w": UTF-8 text, "wb": bytes) that takes the name `path` only
    when the block ends without an exception; until then, and after a failure, what was at `path`
    stays. Makes the parent folders."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
    try:
        with temporary.open(mode.replace("w", "x"), **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        seal_of(path).unlink(missing_ok=True)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def below(folder: Path | str) -> Iterator[Path]:
    """All files and folders below a folder, also of those in it that are links to elsewhere, as to
    another disk; links farther down are not followed, lest they lead round in circles."""
    for path in Path(folder).glob("*"):
        yield path
        yield from path.rglob("*")


def seal_of(path: Path) -> Path:
    """Where the checksum of a result lies (see `seals`); the old one goes with the old content."""
    return path.with_name(f".{path.name}.sha256")


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_write(path) as file:
        file.write(text)


def write_json(path: Path | str, obj: Any) -> None:
    """Write `obj` as JSON, atomically: insertion order, indent 1, final newline, no NaN."""
    write_text(path, json.dumps(obj, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def tar_gz(members: Mapping[str, bytes]) -> bytes:
    """A .tar.gz of files by name, in their order: no clock, user or file system leaves a trace in
    it, so that equal content makes equal bytes (given one zlib)."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in members.items():
            info = tarfile.TarInfo(name)  # mode 0644, owner 0, mtime 0
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def read_json(path: Path | str) -> Any:
    """The content of a JSON file; see `parse_json`."""
    return parse_json(Path(path).read_bytes(), path)


def parse_json(data: bytes, where: object) -> Any:
    """The value of a JSON text, strictly: UTF-8, no duplicate keys, no NaN or Infinity, no number
    beyond the range of a double, nesting no deeper than Python's recursion limit.

    `where` names the text in errors. Raises UserError.
    """
    with json_errors(where):
        text = data.decode("utf-8")
        return strict_value(STRICT_JSON.decode(text), text)


def plain_json(data: bytes) -> Any:
    """The value of a JSON text in a third of the time, whole numbers beyond 64 bits as doubles.
    Raises NotPlainError if the text is one that `parse_json` refuses, has a backslash, or is nested
    more than 254 deep.

    orjson refuses all that `parse_json` does, save for a key that stands twice in one object: it
    keeps the last, and the quotation marks of the others are then missing from what it writes.
    """
    try:
        value = orjson.loads(data)
        written = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        raise NotPlainError from None
    if b"\\" in data or data.count(b'"') != written.count(b'"'):
        raise NotPlainError
    return value


class NotPlainError(ValueError):
    """`parse_json` reads the text, or says what is wrong with it."""


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(path: Path | str) -> str:
    """What changes with the contents of a file: their SHA-256 or, of a large one, which would take
    long, its size and time of change."""
    found = Path(path).stat()
    if found.st_size > LARGE:
        return f"{found.st_size}:{found.st_mtime_ns}"
    return sha256(path)


@contextmanager
def reading(path: Path | str, what: str) -> Iterator[None]:
    """Turn what reading a file that a user names may raise into a UserError: it is not there, or is
    a folder, or no one may read it. `what` it should be."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path}: there is no such {what}; check the config") from None
    except IsADirectoryError:
        raise UserError(f"{path}: is a folder, not a {what}; check the config") from None
    except PermissionError:
        raise UserError(
            f"{path}: no permission to read this {what}; change that, as with chmod a+r"
        ) from None


@contextmanager
def json_errors(where: object) -> Iterator[None]:
    """Turn what decoding JSON may raise into a UserError about the text `where`."""
    try:
        yield
    except UnicodeError as error:
        reason = getattr(error, "reason", "wrong bytes")
        at = f" at {error.start}" if isinstance(error, UnicodeDecodeError) else ""
        raise UserError(f"{where}: not UTF-8 text ({reason}{at}); {ANEW}") from None
    except json.JSONDecodeError as error:
        raise UserError(
            f"{where}: not JSON: {printable(error.msg)} (line {error.lineno}, "
            f"column {error.colno}); {ANEW}"
        ) from None
    except RecursionError:
        raise UserError(f"{where}: JSON nested too deeply to be a likelihood; {ANEW}") from None
    except _Refused as error:
        raise UserError(f"{where}: {error}; {ANEW}") from None


def strict_value(value: Any, text: str) -> Any:
    """`value`, decoded from `text`; UnicodeError if one of its strings holds half a surrogate pair
    (from a `\\u` escape), which no file can hold."""
    if "\\" in text and "\\u" in text:  # a single character is found ten times as fast as two
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


class _Refused(ValueError):
    """JSON that the json module reads and we do not."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise _Refused(f'the key "{printable(twice)[:80]}" stands twice in one object')
    return found


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _Refused(f"the number {digits[:40]} is beyond the range of a double")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 300:  # 10^308 is the largest double
        raise _Refused(f"the number {digits[:40]}… is beyond the range of a double")
    return int(digits)


def _no_constant(name: str) -> None:
    raise _Refused(f"the value {name} is not a number")


STRICT_JSON = json.JSONDecoder(
    object_pairs_hook=_unique_keys,
    parse_float=_finite,
    parse_int=_whole,
    parse_constant=_no_constant,
)
"""Decodes what `parse_json` allows; use within `json_errors`."""
