"""The unpacked likelihood, as programs are told of it by their arguments."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from recontour import patches, selection
from recontour.errors import UserError, printable
from recontour.files import parse_json
from recontour.likelihood import Patch
from recontour.seals import sealed_sum


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that say where its files are."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--members", required=True, type=Path, help="folder of the likelihood")
    arguments.add_argument(
        "--backgrounds", required=True, type=json.loads, help="JSON: file in that folder, by region"
    )
    arguments.add_argument("--patches", required=True, help="CSV file that lists the patches")
    return arguments


def read_background(members: Path, file: str) -> Any:
    """The workspace in a `file` of the likelihood. Raises UserError if that is not the file that
    was verified."""
    path = members / file
    data = path.read_bytes()
    expected, found = sealed_sum(members, file), hashlib.sha256(data).hexdigest()
    if expected not in (None, found):
        raise UserError(
            f"{path}: found a file with sha256 {found}, but one with {expected} was verified: it "
            "changed after that; run again, and it is unpacked and verified anew"
        )
    return parse_json(data, path)


class Patched(NamedTuple):
    """A signal point: the labels of its values, its patch, the background of its region, and the
    workspace that the one makes of the other."""

    labels: tuple[str, ...]
    patch: Patch
    background: Mapping[str, Any]
    workspace: dict[str, Any]


def patched(options: argparse.Namespace, wanted: str) -> Patched:
    """The signal point of the patch that is `wanted`, `<name>` or `<region>/<name>`. Raises
    UserError."""
    index = patches.read_index(options.patches)
    patch = find(index.patches, wanted)
    background = read_background(options.members, options.backgrounds[patch.region])
    operations = patches.load_patch(options.members, patch)
    workspace = patches.apply(background, operations, patch.name)
    return Patched(index.labels, patch, background, workspace)


def find(joined: Sequence[Patch], wanted: str) -> Patch:
    """The patch `<region>/<name>`, or `<name>` if there is but one region. Raises UserError."""
    region, _, name = wanted.rpartition("/")
    try:
        chosen = selection.select(joined, name)
    except UserError as refusal:
        raise UserError(f'there is no patch "{printable(wanted)}": {refusal}') from None
    held = [patch for patch in chosen if patch.region == region]
    if not held:
        places = [f"{p.region}/{p.name}".strip("/") for p in joined if p.name == name]
        raise UserError(
            f'there is no patch "{printable(wanted)}"; the point {printable(name)} has '
            f"{printable(', '.join(places))}"
        )
    return held[0]
