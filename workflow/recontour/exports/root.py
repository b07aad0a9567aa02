"""The curves of a plane as TGraphs in a ROOT file, named as HistFitter's plotting reads them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recontour.errors import UserError
from recontour.exports import curves
from recontour.files import atomic_write

UPROOT = "uproot==5.7.7"
"""What writes ROOT files; not among what the workflow needs."""

GRAPHS = {
    "observed": "Obs_{}",
    "expected": "Exp_{}",
    "observed_up": "Obs_{}_Up",
    "observed_down": "Obs_{}_Down",
    "expected_m2": "SubGraphs/clsd2s_Contour_{}",
    "expected_m1": "SubGraphs/clsd1s_Contour_{}",
    "expected_p1": "SubGraphs/clsu1s_Contour_{}",
    "expected_p2": "SubGraphs/clsu2s_Contour_{}",
}
"""The TGraphs of the pieces of each curve, numbered from 0 as harvestToContours.py does."""

REASONS = "NoContour"
"""The folder with the reason, a TObjString, of each curve that has no contour."""


def write_root(path: Path | str, contours: Mapping[str, Any]) -> None:
    """Write a ROOT file of `contours` (the content of contours.json). Raises UserError if uproot is
    not installed. ROOT files hold the time when they were written."""
    try:
        import uproot
    except ModuleNotFoundError:
        raise UserError(
            f"{path}: writing ROOT files takes uproot, which is not installed; run "
            f'`pip install "{UPROOT}"`, or Snakemake with --software-deployment-method conda'
        ) from None
    x, y = map(curves.column, curves.axes(contours))
    buffer = io.BytesIO()
    with uproot.recreate(buffer) as file:
        for curve, pieces in curves.pieces(contours).items():
            for number, piece in enumerate(pieces):
                columns = dict(zip("xy", zip(*piece, strict=True), strict=True))
                graph = uproot.as_TGraph(columns, title=curve, xAxisLabel=x, yAxisLabel=y)
                file[GRAPHS[curve].format(number)] = graph
        for curve, reason in curves.missing(contours).items():
            file[f"{REASONS}/{curve}"] = reason
        content = buffer.getvalue()  # uproot closes the buffer
    with atomic_write(path, "wb") as target:
        target.write(content)
