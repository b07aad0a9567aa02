"""HEPData tables in CSV form, and digests of their numbers."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from fuzzing import RANDOM, for_ten_thousand_seeds, some_bytes
from hypothesis import given, settings
from recontour.errors import UserError
from recontour.tables import parse_table, read_table, table_digest

TABLE = b"""#: table_doi: 10.17182/hepdata.1.v1/t1
#: name: two blocks
#: keyword reactions: P P --> X
m1,"m2, [GeV]"
1.0,2
-3e2,.5

#: LUMINOSITY,,139
m1,UL [pb]
1,0.0
"""


def test_comments_columns_and_numbers_of_every_block() -> None:
    table = parse_table(TABLE, "x")
    assert table.comments["name"] == "two blocks"
    assert table.comments["table_doi"] == "10.17182/hepdata.1.v1/t1"
    assert table.columns == ("m1", "m2, [GeV]")
    assert table.rows == ((1.0, 2.0), (-300.0, 0.5))
    assert [block.columns for block in table.blocks] == [("m1", "m2, [GeV]"), ("m1", "UL [pb]")]


def test_the_digest_is_of_the_numbers_only() -> None:
    digest = table_digest(parse_table(TABLE, "x"))
    same = TABLE.replace(b"-3e2", b"-300.0").replace(b"\n", b"\r\n").replace(b"two", b"2")
    assert table_digest(parse_table(same, "x")) == digest
    assert table_digest(parse_table(TABLE.replace(b"0.0", b"-0.0"), "x")) == digest
    for old, new in ((b"-3e2", b"-3.0000000000000004e2"), (b"\n1.0,2", b""), (b"1.0,2", b"2,1.0")):
        assert table_digest(parse_table(TABLE.replace(old, new), "x")) != digest


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", 'no HEPData table (it begins with "")'),
        (b"<!DOCTYPE html>\n", "no HEPData table"),
        (b"m1,m2\n1,2,3\n", "line 2: 3 cells where the line of column names has 2"),
        (b"m1,m2\n1,-\n", 'line 2, column "m2": "-" is not a finite number'),
        (b"m1,m2\n1,1e999\n", '"1e999" is not a finite number'),
        (b"m1,m2\n1,nan\n", '"nan" is not a finite number'),
        (b"m1,m2\n1,1_0\n", '"1_0" is not a finite number'),
        ("m1,m2\n1,\u0661\n".encode(), "is not a finite number"),
        (b'm1,"m2\n1,2\n', "line 1: not a line of CSV"),
        (b"m1\n\xff\n", "not UTF-8 text at byte 3"),
        (b"m1\n\x1b[2J\n", '"\\x1b[2J" is not a finite number'),
    ],
)
def test_what_is_no_table_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_table(text, "observed.csv")
    assert str(caught.value).startswith("observed.csv") and problem in str(caught.value)


def test_the_published_tables(mirror: Path) -> None:
    """All tables of the mirror can be read; counts and first point are those HEPData shows."""
    tables = {path.name: read_table(path) for path in mirror.glob("*/*.v2/t*.csv")}
    assert len(tables) == 32
    assert len(tables["t13.csv"].rows) == 134
    assert tables["t13.csv"].rows[0] == (744.1124, 0.0)
    assert len(tables["t17.csv"].rows) == 127
    assert len(tables["t7.csv"].blocks) == 4


def reads_or_says_why(data: bytes) -> None:
    try:
        table_digest(parse_table(data, "the table"))
    except UserError as error:
        assert str(error).startswith("the table") and str(error).isprintable()


PIECES = [TABLE, b"\n", b",", b'"', b"#:", b"1", b"e", b"-", b"\xff", b"\x00", b"\r"]


def any_text_is_read_or_refused(random: Random) -> None:
    text = random.choice([TABLE, b""])
    for _ in range(random.randint(0, 12)):
        text += random.choice(PIECES) if random.random() < 0.5 else some_bytes(random, 3)
    reads_or_says_why(text)


@settings(max_examples=200, deadline=None)
@given(RANDOM)
def test_any_bytes_are_read_or_refused(random: Random) -> None:
    any_text_is_read_or_refused(random)


@pytest.mark.long
def test_ten_thousand_tables() -> None:
    for_ten_thousand_seeds(any_text_is_read_or_refused)
