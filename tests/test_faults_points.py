"""One bad point costs no other its result; and results do not depend on how the work is shared."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import ROOT, by_name, snakemake
from small_search import BROKEN, IMPOSSIBLE, patchset, with_two_bad_points, write

RESULTS = ("cls.csv", "cls.json", "harvest.json", "contours.json", "comparison.json")


def test_a_bad_point_is_listed_with_its_reason_and_the_others_are_complete(
    tmp_path: Path, finished_small: Path
) -> None:
    write(tmp_path, with_two_bad_points())
    run = snakemake(tmp_path)
    assert run.returncode != 0
    assert "error: A small search: 2 of 12 points failed" in run.stdout

    found, expected = (by_name(f / "results/small/cls.csv") for f in (tmp_path, finished_small))
    assert found.keys() == expected.keys()
    failed = {name: row["reason"] for name, row in found.items() if row["status"] != "ok"}
    assert "/channels/7/samples/1) cannot be applied" in failed.pop(BROKEN)
    assert "channel 'SR', bin 0: found 51 events" in failed.pop(IMPOSSIBLE) and failed == {}
    for name, row in found.items():
        assert name in (BROKEN, IMPOSSIBLE) or row == expected[name]
    assert {found[name]["CLs_obs"] for name in (BROKEN, IMPOSSIBLE)} == {""}

    results, undisturbed = (folder / "results/small" for folder in (tmp_path, finished_small))
    harvest = json.loads((results / "harvest.json").read_text(encoding="utf-8"))
    assert {entry["fID"] for entry in harvest} == found.keys() - {BROKEN, IMPOSSIBLE}
    assert (results / "contours.json").read_bytes() != (undisturbed / "contours.json").read_bytes()
    assert (results / "exclusion.png").stat().st_size > 0
    assert not (results / "summary.txt").exists()

    tolerant = snakemake(tmp_path, "--config", "tolerate_failed_points=2")
    assert tolerant.returncode == 0, tolerant.stdout
    summary = (results / "summary.txt").read_text(encoding="utf-8")
    assert "10 done, 2 failed" in summary and BROKEN in summary and IMPOSSIBLE in summary


@pytest.mark.parametrize("left", [pytest.param(0, marks=pytest.mark.long), 2])
def test_where_most_points_fail_the_run_ends_with_their_reasons_and_all_that_can_be_made(
    tmp_path: Path, left: int
) -> None:
    patches = patchset()
    for entry in patches["patches"][left:]:
        entry["patch"][0]["path"] = "/channels/7/samples/1"
    write(tmp_path, patches)
    run = snakemake(tmp_path, "all", "report", "results/small/cls.png")
    failed = f"{12 - left} of 12 points failed"
    assert run.returncode != 0
    assert f"points      {left} done, {12 - left} failed" in run.stdout
    assert "/channels/7/samples/1) cannot be applied" in run.stdout
    assert f"area        unknown: {failed}, and a contour takes three others" in run.stdout
    errors = [line for line in run.stdout.splitlines() if line.startswith("error: ")]
    why = f"error: A small search: {failed}, for the reasons in results/small/cls.json"
    assert [error[: len(why)] for error in errors] == [why]

    results = tmp_path / "results/small"
    for file in ("exclusion.png", "exclusion.pdf", "exclusion.html", "report.html", "cls.png"):
        assert (results / file).stat().st_size > 0
    assert not (results / "summary.txt").exists()
    verdict = json.loads((results / "comparison.json").read_text(encoding="utf-8"))["verdict"]
    assert verdict == "not compared"
    script = str(ROOT / "workflow/scripts/compare_scans.py")
    command = [sys.executable, script, str(results), str(results), "--out", str(tmp_path / "a.png")]
    compared = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    said = (
        "observed CLs: no point has results in both" if left == 0 else "median difference +0.0000"
    )
    assert said in compared


@pytest.mark.long
def test_figures_of_more_points_do_not_stay_beside_the_cls_of_fewer(
    finished_small: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_small, tmp_path / "run"))
    results, before = folder / "results/small", finished_small / "results/small"
    drawn = ("contours.json", "comparison.json", "exclusion.png", "exclusion.pdf")
    one = snakemake(folder, "--config", "select=(300, 0)")
    assert one.returncode == 0, one.stdout
    assert f"note: results/small: {', '.join(drawn)}, drawn of more points than" in one.stdout
    assert len(by_name(results / "cls.csv")) == 1
    for file in drawn:
        assert not (results / file).exists()
        assert (results / f"{file}.aside").read_bytes() == (before / file).read_bytes()

    shutil.copy(before / "contours.json", results)
    script = str(ROOT / "workflow/scripts/compare_scans.py")
    command = [sys.executable, script, str(results), str(before)]
    mixed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert mixed.returncode == 1
    assert "contours.json is drawn of 12 points" in mixed.stderr

    again = snakemake(folder)
    assert again.returncode == 0, again.stdout
    assert (results / "contours.json").read_bytes() == (before / "contours.json").read_bytes()
    assert (results / "exclusion.png").exists()


def in_several_ways(
    folder: Path, analysis: str, ways: dict[str, list[str]], *config: str
) -> dict[str, dict[str, bytes]]:
    """The results of an analysis, by file and by way, of runs with these arguments."""
    made: dict[str, dict[str, bytes]] = {name: {} for name in RESULTS}
    for way, (cores, *arguments) in ways.items():
        (folder / way).mkdir()
        options = ["--cores", cores, "--config", *config, *arguments]
        run = snakemake(folder / way, analysis, *options)
        assert run.returncode == 0, run.stdout
        for name in RESULTS:
            made[name][way] = (folder / way / "results" / analysis / name).read_bytes()
    return made


def names(table: Path) -> list[str]:
    return [line.split(",")[0] for line in table.read_text(encoding="utf-8").splitlines()[1:]]


@pytest.mark.long
def test_results_do_not_depend_on_cores_batches_and_order(
    tmp_path: Path, finished_demo: Path
) -> None:
    backwards = json.dumps(names(ROOT / "config/points/demo.csv")[::-1])
    ways = {
        "one core, one batch": ["1", "points_per_job=100"],
        "two cores, batches of 13, backwards": ["2", "points_per_job=13", f"select={backwards}"],
    }
    for name, found in in_several_ways(tmp_path, "demo", ways).items():
        assert {*found.values()} == {(finished_demo / "results/demo" / name).read_bytes()}, name


@pytest.mark.long
def test_the_published_results_do_not_depend_on_cores_batches_and_order(
    tmp_path: Path, mirror: Path, finished_1lbb: Path
) -> None:
    order = names(ROOT / "config/points/1Lbb.csv")
    shuffled = json.dumps(order[1::2][::-1] + order[::2])
    ways = {
        "one core, one batch": ["1", "points_per_job=200"],
        "four cores, shuffled": ["4", "points_per_job=7", f"select={shuffled}"],
    }
    for name, found in in_several_ways(tmp_path, "1Lbb", ways, f"mirror={mirror}").items():
        assert {*found.values()} == {(finished_1lbb / "results/1Lbb" / name).read_bytes()}, name
