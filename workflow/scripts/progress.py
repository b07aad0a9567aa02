"""Say how many points of a run are done, how fast they come, and how long the rest takes.

For example: python workflow/scripts/progress.py --watch 10
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recontour import cli, progress

DAY = 86_400
"""The longest pause of `--watch`, in seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", default=".", type=Path, help="that snakemake runs in")
    parser.add_argument("--watch", type=seconds, metavar="SECONDS", help="repeat, until done")
    options = parser.parse_args()
    while True:
        found = progress.scans(options.folder)
        lines = [*progress.lines(found, time.time())] or ["this run has no points to compute"]
        print(*lines, sep="\n", flush=True)
        if not options.watch or all(scan.done >= scan.points for scan in found.values()):
            break
        time.sleep(options.watch)


def seconds(text: str) -> float:
    """The value of `--watch`."""
    found = float(text)
    if not 0.0 < found <= DAY:
        raise argparse.ArgumentTypeError(f"found {text}, expected more than 0, and {DAY} at most")
    return found


if __name__ == "__main__":
    cli.main(main)
