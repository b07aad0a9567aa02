"""Download one file over an unreliable network that is not trusted."""

from __future__ import annotations

import email.utils
import json
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import requests
import urllib3
from urllib3.util import parse_url

from recontour.errors import UserError, masked, printable

_PIECE = 1 << 16
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = {301, 302, 303, 307, 308}


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
    """How long to try: times in seconds. `backoff` is the first wait between attempts, which
    doubles; `longest_wait` the longest that a server may ask for; `timeout` is for its silence,
    `deadline` for the whole. `largest` is how many bytes a file may have of unknown size."""

    attempts: int = 4
    backoff: float = 1.0
    longest_wait: float = 120.0
    timeout: float = 60.0
    deadline: float = 3600.0
    redirects: int = 8
    progress_interval: float = 5.0
    largest: int = 50_000_000


class Unreachable(Exception):
    """The network does not give the file; the text says why, without secrets."""


@dataclass(frozen=True)
class Answer:
    """The final URL, secrets masked, and whether the file was put together from several answers."""

    url: str
    resumed: bool


def download(
    url: str, part: Path, *, accept: str, size: int | None, endpoints: Endpoints, limits: Limits
) -> Answer:
    """Download `url` to `part`, going on after the bytes that `part` holds if `size`, the size
    of the whole, is known. Progress goes to stderr.

    Raises Unreachable if the network does not give the file in a bounded number of attempts, and
    UserError if it gives something else.
    """
    return _Download(part, accept, size, endpoints, limits).run(url)


class _TryAgain(Exception):
    """An attempt failed in a way that may pass; `wait` is how long the server asks to wait."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _Download:
    def __init__(
        self, part: Path, accept: str, size: int | None, endpoints: Endpoints, limits: Limits
    ) -> None:
        self.part, self.size = part, size
        self.endpoints, self.limits = endpoints, limits
        self.headers = {"Accept": accept, "Accept-Encoding": "identity"}
        self.etag = ""  # of the bytes in `part`, if known
        self.resumed = False
        self.end = time.monotonic() + limits.deadline
        if size is None or self._held() > size:
            part.unlink(missing_ok=True)

    def run(self, url: str) -> Answer:
        reason = ""
        with requests.Session() as session:
            for attempt in range(1, self.limits.attempts + 1):
                try:
                    return Answer(self._attempt(session, url), self.resumed)
                except _TryAgain as error:
                    reason, wait = str(error), error.wait
                if attempt < self.limits.attempts:
                    self._wait(attempt, reason, wait)
        raise Unreachable(f"{masked(url)}: {reason} ({self.limits.attempts} attempts)")

    def _wait(self, attempt: int, reason: str, asked: float | None) -> None:
        wait = self.limits.backoff * 2 ** (attempt - 1) if asked is None else asked
        if wait > self.limits.longest_wait or time.monotonic() + wait > self.end:
            raise Unreachable(f"{reason}; the next attempt would have to wait {wait:.0f} s")
        _tell(f"attempt {attempt} of {self.limits.attempts}: {reason}; next in {wait:g} s")
        time.sleep(wait)

    def _held(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _attempt(self, session: requests.Session, url: str) -> str:
        """One request, and its answer's body; returns the final URL, masked."""
        # of what is of unknown size, nobody can tell whether a part belongs to the rest
        held = 0 if self.size is None else self._held()
        headers = dict(self.headers)
        if held and held == self.size:  # an earlier run was stopped between download and check
            self.resumed = True
            return masked(url)
        if held:
            headers["Range"] = f"bytes={held}-"
            if self.etag:
                headers["If-Range"] = self.etag
        try:
            with self._follow(session, url, headers) as response:
                where = masked(response.url)
                self._check_status(response, where)
                self._receive(response, held if self._continues(response, held) else 0, where)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _TryAgain(_plain_words(error)) from None
        return where

    def _follow(
        self, session: requests.Session, url: str, headers: dict[str, str]
    ) -> requests.Response:
        """The answer at the end of the redirects, each of which must lead to an allowed place."""
        for _ in range(self.limits.redirects + 1):
            url = self._allowed(url)
            try:
                response = session.get(
                    url,
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=self.limits.timeout,
                )
            except requests.RequestException:  # some are ValueErrors
                raise
            except ValueError:  # it reads the next address, though it is not to go there
                raise Unreachable(f"{masked(url)}: redirects to what is not a URL") from None
            if response.status_code not in _REDIRECTS:
                return response
            response.close()
            if "Location" not in response.headers:
                raise Unreachable(f"{masked(url)}: redirects without saying where to")
            url = urljoin(url, response.headers["Location"])
        raise Unreachable(f"{masked(url)}: more than {self.limits.redirects} redirects, a loop")

    def _allowed(self, url: str) -> str:
        """`url` in the form in which it is requested, if it leads to an allowed place."""
        try:
            parsed = parse_url(url)  # what requests itself uses: no other parser may disagree
        except urllib3.exceptions.LocationParseError:
            raise Unreachable(f"{masked(url)}: is not a URL") from None
        host = (parsed.host or "").rstrip(".").lower()
        hosts = self.endpoints.allowed_hosts
        if not any(host == allowed or host.endswith(f".{allowed}") for allowed in hosts):
            raise Unreachable(
                f"{masked(url)}: leads to the host {printable(host) or 'without name'}, which is "
                f"not one of {', '.join(hosts)} (config key network/allowed_hosts)"
            )
        if parsed.scheme != "https" and not (parsed.scheme == "http" and self.endpoints.allow_http):
            raise Unreachable(
                f"{masked(url)}: is not https, so anyone could have changed the file (config key "
                "network/allow_http)"
            )
        return parsed.url

    def _check_status(self, response: requests.Response, where: str) -> None:
        status = f"{where}: answered {response.status_code} {printable(response.reason)[:60]}"
        if response.status_code == 416:
            self.part.unlink(missing_ok=True)
            raise _TryAgain(f"{status}, so the download starts anew")
        if response.status_code in _TRY_AGAIN:
            raise _TryAgain(status, _retry_after(response))
        if response.status_code not in (200, 206):
            raise Unreachable(f"{status}{_explanation(response)}")
        if "html" in response.headers.get("Content-Type", "").lower():
            raise _web_page(where)
        announced = response.headers.get("Content-Length", "")
        comparable = response.status_code == 200 and self.size and not self._encoded(response)
        if comparable and announced.isdigit() and int(announced) != self.size:
            raise self._wrong_size(f"{where}: announces {announced} bytes")

    def _continues(self, response: requests.Response, held: int) -> bool:
        """Does the answer's body go on after the `held` bytes?"""
        if response.status_code == 200:
            return False
        given = response.headers.get("Content-Range", "")
        fits = given.startswith(f"bytes {held}-") and given.endswith((f"/{self.size}", "/*"))
        if not held or not fits or self._encoded(response):
            self.part.unlink(missing_ok=True)
            raise _TryAgain(f"a part was asked for and another came ({printable(given)[:60]})")
        self.resumed = True
        return True

    @staticmethod
    def _encoded(response: requests.Response) -> bool:
        return response.headers.get("Content-Encoding", "identity") != "identity"

    def _receive(self, response: requests.Response, held: int, where: str) -> None:
        etag = response.headers.get("ETag", "")
        self.etag = etag if etag.startswith('"') and not self._encoded(response) else ""
        most = self.limits.largest if self.size is None else self.size
        told = time.monotonic()
        with self.part.open("ab" if held else "wb") as file:
            while piece := response.raw.read1(_PIECE, decode_content=True):
                if not held and piece.lstrip().startswith(b"<"):
                    raise _web_page(where)
                held += len(piece)
                if held > most:
                    raise self._too_long(where, most)
                file.write(piece)
                now = time.monotonic()
                if now > self.end:
                    raise Unreachable(f"{where}: took longer than {self.limits.deadline:g} s")
                if now - told > self.limits.progress_interval:
                    told = now
                    whole = f" of {self.size / 1e6:.1f}" if self.size else ""
                    _tell(f"{where}: {held / 1e6:.1f}{whole} MB")
        if self.size is not None and held < self.size:
            raise _TryAgain(f"{where}: broke off after {held} of {self.size} bytes")

    def _too_long(self, where: str, most: int) -> Exception:
        self.part.unlink(missing_ok=True)
        if self.resumed:
            self.resumed = False
            return _TryAgain(f"{where}: the parts of two answers are longer than {most} bytes")
        return self._wrong_size(f"{where}: is longer than {most} bytes")

    def _wrong_size(self, found: str) -> UserError:
        if self.size is None:
            return UserError(
                f"{found}, and more is not read of a file whose size is not known; check the DOI, "
                "and if the file is right, download it by hand to a mirror"
            )
        return UserError(
            f"{found}, but the config expects {self.size}; if HEPData replaced the file on "
            "purpose, correct size and sha256 in the config"
        )


def _web_page(where: str) -> Unreachable:
    return Unreachable(
        f"{where}: is a web page, not the file; check that the DOI is that of a resource "
        "(10.17182/hepdata.90607.v3/r3), not of a record"
    )


def _retry_after(response: requests.Response) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, 10.2.3: a number or a date)."""
    asked = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", asked):
        return float(asked)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _explanation(response: requests.Response) -> str:
    """What HEPData says in JSON about an answer that is no file (status 406)."""
    try:
        answer = json.loads(response.raw.read(_PIECE, decode_content=True))
        kind = f" (the file is {answer['file_mimetype']})" if "file_mimetype" in answer else ""
        return f': "{masked(answer["msg"])[:200]}"{masked(kind)[:80]}'
    except (ValueError, LookupError, TypeError, RecursionError, urllib3.exceptions.HTTPError):
        return ""


def _plain_words(error: Exception) -> str:
    """What went wrong, in one clause."""
    text = masked(error)
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return f"no trustworthy TLS connection: {text[:200]}"
    if "timed out" in text.lower():
        return "the server took too long to answer"
    if "NameResolutionError" in text or "Failed to resolve" in text:
        return "the host's name cannot be resolved (no network, or no DNS)"
    if "refused" in text:
        return "the connection was refused"
    return f"the connection broke: {text[:200]}"


def _tell(text: str) -> None:
    print(f"fetch: {text}", file=sys.stderr, flush=True)
