"""Workspaces in memory, or as files? CPU time of both, for all points of a finished run:

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

from recontour.files import read_json, write_json
from recontour.patches import apply, load_patch, read_index


def timed(what: str, action: Callable[[], Any]) -> Any:
    start = time.process_time()
    result = action()
    print(f"{what:28} {time.process_time() - start:7.2f} s")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="folder of a run, such as results/1Lbb")
    parser.add_argument("--background", default="BkgOnly.json")
    options = parser.parse_args()
    members = options.results / "likelihood" / "members"
    patches = read_index(options.results / "likelihood" / "patches.csv").patches
    spec = read_json(members / options.background)

    operations = timed("read the patches", lambda: [load_patch(members, p) for p in patches])
    pairs = list(zip(patches, operations, strict=True))
    specs = timed("apply them in memory", lambda: [apply(spec, o, p.name) for p, o in pairs])
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{patch.name}.json" for patch in patches]
        timed("write workspaces", lambda: list(map(write_json, files, specs)))
        timed("read workspaces", lambda: list(map(read_json, files)))
        print(f"{'size of the files':28} {sum(f.stat().st_size for f in files) / 1e6:7.0f} MB")


if __name__ == "__main__":
    main()
