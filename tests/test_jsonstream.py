"""The reader that walks through JSON of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
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


def test_values_of_one_size_are_decoded_once_wherever_windows_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = 0

    class Counting(json.JSONDecoder):
        def raw_decode(self, s: str, idx: int = 0) -> tuple[Any, int]:
            nonlocal attempts
            attempts += 1
            return super().raw_decode(s, idx)

    monkeypatch.setattr("recontour.jsonstream.STRICT_JSON", Counting())
    values = [{"µ": [number] * 20} for number in range(100, 150)]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
    with path.open("rb") as file:
        stream = JsonStream(file, path, window=300)  # three values
        spans = [stream.value() for _ in stream.elements()]
        stream.end()
    assert [span.value for span in spans] == values
    assert attempts == len(values)
    data = path.read_bytes()
    for span in spans:
        assert data[span.offset :].startswith(span.raw) and json.loads(span.raw) == span.value
