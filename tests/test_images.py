"""Each figure of the demo search looks as it did when its reference in tests/images was made.

After a change of style that is meant, look at the figures, and make the references again:

    PYTHONPATH=workflow:tests python tests/test_images.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo import generate, search
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images
from recontour import (
    contour,
    crossings,
    diagnostic_figures,
    diagnostics,
    figure,
    line_figure,
    patches,
    plane_figure,
    points,
    style,
    tables,
)
from recontour.published import read_curves

IMAGES = Path(__file__).parent / "images"
DPI = 50
TOLERANCE = 0.8
"""Root mean square of the differences of pixels, of 255. A missing curve or another shade of a band
makes more (see `test_a_changed_figure_is_found`), another version of a font less."""

AXES = {
    name: {"label": f"m{i}", "title": f"$m_{i}$", "unit": "GeV"} for i, name in ((1, "x"), (2, "y"))
}
TITLE, LABELS = "Synthetic demonstration search", ["SYNTHETIC, not a measurement"]


@cache
def record() -> dict[str, Any]:
    spec = patches.apply(search.background(), search.signal_patch(250, 0), "demo_250_0")
    return {"name": "demo_250_0", "region": "", **diagnostics.diagnose(spec)}


def scan(axes: dict[str, Any], where: str = "") -> points.Points:
    """The points of the demo with the CLs that pyhf found."""
    table = tables.read_table(generate.MIRROR / "t3.csv")
    columns = ["m1", "m2", *generate.CLS_COLUMNS]
    rows = [
        {"name": f"demo_{i}", **dict(zip(columns, map(str, row), strict=True)), "status": "ok"}
        for i, row in enumerate(table.rows)
    ]
    return points.read_points(rows, axes, "t3.csv", where)


@cache
def plane() -> tuple[dict[str, Any], points.Points]:
    found = scan(AXES)
    return contour.contours(found, AXES, (1, -1, 125)), found


def exclusion() -> Figure:
    contours, found = plane()
    published = {"observed": read_curves([generate.MIRROR / "t1.csv"])["t1"]}
    return figure.draw(contours, found, published, TITLE, LABELS)


def cls() -> Figure:
    return plane_figure.draw_cls(*plane(), TITLE, LABELS)


def limits() -> Figure:
    contours, found = plane()
    values = np.exp((found.x - 450.0) / 100.0 + found.y / 150.0)
    values[5] = np.nan
    return plane_figure.draw_limits(contours, found, values, "upper limit [fb]", TITLE, LABELS)


def line() -> Figure:
    axes = {"x": AXES["x"]}
    found = scan(axes, "m2 == 0")
    return line_figure.draw(crossings.crossings(found, axes), found, TITLE, LABELS)


def diagnostic(name: str) -> Callable[[], Figure]:
    def draw() -> Figure:
        drawn = diagnostic_figures.FIGURES[name](record(), TITLE, LABELS, [])
        return drawn[0] if isinstance(drawn, list) else drawn

    return draw


FIGURES: dict[str, Callable[[], Figure]] = {
    "exclusion": exclusion,
    "cls": cls,
    "limits": limits,
    "line": line,
    **{name: diagnostic(name) for name in diagnostic_figures.FIGURES},
}


def save(drawn: Figure, path: Path) -> None:
    with rc_context(style.RC):
        drawn.savefig(path, dpi=DPI, metadata=style.METADATA[".png"])


def difference(drawn: Figure, name: str, folder: Path) -> float:
    """How far a figure is from the reference."""
    save(drawn, folder / f"{name}.png")
    reference = IMAGES / f"{name}.png"
    found = compare_images(str(reference), str(folder / f"{name}.png"), 0.0, in_decorator=True)
    return float(found["rms"]) if found else 0.0


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_looks_as_its_reference(name: str, tmp_path: Path) -> None:
    assert difference(FIGURES[name](), name, tmp_path) < TOLERANCE


@pytest.mark.parametrize("name", FIGURES)
def test_a_reference_is_small(name: str) -> None:
    assert (IMAGES / f"{name}.png").stat().st_size < 60_000


@pytest.mark.parametrize(
    ("name", "label"),
    [("exclusion", "_band"), ("mu_scan", "_limit observed"), ("yields", "_signal")],
)
def test_a_changed_figure_is_found(name: str, label: str, tmp_path: Path) -> None:
    drawn = FIGURES[name]()
    gone = [
        artist
        for axes in drawn.axes
        for artist in axes.get_children()
        if artist.get_label() == label
    ]
    assert gone
    for artist in gone:
        artist.remove()
    assert difference(drawn, name, tmp_path) > TOLERANCE


def many(names: list[str]) -> dict[str, Any]:
    """A record of a fit with parameters of these names, every one correlated with the next."""
    shared = {"value": 0.3, "status": "free", "uncertainty": 0.9, "pull": 0.3, "constraint": 0.9}
    refit = {"held_at": 1.2, "shift": 0.1, "status": "converged"}
    lost = {"held_at": 9.0, "shift": None, "status": "out of bounds"}
    sides = {"up": refit, "down": lost, "prior_up": refit, "prior_down": None}
    shown = names[: diagnostics.MOST]
    channel = {"bins": [3.0], "uncertainties": [1.0], "total": 3.0, "total_uncertainty": 1.0}
    both = {"prefit": channel, "postfit": channel}
    samples = [{"name": name, "signal": False, **both} for name in names[:12]]
    return json.loads(json.dumps(record())) | {
        "name": "a_$point",
        "fit": {"status": "ok", "parameters": [{"name": name, **shared} for name in names]},
        "impacts": {
            "status": "ok",
            "parameters": [{"name": n, "size": 0.1, **sides} for n in names],
        },
        "correlation": {
            "status": "ok",
            "threshold": 0.2,
            "parameters": shown,
            "matrix": np.full((len(shown),) * 2, -0.55).tolist(),
        },
        "yields": {
            "status": "ok",
            "channels": [
                {"name": name, "observed": [4.0], "samples": samples, **both} for name in names[:35]
            ],
        },
    }


LONG = [f"a_very_long_name_of_an_uncertainty_${i}_that_nobody_could_call_short" for i in range(150)]
SHORT = ["a", "b"]


@pytest.mark.parametrize("names", [LONG, SHORT])
@pytest.mark.parametrize("name", diagnostic_figures.FIGURES)
def test_no_text_is_cut_off_whatever_the_names(name: str, names: list[str]) -> None:
    drawn = diagnostic_figures.FIGURES[name](many(names), "A title " * 20, ["a_\\$point"] * 9, [])
    for page in drawn if isinstance(drawn, list) else [drawn]:
        with rc_context(style.RC):
            box = page.get_tightbbox(page.canvas.get_renderer())  # in inches
        width, height = page.get_size_inches()
        assert -0.01 < box.x0 < box.x1 < width + 0.01
        assert -0.01 < box.y0 < box.y1 < height + 0.01


def test_pulls_go_on_to_further_pages_until_every_parameter_is_shown(tmp_path: Path) -> None:
    draw = diagnostic_figures.FIGURES["pulls"]
    pages = draw(many(LONG), TITLE, LABELS, [tmp_path / "pulls.png"])
    assert {path.name for path in tmp_path.glob("*.png")} == {"pulls.png", "pulls_2.png"}
    shown = [text.get_text() for page in pages for axes in page.axes for text in axes.texts]
    assert shown == [style.plain(name) for name in LONG]


def test_a_refit_without_result_is_a_word_and_no_bar() -> None:
    ranking = diagnostic_figures.FIGURES["ranking"](many(SHORT), TITLE, LABELS, [])
    impacts = ranking.axes[1]
    assert [bar.get_width() for bar in impacts.patches] == [0.1] * 4  # up, and up before the fit
    assert [text.get_text() for text in impacts.texts] == ["out of bounds"] * 2


if __name__ == "__main__":
    for name, draw in FIGURES.items():
        save(draw(), IMAGES / f"{name}.png")
        print(IMAGES / f"{name}.png", file=sys.stderr)
