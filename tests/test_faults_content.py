"""Damaged likelihoods on the whole way from the file to CLs: a clear error, or a number."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import histfit
import pytest
from fuzzing import RANDOM, for_ten_thousand_seeds
from hypothesis import given, settings
from recontour.errors import UserError
from recontour.files import parse_json
from recontour.likelihood import digest, index_patchset, verify_background
from recontour.patches import apply, load_patch
from running import ROOT, snakemake
from small_search import background, patchset, write

LAST = "signal_500_100"
PATCHSET = patchset()
PATCHSET["patches"] = PATCHSET["patches"][:2]
TEXT = json.dumps(PATCHSET).encode()
PIECES = [b"", b"0", b"-", b"e9", b"1e308", b"null", b"[", b"]", b"}", b'"', b"\xff", b"NaN", b"/0"]


def damaged(random: Random) -> bytes:
    """The patchset with some bytes replaced by others."""
    text = TEXT
    for _ in range(random.randint(0, 3)):
        at = random.randint(0, len(TEXT))
        text = text[:at] + random.choice(PIECES) + text[at + random.randint(0, 3) :]
    return text


def gives_numbers_or_says_why(text: bytes, folder: Path) -> None:
    path = folder / "patchset.json"
    path.write_bytes(text)
    try:
        index = index_patchset(path)
        whole = parse_json(text, path)
        verify_background(background(), index.digests, digest(background()), path)
    except UserError as error:
        assert str(error).isprintable()
        return
    for patch, entry in zip(index.patches, whole["patches"], strict=True):
        operations = load_patch(folder, patch)
        assert operations == entry["patch"]
        if entry not in PATCHSET["patches"]:
            fits_or_says_why(operations)


def fits_or_says_why(operations: list[dict[str, Any]]) -> None:
    try:
        result = histfit.hypotest(apply(background(), operations, "patch"))
    except (UserError, histfit.HistfitError) as error:
        assert str(error)
    else:
        assert all(0.0 <= cls <= 1.0 for cls in (result.CLs_obs, *result.CLs_exp))


@settings(max_examples=100, deadline=None)
@given(RANDOM)
def test_a_damaged_patchset_gives_numbers_or_a_clear_error(
    tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    gives_numbers_or_says_why(damaged(random), tmp_path_factory.getbasetemp())


@pytest.mark.long
def test_ten_thousand_damaged_patchsets(tmp_path: Path) -> None:
    for_ten_thousand_seeds(lambda random: gives_numbers_or_says_why(damaged(random), tmp_path))


def test_nothing_of_a_download_is_executed_or_unpickled() -> None:
    """What could run a file's content is not there to be called."""

    forbidden = ("pickle", "marshal", "eval(", "exec(", "yaml.load(", "shell=True", "os.system")
    modules = [
        path for part in ("recontour", "scripts") for path in ROOT.glob(f"workflow/{part}/*.py")
    ]
    assert len(modules) > 20
    found = {path.name: word for path in modules for word in forbidden if word in path.read_text()}
    assert found == {}


@pytest.mark.long
def test_no_control_character_of_a_likelihood_reaches_logs_or_terminal(tmp_path: Path) -> None:
    steering = patchset()
    steering["metadata"]["description"] = "\x1b[2J\x1b]0;title\x07"
    steering["metadata"]["labels"] = ["m1", "m2"]
    for entry in steering["patches"]:
        entry["patch"][0]["value"]["name"] += "\x1b[31m"
    steering["patches"][0]["patch"][0]["path"] = "/channels/\x1b[2J"
    write(tmp_path, steering)
    run = snakemake(tmp_path, "all", f"results/small/workspaces/{LAST}.json")
    assert "1 of 12 points failed" in run.stdout
    logs = [path for path in tmp_path.rglob("*.log") if path.is_file()]
    assert any(b"\\x1b[2J" in path.read_bytes() for path in logs)
    assert [path for path in logs if b"\x1b" in path.read_bytes()] == []
    assert "\x1b" not in run.stdout
