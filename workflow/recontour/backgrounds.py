"""The backgrounds of a likelihood, compiled once, under its signals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import histfit

from recontour import patches
from recontour.errors import UserError
from recontour.files import read_json
from recontour.likelihood import Patch
from recontour.measurements import check_measurement, check_signal


class Backgrounds:
    """The backgrounds of all signal regions, compiled once.

    Args:
        members: folder of the unpacked likelihood.
        files: each background's file in it, by region.
        measurement: name of the measurement to use, empty for the first.

    Raises:
        UserError: a background is no model, or has no such measurement.
    """

    def __init__(self, members: Path, files: Mapping[str, str], measurement: str = "") -> None:
        self._specs = {region: read_json(members / file) for region, file in files.items()}
        self._measurement = measurement
        self._compiled: dict[str, histfit.Background] = {}
        for region, file in files.items():
            spec = self._specs[region]
            check_measurement(measurement, spec, file)
            try:
                self._compiled[region] = histfit.Background(spec, measurement or None)
            except histfit.HistfitError as error:
                raise UserError(f"{file}: {error}") from None

    def model(self, patch: Patch, operations: list[dict[str, Any]]) -> histfit.Model:
        """The model of a signal: its patch with these operations, applied to the background of its
        region. Raises UserError or HistfitError."""
        background = self._specs[patch.region]
        workspace = patches.apply(background, operations, patch.name)
        model = self._compiled[patch.region].model(workspace)
        if model.poi is None:
            check_signal(workspace, background, self._measurement, patch.name)
        return model
