"""The look of every figure: fonts, colours, lines, the header, the legend, and how files are made.

The colours are told apart by colour-blind eyes, and in greyscale by their lightness; where two of
them say different things, line style or marker does, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from recontour.errors import UserError, printable
from recontour.files import atomic_write

OURS = "black"
PUBLISHED = "#d55e00"  # Okabe and Ito's vermilion: colour-blind eyes tell it from black and blue
BAND = "#a6cfec"
ONE_SIGMA, TWO_SIGMA = "#7fc97f", "#ffe98a"  # the field's green and yellow
UP, DOWN = "#0072b2", "#f0b64c"
SIGNAL = PUBLISHED
SAMPLES = ("#56b4e9", "#f0e442", "#0072b2", "#e69f00", "#009e73", "#e6b8d3", "#666666")
"""Layers of a stack, from the top; by Okabe and Ito, in an order that greyscale tells apart.
`OTHER` is for all further ones."""

OTHER = "#e4e4e4"
DASHED = (0, (4.5, 2))
DOTTED = (0, (1, 1.6))
REFERENCE = {"color": PUBLISHED, "linewidth": 1.1}

CURVES: dict[str, dict[str, Any]] = {
    "observed": {"color": OURS, "linewidth": 2.0, "linestyle": "-"},
    "expected": {"color": OURS, "linewidth": 1.6, "linestyle": DASHED},
    "observed_up": {"color": OURS, "linewidth": 1.1, "linestyle": DOTTED},
    "observed_down": {"color": OURS, "linewidth": 1.1, "linestyle": DOTTED},
}
MARKERS: dict[str, dict[str, Any]] = {
    "excluded": {"marker": "o", "markersize": 3.2, "color": "0.35", "markeredgewidth": 0.6},
    "not excluded": {
        "marker": "o",
        "markersize": 3.2,
        "color": "0.35",
        "markerfacecolor": "white",
        "markeredgewidth": 0.6,
    },
    "failed": {"marker": "x", "markersize": 5.0, "color": OURS, "markeredgewidth": 1.2},
}
SMALLEST_CLS = 1e-4
"""CLs below which nothing is told apart: by then, no one cares how far a point is excluded."""

LIMITS = "Limits at 95% CL"
AXIS_TITLE = 11.0
"""Size of the titles of axes, in points of type."""

RC = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 10,
    "axes.linewidth": 0.8,
    "hatch.linewidth": 0.5,
    "text.hinting": "none",  # the width of a text is then proportional to its size
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.columnspacing": 1.5,
}
METADATA = {".pdf": {"CreationDate": None}, ".png": {"Software": None}}
"""Without times and versions: equal results are equal files."""

SUFFIXES = tuple(METADATA)
TITLE_DROP, LINE_DROP = 0.14, 0.392
"""How far the title and the line below it lie from the figure's upper edge, in inches."""


LONGEST_NAME = 48


@contextmanager
def new_figure(width: float, height: float) -> Iterator[Figure]:
    """An empty figure of this size in inches, to be drawn and saved within the block, where the
    style holds. Raises UserError for TeX that matplotlib cannot draw."""
    with rc_context(RC):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        try:
            yield figure
        except ValueError as error:
            raise _explained(error) from None


def _explained(error: ValueError) -> ValueError | UserError:
    """What mathtext says of TeX that it cannot draw, and what to do; other errors as they are."""
    _, text, *_, last = ["", "", *str(error).splitlines()][-4:]
    if not last.startswith("Parse") or "(at char" not in last:  # mathtext has no class for it
        return error
    reason = last.partition(": ")[2].partition("  (at char")[0]
    return UserError(
        f'in `title`, `labels` or `axes` of the config: "{printable(text)}" is no TeX that '
        f"matplotlib can draw ({printable(reason)[:200]}); correct what stands between the dollar "
        "signs; a dollar sign itself is written \\$"
    )


def save(figure: Figure, out: Sequence[Path | str]) -> None:
    """Write a figure to files, by their suffix PDF or PNG (200 dots an inch). Raises UserError for
    another one."""
    for path in map(Path, out):
        if path.suffix not in SUFFIXES:
            raise UserError(f"{path}: expected a name that ends with {' or '.join(SUFFIXES)}")
    for path in map(Path, out):
        with atomic_write(path, "wb") as file:
            figure.savefig(file, format=path.suffix[1:], dpi=200, metadata=METADATA[path.suffix])


def paged(out: Sequence[Path | str], page: int) -> list[Path]:
    """The files of a page of a figure: those of the first have its name, then `<name>_2`, …"""
    end = f"_{page}" if page > 1 else ""
    return [path.with_stem(path.stem + end) for path in map(Path, out)]


def write_header(
    figure: Figure, span: tuple[float, float], title: str, labels: Sequence[str]
) -> None:
    """The title, and below it a line with the `labels`, within a `span` of the figure's width."""
    left, right = span
    height = figure.get_figheight()
    for text in (
        figure.text(left, 1 - TITLE_DROP / height, title, size=11.5, weight="bold", va="top"),
        figure.text(left, 1 - LINE_DROP / height, "     ".join(labels), size=9.5, va="top"),
    ):
        width = text.get_window_extent().width / figure.bbox.width
        if width > 0.0:
            text.set_size(text.get_size() * min(1.0, (right - left) / width))


def width_of(names: Sequence[str], size: float) -> float:
    """The width of the longest of these names in type of this size, in inches."""
    renderer, font = RendererAgg(1, 1, 72), FontProperties(family=RC["font.family"], size=size)
    widths = (renderer.get_text_width_height_descent(plain(n), font, False)[0] for n in names)
    return max(widths, default=0.0) / 72.0


def plain(name: str) -> str:
    """A name from a file as text to draw, without its middle if it is long."""
    if len(name) > LONGEST_NAME:
        name = f"{name[: LONGEST_NAME // 2]}…{name[1 - LONGEST_NAME // 2 :]}"
    return plain_text(name)


def plain_text(text: str) -> str:
    """A text from a file as text to draw: not as a formula."""
    return printable(text).replace("$", r"\$")


def measured(value: float, uncertainty: float) -> str:
    """A value with its uncertainty, to two digits of that, as a formula without its dollars."""
    digits = max(0, 1 - math.floor(math.log10(uncertainty))) if uncertainty > 0.0 else 3
    return rf"{value:.{digits}f} \pm {uncertainty:.{digits}f}"


def draw_reason(
    part: Mapping[str, Any], title: str, labels: Sequence[str], out: Sequence[Path | str]
) -> Figure:
    """In place of a figure that cannot be drawn, the reason that this part of a record gives."""
    with new_figure(6.4, 2.4) as figure:
        write_header(figure, (0.03, 0.97), title, labels)
        text = fill(plain_text(part["reason"]), 70)
        figure.text(0.5, 0.4, text, ha="center", va="center", size=9.5)
        save(figure, out)
    return figure


def draw_entries(axes: Axes, entries: Sequence[tuple[Any, str]], columns: int) -> None:
    """The legend above the axes: handles and texts, filled column by column."""
    handles, texts = zip(*entries, strict=True)
    axes.legend(
        handles,
        texts,
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        borderaxespad=0,
        borderpad=0,
        ncols=columns,
    )
