"""Write a config entry and a table of points for a published likelihood.

For example: python workflow/scripts/scaffold.py 10.17182/hepdata.90607.v3/r3 --name 1Lbb
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from recontour import cli, config, discover, scaffold
from recontour.errors import UserError, printable
from recontour.fetch import fetch_resource
from recontour.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("doi", help="of the archive: the resource of a HEPData record")
    parser.add_argument("--name", help="of the analysis; made from the DOI if not given")
    parser.add_argument(
        "--mirror",
        default=os.environ.get("HEPDATA_MIRROR"),
        help="folder of copies filed by DOI, by default what HEPDATA_MIRROR names",
    )
    parser.add_argument("--folder", default=Path("config"), type=Path, help="where to write")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    options = parser.parse_args()

    name = options.name or re.sub(r"[^A-Za-z0-9]+", "_", options.doi.partition("/")[2]).strip("_")
    config.check_name(name)
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "archive")
        fetched = fetch_resource(
            options.doi, archive, size=None, sha256=None, mirror=options.mirror
        )
        found = discover.discover(archive, Path(scratch, "members"))
    groups = discover.groups(found.patches)
    if not groups:
        held = ", ".join(background.member for background in found.backgrounds)
        raise UserError(
            f"{options.doi}: holds the workspaces {printable(held)}, but no patches for them: "
            f"{'; '.join(map(printable, found.notes)) or 'no patch is there'}. To test signals of "
            "your own with such a background, see the key `signal` in config/README.md"
        )
    entries = []
    for number, group in enumerate(groups, 1):
        own = name if len(groups) == 1 else f"{name}_{number}"
        table = options.folder / "points" / f"{own}.csv"
        entries.append(
            scaffold.entry(own, group, options.doi, fetched.size, fetched.sha256, table.as_posix())
        )
    files = {options.folder / f"{name}.yaml": scaffold.config(entries)}
    files |= {options.folder / "points" / f"{entry.name}.csv": entry.points for entry in entries}
    for path in files:
        if path.exists() and not options.force:
            raise UserError(f"{path}: is there already; choose another --name, or add --force")
    for path, text in files.items():
        write_text(path, text)
    report(files, found.notes, entries)


def report(files: dict[Path, str], notes: list[str], entries: list[scaffold.Entry]) -> None:
    """Print what was written, what could not be known, and how to go on."""
    written, *_ = files
    print(f"Written: {', '.join(map(str, files))}\n")
    print(files[written])
    unknown = [
        f"{entry.name}: {line.strip()}"
        for entry in entries
        for line in entry.text.splitlines()
        if scaffold.UNKNOWN in line
    ]
    print("Could not be known, and is a guess or empty until you fill it in:")
    print("\n".join(f"  {line}" for line in unknown))
    for note in notes:
        print(f"  {printable(note)}")
    targets = " ".join(entry.name for entry in entries)
    print(f"\nTo run it as it is: snakemake --cores 2 --configfile {written} -- {targets}")


if __name__ == "__main__":
    cli.main(main)
