"""The table of results in its three forms, and the batches that it is made from."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from recontour import batches, imports, results
from recontour.errors import UserError
from recontour.likelihood import Point
from running import ROOT

LABELS = ("m1", "m2")
POINTS = (Point("b_900_250", (900, 250)), Point("a_1_2", (1, 2)), Point("c_3_4", (3.5, 4)))


@dataclass
class Fit:
    edm: float = 1.23456e-11
    starts: int = 1
    iterations: int = 5


@dataclass
class Result:
    """What results.py reads of a histfit.HypoTest."""

    CLs_obs: float = 0.4573416902360917
    CLs_exp: tuple[float, ...] = (0.01, 0.05, 0.16, 0.41, 0.74)
    has_signal: bool = True
    fits: dict[str, Fit] = field(
        default_factory=lambda: {"free": Fit(), "asimov": Fit(2e-10, 3, 8)}
    )


def table() -> results.Results:
    rows = (
        results.succeeded(POINTS[0], LABELS, Result()),
        results.failed(POINTS[1], LABELS, "the free fit did not converge, EDM 1,\n\x1b[2J"),
        results.succeeded(POINTS[2], LABELS, Result(CLs_obs=1e-300)),
    )
    return results.Results(LABELS, rows)


def test_the_columns_are_the_ones_that_others_read() -> None:
    assert results.columns(LABELS)[:10] == (
        *("name", "m1", "m2", "CLs_obs", "CLs_exp_m2", "CLs_exp_m1"),
        *("CLs_exp_0", "CLs_exp_p1", "CLs_exp_p2", "status"),
    )


def test_a_label_with_the_name_of_a_column_is_refused() -> None:
    with pytest.raises(UserError, match="CLs_obs"):
        results.columns(("m1", "CLs_obs"))


def test_the_quality_is_that_of_the_worst_fit_and_the_work_that_of_all() -> None:
    row = results.succeeded(POINTS[0], LABELS, Result())
    assert (row["edm"], row["starts"], row["iterations"]) == (2e-10, 3, 13)


def test_tests_with_a_varied_cross_section_belong_to_the_row_and_to_its_quality() -> None:
    up, down = Result(CLs_obs=0.4), Result(CLs_obs=0.5, fits={"free": Fit(3e-10, 4, 9)})
    row = results.succeeded(POINTS[0], LABELS, Result(), up, down)
    assert [row[column] for column in results.VARIED] == [0.4, 0.5]
    assert (row["edm"], row["starts"], row["iterations"]) == (3e-10, 4, 35)
    wrong = results.succeeded(POINTS[0], LABELS, Result(), up, Result(CLs_obs=float("nan")))
    assert wrong["status"] == "failed" and "CLs_obs_down is nan" in wrong["reason"]
    assert list(wrong) == list(row)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -0.1, 1.5])
def test_what_is_no_probability_is_a_failed_point(wrong: float) -> None:
    row = results.succeeded(POINTS[0], LABELS, Result(CLs_exp=(0.01, 0.05, wrong, 0.41, 0.74)))
    assert row["status"] == "failed"
    assert row["CLs_obs"] is None
    assert "CLs_exp_0" in row["reason"]


def test_the_csv_brings_back_every_double_and_leaves_failed_cells_empty(tmp_path: Path) -> None:
    results.write_csv(tmp_path / "cls.csv", table())
    with (tmp_path / "cls.csv").open(encoding="utf-8", newline="") as file:
        first, failed, last = csv.DictReader(file)
    assert float(first["CLs_obs"]) == 0.4573416902360917
    assert float(last["CLs_obs"]) == 1e-300
    assert (first["m1"], last["m1"]) == ("900", "3.5")
    assert failed["status"] == "failed"
    assert {failed[column] for column in results.CLS} == {""}
    assert "\n" not in failed["reason"]
    assert "\x1b" not in failed["reason"]


def test_the_json_has_the_order_and_the_content_of_the_csv(tmp_path: Path) -> None:
    results.write_csv(tmp_path / "cls.csv", table())
    results.write_rows_json(tmp_path / "cls.json", table())
    objects = json.loads((tmp_path / "cls.json").read_text(encoding="utf-8"))
    cells = results.read_cells(tmp_path / "cls.csv")
    assert [list(entry) for entry in objects] == [list(row) for row in cells]
    for entry, row in zip(objects, cells, strict=True):
        assert {k: "" if v is None else str(v) for k, v in entry.items()} == row


def test_the_json_is_read_back_with_its_labels(tmp_path: Path) -> None:
    results.write_rows_json(tmp_path / "cls.json", table())
    assert results.read_rows_json(tmp_path / "cls.json") == table()


def test_batches_are_joined_in_the_order_of_the_points(tmp_path: Path) -> None:
    rows = table().rows
    results.write_batch(tmp_path / "1-1.jsonl", rows[2:])
    results.write_batch(tmp_path / "2-3.jsonl", rows[:2])
    joined = results.join_batches([tmp_path / "1-1.jsonl", tmp_path / "2-3.jsonl"], POINTS, LABELS)
    assert joined == table()


def test_batches_without_a_point_or_of_other_points_are_refused(tmp_path: Path) -> None:
    results.write_batch(tmp_path / "1-2.jsonl", table().rows[:2])
    with pytest.raises(UserError, match="no result, or several, of c_3_4"):
        results.join_batches([tmp_path / "1-2.jsonl"], POINTS, LABELS)
    with pytest.raises(UserError, match="not selected"):
        results.join_batches([tmp_path / "1-2.jsonl"], POINTS[:1], LABELS)
    results.write_batch(tmp_path / "1-1.jsonl", table().rows[:1])
    moved = [Point("b_900_250", (900, 300))]
    with pytest.raises(UserError, match="no result, or several, of b_900_250"):
        results.join_batches([tmp_path / "1-1.jsonl"], moved, LABELS)


@pytest.mark.parametrize("line", ["", "{", '{"name": "a"}', "[]"])
def test_a_damaged_batch_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "1-1.jsonl"
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"1-1\.jsonl"):
        results.join_batches([path], POINTS[:1], LABELS)


@pytest.mark.parametrize(("points", "size"), [(1, 0), (12, 0), (125, 0), (125, 25), (125, 1)])
def test_batches_hold_every_point_once_and_in_order(points: int, size: int) -> None:
    names = batches.batch_names(points, size)
    assert [i for name in names for i in batches.members(range(points), name)] == [*range(points)]
    assert len(set(names)) == len(names)


def test_the_automatic_batches_of_1lbb_share_evenly_over_two_and_four_cores() -> None:
    assert batches.batch_names(125, 0) == ["1-32", "33-64", "65-96", "97-125"]


@pytest.mark.parametrize(("points", "jobs"), [(1_000, 8), (10_000, 10), (100_000, 98)])
def test_automatic_batches_of_large_scans_are_few_and_take_twenty_seconds_at_most(
    points: int, jobs: int
) -> None:
    assert len(batches.batch_names(points, 0)) == jobs


def test_new_points_at_the_end_leave_full_batches_as_they_are() -> None:
    before, after = batches.batch_names(125, 0), batches.batch_names(135, 0)
    assert after[: len(before) - 1] == before[:-1]


def test_the_sources_of_a_script_are_found_through_every_form_of_import(tmp_path: Path) -> None:
    (tmp_path / "package" / "inner").mkdir(parents=True)
    files = {
        "script.py": "import json, package.a\nfrom package import b\n"
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import package.checked\n",
        "package/__init__.py": "",
        "package/a.py": "from .inner.c import name\n",
        "package/b.py": "def f():\n    from . import d\n",
        "package/d.py": "",
        "package/checked.py": "",
        "package/unused.py": "",
        "package/inner/__init__.py": "",
        "package/inner/c.py": "from ..d import other\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = imports.sources(tmp_path / "script.py", tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in found] == [
        "script.py",
        "package/__init__.py",
        "package/a.py",
        "package/b.py",
        "package/d.py",
        "package/inner/__init__.py",
        "package/inner/c.py",
    ]


def test_what_is_imported_is_what_python_reads_as_imports_in_all_of_our_files() -> None:
    def run(node: ast.AST) -> Iterator[ast.AST]:
        yield node
        for child in ast.iter_child_nodes(node):
            if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
                yield from run(child)

    def names(path: Path) -> set[str]:
        found = set()
        for node in run(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                outer = path.relative_to(workflow).parts[: -node.level] if node.level else ()
                base = ".".join([*outer, *filter(None, [node.module])])
                found |= {f"{base}.{alias.name}" for alias in node.names}
        return found

    workflow = ROOT / "workflow"
    for path in workflow.rglob("*.py"):
        modules = [workflow.joinpath(*name.split(".")) for name in names(path)]
        modules += [module.parent for module in modules]
        files = {p for m in modules for p in (m.with_suffix(".py"), m / "__init__.py")}
        assert {p for p in files if p.is_file()} <= set(imports.sources(path, workflow)), path
