"""What errors show of texts that come from elsewhere."""

from __future__ import annotations

import pytest
from recontour.errors import UserError, known, masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/x", "https://***@h/x"),
        ("https://h/x?token=abc&a=1", "https://h/x?token=***&a=1"),
        ("url: /x?a=1&access_token=abc (Caused by", "url: /x?a=1&access_token=*** (Caused by"),
        ("https://h/x?landing_page=true", "https://h/x?landing_page=true"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
    ],
)
def test_masking(text: str, shown: str) -> None:
    assert masked(text) == shown


def test_of_many_valid_names_some_are_listed() -> None:
    assert known("p7", [f"p{i}" for i in range(99)], "point") == "p7"
    with pytest.raises(UserError, match=r"p18, p19, … \(99 in all\)$"):
        known("q", [f"p{i}" for i in range(99)], "point")
