"""The figure of yields: stacked samples and data in the bins of all channels, before and after the
free fit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.special import gammainccinv, gammaincinv, ndtr

from recontour import style

MOST = 30
"""Bins of a page; a channel with more has one of its own."""

LOGARITHMIC = 30.0
"""Where the largest bin holds so many times the smallest, the axis is logarithmic."""

WIDTH, LEFT, PANEL, GAP = 10.4, 0.7, 4.7, 0.1
STACK, RATIO, BETWEEN, HEADER, LINE = 2.1, 0.95, 0.08, 0.62, 0.175
"""Widths and heights of the figure's parts, in inches."""

TEXT = 7.5
"""Size of the names of channels."""

COLUMNS, HANDLE = 5, 0.52
"""Most columns of the legend; space that the handle of an entry takes, in inches."""

BAND = {"facecolor": "none", "edgecolor": "0.25", "hatch": "///////", "linewidth": 0}
DATA = {"color": "black", "marker": "o", "linestyle": "none", "elinewidth": 1.0, "capsize": 0}
TOTAL = {"color": "black", "linewidth": 1.2}
SIGNAL = {"color": style.SIGNAL, "linewidth": 1.5, "linestyle": style.DASHED}
FITS = {"prefit": "Pre-fit", "postfit": "Post-fit"}

Channel = Mapping[str, Any]


def draw(
    record: Mapping[str, Any], title: str, labels: Sequence[str], out: Sequence[Path | str]
) -> list[Figure]:
    """The yields of a `record` (what `diagnostics.diagnose` returned), written to the files `out`,
    further pages to `<name>_2` and so on.

    Backgrounds are stacked; the line above them is all that is expected, the signal at its strength
    before and after the fit included, with its uncertainty. Errors of the data are Garwood's
    central intervals for counts (Biometrika 28 (1936) 437). Below is data over expectation.
    """
    part = record["yields"]
    if part["status"] != "ok":
        return [style.draw_reason(part, title, labels, out)]
    backgrounds = _backgrounds(part["channels"])
    return [
        _page(page, backgrounds, title, labels, style.paged(out, number))
        for number, page in enumerate(_pages(part["channels"]), 1)
    ]


def garwood(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of central 68.3 % intervals for the means of Poisson counts, both of shape (n,)."""
    tail = float(ndtr(-1.0))
    low = np.where(counts > 0.0, gammaincinv(np.maximum(counts, 1e-9), tail), 0.0)
    return low, gammainccinv(counts + 1.0, tail)


def _pages(channels: Sequence[Channel]) -> list[list[Channel]]:
    pages: list[list[Channel]] = [[]]
    for channel in channels:
        bins = sum(len(other["observed"]) for other in pages[-1])
        if pages[-1] and bins + len(channel["observed"]) > MOST:
            pages.append([])
        pages[-1].append(channel)
    return pages


def _backgrounds(channels: Sequence[Channel]) -> list[str]:
    """The names of the samples with a colour of their own, the largest last, so that they are
    stacked in this order above all others."""
    totals: dict[str, float] = {}
    for channel in channels:
        for sample in channel["samples"]:
            if not sample["signal"]:
                share = sample["prefit"]["total"] / max(channel["prefit"]["total"], 1e-9)
                totals[sample["name"]] = totals.get(sample["name"], 0.0) + share
    names = sorted(totals, key=lambda name: (totals[name], name))
    return names if len(names) <= len(style.SAMPLES) else names[-len(style.SAMPLES) :]


def _page(
    page: Sequence[Channel],
    backgrounds: Sequence[str],
    title: str,
    labels: Sequence[str],
    out: Sequence[Path | str],
) -> Figure:
    bins = {fit: _Bins(page, fit, backgrounds) for fit in FITS}
    entries = _legend(bins["prefit"], backgrounds)
    foot, angle = _foot(page)
    entry = HANDLE + style.width_of([text for _, text in entries], style.RC["legend.fontsize"])
    columns = max(1, min(COLUMNS, int((WIDTH - LEFT) / entry)))
    top = HEADER + LINE * math.ceil(len(entries) / columns)
    height = foot + RATIO + BETWEEN + STACK + top
    with style.new_figure(WIDTH, height) as figure:
        for column, (fit, name) in enumerate(FITS.items()):
            left, wide = (LEFT + (PANEL + GAP) * column) / WIDTH, PANEL / WIDTH
            low = (foot + RATIO + BETWEEN) / height
            main = figure.add_axes((left, low, wide, STACK / height))
            ratio = figure.add_axes((left, foot / height, wide, RATIO / height))
            _draw_stack(main, bins[fit], backgrounds)
            _draw_ratio(ratio, bins[fit])
            _set_up_heights(main, bins.values())
            _set_up_channels((main, ratio), page, angle)
            main.text(0.02, 0.95, name, transform=main.transAxes, va="top", weight="bold")
            if column == 0:
                main.set_ylabel("Events / bin", loc="top", size=style.AXIS_TITLE)
                ratio.set_ylabel("Data / exp.", size=9)
            else:
                for axes in (main, ratio):
                    axes.tick_params(labelleft=False)
        style.write_header(figure, (LEFT / WIDTH, 1.0 - GAP / WIDTH), title, labels)
        style.draw_entries(figure.axes[0], entries, columns)
        style.save(figure, out)
    return figure


def _foot(page: Sequence[Channel]) -> tuple[float, float]:
    """The height in inches that the names of channels take, and by how many degrees they have to be
    turned to have room."""
    sizes = np.array([len(channel["observed"]) for channel in page])
    room = PANEL * sizes / sizes.sum()
    widths = np.array([style.width_of([channel["name"]], TEXT) for channel in page])
    if (widths < room).all():
        return 0.35, 0.0
    diagonal = widths / math.sqrt(2.0)
    if (diagonal < LEFT + np.cumsum(room) - room / 2.0).all():
        return 0.25 + float(diagonal.max()), 45.0
    return 0.25 + float(widths.max()), 90.0


class _Bins:
    """The numbers of a page's bins, one after the other: each of shape (n,)."""

    def __init__(self, page: Sequence[Channel], fit: str, backgrounds: Sequence[str]) -> None:
        self.observed = np.concatenate([channel["observed"] for channel in page])
        self.total = np.concatenate([channel[fit]["bins"] for channel in page])
        self.error = np.concatenate([channel[fit]["uncertainties"] for channel in page])
        self.signal, self.other = np.zeros((2, len(self.total)))
        self.samples = {name: np.zeros(len(self.total)) for name in backgrounds}
        start = 0
        for channel in page:
            end = start + len(channel["observed"])
            for sample in channel["samples"]:
                own = self.samples.get(sample["name"], self.other)
                where = self.signal if sample["signal"] else own
                where[start:end] += sample[fit]["bins"]
            start = end
        self.edges = np.arange(len(self.total) + 1.0)


def _draw_stack(axes: Axes, bins: _Bins, backgrounds: Sequence[str]) -> None:
    below = np.zeros(len(bins.total))
    layers = [(style.OTHER, bins.other)]
    layers += [(colour, bins.samples[name]) for name, colour in _coloured(backgrounds)]
    for colour, heights in layers:
        if heights.any():
            above = below + heights
            look = {"fill": True, "facecolor": colour, "edgecolor": "0.2", "linewidth": 0.4}
            axes.stairs(above, bins.edges, baseline=below, label="_sample", **look)
            below = above
    axes.stairs(bins.total, bins.edges, baseline=None, label="_total", **TOTAL)
    if bins.signal.any():
        axes.stairs(bins.signal, bins.edges, baseline=None, label="_signal", **SIGNAL)
    low, high = bins.total - bins.error, bins.total + bins.error
    axes.stairs(high, bins.edges, baseline=low, fill=True, label="_band", **BAND)
    low, high = garwood(bins.observed)
    errors = [bins.observed - low, high - bins.observed]
    axes.errorbar(_centres(bins), bins.observed, yerr=errors, markersize=3.5, label="_data", **DATA)


def _draw_ratio(axes: Axes, bins: _Bins) -> None:
    """Data over expectation; an arrow where it lies beyond the axis."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio, error = bins.observed / bins.total, bins.error / bins.total
        low, high = (end / bins.total for end in garwood(bins.observed))
    known = bins.total > 0.0
    axes.set_ylim(0.0, 2.0)
    axes.set_yticks([0.5, 1.0, 1.5])
    axes.stairs(
        np.where(known, 1.0 + error, 1.0),
        bins.edges,
        baseline=np.where(known, 1.0 - error, 1.0),
        fill=True,
        label="_band",
        **BAND,
    )
    axes.axhline(1.0, color="black", linewidth=0.8)
    x = _centres(bins)[known]
    shown = ratio[known]
    errors = [shown - low[known], high[known] - shown]
    axes.errorbar(x, shown, yerr=errors, markersize=3.5, label="_ratio", **DATA)
    beyond = shown > 2.0
    axes.plot(x[beyond], np.full(beyond.sum(), 1.88), "^", color="black", markersize=5)


def _set_up_heights(axes: Axes, all_bins: Iterable[_Bins]) -> None:
    heights = np.concatenate(
        [np.r_[bins.total, bins.total - bins.signal, bins.observed] for bins in all_bins]
    )
    positive = heights[heights > 0.0]
    low, high = positive.min(initial=np.inf), positive.max(initial=1.0)
    if high > LOGARITHMIC * low:
        low = max(0.3 * low, 1e-4 * high)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_ylim(low, high * (high / low) ** 0.2)
    else:
        axes.set_ylim(0.0, 1.5 * high)


def _set_up_channels(panels: tuple[Axes, Axes], page: Sequence[Channel], angle: float) -> None:
    """A tick between bins, a line between channels, and their names below."""
    sizes = [len(channel["observed"]) for channel in page]
    ends = np.cumsum(sizes)
    for axes in panels:
        axes.set_xlim(0.0, ends[-1])
        axes.set_xticks(range(ends[-1] + 1), [""] * (ends[-1] + 1))
        axes.xaxis.minorticks_off()
        for end in ends[:-1]:
            axes.axvline(end, color="0.4", linewidth=0.7, linestyle=style.DOTTED)
    below = panels[1].get_xaxis_transform()
    look: dict[str, Any] = {"rotation": angle, "va": "top", "ha": "center", "size": TEXT}
    if angle == 45.0:
        look |= {"ha": "right", "rotation_mode": "anchor"}
    for channel, end, size in zip(page, ends, sizes, strict=True):
        text, x = style.plain(channel["name"]), end - size / 2.0
        panels[1].text(x, -0.1, text, transform=below, **look)


def _centres(bins: _Bins) -> np.ndarray:
    return bins.edges[:-1] + 0.5


def _coloured(backgrounds: Sequence[str]) -> list[tuple[str, str]]:
    """Each background with its colour, the first for the largest."""
    return list(zip(backgrounds, style.SAMPLES[: len(backgrounds)][::-1], strict=True))


def _legend(bins: _Bins, backgrounds: Sequence[str]) -> list[tuple[Any, str]]:
    edge = {"edgecolor": "0.2", "linewidth": 0.4}
    entries: list[tuple[Any, str]] = [
        (Line2D([], [], color="black", marker="o", markersize=3.5, linewidth=1.0), "Data"),
        ((Patch(**BAND), Line2D([], [], **TOTAL)), "Expected, uncertainty"),
    ]
    if bins.signal.any():
        entries.append((Line2D([], [], **SIGNAL), "of which signal"))
    for name, colour in reversed(_coloured(backgrounds)):
        entries.append((Patch(facecolor=colour, **edge), style.plain(name)))
    if bins.other.any():
        entries.append((Patch(facecolor=style.OTHER, **edge), "other backgrounds"))
    return entries
