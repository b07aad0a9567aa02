"""Mirrors: folders with copies of HEPData files, where the one with DOI D is `D.<extension>`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from recontour.errors import UserError, printable

VARIABLE = "HEPDATA_MIRROR"
"""The environment variable that may name a mirror."""


def of_environment() -> str:
    """The mirror that the environment names, "" for none."""
    return os.environ.get(VARIABLE, "")


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let a program that is called by hand take `--mirror`; None if there is none."""
    parser.add_argument(
        "--mirror",
        default=of_environment() or None,
        help=f"folder of copies filed by DOI, by default what {VARIABLE} names",
    )


def copy_of(doi: str, suffix: str, mirror: Path | str | None) -> Path | None:
    """The copy of `doi` in a `mirror`, whose name ends in `suffix` (a pattern); None if there is
    none. Raises UserError if there are several, or the mirror is no folder."""
    if not mirror:
        return None
    if not Path(mirror).is_dir():
        raise UserError(
            f"{printable(mirror)}: the mirror is not a folder; correct --config mirror=PATH or the "
            f"environment variable {VARIABLE}"
        )
    stem = Path(mirror) / doi
    found = sorted(path for path in stem.parent.glob(f"{stem.name}.{suffix}") if path.is_file())
    if len(found) > 1:
        names = ", ".join(printable(path.name) for path in found)
        raise UserError(f"{stem.parent}: {names} are all copies of {doi}; leave one of them there")
    return found[0] if found else None
