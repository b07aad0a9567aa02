"""The reader that walks through JSON of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recontour.jsonstream import JsonStream


@pytest.mark.parametrize("window", [1, 2, 3, 7, 64])
def test_windows_of_any_size_read_the_same(tmp_path: Path, window: int) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"é" : [ 12 , "µµ",\n1.5e3,{}, [], true ],"b":null} \n', encoding="utf-8")
    with path.open("rb") as file:
        stream = JsonStream(file, path, window)
        keys = stream.members()
        assert next(keys) == "é"
        spans = [stream.value() for _ in stream.elements()]
        assert [span.value for span in spans] == [12, "µµ", 1.5e3, {}, [], True]
        assert next(keys) == "b" and stream.value().value is None
        assert list(keys) == []
        stream.end()
    data = path.read_bytes()
    for span in spans:
        assert data[span.offset :].startswith(span.raw) and json.loads(span.raw) == span.value


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Where decoding by `raw_decode` was begun."""
    begun = []

    class Noting(json.JSONDecoder):
        def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
            begun.append(idx)
            return super().raw_decode(s, idx)

    monkeypatch.setattr("recontour.jsonstream.STRICT_JSON", Noting())
    return begun


def elements(path: Path, text: str, window: int) -> list[Any]:
    """The elements of the list `text`, written to `path`, each checked with its place there."""
    path.write_text(text, encoding="utf-8")
    with path.open("rb") as file:
        stream = JsonStream(file, path, window)
        spans = [stream.value() for _ in stream.elements()]
        stream.end()
    data = path.read_bytes()
    for span in spans:
        assert data[span.offset :].startswith(span.raw) and json.loads(span.raw) == span.value
    return [span.value for span in spans]


def test_values_of_one_size_are_decoded_once_wherever_windows_end(
    tmp_path: Path, attempts: list[int]
) -> None:
    values = [{"µ": [number] * 20} for number in range(100, 150)]
    text = json.dumps(values, ensure_ascii=False)
    assert elements(tmp_path / "x.json", text, window=300) == values  # three values
    assert len(attempts) == len(values)


@pytest.mark.parametrize("indent", [None, 4])
def test_where_an_object_ends_is_told_by_the_beginning_of_the_next(
    tmp_path: Path, attempts: list[int], indent: int | None
) -> None:
    values = [{"metadata": {"name": f"p{n}"}, "patch": [{"op": "add"}]} for n in range(9)]
    text = json.dumps(values, indent=indent)
    assert elements(tmp_path / "x.json", text, window=1 << 16) == values
    assert len(attempts) == 1, "the last one, for which nothing tells"


ALIKE = st.recursive(
    st.sampled_from([0, "a", ', {"a"', {}]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("ab"), inner, min_size=1),
)


@given(st.lists(ALIKE), st.integers(1, 200), st.sampled_from([None, 1]))
def test_elements_that_hold_what_looks_like_the_next_are_read_whole(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], window: int, indent: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "alike.json"
    assert elements(path, json.dumps(values, indent=indent), window) == values
