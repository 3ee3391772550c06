"""Many requests to a server of `ngffkit.serve`: how many a second, and whether its memory grows.

The server is a process of its own, the client another one that keeps connections open; every answer
is compared with the file. Run it as ``python benchmarks/soak.py [REQUESTS]``.

malloc keeps an arena per thread, and they fill up one after another; that takes some 10^4 requests.
With ``MALLOC_ARENA_MAX=1`` in the environment there is one, and what grows then is a leak.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ngffkit as nk

CONNECTIONS = 16
STEPS = 10

_SERVER = """
import sys
import ngffkit as nk
with nk.serve(sys.argv[1]) as server:
    print(server.port, server.path, flush=True)
    sys.stdin.read()
"""


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    text = Path(f"/proc/{pid}/status").read_text("ascii")
    (line,) = [line for line in text.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


async def ask(port: int, wanted: list[tuple[bytes, int, bytes]], count: int) -> int:
    """Send requests one after another on one connection; return how many answers were wrong."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    wrong = 0
    for i in range(count):
        request, status, expected = wanted[i % len(wanted)]
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r")[0] or 0)
        body = b"" if status == 304 else await reader.readexactly(length)
        wrong += int(head.split(b" ", 2)[1]) != status or body != expected
    writer.close()
    await writer.wait_closed()
    return wrong


def requests(root: Path, path: str) -> list[tuple[bytes, int, bytes]]:
    """Return requests with what is to be answered: whole objects, ranges, absent ones."""
    out = []
    for file in sorted(p for p in root.rglob("*") if p.is_file()):
        head = f"GET {path}/{file.relative_to(root).as_posix()} HTTP/1.1\r\nHost: localhost\r\n"
        data = file.read_bytes()
        out.append((f"{head}\r\n".encode(), 200, data))
        if len(data) >= 20:
            out.append((f"{head}Range: bytes=-20\r\n\r\n".encode(), 206, data[-20:]))
    absent = f"GET {path}/../secret HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    return [*out, (absent, 404, b"not found\n")]


async def _step(port: int, wanted: list[tuple[bytes, int, bytes]], count: int) -> int:
    each = count // CONNECTIONS
    # each connection begins elsewhere
    turned = [wanted[i * 7 % len(wanted) :] + wanted for i in range(CONNECTIONS)]
    return sum(await asyncio.gather(*(ask(port, part, each) for part in turned)))


def main(total: int) -> None:
    """Print memory and rate after each tenth of the requests."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(nk.sample(Path(folder) / "cells.ome.zarr"))
        command = [sys.executable, "-c", _SERVER, str(root)]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            port, path = process.stdout.readline().split()
            wanted = requests(root, path)
            memory, rates, wrong = [resident(process.pid)], [], 0
            for step in range(1, STEPS + 1):
                start = time.perf_counter()
                wrong += asyncio.run(_step(int(port), wanted, total // STEPS))
                rates.append(total // STEPS / (time.perf_counter() - start))
                gc.collect()
                memory.append(resident(process.pid))
                done = f"{step * total // STEPS:>8,} requests"
                print(f"{done}  {rates[-1]:6.0f}/s  {memory[-1]:6.1f} MB")
            assert process.stdin is not None
            process.stdin.close()
    print(f"wrong answers: {wrong}; median {statistics.median(rates):.0f} requests/s")
    print(f"memory: {memory[0]:.1f} MB at first, then {memory[-1] - memory[1]:+.1f} MB since the "
          f"first {total // STEPS:,}")  # fmt: skip
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
