"""Fixtures that many tests share."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from running import PEAK, ROOT, clone, snakemake
from small_search import write

# before anything imports numpy: fits get slower with more threads, and much so on a busy machine
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# each of the hundreds of programs that are started would compile anew all that it imports
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SLOWEST = ("test_faults_run.py", "test_slurm.py", "test_workflow.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slowest files first: begun last, one would keep a worker busy after the others' end."""
    items.sort(key=lambda item: item.path.name not in SLOWEST)


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


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name`, filled by `make` once for all workers of pytest-xdist; to be read only."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, done = shared / name, shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            folder.mkdir()
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def finished_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run of the small search."""

    def make(folder: Path) -> None:
        write(folder)
        finishes(folder)

    return once(tmp_path_factory, "finished-small", make)


@pytest.fixture(scope="session")
def finished_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the demo has run; what it printed is in the file `output`."""
    return once(tmp_path_factory, "finished-demo", lambda folder: finishes(clone(folder), "demo"))


@pytest.fixture(scope="session")
def finished_1lbb(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Path:
    """A clone in which 1Lbb has run, as shipped; what it printed is in the file `output`."""

    def make(folder: Path) -> None:
        under = [sys.executable, "-c", PEAK]
        finishes(clone(folder), "--config", f"mirror={mirror}", under=under)

    return once(tmp_path_factory, "finished-1Lbb", make)


@pytest.fixture(scope="session")
def exported_1lbb(
    tmp_path_factory: pytest.TempPathFactory, mirror: Path, finished_1lbb: Path
) -> Path:
    """The same with its exports, which take upper limits: the minutes of fits of these are spent
    once."""

    def make(folder: Path) -> None:
        shutil.copytree(finished_1lbb, folder, dirs_exist_ok=True)
        root = "results/1Lbb/exports/contours.root"
        finishes(folder, "exports", root, "--config", f"mirror={mirror}")

    return once(tmp_path_factory, "exported-1Lbb", make)


@pytest.fixture(scope="session")
def finished_sbottom(tmp_path_factory: pytest.TempPathFactory, mirror: Path) -> Path:
    """A clone in which sbottom has run, as shipped."""

    def make(folder: Path) -> None:
        finishes(clone(folder), "sbottom", "--config", f"mirror={mirror}")

    return once(tmp_path_factory, "finished-sbottom", make)


def finishes(folder: Path, *arguments: str, under: Sequence[str] = ("env",)) -> None:
    """Run the workflow in a folder, of which it may be a clone; Snakemake starts as users start
    it."""
    project = folder if (folder / "Snakefile").exists() else ROOT
    run = snakemake(folder, *arguments, project=project, under=under)
    assert run.returncode == 0, run.stdout
    (folder / "output").write_text(run.stdout, encoding="utf-8")
