"""What a user sees in the terminal: the summary, errors at the end, commands as written."""

from __future__ import annotations

import csv
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small_search
import yaml
from recontour import cross_sections, summary
from recontour.files import write_json
from running import ROOT, clone, planned, snakemake

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


def test_distances_from_the_published_contour_are_told_without_exponents() -> None:
    found = {"median": 1234.5, "p90": 34567.8, "max": None, "overlap": 0.96719}
    found |= {"verdict": "reproduced", "disagreements": [], "covered": 1.0}
    comparison = {"verdict": "reproduced", "units": {"x": "MeV"}, "no_distances": "", "reasons": []}
    _, line = summary.agreement(comparison | {"curves": {"observed": found}})
    assert line == (
        "  observed    reproduced: distance median 1230 MeV, 90 % 34600 MeV, largest none MeV; "
        "overlap 0.967; points on the other side: none"
    )
    part = found | {"covered": 0.58215}
    _, line = summary.agreement(comparison | {"curves": {"observed": part}})
    assert "largest none MeV; compared: the 58 % of the published contour among the points" in line


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


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("demo_2", 'target "demo_2" is unknown; did you mean "demo"?'),
        ("reprot", 'target "reprot" is unknown; did you mean "report"?'),
        ("upper_limit", 'target "upper_limit" is unknown; did you mean "upper_limits"?'),
        (
            "results/dmo/cls.csv",
            'results/dmo/cls.csv: analysis "dmo" is unknown; did you mean "demo"?',
        ),
        ("results/demo", 'target "results/demo" is unknown; valid: 1Lbb, sbottom, demo, exports'),
    ],
)
def test_a_mistyped_target_is_told_with_the_nearest(tmp_path: Path, target: str, told: str) -> None:
    run = snakemake(clone(tmp_path), "--dry-run", target, project=tmp_path)
    assert run.returncode != 0
    assert told in run.stdout.splitlines()[-1]


@pytest.mark.parametrize("table", ["points", "results/old/points.csv"])
def test_files_of_the_user_are_taken_for_no_target(tmp_path: Path, table: str) -> None:
    settings = small_search.write(tmp_path)
    settings["analyses"]["small"]["points"] = table
    (tmp_path / table).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "points.csv").rename(tmp_path / table)
    small_search.write_config(tmp_path, settings)
    run = snakemake(tmp_path, "--dry-run", "--forceall")
    assert run.returncode == 0, run.stdout
    assert "unknown" not in planned(run.stdout)


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


def write_model(folder: Path) -> None:
    """What README.md says to write for a model of one's own."""
    (folder / "yields.csv").write_text(table_of_readme("point,"), encoding="utf-8")
    (model,) = (block for block in blocks("README.md", "yaml") if "background_of" in block)
    (folder / "mine.yaml").write_text(model, encoding="utf-8")


def table_of_readme(start: str) -> str:
    (table,) = (block for block in blocks("README.md", "") if block.startswith(start))
    return table


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, and what the examples take as given: a mirror, a model, a scaffold's entry."""
    folder = clone(tmp_path_factory.mktemp("examples") / "recontour")
    for mirror in (folder / "PATH", folder.parent / "hepdata"):
        mirror.mkdir()
    write_model(folder)
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


def test_a_model_of_ones_own_runs_as_the_readme_has_it(mirror: Path, tmp_path: Path) -> None:
    folder = clone(tmp_path)
    write_model(folder)
    (command,) = (
        line for line in examples() if "mymodel --configfile" in line and "1Lbb" not in line
    )
    run = snakemake(folder, *shlex.split(command)[1:], project=folder, HEPDATA_MIRROR=str(mirror))
    assert run.returncode == 0, run.stdout
    assert re.search(r"CLs +my_500_100: 0\.\d+ observed, 0\.\d+ expected", run.stdout)
    assert not list(folder.glob("results/mymodel/exclusion.*"))


def test_the_cross_sections_of_the_readme_are_the_published_ones_of_both_charges(
    mirror: Path, tmp_path: Path
) -> None:
    published = mirror.parent / "reference" / "wino_C1N2_cross_section_13TeV.csv"
    if not published.exists():
        pytest.skip(f"needs the theory cross-sections at {published}")
    (tmp_path / "wino.csv").write_text(table_of_readme("m1,"), encoding="utf-8")
    table = cross_sections.read(tmp_path / "wino.csv", ["m1", "m2"])
    with published.open(encoding="utf-8", newline="") as file:
        rows = {int(mass): map(float, others) for mass, *others in list(csv.reader(file))[1:]}
    assert len(table.rows) == 2
    for (mass,), found in table.rows.items():
        minus, minus_unc, plus, plus_unc = rows[mass]
        assert found.value == pytest.approx(1e-3 * (minus + plus), rel=1e-9)
        assert found.uncertainty == pytest.approx((minus_unc + plus_unc) / (minus + plus), rel=2e-3)


def test_the_fit_module_runs_in_python_as_the_readme_starts_it(tmp_path: Path) -> None:
    (named,) = re.findall(r"^(\w+)=(\S+) python$", "".join(blocks("README.md", "sh")), re.M)
    (code,) = (block for block in blocks("README.md", "python") if "import json, histfit" in block)
    spec = small_search.background()
    spec["channels"][0]["samples"].append(small_search.patch(200, 0)["patch"][0]["value"])
    folder = clone(tmp_path)
    (file,) = re.findall(r'open\("(\S+)"\)', code)
    write_json(folder / file, spec)
    shown = f"{code}\nprint(result.CLs_obs)"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    made = subprocess.run(
        [sys.executable, "-c", shown],
        cwd=folder,
        env=environment | dict([named]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert 0.0 < float(made.stdout) < 1.0
