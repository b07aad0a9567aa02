"""Tables that users write as CSV: columns by name, errors that name row and column."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from recontour.errors import UserError, printable
from recontour.files import reading
from recontour.likelihood import as_value


@dataclass(frozen=True)
class Row:
    """A row: the file, the row's place in it from 1, and its cells by column."""

    path: Path
    number: int
    cells: Mapping[str, str]

    def where(self, *columns: str) -> str:
        """The place of a cell, or of several, for errors."""
        return f"{self.path}, row {self.number}, column {printable(', '.join(columns))}"

    def real(self, column: str, low: float, high: float, expected: str) -> float:
        """The finite number of a cell, from `low` to `high`. Raises UserError saying what was
        `expected`."""
        value = as_value(self.cells[column])
        if isinstance(value, str) or not (low <= value <= high and abs(value) < math.inf):
            found = printable(self.cells[column])[:40]
            raise UserError(f'{self.where(column)}: found "{found}", expected {expected}')
        return float(value)


@dataclass(frozen=True)
class Sheet:
    """A table: the file, its columns, and its rows."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_lines(path: Path | str, what: str) -> list[tuple[int, list[str]]]:
    """The lines of a CSV file by number, each as its cells; blank lines, blanks around cells and
    the byte order mark that Excel writes do not count.

    `what` is what the table holds, for errors. Raises UserError if the file cannot be read, or is
    no CSV.
    """
    try:
        with (
            reading(path, f"table of {what}"),
            Path(path).open(encoding="utf-8-sig", newline="") as file,
        ):
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path}: not a table in CSV form ({printable(error)}); save it as CSV in UTF-8"
        ) from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    first = lines[0][1] if lines else []
    if any("\0" in cell for cell in first):
        raise UserError(
            f"{path}: not a table in CSV form (it holds zero bytes, as text in UTF-16 does); save "
            "it as CSV in UTF-8"
        )
    if len(first) == 1 and re.search("[;\t]", first[0]):
        raise UserError(
            f'{path}: found the first line "{printable(first[0])[:80]}"; expected commas between '
            "the columns, and points in numbers: save the table in that form of CSV"
        )
    return lines


def read(path: Path | str, what: str) -> Sheet:
    """Read a CSV file as `read_lines` does. Raises UserError as well for columns without name or of
    one name, and for a row with another number of cells.
    """
    path = Path(path)
    lines = read_lines(path, what)
    columns = tuple(lines[0][1]) if lines else ()
    if not all(columns) or len(set(columns)) < len(columns):
        raise UserError(
            f"{path}, row {lines[0][0]}: found the columns {printable(', '.join(columns))}; each "
            "needs a name of its own"
        )
    rows = []
    for number, cells in lines[1:]:
        if len(cells) != len(columns):
            raise UserError(
                f"{path}, row {number}: {len(cells)} cells, expected one for each of the columns "
                f"{printable(', '.join(columns))}"
            )
        rows.append(Row(path, number, dict(zip(columns, cells, strict=True))))
    return Sheet(path, columns, tuple(rows))
