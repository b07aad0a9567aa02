"""CLs of each point as the command `pyhf cls` writes them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from recontour.files import sha256, write_text
from recontour.results import CLS, Row


def write_folder(folder: Path, rows: Iterable[Row]) -> dict[Path, str]:
    """Write `<name>.json` into `folder` for each point with a result (rows of cls.json): observed
    CLs, and the expected ones at −2…+2σ. There is no place for a status in that form, so failed
    points have no file. Returns the SHA-256 of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = {}
    for row in rows:
        if row["status"] == "ok":
            observed, *expected = (row[column] for column in CLS)
            path = folder / f"{row['name']}.json"
            content = {"CLs_exp": expected, "CLs_obs": observed}
            write_text(path, json.dumps(content, indent=4, allow_nan=False) + "\n")
            sums[path] = sha256(path)
    return sums
