"""The config's texts that figures show: TeX between dollar signs, as matplotlib reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recontour.errors import UserError, printable


def check(analysis: str, entry: Mapping[str, Any]) -> None:
    """Raise UserError for TeX that matplotlib cannot draw, naming the config key.

    Takes 0.3 s, mostly to import matplotlib, if any text holds TeX; without matplotlib, as where
    jobs have an environment of their own, nothing is checked: the figure then says the same.
    """
    texts = [(key, text) for key, text in _drawn(f"analyses/{analysis}", entry) if "$" in text]
    if not texts:
        return
    try:
        from matplotlib.cbook import is_math_text
        from matplotlib.mathtext import MathTextParser
    except ImportError:
        return
    parser = MathTextParser("path")
    for key, text in texts:
        try:
            for line in text.split("\n"):
                if is_math_text(line):  # if not, it is drawn as it stands
                    parser.parse(line)
        except ValueError as error:
            raise UserError(f"config key {key}: {explained(error, text)}") from None


def explained(error: ValueError, text: str) -> str:
    """What mathtext says of a text, and what to do."""
    reason = str(error).splitlines()[-1].partition(": ")[2].partition("  (at char")[0]
    return (
        f'"{printable(text)}" is no TeX that matplotlib can draw ({printable(reason)[:200]}); '
        "correct what stands between the dollar signs; a dollar sign itself is written \\$"
    )


def of_mathtext(error: ValueError) -> bool:
    """Is the error one of mathtext, which has no class for them?"""
    *_, last = str(error).splitlines() or [""]
    return last.startswith("Parse") and "(at char" in last


def _drawn(key: str, entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What figures show of an analysis or a plane, with its key."""
    if "title" in entry:
        yield f"{key}/title", entry["title"]
    for number, line in enumerate(entry.get("labels", [])):
        yield f"{key}/labels/{number}", line
    for axis, shown in entry["axes"].items():
        yield f"{key}/axes/{axis}/title", shown["title"]
        yield f"{key}/axes/{axis}/unit", shown["unit"]
    for plane, part in entry.get("planes", {}).items():
        yield from _drawn(f"{key}/planes/{plane}", part)
