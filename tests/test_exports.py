"""Exports, each opened with the tool that reads it: what is there, and that nothing failed is."""

from __future__ import annotations

import csv
import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import uproot
import yaml
from hepdata_validator.full_submission_validator import FullSubmissionValidator
from recontour.errors import UserError
from recontour.exports import curves, harvest, hepdata, latex, pyhf_cls, root
from recontour.files import read_json, tar_gz
from recontour.limits import ON_MU
from recontour.results import CLS, NO_SIGNAL, Row
from running import ROOT

LABELS = ("m1", "m2")
HEADINGS = {"m1": {"label": "m1", "title": r"$m(\tilde\chi_1^\pm)$", "unit": "GeV"}}
CURVES = {"observed": [[[1.5, 2.0], [3.25, 4.0]], [[5.0, 6.0], [7.0, 8.0]]], "expected": []}
CONTOURS: dict[str, Any] = {
    "level": {"CLs": 0.05},
    "method": {"interpolation": "a spline"},
    "axes": {"x": {"label": "m1", "title": "$m_1$", "unit": "GeV"}, "y": {"label": "m1 - m2"}},
    "points": {"used": 2, "failed": ["bad_1"]},
    "curves": CURVES,
    "reasons": {"expected": "no point is excluded: the smallest CLs is 0.2"},
}
LINE: dict[str, Any] = CONTOURS | {
    "axes": {"x": {"label": "m1", "unit": "GeV"}},
    "curves": {"observed": [300.0], "expected": []},
    "excluded": {"observed": [[200.0, 300.0]], "expected": []},
}


def row(name: str, m1: Any, *cls: float | None, status: str = "ok", reason: str = "") -> Row:
    values = cls or [None] * 6
    quality = {"status": status, "edm": 1e-11, "starts": 1, "iterations": 5, "reason": reason}
    return {"name": name, "m1": m1, "m2": 0, **dict(zip(CLS, values, strict=True)), **quality}


ROWS = (
    row("good_1", 300, 0.0123456789, 1e-9, 3e-5, 0.04999, 0.3, 0.75),
    row("bad_1", 400, status="failed", reason="the free fit did not converge: 100 %"),
    row("none_1", 500.5, *[1.0] * 6, reason=NO_SIGNAL),
)


def limit(name: str, status: str, *values: float | None) -> Row:
    cells = dict(zip(ON_MU, values or [None] * 6, strict=True))
    return {"name": name, "m1": 1, "m2": 0, **cells, "status": status, "fits": 1, "reason": ""}


LIMITS = (
    limit("good_1", "ok", 0.9, 0.3, 0.4, 0.5, 0.7, 1.1),
    limit("bad_1", "failed"),
    limit("none_1", "no limit", 2.0, None, None, None, None, None),
)


def submission(rows: tuple[Row, ...] = ROWS) -> dict[str, bytes]:
    tables = [
        hepdata.cls_table(rows, LABELS, HEADINGS),
        hepdata.limits_table(LIMITS, LABELS, HEADINGS),
        *hepdata.contour_tables(CONTOURS, "m60", ["A: B", "$m=60$"]),
        *hepdata.contour_tables(LINE, "", []),
    ]
    remarks = hepdata.remarks(CONTOURS, "m60")
    return hepdata.submission(tables, "R&D: 5 % {x}", ["line"], "10.1234/r1", remarks)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise AssertionError(f"a connection to {arguments[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refused)


def valid(archive: Path) -> bool:
    validator = FullSubmissionValidator(schema_version="1.1.1")
    found = validator.validate(archive=str(archive))
    for file, messages in validator.get_messages().items():
        print(file, [message.message for message in messages])
    return found


def columns(text: bytes) -> dict[str, list[Any]]:
    """The columns of a data table of HEPData, by name."""
    table = yaml.safe_load(text)
    return {
        variable["header"]["name"]: [entry["value"] for entry in variable["values"]]
        for variable in table["independent_variables"] + table["dependent_variables"]
    }


def test_hepdata_accepts_the_submission(tmp_path: Path, offline: None) -> None:
    path = tmp_path / "submission.tar.gz"
    path.write_bytes(tar_gz(submission()))
    assert valid(path)


def test_hepdatas_validator_sees_a_table_that_is_too_short(tmp_path: Path, offline: None) -> None:
    files = submission()
    table = yaml.safe_load(files["cls.yaml"])
    table["dependent_variables"][0]["values"].pop()
    path = tmp_path / "submission.tar.gz"
    path.write_bytes(tar_gz(files | {"cls.yaml": yaml.safe_dump(table).encode()}))
    assert not valid(path)


def test_hepdata_gets_a_status_for_each_point_and_no_value_of_a_failed_one() -> None:
    table = columns(submission()["cls.yaml"])
    assert table[r"$m(\tilde\chi_1^\pm)$"] == [300, 400, 500.5]
    assert table["CLs, observed"] == [0.0123457, "-", 1.0]
    assert table["CLs, expected -2 sigma"] == [1e-9, "-", 1.0]
    assert table["Status"] == [
        "ok",
        "failed: the free fit did not converge: 100 %",
        f"ok: {NO_SIGNAL}",
    ]
    assert table["Patch"] == ["good_1", "bad_1", "none_1"]
    limits = columns(submission()["upper_limits.yaml"])
    assert limits["Limit on mu, observed"] == [0.9, "-", 2.0]
    assert limits["Limit on mu, expected"] == [0.5, "-", "-"]
    assert limits["Status"] == ["ok", "failed", "no limit"]


def test_hepdata_gets_units_and_the_contours_by_their_pieces() -> None:
    files = submission()
    table = yaml.safe_load(files["m60_contour_observed.yaml"])
    assert table["independent_variables"][0]["header"] == {"name": "$m_1$", "units": "GeV"}
    assert table["dependent_variables"][0]["header"] == {"name": "m1 - m2"}
    assert columns(files["m60_contour_observed.yaml"]) == {
        "$m_1$": [1.5, 3.25, 5.0, 7.0],
        "m1 - m2": [2.0, 4.0, 6.0, 8.0],
        "Piece": [1, 1, 2, 2],
    }
    general, *tables = yaml.safe_load_all(files["submission.yaml"])
    assert {entry["data_file"] for entry in tables} | {"submission.yaml"} == files.keys()
    assert "expected (m60): no contour, since no point is excluded" in general["comment"]
    assert "https://doi.org/10.1234/r1" in general["comment"]
    assert any("Points that failed: bad_1" in entry["description"] for entry in tables)


def test_hepdata_gets_different_names_for_long_names_of_planes() -> None:
    planes = [f"a_plane_of_a_long_name_that_ends_in_{end}" for end in ("one", "two")]
    names = {hepdata._table_name(hepdata.CURVES["observed_up"], plane) for plane in planes}
    assert len(names) == 2
    assert all(len(name) <= 64 and name.endswith(")") for name in names)


def test_the_submission_is_the_same_bytes_whenever_it_is_made() -> None:
    archive = tar_gz(submission())
    assert archive == tar_gz(submission())
    assert archive[4:8] == bytes(4)  # gzip's modification time, RFC 1952 section 2.3.1


def test_contours_in_csv_are_those_of_the_json(tmp_path: Path) -> None:
    curves.write_csv(tmp_path / "contours.csv", CONTOURS)
    table = pd.read_csv(tmp_path / "contours.csv")
    assert [*table] == ["curve", "piece", "m1 [GeV]", "m1 - m2"]
    pieces = [group.iloc[:, 2:].to_numpy().tolist() for _, group in table.groupby("piece")]
    assert pieces == CURVES["observed"]
    assert set(table["curve"]) == {"observed"}


def test_along_a_single_axis_the_excluded_ranges_are_the_pieces(tmp_path: Path) -> None:
    curves.write_csv(tmp_path / "contours.csv", LINE)
    with (tmp_path / "contours.csv").open(encoding="utf-8", newline="") as file:
        assert [*csv.reader(file)] == [
            ["curve", "piece", "m1 [GeV]", "CLs"],
            ["observed", "1", "200.0", "0.05"],
            ["observed", "1", "300.0", "0.05"],
        ]


def test_contours_in_root_are_those_of_the_json_by_histfitters_names(tmp_path: Path) -> None:
    """contourPlotter of HistFitter reads Obs_0 and Exp_0, as harvestToContours writes them."""
    band = {"expected": [[[1.0, 2.0]]], "expected_p1": [[[3.0, 4.0], [0.1, 0.2]]]}
    root.write_root(tmp_path / "c.root", CONTOURS | {"curves": CURVES | band, "reasons": {}})
    with uproot.open(tmp_path / "c.root") as file:
        graphs = {key.split(";")[0] for key in file.keys(filter_classname="TGraph")}
        assert graphs == {"Obs_0", "Obs_1", "Exp_0", "SubGraphs/clsu1s_Contour_0"}
        read = {name: [*zip(*file[name].values(), strict=True)] for name in graphs}
        assert read["Obs_1"] == [(5.0, 6.0), (7.0, 8.0)]
        assert read["SubGraphs/clsu1s_Contour_0"] == [(3.0, 4.0), (0.1, 0.2)]
        assert file["Obs_0"].member("fTitle") == "observed;m1 [GeV];m1 - m2"


def test_a_curve_without_contour_is_no_graph_in_root_but_a_reason(tmp_path: Path) -> None:
    root.write_root(tmp_path / "c.root", CONTOURS)
    with uproot.open(tmp_path / "c.root") as file:
        assert "Exp_0" not in file
        assert file["NoContour/expected"] == CONTOURS["reasons"]["expected"]


def test_without_uproot_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uproot", None)
    with pytest.raises(UserError, match=r'pip install "uproot==\d+\.\d+\.\d+"'):
        root.write_root(tmp_path / "c.root", CONTOURS)
    assert not any(tmp_path.iterdir())


def test_the_uproot_that_is_asked_for_is_the_one_that_is_tested_and_in_the_environment() -> None:
    environment = (ROOT / "envs/root.yaml").read_text(encoding="utf-8")
    assert f"- {root.UPROOT.replace('==', ' =')}\n" in environment
    assert root.UPROOT in (ROOT / "envs/test.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C1N2_Wh_hbb", r"C1N2\_Wh\_hbb"),
        ("R&D 50% #1", r"R\&D 50\% \#1"),
        (r"{~^\}", r"\{\textasciitilde{}\textasciicircum{}\textbackslash{}\}"),
        ("a < b", r"a \textless{} b"),
        (r"$m_1^\pm$ of 5%", r"$m_1^\pm$ of 5\%"),
        (r"$100\% & 5%$", r"$100\% \& 5\%$"),
        ("5$ each_one", r"5\$ each\_one"),
        (r"5\$ of $m_1$", r"5\$ of $m_1$"),
        ("a\nb", r"a\textbackslash{}nb"),
    ],
)
def test_latex_prints_texts_as_they_are_and_mathematics_as_such(text: str, expected: str) -> None:
    assert latex.escaped(text) == expected


def test_the_latex_table_says_failed_in_place_of_numbers() -> None:
    table = latex.table(ROWS, LABELS, HEADINGS, "R&D", "small")
    lines = [line for line in table.splitlines() if "_1 &" in line.replace(r"\_", "_")]
    assert lines == [
        r"good\_1 & 300 & 0 & 0.0123 & 0.0500 & $<0.001$ & 0.300 \\",
        r"bad\_1 & 400 & 0 & \multicolumn{4}{c}{failed} \\",
        r"none\_1 & 500.5 & 0 & 1.00 & 1.00 & 1.00 & 1.00 \\",
    ]
    assert r"\caption{R\&D: " in table
    assert "3 signal points, 1 of which failed." in table
    assert "\nPoint & $m(\\tilde\\chi_1^\\pm)$ & m2 & " in table
    assert "\n & [GeV] &  &  &  &  &  \\\\\n" in table


def test_the_latex_table_names_the_signal_region_if_there_are_several() -> None:
    rows = [entry | {"region": "SR_A"} for entry in ROWS]
    table = latex.table(rows, LABELS, {}, "T", "small")
    assert r"good\_1 & 300 & 0 & SR\_A & 0.0123" in table
    assert r"\begin{longtable}{lrrlrrrr}" in table


def test_the_harvest_has_histfitters_keys_and_no_failed_point(tmp_path: Path) -> None:
    """The keys that HistFitter's harvestToContours.py and multiplexContours.py read."""
    harvest.write_harvest(tmp_path / "harvest.json", ROWS, LABELS)
    first, last = read_json(tmp_path / "harvest.json")
    assert first == {
        "m1": 300,
        "m2": 0,
        "CLs": 0.0123456789,
        "clsd2s": 1e-9,
        "clsd1s": 3e-5,
        "CLsexp": 0.04999,
        "clsu1s": 0.3,
        "clsu2s": 0.75,
        "fID": "good_1",
        "failedstatus": 0,
        "upperLimit": -1,
        "expectedUpperLimit": -1,
    }
    assert last["fID"] == "none_1"


def test_the_harvest_of_a_plane_has_the_limits_and_only_points_that_have_all(
    tmp_path: Path,
) -> None:
    """The six keys that harvestToContours.py reads with --useUpperLimit. It would take -1 for a
    limit, and so for an exclusion."""
    rows = (*ROWS, row("elsewhere", 1, *[0.5] * 6))
    places = {name: {"x": 1.0, "y": 2.0} for name in ("good_1", "bad_1", "none_1")}
    path = tmp_path / "harvest.json"
    left_out = harvest.write_with_limits(path, rows, LABELS, LIMITS, places)
    assert left_out == ["bad_1", "none_1"]
    (entry,) = read_json(path)
    assert {key: value for key, value in entry.items() if "pperLimit" in key} == {
        "upperLimit": 0.9,
        "expectedUpperLimitMinus2Sig": 0.3,
        "expectedUpperLimitMinus1Sig": 0.4,
        "expectedUpperLimit": 0.5,
        "expectedUpperLimitPlus1Sig": 0.7,
        "expectedUpperLimitPlus2Sig": 1.1,
    }
    assert (entry["x"], entry["y"], entry["CLs"]) == (1.0, 2.0, 0.0123456789)


def test_labels_called_as_what_histfitter_reads_do_not_take_its_place(tmp_path: Path) -> None:
    rows = [entry | {"x": 0.5, "CLs": 7.0} for entry in ROWS]
    labels = (*LABELS, "x", "CLs")
    places = {"good_1": {"x": 1.0, "y": 2.0}}
    harvest.write_with_limits(tmp_path / "harvest.json", rows, labels, LIMITS, places)
    (entry,) = read_json(tmp_path / "harvest.json")
    assert (entry["x"], entry["y"], entry["CLs"]) == (1.0, 2.0, 0.0123456789)


def test_a_failed_point_has_no_file_in_pyhfs_form(tmp_path: Path) -> None:
    pyhf_cls.write_folder(tmp_path, ROWS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good_1.json", "none_1.json"]
    assert read_json(tmp_path / "good_1.json") == {
        "CLs_exp": [1e-9, 3e-5, 0.04999, 0.3, 0.75],
        "CLs_obs": 0.0123456789,
    }


def test_where_nothing_can_be_written_the_error_says_so_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "contours.json").write_text(json.dumps(CONTOURS), encoding="utf-8")
    (tmp_path / "exports").write_text("a file where the folder should be", encoding="utf-8")
    arguments = ("--contours", "contours.json", "--output", "exports/contours.csv")
    run = subprocess.run(
        [sys.executable, str(ROOT / "workflow/scripts/export_contours.py"), *arguments],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "workflow")},
        text=True,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 1
    assert re.fullmatch(r"error: exports.*: .*; make sure that the folder .*\n", run.stderr)
