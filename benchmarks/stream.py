"""Streaming over a line of 30 ms: ngffkit against tensorstore and obstore.

    python benchmarks/stream.py [--size 512] [--latency 0.03] [--rounds 7] [--json FILE]

One EM-like volume (uint8, chunks of 64^3, as in read.py) is written as Zarr v2 with Blosc, v3 with
Zstandard, and v3 sharded, and served by a process of its own that waits before each answer. All
readers read the same boxes in turn, box by box, so that the machine's moods hit all of them alike;
pixels are compared before anything counts.

``first plane`` opens a reader anew, with no connection to the server, and reads a plane; the time
counts from the open image to the pixels. ``plane`` is any plane after that, ``8 planes`` are eight
neighbours in a row, ``view`` is a window of 1024 x 768, ``cutout`` is a quarter of each side. For
shards, all readers know the index by then, except for ``first plane``.

``obstore`` is the least that has to be done: its async requests for the ranges of the chunks, all
at once and not merged, decoded on as many threads as there are cores as they come, and put into
the result. It knows shard indexes beforehand, except for ``first plane``. tensorstore runs with 64
requests at a time and without a cache, over http and over S3's protocol.

Printed are medians, the median of the ratios to the best other reader of the same box, requests
and rounds (the longest chain of requests, one after another) by the server's own log.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from read import CHUNK, Box, Reader, volume, write

BUCKET = "bucket"
REQUESTS = 64


# --- the server, in a process of its own --------------------------------------------------------


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
            self._answer(first.split(" ")[1].split("?")[0], headers.get("range", ""), first[:4])

    def _answer(self, path: str, wanted: str, method: str) -> None:
        if path == "/-log-":
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
        if start is not None:
            self._log.append((start, time.monotonic(), len(body)))
        head = (
            b'HTTP/1.1 %b\r\n%bContent-Length: %d\r\nAccept-Ranges: bytes\r\nETag: "1"\r\n'
            b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n" % (status, extra, len(body))
        )
        self._to.write(head if method == "HEAD" else head + body)


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
    """Serve a folder from another process; yield the address."""
    command = [sys.executable, __file__, "--serve", str(root), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def logged(url: str) -> tuple[int, int, int]:
    """Return requests, rounds and bytes since the last call."""
    with urllib.request.urlopen(f"{url}/-log-") as reply:  # noqa: S310 - http
        log = sorted(json.load(reply), key=lambda hit: float(hit[1]))
    rounds, free = 0, float("-inf")
    for start, end, _ in log:
        if start >= free:
            rounds, free = rounds + 1, end
    return len(log), rounds, sum(hit[2] for hit in log)


# --- readers ------------------------------------------------------------------------------------


def by_ngffkit(url: str, name: str) -> Reader:
    """Read through xarray, as users do."""
    import ngffkit as nk

    image = nk.open(f"{url}/{BUCKET}/{name}")["1"].image
    return lambda box: image[box].values


def by_ngffkit_s3(url: str, name: str) -> Reader:
    """Read through xarray, by S3's protocol."""
    import ngffkit as nk

    options = {"endpoint": url, "anon": True}
    image = nk.open(f"s3://{BUCKET}/{name}", storage_options=options)["1"].image
    return lambda box: image[box].values


def _tensorstore(kvstore: dict[str, Any], name: str) -> Reader:
    import tensorstore as ts

    limits = {"limit": REQUESTS}
    context = ts.Context(
        {
            "data_copy_concurrency": {"limit": os.cpu_count()},
            "cache_pool": {"total_bytes_limit": 0},
            "http_request_concurrency": limits,
            "s3_request_concurrency": limits,
        }
    )
    driver = "zarr" if name.startswith("v2") else "zarr3"
    spec = {"driver": driver, "kvstore": kvstore}
    store = ts.open(spec, context=context, open=True, read=True).result()
    return lambda box: store[box].read().result()


def by_tensorstore(url: str, name: str) -> Reader:
    """Read by tensorstore over http."""
    kvstore = {"driver": "http", "base_url": url, "path": f"/{BUCKET}/{name}/0/"}
    return _tensorstore(kvstore, name)


def by_tensorstore_s3(url: str, name: str) -> Reader:
    """Read by tensorstore by S3's protocol."""
    kvstore = {"driver": "s3", "bucket": BUCKET, "endpoint": url, "aws_region": "us-east-1",
               "aws_credentials": {"type": "anonymous"}, "path": f"{name}/0/"}  # fmt: skip
    return _tensorstore(kvstore, name)


class ByObstore:
    """The least that has to be done, by obstore: see the module."""

    def __init__(self, url: str, name: str) -> None:
        from obstore.store import HTTPStore

        import ngffkit as nk

        self._v2, self._sharded = name.startswith("v2"), "sharded" in name
        self._array = nk.open(f"{url}/{BUCKET}/{name}")["1"].image
        self._store = HTTPStore.from_url(
            f"{url}/{BUCKET}/{name}/0", client_options={"allow_http": True}
        )
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)
        self._loop = asyncio.new_event_loop()
        self._indexes: dict[str, np.ndarray] = {}

    def __call__(self, box: Box) -> np.ndarray:
        """Read a box."""
        out = np.empty([s.stop - s.start for s in box], np.uint8)
        self._loop.run_until_complete(self._read(box, out))
        return out

    async def _read(self, box: Box, out: np.ndarray) -> None:
        corners = np.stack(
            np.meshgrid(*(range(s.start // CHUNK, -(-s.stop // CHUNK)) for s in box),
                        indexing="ij"), -1).reshape(-1, 3)  # fmt: skip
        await asyncio.gather(*(self._chunk(tuple(map(int, c)), box, out) for c in corners))

    async def _chunk(self, at: tuple[int, ...], box: Box, out: np.ndarray) -> None:
        import obstore

        if self._sharded:
            side = self._array.ngff.layout.shards[0] // CHUNK
            key = "c/" + "/".join(str(i // side) for i in at)
            if key not in self._indexes:
                size = side**3 * 16 + 4
                # all of them ask for it at the same time, which costs no more than one of them
                self._indexes[key] = await self._index(key, size)
            offset, length = self._indexes[key][tuple(i % side for i in at)].tolist()
            raw: Any = await obstore.get_range_async(self._store, key, start=offset, length=length)
        else:
            key = ("" if self._v2 else "c/") + "/".join(map(str, at))
            raw = (await obstore.get_async(self._store, key)).bytes()
        await asyncio.get_running_loop().run_in_executor(self._pool, self._place, raw, at, box, out)

    async def _index(self, key: str, size: int) -> np.ndarray:
        import obstore

        found = await obstore.get_async(self._store, key, options={"range": {"suffix": size}})
        side = round(((size - 4) // 16) ** (1 / 3))
        return np.frombuffer(bytes(found.bytes())[:-4], "<u8").reshape(side, side, side, 2)

    def _place(self, raw: Any, at: tuple[int, ...], box: Box, out: np.ndarray) -> None:
        import numcodecs.blosc
        import numcodecs.zstd

        decode = numcodecs.blosc.decompress if self._v2 else numcodecs.zstd.decompress
        pixels = np.frombuffer(decode(memoryview(raw)), np.uint8).reshape((CHUNK,) * 3)
        target, source = [], []
        for i, s in zip(at, box, strict=True):
            low, high = max(s.start, i * CHUNK), min(s.stop, (i + 1) * CHUNK)
            target.append(slice(low - s.start, high - s.start))
            source.append(slice(low - i * CHUNK, high - i * CHUNK))
        out[tuple(target)] = pixels[tuple(source)]


READERS: dict[str, Callable[[str, str], Reader]] = {
    "ngffkit": by_ngffkit,
    "ngffkit s3": by_ngffkit_s3,
    "tensorstore": by_tensorstore,
    "tensorstore s3": by_tensorstore_s3,
    "obstore": ByObstore,
}
OURS = 2


# --- measuring ----------------------------------------------------------------------------------


def plane(z: int, height: int, width: int) -> Box:
    """Return a plane from the corner on."""
    return (slice(z, z + 1), slice(0, height), slice(0, width))


def boxes(size: int, rounds: int) -> dict[str, list[list[Box]]]:
    """Return what is read of each pattern: in each round some boxes, one after another."""
    rng = np.random.default_rng(3)
    at = [int(i) for i in rng.integers(0, size - 8, rounds)]
    side, window = size // 4, (min(768, size), min(1024, size))
    corners = rng.integers(0, size - side, (rounds, 3)).tolist()
    return {
        "first plane": [[plane(z, size, size)] for z in at],
        "plane": [[plane(z, size, size)] for z in at],
        "8 planes": [[plane(z + i, size, size) for i in range(8)] for z in at],
        "view": [[plane(z, *window)] for z in at],
        "cutout": [[tuple(slice(o, o + side) for o in c)] for c in corners],  # type: ignore[list-item]
    }


def timed(read: Reader, places: Sequence[Box]) -> tuple[float, float]:
    """Return wall and CPU seconds of some reads."""
    wall, cpu = time.perf_counter(), time.process_time()
    for box in places:
        read(box)
    return time.perf_counter() - wall, time.process_time() - cpu


def measure(url: str, name: str, data: np.ndarray, rounds: int) -> dict[str, Any]:
    """Read every box by every reader in turn; return medians, ratios and counts."""
    readers = {who: make(url, name) for who, make in READERS.items()}
    out: dict[str, Any] = {}
    for pattern, series in boxes(data.shape[0], rounds).items():
        runs = np.empty((rounds, len(readers), 2))
        counts: dict[str, tuple[int, int, int]] = {}
        for turn, places in enumerate(series):
            for i, who in enumerate(READERS):
                cold = pattern == "first plane"
                read = READERS[who](url, name) if cold else readers[who]
                if not cold and turn == 0 and not np.array_equal(read(places[0]), data[places[0]]):
                    sys.exit(f"{who} reads other pixels of {name}")
                logged(url)
                runs[turn, i] = timed(read, places)
                counts[who] = min(counts.get(who, (10**9,) * 3), logged(url), key=lambda c: c[1])
        best = np.minimum.reduce(runs[:, OURS:, 0], axis=1)
        out[pattern] = {
            who: {
                "wall_ms": float(np.median(runs[:, i, 0]) * 1e3),
                "cpu_ms": float(np.median(runs[:, i, 1]) * 1e3),
                "wall_ratio": float(np.median(runs[:, i, 0] / best)),
                "requests": counts[who][0],
                "rounds": counts[who][1],
                "bytes": counts[who][2],
            }
            for i, who in enumerate(READERS)
        }
    return out


def show(layout: str, found: dict[str, Any]) -> None:
    """Print a table."""
    print(f"\n{layout:34} wall ms   CPU ms  ratio  requests  rounds      bytes")
    for pattern, rows in found.items():
        for who, r in rows.items():
            print(
                f"  {pattern:12} {who:16} {r['wall_ms']:10.1f} {r['cpu_ms']:8.1f} "
                f"{r['wall_ratio']:6.2f} {r['requests']:9d} {r['rounds']:7d} {r['bytes']:10,d}",
                flush=True,
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--latency", type=float, default=0.03)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(answer(contents(args.serve), args.latency))
        return
    data, results = volume(args.size), {}
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), data)
        with served(Path(folder), args.latency) as url:
            for layout, path in paths.items():
                results[layout] = measure(url, path.name, data, args.rounds)
                show(layout, results[layout])
    worst = max(results[k]["plane"]["ngffkit"]["wall_ratio"] for k in results)
    print(f"\nngffkit to the best of tensorstore and obstore, a plane, worst layout: {worst:.2f}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
