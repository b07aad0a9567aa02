"""Fetch resources and tables of HEPData by DOI, from a mirror or the network."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recontour import files, mirrors
from recontour.download import Endpoints, Limits, Unreachable, download
from recontour.errors import UserError, printable
from recontour.tables import parse_table, table_digest

__all__ = ["Endpoints", "Limits", "Retrieved", "fetch_resource", "fetch_table", "from_config"]

HEPDATA = Endpoints()
PATIENCE = Limits()
LARGEST_ARCHIVE = 1_000_000_000
"""Bytes of a likelihood's archive, where the config does not state its size yet."""

_DOI = re.compile(r"10\.[0-9]{4,9}(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_TABLE_DOI = re.compile(r".+/t[0-9]+")
_ARCHIVE_TYPES = "application/x-tar, application/zip"  # what pyhf asks HEPData for


@dataclass(frozen=True)
class Retrieved:
    """Where a file came from: `source` is "mirror" or "network", `location` the file's path or the
    final URL with secrets masked."""

    doi: str
    source: str
    location: str
    size: int
    sha256: str


def from_config(network: Mapping[str, Any]) -> tuple[Endpoints, Limits]:
    """What the config says under `network`."""
    endpoints = Endpoints(
        network["doi"].rstrip("/"),
        network["hepdata"].rstrip("/"),
        tuple(network["allowed_hosts"]),
        network["allow_http"],
    )
    return endpoints, Limits(attempts=network["attempts"], timeout=network["timeout"])


def fetch_resource(
    doi: str,
    destination: Path | str,
    *,
    size: int | None,
    sha256: str | None,
    mirror: Path | str | None = None,
    endpoints: Endpoints = HEPDATA,
    limits: Limits = PATIENCE,
) -> Retrieved:
    """Fetch the resource with `doi` (a likelihood archive) to `destination`, byte for byte.

    The mirror is asked first, then https://doi.org/<doi>. The bytes must have `size` and `sha256`,
    unless these are None.
    A download that broke off stays as `<destination>.part` and is resumed. Raises UserError.
    """

    if _TABLE_DOI.fullmatch(doi):
        raise UserError(
            f"{doi}: found the DOI of a table; expected that of the full likelihood, which ends in "
            "/r and a number and stands among the resources on the record's page"
        )

    def check(path: Path, where: str) -> None:
        found = path.stat().st_size
        if size is not None and found != size:
            raise UserError(
                f"{where}: has {found} bytes, but the config expects {size} for {doi}; if HEPData "
                "replaced the resource on purpose, correct size and sha256 in the config"
            )
        found_sum = files.sha256(path)
        if sha256 is not None and found_sum != sha256.lower():
            raise UserError(
                f"{where}: has sha256 {found_sum}, but the config expects {sha256} for {doi}: "
                "these are not the bytes that the config was written for; if HEPData replaced the "
                "resource on purpose, correct sha256 in the config"
            )

    return _fetch(
        doi,
        Path(destination),
        mirror,
        suffix="*",
        url=f"{endpoints.doi}/{doi}",
        accept=_ARCHIVE_TYPES,
        size=size,
        check=check,
        endpoints=endpoints,
        limits=replace(limits, largest=LARGEST_ARCHIVE),
    )


def fetch_table(
    doi: str,
    record: str,
    table: str,
    version: int,
    destination: Path | str,
    *,
    digest: str,
    mirror: Path | str | None = None,
    endpoints: Endpoints = HEPDATA,
    limits: Limits = PATIENCE,
) -> Retrieved:
    """Fetch the table with `doi` as CSV to `destination`: `<mirror>/<doi>.csv`, or HEPData's
    download of `table` in `version` of `record` ("ins1755298"). Its numbers must have `digest`
    (`tables.table_digest`). Raises UserError.
    """

    def check(path: Path, where: str) -> None:
        content = parse_table(path.read_bytes(), where)
        found = table_digest(content)
        if found != digest.lower():
            raise UserError(
                f"{where}: the numbers of table "
                f'"{printable(content.comments.get("name", "without name"))}" have digest {found}, '
                f'but the config expects {digest} for {doi}, "{table}": either this is another '
                "table or its numbers changed; correct doi, table, version or digest in the config"
            )

    return _fetch(
        doi,
        Path(destination),
        mirror,
        suffix="csv",
        url=f"{endpoints.hepdata}/download/table/{record}/{quote(table, safe='')}/{version}/csv",
        accept="text/csv",
        size=None,
        check=check,
        endpoints=endpoints,
        limits=limits,
    )


def _fetch(
    doi: str,
    destination: Path,
    mirror: Path | str | None,
    *,
    suffix: str,
    url: str,
    accept: str,
    size: int | None,
    check: Callable[[Path, str], None],
    endpoints: Endpoints,
    limits: Limits,
) -> Retrieved:
    if not _DOI.fullmatch(doi):
        raise UserError(
            f'the DOI "{printable(doi)[:80]}" in the config should look like '
            "10.17182/hepdata.90607.v3/r3, without https://doi.org/"
        )
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(destination.name + ".part")
    copy = mirrors.copy_of(doi, suffix, mirror)
    if copy is not None:
        source, location = "mirror", str(copy)
        shutil.copyfile(copy, part)
        _check_or_delete(check, part, location)
    else:
        source = "network"
        try:
            location = _from_network(url, part, accept, size, check, endpoints, limits)
        except Unreachable as error:
            stated = f"the mirror {mirror} has no copy" if mirror else "no mirror is named"
            raise UserError(
                f"{doi}: neither network nor mirror serves it: {error}; {stated}. Without network, "
                "name a folder of copies filed by DOI with --config mirror=PATH or the environment "
                f"variable {mirrors.VARIABLE}, or run the demo, which needs neither: "
                "snakemake --cores 1 demo"
            ) from None
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    files.seal_of(destination).unlink(missing_ok=True)
    part.replace(destination)
    return Retrieved(doi, source, location, destination.stat().st_size, files.sha256(destination))


def _from_network(
    url: str,
    part: Path,
    accept: str,
    size: int | None,
    check: Callable[[Path, str], None],
    endpoints: Endpoints,
    limits: Limits,
) -> str:
    """Download to `part` what passes `check`; returns its final URL."""
    answer = download(url, part, accept=accept, size=size, endpoints=endpoints, limits=limits)
    try:
        _check_or_delete(check, part, answer.url)
    except UserError:
        if not answer.resumed:
            raise
        # two halves that do not belong together: once more, whole
        answer = download(url, part, accept=accept, size=size, endpoints=endpoints, limits=limits)
        _check_or_delete(check, part, answer.url)
    return answer.url


def _check_or_delete(check: Callable[[Path, str], None], part: Path, where: str) -> None:
    try:
        check(part, where)
    except UserError:
        part.unlink(missing_ok=True)
        raise
