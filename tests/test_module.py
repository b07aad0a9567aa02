"""Another workflow imports this one with `module:`, from a folder or a tag of a git repository."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from recontour import provenance
from recontour.files import read_json
from running import ROOT, clone, rows, snakemake
from small_search import write

IMPORTING = """
configfile: "config/config.yaml"


module recontour:
    snakefile:
        SOURCE
    config:
        config
    prefix:
        "limits"


use rule * from recontour as recontour_*


rule count:
    default_target: True
    input:
        "limits/results/small/cls.csv",
        "limits/results/small/summary.txt",
    output:
        "excluded.txt",
    shell:
        "awk -F, '$4 < 0.05' {input[0]} | wc -l > {output}"
"""


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", "-C", folder, *identity, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module", params=[pytest.param("folder", marks=pytest.mark.long), "git tag"])
def imported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workflow that imports ours, and has run."""
    folder = tmp_path_factory.mktemp("importing")
    write(folder)
    source = f'"{ROOT}/workflow/Snakefile"'
    if request.param == "git tag":
        repository = clone(tmp_path_factory.mktemp("repository"))
        git(repository, "init", "--quiet")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", "All")
        git(repository, "tag", "v1")
        (repository / "workflow" / "Snakefile").write_text("not what the tag holds", "utf-8")
        source = f'gitfile("{repository}", path="workflow/Snakefile", tag="v1")'
        (folder / "tagged").write_text(git(repository, "rev-parse", "v1"), encoding="utf-8")
    (folder / "Snakefile").write_text(IMPORTING.replace("SOURCE", source), encoding="utf-8")
    run = snakemake(folder, project=folder)
    assert run.returncode == 0, run.stdout[-3000:]
    return folder


def test_the_importing_workflow_gets_the_table_under_its_prefix(imported: Path) -> None:
    table = rows(imported / "limits/results/small/cls.csv")
    assert len(table) == 12
    excluded = sum(float(row["CLs_obs"]) < 0.05 for row in table)
    assert int((imported / "excluded.txt").read_text()) == excluded > 0


def test_provenance_names_the_commit_that_was_imported(imported: Path) -> None:
    code = read_json(imported / "limits" / "results" / "small" / "provenance.json")["code"]
    if (imported / "tagged").is_file():
        assert code["commit"] == (imported / "tagged").read_text(encoding="utf-8")
        assert code["modified"] is False
    else:
        assert len(code["commit"] or "") in (0, 40)


def test_the_commit_is_the_workflows_own_and_none_of_a_repository_around_it(tmp_path: Path) -> None:
    project = tmp_path / "vendored"
    (project / "workflow").mkdir(parents=True)
    for file in ("mine.txt", "vendored/workflow/Snakefile"):
        (tmp_path / file).write_text("", encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "mine.txt")
    git(tmp_path, "commit", "--quiet", "--message", "Mine")
    assert provenance.commit(project) == {"commit": None, "modified": None}
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "All")
    (tmp_path / "mine.txt").write_text("changed", encoding="utf-8")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert provenance.commit(project) == {"commit": head, "modified": False}
    (project / "workflow/Snakefile").write_text("changed", encoding="utf-8")
    assert provenance.commit(project) == {"commit": head, "modified": True}


def test_a_second_run_has_nothing_to_do(imported: Path) -> None:
    run = snakemake(imported, project=imported)
    assert "Nothing to be done" in run.stdout, run.stdout[-2000:]
