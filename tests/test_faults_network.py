"""The rule that fetches, in whole `snakemake` runs against a stand-in for doi.org and hepdata.net.

What the network can do is tried one by one in test_fetch.py; here, each kind of outcome on the way
through config, rule, program and Snakemake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hepdata_server as faults
import pytest
from hepdata_server import HEPDataServer, serving
from recontour.errors import UserError
from recontour.fetch import Endpoints, Limits, fetch_resource
from running import snakemake
from small_search import DOI, write, write_config

ARCHIVE = "results/small/download/likelihood.archive"
TABLE = "/download/table/ins1000000/Contour/1/csv"


@pytest.fixture
def server() -> Iterator[HEPDataServer]:
    with serving() as server:
        yield server


@pytest.fixture
def online(tmp_path: Path, server: HEPDataServer) -> dict[str, Any]:
    """The config of a small search that has no mirror and asks `server`."""
    config = write(tmp_path)
    mirror = tmp_path / "mirror" / DOI
    server.resources[f"{DOI}/r1"] = (mirror / "r1.tar.gz").read_bytes()
    server.tables[TABLE] = (mirror / "t1.csv").read_bytes()
    config["mirror"] = ""
    config["network"] = {
        "doi": server.url,
        "hepdata": server.url,
        "allowed_hosts": ["127.0.0.1"],
        "allow_http": True,
        "attempts": 2,
        "timeout": 1,
    }
    write_config(tmp_path, config)
    return config


def test_a_table_whose_answers_break_off_is_asked_for_as_a_whole(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    server.faults = [faults.cut(20), faults.cut(30)]
    online["network"]["attempts"] = 3
    write_config(tmp_path, online)
    table = "results/small/download/observed.csv"
    run = snakemake(tmp_path, table)
    assert run.returncode == 0, run.stdout
    asked = [headers.get("Range") for path, headers in server.requests if path == TABLE]
    assert asked == [None] * 3


def refused(folder: Path) -> str:
    """The error of a run that fetches the archive in vain; nothing may have taken its name."""
    run = snakemake(folder, ARCHIVE)
    assert run.returncode != 0
    assert "Traceback" not in run.stdout
    assert not (folder / ARCHIVE).exists()
    (error,) = dict.fromkeys(line for line in run.stdout.splitlines() if line.startswith("error: "))
    return error


def test_a_run_over_an_unreliable_network_reaches_the_figure(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    server.faults = [faults.status(503), faults.cut(700), None, faults.status(500)]
    online["network"]["attempts"] = 5
    write_config(tmp_path, online)
    run = snakemake(tmp_path)
    assert run.returncode == 0, run.stdout
    assert "12 done, 0 failed" in run.stdout
    sources = json.loads((tmp_path / "results/small/provenance.json").read_text())["sources"]
    assert {source["source"] for source in sources.values()} == {"network"}
    assert sources["likelihood"]["location"].startswith(f"{server.url}/record/resource/{DOI}/r1")


def test_html_in_place_of_the_archive(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    server.faults = [faults.html_called_a_tar]
    assert "is a web page, not the file" in refused(tmp_path)


@pytest.mark.long
def test_other_bytes_of_the_right_size(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    published = server.resources[f"{DOI}/r1"]
    server.resources[f"{DOI}/r1"] = bytes(len(published))
    sha256 = online["analyses"]["small"]["likelihood"]["sha256"]
    assert f"the config expects {sha256}" in refused(tmp_path)


@pytest.mark.long
def test_a_redirect_to_another_host_is_refused_unless_the_config_allows_it(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    server.faults = [faults.redirect(f"http://localhost:{server.server_port}/{DOI}/r1")]
    assert "the host localhost, which is not one of 127.0.0.1" in refused(tmp_path)
    online["network"]["allowed_hosts"] += ["localhost"]
    write_config(tmp_path, online)
    server.faults = [faults.redirect(f"http://localhost:{server.server_port}/{DOI}/r1")]
    assert snakemake(tmp_path, ARCHIVE).returncode == 0


@pytest.mark.long
def test_plain_http_is_refused_unless_the_config_allows_it(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    online["network"]["allow_http"] = False
    write_config(tmp_path, online)
    assert "is not https" in refused(tmp_path)
    assert server.requests == []


@pytest.mark.long
def test_a_download_that_was_cut_off_is_resumed_by_the_next_run(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    server.faults = [faults.cut(700), faults.silence(2.0)]
    assert "took too long to answer" in refused(tmp_path)
    assert (tmp_path / f"{ARCHIVE}.part").stat().st_size == 700
    assert snakemake(tmp_path, ARCHIVE).returncode == 0
    assert server.requests[-1][1]["Range"] == "bytes=700-"


@pytest.mark.long
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (faults.status(403), "answered 403"),
        (faults.status(404), "answered 404"),
        (faults.status(406), "answered 406"),
        (faults.status(429, **{"Retry-After": "0"}), "answered 429 "),
        (faults.status(503, **{"Retry-After": "3600"}), "would have to wait 3600 s"),
        (faults.status(500), "answered 500 "),
        (faults.status(503), "answered 503 "),
        (faults.redirect(f"/{DOI}/r1"), "more than 8 redirects, a loop"),
        (faults.silence(2.0), "took too long to answer"),
        (faults.silence(2.0, after=700), "took too long to answer"),
        (faults.cut(0), "broke"),
        (faults.endless, "is longer than"),
        (faults.other_bytes(b"x"), "announces 1 bytes"),
    ],
)
def test_every_fault_that_does_not_pass_ends_the_run_in_one_paragraph(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any], fault: faults.Fault, told: str
) -> None:
    server.faults = [fault] * 50
    assert told in refused(tmp_path)
    server.faults = []
    assert snakemake(tmp_path, ARCHIVE).returncode == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("doi", "told"),
    [
        ("http://127.0.0.1:1", "the connection was refused"),
        ("http://doi.invalid", "name cannot be resolved"),
    ],
)
def test_where_there_is_no_network_the_error_names_the_ways_out(
    tmp_path: Path, online: dict[str, Any], doi: str, told: str
) -> None:
    online["network"] |= {"doi": doi, "allowed_hosts": ["127.0.0.1", "doi.invalid"]}
    write_config(tmp_path, online)
    error = refused(tmp_path)
    assert told in error
    assert "--config mirror=PATH" in error and "snakemake --cores 1 demo" in error


def test_a_password_in_the_config_is_refused_and_one_in_a_redirect_never_written_down(
    tmp_path: Path, server: HEPDataServer, online: dict[str, Any]
) -> None:
    place = f"127.0.0.1:{server.server_port}/record/resource/{DOI}/r1?token=hunter2"
    server.faults = [faults.redirect(f"http://me:hunter2@{place}")]
    assert snakemake(tmp_path, ARCHIVE).returncode == 0
    written = [
        path for path in tmp_path.rglob("*") if path.is_file() and path.name != "config.yaml"
    ]
    assert [path for path in written if b"hunter2" in path.read_bytes()] == []
    assert "token=***" in (tmp_path / "results/small/download/likelihood.json").read_text()
    online["network"]["doi"] = "https://me:hunter2@doi.org"
    write_config(tmp_path, online)
    run = snakemake(tmp_path, ARCHIVE)
    assert run.returncode != 0 and "config key network/doi: 'https://***@doi.org'" in run.stdout


@pytest.mark.long
def test_an_archive_that_exceeds_the_limits_of_the_config_is_refused(tmp_path: Path) -> None:
    config = write(tmp_path, archive_limits={"total_bytes": 10_000})
    run = snakemake(tmp_path, "--until", "verify")
    assert "unpacks to more than 10000 bytes" in run.stdout and run.returncode != 0
    assert "config key archive_limits" in run.stdout
    config["archive_limits"]["total_bytes"] = 100_000
    write_config(tmp_path, config)
    assert snakemake(tmp_path, "--until", "verify").returncode == 0


def test_an_archive_of_unknown_size_may_be_larger_than_a_table_and_not_than_all_archives(
    server: HEPDataServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `scaffold.py` fetches it."""
    server.resources[f"{DOI}/r1"] = bytes(1000)
    places = Endpoints(server.url, server.url, ("127.0.0.1",), allow_http=True)
    limits = Limits(attempts=1, largest=999)  # of a table
    fetched = {"size": None, "sha256": None, "endpoints": places, "limits": limits}
    assert fetch_resource(f"{DOI}/r1", tmp_path / "archive", **fetched).size == 1000
    monkeypatch.setattr("recontour.fetch.LARGEST_ARCHIVE", 999)
    with pytest.raises(UserError, match=r"is longer than 999 bytes.*by hand to a mirror"):
        fetch_resource(f"{DOI}/r1", tmp_path / "other", **fetched)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]
