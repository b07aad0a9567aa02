"""Structure and digests of likelihoods, and the index of a patchset."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzzing import RANDOM, altered, for_ten_thousand_seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from recontour.errors import UserError
from recontour.files import read_json
from recontour.likelihood import (
    as_value,
    digest,
    index_folder,
    index_patchset,
    verify_background,
)
from recontour.structure import check_workspace

pytestmark = pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")

SHA = "2563672e1a165384faf49f1431e921d88c9c07ec10f150d5045576564f98f820"


def workspace() -> dict[str, Any]:
    """A workspace with every type of modifier and every setting of a parameter."""
    modifiers = [
        {"name": "lumi", "type": "lumi", "data": None},
        {"name": "mu", "type": "normfactor", "data": None},
        {"name": "shape", "type": "shapefactor", "data": None},
        {"name": "scale", "type": "normsys", "data": {"lo": 0.9, "hi": 1}},
        {"name": "tilt", "type": "histosys", "data": {"lo_data": [1, 2], "hi_data": [3.0, 4]}},
        {"name": "stat", "type": "staterror", "data": [0.1, 0.2]},
        {"name": "free", "type": "shapesys", "data": [0.1, 0.2]},
    ]
    parameter = {
        "name": "lumi",
        "inits": [1.0],
        "bounds": [[0.5, 1.5]],
        "auxdata": [1.0],
        "factors": [1.0],
        "sigmas": [0.017],
        "fixed": False,
    }
    return {
        "channels": [
            {"name": "SR", "samples": [{"name": "b", "data": [5.0, 6], "modifiers": modifiers}]},
            {"name": "CR", "samples": [{"name": "b", "data": [50.0], "modifiers": []}]},
        ],
        "observations": [{"name": "SR", "data": [6, 5]}, {"name": "CR", "data": [51.0]}],
        "measurements": [{"name": "fit", "config": {"poi": "mu", "parameters": [parameter]}}],
        "version": "1.0.0",
    }


def patchset() -> dict[str, Any]:
    def patch(name: str, *values: object) -> dict[str, Any]:
        operation = {"op": "add", "path": "/channels/0/samples/1", "value": {"µ": [1.0]}}
        return {"metadata": {"name": name, "values": list(values)}, "patch": [operation]}

    return {
        "metadata": {
            "description": "für den Test",
            "digests": {"sha256": SHA},
            "labels": ["m1", "m2"],
            "references": {"hepdata": "ins1755298"},
        },
        "patches": [patch("a_1_2", 1, 2), patch("a_1_3", 1, 3.5), patch("b", "x", 2)],
        "version": "1.0.0",
    }


def written(folder: Path, content: object, **how: Any) -> Path:
    path = folder / "patchset.json"
    path.write_text(json.dumps(content, **how), encoding="utf-8")
    return path


Change = Callable[[Any], object]


def test_a_workspace_with_everything_passes() -> None:
    check_workspace(workspace(), "BkgOnly.json")


WORKSPACE_CHANGES: list[tuple[Change, str]] = [
    (lambda w: w.pop("version"), 'missing key "version"'),
    (lambda w: w.update(extra=1), 'unknown key "extra"'),
    (lambda w: w.update(version="2.0.0"), '"version" is "2.0.0", expected "1.0.0"'),
    (lambda w: w.update(channels=[]), '"channels" should be a list that is not empty'),
    (lambda w: w.update(observations={}), '"observations" should be a list'),
    (lambda w: w["channels"].append(7), "channels 2: expected an object with a name"),
    (lambda w: w["channels"][1].update(name="SR"), 'the name "SR" stands twice in channels'),
    (lambda w: w["observations"].pop(), 'channel "CR", no observation has its name'),
    (lambda w: w["observations"][0]["data"].append(True), 'observation "SR": true is not a number'),
    (lambda w: w["observations"][0]["data"].append(3), 'channel "SR", sample "b", data: 2 numbers'),
    (lambda w: w["channels"][0].update(samples=[]), 'channel "SR", "samples" should be'),
    (lambda w: w["channels"][0]["samples"][0].pop("data"), 'sample "b", data: missing key "data"'),
    (
        lambda w: w["channels"][0]["samples"][0].update(data=[1]),
        "1 numbers where the channel has 2",
    ),
    (lambda w: w["channels"][0]["samples"][0].update(modifiers={}), '"modifiers" should be a list'),
    (
        lambda w: w["channels"][0]["samples"].append(w["channels"][0]["samples"][0]),
        'channel "SR", the name "b" stands twice in samples',
    ),
    (lambda w: w["measurements"][0].pop("config"), 'measurement "fit": missing key "config"'),
    (lambda w: w["measurements"][0]["config"].update(poi=None), '"poi" should be a text, not null'),
    (lambda w: w["measurements"][0]["config"].pop("parameters"), 'missing key "parameters"'),
]

MODIFIER_CHANGES: list[tuple[int, Any, str]] = [
    (0, {"name": "Lumi"}, 'modifier "Lumi": a modifier of type lumi should have the name "lumi"'),
    (1, {"data": 0}, "data of a normfactor should be null, not 0"),
    (2, {"type": "shape"}, 'unknown type "shape"'),
    (2, {"type": ["lumi"]}, "unknown type a list of 1"),
    (3, {"data": {"lo": 1}}, 'missing key "hi"'),
    (3, {"data": {"lo": 1, "hi": None}}, 'modifier "scale": null is not a number'),
    (3, {"data": [1, 2]}, "a list of 2 is not an object"),
    (4, {"data": {"lo_data": [1], "hi_data": [1, 2]}}, "1 numbers where the channel has 2 bins"),
    (4, {"data": {"lo_data": [1, 2], "hi_data": [1, "2"]}}, '"2" is not a number'),
    (5, {"data": [0.1]}, '"stat": 1 numbers where the channel has 2 bins'),
    (6, {"data": None}, "null is not a list of numbers"),
    (6, {"name": 3}, "its name should be a text"),
    (6, {"more": 3}, 'unknown key "more"'),
]

PARAMETER_CHANGES: list[tuple[Any, str]] = [
    ({"inits": []}, 'parameter "lumi": inits: a list of 0 is not a list of numbers'),
    ({"bounds": [[0, 1, 2]]}, "bounds: a list of 3 is not a pair of numbers"),
    ({"bounds": [0, 1]}, "bounds: 0 is not a pair of numbers"),
    ({"fixed": 1}, '"fixed" should be true or false'),
    ({"sigma": [1]}, 'unknown key "sigma"'),
]


@pytest.mark.parametrize(("change", "problem"), WORKSPACE_CHANGES)
def test_a_broken_workspace_is_refused_by_name(change: Change, problem: str) -> None:
    spec = workspace()
    change(spec)
    with pytest.raises(UserError) as caught:
        check_workspace(spec, "BkgOnly.json")
    assert str(caught.value).startswith("BkgOnly.json: ") and problem in str(caught.value)


@pytest.mark.parametrize(("position", "change", "problem"), MODIFIER_CHANGES)
def test_a_broken_modifier_is_named_with_channel_and_sample(
    position: int, change: Any, problem: str
) -> None:
    spec = workspace()
    spec["channels"][0]["samples"][0]["modifiers"][position].update(change)
    with pytest.raises(UserError) as caught:
        check_workspace(spec, "BkgOnly.json")
    assert 'channel "SR", sample "b", modifier ' in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize(("change", "problem"), PARAMETER_CHANGES)
def test_a_broken_parameter_is_named(change: Any, problem: str) -> None:
    spec = workspace()
    spec["measurements"][0]["config"]["parameters"][0].update(change)
    with pytest.raises(UserError) as caught:
        check_workspace(spec, "BkgOnly.json")
    assert problem in str(caught.value)


def judged_like_pyhf(spec: dict[str, Any], name: str, check: Callable[[Any], object]) -> None:
    """What pyhf's schema refuses, `check` refuses; it refuses more (bins, names used twice)."""
    try:
        check(spec)
    except UserError as error:
        assert str(error).isprintable()
    else:
        pyhf_accepts(json.dumps(spec), name)


@functools.cache
def pyhf_accepts(text: str, name: str) -> None:
    """Raise what pyhf does unless it accepts a text, of which the same are asked for many times."""
    pytest.importorskip("pyhf").schema.validate(json.loads(text), name, version="1.0.0")


def passes_only_with_pyhf(random: Random) -> None:
    spec = altered(workspace(), random)
    judged_like_pyhf(spec, "workspace.json", lambda s: check_workspace(s, "x"))


@settings(max_examples=100, deadline=None)
@given(RANDOM)
def test_no_workspace_passes_that_pyhf_refuses(random: Random) -> None:
    passes_only_with_pyhf(random)


@pytest.mark.long
def test_none_of_ten_thousand_workspaces_passes_that_pyhf_refuses() -> None:
    for_ten_thousand_seeds(passes_only_with_pyhf)


def test_the_digest_is_pyhfs() -> None:
    # values: docstring of pyhf.utils.digest
    spec = {"a": 2.0, "b": 3.0, "c": 1.0}
    assert digest(spec) == "a38f6093800189b79bc22ef677baf90c75705af2cfc7ff594159eca54eaa7928"
    assert digest(spec, "md5") == "2c0633f242928eb55c3672fed5ba8612"
    with pytest.raises(UserError, match="expected md5 or sha256"):
        digest(spec, "crc32")


def test_every_published_digest_and_the_configs_must_agree() -> None:
    spec = workspace()
    right = {name: digest(spec, name) for name in ("md5", "sha256")}
    assert verify_background(spec, right, right["sha256"], "x") == right
    assert verify_background(spec, {}, right["sha256"], "x") == {"sha256": right["sha256"]}
    assert verify_background(spec, {"md5": right["md5"]}, None, "x") == right
    wrong_md5 = {**right, "md5": "0" * 32}
    with pytest.raises(UserError, match=f"{right['md5']}.*{'0' * 32}.*do not belong together"):
        verify_background(spec, wrong_md5, right["sha256"], "BkgOnly.json")
    with pytest.raises(UserError, match=f"{right['sha256']}, but the config expects {SHA}"):
        verify_background(spec, right, SHA, "BkgOnly.json")
    with pytest.raises(UserError, match=f"set background_digest: {right['sha256']}"):
        verify_background(spec, {}, None, "BkgOnly.json")


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("how", [{}, {"indent": 4}, {"ensure_ascii": False, "indent": "\t"}])
@pytest.mark.parametrize("last", ["metadata", "version", "patches"])
def test_the_index_says_what_a_patchset_holds_and_where(
    tmp_path: Path, how: dict[str, Any], last: str, processes: int
) -> None:
    content = patchset()
    content[last] = content.pop(last)
    path = written(tmp_path, content, **how)
    found = index_patchset(path, processes=processes)
    assert (found.description, found.labels) == ("für den Test", ("m1", "m2"))
    assert (found.digests, found.references) == ({"sha256": SHA}, {"hepdata": "ins1755298"})
    assert [(patch.name, patch.values) for patch in found.patches] == [
        ("a_1_2", (1, 2)),
        ("a_1_3", (1, 3.5)),
        ("b", ("x", 2)),
    ]
    data = path.read_bytes()
    for patch, entry in zip(found.patches, content["patches"], strict=True):
        assert patch.member == "patchset.json"
        assert json.loads(data[patch.offset : patch.offset + patch.length]) == entry


@pytest.mark.parametrize("error", [PermissionError, NotImplementedError, BrokenProcessPool])
def test_where_no_processes_can_be_had_patches_are_read_in_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refused(*_: object) -> None:
        raise error

    path = written(tmp_path, patchset())
    monkeypatch.setattr("recontour.likelihood.shared", refused)
    assert index_patchset(path, processes=2) == index_patchset(path)


def test_a_member_is_named_within_the_folder_that_patches_are_loaded_from(tmp_path: Path) -> None:
    (tmp_path / "RegionA").mkdir()
    path = written(tmp_path / "RegionA", patchset())
    assert index_patchset(path, folder=tmp_path).patches[0].member == "RegionA/patchset.json"


PATCHSET_CHANGES: list[tuple[Change, str]] = [
    (lambda p: p.update(version="1.1.0"), "and version 1.1.0"),
    (lambda p: p.update(more=1), "found metadata, more, patches, version"),
    (lambda p: p.pop("metadata"), "found patches, version"),
    (lambda p: p.update(patches={}), 'expected "["'),
    (lambda p: p.update(patches=[]), "holds no patches"),
    (lambda p: p["metadata"].pop("digests"), "metadata: should be an object with the keys"),
    (
        lambda p: p["metadata"].update(digests={}),
        '"digests" should be an object with md5',
    ),
    (lambda p: p["metadata"].update(digests={"sha1": "0"}), '"digests" should be an object'),
    (lambda p: p["metadata"].update(digests={"md5": "xyz"}), '"xyz" is not a md5 digest'),
    (lambda p: p["metadata"].update(labels=["m 1"]), '"labels" should be a list of names'),
    (lambda p: p["metadata"].update(labels=["m1", "m1"]), "one stands twice"),
    (
        lambda p: p["metadata"].update(labels=["m1"]),
        "patch a_1_2 has 2 values (1, 2)",
    ),
    (lambda p: p["metadata"].update(references={"hepdata": "ins1"}), '"ins1" is not a HEPData'),
    (
        lambda p: p["patches"].append(p["patches"][0]),
        "and a_1_2 (1, 2) cannot be told",
    ),
    (
        lambda p: p["patches"][1]["metadata"].update(values=[1, 2.0]),
        "(1, 2.0) cannot be told",
    ),
    (lambda p: p["patches"][1]["metadata"].update(values=["1", 2]), "cannot be told apart"),
    (lambda p: p["patches"][1]["metadata"].update(name="a b"), 'patch 1: the name "a b" is not'),
    (lambda p: p["patches"][1]["metadata"].update(values=[1, True]), "a_1_3: values a list of 2"),
    (lambda p: p["patches"][2].pop("patch"), 'patch 2: expected an object with "metadata" and'),
    (lambda p: p["patches"][2].update(patch={}), "patch 2 (b): an object of 0 is not a list"),
    (lambda p: p["patches"][2]["patch"].append({}), 'operation 1: "op" is null, expected "add"'),
    (lambda p: p["patches"][2]["patch"][0].pop("value"), 'operation 0: add needs "value"'),
    (lambda p: p["patches"][2]["patch"][0].update(op="move"), 'operation 0: move needs "from"'),
    (lambda p: p["patches"][2]["patch"][0].update(path="x"), '"path" is "x", expected a path'),
]


@pytest.mark.parametrize(("change", "problem"), PATCHSET_CHANGES)
def test_a_broken_patchset_is_refused(tmp_path: Path, change: Change, problem: str) -> None:
    content = patchset()
    change(content)
    path = written(tmp_path, content)
    messages = []
    for processes in (1, 2):
        with pytest.raises(UserError) as caught:
            index_patchset(path, processes=processes)
        messages.append(str(caught.value))
    assert messages[0].startswith(str(path)) and problem in messages[0]
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", 'expected "{", at byte 0'),
        (b"[]", 'expected "{", at byte 0'),
        (b'{"patches": [', "Expecting value, at byte 13"),
        (b'{"patches": [}', "Expecting value, at byte 13"),
        (b'{"\xc3\xa9": 1, "\xc3\xa9": 2}', "stands twice in one object, at byte 14"),
        (b'{"a": 1} x', "expected the end of the file, at byte 9"),
        (b'{"a": NaN}', "the value NaN is not a number"),
        (b'{"a": "\xff"}', "not UTF-8 text (invalid start byte), at byte 7"),
        (b'{"a": {"b": 1, "b": 1}}', 'the key "b" stands twice'),
        (b'{"a": ' + b"[" * 100_000, "nested too deeply"),
        (b'{"a" 1}', 'expected ":", at byte 5'),
        (b"{a: 1}", "expected a key in double quotes, at byte 1"),
    ],
)
def test_a_patchset_that_is_no_strict_json_is_refused(
    tmp_path: Path, text: bytes, problem: str
) -> None:
    path = tmp_path / "patchset.json"
    path.write_bytes(text)
    with pytest.raises(UserError) as caught:
        index_patchset(path)
    assert problem in str(caught.value)


PATTERN = r"patch\.(?P<name>sbottom_(?P<m_b>\d+)_(?P<m_n2>\d+))\.json"


def folder_of_patches(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text('[{"op": "remove", "path": "/channels/1"}]')
    return folder


def test_a_folder_of_patches_gives_the_same_index(tmp_path: Path) -> None:
    names = ("patch.sbottom_900_60.json", "patch.sbottom_1000_60.json", "BkgOnly.json")
    found = index_folder(folder_of_patches(tmp_path, *names), PATTERN)
    assert found.labels == ("m_b", "m_n2")
    assert [(p.name, p.values, p.member, p.offset, p.length) for p in found.patches] == [
        ("sbottom_1000_60", (1000, 60), "patch.sbottom_1000_60.json", 0, 41),
        ("sbottom_900_60", (900, 60), "patch.sbottom_900_60.json", 0, 41),
    ]


def test_a_file_name_with_dots_and_dashes_gives_a_name_that_a_point_can_have(
    tmp_path: Path,
) -> None:
    folder = folder_of_patches(tmp_path, "C1N2-WZ.300.json")
    (patch,) = index_folder(folder, r"C1N2-WZ\.(?P<m>\d+)\.json").patches
    assert (patch.name, patch.values) == ("C1N2_WZ_300", (300,))


@pytest.mark.parametrize(
    ("names", "pattern", "problem"),
    [
        ([], PATTERN, "holds no patches"),
        (["p-1.json", "p.1.json"], r"p.(?P<m>\d+)\.json", "cannot be told apart"),
        (["p_1.json", "p_01.json"], r"p_(?P<m>\d+)\.json", "cannot be told apart"),
        (["p_1.json"], r"p_(", "is no regular expression"),
    ],
)
def test_a_folder_that_is_no_patchset_is_refused(
    tmp_path: Path, names: list[str], pattern: str, problem: str
) -> None:
    with pytest.raises(UserError) as caught:
        index_folder(folder_of_patches(tmp_path, *names), pattern)
    assert problem in str(caught.value)


@given(st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_a_table_of_points(value: float) -> None:
    assert as_value(str(value)) == value and type(as_value(str(value))) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("007", 7), ("+5", 5), ("5.", 5.0), (".5", 0.5), ("-.5e1", -5.0), ("1.e-3", 0.001)],
)
def test_numbers_are_read_in_every_notation(text: str, value: float) -> None:
    assert as_value(text) == value and type(as_value(text)) is type(value)


@pytest.mark.parametrize(
    "text", ["", "x", "1_0", "nan", "inf", "1e999", "0x1", " 1", "\u0661", ".", "+", "5.e", "+-5"]
)
def test_what_is_no_number_stays_a_text(text: str) -> None:
    assert as_value(text) == text


def indexes_or_says_why(random: Random, folder: Path) -> None:
    content = altered(patchset(), random)
    path = written(folder, content)
    judged_like_pyhf(content, "patchset.json", lambda _: index_patchset(path))


@settings(max_examples=100, deadline=None)
@given(RANDOM)
def test_no_patchset_passes_that_pyhf_refuses(
    tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    indexes_or_says_why(random, tmp_path_factory.getbasetemp())


@pytest.mark.long
def test_none_of_ten_thousand_patchsets_passes_that_pyhf_refuses(tmp_path: Path) -> None:
    for_ten_thousand_seeds(lambda random: indexes_or_says_why(random, tmp_path))


def test_the_published_1lbb(published_1lbb: Path) -> None:
    """Counts and digest: HEPData record ins1755298, version 3."""
    spec = read_json(published_1lbb / "BkgOnly.json")
    check_workspace(spec, "BkgOnly.json")
    found = index_patchset(published_1lbb / "patchset.json")
    assert index_patchset(published_1lbb / "patchset.json", processes=2) == found
    assert (len(found.patches), found.labels) == (125, ("m1", "m2"))
    assert found.digests == {"sha256": SHA}
    assert verify_background(spec, found.digests, SHA, "BkgOnly.json") == {"sha256": SHA}
    by_name = {patch.name: patch.values for patch in found.patches}
    assert by_name["C1N2_Wh_hbb_900_250"] == (900, 250)
