"""A web server for tests: serves a folder, counts what is asked of it, and misbehaves on demand.

>>> with serve(folder, latency=0.03) as server:  # doctest: +SKIP
...     server.fault("*/c/0/*", status(503), times=2)
...     nk.open(f"{server.url}/image.zarr")
...     server.hits, server.rounds()
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

LOGIN = b"<!DOCTYPE html>\n<html><body><form>Please log in</form></body></html>\n"
_LOGIN_KEY = "-login-"


@dataclass(frozen=True, slots=True)
class Hit:
    """One request that was answered.

    Parameters
    ----------
    method : str
        GET or HEAD.
    key : str
        Path below the served folder.
    range : str
        The Range header, without ``bytes=``; empty when there was none.
    status : int
        What was answered; 0 when the connection was reset instead, -1 when it was closed.
    sent : int
        Bytes of the body.
    start, end : float
        When it came and when the answer was sent, by `time.monotonic`.
    """

    method: str
    key: str
    range: str
    status: int
    sent: int
    start: float
    end: float


@dataclass(slots=True)
class Answer:
    """What is about to be sent; faults change it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    promise: int | None = None
    cut: bool = False
    stall: float = 0.0


Fault = Callable[[Answer], Answer]


def status(code: int) -> Fault:
    """Answer with an error status."""
    return lambda _: Answer(code, b"", {"Retry-After": "0"} if code == 429 else {})


def truncated(_: Answer) -> Answer:
    """Promise the whole body, send half of it, and close the connection."""
    return Answer(_.status, _.body[: len(_.body) // 2], _.headers, promise=len(_.body))


def cut(length: int) -> Fault:
    """Promise the whole body, send its first bytes (all but some where negative), and close."""
    return lambda answer: Answer(
        answer.status, answer.body[:length], answer.headers, promise=len(answer.body)
    )


def empty(answer: Answer) -> Answer:
    """Send nothing, as though that were all of it."""
    return Answer(answer.status, b"", answer.headers)


def short(answer: Answer) -> Answer:
    """Send half of the body as though that were all of it."""
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


def reset(_: Answer) -> Answer:
    """Reset the connection instead of an answer."""
    return Answer(0, b"", cut=True)


def hung_up(_: Answer) -> Answer:
    """Close the connection instead of an answer."""
    return Answer(-1, b"", cut=True)


def login(_: Answer) -> Answer:
    """Redirect to a page that asks for a password."""
    return Answer(302, b"", {"Location": f"/{_LOGIN_KEY}"})


def html(_: Answer) -> Answer:
    """Answer 200 with a web page."""
    return Answer(200, LOGIN, {"Content-Type": "text/html"})


def stall(seconds: float) -> Fault:
    """Answer only after a while."""

    def wait(answer: Answer) -> Answer:
        answer.stall = seconds
        return answer

    return wait


def damaged(answer: Answer) -> Answer:
    """Flip the bits in the middle of the body."""
    body = bytearray(answer.body)
    for i in range(len(body) // 3, 2 * len(body) // 3):
        body[i] ^= 0xFF
    return Answer(answer.status, bytes(body), answer.headers)


@dataclass(slots=True)
class _Rule:
    pattern: str
    fault: Fault
    left: float


class Server(ThreadingHTTPServer):
    """Serves `root` on 127.0.0.1, each request after `latency` seconds.

    Parameters
    ----------
    root : Path
        The folder.
    latency : float
        Seconds between a request and its answer.
    ranges : bool
        Whether Range headers are honoured; ``python -m http.server`` doesn't.
    absent : int
        The status of what does not exist; object stores that don't let list say 403.
    """

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, root: Path, latency: float = 0.0, *, ranges: bool = True, absent: int = 404
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.latency, self.ranges = Path(root).resolve(), latency, ranges
        self.absent = absent
        self.versions = "etag"  # or weak, modified, none: what tells versions apart
        self.hits: list[Hit] = []
        self.closing = threading.Event()
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, pattern: str, fault: Fault, times: float = float("inf")) -> None:
        """Misbehave, `times` times, on keys that match a shell pattern."""
        with self._lock:
            self._rules.append(_Rule(pattern, fault, times))

    def clear(self) -> None:
        """Forget the log and all faults."""
        with self._lock:
            self.hits.clear()
            self._rules.clear()

    def asked(self) -> list[str]:
        """Return the keys that were asked for, in order."""
        with self._lock:
            return [hit.key for hit in self.hits]

    def rounds(self) -> int:
        """Return the length of the longest chain of requests, one after another."""
        count, free = 0, float("-inf")
        with self._lock:
            hits = sorted(self.hits, key=lambda hit: hit.end)
        for hit in hits:
            if hit.start >= free:
                count, free = count + 1, hit.end
        return count

    def take(self, key: str) -> Fault | None:
        """Return the fault that is due for a key."""
        with self._lock:
            for rule in self._rules:
                if rule.left > 0 and fnmatchcase(key, rule.pattern):
                    rule.left -= 1
                    return rule.fault
        return None

    def log(self, hit: Hit) -> None:
        """Remember a request."""
        with self._lock:
            self.hits.append(hit)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Keep the connection in mind, so that it can be closed at the end."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""

    def close(self) -> None:
        """Stop, and close what clients keep open."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        with self._lock:
            left = list(self._open)
        for connection in left:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        start = time.monotonic()
        key = unquote(urlsplit(self.path).path).strip("/")
        asked = (self.headers.get("Range") or "").removeprefix("bytes=")
        answer = self._answer(key, asked)
        fault = self.server.take(key)
        if fault is not None:
            answer = fault(answer)
        self.server.closing.wait(self.server.latency + answer.stall)
        hit = Hit(
            self.command, key, asked, answer.status, len(answer.body), start, time.monotonic()
        )
        # logged before it is sent: who has the answer must find it in the log
        self.server.log(hit)
        self._send(answer)

    do_HEAD = do_GET  # noqa: N815 - named by http.server

    def _answer(self, key: str, asked: str) -> Answer:
        if key == _LOGIN_KEY:
            return html(Answer(200, b""))
        path = (self.server.root / key).resolve()
        if not path.is_relative_to(self.server.root) or not path.is_file():
            return Answer(self.server.absent, b"not here\n")
        stat = path.stat()
        size = stat.st_size
        headers = {"Accept-Ranges": "bytes", **self._version(stat)}
        if self._is_known(headers) or not self._is_wanted(headers):
            return Answer(304 if self._is_known(headers) else 412, b"", headers)
        if not asked or not self.server.ranges:
            return Answer(200, path.read_bytes(), headers)
        first, _, last = asked.partition("-")
        if not first:
            start, stop = max(0, size - int(last)), size
        else:
            start, stop = int(first), min(size, int(last) + 1 if last else size)
        if start >= size:
            return Answer(416, b"", {"Content-Range": f"bytes */{size}"})
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        # of a large file no more than that, or its length would be what is measured
        with path.open("rb") as file:
            file.seek(start)
            return Answer(206, file.read(stop - start), headers)

    def _version(self, stat: os.stat_result) -> dict[str, str]:
        tag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'
        return {
            "etag": {"ETag": tag},
            "weak": {"ETag": f"W/{tag}"},
            "modified": {"Last-Modified": formatdate(stat.st_mtime, usegmt=True)},
            "none": {},
        }[self.server.versions]

    def _is_known(self, headers: Mapping[str, str]) -> bool:
        tag, time_ = self.headers.get("If-None-Match"), self.headers.get("If-Modified-Since")
        return (tag is not None and tag == headers.get("ETag")) or (
            time_ is not None and time_ == headers.get("Last-Modified")
        )

    def _is_wanted(self, headers: Mapping[str, str]) -> bool:
        tag, time_ = self.headers.get("If-Match"), self.headers.get("If-Unmodified-Since")
        return tag in (None, headers.get("ETag")) and time_ in (None, headers.get("Last-Modified"))

    def _send(self, answer: Answer) -> None:
        if answer.cut:
            if answer.status == 0:
                # lingering for no time makes the kernel send a reset
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            self.connection.close()
            return
        promise = len(answer.body) if answer.promise is None else answer.promise
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(promise)}.items():
            self.send_header(name, value)
        if promise != len(answer.body):
            self.close_connection = True
        # one packet: a header and a body on their own would wait for one another's receipts
        self._headers_buffer.append(b"\r\n")  # type: ignore[attr-defined]
        if self.command != "HEAD":
            self._headers_buffer.append(answer.body)  # type: ignore[attr-defined]
        self.flush_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - inherited
        """Say nothing."""


@contextmanager
def serve(
    root: Path, latency: float = 0.0, *, ranges: bool = True, absent: int = 404
) -> Iterator[Server]:
    """Serve a folder as long as the block lasts."""
    server = Server(root, latency, ranges=ranges, absent=absent)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()


def table(rows: Mapping[str, tuple[int, int]], title: str) -> str:
    """Return requests and rounds by case, as text."""
    width = max(map(len, rows))
    lines = [title, f"{'':{width}}  requests  rounds"]
    lines += [f"{name:{width}}  {n:8d}  {rounds:6d}" for name, (n, rounds) in rows.items()]
    return "\n".join(lines)
