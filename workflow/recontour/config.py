"""The workflow's configuration: checked against its schema, completed with its defaults."""

from __future__ import annotations

import copy
import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from recontour import selection
from recontour.cross_sections import CrossSections, check_coverage
from recontour.cross_sections import read as read_cross_sections
from recontour.errors import UserError, masked, printable
from recontour.likelihood import Point

SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "config.schema.yaml"
BOUNDARY = re.compile(
    r"\s*(?P<larger>\S+)\s*>=\s*(?P<smaller>\S+?)"
    r"\s*((?P<sign>[+-])\s*(?P<offset>\d+\.?\d*))?\s*",
    re.ASCII,
)
DOCUMENTED = "every key is described in config/README.md"


def schema() -> dict[str, Any]:
    """The JSON schema of the configuration: every key with its description and default."""
    return yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))


def complete(config: dict[str, Any]) -> None:
    """Check `config` and add the defaults of what it leaves out, in place.

    Raises UserError for the first mistake, naming the key.
    """
    rules = schema()
    error = min(
        Draft202012Validator(rules).iter_errors(config),
        key=lambda error: (
            list(map(str, error.absolute_path)),
            error.validator != "additionalProperties",
        ),
        default=None,
    )
    if error is not None:
        raise UserError(_message(error))
    _add_defaults(config, rules)
    for name in config["run"]:
        known(name, config["analyses"], "config key run: analysis")


def mirror(config: Mapping[str, Any], analysis: str, root: Path) -> str:
    """The folder of copies for an analysis: its own, or the config's, or the one that the
    environment variable HEPDATA_MIRROR names; "" for none. Raises UserError if it is no folder."""
    sources = {
        f"config key analyses/{analysis}/mirror": config["analyses"][analysis]["mirror"],
        "config key mirror": config["mirror"],
        "environment variable HEPDATA_MIRROR": os.environ.get("HEPDATA_MIRROR", ""),
    }
    named = next((source for source, folder in sources.items() if folder), None)
    if named is None:
        return ""
    folder = locate(sources[named], root)
    if not folder.is_dir():
        raise UserError(
            f'{named}: "{printable(sources[named])}" is no folder; name a folder of HEPData files '
            "filed by DOI, or leave it empty to download them"
        )
    return str(folder)


@dataclass(frozen=True)
class Scan:
    """The points of an analysis: the table that lists them all, what of it is wanted, and the
    points that this chooses."""

    table: Path
    wanted: Any
    points: tuple[Point, ...]


def scans(config: Mapping[str, Any], root: Path) -> dict[str, Scan]:
    """The points to compute, by analysis. Raises UserError for a point that is not there."""
    paths = {name: locate(entry["points"], root) for name, entry in config["analyses"].items()}
    points = {name: selection.read_points(path).points for name, path in paths.items()}
    wanted = {name: entry["select"] for name, entry in config["analyses"].items()}
    wanted |= _chosen(config["select"], points)
    return {
        name: Scan(path, wanted[name], selection.select(points[name], wanted[name]))
        for name, path in paths.items()
    }


def published_contours(config: Mapping[str, Any], analysis: str) -> list[str]:
    """The published curves of an analysis, by name."""
    return [name for name in config["analyses"][analysis]["published"] if name != "upper_limits"]


def cross_sections(
    config: Mapping[str, Any], root: Path, scans: Mapping[str, Scan]
) -> dict[str, CrossSections | None]:
    """The table of theory cross-sections of each analysis, None without one. Raises UserError for
    a mistake in it, or a selected point that it does not cover."""
    tables: dict[str, CrossSections | None] = dict.fromkeys(config["analyses"])
    for name, entry in config["analyses"].items():
        if entry["cross_sections"]:
            labels = selection.read_points(scans[name].table).labels
            table = read_cross_sections(locate(entry["cross_sections"], root), labels)
            check_coverage(table, scans[name].points, labels)
            tables[name] = table
    return tables


def _chosen(wanted: Any, points: Mapping[str, Sequence[Point]]) -> dict[str, list[Any]]:
    """What the general key `select` chooses of the analyses that hold any of it."""
    if isinstance(wanted, str) or (wanted and not isinstance(wanted[0], str | list)):
        wanted = [wanted]
    chosen: dict[str, list[Any]] = {}
    for entry in wanted:
        refusals = []
        for name in points:
            try:
                selection.select(points[name], [entry])
            except UserError as refusal:
                refusals.append(f"{name}: {refusal}")
            else:
                chosen.setdefault(name, []).append(entry)
        if len(refusals) == len(points):
            raise UserError(f"config key select: {'; '.join(refusals)}")
    return chosen


def boundary(config: Mapping[str, Any], analysis: str) -> tuple[float, float, float] | None:
    """The kinematic boundary of an analysis as (a, b, c): signals with a·x + b·y ≥ c are allowed.

    Raises UserError if the config key is not `<label> >= <label> + <offset>`.
    """
    entry = config["analyses"][analysis]
    if not entry["boundary"]:
        return None
    x, y = (entry["axes"][axis]["label"] for axis in ("x", "y"))
    match = BOUNDARY.fullmatch(entry["boundary"])
    if not match or {match["larger"], match["smaller"]} != {x, y}:
        raise UserError(
            f'config key analyses/{analysis}/boundary: "{printable(entry["boundary"])}" is no '
            f"boundary; expected `{x} >= {y} + 125`, with the labels of both axes and a number"
        )
    offset = float((match["sign"] or "+") + (match["offset"] or "0"))
    return (1.0, -1.0, offset) if match["larger"] == x else (-1.0, 1.0, offset)


def check_results_folder(folder: Path | str) -> None:
    """Raise UserError if nothing can be written to `folder`, be it there or still to be made."""
    path = Path(folder).absolute()
    while not os.path.lexists(path):
        path = path.parent
    if not path.is_dir():
        raise UserError(f"results folder {folder}: {path} is no folder; rename or remove it")
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(
            f"results folder {folder}: no permission to write in {path}; change that, or "
            "run with --directory in a folder of yours"
        )


def locate(path: str, root: Path) -> Path:
    """A file or folder that the config names: relative to the working directory or, where it is
    not there, to the project's folder `root`."""
    here = Path(path)
    return here if here.exists() or not (root / path).exists() else root / path


def known(name: str, valid: Iterable[str], what: str) -> str:
    """`name` itself if it is one of `valid`. Raises UserError with the nearest match and the valid
    names; `what` says what the name is of."""
    valid = list(valid)
    if name in valid:
        return name
    near = difflib.get_close_matches(name, valid, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    listed = ", ".join(map(str, valid)) or "none"
    raise UserError(f'{what} "{printable(name)}" is unknown; {hint}valid: {listed}')


def _message(error: ValidationError) -> str:
    path = "/".join(map(str, error.absolute_path))
    where = f"config key {path}" if path else "config"
    if error.validator == "additionalProperties":
        valid = error.schema["properties"]
        unknown = next(key for key in error.instance if key not in valid)
        try:
            known(unknown, valid, f"{where}: key" if path else "config: key")
        except UserError as unknown_key:
            return f"{unknown_key} ({DOCUMENTED})"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: {' and '.join(missing)} must be given; {DOCUMENTED}"
    described = " ".join(error.schema.get("description", "").split())
    expected = f"; expected: {described}" if described else f"; {DOCUMENTED}"
    return f"{where}: {masked(error.message)}{expected}"


def _add_defaults(value: Any, rules: Mapping[str, Any]) -> None:
    if not isinstance(value, dict):
        return
    for key, rule in rules.get("properties", {}).items():
        if key not in value and "default" in rule:
            value[key] = copy.deepcopy(rule["default"])
    for key, content in value.items():
        rule = rules.get("properties", {}).get(key) or rules.get("additionalProperties")
        if rule:
            _add_defaults(content, rule)
