"""The target `exports` of real runs: each file opened by the tool that reads it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import uproot
import yaml
from hepdata_validator.full_submission_validator import FullSubmissionValidator
from recontour.exports import curves, root
from recontour.files import read_json
from recontour.results import CLS
from running import snakemake
from small_search import BROKEN, IMPOSSIBLE, with_two_bad_points, write, write_config

TESTED = "signal_300_100"


def exports_of(folder: Path, *targets: str, project: Path | None = None, **config: Any) -> None:
    """Make the exports in `folder`, and `targets`."""
    settings = [f"{key}={json.dumps(value)}" for key, value in config.items()]
    arguments = ["exports", *targets, *(["--config", *settings] if settings else [])]
    run = snakemake(folder, *arguments, **({"project": project} if project else {}))
    assert run.returncode == 0, run.stdout[-3000:]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a small search in two planes, one of them a line, with two failed points."""
    folder = tmp_path_factory.mktemp("exports")
    config = write(folder, with_two_bad_points())
    analysis = config["analyses"]["small"]
    plane = {key: analysis.pop(key) for key in ("axes", "boundary", "published")}
    line = {"where": "m2 == 0", "axes": {"x": plane["axes"]["x"]}}
    write_config(
        folder, config | {"analyses": {"small": analysis | {"planes": {"p": plane, "l": line}}}}
    )
    roots = [f"results/small/{name}/exports/contours.root" for name in ("p", "l")]
    exports_of(folder, *roots, f"results/small/workspaces/{TESTED}.json")
    return folder / "results" / "small"


def check_hepdata(folder: Path) -> dict[str, list[Any]]:
    """Check the submission of an analysis; the columns of its table of CLs."""
    exports = folder / "exports"
    for source in ({"archive": exports / "hepdata.tar.gz"}, {"directory": exports / "hepdata"}):
        validator = FullSubmissionValidator(schema_version="1.1.1")
        what = {key: str(path) for key, path in source.items()}
        assert validator.validate(**what), validator.get_messages()
    table = yaml.safe_load((exports / "hepdata/cls.yaml").read_text(encoding="utf-8"))
    variables = table["independent_variables"] + table["dependent_variables"]
    return {
        variable["header"]["name"]: [entry["value"] for entry in variable["values"]]
        for variable in variables
    }


def check_curves(plane: Path, *, in_root: bool) -> None:
    """Check that CSV and ROOT hold the vertices of contours.json, all of them and no other."""
    pieces = curves.pieces(read_json(plane / "contours.json"))
    assert pieces
    table = pd.read_csv(plane / "exports/contours.csv")
    by_piece = dict(iter(table.groupby(["curve", "piece"])))
    assert len(by_piece) == sum(map(len, pieces.values()))
    for curve, found in pieces.items():
        for number, piece in enumerate(found):
            assert by_piece[curve, number + 1].iloc[:, 2:].to_numpy().tolist() == piece
            if in_root:
                with uproot.open(plane / "exports/contours.root") as file:
                    graph = file[root.GRAPHS[curve].format(number)]
                    assert [list(vertex) for vertex in zip(*graph.values(), strict=True)] == piece


def test_hepdata_accepts_the_results_and_sees_what_failed(small: Path) -> None:
    table = check_hepdata(small)
    failed = {
        patch
        for patch, status in zip(table["Patch"], table["Status"], strict=True)
        if status != "ok"
    }
    assert failed == {BROKEN, IMPOSSIBLE}
    assert [table["CLs, observed"][table["Patch"].index(name)] for name in failed] == ["-", "-"]
    documents = [*yaml.safe_load_all((small / "exports/hepdata/submission.yaml").read_text())]
    names = {document["name"] for document in documents[1:]}
    assert {"CLs", "Upper limits", "Observed contour (p)", "Observed excluded range (l)"} <= names


def test_each_plane_has_its_curves_in_csv_and_root(small: Path) -> None:
    for plane in ("p", "l"):
        check_curves(small / plane, in_root=True)


def test_the_file_of_a_point_is_what_pyhfs_own_command_writes(small: Path, tmp_path: Path) -> None:
    names = {path.stem for path in (small / "exports/pyhf").glob("*.json")}
    rows = {row["name"]: row for row in read_json(small / "cls.json")}
    assert names == rows.keys() - {BROKEN, IMPOSSIBLE}
    theirs = tmp_path / "pyhf.json"
    pyhf = [sys.executable, "-c", "from pyhf.cli import cli; cli()"]
    arguments = ["cls", f"{small}/workspaces/{TESTED}.json", "--output-file", str(theirs)]
    subprocess.run([*pyhf, *arguments], check=True, timeout=120)
    ours = small / f"exports/pyhf/{TESTED}.json"
    expected, found = json.loads(theirs.read_text()), json.loads(ours.read_text())
    assert found.keys() == expected.keys()
    assert found["CLs_obs"] == pytest.approx(expected["CLs_obs"], abs=1e-4)  # SLSQP's precision
    assert found["CLs_exp"] == pytest.approx(expected["CLs_exp"], abs=1e-4)
    forms = [re.sub(r"[\d.e-]+(?=,?\n)", "1", path.read_text()) for path in (theirs, ours)]
    assert forms[0].strip() == forms[1].strip()
    assert [found["CLs_obs"], *found["CLs_exp"]] == [rows[TESTED][column] for column in CLS]


def test_the_harvest_of_each_plane_holds_its_points_with_their_limits(small: Path) -> None:
    limits = {row["name"]: row for row in read_json(small / "upper_limits.json")}
    for plane, points in (("p", 10), ("l", 3)):
        entries = read_json(small / plane / "exports/harvest.json")
        assert len(entries) == points
        for entry in entries:
            assert entry["upperLimit"] == limits[entry["fID"]]["mu_obs"]
            assert entry["x"] == entry["m1"]


def test_an_export_that_somebody_deletes_is_made_again_alone(small: Path) -> None:
    gone, other = small / "p/exports/contours.csv", small / "exports/hepdata.tar.gz"
    content, before = gone.read_bytes(), other.stat().st_mtime_ns
    gone.unlink()
    exports_of(small.parents[1])
    assert gone.read_bytes() == content
    assert other.stat().st_mtime_ns == before


@pytest.mark.long
def test_without_contour_the_exports_hold_none_and_say_why(tmp_path: Path) -> None:
    write(tmp_path, select=[[500, 0], [500, 50], [400, 100]])
    exports_of(tmp_path, "results/small/exports/contours.root")
    exports = tmp_path / "results/small/exports"
    check_hepdata(tmp_path / "results/small")
    assert sorted(path.name for path in (exports / "hepdata").glob("*.yaml")) == [
        *("cls.yaml", "submission.yaml", "upper_limits.yaml"),
    ]
    assert (exports / "contours.csv").read_text() == "curve,piece,m1 [GeV],m2 [GeV]\n"
    with uproot.open(exports / "contours.root") as file:
        assert file["NoContour/observed"].startswith("no point is excluded")


@pytest.mark.long
def test_of_a_single_point_there_is_what_takes_no_plane(tmp_path: Path) -> None:
    write(tmp_path, select=[[300, 0]])
    exports_of(tmp_path)
    exports = tmp_path / "results/small/exports"
    assert len(check_hepdata(tmp_path / "results/small")["Patch"]) == 1
    assert {path.name for path in exports.glob("[a-z]*")} == {
        *("hepdata", "hepdata.tar.gz", "pyhf", "table.tex"),
    }


@pytest.mark.long
def test_the_demo_comes_out_in_every_form(finished_demo: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished_demo, tmp_path / "demo"))
    exports_of(folder, "results/demo/exports/contours.root", project=folder, run=["demo"])
    results = folder / "results/demo"
    assert set(check_hepdata(results)["Status"]) == {"ok"}
    check_curves(results, in_root=True)
    assert len([*(results / "exports/pyhf").glob("*.json")]) == 56
    assert len(read_json(results / "exports/harvest.json")) == 56


@pytest.mark.long
def test_1lbb_comes_out_in_every_form(exported_1lbb: Path) -> None:
    results = exported_1lbb / "results/1Lbb"
    assert set(check_hepdata(results)["Status"]) == {"ok"}
    check_curves(results, in_root=True)
    assert len(read_json(results / "exports/harvest.json")) == 125
    found = read_json(results / "exports/pyhf/C1N2_Wh_hbb_900_250.json")
    # by pyhf's authors, to the precision of that fit (README: how the numbers are checked)
    assert found["CLs_obs"] == pytest.approx(0.4573416902, abs=1e-6)


@pytest.mark.long
def test_each_plane_of_sbottom_has_contours_of_its_own(
    finished_sbottom: Path, mirror: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(finished_sbottom, tmp_path / "sbottom"))
    planes = ("m60", "dm130")
    targets = [f"results/sbottom/{plane}/exports/contours.csv" for plane in planes]
    run = snakemake(
        folder, *targets, "results/sbottom/exports/table.tex", "--config", f"mirror={mirror}",
        project=folder,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:]
    for plane in planes:
        check_curves(folder / "results/sbottom" / plane, in_root=False)
    table = (folder / "results/sbottom/exports/table.tex").read_text(encoding="utf-8")
    assert table.count("sbottom\\_") == 218
    assert r"$m(\tilde b_1)$ & " in table


def test_exports_of_earlier_contours_are_named(small: Path, tmp_path: Path) -> None:
    """With another boundary contours are made anew, though the table of CLs is not."""
    folder = tmp_path / "copy"
    shutil.copytree(small.parents[1], folder, symlinks=True)
    config = yaml.safe_load((folder / "config/config.yaml").read_text(encoding="utf-8"))
    config["analyses"]["small"]["planes"]["p"]["boundary"] = "m1 >= m2 + 1"
    write_config(folder, config)
    again = snakemake(folder, "results/small/p/contours.json")
    assert again.returncode == 0, again.stdout
    assert "cls.csv" not in again.stdout.split("note: results/small: ")[1].split(" stay as")[0]
    assert "p/exports/contours.root stay as they were made" in again.stdout
