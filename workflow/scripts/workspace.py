"""Write the workspace of one signal point: its patch applied to the background."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recontour import cli, patches, regions
from recontour.files import read_json, write_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", required=True, type=Path, help="folder of the likelihood")
    parser.add_argument(
        "--backgrounds", required=True, type=json.loads, help="JSON: file in that folder, by region"
    )
    parser.add_argument("--patches", required=True, help="CSV file that lists the patches")
    parser.add_argument("--patch", required=True, help="its name, or <region>/<name>")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    patch = regions.find(patches.read_index(options.patches).patches, options.patch)
    background = read_json(options.members / options.backgrounds[patch.region])
    operations = patches.load_patch(options.members, patch)
    workspace = patches.apply(background, operations, patch.name)
    write_json(options.output, workspace)
    seal(options.output)

    before, after = samples(background), samples(workspace)
    for channel in sorted(before | after):
        print(f"{channel}\n  before: {before.get(channel)}\n  after:  {after.get(channel)}")


def samples(workspace: Mapping[str, Any]) -> dict[str, str]:
    """The names of the samples of each channel."""
    return {
        channel["name"]: ", ".join(sample["name"] for sample in channel["samples"])
        for channel in workspace["channels"]
    }


if __name__ == "__main__":
    cli.main(main)
