"""Write a config entry and a table of points for a published likelihood.

For example: python workflow/scripts/scaffold.py 10.17182/hepdata.90607.v3/r3 --name 1Lbb
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recontour import cli, config, discover, mirrors, scaffold
from recontour.fetch import fetch_resource
from recontour.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("doi", help="of the archive: the resource of a HEPData record")
    parser.add_argument("--name", help="of the analysis; made from the DOI if not given")
    mirrors.add_option(parser)
    parser.add_argument("--folder", default=Path("config"), type=Path, help="where to write")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    options = parser.parse_args()

    name = options.name or scaffold.name_of(options.doi)
    config.check_name(name)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "archive")
        fetched = fetch_resource(
            options.doi, archive, size=None, sha256=None, mirror=options.mirror
        )
        found = discover.discover(archive, Path(scratch, "members"))
    entries = scaffold.entries(name, found, fetched, options.folder / "points")
    written = options.folder / f"{name}.yaml"
    texts = {written: scaffold.config(entries)} | {entry.table: entry.points for entry in entries}
    if not options.force:
        scaffold.refuse_to_replace(texts)
    for path, text in texts.items():
        write_text(path, text)
    print("\n".join(scaffold.said(texts, found.notes, entries)))


if __name__ == "__main__":
    cli.main(main)
