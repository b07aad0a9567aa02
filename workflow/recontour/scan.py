"""What the programs that fit a batch of signal points have in common."""

from __future__ import annotations

import argparse
import json
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import histfit

from recontour import patches, results, selection
from recontour.backgrounds import Backgrounds
from recontour.errors import UserError
from recontour.likelihood import Point
from recontour.seals import seal

Compute = Callable[[Point, Sequence[str], histfit.Model], results.Row]
Fail = Callable[[Point, Sequence[str], object], results.Row]


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that say which points of which likelihood."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--members", required=True, type=Path, help="folder of the likelihood")
    arguments.add_argument(
        "--backgrounds", required=True, type=json.loads, help="JSON: file in that folder, by region"
    )
    arguments.add_argument("--measurement", required=True, help="its name, empty for the first")
    arguments.add_argument("--patches", required=True, help="CSV file that lists the patches")
    arguments.add_argument("--output", required=True, help="JSON lines, one a point and region")
    arguments.add_argument("points", nargs="+", help="names of the points")
    return arguments


def write(options: argparse.Namespace, compute: Compute, fail: Fail) -> None:
    """Write the row of each point, one a signal region if there are several: what `compute` makes
    of the point, the labels of its values and its model, or what `fail` makes of the reason why
    there is none."""
    index = patches.read_index(options.patches)
    backgrounds = Backgrounds(options.members, options.backgrounds, options.measurement)

    rows = []
    for patch in selection.select(index.patches, options.points):
        operations = patches.load_patch(options.members, patch)
        try:
            row = compute(patch, index.labels, backgrounds.model(patch, operations))
        except (UserError, histfit.HistfitError) as error:
            row = fail(patch, index.labels, error)
        except Exception as error:  # whatever it is, it costs no other point its result
            traceback.print_exc()
            row = fail(patch, index.labels, repr(error))
        if row["status"] != "ok":
            print(f"{patch.name} {patch.region} failed: {row['reason']}")
        if patch.region:
            row = results.in_region(row, index.labels, patch.region)
        rows.append(row)
    results.write_batch(options.output, rows)
    seal(options.output)
