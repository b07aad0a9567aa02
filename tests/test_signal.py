"""Signals of one's own under a published background, in every form, through the whole workflow."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from recontour import config, signals
from recontour.errors import UserError
from recontour.files import read_json
from running import ROOT, by_name, rows, snakemake
from small_search import background, patchset, write, write_config

CLS = ("CLs_obs", "CLs_exp_m2", "CLs_exp_m1", "CLs_exp_0", "CLs_exp_p1", "CLs_exp_p2")
HEADER = "point,m1,m2,channel,bin,yield\n"
NONE = {"patchset": "", "patches": "", "table": "", "yields": ""}


def write_forms(folder: Path) -> dict[str, dict[str, str]]:
    """The signals of the small search in each form, and the config keys that name them."""
    entries = patchset()["patches"]
    (folder / "mine.json").write_text(json.dumps(patchset()), encoding="utf-8")
    (folder / "patches").mkdir()
    points, lines = ["name,m1,m2"], []
    for entry in entries:
        name, (m1, m2) = entry["metadata"]["name"], entry["metadata"]["values"]
        (folder / "patches" / f"{name}.json").write_text(json.dumps(entry["patch"]))
        points.append(f"{name},{m1},{m2}")
        data = entry["patch"][0]["value"]["data"]
        lines += [f"{name},{m1},{m2},SR,{i},{value!r}" for i, value in enumerate(data)]
    (folder / "mine.csv").write_text("\n".join([*points, ""]), encoding="utf-8")
    (folder / "yields.csv").write_text(HEADER + "\n".join([*lines, ""]), encoding="utf-8")
    return {
        "as_patchset": {"patchset": "mine.json"},
        "as_folder": {"patches": "patches", "table": "mine.csv"},
        "as_yields": {"yields": "yields.csv"},
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the published signals and of the same signals in every form."""
    folder = tmp_path_factory.mktemp("signal")
    settings = write(folder)
    for name, form in write_forms(folder).items():
        settings["analyses"][name] = {"background_of": "small", "signal": form}
    write_config(folder, settings)
    tables = [f"results/{form}/cls.csv" for form in ("as_patchset", "as_folder")]
    finished = snakemake(folder, "small", "as_yields", *tables)
    assert finished.returncode == 0, finished.stdout
    assert finished.stdout.count("12 done, 0 failed") == 2
    return folder / "results"


@pytest.mark.parametrize("form", ["as_patchset", "as_folder", "as_yields"])
def test_signals_in_every_form_have_the_cls_of_the_published_ones(run: Path, form: str) -> None:
    published, ours = by_name(run / "small/cls.csv"), by_name(run / form / "cls.csv")
    assert list(ours) == list(published)
    for name, row in published.items():
        assert ours[name]["status"] == "ok"
        for column in ("m1", "m2", *CLS):
            assert float(ours[name][column]) == pytest.approx(float(row[column]), abs=1e-12)


@pytest.mark.long
def test_rows_of_labels_that_were_renamed_are_computed_anew(tmp_path: Path) -> None:
    settings = write(tmp_path)
    form = write_forms(tmp_path)["as_yields"]
    mine = {"background_of": "small", "signal": form}
    settings["analyses"]["mine"] = mine
    write_config(tmp_path, settings)
    assert snakemake(tmp_path, "results/mine/cls.csv").returncode == 0
    text = (tmp_path / "yields.csv").read_text(encoding="utf-8")
    (tmp_path / "yields.csv").write_text(text.replace("m1,m2", "mass,lsp"), encoding="utf-8")
    mine["axes"] = {axis: {"label": of, "title": of} for axis, of in (("x", "mass"), ("y", "lsp"))}
    write_config(tmp_path, settings)
    again = snakemake(tmp_path, "results/mine/cls.csv")
    assert again.returncode == 0, again.stdout
    assert [*rows(tmp_path / "results/mine/cls.csv")[0]][:3] == ["name", "mass", "lsp"]


def test_an_older_file_in_the_place_of_another_is_noticed_and_what_stays_behind_is_named(
    mine: Path,
) -> None:
    """Snakemake compares times of change: those of files that `mv` or `rsync` put there are old."""
    table, other = mine / "yields.csv", mine / "other.csv"
    signal = HEADER + "x,200,0,SR,0,{0}\nx,200,0,SR,1,{0}\n"
    table.write_text(signal.format(4.0), encoding="utf-8")
    assert snakemake(mine, "mine", "results/mine/upper_limits.csv").returncode == 0
    before = by_name(mine / "results/mine/cls.csv")["x"]
    other.write_text(signal.format(40.0), encoding="utf-8")
    os.utime(other, (1e9, 1e9))
    other.replace(table)
    again = snakemake(mine, "mine")
    assert again.returncode == 0, again.stdout
    after = by_name(mine / "results/mine/cls.csv")["x"]
    assert float(before["CLs_obs"]) > 0.1 > 0.001 > float(after["CLs_obs"])
    left = "note: results/mine: upper_limits.csv, upper_limits.json stay as they were made"
    assert again.stdout.count(left) == 1
    assert "Nothing to be done" in snakemake(mine, "mine").stdout


def test_braces_in_the_name_of_a_file_are_refused(mine: Path) -> None:
    settings = yaml.safe_load((mine / "config/config.yaml").read_text(encoding="utf-8"))
    settings["analyses"]["mine"]["signal"] = {"yields": "y{3}.csv"}
    (mine / "y{3}.csv").write_text(HEADER, encoding="utf-8")
    write_config(mine, settings)
    refused = snakemake(mine, "mine")
    assert refused.returncode != 0
    expected = (
        "error: config key analyses/mine/signal/yields: found y{3}.csv; expected a name without"
    )
    assert refused.stdout.count(expected) == 1


def test_everything_is_made_under_the_signals_own_name(run: Path) -> None:
    for file in ("contours.json", "exclusion.png", "exclusion.pdf", "provenance.json"):
        assert (run / "as_yields" / file).stat().st_size > 0
    assert "as_yields, background of A small search" in (run / "as_yields/summary.txt").read_text()


def test_axes_and_boundary_are_inherited_and_published_contours_are_not(run: Path) -> None:
    published, ours = (read_json(run / name / "contours.json") for name in ("small", "as_yields"))
    assert ours["axes"] == published["axes"]
    assert ours["boundary"] == published["boundary"]
    assert read_json(run / "as_yields/comparison.json")["verdict"] == "not compared"


def test_the_likelihood_is_fetched_once(run: Path) -> None:
    assert (run / "small/download/likelihood.archive").exists()
    assert not (run / "as_yields/download").exists()
    provenance = read_json(run / "as_yields/provenance.json")
    assert "likelihood" in provenance["sources"]
    points = run / "as_yields/points.csv"
    (table,) = provenance["inputs"].values()
    assert table == {"sha256": hashlib.sha256(points.read_bytes()).hexdigest()}


def test_another_archive_or_mirror_is_taken_for_itself() -> None:
    archive = {"doi": "10.5072/a", "size": 1, "sha256": "ab"}
    analyses = {
        "base": {"background_of": "", "mirror": "", "likelihood": archive},
        "same": {
            "background_of": "base",
            "mirror": "",
            "likelihood": archive | {"background": "x"},
        },
        "other": {"background_of": "base", "mirror": "", "likelihood": archive | {"sha256": "cd"}},
        "near": {"background_of": "base", "mirror": "here", "likelihood": archive},
    }
    found = {name: config.likelihood_of({"analyses": analyses}, name) for name in analyses}
    assert found == {"base": "base", "same": "base", "other": "other", "near": "near"}


def test_two_analyses_are_compared_point_by_point_and_by_their_contours(
    run: Path, tmp_path: Path
) -> None:
    script = ROOT / "workflow" / "scripts" / "compare_scans.py"
    folders = [str(run / name) for name in ("as_yields", "small")]
    done = subprocess.run(
        [sys.executable, str(script), *folders, "--out", str(tmp_path / "both.png")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "12 points of 12 and 12 are on the same places" in done.stdout
    assert "observed CLs: median difference +0.0000; size median 0.0000" in done.stdout
    assert "observed contours: distance median 0, 90 % 0, largest 0 GeV" in done.stdout
    assert (tmp_path / "both.png").stat().st_size > 10_000
    command = [sys.executable, str(script), *folders, "--out", str(tmp_path / "both.txt")]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "both.txt: expected a name that ends with .pdf or .png" in refused.stderr


def test_an_analysis_without_contours_cannot_be_compared(run: Path) -> None:
    script = ROOT / "workflow" / "scripts" / "compare_scans.py"
    for folders in (("as_yields", "nowhere"), ("nowhere", "small")):
        command = [sys.executable, str(script), *(str(run / name) for name in folders)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert f"error: {run / 'nowhere'}: found no contours.json" in done.stderr
        assert "at least three points" in done.stderr and "room" not in done.stderr


def test_the_patches_made_from_yields_are_there_as_files(run: Path) -> None:
    patch = read_json(run / "as_yields/likelihood/members/signal/signal_200_0.json")
    assert patch[0]["value"]["name"] == "signal_200_0"
    assert patch[0]["value"]["data"] == [40.0, 40.0]
    report = read_json(run / "as_yields/likelihood/verification.json")
    assert list(report["signal"]) == ["yields.csv"]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with the small search, and a config whose signal comes from yields.csv."""
    settings = write(tmp_path)
    settings["analyses"]["mine"] = {"background_of": "small", "signal": {"yields": "yields.csv"}}
    write_config(tmp_path, settings | {"run": ["mine"]})
    return tmp_path


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "x,200,0,SRX,0,5\n",
            'row 2, column channel: the background has no channel "SRX"; valid: SR',
        ),
        ("x,200,0,SR,0,5\n", "point x has no row for bin 1 of channel SR"),
        ("x,200,0,SR,0,-5\n", 'row 2, column yield: found "-5"'),
        ("x,200,0,SR,0,5\nx,200,0,SR,0,5\n", "row 3, column point, channel, bin: point x"),
    ],
)
def test_a_wrong_table_ends_the_run_with_row_and_column(
    mine: Path, content: str, expected: str
) -> None:
    (mine / "yields.csv").write_text(HEADER + content, encoding="utf-8")
    finished = snakemake(mine)
    assert finished.returncode != 0
    assert "Traceback" not in finished.stdout
    assert expected in finished.stdout
    assert not (mine / "results/mine/cls.csv").exists()


def entry(**keys: Any) -> dict[str, Any]:
    return {"background_of": "small", "signal": {"yields": "yields.csv"}} | keys


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (entry(background_of="smal"), 'analyses/mine/background_of: analysis "smal" is unknown'),
        (entry(background_of="mine"), "background_of: mine names itself; name the analysis"),
        (entry(points="points.csv"), "points cannot be given beside background_of and signal"),
        (entry(signal={}), "points, or else background_of and signal, must be given"),
        (entry(signal={"yields": "a", "patchset": "b"}), "found yields and patchset; expected"),
        (entry(signal={"patches": "folder"}), "expected patchset, or patches and table, or yields"),
        (entry(signal={"yield": "a"}), 'did you mean "yields"?'),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, own: dict[str, Any], expected: str) -> None:
    settings = write(tmp_path)
    settings["analyses"]["mine"] = own
    with pytest.raises(UserError) as error:
        config.complete(settings)
    assert expected in str(error.value)


def test_what_an_analysis_gives_itself_is_not_inherited(tmp_path: Path) -> None:
    settings = write(tmp_path)
    axes = {"x": {"label": "a", "title": "$a$"}, "y": {"label": "b", "title": "$b$"}}
    settings["analyses"]["mine"] = entry(title="Mine", axes=axes)
    config.complete(settings)
    completed = settings["analyses"]["mine"]
    assert completed["title"] == "Mine"
    assert completed["axes"]["x"]["label"] == "a"
    assert completed["boundary"] == ""  # what it says is of other axes
    assert completed["likelihood"] == settings["analyses"]["small"]["likelihood"]
    assert completed["published"] == {}


def test_the_boundary_holds_on_the_same_axes_given_once_more(tmp_path: Path) -> None:
    settings = write(tmp_path)
    small = settings["analyses"]["small"]
    settings["analyses"]["mine"] = entry(title="Mine", axes=copy.deepcopy(small["axes"]))
    config.complete(settings)
    assert settings["analyses"]["mine"]["boundary"] == small["boundary"] != ""


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    whats = {"patchset": "patchset", "yields": "table of yields", "patches": "folder of patches"}
    for form, what in whats.items():
        with pytest.raises(UserError, match=f"none: there is no such {what}"):
            signals.points(NONE | {form: str(tmp_path / "none")})


def test_a_folder_is_no_patchset(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder, not a patchset"):
        signals.points(NONE | {"patchset": str(tmp_path)})


def test_a_point_without_patch_is_named_with_what_the_folder_holds(tmp_path: Path) -> None:
    write_forms(tmp_path)
    (tmp_path / "mine.csv").write_text("name,m1,m2\nsignal_1_2,1,2\n", encoding="utf-8")
    form = {"patches": str(tmp_path / "patches"), "table": str(tmp_path / "mine.csv")}
    with pytest.raises(UserError) as error:
        signals.bring(NONE | form, tmp_path / "members", background())
    assert "point signal_1_2: there is no patch" in str(error.value)
    assert "the folder holds signal_200_0.json" in str(error.value)


def test_a_damaged_patch_of_ones_own_is_to_be_made_anew(mine: Path) -> None:
    write_forms(mine)
    (mine / "patches/signal_200_0.json").write_text("[{", encoding="utf-8")
    settings = yaml.safe_load((mine / "config/config.yaml").read_text(encoding="utf-8"))
    settings["analyses"]["mine"]["signal"] = {"patches": "patches", "table": "mine.csv"}
    write_config(mine, settings)
    finished = snakemake(mine, "results/mine/likelihood/patches.csv")
    assert "error: patches/signal_200_0.json: not JSON" in finished.stdout
    assert "make the file anew" in finished.stdout.splitlines()[-1]


def test_with_several_regions_the_table_says_which(tmp_path: Path) -> None:
    path = tmp_path / "yields.csv"
    lines = ["x,200,0,A,SR,0,5", "x,200,0,A,SR,1,5", "x,200,0,B,SR,0,1", "x,200,0,B,SR,1,1"]
    header = "point,m1,m2,region,channel,bin,yield"
    path.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    form, members = NONE | {"yields": str(path)}, tmp_path / "members"
    for region, yields in (("A", [5.0, 5.0]), ("B", [1.0, 1.0])):
        (patch,) = signals.bring(form, members, background(), "", region, ["A", "B"]).patches
        assert patch.member == f"signal/{region}/x.json"
        assert read_json(members / patch.member)[0]["value"]["data"] == yields
    with pytest.raises(UserError, match=r'row 4, column region: found "B"; valid: A, C'):
        signals.bring(form, members, background(), "", "A", ["A", "C"])


def test_a_patchset_of_ones_own_is_for_one_background(tmp_path: Path) -> None:
    write_forms(tmp_path)
    form = NONE | {"patchset": str(tmp_path / "mine.json")}
    with pytest.raises(UserError, match="the regions A, B; give a table of yields"):
        signals.bring(form, tmp_path / "members", background(), "", "A", ["A", "B"])


def test_yields_of_1lbb_take_the_place_of_earlier_ones_only_when_all_is_well(
    mirror: Path, tmp_path: Path
) -> None:
    theory, out = tmp_path / "wino.csv", tmp_path / "yields.csv"
    script = [sys.executable, str(ROOT / "workflow/scripts/yields_1lbb.py")]
    options = ["--cross-sections", str(theory), "--mirror", str(mirror)]

    def made(*more: str) -> subprocess.CompletedProcess[str]:
        command = [*script, *options, *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    masses = "150,5180.88\n200,1807.4\n300,386.9\n"
    heavy = "400,121\n600,20\n800,4.8\n1200,0.4\n"
    theory.write_text(f"m1,cross_section_fb\n{masses}{heavy}", encoding="utf-8")
    printed = made().stdout
    assert made("--out", str(out)).stdout == ""
    assert out.read_text(encoding="utf-8") == printed
    assert len(printed.splitlines()) == 1 + 125 * 9
    theory.write_text(f"m1,cross_section_fb\n{masses}", encoding="utf-8")
    failed = made("--out", str(out))
    assert failed.returncode == 1 and "no row covers m1 = " in failed.stderr
    assert out.read_text(encoding="utf-8") == printed


def test_a_systematic_of_1500_percent_is_no_fraction_of_yields() -> None:
    script = [sys.executable, str(ROOT / "workflow/scripts/yields_1lbb.py")]
    options = ["--cross-sections", "wino.csv", "--systematic", "15"]
    refused = subprocess.run([*script, *options], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    expected = "error: --systematic: found 15, expected a fraction of the yields, from 0 to 1"
    assert refused.stderr.startswith(expected)


@pytest.mark.long
def test_yields_from_acceptance_and_efficiency_give_nearly_the_published_cls(
    finished_1lbb: Path, mirror: Path, tmp_path: Path
) -> None:
    """workflow/docs/your_model.md: tables 18 to 41 and theory cross-sections from beside the
    mirror, with 15 % uncertainty, against the published patches."""
    wino = mirror.parent / "reference" / "wino_C1N2_cross_section_13TeV.csv"
    if not wino.exists():
        pytest.skip(f"needs the theory cross-sections at {wino}")
    folder = Path(shutil.copytree(finished_1lbb, tmp_path / "project"))
    theory = [[float(cell) for cell in row.values()] for row in rows(wino)]
    lines = [f"{m},{minus + plus}" for m, minus, _, plus, _ in theory]
    (folder / "wino.csv").write_text("\n".join(["m1,cross_section_fb", *lines, ""]))
    script = ["workflow/scripts/yields_1lbb.py", "--cross-sections", "wino.csv"]
    made = subprocess.run(
        [sys.executable, *script, "--systematic", "0.15", "--mirror", str(mirror)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    (folder / "yields.csv").write_text(made.stdout, encoding="utf-8")
    own = {"mymodel": {"background_of": "1Lbb", "signal": {"yields": "yields.csv"}}}
    run = snakemake(
        folder,
        "1Lbb",
        "mymodel",
        "--config",
        f"mirror={mirror}",
        f"analyses={json.dumps(own)}",
        project=folder,
    )
    assert run.returncode == 0, run.stdout
    published, ours = (by_name(folder / f"results/{name}/cls.csv") for name in ("1Lbb", "mymodel"))
    shifts = sorted(
        abs(float(ours[name]["CLs_obs"]) - float(row["CLs_obs"])) for name, row in published.items()
    )
    assert len(shifts) == 125
    assert shifts[62] < 0.01
    assert shifts[-1] < 0.07


def test_only_files_count_as_patches(tmp_path: Path) -> None:
    """An editor's lock is a link to nowhere, and a folder may have any name."""
    folder = tmp_path / "patches"
    (folder / "old.json").mkdir(parents=True)
    (folder / ".#a.json").symlink_to("user@host.1")
    (folder / "a.json").write_text("[]")
    signal = NONE | {"patches": str(folder), "table": "mine.csv"}
    assert signals.files(signal) == ["mine.csv", str(folder / "a.json")]
