"""The table of results, one row a signal point: its columns, and the files that hold it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recontour.errors import UserError, printable
from recontour.files import atomic_write, parse_json, read_json, write_json
from recontour.likelihood import Point

if TYPE_CHECKING:
    from histfit import HypoTest

BAND = ("obs", "exp_m2", "exp_m1", "exp_0", "exp_p1", "exp_p2")
"""Observed, and expected at −2, −1, 0, +1, +2 standard deviations."""

CLS = tuple(f"CLs_{which}" for which in BAND)

VARIED = ("CLs_obs_up", "CLs_obs_down")
"""Observed CLs for a cross-section of the signal larger, and smaller, by its uncertainty: columns
that are there if it is known."""

QUALITY = ("edm", "starts", "iterations")
"""Of the fits that a point took (all of them converged): the largest estimated distance of the NLL
to its minimum, the most starting points that one needed, and the Newton iterations together."""

OWN = ("name", "region", *CLS, *VARIED, "status", *QUALITY, "reason")
"""The columns of cls.csv that are no labels; `region` if there are several signal regions."""

NO_SIGNAL = "no signal: the patch adds no events that scale with the parameter of interest"
"""The reason why there is no more to say of a point."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """The table: labels of the points' values, and the rows in the order of the points."""

    labels: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.rows[0]) if self.rows else columns(self.labels)


def columns(labels: Sequence[str]) -> tuple[str, ...]:
    """The columns of cls.csv. Raises UserError for a label that is the name of another column."""
    for label in labels:
        if label in OWN:
            raise UserError(
                f'the patchset\'s label "{printable(label)}" is also a column of the results; '
                "rename the label in the patchset"
            )
    return ("name", *labels, *CLS, "status", *QUALITY, "reason")


def succeeded(point: Point, labels: Sequence[str], result: HypoTest, *varied: HypoTest) -> Row:
    """The row of a point with this result, and those for both `varied` cross-sections if there are
    any; of a failed point if a CLs is no probability."""
    cls = dict(zip(CLS, (result.CLs_obs, *result.CLs_exp), strict=True))
    variations = [other.CLs_obs for other in varied]
    for name, value in (*cls.items(), *zip(VARIED, variations, strict=False)):
        if not 0 <= value <= 1:
            row = failed(point, labels, f"{name} is {value}, which is no probability")
            return with_variations(row) if varied else row
    fits = [fit for test in (result, *varied) for fit in test.fits.values()]
    quality = (
        float(f"{max(fit.edm for fit in fits):.3g}"),
        max(fit.starts for fit in fits),
        sum(fit.iterations for fit in fits),
    )
    reason = "" if result.has_signal else NO_SIGNAL
    row = row_of(columns(labels), point, (*cls.values(), "ok", *quality, reason))
    return with_variations(row, *variations) if varied else row


def failed(point: Point, labels: Sequence[str], reason: object) -> Row:
    """The row of a point without a result."""
    no_cls, no_quality = [None] * len(CLS), [None] * len(QUALITY)
    cells = (*no_cls, "failed", *no_quality, printable(reason))
    return row_of(columns(labels), point, cells)


def row_of(columns: Sequence[str], point: Point, cells: Sequence[object]) -> Row:
    """The row of a point: its name, its values, and what is known of it."""
    return dict(zip(columns, (point.name, *point.values, *cells), strict=True))


def in_region(row: Row, labels: Sequence[str], region: str) -> Row:
    """The row with a column for the signal region, after the labels."""
    before = dict.fromkeys(("name", *labels))
    return {name: row[name] for name in before} | {"region": region} | row


def with_variations(row: Row, up: float | None = None, down: float | None = None) -> Row:
    """The row with the columns `VARIED`, after those of CLs."""
    cells, place = list(row.items()), list(row).index(CLS[-1]) + 1
    return dict([*cells[:place], *zip(VARIED, (up, down), strict=True), *cells[place:]])


def write_batch(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows as JSON lines."""
    with atomic_write(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def join_batches(
    paths: Iterable[Path | str],
    points: Sequence[Point],
    labels: Sequence[str],
    columns: Callable[[Sequence[str]], Sequence[str]] = columns,
) -> Results:
    """The rows of all batches, which must be those of `points`, in the order of `points` and each
    one's signal regions, with the `columns` of their labels. Raises UserError."""
    rows: dict[str, list[Row]] = {point.name: [] for point in points}
    names: list[str] = []
    for path in paths:
        for line in Path(path).read_bytes().splitlines():
            row = parse_json(line, path)
            if not names:
                named = dict.fromkeys(columns(labels))
                if VARIED[0] in row:
                    named = with_variations(named)
                names = list(in_region(named, labels, "") if "region" in row else named)
            if list(row) != names:
                raise UserError(f"{path}: not the results of one batch; delete it and run again")
            if row["name"] not in rows:
                raise UserError(
                    "the batches hold results of points that are not selected; delete them and run "
                    "again"
                )
            rows[row["name"]].append(row)
    for point in points:
        found = rows[point.name]
        regions = {row.get("region") for row in found}
        values = {tuple(row[label] for label in labels) for row in found}
        if len(regions) != len(found) or values != {point.values}:
            raise UserError(
                f"the batches hold no result, or several, of {printable(point.name)}; delete them "
                "and run again"
            )
    return Results(tuple(labels), tuple(row for point in points for row in rows[point.name]))


def refuse_failures(title: str, rows: Sequence[Row], table: str, tolerated: int) -> None:
    """Raise UserError if more `rows` of the `table`, a file, failed than are `tolerated`."""
    failed = sum(row["status"] == "failed" for row in rows)
    if failed > tolerated:
        raise UserError(
            f"{title}: {failed} of {len(rows)} points failed, for the reasons in {table}; all "
            "other results are complete. To accept that, set "
            f"tolerate_failed_points: {failed} in the config"
        )


def best(results: Results, expected: str) -> Results:
    """One row a point, that of the signal region with the smallest value in the column `expected`
    (the first of several; nothing is larger than any number). A point that failed in a region has
    failed, since that one might have been the best."""
    rows: dict[str, list[Row]] = {}
    for row in results.rows:
        rows.setdefault(row["name"], []).append(row)
    return replace(results, rows=tuple(_best(found, expected) for found in rows.values()))


def _best(rows: Sequence[Row], expected: str) -> Row:
    signals = [row for row in rows if row["reason"] != NO_SIGNAL] or rows
    for row in signals:
        if row["status"] == "failed" and "region" in row:
            return row | {"reason": f"region {row['region']}: {row['reason']}"}
    return min(signals, key=lambda row: math.inf if row[expected] is None else row[expected])


def write_csv(path: Path | str, results: Results) -> None:
    """Write cls.csv. Numbers have as many digits as bring back the same double; the cells of what
    a failed point lacks are empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, results.columns, lineterminator="\n")
    table.writeheader()
    table.writerows(results.rows)
    with atomic_write(path) as file:
        file.write(text.getvalue())


def read_cells(path: Path | str) -> list[dict[str, str]]:
    """The rows of cls.csv, as text."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_rows_json(path: Path | str, results: Results) -> None:
    """Write cls.json: the rows of cls.csv as objects, in the same order."""
    write_json(path, results.rows)


def read_rows_json(path: Path | str) -> Results:
    """What `write_rows_json` wrote to cls.json."""
    rows = read_json(path)
    return Results(tuple(column for column in rows[0] if column not in OWN), tuple(rows))
