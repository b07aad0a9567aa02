"""Fetch resources and tables of HEPData by DOI, from a mirror or the network.

A mirror is a folder where the resource with DOI D lies at `D.<extension>`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Endpoints:
    """Where the network's answers come from, and which hosts may give them: redirects lead only to
    `allowed_hosts` and their sub-domains, and to plain http only if `allow_http`."""

    doi: str = "https://doi.org"
    hepdata: str = "https://www.hepdata.net"
    allowed_hosts: tuple[str, ...] = ("doi.org", "hepdata.net")
    allow_http: bool = False


@dataclass(frozen=True)
class Limits:
    """How long to try: times in seconds."""

    attempts: int = 4
    backoff: float = 1.0
    longest_wait: float = 120.0
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    deadline: float = 3600.0
    redirects: int = 8
    progress_interval: float = 5.0


@dataclass(frozen=True)
class Retrieved:
    """Where a file came from: `source` is "mirror" or "network", `location` the file's path or the
    final URL with secrets masked."""

    doi: str
    source: str
    location: str
    size: int
    sha256: str


def fetch_resource(
    doi: str,
    destination: Path | str,
    *,
    size: int,
    sha256: str,
    mirror: Path | str | None = None,
    endpoints: Endpoints = Endpoints(),
    limits: Limits = Limits(),
) -> Retrieved:
    """Fetch the resource with `doi` (a likelihood archive) to `destination`, byte for byte.

    The mirror is asked first, then https://doi.org/<doi>. The bytes must have `size` and `sha256`.
    A download that broke off stays as `<destination>.part` and is resumed. Raises UserError.
    """
    raise NotImplementedError


def fetch_table(
    doi: str,
    record: str,
    table: str,
    version: int,
    destination: Path | str,
    *,
    digest: str,
    mirror: Path | str | None = None,
    endpoints: Endpoints = Endpoints(),
    limits: Limits = Limits(),
) -> Retrieved:
    """Fetch the table with `doi` as CSV to `destination`: `<mirror>/<doi>.csv`, or HEPData's
    download of `table` in `version` of `record` ("ins1755298"). Its numbers must have `digest`
    (`tables.table_digest`). Raises UserError.
    """
    raise NotImplementedError
