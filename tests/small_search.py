"""A search that is small enough to be run whole within a test: one channel, twelve points."""

from __future__ import annotations

import hashlib
import io
import json
import math
import tarfile
from pathlib import Path
from typing import Any

import yaml
from recontour import likelihood, tables

DOI = "10.5072/small.v1"
CONTOUR = [(330.0, 0.0), (330.0, 50.0), (330.0, 100.0)]
BROKEN, IMPOSSIBLE = "signal_300_50", "signal_400_0"


def background() -> dict[str, Any]:
    modifiers = [
        {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
        {"name": "staterror_SR", "type": "staterror", "data": [2.0, 1.0]},
    ]
    sample = {"name": "background", "data": [50.0, 20.0], "modifiers": modifiers}
    measurement = {"name": "NormalMeasurement", "config": {"poi": "mu_SIG", "parameters": []}}
    return {
        "channels": [{"name": "SR", "samples": [sample]}],
        "observations": [{"name": "SR", "data": [51.0, 19.0]}],
        "measurements": [measurement],
        "version": "1.0.0",
    }


def patchset() -> dict[str, Any]:
    return {
        "metadata": {
            "description": "a small search",
            "digests": {"sha256": likelihood.digest(background())},
            "labels": ["m1", "m2"],
            "references": {"hepdata": "ins1000000"},
        },
        "patches": [patch(m1, m2) for m1 in (200, 300, 400, 500) for m2 in (0, 50, 100)],
        "version": "1.0.0",
    }


def patch(m1: int, m2: int) -> dict[str, Any]:
    signal = 40.0 * math.exp(-(m1 - 200) / 100 - m2 / 500)
    sample = {
        "name": f"signal_{m1}_{m2}",
        "data": [signal, signal],
        "modifiers": [{"name": "mu_SIG", "type": "normfactor", "data": None}],
    }
    operation = {"op": "add", "path": "/channels/0/samples/1", "value": sample}
    return {"metadata": {"name": sample["name"], "values": [m1, m2]}, "patch": [operation]}


def with_two_bad_points() -> dict[str, Any]:
    """A patch for another background, and one under which 51 observed events cannot happen."""
    patches = patchset()
    for entry in patches["patches"]:
        if entry["metadata"]["name"] == BROKEN:
            entry["patch"][0]["path"] = "/channels/7/samples/1"
        if entry["metadata"]["name"] == IMPOSSIBLE:
            nothing = {"op": "replace", "path": "/channels/0/samples/0/data", "value": [0.0, 0.0]}
            entry["patch"] = [nothing]
    return patches


def write(folder: Path, patches: dict[str, Any] | None = None, **general: Any) -> dict[str, Any]:
    """Write a mirror and a config that names it, and return the config.

    `patches` is another patchset than ours; `general` holds general keys of the config.
    """
    patches = patches or patchset()
    mirror = folder / "mirror" / DOI
    mirror.mkdir(parents=True)
    archive = packed({"BkgOnly.json": background(), "patchset.json": patches})
    (mirror / "r1.tar.gz").write_bytes(archive)

    rows = "".join(f"{x},{y}\n" for x, y in CONTOUR)
    (mirror / "t1.csv").write_text(f"#: name: Contour\nm1 [GeV],m2 [GeV]\n{rows}", encoding="utf-8")
    digest = tables.table_digest(tables.read_table(mirror / "t1.csv"))

    points = [
        ",".join(map(str, (entry["metadata"]["name"], *entry["metadata"]["values"])))
        for entry in patches["patches"]
    ]
    (folder / "points.csv").write_text("\n".join(["name,m1,m2", *points, ""]), encoding="utf-8")

    analysis = {
        "title": "A small search",
        "likelihood": {
            "doi": f"{DOI}/r1",
            "size": len(archive),
            "sha256": hashlib.sha256(archive).hexdigest(),
            "background": "BkgOnly.json",
            "background_digest": likelihood.digest(background()),
            "patchset": "patchset.json",
        },
        "points": "points.csv",
        "axes": {"x": {"label": "m1", "title": "$m_1$"}, "y": {"label": "m2", "title": "$m_2$"}},
        "boundary": "m1 >= m2 + 50",
        "published": {
            curve: {
                "doi": f"{DOI}/t1",
                "record": "ins1000000",
                "table": "Contour",
                "version": 1,
                "digest": digest,
            }
            for curve in ("observed", "expected")
        },
    }
    config = {"run": ["small"], "mirror": "mirror", "analyses": {"small": analysis}} | general
    write_config(folder, config)
    return config


def write_config(folder: Path, config: dict[str, Any]) -> None:
    (folder / "config").mkdir(exist_ok=True)
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def packed(members: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
