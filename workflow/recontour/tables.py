"""HEPData tables in CSV form."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

from recontour.errors import UserError, printable
from recontour.likelihood import as_value


@dataclass(frozen=True)
class Block:
    """One header line and the rows of numbers under it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Table:
    """A HEPData table: `comments` holds its `#: key: value` lines (`name`, `table_doi`,
    `description`, …), `blocks` one block a dependent variable."""

    comments: dict[str, str]
    blocks: tuple[Block, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names of the first block."""
        return self.blocks[0].columns

    @property
    def rows(self) -> tuple[tuple[float, ...], ...]:
        """Rows of the first block."""
        return self.blocks[0].rows


def read_table(path: Path | str) -> Table:
    """Read a table's CSV file. Raises UserError."""
    return parse_table(Path(path).read_bytes(), path)


def parse_table(data: bytes, where: object) -> Table:
    """The table in a CSV text; `where` names it in errors. Raises UserError."""
    try:
        lines = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: not UTF-8 text at byte {error.start}; fetch it anew") from None
    comments: dict[str, str] = {}
    blocks: list[Block] = []
    columns: tuple[str, ...] = ()
    rows: list[tuple[float, ...]] = []

    def close_block() -> None:
        nonlocal columns, rows
        if columns:
            blocks.append(Block(columns, tuple(rows)))
        columns, rows = (), []

    for number, line in enumerate(lines, 1):
        if line.startswith("#:"):
            key, _, value = line[2:].partition(":")
            comments.setdefault(key.strip(), value.strip())
        elif not line.strip():
            close_block()
        elif not columns:
            columns = _cells(line, f"{where}, line {number}")
        else:
            rows.append(_numbers(line, columns, f"{where}, line {number}"))
    close_block()
    if not any(block.rows for block in blocks):
        start = printable(lines[0][:60]) if lines else "nothing"
        raise UserError(
            f'{where}: no HEPData table (it begins with "{start}"); expected `#:` lines, a line of '
            "column names and rows of numbers; fetch it anew"
        )
    return Table(comments, tuple(blocks))


def table_digest(table: Table) -> str:
    """SHA-256 over the numbers of a table, in order, not over its text: HEPData may regenerate
    the CSV file with other comments, column titles or number formats."""
    text = "\n\n".join(
        "\n".join(",".join(repr(number + 0.0) for number in row) for row in block.rows)
        for block in table.blocks
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _cells(line: str, where: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader([line], strict=True)))
    except csv.Error as error:
        raise UserError(f"{where}: not a line of CSV ({error}); fetch the table anew") from None


def _numbers(line: str, columns: tuple[str, ...], where: str) -> tuple[float, ...]:
    cells = _cells(line, where)
    if len(cells) != len(columns):
        raise UserError(
            f"{where}: {len(cells)} cells where the line of column names has {len(columns)}; "
            "fetch the table anew"
        )
    return tuple(
        _number(cell, f'{where}, column "{printable(column)}"')
        for cell, column in zip(cells, columns, strict=True)
    )


def _number(cell: str, where: str) -> float:
    value = as_value(cell.strip())
    if isinstance(value, str):
        raise UserError(f'{where}: "{printable(cell[:40])}" is not a finite number')
    return float(value)
