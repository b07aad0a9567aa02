"""Write the results of an analysis as a submission to HEPData: a folder, and the archive of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from recontour import cli, results
from recontour.exports import hepdata
from recontour.files import atomic_write, read_json, sha256, tar_gz
from recontour.seals import seal, seal_folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--title", required=True)
    parser.add_argument("--labels", required=True, type=json.loads, help="JSON: lines beside it")
    parser.add_argument("--doi", required=True, help="of the likelihood")
    parser.add_argument("--headings", required=True, type=json.loads, help="JSON: axes by label")
    parser.add_argument("--cls", required=True, type=Path, help="results as JSON")
    parser.add_argument("--limits", required=True, help="upper limits as JSON")
    parser.add_argument("--contours", nargs="*", type=Path, help="one a plane")
    parser.add_argument("--plane-labels", required=True, type=json.loads, help="JSON: of each")
    parser.add_argument("--submission", required=True, type=Path, help="submission.yaml to write")
    parser.add_argument("--archive", required=True)
    options = parser.parse_args()

    scan = results.read_rows_json(options.cls)
    limits = read_json(options.limits)
    tables = [
        hepdata.cls_table(scan.rows, scan.labels, options.headings),
        hepdata.limits_table(limits, scan.labels, options.headings),
    ]
    remarks = []
    for path, lines in zip(options.contours, options.plane_labels, strict=True):
        contours = read_json(path)
        plane = "" if path.parent == options.cls.parent else path.parent.name
        tables += hepdata.contour_tables(contours, plane, lines)
        remarks += hepdata.remarks(contours, plane)
    files = hepdata.submission(tables, options.title, options.labels, options.doi, remarks)
    folder = options.submission.parent
    for earlier in folder.glob("*.yaml"):  # a contour of then may not be there now
        earlier.unlink()
    for name, content in files.items():
        with atomic_write(folder / name, "wb") as file:
            file.write(content)
    with atomic_write(options.archive, "wb") as file:
        file.write(tar_gz(files))
    seal_folder(folder, {folder / name: sha256(folder / name) for name in files})
    seal(options.archive)


if __name__ == "__main__":
    cli.main(main)
