"""The measurement that is used of a workspace, and its parameter of interest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recontour.errors import UserError, known, printable

Workspace = Mapping[str, Any]


def check_measurement(name: str, spec: Workspace, file: str) -> None:
    """Raise UserError if the workspace in `file` has no measurement of this name, if one is
    given."""
    if name:
        names = [measurement["name"] for measurement in spec["measurements"]]
        known(name, names, f"config key likelihood/measurement: {file}: measurement")


def chosen(spec: Workspace, name: str) -> Mapping[str, Any]:
    """The measurement with this `name`; the first if it is empty, or there is none."""
    measurements: list[Mapping[str, Any]] = spec["measurements"]
    return next((entry for entry in measurements if entry["name"] == name), measurements[0])


def check_signal(spec: Workspace, background: Workspace, name: str, patch: str) -> None:
    """Check that the `patch` that made `spec` of the `background` adds no events, if the model has
    no parameter of interest: they could not scale with it, and all of them would be tested at any
    signal strength. `name` is that of the measurement. Raises UserError."""
    before = {(channel, sample["name"]) for channel, sample in _samples(background)}
    for channel, sample in _samples(spec):
        if (channel, sample["name"]) in before or not any(sample["data"]):
            continue
        used = chosen(spec, name)
        poi = used["config"]["poi"]
        factors = [m["name"] for m in sample["modifiers"] if m["type"] == "normfactor"]
        raise UserError(
            f"patch {patch}: adds sample {printable(sample['name'])} to channel "
            f"{printable(channel)}, but the parameter of interest of measurement "
            f'{printable(used["name"])}, "{printable(poi)}", scales no sample; expected among '
            f"the normfactors of the signal: {printable(', '.join(factors)) or 'none'}; name one "
            "of them in the measurement, or it in the patch"
        )


def _samples(spec: Workspace) -> list[tuple[str, Mapping[str, Any]]]:
    """Each sample with the name of its channel."""
    return [(part["name"], sample) for part in spec["channels"] for sample in part["samples"]]
