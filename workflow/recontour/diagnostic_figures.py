"""All figures of a signal point's diagnostics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recontour import correlation_figure, parameter_figures, scan_figure, style, yields_figure

FIGURES = {
    "mu_scan": scan_figure.draw,
    "pulls": parameter_figures.draw_pulls,
    "ranking": parameter_figures.draw_ranking,
    "correlation": correlation_figure.draw,
    "yields": yields_figure.draw,
}
"""What draws each figure, by its file's name without the suffix."""


def draw(record: Mapping[str, Any], title: str, folder: Path) -> None:
    """Draw the figures of a `record` (what `diagnostics.diagnose` returned, with the point's `name`
    and `region`) as PNG and PDF in `folder`. Where a part of it has no numbers, the figure says
    why."""
    labels = _labels(record)
    for name, draw_figure in FIGURES.items():
        draw_figure(
            record, title, labels, [folder / f"{name}{suffix}" for suffix in style.SUFFIXES]
        )


def _labels(record: Mapping[str, Any]) -> list[str]:
    """What the line below the title says: point, signal region, and the fitted signal strength."""
    labels = [style.plain(record["name"])]
    if record["region"]:
        labels.append(f"region {style.plain(record['region'])}")
    fit = record["fit"]
    if record["poi"] and fit["status"] == "ok":
        poi = next(p for p in fit["parameters"] if p["name"] == record["poi"])
        value, error = poi["value"], poi["uncertainty"]
        text = f"{value:.3g}" if error is None else style.measured(value, error)
        labels.append(rf"$\hat{{\mu}} = {text}$")
    return labels
