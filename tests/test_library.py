"""Likelihoods in a notebook: a small one, and the documented session on the published one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import histfit
import pytest
import recontour
from recontour import patches, results
from recontour.errors import UserError
from running import ROOT
from small_search import background, patch, patchset


@pytest.fixture
def search(tmp_path: Path) -> recontour.Likelihood:
    return write(tmp_path, patchset())


def write(folder: Path, signals: dict[str, Any]) -> recontour.Likelihood:
    for name, content in (("BkgOnly", background()), ("patchset", signals)):
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return recontour.open(folder / "BkgOnly.json", folder / "patchset.json")


def test_a_signal_is_found_by_name_and_by_values(search: recontour.Likelihood) -> None:
    assert len(search) == len(list(search)) == 12
    assert search.labels == ("m1", "m2")
    for signal in (
        search["signal_300_50"],
        search[300, 50],
        search[300.0, 50],
        search["(300, 50)"],
    ):
        assert (signal.name, signal.values) == ("signal_300_50", {"m1": 300, "m2": 50})


def test_a_signal_that_is_not_there_is_answered_with_the_nearest(
    search: recontour.Likelihood,
) -> None:
    with pytest.raises(UserError, match=r"the nearest are signal_300_50 \(300, 50\)"):
        search[310, 50]


def test_the_samples_are_those_before_and_after_the_patch(search: recontour.Likelihood) -> None:
    assert search.samples == {"SR": ["background"]}
    assert search[300, 50].samples == {"SR": ["background", "signal_300_50"]}
    assert search.samples == {"SR": ["background"]}


def test_tests_and_limits_are_those_of_the_fit_module(search: recontour.Likelihood) -> None:
    workspace = patches.apply(background(), patch(300, 50)["patch"], "signal_300_50")
    signal = search[300, 50]
    assert signal.workspace == workspace
    assert signal.hypotest().CLs_obs == pytest.approx(histfit.hypotest(workspace).CLs_obs, abs=1e-8)
    assert signal.hypotest(mu=2.0).mu == 2.0
    expected = histfit.upper_limit(workspace, beyond_bounds=True).observed
    assert signal.upper_limit().observed == pytest.approx(expected, rel=1e-6)


def test_a_limit_beyond_the_bounds_of_the_poi_is_found(tmp_path: Path) -> None:
    signals = patchset()
    weak = signals["patches"][0]
    weak["patch"][0]["value"]["data"] = [1.0, 0.5]
    signal = write(tmp_path, signals)[200, 0]
    limit = signal.upper_limit().observed
    assert limit is not None and limit > 10.0
    assert signal.hypotest(limit, poi_bounds=(0.0, 1e3)).CLs_obs == pytest.approx(0.05, abs=1e-6)
    assert signal.upper_limit(beyond_bounds=False).observed is None


def test_a_scan_has_the_columns_of_the_workflows_table(search: recontour.Likelihood) -> None:
    scan = search.scan([[200, 0], "signal_300_50"])
    assert [row["name"] for row in scan.rows] == ["signal_200_0", "signal_300_50"]
    assert tuple(scan.rows[0]) == results.columns(("m1", "m2"))
    assert {row["status"] for row in scan.rows} == {"ok"}


def test_a_signal_that_cannot_be_fitted_does_not_end_the_scan(tmp_path: Path) -> None:
    signals = patchset()
    signals["patches"][0]["patch"][0]["path"] = "/channels/7/samples/1"
    rows = write(tmp_path, signals).scan().rows
    assert [row["status"] for row in rows] == ["failed"] + ["ok"] * 11
    assert "cannot be applied to the background" in rows[0]["reason"]


def test_the_contour_lies_where_the_scan_crosses_the_level(
    search: recontour.Likelihood, tmp_path: Path
) -> None:
    scan = search.scan()
    contours = scan.contours("m1", "m2", boundary="m1 >= m2 + 50")
    places = [place for line in contours["curves"]["observed"] for place in line]
    excluded = max(row["m1"] for row in scan.rows if row["CLs_obs"] < 0.05)
    assert excluded < max(x for x, _ in places) < excluded + 100
    scan.draw("m1", "m2", title="A small search", out=[tmp_path / "small.png"])
    assert (tmp_path / "small.png").stat().st_size > 10_000


def test_background_and_patchset_must_belong_together(tmp_path: Path) -> None:
    signals = patchset()
    signals["metadata"]["digests"]["sha256"] = "0" * 64
    with pytest.raises(UserError, match="do not belong together"):
        write(tmp_path, signals)


def test_an_unknown_measurement_is_refused(tmp_path: Path) -> None:
    write(tmp_path, patchset())
    with pytest.raises(UserError, match="NormalMeasurement"):
        recontour.open(tmp_path / "BkgOnly.json", tmp_path / "patchset.json", "other")


def test_the_workflows_programs_do_not_load_the_library() -> None:
    check = "import sys, recontour.results; sys.exit('recontour.library' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    assert subprocess.run([sys.executable, "-c", check], env=environment).returncode == 0


@pytest.mark.long
def test_the_documented_session_ends_with_the_published_numbers(
    mirror: Path, tmp_path: Path
) -> None:
    """CLs of (900, 250) by pyhf's authors; 68 points are excluded in the independent CLs, too."""
    session = subprocess.run(
        [sys.executable, str(ROOT / "workflow" / "docs" / "notebook.py")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow"), "HEPDATA_MIRROR": str(mirror)},
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    assert session.returncode == 0, session.stderr
    assert "observed CLs 0.45734, expected ['0.01484', '0.05174', '0.16167'" in session.stdout
    assert "observed limit 2.5452" in session.stdout
    assert "68 of 125 signals excluded" in session.stdout
    assert (tmp_path / "1Lbb.png").stat().st_size > 10_000
