"""Fetching, against a stand-in for doi.org and hepdata.net and against damaged mirrors."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import hepdata_server as faults
import pytest
from hepdata_server import HEPDataServer, serving
from recontour.errors import UserError
from recontour.fetch import Endpoints, Limits, Retrieved, fetch_resource, fetch_table
from recontour.tables import parse_table, table_digest

DOI = "10.17182/hepdata.90607.v3/r3"
TABLE_DOI = "10.17182/hepdata.90607.v2/t13"
BODY, OTHER = (random.Random(seed).randbytes(300_000) for seed in (1, 2))
CSV = b"#: name: Observed limit 1lbb\n#: table_doi: x\nm1,m2\n744.1124,0.0\n743.6824,8.8392\n"
DIGEST = table_digest(parse_table(CSV, "CSV"))
QUICK = Limits(backoff=0.01, timeout=0.3, longest_wait=2.0, deadline=20)


@pytest.fixture
def server() -> Iterator[HEPDataServer]:
    with serving() as server:
        server.resources[DOI] = BODY
        server.tables["/download/table/ins1755298/Observed limit 1lbb/2/csv"] = CSV
        yield server


def places(server: HEPDataServer) -> Endpoints:
    return Endpoints(server.url, server.url, allowed_hosts=("127.0.0.1",), allow_http=True)


def fetch(
    server: HEPDataServer,
    folder: Path,
    body: bytes = BODY,
    doi: str = DOI,
    limits: Limits = QUICK,
    mirror: Path | None = None,
    endpoints: Endpoints | None = None,
) -> Retrieved:
    return fetch_resource(
        doi,
        folder / "likelihood.archive",
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        mirror=mirror,
        endpoints=endpoints or places(server),
        limits=limits,
    )


def fetch_csv(
    server: HEPDataServer, folder: Path, digest: str = DIGEST, mirror: Path | None = None
) -> Retrieved:
    return fetch_table(
        TABLE_DOI,
        "ins1755298",
        "Observed limit 1lbb",
        2,
        folder / "observed.csv",
        digest=digest,
        mirror=mirror,
        endpoints=places(server),
        limits=QUICK,
    )


def ranges(server: HEPDataServer) -> list[str | None]:
    """The Range headers of the requests for the file itself."""
    return [h.get("Range") for path, h in server.requests if path.startswith("/record/resource")]


def only(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_doi_leads_to_the_bytes_and_their_provenance(
    server: HEPDataServer, tmp_path: Path
) -> None:
    retrieved = fetch(server, tmp_path)
    assert (tmp_path / "likelihood.archive").read_bytes() == BODY
    assert retrieved == Retrieved(
        doi=DOI,
        source="network",
        location=f"{server.url}/record/resource/{DOI}?landing_page=true",
        size=len(BODY),
        sha256=hashlib.sha256(BODY).hexdigest(),
    )
    assert server.requests[0][1]["Accept"] == "application/x-tar, application/zip"
    assert only(tmp_path) == ["likelihood.archive"]


def test_a_table_is_fetched_by_record_name_and_version(
    server: HEPDataServer, tmp_path: Path
) -> None:
    retrieved = fetch_csv(server, tmp_path)
    assert (tmp_path / "observed.csv").read_bytes() == CSV
    assert retrieved.location.endswith("/ins1755298/Observed%20limit%201lbb/2/csv")


def test_a_table_whose_text_was_regenerated_with_the_same_numbers_passes(
    server: HEPDataServer, tmp_path: Path
) -> None:
    path = "/download/table/ins1755298/Observed limit 1lbb/2/csv"
    server.tables[path] = CSV.replace(b"744.1124", b"7.441124e2").replace(b"m1", b"M1 [GEV]")
    fetch_csv(server, tmp_path)


def test_a_table_with_another_number_is_refused_with_both_digests(
    server: HEPDataServer, tmp_path: Path
) -> None:
    path = "/download/table/ins1755298/Observed limit 1lbb/2/csv"
    server.tables[path] = CSV.replace(b"744.1124", b"744.1125")
    found = table_digest(parse_table(server.tables[path], ""))
    with pytest.raises(UserError, match=f"{found}.*{DIGEST}"):
        fetch_csv(server, tmp_path)
    assert only(tmp_path) == []


def test_the_mirror_serves_without_network(tmp_path: Path) -> None:
    with serving() as server:
        pass  # closed: nothing listens any more
    copy = tmp_path / "mirror" / f"{DOI}.tar.gz"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(BODY)
    (tmp_path / "mirror" / f"{TABLE_DOI}.csv").parent.mkdir(parents=True)
    (tmp_path / "mirror" / f"{TABLE_DOI}.csv").write_bytes(CSV)
    retrieved = fetch(server, tmp_path / "out", mirror=tmp_path / "mirror")
    assert (retrieved.source, retrieved.location) == ("mirror", str(copy))
    assert (tmp_path / "out" / "likelihood.archive").read_bytes() == BODY
    assert fetch_csv(server, tmp_path / "out", mirror=tmp_path / "mirror").source == "mirror"


def test_the_mirror_of_hepdata_holds_what_the_published_digests_say(
    mirror: Path, tmp_path: Path
) -> None:
    # sizes and digests: HEPData resource and table, 2020
    fetch_resource(
        DOI,
        tmp_path / "likelihood.archive",
        size=2616683,
        sha256="7b223b5da4aae2e049593fe5c7b1563f0f54974d50c375a1a37b82c112a29551",
        mirror=mirror,
    )
    fetch_table(
        TABLE_DOI,
        "ins1755298",
        "Observed limit 1lbb",
        2,
        tmp_path / "observed.csv",
        digest="d7c71b972a0cfa401eb266296a176c5cbd8d9c12cdfff67fa130760aecd5a2ac",
        mirror=mirror,
    )


def test_a_mirror_without_a_copy_leaves_it_to_the_network(
    server: HEPDataServer, tmp_path: Path
) -> None:
    (tmp_path / "mirror").mkdir()
    assert fetch(server, tmp_path / "out", mirror=tmp_path / "mirror").source == "network"


def test_a_mirror_with_other_bytes_is_refused(server: HEPDataServer, tmp_path: Path) -> None:
    copy = tmp_path / "mirror" / f"{DOI}.tar.gz"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(OTHER)
    wrong, right = (hashlib.sha256(body).hexdigest() for body in (OTHER, BODY))
    with pytest.raises(UserError, match=f"r3.tar.gz: has sha256 {wrong}.*{right}"):
        fetch(server, tmp_path / "out", mirror=tmp_path / "mirror")
    copy.write_bytes(BODY[:-1])
    with pytest.raises(UserError, match="has 299999 bytes, but the config expects 300000"):
        fetch(server, tmp_path / "out", mirror=tmp_path / "mirror")
    (copy.parent / "r3.zip").write_bytes(BODY)
    with pytest.raises(UserError, match=r"r3\.tar\.gz, r3\.zip are all copies"):
        fetch(server, tmp_path / "out", mirror=tmp_path / "mirror")
    assert only(tmp_path / "out") == []


def test_a_mirror_that_is_no_folder_is_named(server: HEPDataServer, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="elsewhere: the mirror is not a folder"):
        fetch(server, tmp_path, mirror=tmp_path / "elsewhere")


def test_without_network_and_mirror_the_error_names_the_ways_out(tmp_path: Path) -> None:
    with serving() as server:
        pass
    with pytest.raises(UserError) as caught:
        fetch(server, tmp_path)
    text = str(caught.value)
    assert "refused" in text and DOI in text
    for way_out in ("--config mirror=PATH", "HEPDATA_MIRROR", "snakemake --cores 1 demo"):
        assert way_out in text


def test_a_name_that_does_not_resolve_is_said_in_plain_words(
    server: HEPDataServer, tmp_path: Path
) -> None:
    endpoints = Endpoints("http://doi.invalid", allowed_hosts=("doi.invalid",), allow_http=True)
    with pytest.raises(UserError, match="name cannot be resolved"):
        fetch(server, tmp_path, endpoints=endpoints)


def test_a_host_that_accepts_and_says_nothing_times_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, serving() as server:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        endpoints = Endpoints(url, url, allowed_hosts=("127.0.0.1",), allow_http=True)
        with pytest.raises(UserError, match="took too long to answer"):
            fetch(server, tmp_path, endpoints=endpoints)


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500),
        faults.status(503),
        faults.status(429, **{"Retry-After": "0"}),
        faults.silence(1.0),
        faults.silence(1.0, after=100_000),
        faults.cut(100_000),
        faults.cut_unannounced(100_000),
        faults.wrong_range,
        faults.status(416),
    ],
)
def test_what_passes_is_tried_again(
    server: HEPDataServer, tmp_path: Path, fault: faults.Fault
) -> None:
    server.faults = [fault]
    fetch(server, tmp_path)
    assert (tmp_path / "likelihood.archive").read_bytes() == BODY
    assert len(ranges(server)) == 2
    assert only(tmp_path) == ["likelihood.archive"]


@pytest.mark.parametrize("code", [500, 503, 429])
def test_attempts_are_bounded(server: HEPDataServer, tmp_path: Path, code: int) -> None:
    server.faults = [faults.status(code)] * 10
    with pytest.raises(UserError, match=rf"answered {code} .*4 attempts"):
        fetch(server, tmp_path)
    assert len(ranges(server)) == 4


@pytest.mark.parametrize("code", [403, 404, 410])
def test_a_definite_no_is_not_asked_again(server: HEPDataServer, tmp_path: Path, code: int) -> None:
    server.faults = [faults.status(code)] * 10
    with pytest.raises(UserError, match=f"answered {code} "):
        fetch(server, tmp_path)
    assert len(ranges(server)) == 1


def test_retry_after_is_obeyed_as_seconds_and_as_a_date(
    server: HEPDataServer, tmp_path: Path
) -> None:
    server.faults = [
        faults.status(429, **{"Retry-After": "1"}),
        faults.status(503, **{"Retry-After": formatdate(time.time() + 3, usegmt=True)}),
    ]
    start = time.monotonic()
    fetch(server, tmp_path)
    assert 1.9 < time.monotonic() - start < 6  # a date has whole seconds


def test_a_server_that_asks_for_an_hour_is_not_waited_for(
    server: HEPDataServer, tmp_path: Path
) -> None:
    server.faults = [faults.status(503, **{"Retry-After": "3600"})]
    with pytest.raises(UserError, match="would have to wait 3600 s"):
        fetch(server, tmp_path)


def test_406_reports_what_the_server_says(server: HEPDataServer, tmp_path: Path) -> None:
    answer = b'{"msg": "no such type", "file_mimetype": "text/yaml"}'
    server.faults = [lambda handler, _: handler.answer(406, answer)]
    with pytest.raises(UserError, match=r'406.*"no such type" .the file is text/yaml'):
        fetch(server, tmp_path)


def test_the_doi_of_a_record_leads_to_a_web_page_which_is_refused(
    server: HEPDataServer, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"is a web page.*resource \(10.17182"):
        fetch(server, tmp_path, doi="10.17182/hepdata.90607.v3")
    assert only(tmp_path) == []


def test_html_under_the_type_of_an_archive_is_refused(
    server: HEPDataServer, tmp_path: Path
) -> None:
    server.faults = [faults.html_called_a_tar] * 10
    with pytest.raises(UserError, match="is a web page"):
        fetch(server, tmp_path)
    assert "likelihood.archive" not in only(tmp_path)
    assert len(ranges(server)) == 1


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (faults.other_bytes(BODY + b"x"), "announces 300001 bytes"),
        (faults.other_bytes(BODY[1:]), "announces 299999 bytes"),
        (faults.endless, "is longer than 300000 bytes"),
    ],
)
def test_another_size_is_refused_at_once(
    server: HEPDataServer, tmp_path: Path, fault: faults.Fault, found: str
) -> None:
    server.faults = [fault]
    with pytest.raises(UserError, match=f"{found}, but the config expects 300000"):
        fetch(server, tmp_path)
    assert "likelihood.archive" not in only(tmp_path)
    assert len(ranges(server)) == 1


def test_a_wrong_body_is_refused_with_both_sums(server: HEPDataServer, tmp_path: Path) -> None:
    server.resources[DOI] = OTHER
    wrong, right = (hashlib.sha256(body).hexdigest() for body in (OTHER, BODY))
    with pytest.raises(UserError, match=f"{wrong}.*{right}"):
        fetch(server, tmp_path)
    assert only(tmp_path) == []


def test_a_broken_download_is_resumed_where_it_broke(server: HEPDataServer, tmp_path: Path) -> None:
    server.faults = [faults.cut(100_000)]
    fetch(server, tmp_path)
    assert ranges(server) == [None, "bytes=100000-"]


def test_a_download_is_resumed_by_the_next_run(server: HEPDataServer, tmp_path: Path) -> None:
    server.faults = [faults.cut(100_000), *[faults.status(503)] * 3]
    with pytest.raises(UserError):
        fetch(server, tmp_path)
    assert only(tmp_path) == ["likelihood.archive.part"]
    fetch(server, tmp_path)
    assert ranges(server)[-1] == "bytes=100000-"
    assert (tmp_path / "likelihood.archive").read_bytes() == BODY


def test_a_finished_part_needs_no_request(server: HEPDataServer, tmp_path: Path) -> None:
    (tmp_path / "likelihood.archive.part").write_bytes(BODY)
    fetch(server, tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("left", [OTHER[:1000], OTHER, OTHER + b"x"])
def test_a_part_of_something_else_is_thrown_away(
    server: HEPDataServer, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "likelihood.archive.part").write_bytes(left)
    fetch(server, tmp_path)
    assert (tmp_path / "likelihood.archive").read_bytes() == BODY
    assert only(tmp_path) == ["likelihood.archive"]


def test_a_server_without_ranges_sends_the_whole_again(
    server: HEPDataServer, tmp_path: Path
) -> None:
    server.ranges = False
    server.faults = [faults.cut(100_000)]
    fetch(server, tmp_path)
    assert (tmp_path / "likelihood.archive").read_bytes() == BODY


def test_a_body_that_changes_between_tries_is_not_mixed(
    server: HEPDataServer, tmp_path: Path
) -> None:
    server.faults = [lambda handler, _: faults.cut(100_000)(handler, OTHER)]
    fetch(server, tmp_path)
    assert (tmp_path / "likelihood.archive").read_bytes() == BODY


def test_redirects_in_a_loop_end(server: HEPDataServer, tmp_path: Path) -> None:
    server.faults = [faults.redirect(f"/{DOI}")] * 50
    with pytest.raises(UserError, match="more than 8 redirects, a loop"):
        fetch(server, tmp_path)
    assert len(server.requests) < 12


@pytest.mark.parametrize(
    "target",
    [
        "https://example.org/r3.tar.gz",
        "https://127.0.0.1.example.org/r3.tar.gz",
        "https://127.0.0.1@example.org/r3.tar.gz",
        "https://example.org\\@127.0.0.1/r3.tar.gz",
        "//example.org/r3.tar.gz",
        "file:///etc/passwd",
        "https://",
        "http://[bad",
    ],
)
def test_redirects_elsewhere_fail(server: HEPDataServer, tmp_path: Path, target: str) -> None:
    server.faults = [faults.redirect(target)]
    with pytest.raises(UserError, match=r"not one of 127.0.0.1|what is not a URL"):
        fetch(server, tmp_path)
    assert len(ranges(server)) == 1


def test_plain_http_is_refused_unless_allowed(server: HEPDataServer, tmp_path: Path) -> None:
    endpoints = Endpoints(server.url, server.url, allowed_hosts=("127.0.0.1",))
    with pytest.raises(UserError, match="is not https"):
        fetch(server, tmp_path, endpoints=endpoints)
    assert server.requests == []


def test_a_drip_ends_at_the_deadline(server: HEPDataServer, tmp_path: Path) -> None:
    server.faults = [faults.drip(0.05)]
    start = time.monotonic()
    with pytest.raises(UserError, match="took longer than 1 s"):
        fetch(server, tmp_path, limits=Limits(deadline=1))
    assert time.monotonic() - start < 5


def test_a_long_download_reports_progress(
    server: HEPDataServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch(server, tmp_path, limits=Limits(progress_interval=0))
    assert "of 0.3 MB" in capsys.readouterr().err


def test_secrets_reach_neither_errors_nor_logs_nor_provenance(
    server: HEPDataServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret_url = f"http://user:hunter2@127.0.0.1:{server.server_port}"
    signed = f"{secret_url}/record/resource/{DOI}?X-Amz-Signature=hunter2&landing_page=true"
    endpoints = Endpoints(secret_url, allowed_hosts=("127.0.0.1",), allow_http=True)
    server.faults = [faults.status(503), faults.redirect(signed), faults.status(503)]
    retrieved = fetch(server, tmp_path, endpoints=endpoints)
    server.faults = [faults.redirect(signed), faults.status(404)]
    with pytest.raises(UserError) as caught:
        fetch(server, tmp_path / "again", endpoints=endpoints)
    told = retrieved.location + str(caught.value) + capsys.readouterr().err
    assert "hunter2" not in told and "***" in told


@pytest.mark.parametrize(
    "doi", ["", "https://doi.org/10.17182/x", "10.17182/../../etc/passwd", "10.17182/*", "10.1/x"]
)
def test_what_is_no_doi_is_refused(server: HEPDataServer, tmp_path: Path, doi: str) -> None:
    with pytest.raises(UserError, match=r"should look like 10.17182"):
        fetch(server, tmp_path, doi=doi)
    assert server.requests == []
