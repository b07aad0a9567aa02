"""Errors that are meant for the person who runs the workflow."""

from __future__ import annotations


class UserError(Exception):
    """A mistake in an input: one paragraph that names the file, key or patch, what was found,
    what was expected, and what to do."""


def printable(text: object) -> str:
    """`text` with control characters escaped, so that file contents cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
