"""What the programs that fit a batch of signal points have in common."""

from __future__ import annotations

import argparse
import json
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import histfit
import numpy as np
import scipy

from recontour import backgrounds, patches, results, unpacked
from recontour.errors import UserError
from recontour.files import sha256
from recontour.journal import Journal
from recontour.likelihood import Patch, Point
from recontour.seals import seal

Compute = Callable[[Point, Sequence[str], histfit.Model], results.Row]
Fail = Callable[[Point, Sequence[str], object], results.Row]


def parser(description: str | None) -> argparse.ArgumentParser:
    """The arguments that say which points of which likelihood."""
    arguments = unpacked.parser(description)
    arguments.add_argument("--measurement", required=True, help="its name, empty for the first")
    arguments.add_argument("--code", nargs="+", default=[], help="files that rows depend on")
    arguments.add_argument("--journal", required=True, type=Path, help="folder of rows known")
    arguments.add_argument("--output", required=True, help="JSON lines, one a point and region")
    arguments.add_argument("--points", nargs="+", required=True, help="names of the points")
    return arguments


def write(
    options: argparse.Namespace, compute: Compute, fail: Fail, inputs: Sequence[str] = ()
) -> None:
    """Write the row of each point, one a signal region if there are several: what `compute` makes
    of the point, the labels of its values and its model, or what `fail` makes of the reason why
    there is none. `inputs` are further files that rows depend on."""
    index = patches.read_index(options.patches, options.points)
    chosen = index.patches
    if lost := {*options.points} - {patch.name for patch in chosen}:
        raise UserError(
            f"{options.patches}: found no patch of {', '.join(sorted(lost)[:5])}; expected one "
            "of every point of the job; delete the file and run again"
        )
    name = Path(options.output).stem
    context = _context(options, index.labels, inputs)
    with Journal(options.journal, name, context, chosen) as journal:
        known = dict(journal.entries)
        missing = [patch for patch in chosen if patch not in known]
        print(f"{len(chosen)} rows, {len(known)} of them known from an earlier job")
        rows = {patch: entry.row for patch, entry in known.items()}
        for patch, row, seconds in _computed(options, index.labels, missing, compute, fail):
            if row["status"] == "failed":
                print(f"{patch.name} {patch.region} failed: {row['reason']}")
            else:
                journal.add(patch, row, seconds)
            rows[patch] = row
    results.write_batch(options.output, [rows[patch] for patch in chosen])
    seal(options.output)


def _computed(
    options: argparse.Namespace,
    labels: Sequence[str],
    missing: Sequence[Patch],
    compute: Compute,
    fail: Fail,
) -> Iterator[tuple[Patch, results.Row, float]]:
    """The rows of patches, with the seconds of CPU time that model and fits took."""
    if not missing:
        return
    by_region = backgrounds.read(options.members, options.backgrounds, options.measurement)
    for patch in missing:
        background = by_region[patch.region]
        operations = patches.load_patch(options.members, patch)
        start = time.process_time()
        try:
            workspace = background.workspace(operations, patch.name)
            row = compute(patch, labels, background.model(workspace, patch.name))
        except (UserError, histfit.HistfitError) as error:
            row = fail(patch, labels, error)
        except MemoryError:
            raise  # no fault of the point: on a cluster, the job is repeated with more memory
        except Exception as error:  # whatever it is, it costs no other point its result
            traceback.print_exc()
            row = fail(patch, labels, repr(error))
        seconds = time.process_time() - start
        if patch.region:
            row = results.in_region(row, labels, patch.region)
        yield patch, row, seconds


def _context(options: argparse.Namespace, labels: Sequence[str], inputs: Sequence[str]) -> str:
    """All that rows depend on, save for their patches."""
    files = {
        "backgrounds": [options.members / file for file in options.backgrounds.values()],
        "code": sorted(options.code),
        "inputs": inputs,
    }
    sums = {what: [sha256(path) for path in paths] for what, paths in files.items()}
    versions = {"numpy": np.__version__, "scipy": scipy.__version__}
    own = {
        "measurement": options.measurement,
        "regions": list(options.backgrounds),
        "labels": list(labels),
    }
    return json.dumps(sums | versions | own)
