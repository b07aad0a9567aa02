"""Look closely at the fits of one signal point: the numbers as JSON, and figures of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import histfit
from recontour import cli, diagnostic_figures, diagnostics, measurements, unpacked
from recontour.errors import UserError
from recontour.files import sha256, write_json
from recontour.seals import seal_folder


def main() -> None:
    parser = unpacked.parser(__doc__)
    parser.add_argument("--measurement", required=True, help="its name, empty for the first")
    parser.add_argument("--patch", required=True, help="its name, or <region>/<name>")
    parser.add_argument("--title", required=True)
    parser.add_argument("--output", required=True, type=Path, help="folder")
    options = parser.parse_args()

    labels, patch, background, workspace = unpacked.patched(options, options.patch)
    file = options.backgrounds[patch.region]
    measurements.check_measurement(options.measurement, background, file)
    record: dict[str, Any] = {
        "name": patch.name,
        "region": patch.region,
        "values": dict(zip(labels, patch.values, strict=True)),
    }
    try:
        record |= diagnostics.diagnose(workspace, options.measurement)
    except histfit.HistfitError as error:
        raise UserError(f"patch {options.patch}: {error}") from None
    if record["poi"] is None:
        measurements.check_signal(workspace, background, options.measurement, patch.name)
    write_json(options.output / "diagnostics.json", record)
    diagnostic_figures.draw(record, options.title, options.output)
    seal_folder(options.output, {path: sha256(path) for path in sorted(options.output.iterdir())})
    print(f"{options.title}, {options.patch}")
    print("\n".join([*diagnostics.said(record), f"  {options.output}/"]))


if __name__ == "__main__":
    cli.main(main)
