"""Upper limits through the workflow: their table, cross-sections, published limits, figure."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import histfit
import numpy as np
import pytest
from recontour import limits, patches, plane_figure, results
from recontour.errors import UserError
from recontour.files import read_json, write_json
from recontour.likelihood import Point, index_patchset
from recontour.points import Points
from running import ROOT, by_name, rows, snakemake
from small_search import background, patch, patchset, with_two_bad_points, write, write_config

LABELS = ("m1", "m2")


def found(observed: float | None = 2.5) -> results.Row:
    limit = histfit.UpperLimit(0.05, observed, (1.0, 1.5, 2.0, 3.0, 4.0), 0.1, 1e6, 50)
    return limits.found(Point("p", (200, 50)), LABELS, limit)


def test_no_row_has_a_limit_without_a_status() -> None:
    assert found()["status"] == "ok"
    missing = found(observed=None)
    assert missing["status"] == "no limit"
    assert missing["reason"] == "no mu_obs up to a signal strength of 1e+06"
    failed = limits.failed(Point("p", (200, 50)), LABELS, "the fit did not converge")
    nothing = limits.without_signal(Point("p", (200, 50)), LABELS)
    for row, status in ((failed, "failed"), (nothing, "no limit")):
        assert (row["status"], [row[column] for column in limits.ON_MU]) == (status, [None] * 6)


def test_of_several_regions_the_one_with_the_smallest_expected_limit_counts() -> None:
    point = Point("p", (200, 50))
    nothing = limits.without_signal(point, LABELS)
    weak = found(observed=None) | {"mu_exp_0": 7.0}
    three = [
        results.in_region(row, LABELS, region)
        for region, row in (("A", nothing), ("B", weak), ("C", found()))
    ]
    table = results.Results(LABELS, tuple(three))
    assert results.best(table, expected="mu_exp_0").rows == (three[2],)
    two = replace(table, rows=tuple(three[:2]))
    assert results.best(two, expected="mu_exp_0").rows == (three[1],)
    failed = results.in_region(limits.failed(point, LABELS, "no fit"), LABELS, "D")
    (row,) = results.best(replace(table, rows=(*three, failed)), expected="mu_exp_0").rows
    assert (row["status"], row["reason"]) == ("failed", "region D: no fit")


def test_a_label_with_the_name_of_a_column_is_refused() -> None:
    with pytest.raises(UserError, match="mu_obs"):
        limits.columns(("m1", "mu_obs"))


def test_published_limits_are_read_in_picobarns(tmp_path: Path) -> None:
    path = tmp_path / "upper_limits.csv"
    path.write_text("#: name: UL\nm1 [GeV],m2 [GeV],UL [fb]\n200,0,150\n", encoding="utf-8")
    assert limits.read_published(path) == [(200.0, 0.0, pytest.approx(0.15))]
    path.write_text("#: name: UL\nm1 [GeV],m2 [GeV],UL\n200,0,150\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"expected the values of both axes and an upper limit"):
        limits.read_published(path)
    path.write_text("#: name: UL\nm1 [GeV],m2 [GeV],UL [fb]\n200,0,0\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"found an upper limit of 0 at \(200, 0\)"):
        limits.read_published(path)
    block = "m1 [GeV],m2 [GeV],{} [fb]\n200,0,150\n"
    path.write_text(f"{block.format('Expected')}\n{block.format('Observed')}", encoding="utf-8")
    with pytest.raises(UserError, match=r"2 blocks \(Expected \[fb\]; Observed \[fb\]\)"):
        limits.read_published(path)


def test_the_ratio_to_published_limits_is_over_the_points_that_both_have() -> None:
    entries = [
        {"name": name, "status": "ok", "xsec_obs_pb": limit}
        for name, limit in (("a", 1.0), ("b", 3.0), ("c", 1.0))
    ]
    places = {"a": (200.0, 0.0), "b": (300.0, 0.0), "c": (400.0, 0.0)}
    published = [(200.0, 0.0, 2.0), (300.0, 0.0, 2.0), (500.0, 0.0, 1.0)]
    comparison = limits.compare(entries, places, published)
    assert comparison["ratio"]["median"] == 1.0
    assert (comparison["ratio"]["min"], comparison["ratio"]["max"]) == (0.5, 1.5)
    assert comparison["only_ours"] == ["c"]
    assert comparison["only_published"] == [(500.0, 0.0)]


def test_places_of_both_tables_need_not_agree_to_the_last_bit() -> None:
    entries = [
        {"name": name, "status": status, "xsec_obs_pb": limit}
        for name, status, limit in (("a", "ok", 1.0), ("b", "no limit", 3.0), ("c", "failed", None))
    ]
    places = {"a": (170.3 - 125.1, 0.0), "b": (300.0, 0.0), "c": (400.0, 0.0)}
    published = [(45.2, 0.0, 2.0), (300.0, 0.0, 2.0), (400.0, 0.0, 1.0)]
    comparison = limits.compare(entries, places, published)
    assert [entry["ratio"] for entry in comparison["compared"]] == [0.5, 1.5]
    assert (comparison["only_ours"], comparison["only_published"]) == ([], [])
    assert comparison["without_limit"] == ["c"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A small search with its upper limits, on cross-sections, too."""
    folder = tmp_path_factory.mktemp("limits")
    config = write(folder)
    theory = "m1,cross_section_pb,relative_uncertainty\n200,4,0.1\n300,1.2,0.13\n"
    theory += "400,0.5,0.17\n500,0.25,0.2\n"
    (folder / "theory.csv").write_text(theory, encoding="utf-8")
    config["analyses"]["small"]["cross_sections"] = "theory.csv"
    write_config(folder, config)
    run = snakemake(folder, "upper_limits", "small")
    assert run.returncode == 0, run.stdout
    assert "12 done, 0 failed" in run.stdout
    return folder, config


@pytest.mark.long
def test_limits_of_bad_points_are_refused_and_all_else_stays_as_it_was_made(tmp_path: Path) -> None:
    write(tmp_path, with_two_bad_points(), tolerate_failed_points=2)
    assert snakemake(tmp_path).returncode == 0
    for _ in range(2):
        refused = snakemake(tmp_path, "upper_limits", "--config", "tolerate_failed_points=0")
        assert refused.returncode != 0
        assert "1 of 12 points failed, for the reasons in" in refused.stdout
        assert "is not as it was made" not in refused.stdout
    results = tmp_path / "results/small"
    assert len(by_name(results / "upper_limits.csv")) == 12
    assert not [*results.rglob("*.aside")]
    assert snakemake(tmp_path, "upper_limits").returncode == 0


@pytest.mark.long
def test_of_a_point_too_few_for_a_figure_what_is_made_without_one_stays(tmp_path: Path) -> None:
    write(tmp_path, select=[[300, 0]])
    assert snakemake(tmp_path, "upper_limits").returncode == 0
    run = snakemake(tmp_path)
    assert run.returncode == 0, run.stdout
    assert (tmp_path / "results/small/limits_comparison.json").exists(), run.stdout


@pytest.mark.long
def test_a_point_without_a_limit_is_computed_once(tmp_path: Path) -> None:
    patches = patchset()
    patches["patches"][0]["patch"] = []  # no signal
    write(tmp_path, patches)
    assert snakemake(tmp_path, "upper_limits").returncode == 0
    again = snakemake(tmp_path, "upper_limits", "--forcerun", "limits")
    assert again.returncode == 0
    (log,) = (tmp_path / "results/small/logs").glob("limits/*.log")
    assert "12 rows, 12 of them known from an earlier job" in log.read_text()


def test_the_limits_of_every_point_are_those_of_the_fit_module(small: tuple[Path, Any]) -> None:
    table = by_name(small[0] / "results/small/upper_limits.csv")
    assert len(table) == 12
    for name in ("signal_200_0", "signal_500_100"):
        m1, m2 = (int(part) for part in name.split("_")[1:])
        spec = patches.apply(background(), patch(m1, m2)["patch"], name)
        expected = histfit.upper_limit(spec, beyond_bounds=True)
        found = [float(table[name][column]) for column in limits.ON_MU]
        assert found == pytest.approx([expected.observed, *expected.expected], rel=1e-6)


def test_at_the_limit_cls_is_five_percent(small: tuple[Path, Any]) -> None:
    row = by_name(small[0] / "results/small/upper_limits.csv")["signal_300_50"]
    spec = patches.apply(background(), patch(300, 50)["patch"], "signal_300_50")
    tested = histfit.hypotest(spec, mu=float(row["mu_obs"]))
    assert tested.CLs_obs == pytest.approx(0.05, abs=1e-7)


def test_limits_on_the_cross_section_are_the_strength_times_theory(small: tuple[Path, Any]) -> None:
    row = by_name(small[0] / "results/small/upper_limits.csv")["signal_200_0"]
    assert float(row["xsec_theory_pb"]) == 4.0
    for on_mu, on_cross_section in zip(limits.ON_MU, limits.ON_CROSS_SECTION, strict=True):
        assert float(row[on_cross_section]) == pytest.approx(4.0 * float(row[on_mu]), rel=1e-14)


def test_the_figures_are_drawn_and_without_published_limits_nothing_is_compared(
    small: tuple[Path, Any],
) -> None:
    folder = small[0] / "results/small"
    assert (folder / "limits.png").stat().st_size > 10_000
    assert (folder / "limits.pdf").stat().st_size > 5_000
    assert read_json(folder / "limits_comparison.json")["verdict"] == "not compared"


def test_of_a_plane_its_own_points_are_counted(small: tuple[Path, Any], tmp_path: Path) -> None:
    folder = small[0] / "results/small"
    contours = read_json(folder / "contours.json") | {"where": "m2 == 50"}
    write_json(tmp_path / "m50/contours.json", contours)
    entries = read_json(folder / "upper_limits.json")
    status = {"signal_200_0": "failed", "signal_300_50": "failed", "signal_400_50": limits.NO_LIMIT}
    for row in entries:
        row["status"] = status.get(row["name"], row["status"])
    write_json(tmp_path / "upper_limits.json", entries)
    arguments = {
        "--title": ["T"],
        "--limits": [tmp_path / "upper_limits.json"],
        "--plane": [folder / "cls.csv", tmp_path / "m50/contours.json"],
        "--tolerated": ["1"],
        "--output": [tmp_path / "m50/limits_comparison.json"],
    }
    program = [sys.executable, ROOT / "workflow/scripts/limits_compare.py"]
    program += [part for name, values in arguments.items() for part in (name, *values)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    title, counts, missing, *_ = done.stdout.splitlines()
    assert (title, counts) == ("T: upper limits, plane m50", "  points      3 done, 1 failed")
    assert missing.startswith("  no limit    1 points")
    assert done.returncode == 1 and "2 of 12 points failed" in done.stderr, "those of all planes"


def test_a_table_that_does_not_cover_a_mass_ends_the_run_before_it_starts(tmp_path: Path) -> None:
    config = write(tmp_path)
    config["analyses"]["small"]["cross_sections"] = "theory.csv"
    write_config(tmp_path, config)
    theory = "m1,cross_section_pb\n200,4\n300,2\n400,1\n"
    (tmp_path / "theory.csv").write_text(theory, encoding="utf-8")
    run = snakemake(tmp_path, "upper_limits")
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    assert "theory.csv: column m1: no row covers m1 = 500 of point signal_500_0" in run.stdout
    assert "reaches from 200 to 400" in run.stdout


def test_a_figure_of_limits_shows_each_number_and_where_there_is_none(tmp_path: Path) -> None:
    plane = np.array([(200.0, 0.0), (300.0, 0.0), (200.0, 50.0), (300.0, 50.0)])
    points = Points(("a", "b", "c", "d"), *plane.T, {"observed": np.full(4, 0.01)})
    contours = {
        "axes": {axis: {"label": axis, "unit": "GeV"} for axis in ("x", "y")},
        "region": plane.tolist(),
        "curves": {"observed": [[[200.0, 20.0], [300.0, 30.0]]]},
        "method": {"boundary_places": 0},
    }
    out = [tmp_path / "limits.png"]
    values = np.array([1.234, 120.0, math.nan, 0.5])
    figure = plane_figure.draw_limits(
        contours, points, values, "upper limit [fb]", "Title", (), out
    )
    assert [text.get_text() for text in figure.axes[0].texts] == ["1.2", "120", "0.5"]
    assert out[0].stat().st_size > 5_000


def test_colours_between_points_follow_logarithms_of_limits_and_logarithmic_axes() -> None:
    plane = np.array([(x, y) for x in (1.0, 1000.0) for y in (1.0, 10.0)])
    points = Points(("a", "b", "c", "d"), *plane.T, {"observed": np.full(4, 0.01)})
    contours = {
        "axes": {"x": {"label": "x", "scale": "log"}, "y": {"label": "y"}},
        "region": plane.tolist(),
        "curves": {},
        "method": {"boundary_places": 0},
    }
    figure = plane_figure.draw_limits(contours, points, points.x, "upper limit", "Title")
    (colours,) = figure.axes[0].collections
    shade = colours.get_transform().transform(colours.get_paths()[20].vertices)
    x = figure.axes[0].transData.inverted().transform(shade)[:, 0]
    edges = np.geomspace(1.0, 1000.0, plane_figure.SHADES)[20:22]
    assert [x.min(), x.max()] == pytest.approx(edges, rel=1e-6)


def test_over_a_dense_scan_no_numbers_are_printed() -> None:
    """The gaps between 10⁵ points, pair by pair, would take 160 GB."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(40.0), np.arange(40.0)))
    points = Points(tuple(map(str, range(1600))), x, y, {"observed": np.full(1600, 0.01)})
    contours = {
        "axes": {axis: {"label": axis} for axis in ("x", "y")},
        "region": [[0.0, 0.0], [39.0, 0.0], [39.0, 39.0]],
        "curves": {},
        "method": {"boundary_places": 0},
    }
    figure = plane_figure.draw_limits(contours, points, 1.0 + x, "upper limit", "Title")
    assert list(figure.axes[0].texts) == []


def test_the_limit_known_to_full_precision_is_reproduced_with_its_own_interpolation(
    published_1lbb: Path,
) -> None:
    """(900, 250), from pyhf's authors: CLs at 41 strengths from 0 to 5, joined by straight lines.
    Where CLs itself is 0.05 lies lower by 1.1e-3 of it: lines lie above a convex curve."""
    published = 2.547958147632675
    index = index_patchset(published_1lbb / "patchset.json")
    point = next(entry for entry in index.patches if entry.values == (900, 250))
    spec = read_json(published_1lbb / "BkgOnly.json")
    operations = patches.load_patch(published_1lbb, point)
    model = histfit.Background(spec).model(patches.apply(spec, operations, point.name))
    strengths = np.linspace(0.0, 5.0, 41)[19:23]
    cls = [histfit.hypotest(model, mu=float(mu)).CLs_obs for mu in strengths]
    assert cls[0] > 0.05 > cls[-1]
    interpolated = np.interp(-0.05, -np.array(cls), strengths)
    assert interpolated == pytest.approx(published, abs=1e-4)
    exact = histfit.upper_limit(model).observed
    assert exact is not None
    assert published - exact == pytest.approx(2.78e-3, abs=1e-4)


@pytest.mark.long
def test_limits_of_1lbb_are_the_published_ones(
    exported_1lbb: Path, mirror: Path, tmp_path: Path
) -> None:
    """t17 of the record, in pb to four decimals. The theory table lies beside the mirror."""
    wino = mirror.parent / "reference" / "wino_C1N2_cross_section_13TeV.csv"
    if not wino.exists():
        pytest.skip(f"needs the theory cross-sections at {wino}")
    folder = Path(shutil.copytree(exported_1lbb, tmp_path / "1Lbb"))
    lines = [[float(cell) for cell in row.values()] for row in rows(wino)]
    theory = "".join(f"{m},{a + b},{(da + db) / (a + b)}\n" for m, a, da, b, db in lines)
    header = "m1,cross_section_fb,relative_uncertainty\n"
    (folder / "wino.csv").write_text(header + theory, encoding="utf-8")
    changes = {"1Lbb": {"cross_sections": "wino.csv"}}
    run = snakemake(
        folder, "upper_limits", "--config", f"mirror={mirror}", f"analyses={json.dumps(changes)}",
        project=folder,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert "125 done, 0 failed" in run.stdout
    comparison = read_json(folder / "results/1Lbb/limits_comparison.json")
    assert comparison["points"] == 125
    assert comparison["only_published"] == [[225.0, 75.0], [300.0, 100.0]]
    ratio = comparison["ratio"]
    assert ratio["median"] == pytest.approx(1.017, abs=0.003)
    assert ratio["p84"] - ratio["p16"] < 0.03
    assert 0.96 < ratio["min"] < ratio["max"] < 1.06


def test_the_contour_is_drawn_for_cross_sections_varied_by_their_uncertainty(
    small: tuple[Path, Any],
) -> None:
    folder = small[0] / "results/small"
    row = by_name(folder / "cls.csv")["signal_200_0"]
    spec = patches.apply(background(), patch(200, 0)["patch"], "signal_200_0")
    for column, mu in (("CLs_obs_up", 1.1), ("CLs_obs_down", 0.9)):
        assert float(row[column]) == pytest.approx(histfit.hypotest(spec, mu).CLs_obs, abs=1e-8)
    curves = read_json(folder / "contours.json")["curves"]
    reach = {
        curve: max(x for line in curves[curve] for x, _ in line)
        for curve in ("observed_down", "observed", "observed_up")
    }
    assert reach["observed_down"] < reach["observed"] < reach["observed_up"]


def test_without_uncertainties_nothing_is_varied(tmp_path: Path) -> None:
    config = write(tmp_path, select=[[200, 0]])
    theory = "m1,cross_section_pb\n200,4\n300,2\n400,1.5\n500,1\n"
    (tmp_path / "theory.csv").write_text(theory, encoding="utf-8")
    config["analyses"]["small"]["cross_sections"] = "theory.csv"
    write_config(tmp_path, config)
    run = snakemake(tmp_path, "results/small/cls.csv")
    assert run.returncode == 0, run.stdout
    assert "CLs_obs_up" not in by_name(tmp_path / "results/small/cls.csv")["signal_200_0"]
