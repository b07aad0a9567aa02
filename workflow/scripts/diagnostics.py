"""Look closely at the fits of one signal point: the numbers as JSON, and figures of them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import histfit
from recontour import cli, diagnostic_figures, diagnostics, measurements, patches, regions
from recontour.errors import UserError
from recontour.files import read_json, sha256, write_json
from recontour.seals import seal_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", required=True, type=Path, help="folder of the likelihood")
    parser.add_argument(
        "--backgrounds", required=True, type=json.loads, help="JSON: file in that folder, by region"
    )
    parser.add_argument("--measurement", required=True, help="its name, empty for the first")
    parser.add_argument("--patches", required=True, help="CSV file that lists the patches")
    parser.add_argument("--patch", required=True, help="its name, or <region>/<name>")
    parser.add_argument("--title", required=True)
    parser.add_argument("--output", required=True, type=Path, help="folder")
    options = parser.parse_args()

    index = patches.read_index(options.patches)
    patch = regions.find(index.patches, options.patch)
    file = options.backgrounds[patch.region]
    background = read_json(options.members / file)
    measurements.check_measurement(options.measurement, background, file)
    operations = patches.load_patch(options.members, patch)
    workspace = patches.apply(background, operations, patch.name)
    record: dict[str, Any] = {
        "name": patch.name,
        "region": patch.region,
        "values": dict(zip(index.labels, patch.values, strict=True)),
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
