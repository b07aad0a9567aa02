"""Write the workspace of one signal point: its patch applied to the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recontour import cli, unpacked
from recontour.files import write_json
from recontour.seals import seal


def main() -> None:
    parser = unpacked.parser(__doc__)
    parser.add_argument("--patch", required=True, help="its name, or <region>/<name>")
    parser.add_argument("--output", required=True)
    options = parser.parse_args()

    point = unpacked.patched(options, options.patch)
    write_json(options.output, point.workspace)
    seal(options.output)

    before, after = samples(point.background), samples(point.workspace)
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
