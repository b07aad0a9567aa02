"""Write the workspace of one signal point: its patch applied to the background."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recontour import cli, patches, selection
from recontour.files import read_json, write_json
from recontour.seals import seal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", required=True, type=Path, help="folder of the likelihood")
    parser.add_argument("--background", required=True, help="file in that folder")
    parser.add_argument("--patches", required=True, help="CSV file that lists the patches")
    parser.add_argument("--patch", required=True, help="name of the patch")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    background = read_json(options.members / options.background)
    (patch,) = selection.select(patches.read_index(options.patches).patches, options.patch)
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
