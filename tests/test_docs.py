"""The documentation site is whole and asks no other server; what describes the project agrees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import recontour
import yaml
from running import ROOT, clone, planned, snakemake

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


def test_the_tutorial_lists_the_jobs_of_its_run(tmp_path: Path) -> None:
    page = (ROOT / "workflow/docs/tutorial.md").read_text(encoding="utf-8")
    listed = re.findall(r"^(\w+) +(\d+)$", page.split("```\njob ")[1].split("```")[0], re.M)
    jobs = {rule: int(count) for rule, count in listed}
    plan = snakemake(clone(tmp_path), "--dry-run")
    assert plan.returncode == 0, plan.stdout
    assert jobs.pop("total") == sum(jobs.values())
    assert jobs == planned(plan.stdout)


def test_the_page_on_architecture_names_every_module() -> None:
    page = (ROOT / "workflow/docs/architecture.md").read_text(encoding="utf-8")
    for package in ("recontour", "histfit"):
        for module in (ROOT / "workflow" / package).glob("[!_]*.py"):
            assert f"`{module.stem}`" in page, module


def test_no_file_of_code_is_longer_than_contributors_are_told() -> None:
    (most,) = re.findall(r"at most (\d+) lines", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    for folder in ("workflow", "tests"):
        for file in (ROOT / folder).rglob("*"):
            if file.suffix in (".py", ".smk"):
                assert len(file.read_text(encoding="utf-8").splitlines()) <= int(most), file


def test_the_catalog_of_workflows_finds_what_it_asks_for() -> None:
    catalog = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))
    assert catalog.keys() == {"usage"}
    assert catalog["usage"].keys() == {"mandatory-flags", "software-stack-deployment"}
    for file in ("workflow/Snakefile", "config/README.md", "README.md"):
        assert (ROOT / file).is_file()
