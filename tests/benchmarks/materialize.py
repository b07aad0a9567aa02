"""What it takes from an archive to the workspaces of its points, and what it would take to write
those to files: CPU time a point, the least of several times, for a finished run:

python tests/benchmarks/materialize.py results/1Lbb
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))

from recontour import cli
from recontour.archive import unpack
from recontour.files import read_json, write_json
from recontour.likelihood import index_patchset
from recontour.patches import apply, load_patch, read_index

REPEATS = 5


def timed(what: str, points: int, action: Callable[[], Any]) -> Any:
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        result = action()
        times.append(time.process_time() - start)
    print(f"{what:28} {1e3 * min(times) / points:7.2f} ms a point")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder of a run, such as results/1Lbb")
    parser.add_argument("--background", default="BkgOnly.json")
    parser.add_argument("--patchset", default="patchset.json")
    options = parser.parse_args()
    archive = options.results / "download" / "likelihood.archive"
    members = options.results / "likelihood" / "members"
    patches = read_index(options.results / "likelihood" / "patches.csv").patches
    spec = read_json(members / options.background)
    points = len(patches)

    with tempfile.TemporaryDirectory() as folder:
        wanted = [options.background, options.patchset]
        timed("unpack the archive", points, lambda: unpack(archive, folder, wanted))
        timed("verify the patchset", points, lambda: index_patchset(members / options.patchset))
    operations = timed("read patches", points, lambda: [load_patch(members, p) for p in patches])
    pairs = list(zip(patches, operations, strict=True))
    specs = timed("apply them", points, lambda: [apply(spec, o, p.name) for p, o in pairs])
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{patch.name}.json" for patch in patches]
        timed("(write workspaces", points, lambda: list(map(write_json, files, specs)))
        timed(" and read them)", points, lambda: list(map(read_json, files)))


if __name__ == "__main__":
    cli.main(main)
