"""What a user sees in the terminal: the summary, errors at the end, commands as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT, clone, snakemake
from scripts import summary

MANUAL = "config/README.md"
OF_DOCS = ("tutorial", "limits", "your_analysis", "your_model")
PAGES = ("README.md", MANUAL, *(f"workflow/docs/{page}.md" for page in OF_DOCS))
"""Pages whose commands are tried."""


def contours(x_unit: str = "GeV", y_unit: str = "GeV") -> dict[str, Any]:
    return {
        "axes": {"x": {"unit": x_unit}, "y": {"unit": y_unit}},
        "region": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
        "excluded_area": {"observed": 271084.9, "expected": 1234.5, "observed_up": 1.0},
        "region_area": 999.4,
    }


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        (("GeV", "GeV"), "271 000 GeV² observed, 1 230 GeV² expected, of 999 GeV² scanned"),
        (("TeV", "GeV"), "271 000 TeV·GeV observed, 1 230 TeV·GeV expected, of 999 TeV·GeV"),
        (("", ""), "271 000 observed, 1 230 expected, of 999 scanned"),
        (("GeV", ""), "271 000 GeV observed, 1 230 GeV expected, of 999 GeV scanned"),
    ],
)
def test_the_excluded_area_is_told_in_the_units_of_the_axes(
    units: tuple[str, str], expected: str
) -> None:
    assert expected in summary.extent(contours(*units))


def test_along_a_single_axis_the_excluded_ranges_are_told() -> None:
    line = {
        "axes": {"x": {"unit": "GeV"}},
        "region": [200.0, 450.0],
        "excluded": {"observed": [[200.0, 350.5], [400.0, 450.0]], "expected": []},
    }
    assert summary.extent(line).endswith("200 to 350.5 GeV, 400 to 450 GeV observed, none expected")


def test_where_failed_points_leave_nothing_to_draw_what_is_excluded_is_unknown() -> None:
    nothing = {"region": [], "reasons": {"observed": "4 of 4 points failed"}}
    plane, line = contours() | nothing, {"axes": {"x": {"unit": "GeV"}}} | nothing
    assert summary.extent(plane).endswith("area        unknown: 4 of 4 points failed")
    assert summary.extent(line).endswith("range       unknown: 4 of 4 points failed")


def test_the_results_of_few_points_are_told_and_those_of_many_are_not() -> None:
    row = {"name": "a", "status": "ok", "reason": "", "CLs_obs": 0.0123456, "CLs_exp_0": 0.5}
    assert "  CLs         a: 0.01235 observed, 0.5 expected" in summary.points([row] * 5)
    assert not any("CLs   " in line for line in summary.points([row] * 6))


def test_a_job_that_the_system_kills_is_an_error_too(tmp_path: Path) -> None:
    folder = clone(tmp_path)
    script = folder / "workflow/scripts/verify.py"
    dying = "def main() -> None:\n    import os\n\n    os.kill(os.getpid(), 9)\n"
    text = script.read_text(encoding="utf-8").replace("def main() -> None:\n", dying)
    script.write_text(text, encoding="utf-8")
    run = snakemake(folder, "results/demo/likelihood/patches.csv", project=folder)
    assert run.returncode != 0
    assert run.stdout.splitlines()[-1].startswith("error: stopped before any job said why")
    assert "scripts/verify.py" in run.stdout


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in a language; "" for those that name none."""
    text = (ROOT / page).read_text(encoding="utf-8")
    every = re.findall(r"^```([^\n]*)\n(.*?)^```", text, re.M | re.S)
    return [block for named, block in every if named == language]


def examples() -> list[str]:
    """The `snakemake` commands of shell blocks and of the manual's table, each once."""
    lines = "".join(block for page in PAGES for block in blocks(page, "sh")).splitlines()
    table = re.findall(
        r"`(snakemake [^`]*)` \|$", (ROOT / MANUAL).read_text(encoding="utf-8"), re.M
    )
    return list(dict.fromkeys([line for line in lines if line.startswith("snakemake ")] + table))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, and what the examples take as given: a mirror, a model, a scaffold's entry."""
    folder = clone(tmp_path_factory.mktemp("examples") / "recontour")
    for mirror in (folder / "PATH", folder.parent / "hepdata"):
        mirror.mkdir()
    (table,) = (block for block in blocks("README.md", "") if block.startswith("point,"))
    (folder / "yields.csv").write_text(table, encoding="utf-8")
    (model,) = (block for block in blocks("README.md", "yaml") if "background_of" in block)
    (folder / "mine.yaml").write_text(model, encoding="utf-8")
    shipped = yaml.safe_load((folder / "config/config.yaml").read_text(encoding="utf-8"))
    entry = {"analyses": {"multib": shipped["analyses"]["sbottom"]}}
    (folder / "config/multib.yaml").write_text(yaml.safe_dump(entry), encoding="utf-8")
    return folder


@pytest.mark.long
@pytest.mark.parametrize("command", examples())
def test_every_example_of_the_documentation_works_as_written(project: Path, command: str) -> None:
    _, *arguments = shlex.split(command, comments=True)
    run = snakemake(project, "--dry-run", *arguments, project=project)
    assert run.returncode == 0, run.stdout
