"""The signal points of two published likelihoods: 125 of ATLAS SUSY-2019-08 ("1Lbb"), and 650 of
ATLAS SUSY-2018-31 ("sbottom", regions A, B and C)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch
from recontour.archive import unpack

ARCHIVES = {
    "1Lbb": ("10.17182/hepdata.90607.v3/r3.tar.gz", ["BkgOnly.json", "patchset.json"]),
    "sbottom": (
        "10.17182/hepdata.89408.v3/r2.tar.gz",
        [f"Region{r}/{name}" for r in "ABC" for name in ("BkgOnly.json", "patch.*.json")],
    ),
}

Spec = dict[str, Any]


@dataclass(frozen=True)
class Likelihood:
    """A background and the JSON-Patch operations of every signal point by name."""

    name: str
    background: Spec
    patches: dict[str, list[Spec]]

    def workspace(self, point: str) -> Spec:
        """A signal point as pyhf reads it."""
        spec: Spec = jsonpatch.apply_patch(self.background, self.patches[point])
        return spec


def unpacked(mirror: Path, scratch: Path) -> Path:
    """The folder within `scratch` that holds both archives, unpacked if need be."""
    for name, (doi, members) in ARCHIVES.items():
        if not (scratch / name).exists():
            partial = scratch / f"{name}.partial"
            unpack(mirror / doi, partial, members)
            partial.rename(scratch / name)
    return scratch


def likelihoods(folder: Path) -> Iterator[Likelihood]:
    """1Lbb, and sbottomA, B and C, from where `unpacked` has put them; points in name order."""
    content = json.loads((folder / "1Lbb/patchset.json").read_bytes())
    patches = {p["metadata"]["name"]: p["patch"] for p in content["patches"]}
    yield _likelihood("1Lbb", folder / "1Lbb", patches)
    for region in "ABC":
        place = folder / f"sbottom/Region{region}"
        patches = {
            path.name.removeprefix("patch.").removesuffix(".json"): json.loads(path.read_bytes())
            for path in place.glob("patch.*.json")
        }
        yield _likelihood(f"sbottom{region}", place, patches)


def _likelihood(name: str, folder: Path, patches: dict[str, list[Spec]]) -> Likelihood:
    background = json.loads((folder / "BkgOnly.json").read_bytes())
    return Likelihood(name, background, dict(sorted(patches.items())))
