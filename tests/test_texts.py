"""TeX in the config's titles and labels: its mistakes are the user's, and told as such."""

from __future__ import annotations

from pathlib import Path

import pytest
from recontour import style
from recontour.errors import UserError
from running import snakemake
from small_search import write, write_config


@pytest.mark.parametrize(
    ("text", "tex", "reason"),
    [
        (r"$\foo$", r"\foo", r"Unknown symbol: \foo"),
        ("$x_$", "x_", "Expected"),
        (r"one $\frac{1}$ two", r"\frac{1}", r"Expected \frac{num}{den}"),
    ],
)
def test_tex_that_cannot_be_drawn_is_refused_in_its_own_words(
    text: str, tex: str, reason: str
) -> None:
    with pytest.raises(UserError) as error, style.new_figure(3, 2) as figure:
        style.write_header(figure, (0.0, 1.0), "title", [text])
    assert "`labels`" in str(error.value) and f'"{tex}" is no TeX' in str(error.value)
    assert reason in str(error.value) and "\n" not in str(error.value)


def test_dollars_that_are_no_tex_are_drawn_as_they_stand() -> None:
    with style.new_figure(3, 2) as figure:
        style.write_header(figure, (0.0, 1.0), r"costs 5$, or \$6 and \$7", [])


def test_other_errors_of_a_figure_are_no_mistakes_of_its_texts() -> None:
    with pytest.raises(ValueError, match="other"), style.new_figure(3, 2):
        raise ValueError("other")


def test_a_run_tells_it_and_keeps_its_fits(tmp_path: Path) -> None:
    settings = write(tmp_path)
    settings["analyses"]["small"]["axes"]["x"]["title"] = r"$\foo$"
    write_config(tmp_path, settings)
    run = snakemake(tmp_path)
    assert run.returncode != 0
    assert '"\\foo" is no TeX that matplotlib can draw' in run.stdout.strip().splitlines()[-1]
    assert "a fault of the program" not in run.stdout
    assert (tmp_path / "results/small/cls.csv").exists()
