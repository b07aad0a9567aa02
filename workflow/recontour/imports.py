"""Which files of the workflow a script runs, so that a change in one of them reruns the right jobs.

Snakemake tracks a script, not what the script imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

IMPORT = re.compile(
    r"^ *(?:from +(\.*)([\w.]*) +import +(\([^)]*\)|.+)|import +(.+))$", re.MULTILINE
)
"""An import statement: the dots and the name of a package with what is taken from it, or modules.
To parse all files takes 0.4 s more at each start of Snakemake, be it that of a job on a cluster."""

FOR_TYPE_CHECKERS = re.compile(r"^if TYPE_CHECKING:\n(?:(?: .*)?\n)+", re.MULTILINE)
"""Statements that are not run."""


@cache
def sources(script: Path, folder: Path) -> tuple[Path, ...]:
    """`script`, and then the modules under `folder` that it imports, directly or through others."""
    found, new = set(), {script}
    while new:
        found |= new
        new = {module for path in new for module in _imported(path, folder)} - found
    return script, *sorted(found - {script})


@cache
def _imported(path: Path, folder: Path) -> tuple[Path, ...]:
    text = FOR_TYPE_CHECKERS.sub("", path.read_text(encoding="utf-8"))
    names = {name for found in IMPORT.findall(text) for name in _names(*found, path, folder)}
    return tuple({file for name in names for file in _files(name, folder)})


def _names(
    dots: str, package: str, parts: str, modules: str, path: Path, folder: Path
) -> Iterator[str]:
    """The modules that an import statement may mean, from the groups of `IMPORT`."""
    if modules:
        yield from re.findall(r"[\w.]+", modules)
    else:
        outer = path.relative_to(folder).parts[: -len(dots)] if dots else ()
        base = ".".join([*outer, *filter(None, [package])])
        yield from (f"{base}.{part}" for part in re.findall(r"\w+", parts))


@cache
def _files(module: str, folder: Path) -> tuple[Path, ...]:
    """The file of a module and those of the packages it lies in; none if it is not ours."""
    package = module.rpartition(".")[0]
    outer = _files(package, folder) if package else ()
    stem = folder.joinpath(*module.split("."))
    return *outer, *filter(Path.is_file, (stem.with_suffix(".py"), stem / "__init__.py"))
