"""ATLAS SUSY-2018-31 (sbottom multi-b): three signal regions, two planes, from the archive on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recontour.files import read_json
from recontour.results import CLS
from running import rows

# From pyhf's regression test (tests/test_regression.py of scikit-hep/pyhf): observed CLs, −2…+2σ.
REFERENCE = {
    ("A", "sbottom_1300_205_60"): (
        *(0.24443627759085326, 0.09022509053507759, 0.1937839194960632),
        *(0.38432344933992, 0.6557757334303531, 0.8910420971601081),
    ),
    ("A", "sbottom_1400_950_60"): (
        *(0.021373283911064852, 0.0026445531093281147, 0.013976126501170727),
        *(0.06497105816950004, 0.23644030478043676, 0.5744785776763938),
    ),
    ("A", "sbottom_1500_850_60"): (
        *(0.045367205665400624, 0.00598431785676406, 0.026102240062850574),
        *(0.10093641492218848, 0.31019245951964736, 0.6553623337518385),
    ),
    ("B", "sbottom_1400_550_60"): (
        *(0.9744675266677597, 0.9338879894557114, 0.9569045303300702),
        *(0.9771296335437559, 0.9916370124133669, 0.9983701133999316),
    ),
    ("C", "sbottom_1600_850_60"): (
        *(0.711023707425625, 0.2955492909588046, 0.4446885457298284),
        *(0.6371473864200973, 0.8336149623750603, 0.9585901381554178),
    ),
}


@pytest.fixture
def results(finished_sbottom: Path) -> Path:
    return finished_sbottom / "results" / "sbottom"


@pytest.mark.long
def test_the_fits_of_every_region_agree_with_pyhfs_regression_test(results: Path) -> None:
    found = {(row["region"], row["name"]): row for row in rows(results / "cls_regions.csv")}
    assert len(found) == 650
    for point, expected in REFERENCE.items():
        assert [float(found[point][column]) for column in CLS] == pytest.approx(expected, abs=1e-5)


@pytest.mark.long
def test_each_point_has_the_result_of_its_best_region_by_expected_cls(results: Path) -> None:
    expected: dict[str, dict[str, float]] = {}
    for row in rows(results / "cls_regions.csv"):
        expected.setdefault(row["name"], {})[row["region"]] = float(row["CLs_exp_0"])
    chosen = {row["name"]: row["region"] for row in rows(results / "cls.csv")}
    assert len(chosen) == 218
    assert all(expected[name][chosen[name]] == min(expected[name].values()) for name in chosen)
    assert chosen["sbottom_700_680_550"] == "B"  # compressed spectra
    assert chosen["sbottom_1600_1595_60"] == "C"  # soft b jets of the sbottom
    assert chosen["sbottom_1400_950_60"] == "A"
    # region A has no patch for this point, which is no failure
    assert sorted(expected["sbottom_1600_650_60"]) == ["B", "C"]


@pytest.mark.long
def test_a_patch_without_signal_says_so(results: Path) -> None:
    (row,) = [row for row in rows(results / "cls_regions.csv") if row["reason"]]
    assert (row["region"], row["name"]) == ("B", "sbottom_1500_1495_60")
    assert row["CLs_obs"] == "1.0"
    assert row["reason"].startswith("no signal")


@pytest.mark.long
@pytest.mark.parametrize("plane", ["m60", "dm130"])
def test_both_planes_come_back_as_published(results: Path, plane: str) -> None:
    comparison: dict[str, Any] = read_json(results / plane / "comparison.json")
    assert comparison["verdict"] == "reproduced", comparison["reasons"]
    assert comparison["curves"]["observed"]["overlap"] > 0.97
    assert comparison["curves"]["observed"]["median"] < 3.5
    assert (results / plane / "exclusion.pdf").is_file()


@pytest.mark.long
def test_provenance_names_what_was_fetched_for_each_plane(results: Path) -> None:
    provenance = read_json(results / "provenance.json")
    assert sorted(provenance["sources"]) == ["dm130/observed", "likelihood", "m60/observed"]
    assert {"cls.csv", "m60/contours.json", "dm130/comparison.json"} <= set(provenance["results"])
