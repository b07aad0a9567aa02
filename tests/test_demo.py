"""The demo search: it is what its generator makes, it is valid HistFactory, pyhf agrees with it."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import histfit
import numpy as np
import pandas as pd
import pyhf
import pytest
from demo import generate, search
from recontour import patches

ARCHIVE = generate.MIRROR / "r1.tar.gz"
TABLES = [generate.MIRROR / f"t{number}.csv" for number in (1, 2, 3)]
PRECISION = 2e-6  # of a CLs from pyhf's SLSQP at tolerance 1e-13; exact derivatives differ by 7e-7
CONTOURS = [("t1.csv", generate.OBSERVED), ("t2.csv", generate.EXPECTED)]


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    with tarfile.open(ARCHIVE) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}


@pytest.fixture(scope="module")
def background(members: dict[str, bytes]) -> dict[str, Any]:
    return json.loads(members["BkgOnly.json"])


@pytest.fixture(scope="module")
def patchset(members: dict[str, bytes]) -> dict[str, Any]:
    return json.loads(members["patchset.json"])


@pytest.fixture(autouse=True)
def pyhfs_default_backend():
    yield
    pyhf.set_backend("numpy")


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, comment="#")


def test_generator_makes_the_committed_archive_again():
    made, committed = generate.archive(), ARCHIVE.read_bytes()
    assert gzip.decompress(made) == gzip.decompress(committed)  # zlib versions pack differently
    assert made == generate.archive()


def test_generator_makes_the_committed_points_again():
    assert generate.points_table() == generate.POINTS.read_text(encoding="utf-8")


def test_archive_bears_no_trace_of_when_and_where_it_was_made():
    packed = ARCHIVE.read_bytes()
    assert packed[4:8] == bytes(4)  # gzip's modification time, RFC 1952 section 2.3.1
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        traces = {(i.mtime, i.uid, i.gid, i.uname, i.gname, i.mode) for i in tar}
    assert traces == {(0, 0, 0, "", "", 0o644)}


def test_archive_is_small():
    assert ARCHIVE.stat().st_size < 200_000


def test_every_file_says_that_it_is_synthetic(members, patchset):
    assert "synthetic" in members["README.md"].decode().splitlines()[0].lower()
    assert search.LABEL in patchset["metadata"]["description"]
    for path in TABLES:
        assert f"#: description: {search.LABEL}" in path.read_text(encoding="utf-8"), path.name


def test_workspace_and_patchset_satisfy_pyhfs_schema(background, patchset):
    pyhf.schema.validate(background, "workspace.json")
    pyhf.schema.validate(patchset, "patchset.json")


def test_patchset_belongs_to_the_background_by_pyhfs_own_digest(background, patchset):
    pyhf.PatchSet(patchset).verify(pyhf.Workspace(background))


def test_every_modifier_type_of_histfactory_occurs(background):
    found = {
        modifier["type"]
        for channel in background["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    assert found == set(pyhf.modifiers.histfactory_set)


def test_every_patch_adds_its_own_signal_and_nothing_else(background, patchset):
    patches = pyhf.PatchSet(patchset)
    before = {(c["name"], s["name"]) for c in background["channels"] for s in c["samples"]}
    for m1, m2 in search.points():
        patched = patches.apply(background, (m1, m2))
        after = {(c["name"], s["name"]) for c in patched["channels"] for s in c["samples"]}
        added = {(channel, f"demo_{m1}_{m2}") for channel in search.signal_yields(m1, m2)}
        assert after == before | added
    pyhf.schema.validate(patched, "workspace.json")


def test_points_lie_inside_the_kinematic_boundary_and_around_both_contours():
    points = np.array(search.points())
    assert (points[:, 0] > points[:, 1] + search.KINEMATIC_GAP).all()
    for name, _ in CONTOURS:
        m1, m2 = table(generate.MIRROR / name).to_numpy().T
        assert m1.max() < points[:, 0].max() - 50
        assert m2.max() < points[:, 1].max() - 50
        assert (m1 > m2 + search.KINEMATIC_GAP).all()


def test_signal_yields_fall_to_nothing_at_the_kinematic_boundary():
    at_boundary = search.signal_yields(300.0 + search.KINEMATIC_GAP, 300.0)
    assert {n for yields in at_boundary.values() for n in yields} == {0.0}


def test_pyhf_fits_a_patched_point_of_the_archive_to_the_reference_cls(background, patchset):
    pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-13))
    workspace = pyhf.Workspace(pyhf.PatchSet(patchset).apply(pyhf.Workspace(background), (450, 50)))
    model = workspace.model()
    observed, expected = pyhf.infer.hypotest(
        1.0, workspace.data(model), model, test_stat="qtilde", return_expected_set=True
    )
    reference = table(generate.MIRROR / "t3.csv").set_index(["M1 [GEV]", "M2 [GEV]"])
    found = [float(observed), *map(float, expected)]
    np.testing.assert_allclose(found, reference.loc[(450, 50)], rtol=0, atol=PRECISION)


@pytest.mark.parametrize(("name", "which"), CONTOURS)
def test_cls_is_five_percent_on_the_published_contour(name, which):
    m1, m2 = table(generate.MIRROR / name).iloc[7]
    assert generate.cls(m1, m2)[which] == pytest.approx(0.05, abs=1e-3)


@pytest.mark.parametrize(("name", "which"), CONTOURS)
def test_cls_is_five_percent_all_along_the_published_contour(name, which):
    """By our fits, a hundred times as fast as pyhf's; test_workflow.py compares the two."""
    for m1, m2 in table(generate.MIRROR / name).to_numpy():
        spec = patches.apply(search.background(), search.signal_patch(m1, m2), "a point")
        found = histfit.hypotest(spec)
        assert (found.CLs_obs, *found.CLs_exp)[which] == pytest.approx(0.05, abs=1e-3)


@pytest.mark.long
def test_generator_makes_the_committed_reference_cls_again():
    """Of every seventh point; test_workflow.py compares all that is committed with our fits."""
    header, made = generate.reference_table(3, search.points()[::7]).split("\nM1", 1)
    assert TABLES[2].read_text(encoding="utf-8").startswith(header)
    again, committed = pd.read_csv(io.StringIO("M1" + made)), table(TABLES[2])[::7]
    np.testing.assert_allclose(again, committed, rtol=0, atol=PRECISION)
