"""A server between a client and moto that misbehaves: moto itself can't."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpd


class Proxy(httpd.Server):
    """Hands requests on to another server of this machine, with the faults of `httpd`.

    Faults are chosen by the key and what is asked of it: ``key#whole``, ``key#range``, or
    ``key#end`` for a range that counts from the end.
    """

    def __init__(self, target: str) -> None:
        super().__init__(Path())
        self.RequestHandlerClass = _Forwarder
        self.target = urlsplit(target)
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

    def _answer(self, key: str, asked: str) -> httpd.Answer:
        kind = "whole" if not asked else "end" if asked.startswith("-") else "range"
        self.server.local.kind = kind
        if key == httpd._LOGIN_KEY:
            return httpd.html(httpd.Answer(200, b""))
        # asked once: what is behind doesn't change, and takes its time
        known = self.server.answers
        if (self.path, asked) not in known:
            known[self.path, asked] = self._forward(asked)
        return replace(known[self.path, asked])

    def _forward(self, asked: str) -> httpd.Answer:
        connection = http.client.HTTPConnection(str(self.server.target.netloc), timeout=20)
        try:
            headers = {"Range": f"bytes={asked}"} if asked else {}
            connection.request("GET", self.path, headers=headers)
            reply = connection.getresponse()
            body = reply.read()
        finally:
            connection.close()
        kept = ("ETag", "Last-Modified", "Content-Range", "Content-Type")
        found = {name: reply.headers[name] for name in kept if name in reply.headers}
        return httpd.Answer(reply.status, body, found)


@contextmanager
def between(target: str) -> Iterator[Proxy]:
    """Misbehave between a client and `target` as long as the block lasts."""
    server = Proxy(target)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join()
