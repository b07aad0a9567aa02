"""Write a file for each point with its CLs in the form of `pyhf cls`."""

from __future__ import annotations

import argparse
from pathlib import Path

from recontour import cli, results
from recontour.exports import pyhf_cls
from recontour.seals import seal_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cls", required=True, help="results as JSON")
    parser.add_argument("--folder", required=True, type=Path)
    options = parser.parse_args()

    rows = results.read_rows_json(options.cls).rows
    seal_folder(options.folder, pyhf_cls.write_folder(options.folder, rows))
    for row in rows:
        if row["status"] != "ok":
            print(f"left out: {row['name']}: {row['reason']}")


if __name__ == "__main__":
    cli.main(main)
