"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# before anything imports numpy: fits get slower with more threads, and much so on a busy machine
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of HEPData resources filed by DOI that HEPDATA_MIRROR names."""
    named = os.environ.get("HEPDATA_MIRROR")
    if not named:
        pytest.skip("needs HEPData files: set HEPDATA_MIRROR to a folder of copies filed by DOI")
    path = Path(named).resolve()
    if not path.is_dir():
        pytest.fail(f"HEPDATA_MIRROR names {named}, which is not a folder")
    return path


@pytest.fixture(scope="session")
def published_1lbb(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with BkgOnly.json and patchset.json of ATLAS SUSY-2019-08, unpacked."""
    from recontour.archive import unpack

    folder = tmp_path_factory.mktemp("1Lbb")
    archive = mirror / "10.17182/hepdata.90607.v3/r3.tar.gz"
    unpack(archive, folder, ["BkgOnly.json", "patchset.json"])
    return folder


@pytest.fixture(scope="session")
def finished_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run of the small search."""
    from running import snakemake
    from small_search import write

    folder = tmp_path_factory.mktemp("finished")
    write(folder)
    run = snakemake(folder)
    assert run.returncode == 0, run.stdout
    return folder
