"""The table of patches, reading one by its bytes, and applying one to a background."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from random import Random
from typing import Any

import jsonpatch
import pytest
from fuzzing import RANDOM, for_ten_thousand_seeds
from hypothesis import given, settings
from recontour.errors import UserError
from recontour.files import read_json
from recontour.likelihood import Patch, digest, index_patchset
from recontour.operations import NotApplicable, apply_operation
from recontour.patches import Index, apply, load_patch, read_index, write_index


def sample(name: str, *data: float) -> dict[str, Any]:
    return {"name": name, "data": list(data), "modifiers": []}


def background() -> dict[str, Any]:
    return {
        "channels": [
            {"name": "SR", "samples": [sample("b", 5.0, 6.0), sample("t", 1.0, 2.0)]},
            {"name": "VR", "samples": [sample("b", 20.0)]},
            {"name": "CR", "samples": [sample("b", 50.0)]},
        ],
        "observations": [
            {"name": "SR", "data": [6, 5]},
            {"name": "VR", "data": [21.0]},
            {"name": "CR", "data": [51.0]},
        ],
        "measurements": [{"name": "fit", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


SIGNAL = sample("signal", 0.5, 1.5)
ADD = {"op": "add", "path": "/channels/0/samples/2", "value": SIGNAL}


def test_the_table_of_patches_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    patches = (
        Patch("a", (900, 0.5), "patchset.json", 12, 345, "ab"),
        Patch("b", ("text, with comma", 0), "RegionA/p.json", 0, 1, "cd"),
    )
    write_index(tmp_path / "patches.csv", ("m1", "offset"), patches)
    first, second, _ = (tmp_path / "patches.csv").read_text().splitlines()
    assert first == "name,m1,offset,region,member,offset,length,sha256"
    assert second == "a,900,0.5,,patchset.json,12,345,ab"
    assert read_index(tmp_path / "patches.csv") == Index(("m1", "offset"), patches)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name\n",
        "x,region,member,offset,length,sha256\n",
        "name,region,member,offset,length,sha256\na,b,c\n",
        "name,region,member,offset,length,sha256\na,,b,1,x,y\n",
        "name,\xff\n",
        '"name',
    ],
)
def test_what_is_no_table_of_patches_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "patches.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="not a table of patches with the columns name"):
        read_index(tmp_path / "patches.csv")


def test_a_patch_is_read_from_its_bytes_which_must_be_the_verified_ones(tmp_path: Path) -> None:
    entry = {"metadata": {"name": "µ", "values": [1]}, "patch": [ADD]}
    metadata = {"description": "", "digests": {"md5": "0" * 32}, "labels": ["m"]}
    metadata["references"] = {"hepdata": "ins1755298"}
    entries = [{**entry, "metadata": {"name": n, "values": [ord(n)]}, "note": "é"} for n in "ab"]
    for entry in entries:
        del entry["note"]
    path = tmp_path / "patchset.json"
    path.write_text(json.dumps({"metadata": metadata, "patches": entries, "version": "1.0.0"}))
    first, second = index_patchset(path).patches
    assert load_patch(tmp_path, second) == [ADD]
    damaged = bytearray(path.read_bytes())
    damaged[second.offset + second.length - 10] ^= 1
    path.write_bytes(damaged)
    assert load_patch(tmp_path, first) == [ADD]
    with pytest.raises(UserError, match=f"patch b: .* {second.sha256} were verified"):
        load_patch(tmp_path, second)
    path.write_bytes(damaged[: second.offset + 5])
    with pytest.raises(UserError, match=f"patch b: 5 bytes from byte {second.offset}"):
        load_patch(tmp_path, second)


def test_the_background_stays_and_what_is_untouched_is_shared() -> None:
    before = background()
    spec = background()
    result = apply(spec, [ADD], "s")
    assert spec == before
    assert result == jsonpatch.apply_patch(before, [ADD])
    assert result["channels"][0]["samples"][2] is SIGNAL
    for position in (0, 1):
        assert (
            result["channels"][0]["samples"][position] is spec["channels"][0]["samples"][position]
        )
    assert result["channels"][1] is spec["channels"][1]
    assert result["measurements"] is spec["measurements"]


def test_later_operations_see_what_earlier_ones_did() -> None:
    operations = [
        {"op": "remove", "path": "/channels/1"},
        {"op": "add", "path": "/channels/1/samples/0", "value": sample("signal", 3.0)},
        {"op": "replace", "path": "/channels/1/samples/0/data/0", "value": 4.0},
        {"op": "test", "path": "/channels/1/name", "value": "CR"},
    ]
    original = copy.deepcopy(operations)
    spec = background()
    result = apply(spec, operations, "s")
    assert result == jsonpatch.apply_patch(background(), original)
    assert (spec, operations) == (background(), original)


def test_a_patch_without_operations_gives_the_background() -> None:
    spec = background()
    result = apply(spec, [], "no signal")
    assert result == spec and result is not spec


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        ({"path": "/channels/7/samples/0"}, "there is no position 7 in a list of 3"),
        ({"path": "/channels/0/samples/3"}, "there is no position 3 in a list of 2"),
        ({"path": "/channels/0/sample/0"}, 'there is no "sample" (but name, samples)'),
        ({"path": "/channels/-1/samples/0"}, '"-1" is not a position in a list'),
        ({"path": "/channels/00"}, '"00" is not a position in a list'),
        ({"path": "/version/0"}, "leads into something that is no list or object"),
        ({"path": "/~2"}, "has a ~ that is not ~0 or ~1"),
        ({"op": "remove", "path": "/channels/3"}, "operation 0 (remove /channels/3) cannot be"),
        ({"op": "remove", "path": ""}, "cannot remove the whole workspace"),
        ({"op": "replace", "path": "/x"}, 'there is no "x"'),
        ({"op": "test", "path": "/version", "value": "2"}, "the value that the patch tests for"),
        ({"op": "move", "path": "/channels/0", "from": ""}, "into itself"),
        ({"op": "copy", "path": "/x", "from": "/y"}, 'there is no "y"'),
        ({"op": "ad"}, '"op" is "ad", expected "add"'),
        ({"path": "/channels\x1b/0"}, "/channels\\x1b/0"),
    ],
)
def test_a_patch_that_cannot_be_applied_is_named_with_operation_and_path(
    operation: dict[str, Any], problem: str
) -> None:
    spec = background()
    with pytest.raises(UserError) as caught:
        apply(spec, [{**ADD, **operation}], "C1N2_900_250")
    assert "patch C1N2_900_250: operation 0" in str(caught.value)
    assert problem in str(caught.value) and str(caught.value).isprintable()
    assert spec == background()


@pytest.mark.parametrize(
    ("operation", "problem"),
    [
        (
            {"value": sample("signal", 1.0)},
            'sample "signal", data: 1 numbers where the channel has 2',
        ),
        ({"value": sample("b", 1.0, 2.0)}, 'channel "SR", the name "b" stands twice in samples'),
        ({"path": "/extra"}, 'unknown key "extra"'),
        ({"op": "remove", "path": "/version"}, 'missing key "version"'),
        ({"op": "replace", "path": "", "value": []}, "a list of 0 is not an object"),
        ({"op": "remove", "path": "/observations/0"}, 'channel "SR", no observation has its name'),
        (
            {"op": "replace", "path": "/observations/2", "value": {"name": "CR", "data": [51, 1]}},
            'channel "CR", sample "b", data: 1 numbers where the channel has 2 bins',
        ),
        (
            {"op": "replace", "path": "/observations/0/data/1", "value": 50},
            "changes the observed data of channel SR from [6, 5] to [6, 50]",
        ),
        (
            {"op": "remove", "path": "/measurements/0/config/poi"},
            'measurement "fit": config: missing key "poi"',
        ),
    ],
)
def test_a_patch_whose_result_is_wrong_is_refused(operation: dict[str, Any], problem: str) -> None:
    spec = background()
    with pytest.raises(UserError) as caught:
        apply(spec, [{**ADD, **operation}], "s")
    assert "patch s, applied" in str(caught.value) or "patch s: changes" in str(caught.value)
    assert problem in str(caught.value)
    assert spec == background()


def test_a_channel_may_go_with_its_observation() -> None:
    operations = [{"op": "remove", "path": f"/{part}/1"} for part in ("channels", "observations")]
    result = apply(background(), operations, "s")
    assert [item["name"] for item in result["observations"]] == ["SR", "CR"]


PARTS = ["a", "b", "a~1b", "m~0n", "", "0", "1", "2", "-", "01", "x"]
VALUES = [1, "x", [], {}, [1, [2]], {"a": [0], "b": {"a": 1}}]
DOCUMENT: dict[str, Any] = {
    "a": [1, {"a": [2, 3], "": 4}],
    "b": {"a": {"b": 5}},
    "a/b": 6,
    "m~n": 7,
}


def pointer(random: Random) -> str:
    return "".join(f"/{random.choice(PARTS)}" for _ in range(random.randint(0, 3)))


def agrees_with_jsonpatch(random: Random) -> None:
    """Where both accept, the results are equal. What only one accepts: the library takes "01" for a
    position and removes the whole document; it cannot move or copy to the whole document."""
    operation = {
        "op": random.choice(["add", "remove", "replace", "test", "move", "copy"]),
        "path": pointer(random),
        "from": pointer(random),
        "value": random.choice(VALUES),
    }
    document = copy.deepcopy(DOCUMENT)
    theirs: Any
    try:
        theirs = jsonpatch.apply_patch(DOCUMENT, [operation])
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError, KeyError):
        theirs = NotApplicable
    try:
        ours = apply_operation(document, operation)
    except NotApplicable:
        ours = NotApplicable
    assert document == DOCUMENT
    whole = operation["path"] == "" or operation.get("from") == ""
    if not (whole or "01" in operation["path"] or "01" in operation["from"]):
        assert ours == theirs


@settings(max_examples=500, deadline=None)
@given(RANDOM)
def test_operations_agree_with_the_jsonpatch_library(random: Random) -> None:
    agrees_with_jsonpatch(random)


@pytest.mark.long
def test_ten_thousand_operations_agree_with_the_jsonpatch_library() -> None:
    for_ten_thousand_seeds(agrees_with_jsonpatch)


PATHS = ["", "/channels", "/channels/0", "/channels/0/samples/-", "/observations/0/data/0"]
PATHS += ["/channels/0/samples/0/data", "/measurements/0/config/poi", "/version", "x"]
PUT = [SIGNAL, background(), background()["channels"], None]
SOURCES = ["", "/channels/1", "/observations/1", "/version"]


def nested(random: Random) -> Any:
    """A number within any number of lists and objects."""
    kind = random.randrange(4)
    if kind == 0:
        return [nested(random) for _ in range(random.randint(0, 2))]
    return {"name": nested(random)} if kind == 1 else 1.0


def operation(random: Random) -> dict[str, Any]:
    op = random.choice(["add", "remove", "replace", "test", "move", "copy", "x"])
    result = {"op": op, "path": random.choice(PATHS)}
    if random.random() < 0.5:
        result["value"] = random.choice(PUT) if random.random() < 0.5 else nested(random)
    if random.random() < 0.5:
        result["from"] = random.choice(SOURCES)
    return result


def gives_a_workspace_or_says_why(random: Random) -> None:
    spec = background()
    operations = [operation(random) for _ in range(random.randint(0, 4))]
    try:
        result = apply(spec, operations, "s")
    except UserError as error:
        assert str(error).startswith("patch s") and str(error).isprintable()
    else:
        pytest.importorskip("pyhf").schema.validate(result, "workspace.json", version="1.0.0")
    assert spec == background()


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
@settings(max_examples=100, deadline=None)
@given(RANDOM)
def test_any_patch_gives_a_workspace_or_a_clear_error(random: Random) -> None:
    gives_a_workspace_or_says_why(random)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver:DeprecationWarning")
def test_ten_thousand_patches() -> None:
    for_ten_thousand_seeds(gives_a_workspace_or_says_why)


def test_published_patches_agree_with_the_jsonpatch_library(published_1lbb: Path) -> None:
    spec = read_json(published_1lbb / "BkgOnly.json")
    before = digest(spec)
    for patch in index_patchset(published_1lbb / "patchset.json").patches[::25]:
        operations = load_patch(published_1lbb, patch)
        assert apply(spec, operations, patch.name) == jsonpatch.apply_patch(spec, operations)
    assert digest(spec) == before
