"""A server between a client and moto that misbehaves: moto itself can't."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpd


class Proxy(httpd.Server):
    """Hands requests on to another server of this machine, with the faults of `httpd`.

    Faults are chosen by the key and what is asked of it: ``key#whole``, ``key#range``, or
    ``key#end`` for a range that counts from the end; of writes ``#put``, ``#create`` (a PUT on the
    condition that there is nothing), ``#match`` (that it is unchanged), ``#begin``, ``#part`` and
    ``#complete`` of an upload in parts, and ``#delete``. A fault comes after the request was
    carried out: what was written is there, only the answer is lost.

    Parameters
    ----------
    target : str
        The other server.
    keeps : bool
        Whether answers to reads are kept, because what is behind doesn't change.
    """

    def __init__(self, target: str, *, keeps: bool = True) -> None:
        super().__init__(Path())
        self.RequestHandlerClass = _Forwarder
        self.target, self.keeps = urlsplit(target), keeps
        self.local = threading.local()
        self.answers: dict[tuple[str, str], httpd.Answer] = {}
        self.faulted = 0

    def take(self, key: str) -> httpd.Fault | None:
        """Return the fault that is due for a request of this thread."""
        fault = super().take(f"{key}#{self.local.kind}")
        if fault is not None:
            with self._lock:
                self.faulted += 1
        return fault

    def clear(self) -> None:
        """Forget the log, all faults, and how many were met."""
        super().clear()
        self.faulted = 0


class _Forwarder(httpd._Handler):
    server: Proxy

    do_PUT = do_POST = do_DELETE = httpd._Handler.do_GET  # noqa: N815 - named by http.server

    def _answer(self, key: str, asked: str) -> httpd.Answer:
        if self.command not in ("GET", "HEAD"):
            self.server.local.kind = self._kind_of_write()
            return self._forward_write()
        kind = "whole" if not asked else "end" if asked.startswith("-") else "range"
        self.server.local.kind = kind
        if key == httpd._LOGIN_KEY:
            return httpd.html(httpd.Answer(200, b""))
        if not self.server.keeps:
            return self._forward(asked)
        # asked once: what is behind doesn't change, and takes its time
        known = self.server.answers
        if (self.path, asked) not in known:
            known[self.path, asked] = self._forward(asked)
        return replace(known[self.path, asked])

    def _kind_of_write(self) -> str:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if self.command == "PUT":
            if "partNumber" in query:
                return "part"
            conditions = {"If-None-Match": "create", "If-Match": "match"}
            return next((kind for name, kind in conditions.items() if name in self.headers), "put")
        if self.command == "DELETE":
            return "abort" if "uploadId" in query else "delete"
        return "begin" if "uploads" in query else "complete" if "uploadId" in query else "delete"

    def _forward(self, asked: str) -> httpd.Answer:
        if not self.server.keeps:
            return self._ask("GET", dict(self.headers), None)
        return self._ask("GET", {"Range": f"bytes={asked}"} if asked else {}, None)

    def _forward_write(self) -> httpd.Answer:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return self._ask(self.command, dict(self.headers), body)

    def _ask(self, method: str, headers: dict[str, str], body: bytes | None) -> httpd.Answer:
        connection = http.client.HTTPConnection(str(self.server.target.netloc), timeout=20)
        try:
            connection.request(method, self.path, body, headers)
            reply = connection.getresponse()
            data = reply.read()
        finally:
            connection.close()
        kept = ("ETag", "Last-Modified", "Content-Range", "Content-Type")
        found = {name: reply.headers[name] for name in kept if name in reply.headers}
        return httpd.Answer(reply.status, data, found)


@contextmanager
def between(target: str, *, keeps: bool = True) -> Iterator[Proxy]:
    """Misbehave between a client and `target` as long as the block lasts."""
    server = Proxy(target, keeps=keeps)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
