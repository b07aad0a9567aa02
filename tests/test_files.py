"""Files written whole or not at all, strict JSON, checksums, and the programs' errors."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from fuzzing import RANDOM, for_ten_thousand_seeds, some_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from recontour import cli
from recontour.errors import UserError
from recontour.files import (
    NotPlainError,
    atomic_write,
    parse_json,
    plain_json,
    read_json,
    sha256,
    write_json,
    write_text,
)
from running import ROOT

PIECES = [b"", b"\xff", b"[", b"}", b'"', b"NaN", b"1e999", b"\\ud800", b",", b"9" * 5000]


EDGES = [0, 1, -1, 2**53 + 1, 10**18, -0.0, 0.1, 5e-324, -1.7976931348623157e308]
CHARACTERS = [(0, 0x7F), (0x80, 0xD7FF), (0xE000, 0x10FFFF)]


def any_json(random: Random, depth: int = 4) -> Any:
    """Any JSON value with up to `depth` levels of lists and objects."""
    kind = random.randrange(9 if depth else 6)
    if kind < 3:
        return random.choice([None, True, False, *EDGES])
    if kind == 3:
        return random.randint(-(10 ** random.randint(1, 18)), 10**18)
    if kind == 4:
        return random.uniform(-10.0, 10.0) * 10.0 ** random.randint(-307, 306)
    if kind == 5:
        ranges = random.choices(CHARACTERS, k=random.randint(0, 20))
        return "".join(chr(random.randint(*ends)) for ends in ranges)
    inner = [any_json(random, depth - 1) for _ in range(random.randint(0, 4))]
    if kind < 8:
        return inner
    return {"".join(random.choices("abé\n", k=random.randint(0, 3))): value for value in inner}


def damaged_json(random: Random) -> bytes:
    """A JSON text with a slice replaced by other bytes."""
    text = json.dumps(any_json(random), ensure_ascii=False).encode()
    at, cut = random.randint(0, len(text)), random.randint(0, 5)
    put = random.choice(PIECES) if random.random() < 0.5 else some_bytes(random, 4)
    return text[:at] + put + text[at + cut :]


def whole(digits: str) -> int | float:
    return int(digits) if -(2**63) <= int(digits) < 2**64 else float(digits)


def parses_or_says_why(data: bytes) -> None:
    try:
        value = parse_json(data, "the text")
    except UserError as error:
        assert str(error).startswith("the text: ")
        assert str(error).isprintable() and len(str(error)) < 400
    else:
        assert value == json.loads(data)
    try:
        plain = plain_json(data)
    except NotPlainError:
        pass
    else:
        assert plain == json.loads(data, parse_int=whole)


def test_a_failed_write_leaves_the_old_content_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "cls.csv"
    write_text(path, "old\n")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as file:
        file.write("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old\n"
    assert [found.name for found in tmp_path.iterdir()] == ["cls.csv"]


def test_the_name_appears_when_the_content_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "figure.png"
    with atomic_write(path, "wb") as file:
        file.write(b"\x89PNG")
        assert not path.exists()
    assert path.read_bytes() == b"\x89PNG"


def test_a_written_file_has_the_permissions_that_the_umask_gives(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_json_is_written_in_insertion_order_with_a_final_newline(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [0.1, "é"]})
    assert (tmp_path / "a.json").read_bytes() == (
        b'{\n "b": 1,\n "a": [\n  0.1,\n  "\xc3\xa9"\n ]\n}\n'
    )


def test_nan_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", [float("nan")])
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=50)
@given(RANDOM)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    value = any_json(random)
    path = tmp_path_factory.getbasetemp() / "round_trip.json"
    write_json(path, value)
    assert read_json(path) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b"[1] [2]", "not JSON: Extra data"),
        (b"\xef\xbb\xbf[]", "not JSON"),
        (b'["\xff"]', "not UTF-8 text (invalid start byte at 2)"),
        (b'"\x00"', "not JSON: Invalid control character"),
        ('["a"]'.encode("utf-16"), "not UTF-8"),
        (b"[NaN]", "the value NaN is not a number"),
        (b"[-Infinity]", "the value -Infinity is not a number"),
        (b"[1e999]", "the number 1e999 is beyond the range of a double"),
        (b"[-1" + b"0" * 400 + b".5]", "beyond the range of a double"),
        (b"[1" + b"0" * 400 + b"]", "beyond the range of a double"),
        (b"9" * 1_000_000, "beyond the range of a double"),
        (b'{"a": {"b": 1, "b": 2}}', 'the key "b" stands twice in one object'),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"a":' * 1_000_000, "nested too deeply"),
        (b'["\\ud800"]', "not UTF-8"),
        (b'{"\\udfff": 1}', "not UTF-8"),
    ],
)
def test_what_is_no_strict_json_is_refused(tmp_path: Path, text: bytes, problem: str) -> None:
    path = tmp_path / "BkgOnly.json"
    path.write_bytes(text)
    with pytest.raises(UserError) as caught:
        read_json(path)
    assert f"{path}: " in str(caught.value) and problem in str(caught.value)
    with pytest.raises(NotPlainError):
        plain_json(text)


@given(st.lists(st.sampled_from(["a", "b", "cc", "é", ""])), st.booleans())
def test_a_key_that_stands_twice_is_found_by_the_missing_quotation_marks(
    keys: list[str], nested: bool
) -> None:
    inner = ", ".join(f'{json.dumps(key, ensure_ascii=False)}: "{key}"' for key in keys)
    text = (f'[{{"a": {{{inner}}}}}, "a"]' if nested else f"{{{inner}}}").encode()
    if len({*keys}) == len(keys):
        assert plain_json(text) == json.loads(text)
    else:
        with pytest.raises(NotPlainError):
            plain_json(text)


def test_what_plain_json_leaves_to_parse_json() -> None:
    assert parse_json(b'"\\u00e9"', "x") == "é"
    deep = b"[" * 255 + b"]" * 255
    assert parse_json(deep, "x")
    for text in (b'"\\u00e9"', deep):
        with pytest.raises(NotPlainError):
            plain_json(text)


def test_a_pair_of_escaped_surrogates_is_one_character() -> None:
    assert parse_json(b'["\\ud83d\\ude00"]', "x") == ["\N{GRINNING FACE}"]


def test_many_keys_with_one_twice_are_told_apart_quickly() -> None:
    text = "{" + ",".join(f'"{n}": 1' for n in range(300_000)) + ', "7": 2}'
    with pytest.raises(UserError, match='"7" stands twice'):
        parse_json(text.encode(), "x")


@settings(max_examples=200, deadline=None)
@given(RANDOM)
def test_damaged_json_gives_a_clear_error_or_its_value(random: Random) -> None:
    parses_or_says_why(damaged_json(random))


@pytest.mark.long
def test_ten_thousand_damaged_texts() -> None:
    for_ten_thousand_seeds(lambda random: parses_or_says_why(damaged_json(random)))


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert sha256(tmp_path / "abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


def run(function: object, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    with pytest.raises(SystemExit) as exit_:
        cli.main(function)  # type: ignore[arg-type]
    return exit_.value.code, capsys.readouterr().err


def test_a_program_reports_a_user_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise UserError("a\x1b[2Jb")

    assert run(fail, capsys) == (1, "error: a\\x1b[2Jb\n")


def test_a_program_reports_a_full_or_unwritable_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").write_text("a file in the way")
    code, told = run(lambda: write_text(tmp_path / "results" / "cls.csv", ""), capsys)
    assert code == 1
    assert told.startswith(f"error: {tmp_path}/results: ") and told.count("\n") == 1


def test_a_program_that_succeeds_exits_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: None, capsys) == (0, "")


def test_what_the_encoding_of_the_output_cannot_express_is_escaped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", out)
    assert run(lambda: print("12 GeV², µ ± σ"), capsys) == (0, "")
    out.flush()
    assert out.buffer.getvalue() == b"12 GeV\\xb2, \\xb5 \\xb1 \\u03c3\n"  # type: ignore[attr-defined]


def test_a_mistake_in_the_program_keeps_its_traceback_and_ends_with_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, told = run(lambda: 1 / 0, capsys)
    assert code == 1
    assert "Traceback" in told and "lambda" in told
    last = told.splitlines()[-1]
    assert last.startswith("error: ") and "ZeroDivisionError: division by zero" in last


@pytest.mark.parametrize("parent", ["", "1"])
def test_the_log_of_a_mistake_is_named_where_there_is_one(
    parent: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECONTOUR_PARENT", parent)
    monkeypatch.setattr(cli.processes, "end_with", lambda parent: None)
    _, told = run(lambda: 1 / 0, capsys)
    assert ("in the folder logs of the results" in told) == bool(parent)


def test_a_program_that_is_interrupted_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert run(interrupted, capsys) == (130, "")


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_program_whose_output_nobody_reads_any_more_ends_without_a_word(lines: int) -> None:
    code = f"from recontour import cli; cli.main(lambda: print('line\\n' * {lines}))"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as unread:
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, env=environment, stdout=unread, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")
