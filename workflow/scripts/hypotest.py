"""Compute CLs, observed and expected, of a batch of signal points at signal strength 1."""

from __future__ import annotations

import argparse
import traceback
from pathlib import Path

import histfit
from recontour import cli, patches, results, selection
from recontour.errors import UserError
from recontour.files import read_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", required=True, type=Path, help="folder of the likelihood")
    parser.add_argument("--background", required=True, help="file in that folder")
    parser.add_argument("--patches", required=True, help="CSV file that lists the patches")
    parser.add_argument("--output", required=True, help="JSON lines, one a point")
    parser.add_argument("points", nargs="+", help="names of the points")
    options = parser.parse_args()

    index = patches.read_index(options.patches)
    spec = read_json(options.members / options.background)
    try:
        background = histfit.Background(spec)
    except histfit.HistfitError as error:
        raise UserError(f"{options.background}: {error}") from None

    rows = []
    for patch in selection.select(index.patches, options.points):
        try:
            operations = patches.load_patch(options.members, patch)
            model = background.model(patches.apply(spec, operations, patch.name))
            row = results.succeeded(patch, index.labels, histfit.hypotest(model, mu=1.0))
        except (UserError, histfit.HistfitError) as error:
            row = results.failed(patch, index.labels, error)
        except Exception as error:  # whatever it is, it costs no other point its result
            traceback.print_exc()
            row = results.failed(patch, index.labels, repr(error))
        if row["status"] != "ok":
            print(f"{patch.name} failed: {row['reason']}")
        rows.append(row)
    results.write_batch(options.output, rows)


if __name__ == "__main__":
    cli.main(main)
