"""Two analyses are compared where their planes are of the same quantities."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recontour.files import read_json, write_json
from running import ROOT


def compared(ours: Path, theirs: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, ROOT / "workflow/scripts/compare_scans.py", ours, theirs]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.fixture
def small(finished_small: Path) -> Path:
    return finished_small / "results/small"


@pytest.fixture
def other(small: Path, tmp_path: Path) -> Path:
    """The results of the small search again, for a test to change their contours."""
    for file in ("cls.csv", "contours.json"):
        shutil.copy(small / file, tmp_path)
    return tmp_path


def change(folder: Path, **keys: Any) -> None:
    write_json(folder / "contours.json", read_json(folder / "contours.json") | keys)


@pytest.mark.parametrize(
    ("axis", "found"),
    [
        ({"label": "m1 - m2"}, '"m1 - m2" in GeV, linear'),
        ({"unit": "TeV"}, '"m2" in TeV, linear'),
        ({"scale": "log"}, '"m2" in GeV, log'),
    ],
)
def test_planes_of_different_quantities_are_refused_with_both_named(
    small: Path, other: Path, axis: dict[str, str], found: str
) -> None:
    axes = read_json(other / "contours.json")["axes"]
    change(other, axes=axes | {"y": axes["y"] | axis})
    run = compared(small, other)
    assert run.returncode == 1 and run.stdout == ""
    assert run.stderr.startswith(
        f'error: {small}: found "m2" in GeV, linear along y, but {found} in {other}; expected'
    )


def test_planes_of_different_conditions_are_compared_and_these_are_told(
    small: Path, other: Path
) -> None:
    assert "condition" not in compared(small, other).stdout
    change(other, where="m1 > 0")
    assert compared(small, other).stdout.splitlines()[:2] == [
        f"another condition: {small} shows all points",
        f"another condition: {other} shows the points with m1 > 0",
    ]


def test_the_part_of_the_other_contour_that_is_compared_is_told(small: Path, other: Path) -> None:
    assert "compared: the" not in compared(small, other).stdout
    curves = read_json(other / "contours.json")["curves"]
    (line,) = lines = curves["observed"]
    size = float(np.hypot(*np.diff(line, axis=0).T).sum())
    beyond = [[1e6, 1e6], [1e6 + 3 * size, 1e6]]
    change(other, curves=curves | {"observed": [*lines, beyond]})
    assert "; compared: the 25 % of the other contour among the points" in (
        compared(small, other).stdout
    )
