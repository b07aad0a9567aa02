"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The folder of HEPData resources filed by DOI that HEPDATA_MIRROR names."""
    named = os.environ.get("HEPDATA_MIRROR")
    if not named:
        pytest.skip("needs HEPData files: set HEPDATA_MIRROR to a folder of copies filed by DOI")
    path = Path(named).resolve()
    if not path.is_dir():
        pytest.fail(f"HEPDATA_MIRROR names {named}, which is not a folder")
    return path
