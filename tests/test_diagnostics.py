"""The numbers of a point's diagnostics against pyhf and closed forms, and how to ask for them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import histfit
import numpy as np
import pyhf
import pytest
from demo import search
from recontour import diagnostic_figures, diagnostics, limits, patches, style
from recontour.files import read_json
from running import snakemake
from small_search import write

PRECISION = 2e-6  # of a CLs from pyhf's SLSQP at tolerance 1e-13, as in test_demo.py


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    """The demo search with its point (250, 0)."""
    return patches.apply(search.background(), search.signal_patch(250, 0), "demo_250_0")


@pytest.fixture(scope="module")
def record(spec: dict[str, Any]) -> dict[str, Any]:
    return diagnostics.diagnose(spec)


@pytest.fixture(scope="module")
def oracle(spec: dict[str, Any]) -> pyhf.Model:
    return pyhf.Workspace(spec).model()


def counting(observed: float, up: float = 1.3, down: float = 0.8) -> dict[str, Any]:
    """One bin with 5 signal and 10 background events, of which a normsys `b` changes the latter."""
    shift = {"name": "b", "type": "normsys", "data": {"hi": up, "lo": down}}
    mu = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": [5.0], "modifiers": [mu]},
        {"name": "background", "data": [10.0], "modifiers": [shift]},
    ]
    return {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": [observed]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def impact(record: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in record["impacts"]["parameters"] if entry["name"] == name)


def test_the_fit_is_the_minimum_of_pyhfs_likelihood(
    spec: dict[str, Any], record: dict[str, Any], oracle: pyhf.Model
) -> None:
    fitted = {p["name"]: p for p in record["fit"]["parameters"]}
    data = pyhf.Workspace(spec).data(oracle)
    ours = [fitted[name]["value"] for name in oracle.config.par_names]
    twice_nll = float(pyhf.infer.mle.twice_nll(np.array(ours), data, oracle)[0])
    assert 2.0 * record["fit"]["nll"] == pytest.approx(twice_nll, abs=1e-9)
    theirs, best = pyhf.infer.mle.fit(data, oracle, return_fitted_val=True)
    assert twice_nll <= float(best) + 1e-9
    for name, value in zip(oracle.config.par_names, theirs, strict=True):
        away = abs(fitted[name]["value"] - value)
        assert away < 0.02 * fitted[name]["uncertainty"], name


def test_the_scan_is_histfits(spec: dict[str, Any], record: dict[str, Any]) -> None:
    row = record["scan"]["rows"][20]
    tested = histfit.hypotest(spec, row["mu"])
    expected = [tested.CLs_obs, *tested.CLs_exp]
    assert [row[curve] for curve in limits.CURVES] == pytest.approx(expected, abs=1e-9)


def test_the_scan_is_pyhfs() -> None:
    spec = counting(12.0)
    model = pyhf.Workspace(spec).model()
    data = pyhf.Workspace(spec).data(model)
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-13, maxiter=10_000))
    try:
        for row in diagnostics.diagnose(spec)["scan"]["rows"][1::8]:
            observed, band = pyhf.infer.hypotest(row["mu"], data, model, return_expected_set=True)
            expected = [float(observed), *map(float, band)]
            assert [row[curve] for curve in limits.CURVES] == pytest.approx(expected, abs=PRECISION)
    finally:
        pyhf.set_backend("numpy")


def test_every_curve_of_the_scan_is_at_5_percent_at_its_limit(
    spec: dict[str, Any], record: dict[str, Any]
) -> None:
    scan = record["scan"]
    strengths = [row["mu"] for row in scan["rows"]]
    assert strengths == sorted(strengths)
    assert scan["muhat"] in strengths
    for i, curve in enumerate(limits.CURVES):
        limit = scan["limits"][curve]
        tested = histfit.hypotest(spec, limit)
        assert (tested.CLs_obs, *tested.CLs_exp)[i] == pytest.approx(0.05, abs=1e-7)
        drawn = np.log([row[curve] for row in scan["rows"]])
        assert np.exp(np.interp(limit, strengths, drawn)) == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("when", ["prefit", "postfit"])
def test_yields_are_those_that_pyhf_expects(
    record: dict[str, Any], oracle: pyhf.Model, when: str
) -> None:
    fitted = {p["name"]: p["value"] for p in record["fit"]["parameters"]}
    values = oracle.config.suggested_init()
    if when == "postfit":
        values = [fitted[name] for name in oracle.config.par_names]
    expected = oracle.expected_data(np.array(values), include_auxdata=False)
    channels = record["yields"]["channels"]
    assert [channel["name"] for channel in channels] == oracle.config.channels
    ours = np.concatenate([channel[when]["bins"] for channel in channels])
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    stacked = [sum(np.array(s[when]["bins"]) for s in c["samples"]) for c in channels]
    np.testing.assert_allclose(np.concatenate(stacked), expected, rtol=1e-12)


def test_signal_is_what_the_signal_strength_scales(record: dict[str, Any]) -> None:
    signals = {
        (channel["name"], sample["name"])
        for channel in record["yields"]["channels"]
        for sample in channel["samples"]
        if sample["signal"]
    }
    channels = search.signal_yields(250, 0)
    assert signals == {(channel, "demo_250_0") for channel in channels}


def test_correlations_are_those_of_the_fit_above_the_threshold(
    spec: dict[str, Any], record: dict[str, Any]
) -> None:
    estimate, part = histfit.estimate(spec), record["correlation"]
    others = np.abs(estimate.correlation - np.eye(len(estimate.free))).max(axis=1)
    high = [n for n, size in zip(estimate.free, others, strict=True) if size > part["threshold"]]
    assert part["parameters"] == high
    at = [estimate.free.index(name) for name in high]
    np.testing.assert_array_equal(part["matrix"], estimate.correlation[np.ix_(at, at)])


def test_the_threshold_rises_until_the_matrix_can_be_read(
    spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnostics, "MOST", 3)
    part = diagnostics.diagnose(spec)["correlation"]
    assert 0 < len(part["parameters"]) <= 3
    assert part["threshold"] > diagnostics.THRESHOLD


def test_more_background_is_less_signal_by_as_much() -> None:
    """μ̂ = (n − b(α))/s: with α held at ±1, b is 10·hi and 10·lo, whatever the interpolation."""
    record = diagnostics.diagnose(counting(20.0))
    entry = impact(record, "b")
    assert entry["prior_up"]["shift"] == pytest.approx(-3.0 / 5.0, abs=1e-6)
    assert entry["prior_down"]["shift"] == pytest.approx(2.0 / 5.0, abs=1e-6)
    assert {entry[side]["status"] for side in ("up", "down")} == {"converged"}


def test_a_signal_strength_that_would_stop_at_its_bound_is_free_in_the_fit() -> None:
    """5 events where 10 are expected: μ̂ = −1, beyond the model's bound of 0."""
    record = diagnostics.diagnose(counting(5.0))
    mu = next(p for p in record["fit"]["parameters"] if p["name"] == "mu")
    assert record["fit"]["poi_bounds"] == "none"
    assert (mu["status"], mu["value"]) == ("free", pytest.approx(-1.0, abs=1e-6))
    assert impact(record, "b")["prior_up"]["shift"] == pytest.approx(-3.0 / 5.0, abs=1e-6)
    assert record["scan"]["muhat"] == 0.0
    assert diagnostics.diagnose(counting(20.0))["fit"]["poi_bounds"] == "of the model"


def test_a_signal_without_events_is_none() -> None:
    """What else its scan and impacts show is rounding."""
    spec = counting(20.0)
    for sample in spec["channels"][0]["samples"]:
        if any(modifier["name"] == "mu" for modifier in sample["modifiers"]):
            sample["data"] = [0.0]
    record = diagnostics.diagnose(spec)
    assert {record[part]["status"] for part in ("scan", "impacts")} == {"no signal"}
    assert record["yields"]["status"] == "ok"


def test_without_signal_there_are_pulls_and_yields_and_words(tmp_path: Path) -> None:
    record = diagnostics.diagnose(search.background())
    assert record["poi"] is None
    for part in ("scan", "impacts"):
        assert record[part]["status"] == "no signal"
    for part in ("fit", "correlation", "yields"):
        assert record[part]["status"] == "ok"
    named = {"name": "background", "region": "B", **record}
    diagnostic_figures.draw(named, "Title", tmp_path)
    assert len(list(tmp_path.glob("*.png"))) == len(diagnostic_figures.FIGURES)


@pytest.mark.parametrize("poi", ["mu", None])
def test_where_no_parameter_is_free_the_figures_say_so(poi: str | None, tmp_path: Path) -> None:
    spec = counting(12.0)
    samples = spec["channels"][0]["samples"]
    samples[1]["modifiers"] = []
    if poi is None:
        samples[0]["modifiers"][0]["name"] = "k"
        spec["measurements"][0]["config"]["parameters"] = [{"name": "k", "fixed": True}]
    record = diagnostics.diagnose(spec)
    assert (record["poi"], record["fit"]["status"]) == (poi, "ok")
    diagnostic_figures.draw({"name": "point", "region": "", **record}, "Title", tmp_path)
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {
        f"{name}{end}" for name in diagnostic_figures.FIGURES for end in style.SUFFIXES
    }


def test_a_fit_that_failed_has_a_reason_and_costs_the_others_nothing(
    spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: Any, **options: Any) -> None:
        raise histfit.FitError("the fit did not converge")

    hypotest = histfit.hypotest
    monkeypatch.setattr(histfit, "impacts", fail)
    monkeypatch.setattr(
        histfit, "hypotest", lambda m, mu, **o: fail() if mu > 0.3 else hypotest(m, mu, **o)
    )
    record = diagnostics.diagnose(spec)
    assert record["impacts"] == {"status": "failed", "reason": "the fit did not converge"}
    assert record["yields"]["status"] == "ok"
    rows = record["scan"]["rows"]
    assert [row["status"] for row in rows] == [
        "failed" if row["mu"] > 0.3 else "ok" for row in rows
    ]
    assert all("observed" not in row for row in rows if row["status"] == "failed")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small search, after somebody asked for two points and for CLs over the plane."""
    folder = tmp_path_factory.mktemp("asked")
    write(folder)
    wanted = ["diagnostics/signal_200_0/", "diagnostics/signal_500_0", "cls.png"]
    run = snakemake(folder, *(f"results/small/{file}" for file in wanted))
    assert run.returncode == 0, run.stdout
    assert "observed limit" in run.stdout
    return folder


@pytest.mark.long
def test_a_point_is_asked_for_by_name_with_or_without_a_slash(asked: Path) -> None:
    for point in ("signal_200_0", "signal_500_0"):
        folder = asked / "results/small/diagnostics" / point
        files = {
            f"{name}{suffix}" for name in diagnostic_figures.FIGURES for suffix in style.SUFFIXES
        }
        found = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        assert found == files | {"diagnostics.json"}
        assert read_json(folder / "diagnostics.json")["name"] == point
    again = snakemake(asked, "results/small/diagnostics/signal_200_0/")
    assert "Nothing to be done" in again.stdout


@pytest.mark.long
def test_cls_over_the_plane_are_asked_for_by_the_files_name(asked: Path) -> None:
    for suffix in style.SUFFIXES:
        assert (asked / f"results/small/cls{suffix}").stat().st_size > 5_000


@pytest.mark.long
def test_a_region_without_signal_is_told_apart_from_one_with_it(
    finished_sbottom: Path, mirror: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_sbottom, tmp_path / "sbottom"))
    points = ["A/sbottom_1100_450_60", "B/sbottom_1500_1495_60"]
    run = snakemake(
        folder, *(f"results/sbottom/diagnostics/{point}/" for point in points),
        "--config", f"mirror={mirror}", project=folder,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert "no signal: the patch adds no events" in run.stdout
    with_signal, without = (
        read_json(folder / f"results/sbottom/diagnostics/{point}/diagnostics.json")
        for point in points
    )
    assert (with_signal["region"], with_signal["scan"]["status"]) == ("A", "ok")
    assert (without["region"], without["scan"]["status"]) == ("B", "no signal")
    assert without["yields"]["status"] == "ok"


@pytest.mark.long
def test_a_point_that_does_not_exist_is_an_error_in_words(asked: Path) -> None:
    run = snakemake(asked, "results/small/diagnostics/signal_201_0/")
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    assert 'error: there is no patch "signal_201_0": signal_201_0 is not a point' in run.stdout
