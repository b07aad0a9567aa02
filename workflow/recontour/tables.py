"""HEPData tables in CSV form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
    raise NotImplementedError


def parse_table(data: bytes, where: object) -> Table:
    """The table in a CSV text; `where` names it in errors. Raises UserError."""
    raise NotImplementedError


def table_digest(table: Table) -> str:
    """SHA-256 over the numbers of a table, in order, not over its text: HEPData may regenerate
    the CSV file with other comments, column titles or number formats."""
    raise NotImplementedError
