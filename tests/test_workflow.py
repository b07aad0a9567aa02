"""The workflow as a whole: real `snakemake` runs, from the archive to the figure."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyhf
import pytest
import yaml
from running import ROOT, clone, planned, rows, snakemake
from small_search import background, packed, patchset, write, write_config

FIGURE = ("cls.csv", "cls.json", "harvest.json", "contours.json", "comparison.json")


def errors(run: subprocess.CompletedProcess[str]) -> list[str]:
    """The errors of a run that failed: each is printed once, and nothing comes after them."""
    assert run.returncode != 0
    last = run.stdout.splitlines()[-run.stdout.count("error: ") :]
    assert all(line.startswith("error: ") for line in last), run.stdout
    assert len(set(last)) == len(last)
    assert "Traceback" not in run.stdout
    assert "\x1b" not in run.stdout
    return last


@pytest.fixture(scope="module")
def demo(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the demo, in a copy of the project."""
    return Path(shutil.copytree(finished_demo, tmp_path_factory.mktemp("workflow") / "demo"))


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A folder with a small search and its config, of which nothing has been computed."""
    return tmp_path, write(tmp_path)


def test_the_demo_runs_to_the_figure_and_ends_with_what_it_found(demo: Path) -> None:
    results = demo / "results" / "demo"
    for file in (*FIGURE, "exclusion.png", "exclusion.pdf", "provenance.json", "summary.txt"):
        assert (results / file).stat().st_size > 0, file
    output = (demo / "output").read_text(encoding="utf-8")
    end = output[-1500:]
    assert "56 done, 0 failed" in end
    assert "area        27 100 GeV² observed, 41 200 GeV² expected, of 97 500 GeV² scanned" in end
    assert "results/demo/exclusion.png" in end
    assert "14 of 14 steps (100%) done" in output
    assert "    input: " not in output  # progress, not a wall of text
    assert "\x1b" not in output
    comparison = json.loads((results / "comparison.json").read_text(encoding="utf-8"))
    assert comparison["verdict"] == "reproduced"


def test_the_demos_cls_are_those_that_pyhf_gives(demo: Path) -> None:
    """pyhf run to convergence made the reference (workflow/demo/README.md): every one of 56 x 6."""
    mirror = ROOT / "workflow/demo/mirror/10.5072/recontour.demo.v1"
    text = (mirror / "t3.csv").read_text(encoding="utf-8").splitlines()
    reference = list(csv.reader(line for line in text if line and not line.startswith("#")))[1:]
    ours = {(row["m1"], row["m2"]): row for row in rows(demo / "results/demo/cls.csv")}
    assert len(reference) == len(ours) == 56
    for m1, m2, *cls in reference:
        mine = ours[f"{float(m1):g}", f"{float(m2):g}"]
        assert mine["status"] == "ok"
        found = [float(value) for key, value in mine.items() if key.startswith("CLs_")]
        assert found == pytest.approx([float(value) for value in cls], abs=1e-6, rel=0)


def test_csv_and_json_hold_the_same_rows_in_the_order_of_the_table_of_points(demo: Path) -> None:
    results = demo / "results" / "demo"
    table = rows(results / "cls.csv")
    objects = json.loads((results / "cls.json").read_text(encoding="utf-8"))
    points = rows(demo / "config/points/demo.csv")
    assert [row["name"] for row in table] == [row["name"] for row in points]
    cells = [{k: "" if v is None else str(v) for k, v in row.items()} for row in objects]
    assert cells == table
    harvest = json.loads((results / "harvest.json").read_text(encoding="utf-8"))
    assert [entry["CLs"] for entry in harvest] == [row["CLs_obs"] for row in objects]


def test_a_second_run_has_nothing_to_do(demo: Path) -> None:
    assert "Nothing to be done" in snakemake(demo, "demo", project=demo).stdout


def test_a_change_of_formula_style_or_template_repeats_fits_figure_or_page(demo: Path) -> None:
    def jobs_after_a_change_of(module: str, *, older: bool = False) -> dict[str, int]:
        path = demo / "workflow" / module
        before = path.read_text(encoding="utf-8")
        path.write_text(before + "\nCHANGED = True\n", encoding="utf-8")
        if older:  # as tar and rsync leave it
            os.utime(path, (1e9, 1e9))
        try:
            return planned(snakemake(demo, "-n", "demo", project=demo).stdout)
        finally:
            path.write_text(before, encoding="utf-8")

    figure = jobs_after_a_change_of("recontour/figure.py")
    assert figure == {"plot": 1, "page": 1, "summary": 1, "demo": 1}
    fits = jobs_after_a_change_of("histfit/interpolation.py")
    assert fits.keys() >= {"hypotest", "aggregate", "contour", "compare", "plot", "summary"}
    assert not fits.keys() & {"fetch_likelihood", "fetch_table", "verify"}
    assert jobs_after_a_change_of("histfit/interpolation.py", older=True) == fits
    page = jobs_after_a_change_of("report/page.css", older=True)
    assert page == {"page": 1, "demo": 1}


def test_a_changed_title_repeats_all_that_shows_it_in_one_run(demo: Path) -> None:
    changed = ("-n", "demo", "--config", "analyses={demo: {title: New}}")
    jobs = planned(snakemake(demo, *changed, project=demo).stdout)
    assert jobs == {"plot": 1, "provenance": 1, "page": 1, "summary": 1, "demo": 1}


def test_both_entries_plan_the_same_jobs(tmp_path: Path) -> None:
    folder = clone(tmp_path)
    mine = snakemake(folder, "-n", project=folder, HEPDATA_MIRROR="workflow/demo/mirror")
    inner = ["-n", "--snakefile", "workflow/Snakefile"]
    theirs = snakemake(folder, *inner, project=folder, HEPDATA_MIRROR="workflow/demo/mirror")
    jobs, inner_jobs = planned(mine.stdout), planned(theirs.stdout)
    assert jobs.pop("default") == inner_jobs.pop("all") == 1
    assert jobs == inner_jobs
    assert jobs["hypotest"] == 4


def test_a_workspace_asked_for_alone_is_one_that_pyhf_fits(small: tuple[Path, dict]) -> None:
    folder, _ = small
    name = patchset()["patches"][0]["metadata"]["name"]
    target = f"results/small/workspaces/{name}.json"
    run = snakemake(folder, target)
    assert run.returncode == 0, run.stdout
    workspace = pyhf.Workspace(json.loads((folder / target).read_text(encoding="utf-8")))
    model = workspace.model()
    assert model.config.poi_name == "mu_SIG"
    pyhf.infer.mle.fit(workspace.data(model), model)
    log = (folder / f"results/small/logs/workspace/{name}.log").read_text(encoding="utf-8")
    assert "before" in log
    assert "after" in log
    assert not (folder / "results/small/cls.csv").exists()


def test_points_are_selected_by_name_and_by_values(small: tuple[Path, dict]) -> None:
    folder, _ = small
    first, second = (entry["metadata"] for entry in patchset()["patches"][:2])
    values = ", ".join(map(str, second["values"]))
    table = "results/small/cls.csv"
    run = snakemake(folder, table, "--config", f"select=['{first['name']}', [{values}]]")
    assert run.returncode == 0, run.stdout
    found = [row["name"] for row in rows(folder / table)]
    assert found == [first["name"], second["name"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config", "point_per_job=3"], ["point_per_job", 'did you mean "points_per_job"?']),
        (["--config", "run=[smal]"], ["run", "smal", "small"]),
        (["smal"], ["smal", 'did you mean "small"?']),
        (["--config", "select=nobody"], ["select", "nobody", "nearest"]),
        (["--config", "select=(1, 2)"], ["select", "(1, 2)", "nearest"]),
        (["--config", "mirror=nowhere"], ["mirror", '"nowhere" is no folder']),
    ],
    ids=["key", "analysis", "target", "name", "values", "mirror"],
)
def test_a_wrong_request_is_answered_in_one_paragraph(
    small: tuple[Path, dict], arguments: list[str], expected: list[str]
) -> None:
    folder, _ = small
    (line,) = errors(snakemake(folder, *arguments))
    for part in expected:
        assert part in line
    assert not (folder / "results").exists()


def test_a_workspace_of_no_point_is_answered_in_one_paragraph(small: tuple[Path, dict]) -> None:
    (line,) = errors(snakemake(small[0], "results/small/workspaces/nope.json"))
    assert "nope is not a point" in line


def wrong_sha256(folder: Path, config: dict[str, Any]) -> list[str]:
    config["analyses"]["small"]["likelihood"]["sha256"] = "0" * 64
    return ["sha256", "but the config expects " + "0" * 64, "10.5072/small.v1/r1"]


def wrong_background_digest(folder: Path, config: dict[str, Any]) -> list[str]:
    found = config["analyses"]["small"]["likelihood"]["background_digest"]
    config["analyses"]["small"]["likelihood"]["background_digest"] = "1" * 64
    return ["BkgOnly.json", found, "1" * 64, "(background_digest)"]


def missing_table(folder: Path, config: dict[str, Any]) -> list[str]:
    (folder / "mirror/10.5072/small.v1/t1.csv").unlink()
    config["analyses"]["small"]["published"]["observed"]["record"] = "ins0"
    return ["10.5072/small.v1/t1", "mirror"]


def points_of_another_patchset(folder: Path, config: dict[str, Any]) -> list[str]:
    (folder / "points.csv").write_text("name,m1,m2\nstranger,1,2\n", encoding="utf-8")
    return ["points.csv", "stranger", "patchset"]


@pytest.mark.parametrize(
    "spoil",
    [
        wrong_sha256,
        wrong_background_digest,
        pytest.param(missing_table, marks=pytest.mark.long),
        points_of_another_patchset,
    ],
)
def test_what_was_not_published_stops_the_run(small: tuple[Path, dict], spoil: Any) -> None:
    folder, config = small
    expected = spoil(folder, config)
    write_config(folder, config)
    run = snakemake(folder, HTTPS_PROXY="http://127.0.0.1:9")  # where nobody listens
    text = " ".join(errors(run))
    for part in expected:
        assert part in text
    assert not (folder / "results/small/exclusion.png").exists()


def test_an_older_table_of_points_in_the_place_of_another_is_checked_like_any(
    finished_small: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_small, tmp_path / "small"))
    table, other = folder / "points.csv", folder / "other.csv"
    text = table.read_text(encoding="utf-8")
    other.write_text(text.replace("signal_300_50,300,50", "signal_300_50,300,60"), encoding="utf-8")
    os.utime(other, (1e9, 1e9))  # as `mv` and `rsync` keep the times of change
    other.replace(table)
    assert "signal_300_50" in " ".join(errors(snakemake(folder)))


def test_the_remedy_for_a_wrong_table_of_points_makes_the_right_one(
    small: tuple[Path, dict],
) -> None:
    folder, _ = small
    right = (folder / "points.csv").read_text(encoding="utf-8")
    points_of_another_patchset(folder, {})
    (line,) = errors(snakemake(folder))
    remedy = line.split("take its own table: ")[1]
    assert remedy == "cp results/small/likelihood/points.csv points.csv"
    subprocess.run(remedy, shell=True, check=True, cwd=folder)
    assert (folder / "points.csv").read_text(encoding="utf-8") == right
    assert snakemake(folder, "results/small/likelihood/patches.csv").returncode == 0
    assert not (folder / "results/small/likelihood/points.csv").exists()


def test_commands_are_not_longer_with_more_jobs(small: tuple[Path, dict]) -> None:
    """Linux limits one to 131072 bytes."""
    folder, _ = small
    targets = ("results/small/cls.csv", "results/small/cls_regions.csv", "upper_limits")
    run = snakemake(
        folder, "-np", "--quiet", "host", "--config", "points_per_job=1", "--", *targets
    )
    programs = ("aggregate.py", "cls_regions.py", "limits_table.py")
    commands = [line for line in run.stdout.splitlines() if any(f"/{p} " in line for p in programs)]
    assert len(commands) == 3, run.stdout
    assert not [command for command in commands if "1-1.jsonl" in command]


@pytest.mark.parametrize(
    ("damaged", "length", "problem"),
    [
        ({"BkgOnly.json": b'{"channels'}, None, ", member BkgOnly.json: not JSON: "),
        ({"patchset.json": b'{"patches": [{'}, None, ", member patchset.json: not the JSON of a "),
        ({}, 150, ": damaged, or no tar, "),
    ],
)
def test_where_the_published_file_is_damaged_no_one_is_told_to_fetch_it_again(
    small: tuple[Path, dict], damaged: dict[str, bytes], length: int | None, problem: str
) -> None:
    folder, config = small
    members = {"BkgOnly.json": background(), "patchset.json": patchset()}
    content = packed(members | damaged)[:length]
    (folder / "mirror/10.5072/small.v1/r1.tar.gz").write_bytes(content)
    sums = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    config["analyses"]["small"]["likelihood"] |= sums
    write_config(folder, config)
    (line,) = errors(snakemake(folder))
    assert f"results/small/download/likelihood.archive{problem}" in line
    assert "fetching them again cannot help" in line


def test_a_patchset_for_another_background_stops_the_run_with_both_digests(tmp_path: Path) -> None:
    foreign = patchset()
    foreign["metadata"]["digests"]["sha256"] = "2" * 64
    config = write(tmp_path, foreign)
    (line,) = errors(snakemake(tmp_path))
    assert "2" * 64 in line
    assert config["analyses"]["small"]["likelihood"]["background_digest"] in line
    assert not (tmp_path / "results/small/cls.csv").exists()


@pytest.mark.long
def test_a_refusal_is_not_forgotten_where_results_of_earlier_runs_lie(
    finished_small: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_small, tmp_path / "small"))
    config = yaml.safe_load((folder / "config/config.yaml").read_text(encoding="utf-8"))
    before = (folder / "results/small/cls.csv").read_bytes()
    right = config["analyses"]["small"]["likelihood"]["background_digest"]
    config["analyses"]["small"]["likelihood"]["background_digest"] = "1" * 64
    write_config(folder, config)
    for _ in range(2):
        (line,) = errors(snakemake(folder))
        assert "1" * 64 in line
    config["analyses"]["small"]["likelihood"]["background_digest"] = right
    write_config(folder, config)
    assert snakemake(folder).returncode == 0
    assert (folder / "results/small/cls.csv").read_bytes() == before


def test_results_that_cannot_be_written_are_refused_before_anything_runs(
    small: tuple[Path, dict],
) -> None:
    folder, _ = small
    (folder / "results").write_text("a file where a folder should be", encoding="utf-8")
    (line,) = errors(snakemake(folder))
    assert "results" in line
    assert (folder / "results").read_text(encoding="utf-8") == "a file where a folder should be"
