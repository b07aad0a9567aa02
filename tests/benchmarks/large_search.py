"""A search with any number of signal points, made of the 125 of ATLAS SUSY-2019-08 (1Lbb): each is
a published patch with its yields and their uncertainties scaled, at masses of its own."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from recontour.archive import unpack
from recontour.files import read_json
from recontour.likelihood import digest

PUBLISHED = "10.17182/hepdata.90607.v3/r3.tar.gz"
DOI = "10.5072/recontour.large.v1"
NAME = "large"
"""Of the analysis."""

_MARKED = re.compile(r'"@([^"]+)"')


@dataclass(frozen=True)
class Original:
    """A published patch: its name, masses in GeV, and its operations as published (indented), as
    the numbers of all its lists and the texts around them."""

    name: str
    masses: tuple[float, float]
    texts: list[str]
    numbers: np.ndarray

    def signal(self, number: int) -> tuple[str, tuple[float, float], str]:
        """Name, masses and JSON of a patch like this one, at masses up to 12.5 GeV higher on the
        same side of m1 = m2 + 125 GeV, with all yields lower by up to 10 % for it."""
        up, right = np.random.default_rng(number).uniform(0.0, 12.5, 2)
        masses = (round(self.masses[0] + up + right, 4), round(self.masses[1] + up, 4))
        scaled = ((1.0 - (up + right) / 250.0) * self.numbers).tolist()
        inner = "".join(map("{!r}{}".format, scaled, self.texts[1:]))
        metadata = {"name": f"{self.name}_{number}", "values": masses}
        text = f'{{"metadata": {json.dumps(metadata)}, "patch": {self.texts[0]}{inner}}}'
        return metadata["name"], masses, text


def write(folder: Path, mirror: Path, points: int) -> None:
    """Write to `folder` a mirror with the archive of this many signals, the table of points, and
    the config. The first signals are the same for any number of them."""
    unpack(mirror / PUBLISHED, folder, ["BkgOnly.json", "patchset.json"])
    background, patchset = folder / "BkgOnly.json", folder / "patchset.json"
    published = read_json(patchset)
    originals = [_original(entry) for entry in published["patches"]]
    archive = folder / "mirror" / DOI / "r1.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (
        patchset.open("w", encoding="utf-8") as file,
        (folder / "points.csv").open("w", encoding="utf-8") as table,
    ):
        file.write(f'{{"metadata": {json.dumps(published["metadata"])}, "patches": [')
        table.write("name,m1,m2\n")
        for number in range(points):
            name, masses, text = originals[number % len(originals)].signal(number)
            file.write(f"{', ' if number else ''}{text}")
            table.write(f"{name},{masses[0]},{masses[1]}\n")
        file.write('], "version": "1.0.0"}')
    with gzip.open(archive, "wb", 1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(background, background.name)
        tar.add(patchset, patchset.name)
    config = _config(archive, digest(read_json(background)), points)
    background.unlink()
    patchset.unlink()
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def _original(entry: dict[str, Any]) -> Original:
    text = json.dumps(_marked(entry["patch"]), indent=4)
    parts = _MARKED.split(text)
    name, masses = entry["metadata"]["name"], tuple(entry["metadata"]["values"])
    return Original(name, masses, parts[::2], np.array(parts[1::2], dtype=float))


def _marked(value: Any) -> Any:
    """`value` with a text in the place of every number that stands in a list."""
    if isinstance(value, dict):
        return {key: _marked(content) for key, content in value.items()}
    if isinstance(value, list):
        return [_marked(v) if isinstance(v, dict | list) else f"@{v!r}" for v in value]
    return value


def _config(archive: Path, background_digest: str, points: int) -> dict[str, Any]:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "run": [NAME],
        "mirror": "mirror",
        "archive_limits": {"total_bytes": 10**13, "ratio": 1000},
        "analyses": {
            NAME: {
                "title": f"{points} signals like those of 1Lbb",
                "likelihood": {
                    "doi": f"{DOI}/r1",
                    "size": archive.stat().st_size,
                    "sha256": found,
                    "background": "BkgOnly.json",
                    "background_digest": background_digest,
                    "patchset": "patchset.json",
                },
                "points": "points.csv",
                "axes": {
                    axis: {"label": label, "title": label, "unit": "GeV"}
                    for axis, label in (("x", "m1"), ("y", "m2"))
                },
                "boundary": "m1 >= m2 + 125",
            }
        },
    }
