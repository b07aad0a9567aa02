"""A config entry for a likelihood that has none: what is found in an archive, and that it runs."""

from __future__ import annotations

import copy
import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import small_search
import yaml
from recontour import config, discover, planes
from recontour import scaffold as scaffold_module
from recontour.errors import UserError
from recontour.likelihood import Point, digest
from running import ROOT, rows, snakemake

DOI = "10.5072/new.v1/r1"


def tar(files: dict[str, Any], path: Path) -> Path:
    """An archive with these members: JSON, or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            data = content if type(content) is bytes else json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def found(files: dict[str, Any], tmp_path: Path) -> discover.Discovery:
    return discover.discover(tar(files, tmp_path / "a.tar.gz"), tmp_path / "members")


def scaffold(folder: Path, mirror: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = ROOT / "workflow" / "scripts" / "scaffold.py"
    command = [sys.executable, program, *arguments, "--mirror", mirror]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def entries(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))["analyses"]


def background(name: str = "SR") -> dict[str, Any]:
    text = json.dumps(small_search.background())
    return json.loads(text.replace('"SR"', json.dumps(name)))


def operations(m1: int, m2: int) -> list[dict[str, Any]]:
    return small_search.patch(m1, m2)["patch"]


def patchset(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    made = small_search.patchset()
    made["metadata"] |= {"digests": {"sha256": digest(spec)}} | metadata
    return made


GRID = [(m1, m2) for m1 in (200, 300, 400, 500) for m2 in (0, 50, 100)]


def test_one_patchset_belongs_to_the_background_that_its_digest_names(tmp_path: Path) -> None:
    first, second = background("SR1"), background("SR2")
    files = {"a/bkg.json": first, "a/other.json": second, "patches/p.json": patchset(second)}
    (one,) = found(files, tmp_path).patches
    assert (one.background.member, one.source) == ("a/other.json", "patches/p.json")


@pytest.mark.parametrize("name", ["5x/y", "report", "a b"])
def test_a_name_that_the_config_refuses_is_refused_before_anything_is_fetched(
    tmp_path: Path, name: str
) -> None:
    made = scaffold(tmp_path, tmp_path, DOI, "--name", name)
    assert made.returncode == 1
    assert f'error: name of the analysis: found the name "{name}"' in made.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_doi_of_a_table_is_told_from_that_of_an_archive(tmp_path: Path) -> None:
    made = scaffold(tmp_path, tmp_path, "10.17182/hepdata.90607.v2/t13")
    expected = "error: 10.17182/hepdata.90607.v2/t13: found the DOI of a table; expected"
    assert made.stderr.startswith(expected)


def test_regions_with_the_same_points_make_one_analysis(tmp_path: Path) -> None:
    files = {}
    for region in ("SR-low", "SR-high"):
        files[f"x/{region}/BkgOnly.json"] = background(region.replace("-", ""))
        for m1, m2 in GRID:
            files[f"x/{region}/signal-{m1}.{m2}.json"] = operations(m1, m2)
    (group,) = discover.groups(found(files, tmp_path).patches)
    assert [one.source for one in group] == [
        r"x/SR-high/signal-(?P<m1>\d+\.\d+)\.json".replace(r"\d+\.\d+", r"\d+(?:\.\d+)?"),
        r"x/SR-low/signal-(?P<m1>\d+\.\d+)\.json".replace(r"\d+\.\d+", r"\d+(?:\.\d+)?"),
    ]


def test_several_patchsets_of_one_background_are_several_analyses(tmp_path: Path) -> None:
    spec = background()
    files = {"BkgOnly.json": spec, "p1.json": patchset(spec), "p2.json": patchset(spec)}
    assert len(discover.groups(found(files, tmp_path).patches)) == 2


def test_a_patchset_for_another_background_is_left_out_with_a_word(tmp_path: Path) -> None:
    files = {"BkgOnly.json": background(), "p.json": patchset(background("else"))}
    discovery = found(files, tmp_path)
    assert discovery.patches == []
    assert "p.json states the digest of another background" in discovery.notes[0]


def test_patches_named_otherwise_than_most_are_left_out_with_a_word(tmp_path: Path) -> None:
    files: dict[str, Any] = {f"W_{m1}_{m2}.json": operations(m1, m2) for m1, m2 in GRID}
    files |= {"BkgOnly.json": background(), "Z_200_0.json": operations(200, 0)}
    files |= {"notes.json": {"a": 1}, "README.md": b"text"}
    discovery = found(files, tmp_path)
    (one,) = discovery.patches
    assert one.source == r"W_(?P<m1>\d+)_(?P<m2>\d+)\.json"
    assert {patch.values for patch in one.held.patches} == set(GRID)
    assert any("Z_200_0.json" in note for note in discovery.notes)
    assert any("notes.json is no workspace" in note for note in discovery.notes)


def test_an_archive_without_a_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no workspace in pyhf's format \(its patchsets: p.json\)"):
        found({"p.json": patchset(background())}, tmp_path)


def test_a_resource_that_is_a_single_workspace_has_no_patches(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror" / "10.5072" / "new.v1"
    mirror.mkdir(parents=True)
    (mirror / "r1.json").write_text(json.dumps(background()), encoding="utf-8")
    run = scaffold(tmp_path, tmp_path / "mirror", DOI)
    assert run.returncode == 1
    assert "holds the workspaces likelihood.json, but no patches" in run.stderr
    assert "`signal`" in run.stderr
    assert run.stderr.count("\n") == 1


def test_nothing_is_overwritten_unless_asked_for(tmp_path: Path) -> None:
    spec = background()
    files = {"BkgOnly.json": spec, "patchset.json": patchset(spec)}
    tar(files, tmp_path / "mirror" / f"{DOI}.tar.gz")
    assert scaffold(tmp_path, tmp_path / "mirror", DOI, "--name", "new").returncode == 0
    again = scaffold(tmp_path, tmp_path / "mirror", DOI, "--name", "new")
    assert again.returncode == 1
    assert "config/new.yaml: is there already" in again.stderr
    forced = scaffold(tmp_path, tmp_path / "mirror", DOI, "--name", "new", "--force")
    assert forced.returncode == 0
    assert "snakemake --cores 2 --configfile config/new.yaml -- new" in forced.stdout


def plane(points: list[tuple[Any, ...]], labels: list[str], tmp_path: Path) -> planes.Plane:
    """The plane that the entry for a patchset with these points chooses."""
    spec = background()
    made = patchset(spec, labels=labels)
    entry = made["patches"][0]
    made["patches"] = []
    for number, values in enumerate(points):
        one = copy.deepcopy(entry)
        one["metadata"] = {"name": f"p{number}", "values": list(values)}
        made["patches"].append(one)
    with zipfile.ZipFile(tmp_path / "r1.zip", "w") as archive:
        archive.writestr("sub/BkgOnly.json", json.dumps(spec))
        archive.writestr("sub/patchset.json", json.dumps(made))
    mirror = tmp_path / "mirror" / "10.5072" / "new.v1"
    mirror.mkdir(parents=True)
    (tmp_path / "r1.zip").rename(mirror / "r1.zip")
    run = scaffold(tmp_path, tmp_path / "mirror", DOI, "--name", "new")
    assert run.returncode == 0, run.stderr
    settings = yaml.safe_load((tmp_path / "config" / "new.yaml").read_text(encoding="utf-8"))
    config.complete(settings)
    (found,) = planes.planes(settings, config.scans(settings, tmp_path)).values()
    return found


def test_labels_beyond_two_are_fixed_where_most_points_lie(tmp_path: Path) -> None:
    points = [(1, 2, "a b", 0.5), (2, 2, "a b", 0.5), (3, 4, "a b", 0.5), (1, 2, "c", 0.5)]
    chosen = plane(points, ["m1", "m2", "grid", "width"], tmp_path)
    assert chosen.where == 'grid == "a b"'
    assert [point.name for point in chosen.points] == ["p0", "p1", "p2"]
    assert chosen.axes["y"]["label"] == "m2"


def test_two_labels_that_tell_all_points_apart_are_the_axes(tmp_path: Path) -> None:
    """As for gluino → chargino, whose labels are on a line wherever the third is fixed."""
    points = [(m, (m + lsp) / 2, lsp) for m in (800, 1000, 1200) for lsp in (0, 100, 200)]
    chosen = plane([(1, *point) for point in points], ["mode", "m1", "m2", "m3"], tmp_path)
    assert (chosen.where, len(chosen.points)) == ("", 9)
    assert [chosen.axes[axis]["label"] for axis in "xy"] == ["m1", "m2"]


def test_a_pair_of_labels_that_shows_all_points_comes_before_a_slice(tmp_path: Path) -> None:
    points = [(1, 10, 1), (1, 10, 2), (2, 20, 1), (2, 20, 2), (3, 25, 1), (3, 25, 3)]
    chosen = plane(points, ["m1", "m2", "m3"], tmp_path)
    assert (chosen.where, len(chosen.points)) == ("", 6)
    assert [chosen.axes[axis]["label"] for axis in "xy"] == ["m1", "m3"]


def test_the_largest_slice_is_proposed(tmp_path: Path) -> None:
    points = [(m, n, k) for m in (1, 2) for n in (10, 20, 30) for k in (5, 6, 7, 8)]
    chosen = plane(points, ["m1", "m2", "m3"], tmp_path)
    assert chosen.where == "m1 == 1"
    assert len(chosen.points) == 12


def test_no_slice_of_fewer_than_three_points_is_proposed() -> None:
    values = [(1, 1, "a"), (1, 1, "b"), (2, 3, "c"), (2, 3, "d")]
    points = [Point(f"p{number}", row) for number, row in enumerate(values)]
    lines = scaffold_module._plane(["m1", "m2", "grid"], points)
    assert not any(line.strip().startswith("where:") for line in lines)
    assert "no values of grid are shared by 3 points" in lines[0]
    assert set(yaml.safe_load("\n".join(lines))) == {"axes", "boundary", "published"}


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("SR", "SR-high"), ["SR", "SR_high"]),
        (("SR", "SR-é", "SR_"), ["SR", "SR_", "SR__2"]),
        (("SR-low", "SR-high"), ["low", "high"]),
    ],
)
def test_names_of_regions_are_such_that_the_config_takes(
    folders: tuple[str, ...], expected: list[str], tmp_path: Path
) -> None:
    files = {}
    for number, region in enumerate(folders):
        files[f"x/{region}/BkgOnly.json"] = background(f"SR{number}")
        for m1, m2 in GRID:
            files[f"x/{region}/signal_{m1}_{m2}.json"] = operations(m1, m2)
    (group,) = discover.groups(found(files, tmp_path).patches)
    order = {
        f"x/{folder}/BkgOnly.json": name for folder, name in zip(folders, expected, strict=True)
    }
    names = scaffold_module._region_names(group)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[A-Za-z0-9_]+", name) for name in names)
    assert dict(zip((one.background.member for one in group), names, strict=True)) == order


@pytest.mark.parametrize("points", [[(1, 5), (2, 5), (3, 5)], [(1, 5), (2, 6), (3, 7)]])
def test_points_on_a_line_get_one_axis(points: list[tuple[int, int]], tmp_path: Path) -> None:
    chosen = plane(points, ["m1", "m2"], tmp_path)
    assert {axis: shown["label"] for axis, shown in chosen.axes.items()} == {"x": "m1"}
    assert chosen.can_draw


@pytest.mark.long
def test_a_new_entry_runs_as_it_is(tmp_path: Path) -> None:
    files = {}
    for region in ("A", "B"):
        files[f"likelihoods/Region{region}/BkgOnly.json"] = background(f"SR{region}")
        for m1, m2 in GRID:
            if (region, m1, m2) != ("B", 500, 100):
                name = f"likelihoods/Region{region}/patch.C1N2-WZ_{m1}_{m2}_1.json"
                files[name] = operations(m1, m2)
    tar(files, tmp_path / "mirror" / f"{DOI}.tar.gz")
    written = scaffold(tmp_path, tmp_path / "mirror", DOI, "--name", "new")
    assert written.returncode == 0, written.stderr
    regions = entries(tmp_path / "config" / "new.yaml")["new"]["likelihood"]["regions"]
    assert list(regions) == ["A", "B"]
    own = ("--configfile", "config/new.yaml", "--config", "mirror=mirror")
    run = snakemake(tmp_path, "new", *own)
    assert run.returncode == 0, run.stdout[-3000:]
    table = rows(tmp_path / "results/new/cls.csv")
    assert [(row["m1"], row["m2"]) for row in table] == [(str(a), str(b)) for a, b in GRID]
    assert table[0]["name"] == "C1N2_WZ_200_0_1"
    assert {row["region"] for row in table} == {"A"}  # equal backgrounds: the first of the best
    assert (tmp_path / "results" / "new" / "exclusion.png").is_file()
    assert "points without patch C1N2_WZ_500_100_1" in " ".join(
        (tmp_path / "results" / "new" / "logs" / "verify.log").read_text().split()
    )


@pytest.mark.parametrize(
    ("doi", "count"), [("10.17182/hepdata.90607.v3/r3", 125), ("10.17182/hepdata.89408.v3/r2", 218)]
)
def test_real_likelihoods_get_the_entry_that_the_config_ships(
    mirror: Path, tmp_path: Path, doi: str, count: int
) -> None:
    run = scaffold(tmp_path, mirror, doi, "--name", "new")
    assert run.returncode == 0, run.stderr
    made = entries(tmp_path / "config" / "new.yaml")["new"]["likelihood"]
    shipped = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    (known,) = [
        entry["likelihood"]
        for entry in shipped["analyses"].values()
        if entry["likelihood"]["doi"] == doi
    ]
    for part in (made, *made.get("regions", {}).values()):
        part.pop("patches", None)
    for part in known.get("regions", {}).values():
        part.pop("patches")  # with labels of ours
    assert made == known
    table = (tmp_path / "config" / "points" / "new.csv").read_text(encoding="utf-8")
    assert len(table.splitlines()) == count + 1
