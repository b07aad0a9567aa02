"""Errors that are meant for the person who runs the workflow."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_SECRETS = re.compile(
    r"(?P<user>(?<=://)[^/@\s'\"]+(?=@))"
    r"|(?<=[?&])(?P<key>[^=&\s]*(?:token|key|secret|pass|pwd|sig|auth|cred|session)[^=&\s]*)"
    r"=[^&\s'\")]*",
    re.IGNORECASE,
)


LISTED = 20
"""Valid names that an error lists at most."""


class UserError(Exception):
    """A mistake in an input: one paragraph that names the file, key or patch, what was found,
    what was expected, and what to do."""


def explanation(error: OSError) -> str:
    """What the operating system refused (unwritable folder, full disk), and what to do."""
    where = f"{error.filename}: " if error.filename else ""
    return (
        f"{where}{error.strerror or error}; make sure that the folder exists, can be read and "
        "written, and has room, then run again"
    )


def printable(text: object) -> str:
    """`text` with control characters escaped, so that file contents cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def masked(text: object) -> str:
    """`text` without passwords and tokens in its URLs, and without control characters."""

    def mask(found: re.Match[str]) -> str:
        return "***" if found["user"] else f"{found['key']}=***"

    return _SECRETS.sub(mask, printable(text))


def known(name: str, valid: Iterable[str], what: str) -> str:
    """`name` itself if it is one of `valid`. Raises UserError with the nearest match and the valid
    names, if these are not too many; `what` says what the name is of."""
    valid = list(valid)
    if name in valid:
        return name
    near = difflib.get_close_matches(name, valid, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    more = f", … ({len(valid)} in all)" if len(valid) > LISTED else ""
    listed = printable(", ".join(map(str, valid[:LISTED])) + more) or "none"
    raise UserError(f'{what} "{printable(name)}" is unknown; {hint}valid: {listed}')
