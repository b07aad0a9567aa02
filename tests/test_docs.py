"""The documentation site is whole and asks no other server; what describes the project agrees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import recontour
import yaml
from running import ROOT

LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"?([^\s\">]+)"
    r"|<link\b[^>]*\bhref=\"?([^\s\">]+)"
    r"|url\(['\"]?([^)'\"]+)"
)
"""What a browser fetches without being asked: in pages, and in style sheets."""


def command(*arguments: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, text=True, capture_output=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    settings = ("--config-file", "workflow/mkdocs.yml", "--site-dir", str(folder))
    command("mkdocs", "build", "--strict", *settings)  # quiet ones count no warnings
    return folder


def test_links_between_files_of_the_repository_lead_to_pages_of_the_site(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="configuration.html"' in home and 'src="1Lbb.png"' in home
    assert 'href="contributing.html"' in (site / "architecture.html").read_text(encoding="utf-8")


def test_the_site_loads_nothing_from_other_servers(site: Path) -> None:
    loaded = 0
    for file in (*site.glob("*.html"), *site.glob("**/*.css")):
        for found in LOADED.findall(file.read_text(encoding="utf-8")):
            source = "".join(found).split("#")[0].split("?")[0]
            if source.startswith("data:"):
                continue
            assert "//" not in source, f"{file.name}: {source}"
            base = site if source.startswith("/") else file.parent  # of the page for errors
            assert (base / source.lstrip("/")).exists(), f"{file.name}: {source}"
            loaded += 1
    assert loaded > 100


def test_the_citation_file_is_valid_and_of_this_version() -> None:
    schema = "vendor.citation-file-format"
    command("check_jsonschema", "--builtin-schema", schema, "CITATION.cff")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == recontour.__version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\S+?),? ", changes, re.M)[0] == recontour.__version__


def test_the_catalog_of_workflows_finds_what_it_asks_for() -> None:
    catalog = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert catalog.keys() == {"usage"}
    assert catalog["usage"].keys() == {"mandatory-flags", "software-stack-deployment"}
    for file in ("workflow/Snakefile", "config/README.md", "README.md"):
        assert (ROOT / file).is_file()
