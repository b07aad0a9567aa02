"""TeX in the config's titles and labels: its mistakes are found before the fits, with their key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from recontour import config, style, texts
from recontour.errors import UserError
from running import ROOT, snakemake
from small_search import write, write_config


@pytest.fixture
def shipped() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    config.complete(loaded)
    return loaded["analyses"]


def test_the_shipped_texts_can_be_drawn(shipped: dict[str, Any]) -> None:
    for name, entry in shipped.items():
        texts.check(name, entry)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (r"$\foo$", r"Unknown symbol: \foo"),
        ("$x_$", "Expected"),
        (r"one $\frac{1}$ two", r"Expected \frac{num}{den}"),
        ("first $m$\nsecond ${a$", "Expected '}'"),
    ],
)
def test_tex_that_cannot_be_drawn_is_refused_with_its_key(
    shipped: dict[str, Any], text: str, reason: str
) -> None:
    places = {
        "1Lbb/title": (shipped["1Lbb"], "title"),
        "1Lbb/labels/1": (shipped["1Lbb"]["labels"], 1),
        "1Lbb/axes/y/unit": (shipped["1Lbb"]["axes"]["y"], "unit"),
        "sbottom/planes/m60/labels/0": (shipped["sbottom"]["planes"]["m60"]["labels"], 0),
        "sbottom/planes/m60/axes/x/title": (
            shipped["sbottom"]["planes"]["m60"]["axes"]["x"],
            "title",
        ),
    }
    for key, (holder, index) in places.items():
        kept, holder[index] = holder[index], text
        with pytest.raises(UserError) as error:
            texts.check(key.split("/")[0], shipped[key.split("/")[0]])
        assert str(error.value).startswith(f"config key analyses/{key}: ")
        assert reason in str(error.value) and "\n" not in str(error.value)
        holder[index] = kept


def test_dollars_that_are_no_tex_are_drawn_as_they_stand(shipped: dict[str, Any]) -> None:
    shipped["1Lbb"]["title"] = r"costs 5$, or \$6 and \$7"
    texts.check("1Lbb", shipped["1Lbb"])
    with style.new_figure(3, 2) as figure:
        style.write_header(figure, (0.0, 1.0), shipped["1Lbb"]["title"], [])


def test_without_matplotlib_nothing_is_checked(
    shipped: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped["1Lbb"]["title"] = r"$\foo$"
    monkeypatch.setitem(sys.modules, "matplotlib.mathtext", None)
    texts.check("1Lbb", shipped["1Lbb"])


def test_a_figure_that_was_not_checked_says_what_is_wrong() -> None:
    with (
        pytest.raises(UserError, match=r"`labels`.*: .*foo.*Unknown symbol"),
        style.new_figure(3, 2) as figure,
    ):
        style.write_header(figure, (0.0, 1.0), "title", [r"$\foo$"])
    with pytest.raises(ValueError, match="other"), style.new_figure(3, 2):
        raise ValueError("other")


def test_a_run_stops_before_its_first_job(tmp_path: Path) -> None:
    settings = write(tmp_path)
    settings["analyses"]["small"]["axes"]["x"]["title"] = r"$\foo$"
    write_config(tmp_path, settings)
    run = snakemake(tmp_path)
    assert run.returncode != 0
    last = run.stdout.strip().splitlines()[-1]
    assert last.startswith('error: config key analyses/small/axes/x/title: "$\\foo$" is no TeX')
    assert not (tmp_path / "results/small").exists()
