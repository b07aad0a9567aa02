"""A stand-in for doi.org and hepdata.net on the loopback interface.

It answers as the real ones do: a DOI with 302 to the resource, the resource by the Accept header
(the file, a landing page in HTML with status 200, or 406 with JSON), tables as CSV; with ETag,
Range and If-Range. `faults` says what goes wrong, one entry a request for a file.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

Fault = Callable[["_Handler", bytes], None]
"""Answers a request for a file with the given bytes, wrongly."""


class HEPDataServer(ThreadingHTTPServer):
    """`resources` by DOI and `tables` by path are what it serves; `requests` what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resources: dict[str, bytes] = {}
        self.tables: dict[str, bytes] = {}
        self.faults: list[Fault | None] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


@contextmanager
def serving() -> Iterator[HEPDataServer]:
    server = HEPDataServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HEPDataServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        path = unquote(urlsplit(self.path).path)
        doi = path.removeprefix("/").removeprefix("record/resource/")
        if path.startswith("/record/resource/") and doi in self.server.resources:
            self._negotiate(self.server.resources[doi])
        elif doi in self.server.resources:
            self.answer(302, Location=f"/record/resource/{doi}?landing_page=true")
        elif path.startswith("/10."):  # the DOI of a record
            self.answer(302, Location="/record/ins1755298")
        elif path.startswith("/record/"):
            self.html()
        elif path in self.server.tables:
            self._file(self.server.tables[path], "text/csv")
        else:
            self.html(404)

    def _negotiate(self, body: bytes) -> None:
        accepted = self.headers.get("Accept", "")
        if "application/x-tar" in accepted:
            self._file(body, "application/x-tar")
        elif "text/html" in accepted:
            self.html()
        else:
            answer = {"msg": "Accept header does not match", "file_mimetype": "application/x-tar"}
            self.answer(406, json.dumps(answer).encode(), **{"Content-Type": "application/json"})

    def _file(self, body: bytes, kind: str) -> None:
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault:
            fault(self, body)
            return
        etag = self.etag(body)
        asked = self.headers.get("Range")
        current = self.headers.get("If-Range", etag) == etag
        headers = {"Content-Type": kind, "ETag": etag}
        if asked and self.server.ranges and current:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.answer(416, b"", **{"Content-Range": f"bytes */{len(body)}"})
                return
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.answer(206, body[start:], **headers)
        else:
            self.answer(200, body, **headers)

    @staticmethod
    def etag(body: bytes) -> str:
        return f'"{hash(body):x}"'

    def html(self, status: int = 200) -> None:
        page = b"<!DOCTYPE html><html><title>HEPData</title></html>"
        self.answer(status, page, **{"Content-Type": "text/html; charset=utf-8"})

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def status(code: int, **headers: str) -> Fault:
    return lambda handler, _: handler.answer(code, b"", **headers)


def html_called_a_tar(handler: _Handler, body: bytes) -> None:
    page = b"<html>".ljust(len(body))
    handler.answer(200, page, **{"Content-Type": "application/x-tar"})


def redirect(location: str) -> Fault:
    return lambda handler, _: handler.answer(302, b"", Location=location)


def other_bytes(other: bytes) -> Fault:
    """Another body, whole, with its own ETag."""
    return lambda handler, _: handler.answer(200, other, ETag=handler.etag(other))


def cut(at: int) -> Fault:
    """The connection ends after `at` bytes of the announced body."""

    def fault(handler: _Handler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", handler.etag(body))
        handler.end_headers()
        handler.wfile.write(body[:at])
        handler.close_connection = True

    return fault


def cut_unannounced(at: int) -> Fault:
    """The same without a length: the end of the connection looks like the end of the body."""

    def fault(handler: _Handler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body[:at])
        handler.close_connection = True

    return fault


def wrong_range(handler: _Handler, body: bytes) -> None:
    """Another part than the one asked for."""
    headers = {"Content-Range": f"bytes 1-{len(body) - 1}/{len(body)}"}
    handler.answer(206, body[1:], **headers)


def silence(seconds: float, after: int | None = None) -> Fault:
    """Nothing for `seconds`: before the answer, or after that many bytes of the body."""

    def fault(handler: _Handler, body: bytes) -> None:
        if after is not None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body[:after])
            handler.wfile.flush()
        time.sleep(seconds)
        handler.close_connection = True

    return fault


def drip(pause: float) -> Fault:
    """One byte at a time, never slow enough for a time-out."""

    def fault(handler: _Handler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for byte in body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(pause)

    return fault


def endless(handler: _Handler, _: bytes) -> None:
    """A body in chunks that never ends."""
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    while True:
        handler.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
