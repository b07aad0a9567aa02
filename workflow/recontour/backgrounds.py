"""The backgrounds of a likelihood, compiled once, under its signals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import histfit

from recontour import patches
from recontour.errors import UserError
from recontour.measurements import check_measurement, check_signal
from recontour.unpacked import read_background


class Background:
    """The background of a signal region, compiled once.

    Args:
        spec: background-only workspace, in pyhf's schema.
        measurement: name of the measurement to use, empty for the first.
        where: what errors call the background.

    Attributes:
        spec: as given

    Raises:
        UserError: it is no model, or has no such measurement.
    """

    def __init__(self, spec: Mapping[str, Any], measurement: str, where: object) -> None:
        self.spec, self._measurement = spec, measurement
        try:
            self._compiled = histfit.Background(spec, measurement or None)
        except histfit.HistfitError as error:
            raise UserError(f"{where}: {error}") from None

    def workspace(self, operations: list[dict[str, Any]], name: str) -> dict[str, Any]:
        """The workspace that the operations of the patch `name` make of it. Raises UserError."""
        return patches.apply(self.spec, operations, name)

    def model(self, workspace: Mapping[str, Any], name: str) -> histfit.Model:
        """The model of the workspace that the patch `name` made. Raises UserError or HistfitError,
        the former also where the patch adds events that do not scale with the POI."""
        model = self._compiled.model(workspace)
        if model.poi is None:
            check_signal(workspace, self.spec, self._measurement, name)
        return model


def read(members: Path, files: Mapping[str, str], measurement: str) -> dict[str, Background]:
    """The backgrounds of all signal regions, by region, from their `files` in the folder of the
    unpacked likelihood. Raises UserError."""
    backgrounds = {}
    for region, file in files.items():
        spec = read_background(members, file)
        check_measurement(measurement, spec, file)
        backgrounds[region] = Background(spec, measurement, file)
    return backgrounds
