"""Check the structure of workspaces, patchsets and patches.

The structure is that of pyhf's JSON schemas (version 1.0.0), written out by hand: a generic
validator needs seconds for a published workspace, and names no channel or sample. Checks return
what is wrong in words, or None, so that the right case costs nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from recontour.errors import UserError, printable

VERSION = "1.0.0"
DIGESTS = {"md5": re.compile(r"[a-f0-9]{32}"), "sha256": re.compile(r"[a-fA-F0-9]{64}")}
NAME = re.compile(r"[a-zA-Z0-9_]{1,200}")  # files are called so, too
HEPDATA_RECORD = re.compile(r"ins[0-9]{7}")

_MODIFIER_KEYS = {"name", "type", "data"}
_PARAMETER_LISTS = ("inits", "auxdata", "factors", "sigmas")
_PARAMETER_KEYS = {"name", "bounds", "fixed", *_PARAMETER_LISTS}
_OPERATIONS = {
    "add": "value",
    "replace": "value",
    "test": "value",
    "remove": None,
    "move": "from",
    "copy": "from",
}


def check_workspace(spec: Any, where: object, *, trusted: Mapping[str, Any] | None = None) -> None:
    """Check that `spec` is a workspace: pyhf's schema 1.0.0, names used once, and equal numbers of
    bins in a channel. Samples and measurements that are the same objects as in the already checked
    `trusted` are not checked again. Raises UserError naming channel, sample and modifier.
    """
    known = _parts(trusted) if trusted is not None else set()
    problem = _keys_problem(spec, {"channels", "measurements", "observations", "version"})
    if not problem and spec["version"] != VERSION:
        problem = f'"version" is {_show(spec["version"])}, expected "{VERSION}"'
    if not problem:
        problem = _workspace_problem(spec, known)
    if problem:
        raise UserError(
            f"{where}: {problem}: not a workspace that pyhf's schema {VERSION} allows; check that "
            "this is the likelihood's background file and that it is undamaged"
        )


def check_operations(operations: Any, where: object) -> None:
    """Check that `operations` is a list of JSON Patch operations. Raises UserError."""
    problem = _operations_problem(operations)
    if problem:
        raise UserError(f"{where}: {problem}; expected a list of JSON Patch operations (RFC 6902)")


def check_metadata(metadata: Any, where: object) -> None:
    """Check the metadata of a patchset. Raises UserError."""
    problem = _metadata_problem(metadata)
    if problem:
        raise UserError(
            f"{where}: metadata: {problem}: not a patchset that pyhf's schema {VERSION} allows"
        )


def point_problem(entry: Any) -> str | None:
    """What is wrong with the metadata of one patch of a patchset."""
    if type(entry) is not dict or not {"name", "values"} <= entry.keys():
        return 'metadata should be an object with "name" and "values"'
    if type(entry["name"]) is not str or not NAME.fullmatch(entry["name"]):
        return f"the name {_show(entry['name'])} is not made of letters, digits and _, at most 200"
    values = entry["values"]
    if type(values) is not list or any(type(v) not in (int, float, str) for v in values):
        return f"{entry['name']}: values {_show(values)} should be a list of numbers or texts"
    return None


def _parts(spec: Mapping[str, Any]) -> set[int]:
    """Identities of the samples and measurements of a workspace."""
    parts = {id(measurement) for measurement in spec["measurements"]}
    for channel in spec["channels"]:
        parts.update(map(id, channel["samples"]))
    return parts


def _workspace_problem(spec: dict[str, Any], known: set[int]) -> str | None:
    for kind in ("observations", "channels", "measurements"):
        problem = _named_list_problem(spec[kind], kind)
        if problem:
            return problem
    bins: dict[str, int] = {}
    for observation in spec["observations"]:
        problem = _keys_problem(observation, {"name", "data"}) or _list_problem(observation["data"])
        if problem:
            return f"observation {_show(observation['name'])}: {problem}"
        bins[observation["name"]] = len(observation["data"])
    for channel in spec["channels"]:
        problem = _channel_problem(channel, bins.get(channel["name"]), known)
        if problem:
            return f"channel {_show(channel['name'])}, {problem}"
    for measurement in spec["measurements"]:
        problem = id(measurement) not in known and _measurement_problem(measurement)
        if problem:
            return f"measurement {_show(measurement['name'])}: {problem}"
    return None


def _channel_problem(channel: dict[str, Any], bins: int | None, known: set[int]) -> str | None:
    problem = _keys_problem(channel, {"name", "samples"}) or _named_list_problem(
        channel["samples"], "samples"
    )
    if problem:
        return problem
    if bins is None:
        return "no observation has its name"
    for sample in channel["samples"]:
        if id(sample) in known and len(sample["data"]) == bins:
            continue
        problem = _sample_problem(sample, bins)
        if problem:
            return f"sample {_show(sample['name'])}, {problem}"
    return None


def _sample_problem(sample: dict[str, Any], bins: int) -> str | None:
    problem = _keys_problem(sample, {"name", "data", "modifiers"}) or _numbers_problem(
        sample["data"], bins
    )
    if problem:
        return f"data: {problem}"
    if type(sample["modifiers"]) is not list:
        return '"modifiers" should be a list'
    for modifier in sample["modifiers"]:
        problem = _modifier_problem(modifier, bins)
        if problem:
            name = modifier.get("name") if type(modifier) is dict else modifier
            return f"modifier {_show(name)}: {problem}"
    return None


def _modifier_problem(modifier: Any, bins: int) -> str | None:
    if type(modifier) is not dict or modifier.keys() != _MODIFIER_KEYS:
        return _keys_problem(modifier, _MODIFIER_KEYS)
    if type(modifier["name"]) is not str:
        return "its name should be a text"
    kind, data = modifier["type"], modifier["data"]
    if kind == "normsys":
        return _keys_problem(data, {"lo", "hi"}) or _list_problem([data["lo"], data["hi"]])
    if kind == "histosys":
        return (
            _keys_problem(data, {"lo_data", "hi_data"})
            or _numbers_problem(data["lo_data"], bins)
            or _numbers_problem(data["hi_data"], bins)
        )
    if kind in ("staterror", "shapesys"):
        return _numbers_problem(data, bins)
    if kind in ("normfactor", "shapefactor", "lumi"):
        if kind == "lumi" and modifier["name"] != "lumi":
            return 'a modifier of type lumi should have the name "lumi"'
        return None if data is None else f"data of a {kind} should be null, not {_show(data)}"
    return f"unknown type {_show(kind)}"


def _measurement_problem(measurement: dict[str, Any]) -> str | None:
    problem = _keys_problem(measurement, {"name", "config"})
    if problem:
        return problem
    config = measurement["config"]
    problem = _keys_problem(config, {"poi", "parameters"})
    if problem:
        return f"config: {problem}"
    if type(config["poi"]) is not str:
        return f'"poi" should be a text, not {_show(config["poi"])}'
    problem = _named_list_problem(config["parameters"], "parameters", least=0)
    if problem:
        return problem
    for parameter in config["parameters"]:
        problem = _parameter_problem(parameter)
        if problem:
            return f"parameter {_show(parameter['name'])}: {problem}"
    return None


def _parameter_problem(parameter: dict[str, Any]) -> str | None:
    unknown = parameter.keys() - _PARAMETER_KEYS
    if unknown:
        return f"unknown key {_show(min(unknown))}"
    if type(parameter.get("fixed", False)) is not bool:
        return '"fixed" should be true or false'
    for key in _PARAMETER_LISTS:
        problem = key in parameter and _list_problem(parameter[key])
        if problem:
            return f"{key}: {problem}"
    bounds = parameter.get("bounds", [[0, 1]])
    if type(bounds) is not list or not bounds:
        return "bounds should be a list of pairs"
    for pair in bounds:
        if _list_problem(pair) or len(pair) != 2:
            return f"bounds: {_show(pair)} is not a pair of numbers"
    return None


def _metadata_problem(metadata: Any) -> str | None:
    required = {"references", "digests", "labels", "description"}
    if type(metadata) is not dict or not required <= metadata.keys():
        return f"should be an object with the keys {_listing(required)}"
    if type(metadata["description"]) is not str:
        return '"description" should be a text'
    labels = metadata["labels"]
    if type(labels) is not list or not labels or not all(map(_is_name, labels)):
        return f'"labels" should be a list of names, not {_show(labels)}'
    if len(set(labels)) != len(labels):
        return f"labels {_show(labels)}: one stands twice"
    digests = metadata["digests"]
    if type(digests) is not dict or not digests or not digests.keys() <= DIGESTS.keys():
        return f'"digests" should be an object with {" or ".join(DIGESTS)}, not {_show(digests)}'
    for algorithm, stated in digests.items():
        if type(stated) is not str or not DIGESTS[algorithm].fullmatch(stated):
            return f"{_show(stated)} is not a {algorithm} digest"
    references = metadata["references"]
    if type(references) is not dict or references.keys() != {"hepdata"}:
        return f'"references" should be an object with "hepdata", not {_show(references)}'
    record = references["hepdata"]
    if type(record) is not str or not HEPDATA_RECORD.fullmatch(record):
        return f'{_show(record)} is not a HEPData record such as "ins1755298"'
    return None


def _operations_problem(operations: Any) -> str | None:
    if type(operations) is not list:
        return f"{_show(operations)} is not a list"
    for position, operation in enumerate(operations):
        problem = _operation_problem(operation)
        if problem:
            return f"operation {position}: {problem}"
    return None


def _operation_problem(operation: Any) -> str | None:
    if type(operation) is not dict:
        return f"{_show(operation)} is not an object"
    kind = operation.get("op")
    if type(kind) is not str or kind not in _OPERATIONS:
        return f'"op" is {_show(kind)}, expected {_listing(_OPERATIONS)}'
    for key in ("path", "from"):
        pointer = operation.get(key, "")
        if type(pointer) is not str or (pointer and not pointer.startswith("/")):
            return f'"{key}" is {_show(pointer)}, expected a path such as "/channels/0/samples/3"'
    missing = {"path", _OPERATIONS[kind] or "path"} - operation.keys()
    return f'{kind} needs "{min(missing)}"' if missing else None


def _is_name(label: Any) -> bool:
    return type(label) is str and NAME.fullmatch(label) is not None


def _named_list_problem(items: Any, kind: str, least: int = 1) -> str | None:
    """Is `items` a list of objects, each with a name of its own?"""
    if type(items) is not list or len(items) < least:
        return f'"{kind}" should be a list that is not empty'
    names: set[str] = set()
    for position, item in enumerate(items):
        if type(item) is not dict or type(item.get("name")) is not str:
            return f"{kind} {position}: expected an object with a name"
        if item["name"] in names:
            return f"the name {_show(item['name'])} stands twice in {kind}"
        names.add(item["name"])
    return None


def _numbers_problem(data: Any, bins: int) -> str | None:
    problem = _list_problem(data)
    if not problem and len(data) != bins:
        return f"{len(data)} numbers where the channel has {bins} bins"
    return problem


def _list_problem(data: Any) -> str | None:
    if type(data) is not list or not data:
        return f"{_show(data)} is not a list of numbers"
    for number in data:
        if type(number) is not float and type(number) is not int:
            return f"{_show(number)} is not a number"
    return None


def _keys_problem(item: Any, keys: set[str]) -> str | None:
    if type(item) is not dict:
        return f"{_show(item)} is not an object with the keys {_listing(keys)}"
    if item.keys() == keys:
        return None
    missing, unknown = keys - item.keys(), item.keys() - keys
    return f"missing key {_listing(missing)}" if missing else f"unknown key {_listing(unknown)}"


def _listing(names: Iterable[str]) -> str:
    shown = sorted(names)
    return ", ".join(f'"{printable(name)[:40]}"' for name in shown[:8])


def _show(found: Any) -> str:
    """What was found, short enough for an error."""
    if type(found) is str:
        return f'"{printable(found[:60])}"'
    if isinstance(found, list | dict):
        return f"a{'n object' if type(found) is dict else ' list'} of {len(found)}"
    return json.dumps(found)[:40]
