"""The hand-written limit of converting slices: nothing but what one job needs, see `slabs`.

It knows two kinds of files, and believes that all slices are like the first.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from _asked import asked, tell
from slabs import CHUNK, Job, cascade, finish, levels_of, mean, mode, wait

Reader = Callable[[str, np.ndarray], None]


# --- slices -------------------------------------------------------------------------------------


def read_png(path: str, plane: np.ndarray) -> None:
    """Decode a PNG into a plane."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - thousands of them
        imagecodecs.png_decode(file.read(), out=plane)


def tags_of(head: bytes) -> dict[int, int]:
    """Return what the first directory of a little-endian TIFF says."""
    at = struct.unpack_from("<I", head, 4)[0]
    if head[:4] != b"II*\0" or at > len(head) - 2:
        raise SystemExit("the limit reads little-endian TIFFs whose directory comes first")
    out = {}
    for i in range(struct.unpack_from("<H", head, at)[0]):
        tag, kind = struct.unpack_from("<HH", head, at + 2 + 12 * i)
        out[tag] = struct.unpack_from("<H" if kind == 3 else "<I", head, at + 10 + 12 * i)[0]
    return out


def read_tiff(path: str, plane: np.ndarray) -> None:
    """Read a TIFF of one strip, plain or deflated, into a plane."""
    fd = os.open(path, os.O_RDONLY)
    tags = tags_of(os.pread(fd, 4096, 0))
    if tags[259] == 1:
        os.preadv(fd, [plane], tags[273])
    else:
        imagecodecs.zlib_decode(os.pread(fd, tags[279], tags[273]), out=plane)
    os.close(fd)


def first_plane(path: str) -> tuple[Reader, np.ndarray]:
    """Return how to read files like this one, and an empty plane as they hold."""
    if path.endswith(".png"):
        return read_png, np.empty_like(imagecodecs.png_decode(Path(path).read_bytes()))
    with open(path, "rb") as file:  # noqa: PTH123
        tags = tags_of(file.read(4096))
    kind = {1: "u", 2: "i", 3: "f"}[tags.get(339, 1)]
    return read_tiff, np.empty((tags[257], tags[256]), f"<{kind}{tags[258] // 8}")


# --- the run ------------------------------------------------------------------------------------


def convert(ask: dict[str, Any]) -> None:
    """Convert the slices of a folder, in the order of their names."""
    files = sorted(entry.path for entry in os.scandir(ask["source"]))
    target, halve = Path(ask["target"]), mode if ask["labels"] else mean
    read, plane = first_plane(files[0])
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        levels = levels_of(target, plane, len(files), ask, pool)
        first, spare = levels[0], np.empty_like(levels[0].slab)
        parts = [files[i : i + CHUNK] for i in range(0, len(files), CHUNK)]

        def start(part: list[str], slab: np.ndarray) -> list[Job]:
            return [pool.submit(read, name, slab[i]) for i, name in enumerate(part)]

        reading = start(parts[0], first.slab)
        for i, part in enumerate(parts):
            wait(reading)
            first.filled = len(part)
            slab = first.slab
            # behind it in the queue, so that threads have work while this one waits
            first.flush()
            encoding, first.jobs = first.jobs, []
            if i + 1 < len(parts):
                reading = start(parts[i + 1], spare)
            cascade(levels[1:], slab[: len(part)], halve)
            wait(encoding)
            first.slab, spare = spare, slab
        finish(target, levels, ask["codec_level"])


if __name__ == "__main__":
    convert(asked())
    tell("imagecodecs")
