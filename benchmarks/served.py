"""A web server for benchmarks: answers from memory, each request after a while, and logs it.

    python served.py FOLDER LATENCY

It is a process of its own. Paths are ``/bucket/...``, so that by S3's protocol, without a name,
the same files can be asked for. What it has logged since the last look is at ``/-log-``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from contenders._reading import LOG

BUCKET = "bucket"


class Answers(asyncio.Protocol):
    """One connection: answers each request after `latency` seconds, and logs it."""

    def __init__(self, files: dict[str, bytes], latency: float, log: list[Any]) -> None:
        self._files, self._latency, self._log = files, latency, log
        self._text, self._loop = b"", asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what answers are written to."""
        self._to: Any = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._text += data
        while b"\r\n\r\n" in self._text:
            head, _, self._text = self._text.partition(b"\r\n\r\n")
            first, *lines = head.decode().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
            method, path, _ = first.split(" ")
            self._answer(unquote(path.split("?")[0]), headers.get("range", ""), method)

    def _answer(self, path: str, wanted: str, method: str) -> None:
        if path == LOG:
            body = json.dumps(self._log).encode()
            self._log.clear()
            self._send(b"200 OK", body, b"", method, None)
            return
        start, whole = time.monotonic(), self._files.get(path)
        status, extra, body = b"404 Not Found", b"", b""
        if whole is not None and wanted:
            a, _, b = wanted.removeprefix("bytes=").partition("-")
            begin = int(a) if a else max(0, len(whole) - int(b))
            stop = min(len(whole), int(b) + 1) if a and b else len(whole)
            body, status = whole[begin:stop], b"206 Partial Content"
            extra = b"Content-Range: bytes %d-%d/%d\r\n" % (begin, stop - 1, len(whole))
        elif whole is not None:
            body, status = whole, b"200 OK"
        self._loop.call_later(self._latency, self._send, status, body, extra, method, start)

    def _send(
        self, status: bytes, body: bytes, extra: bytes, method: str, start: float | None
    ) -> None:
        head = (
            b'HTTP/1.1 %b\r\n%bContent-Length: %d\r\nAccept-Ranges: bytes\r\nETag: "1"\r\n'
            b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n" % (status, extra, len(body))
        )
        if method == "HEAD":
            body = b""
        if start is not None:
            self._log.append((start, time.monotonic(), len(body)))
        self._to.write(head + body)


def contents(root: Path) -> dict[str, bytes]:
    """Return the files of a folder by their paths on the server."""
    return {
        f"/{BUCKET}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


async def answer(files: dict[str, bytes], latency: float) -> None:
    """Serve files from memory; print the port."""
    log: list[Any] = []
    server = await asyncio.get_running_loop().create_server(
        lambda: Answers(files, latency, log), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def served(root: Path, latency: float) -> Iterator[str]:
    """Serve a folder from another process; yield the address.

    Parameters
    ----------
    root : Path
        The folder; all of it is held in memory.
    latency : float
        Seconds between a request and its answer.
    """
    command = [sys.executable, __file__, str(root), str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(answer(contents(Path(sys.argv[1])), float(sys.argv[2])))
