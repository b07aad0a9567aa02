"""Which files of the workflow a script runs, so that a change in one of them reruns the right jobs.

Snakemake tracks a script, not what the script imports.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def sources(script: Path, folder: Path) -> list[Path]:
    """`script`, and then the modules under `folder` that it imports, directly or through others."""
    found = [script]
    for path in found:  # grows while we walk it
        found += (module for module in _imported(path, folder) if module not in found)
    return [script, *sorted(found[1:])]


@cache
def _imported(path: Path, folder: Path) -> tuple[Path, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"), path)
    names = {name for node in _run(tree) for name in _names(node, path, folder)}
    return tuple({file for name in names for file in _files(name, folder)})


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a syntax tree, without what only type checkers read."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from _run(child)


def _names(node: ast.AST, path: Path, folder: Path) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        package = path.relative_to(folder).parts[: -node.level] if node.level else ()
        base = ".".join([*package, *filter(None, [node.module])])
        yield from (f"{base}.{alias.name}" for alias in node.names)


@cache
def _files(module: str, folder: Path) -> tuple[Path, ...]:
    """The file of a module and those of the packages it lies in; none if it is not ours."""
    package = module.rpartition(".")[0]
    outer = _files(package, folder) if package else ()
    stem = folder.joinpath(*module.split("."))
    return *outer, *filter(Path.is_file, (stem.with_suffix(".py"), stem / "__init__.py"))
