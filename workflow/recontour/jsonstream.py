"""Read a large JSON file value by value, knowing where in the file each value stands."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from recontour.errors import UserError, printable
from recontour.files import ANEW, STRICT_JSON, NotPlainError, json_errors, plain_json, strict_value

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_BEGINNING = re.compile(rb'\{\s*"[^"\\]*"')
_WINDOW = 1 << 22  # bytes; holds several patches of a published patchset


@dataclass(frozen=True)
class Span:
    """A value and its bytes in the file, the first at `offset`."""

    value: Any
    offset: int
    raw: bytes


class JsonStream:
    """Walk through the JSON text in a binary `file`; `where` names it in errors.

    `members()` and `elements()` step into an object or a list, and `value()` reads one whole
    value; a window of the file is held in memory, grown to hold the largest such value twice. It is
    read anew before a value that may not be in it in full, by the length of the last one: to decode
    a part in vain, and to be told where that ends, takes as long as to decode the whole.
    """

    def __init__(self, file: IO[bytes], where: object, window: int = _WINDOW) -> None:
        self._file, self._where, self._window = file, where, window
        self._chunk, self._text = b"", ""
        self._at = 0  # in self._text
        self._byte = self._chunk_start = 0  # in the file
        self._at_end = False
        self._length = 0  # of the last value
        self._fill(window)

    def members(self) -> Iterator[str]:
        """The keys of the object that begins here; read each one's value before the next."""
        seen: set[str] = set()
        self._take("{")
        while self._more("}", first=not seen):
            if self._peek() != '"':
                raise self._error("expected a key in double quotes")
            key = self.value().value
            if key in seen:
                raise self._error(f'the key "{printable(key)[:80]}" stands twice in one object')
            seen.add(key)
            self._take(":")
            yield key

    def elements(self) -> Iterator[int]:
        """The positions in the list that begins here; read each one's value before the next."""
        position = 0
        self._take("[")
        while self._more("]", first=position == 0):
            yield position
            position += 1

    def value(self) -> Span:
        """The next value, of any type."""
        raw = self._cut()
        if raw:
            with suppress(NotPlainError):
                return self._passed(plain_json(raw), raw)
        return self._strict_value()

    def place(self) -> Span:
        """Where the next value stands, without the value if that need not be decoded to see where
        it ends. Then `raw` is a value if it is JSON at all."""
        raw = self._cut()
        return self._passed(None, raw) if raw else self._strict_value()

    def _cut(self) -> bytes | None:
        """The bytes of the next value if it is easily told where it ends: before a comma, and an
        object that begins like it, as the next element of a list mostly does."""
        self._peek()
        if len(self._text) - self._at < 2 * self._length and not self._at_end:
            self._fill(max(self._window, 2 * self._length))
        start = self._byte - self._chunk_start
        beginning = _BEGINNING.match(self._chunk, start)
        if not beginning or not self._text.isascii():
            return None
        following = self._chunk.find(beginning[0], beginning.end())
        raw, comma, space = self._chunk[start : max(following, start)].rpartition(b",")
        return None if not comma or space.strip() else raw.rstrip()

    def _passed(self, value: Any, raw: bytes) -> Span:
        """The value whose bytes are next, which are ASCII; and on to what follows them."""
        span = Span(value, self._byte, raw)
        self._length = len(raw)
        self._move(self._at + self._length)
        return span

    def _strict_value(self) -> Span:
        size = max(self._window, 2 * self._length)
        with json_errors(self._where):
            while True:
                try:
                    value, end = STRICT_JSON.raw_decode(self._text, self._at)
                    # a number cut off by the window may end before "e+", which has to be seen
                    if end + 2 < len(self._text) or self._at_end:
                        break
                except json.JSONDecodeError as error:
                    if self._at_end:
                        self._move(error.pos)
                        raise self._error(error.msg) from None
                size *= 2
                self._fill(size)
            strict_value(value, self._text[self._at : end])
        offset, self._length = self._byte, end - self._at
        self._move(end)
        start = offset - self._chunk_start
        return Span(value, offset, self._chunk[start : start + self._byte - offset])

    def end(self) -> None:
        """Check that nothing follows."""
        if self._peek():
            raise self._error("expected the end of the file")

    def _more(self, closing: str, *, first: bool) -> bool:
        if self._peek() == closing:
            self._take(closing)
            return False
        if not first:
            self._take(",")
        return True

    def _take(self, character: str) -> None:
        if self._peek() != character:
            raise self._error(f'expected "{character}"')
        self._move(self._at + 1)

    def _peek(self) -> str:
        """The next character that is not white space, "" at the end of the file."""
        while True:
            self._move(_WHITESPACE.match(self._text, self._at).end())
            if self._at < len(self._text):
                return self._text[self._at]
            if self._at_end:
                return ""
            self._fill(self._window)

    def _move(self, at: int) -> None:
        ascii_ = self._text.isascii()
        self._byte += at - self._at if ascii_ else len(self._text[self._at : at].encode("utf-8"))
        self._at = at

    def _fill(self, size: int) -> None:
        """Hold `size` bytes from the present position on."""
        self._file.seek(self._byte)
        self._chunk, self._chunk_start = self._file.read(size), self._byte
        self._at_end = len(self._chunk) < size
        try:
            self._text, _ = codecs.utf_8_decode(self._chunk, "strict", self._at_end)
        except UnicodeDecodeError as error:
            self._byte += error.start
            raise self._error(f"not UTF-8 text ({error.reason})") from None
        self._at = 0

    def _error(self, problem: str) -> UserError:
        return UserError(
            f"{self._where}: not the JSON of a patchset: {problem}, at byte {self._byte}; {ANEW}"
        )
