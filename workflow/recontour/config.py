"""The workflow's configuration: checked against its schema, completed with its defaults."""

from __future__ import annotations

import contextlib
import copy
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from recontour import mirrors, selection, signals
from recontour.cross_sections import CrossSections, check_coverage
from recontour.cross_sections import read as read_cross_sections
from recontour.errors import UserError, known, masked, printable
from recontour.likelihood import Point

SCHEMA = Path(__file__).resolve().parents[1] / "schemas" / "config.schema.yaml"
PLANE_KEYS = ("where", "axes", "boundary", "published", "tolerance")
"""What the config says about a plane: of an analysis itself, or of each of its `planes`."""

INHERITED = ("mirror", "likelihood", *PLANE_KEYS[:3], "planes")
"""What an analysis with `background_of` takes over from the analysis named, unless it gives its
own: what belongs to the search. What belongs to the search's own signals it does not."""

MACHINE = ("mirror", "network", "archive_limits", "points_per_job")
"""General keys that say where and how work is done, and change no result."""

FORMS = ("patchset", "patches", "yields")
"""The forms of a signal, one of which is given."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # a tenth of the time, where it was built

DOCUMENTED = "every key is described in config/README.md"


def schema() -> dict[str, Any]:
    """The JSON schema of the configuration: every key with its description and default."""
    return _LOADER(SCHEMA.read_text(encoding="utf-8")).get_single_data()


def complete(config: dict[str, Any]) -> None:
    """Check `config` and add the defaults of what it leaves out, in place.

    Raises UserError for the first mistake, naming the key.
    """
    rules = schema()
    _read_texts(config, rules)
    _check_finite(config)
    _inherit(config.get("analyses"))
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
    for name, entry in config["analyses"].items():
        _check_choices(entry, f"config key analyses/{name}")
    _add_defaults(config, rules)
    if not config["run"]:
        listed = printable(", ".join(config["analyses"]))
        raise UserError(f"config key run: found no analysis; name one or more of {listed}")
    for name in config["run"]:
        known(name, config["analyses"], "config key run: analysis")


def check_keys(path: Path | str) -> None:
    """Raise UserError if a config file has a key twice in one place: YAML keeps the last one
    without a word."""
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), _LOADER)
    except yaml.YAMLError:  # JSON with tabs, which Snakemake reads as JSON
        return
    nodes = [("", root)]
    for above, node in nodes:
        if isinstance(node, yaml.SequenceNode):
            nodes += [(f"{above}{i}/", part) for i, part in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for name, content in node.value:
                key, line = f"{above}{name.value}", name.start_mark.line + 1
                if key in lines:
                    raise UserError(
                        f"{path}, line {line}: the config key {printable(key)} stands in line "
                        f"{lines[key]}, too; remove one of the two, or rename it"
                    )
                lines[key] = line
                nodes.append((f"{key}/", content))


def check_name(name: str) -> None:
    """Raise UserError if no analysis can have this name."""
    rules = schema()["properties"]["analyses"]["propertyNames"]
    error = next(Draft202012Validator(rules).iter_errors(name), None)
    if error is not None:
        raise UserError(_name_message(error, "name of the analysis"))


def mirror(config: Mapping[str, Any], analysis: str, root: Path, *, used: bool = True) -> str:
    """The folder of copies for an analysis: its own, or the config's, or the one that the
    environment names; "" for none. Raises UserError if it is no folder and is `used` here, not
    only where the run was started."""
    sources = {
        f"config key analyses/{analysis}/mirror": config["analyses"][analysis]["mirror"],
        "config key mirror": config["mirror"],
        f"environment variable {mirrors.VARIABLE}": mirrors.of_environment(),
    }
    named = next((source for source, folder in sources.items() if folder), None)
    if named is None:
        return ""
    folder = locate(sources[named], root)
    if used and not folder.is_dir():
        raise UserError(
            f'{named}: "{printable(sources[named])}" is no folder; name a folder of HEPData files '
            "filed by DOI, or leave it empty to download them"
        )
    return str(folder)


@dataclass(frozen=True)
class Scan:
    """The points of an analysis: the file that lists them and all that it lists, what of it is
    wanted, and the points that this chooses."""

    table: Path
    listed: selection.PointTable
    wanted: Any
    points: tuple[Point, ...]


def scans(config: Mapping[str, Any], root: Path) -> dict[str, Scan]:
    """The points to compute, by analysis. Raises UserError for a point that is not there."""
    paths, listed = {}, {}
    for name, entry in config["analyses"].items():
        own = signal(config, name, root)
        if own:
            paths[name] = Path(signals.files(own)[0])
            listed[name] = signals.points(own)
        else:
            paths[name] = _given(entry["points"], root, f"analyses/{name}/points")
            listed[name] = selection.read_points(paths[name])
    points = {name: table.points for name, table in listed.items()}
    wanted = {name: entry["select"] for name, entry in config["analyses"].items()}
    wanted |= _chosen(config["select"], points)
    found = {}
    for name, path in paths.items():
        try:
            selected = selection.select(points[name], wanted[name])
        except UserError as refusal:
            raise UserError(f"config key analyses/{name}/select: {refusal}") from None
        found[name] = Scan(path, listed[name], wanted[name], selected)
    return found


def signal(config: Mapping[str, Any], analysis: str, root: Path) -> dict[str, str]:
    """The user's own signal of an analysis, with paths; empty if it has the published ones.
    Raises UserError for a file or folder that is not there."""
    entry = config["analyses"][analysis]["signal"]
    if not any(entry.values()):
        return {}
    key = f"analyses/{analysis}/signal"
    return {
        form: str(_given(path, root, f"{key}/{form}")) if path else ""
        for form, path in entry.items()
    }


def likelihood_of(config: Mapping[str, Any], analysis: str) -> str:
    """The analysis that the likelihood of an analysis is fetched for: the one that its background
    is of, unless it gives an archive or a mirror of its own."""
    analyses = config["analyses"]
    other = analyses[analysis]["background_of"]
    if not other:
        return analysis
    entries = [analyses[name] | analyses[name]["likelihood"] for name in (analysis, other)]
    mine, theirs = (
        [entry[key] for key in ("doi", "size", "sha256", "mirror")] for entry in entries
    )
    return other if mine == theirs else analysis


def cross_sections(
    config: Mapping[str, Any], root: Path, scans: Mapping[str, Scan]
) -> dict[str, CrossSections | None]:
    """The table of theory cross-sections of each analysis, None without one. Raises UserError for
    a mistake in it, or a selected point that it does not cover."""
    tables: dict[str, CrossSections | None] = dict.fromkeys(config["analyses"])
    for name, entry in config["analyses"].items():
        if entry["cross_sections"]:
            labels = scans[name].listed.labels
            path = _given(entry["cross_sections"], root, f"analyses/{name}/cross_sections")
            table = read_cross_sections(path, labels)
            check_coverage(table, scans[name].points, labels)
            tables[name] = table
    return tables


def _chosen(wanted: Any, points: Mapping[str, Sequence[Point]]) -> dict[str, Any]:
    """What the general key `select` chooses of the analyses that hold any of it."""
    if wanted == "all":
        return dict.fromkeys(points, wanted)
    items = wanted if isinstance(wanted, list) else [wanted]
    if items in ([], [""]):
        return {}
    for item in items:
        opened, closed = (sum(map(str(item).count, pair)) for pair in ("([", ")]"))
        if isinstance(item, str) and opened != closed:
            raise UserError(
                f'config key select: "{printable(item)}" has a bracket without its partner; quote '
                "the whole for the shell, as in --config 'select=(900, 250)'"
            )
    chosen: dict[str, list[Any]] = {}
    refusals = []
    for name, listed in points.items():
        for entry in selection.entries(wanted, listed):
            try:
                selection.select(listed, [entry])
            except UserError as refusal:
                refusals.append((name, repr(entry), refusal))
            else:
                chosen.setdefault(name, []).append(entry)
    held = {repr(entry) for entries in chosen.values() for entry in entries}
    if repr(wanted) not in held and not held.issuperset(map(repr, items)):
        missing = {name: text for name, entry, text in refusals[::-1] if entry not in held}
        told = "; ".join(f"{name}: {missing[name]}" for name in points if name in missing)
        raise UserError(f"config key select: {told}")
    return chosen


def regions(likelihood: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The signal regions of a likelihood: background, its digest, and patchset or patches, by name;
    the name of the only one is empty if the config gives it none."""
    return likelihood["regions"] or {"": likelihood}


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


def _given(path: str, root: Path, key: str) -> Path:
    """A file or folder that must be there."""
    found = locate(path, root)
    if "{" in path or "}" in path:
        raise UserError(
            f"config key {key}: found {printable(path)}; expected a name without braces, which "
            "Snakemake takes for a wildcard; rename the file or folder"
        )
    if not found.exists():
        raise UserError(
            f"config key {key}: found neither {printable(path)} nor {printable(root / path)}; name "
            "a file that is there, or make it"
        )
    return found


def _inherit(analyses: Any) -> None:
    """Complete analyses that have the background of another one. Raises UserError."""
    if not isinstance(analyses, dict):
        return
    owners = [
        name
        for name, entry in analyses.items()
        if isinstance(entry, dict) and not entry.get("background_of")
    ]
    for name, entry in analyses.items():
        if not isinstance(entry, dict) or not entry.get("background_of"):
            continue
        key = f"config key analyses/{name}/background_of"
        if entry["background_of"] == name:
            raise UserError(
                f"{key}: {printable(name)} names itself; name the analysis whose published "
                f"background it takes: {printable(', '.join(owners))}"
            )
        base = analyses[known(str(entry["background_of"]), owners, f"{key}: analysis")]
        skipped = {*PLANE_KEYS, "planes"} if {"axes", "planes"} & entry.keys() else set()
        if "planes" not in entry and entry.get("axes") == base.get("axes"):
            skipped -= {"boundary", "where"}
        for key in INHERITED:
            if key in base and key not in entry and key not in skipped:
                entry[key] = copy.deepcopy(base[key])
                if key == "planes" and isinstance(entry[key], dict):
                    for plane in entry[key].values():
                        for own in ("labels", "published", "tolerance"):
                            if isinstance(plane, dict):
                                plane.pop(own, None)
        entry.setdefault("title", f"{name}, background of {base.get('title')}")


def _check_choices(entry: Mapping[str, Any], key: str) -> None:
    """Raise UserError where an analysis gives neither or both of two ways to say one thing."""
    own = ("background_of", "signal")
    _one_of(entry, key, ("points",), own, without=("points", own))
    forms = [form for form in FORMS if entry.get("signal", {}).get(form)]
    if entry.get("signal") and (
        len(forms) != 1 or (forms == ["patches"]) != bool(entry["signal"].get("table"))
    ):
        raise UserError(
            f"{key}/signal: found {' and '.join(entry['signal'])}; expected patchset, or patches "
            f"and table, or yields; {DOCUMENTED}"
        )
    _one_of(entry, key, ("axes",), ("planes",), without=("planes", PLANE_KEYS))
    likelihood, where = entry["likelihood"], f"{key}/likelihood"
    own = ("background", "background_digest", "patchset", "patches")
    _one_of(likelihood, where, own[:2], ("regions",), without=("regions", own))
    parts = {
        f"{where}/regions/{name}": part for name, part in likelihood.get("regions", {}).items()
    }
    for place, part in (parts or {where: likelihood}).items():
        _one_of(part, place, ("patchset",), ("patches",), without=("patches", ("patchset",)))


def _one_of(
    entry: Mapping[str, Any],
    key: str,
    first: Sequence[str],
    second: Sequence[str],
    *,
    without: tuple[str, Sequence[str]],
) -> None:
    """Check that all keys of `first` or of `second` are given, and with the key `without[0]` none
    of `without[1]`."""
    if not any(all(entry.get(name) for name in names) for names in (first, second)):
        raise UserError(
            f"{key}: {' and '.join(first)}, or else {' and '.join(second)}, must be given; "
            f"{DOCUMENTED}"
        )
    alone, others = without
    clash = [name for name in others if entry.get(alone) and entry.get(name)]
    if clash:
        raise UserError(
            f"{key}: {alone} cannot be given beside {' and '.join(clash)}: it takes their place; "
            f"{DOCUMENTED}"
        )


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
    if "propertyNames" in error.absolute_schema_path and "description" in error.schema:
        return _name_message(error, where)
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: {' and '.join(missing)} must be given; {DOCUMENTED}"
    described = " ".join(error.schema.get("description", "").split())
    expected = f"; expected: {described}" if described else f"; {DOCUMENTED}"
    return f"{where}: {masked(error.message)}{expected}"


def _name_message(error: ValidationError, where: str) -> str:
    """What is wrong with a name that a user chose."""
    found = f'found the name "{printable(error.instance)}"'
    if error.validator == "not":
        found += ", which the workflow needs itself"
    return f"{where}: {found}; expected {' '.join(error.schema['description'].split())}"


def _read_texts(value: Any, rules: Mapping[str, Any]) -> None:
    """Read numbers, true and false where the schema has them and the command line gave texts, as
    Snakemake does within `--config key={...}`, one text as the list of it, and 5.0 as the whole
    number that it is; drop blanks and line breaks around a text that has to match a pattern, and
    leave out keys, but no user's names, with nothing after the colon, in place."""
    if not isinstance(value, dict):
        return
    named = rules.get("propertyNames", {}).get("enum", ())
    for key, content in [*value.items()]:
        if not isinstance(key, str):
            raise UserError(
                f"config: found the key {printable(key)}, which is no text in YAML; quote it: "
                f'"{printable(key)}"'
            )
        rule = _rule(rules, key)
        if content is None and (key in rules.get("properties", {}) or key in named):
            del value[key]
        elif rule.get("type") in ("integer", "number", "boolean") and isinstance(content, str):
            with contextlib.suppress(yaml.YAMLError):
                value[key] = yaml.safe_load(content)
        elif rule.get("type") == "array" and isinstance(content, str):
            value[key] = [content] if content else []
        elif "pattern" in rule and isinstance(content, str):
            value[key] = content.strip()
        number = value.get(key)
        if rule.get("type") == "integer" and isinstance(number, float) and number.is_integer():
            value[key] = int(number)
        _read_texts(content, rule)


def _check_finite(value: Any, key: str = "") -> None:
    """Raise UserError for a number that is infinite or none (.inf, .nan): JSON has neither."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"config key {printable(key)}: found {value}; expected a finite number")
    if isinstance(value, dict | list):
        for part, content in value.items() if isinstance(value, dict) else enumerate(value):
            _check_finite(content, f"{key}/{part}".lstrip("/"))


def _rule(rules: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What the schema says about a key of an object; empty if it does not know it."""
    return rules.get("properties", {}).get(key) or rules.get("additionalProperties") or {}


def _add_defaults(value: Any, rules: Mapping[str, Any]) -> None:
    if not isinstance(value, dict):
        return
    for key, rule in rules.get("properties", {}).items():
        if key not in value and "default" in rule:
            value[key] = copy.deepcopy(rule["default"])
    for key, content in value.items():
        _add_defaults(content, _rule(rules, key))
