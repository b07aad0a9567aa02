"""The table of points in LaTeX, for papers: booktabs' rules, and longtable's pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from recontour.errors import printable
from recontour.results import Row

COLUMNS = {
    "CLs_obs": r"$\mathrm{CL}_s$",
    "CLs_exp_0": r"$\mathrm{CL}_s^{\mathrm{exp}}$",
    "CLs_exp_m1": r"$-1\sigma$",
    "CLs_exp_p1": r"$+1\sigma$",
}
"""The columns of cls.json that are shown, and their headings."""

SMALLEST = 0.001
"""Smaller CLs are shown as being so."""

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
_IN_MATHS = re.compile(r"(?<!\\)(?:\\\\)*[%#&]")


def escaped(text: str) -> str:
    """`text` such that LaTeX prints it as it is; between two `$` it is mathematics, and stays."""
    parts = re.split(r"(?<!\\)\$", printable(text))
    if len(parts) % 2 == 0:  # a $ without partner
        return _plain(printable(text))
    return "".join(
        f"${_maths(part)}$" if place % 2 else _plain(part) for place, part in enumerate(parts)
    )


def table(
    rows: Sequence[Row],
    labels: Sequence[str],
    headings: Mapping[str, Mapping[str, Any]],
    title: str,
    key: str,
) -> str:
    r"""The table of the rows of cls.json, to be read by `\input`, with booktabs and longtable.

    `headings` are the axes of the config by their labels, and `key` is that of `\label`. CLs have
    three significant digits; instead of those of a failed point stands "failed".
    """
    texts = ["name", *(["region"] if "region" in rows[0] else [])]
    axes = {label: headings.get(label, {}) for label in labels}
    header = [
        "Point",
        *(escaped(axis.get("title", label)) for label, axis in axes.items()),
        *("Region" for _ in texts[1:]),
        *COLUMNS.values(),
    ]
    units = ["", *(_unit(axis) for axis in axes.values()), *([""] * (len(header) - len(axes) - 1))]
    failed = sum(row["status"] != "ok" for row in rows)
    points = f"{len(rows)} signal points" + (f", {failed} of which failed" if failed else "")
    caption = f"{escaped(title)}: observed and expected $\\mathrm{{CL}}_s$ of {points}."
    head = [r"\toprule", _row(header), *([_row(units)] if any(units) else []), r"\midrule"]
    lines = [
        r"% needs \usepackage{booktabs,longtable}",
        r"{\footnotesize\setlength{\tabcolsep}{4pt}",
        rf"\begin{{longtable}}{{l{'r' * len(labels)}{'l' * len(texts[1:])}{'r' * len(COLUMNS)}}}",
        rf"\caption{{{caption}}}\label{{tab:{key}}}\\",
        *head,
        r"\endfirsthead",
        *head,
        r"\endhead",
        r"\bottomrule",
        r"\endfoot",
        *(_row([*_identity(row, labels, texts), *_cls(row)]) for row in rows),
        r"\end{longtable}}",
    ]
    return "\n".join(lines) + "\n"


def _identity(row: Row, labels: Sequence[str], texts: Sequence[str]) -> list[str]:
    cells = [texts[0], *labels, *texts[1:]]
    return [escaped(str(row[cell])) for cell in cells]


def _cls(row: Row) -> list[str]:
    if row["status"] != "ok":
        return [rf"\multicolumn{{{len(COLUMNS)}}}{{c}}{{{escaped(row['status'])}}}"]
    return [_number(row[column]) for column in COLUMNS]


def _number(cls: float) -> str:
    return f"{cls:#.3g}" if cls >= SMALLEST else f"$<{SMALLEST}$"


def _unit(axis: Mapping[str, Any]) -> str:
    return f"[{escaped(axis['unit'])}]" if axis.get("unit") else ""


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _plain(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text.replace(r"\$", "$"))


def _maths(text: str) -> str:
    return _IN_MATHS.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", text)
