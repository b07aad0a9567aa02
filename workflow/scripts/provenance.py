"""Write down where the results of an analysis come from."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recontour import cli, provenance
from recontour.files import write_json
from recontour.seals import seal

PROJECT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, type=json.loads, help="JSON: effective config")
    parser.add_argument("--machine", required=True, type=json.loads, help="JSON: the rest of it")
    parser.add_argument("--verification", required=True, help="report on the likelihood")
    parser.add_argument("--inputs", required=True, nargs="+", help="tables beside the config")
    parser.add_argument("--results", required=True, nargs="+", help="files to list with checksums")
    parser.add_argument("--output", required=True, type=Path, help="in the folder of the results")
    parser.add_argument("downloads", nargs="+", help="records of what was fetched")
    options = parser.parse_args()

    content = provenance.provenance(
        options.config | options.machine,
        options.downloads,
        options.inputs,
        options.verification,
        options.results,
        options.output.parent,
        PROJECT,
    )
    write_json(options.output, content)
    seal(options.output)


if __name__ == "__main__":
    cli.main(main)
