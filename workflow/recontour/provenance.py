"""Where results come from: sources, checksums, versions, configuration, and the commit."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from recontour import __version__
from recontour.files import read_json, sha256

PACKAGES = (
    "snakemake",
    "numpy",
    "scipy",
    "orjson",
    "requests",
    "matplotlib",
    "contourpy",
)


def provenance(
    config: Mapping[str, Any],
    downloads: Iterable[Path | str],
    inputs: Iterable[Path | str],
    verification: Path | str,
    results: Iterable[Path | str],
    folder: Path | str,
    project: Path,
) -> dict[str, Any]:
    """The provenance of an analysis, whose results lie in `folder`.

    `downloads` are the records of what was fetched, `inputs` the tables that were given beside the
    config (of points, of cross-sections), `verification` the report on the likelihood, `results`
    the files to list with their checksums, and `project` the folder of the workflow.
    Those of a plane of the analysis are named `<plane>/<file>`.
    """
    sources = {_short(path, folder): path for path in downloads}
    return {
        "sources": {name: read_json(path) for name, path in sources.items()},
        "inputs": {_place(path, project): {"sha256": sha256(path)} for path in inputs},
        "likelihood": read_json(verification),
        "results": {
            Path(path).relative_to(folder).as_posix(): {"sha256": sha256(path)} for path in results
        },
        "config": config,
        "code": {"version": __version__, **commit(project)},
        "software": {"python": platform.python_version(), **versions(PACKAGES)},
        "platform": platform.platform(),
    }


def _short(path: Path | str, folder: Path | str) -> str:
    """What was fetched, of the file `<folder>/<plane>/download/<what>.json`; the likelihood may be
    that of another analysis."""
    place = Path(path).parents[1]
    plane = place.relative_to(folder) if place.is_relative_to(folder) else Path()
    return (plane / Path(path).stem).as_posix()


def _place(path: Path | str, project: Path) -> str:
    """A file as the config names it, if that is within the project's folder."""
    full = Path(path).absolute()
    return (full.relative_to(project) if full.is_relative_to(project) else Path(path)).as_posix()


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """The installed versions; None for a package that is not there."""
    return {package: _version(package) for package in packages}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def commit(project: Path) -> dict[str, Any]:
    """The git commit of the workflow and whether its files that git tracks were changed since; both
    None where git does not track it. A file COMMIT marks a copy of a commit's files."""
    noted = project / "COMMIT"
    if noted.is_file():
        return {"commit": noted.read_text(encoding="utf-8").strip(), "modified": False}
    if _git(project, "ls-files", "--error-unmatch", "workflow/Snakefile") is None:
        return {"commit": None, "modified": None}
    head = _git(project, "rev-parse", "HEAD")
    changes = _git(project, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return {"commit": head, "modified": None if changes is None else bool(changes)}


def _git(project: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", project, *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
