"""A submission to HEPData (https://hepdata-submission.readthedocs.io): its tables, as YAML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from recontour import __version__
from recontour.exports import curves
from recontour.limits import ON_CROSS_SECTION, ON_MU, THEORY
from recontour.points import six_digits
from recontour.results import CLS, VARIED, Row

LONGEST_NAME = 64
"""Characters that HEPData allows for the name of a table."""

NOTHING = "-"
"""What stands, as HEPData asks, where there is no value."""

_BAND = (
    "observed",
    "expected -2 sigma",
    "expected -1 sigma",
    "expected",
    "expected +1 sigma",
    "expected +2 sigma",
)
CLS_COLUMNS = {
    **{column: (f"CLs, {which}", "") for column, which in zip(CLS, _BAND, strict=True)},
    VARIED[0]: ("CLs, observed, signal cross-section +1 sigma", ""),
    VARIED[1]: ("CLs, observed, signal cross-section -1 sigma", ""),
}
LIMIT_COLUMNS = {
    **{name: (f"Limit on mu, {which}", "") for name, which in zip(ON_MU, _BAND, strict=True)},
    THEORY[0]: ("Cross-section, theory", "pb"),
    THEORY[1]: ("Cross-section, relative uncertainty of theory", ""),
    **{
        name: (f"Limit on the cross-section, {which}", "pb")
        for name, which in zip(ON_CROSS_SECTION, _BAND, strict=True)
    },
}
"""Columns of our tables, and what they are called in HEPData's, with their units."""

CURVES = {
    "observed": "Observed {}",
    "observed_up": "Observed {}, cross-section +1 sigma",
    "observed_down": "Observed {}, cross-section -1 sigma",
    "expected": "Expected {}",
    "expected_m2": "Expected {}, -2 sigma",
    "expected_m1": "Expected {}, -1 sigma",
    "expected_p1": "Expected {}, +1 sigma",
    "expected_p2": "Expected {}, +2 sigma",
}


@dataclass(frozen=True)
class Table:
    """A table: the stem of its file, its name and caption, and its variables in HEPData's form."""

    stem: str
    name: str
    description: str
    independent: Sequence[Mapping[str, Any]]
    dependent: Sequence[Mapping[str, Any]]


def cls_table(
    rows: Sequence[Row], labels: Sequence[str], headings: Mapping[str, Mapping[str, Any]]
) -> Table:
    """CLs of all points, from the rows of cls.json. `headings` are the axes of the config by their
    labels, for names and units."""
    text = "Observed and expected CLs of a signal strength of 1"
    return _of_points("cls", "CLs", text, rows, labels, headings, CLS_COLUMNS)


def limits_table(
    rows: Sequence[Row], labels: Sequence[str], headings: Mapping[str, Mapping[str, Any]]
) -> Table:
    """Upper limits of all points, from the rows of upper_limits.json."""
    text = "Observed and expected upper limits at 95 % CL on the signal strength mu"
    if ON_CROSS_SECTION[0] in rows[0]:
        text += " and on the cross-section"
    return _of_points("upper_limits", "Upper limits", text, rows, labels, headings, LIMIT_COLUMNS)


def contour_tables(
    contours: Mapping[str, Any], plane: str, lines: Sequence[str]
) -> Iterator[Table]:
    """The contours of a plane, from the content of contours.json, a table each. `plane` is its
    name, empty if there is one only, and `lines` stand beside the title of its figure."""
    level = contours["level"]["CLs"]
    used, failed = contours["points"]["used"], contours["points"]["failed"]
    text = (
        f"where CLs is {level:g}, by {contours['method']['interpolation']}, of {used} points. "
        f"Points that failed: {', '.join(failed) or 'none'}"
    )
    what = "contour" if "y" in contours["axes"] else "excluded range"
    x, y = curves.axes(contours)
    for curve, found in curves.pieces(contours).items():
        vertices = [(number, *v) for number, piece in enumerate(found, start=1) for v in piece]
        pieces, along, up = zip(*vertices, strict=True)
        name = CURVES[curve].format(what)
        yield Table(
            "_".join(filter(None, [plane, "contour", curve])),
            _table_name(name, plane),
            ". ".join([*lines, f"{name}: {text}"]),
            [_variable(*_heading(x["label"], x), along)],
            [_variable(*_heading(y["label"], y), up), _variable("Piece", "", pieces)],
        )


def _table_name(name: str, plane: str) -> str:
    """What a table is called; a long name of a plane loses its middle, lest two become one."""
    if not plane:
        return name[:LONGEST_NAME]
    room = LONGEST_NAME - len(f"{name} ()")
    if len(plane) > room:
        head, tail = (room - 2) // 2, (room - 1) // 2
        plane = f"{plane[:head]}..{plane[-tail:]}"
    return f"{name} ({plane})"


def remarks(contours: Mapping[str, Any], plane: str) -> list[str]:
    """Why there is no table for some of the contours of a plane."""
    place = f" ({plane})" if plane else ""
    return [
        f"{curve}{place}: no contour, since {why}"
        for curve, why in curves.missing(contours).items()
    ]


def submission(
    tables: Sequence[Table], title: str, lines: Sequence[str], doi: str, remarks: Sequence[str]
) -> dict[str, bytes]:
    """The files of a submission by name: submission.yaml, and one a table. `doi` is that of the
    likelihood, `lines` stand beside the title of the figures, `remarks` at the end of the comment.
    Numbers have six significant digits."""
    source = f"https://doi.org/{doi}"
    made = (
        f"Computed by recontour {__version__} from the full likelihood {source}: profile "
        "likelihood ratio, asymptotic formulae (arXiv:1007.1727)"
    )
    general = {
        "additional_resources": [{"location": source, "description": "Full likelihood"}],
        "comment": ". ".join([title, *lines, made, *remarks]),
    }
    entries = [
        {
            "name": table.name,
            "description": table.description,
            "keywords": [{"name": "observables", "values": ["CLS"]}],
            "data_file": f"{table.stem}.yaml",
        }
        for table in tables
    ]
    files = {"submission.yaml": _yaml(general, *entries)}
    for table in tables:
        files[f"{table.stem}.yaml"] = _yaml(
            {"independent_variables": table.independent, "dependent_variables": table.dependent}
        )
    return files


def _of_points(
    stem: str,
    name: str,
    text: str,
    rows: Sequence[Row],
    labels: Sequence[str],
    headings: Mapping[str, Mapping[str, Any]],
    columns: Mapping[str, tuple[str, str]],
) -> Table:
    without = sum(row["status"] != "ok" for row in rows)
    independent = [
        _variable(*_heading(label, headings.get(label, {})), [row[label] for row in rows])
        for label in labels
    ]
    texts = {"name": "Patch", "region": "Signal region"}
    dependent = [
        *(
            _variable(*header, [row[column] for row in rows])
            for column, header in columns.items()
            if column in rows[0]
        ),
        _variable("Status", "", [": ".join(filter(None, _status(row))) for row in rows]),
        *(
            _variable(header, "", [row[column] for row in rows])
            for column, header in texts.items()
            if column in rows[0]
        ),
    ]
    text += f", of {len(rows)} signal points; the status of {without} of them is not ok"
    return Table(stem, name, text, independent, dependent)


def _status(row: Row) -> tuple[str, str]:
    return row["status"], row["reason"]


def _heading(label: str, axis: Mapping[str, Any]) -> tuple[str, str]:
    """Name and units of what an axis shows."""
    return axis.get("title", label), axis.get("unit", "")


def _variable(name: str, units: str, values: Iterable[Any]) -> dict[str, Any]:
    header = {"name": name, "units": units} if units else {"name": name}
    return {"header": header, "values": [{"value": _value(value)} for value in values]}


def _value(value: Any) -> Any:
    if value is None:
        return NOTHING
    return six_digits(value) if isinstance(value, float) else value


def _yaml(*documents: Mapping[str, Any]) -> bytes:
    return yaml.dump_all(
        documents,
        Dumper=yaml.SafeDumper,
        explicit_start=len(documents) > 1,
        default_flow_style=None,
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
        encoding="utf-8",
    )
