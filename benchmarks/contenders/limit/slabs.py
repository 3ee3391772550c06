"""What the limits of converting and of pyramids share: a yardstick, not a tool.

Slabs of one chunk's depth are halved and encoded on as many threads as there are processors, and
encoded chunks are appended straight to their shard file, index last: nothing is read twice, no
pixel waits for more than a slab. What a product must do besides is left out: it needs sizes that
halve evenly, neither plans nor journals nor syncs, writes no checksums of pixels (this codec
can't), and leaves a broken image when it fails. Mags are means of 2 x 2 x 2, or modes of labels.
"""

from __future__ import annotations

import itertools
import json
import os
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
import imagecodecs
import numpy as np

CHUNK, SHARD = 64, 512
ABSENT = 2**64 - 1

#: Rows that are halved together, so that sums stay in the processor's cache.
BAND = 64

Halve = Callable[[np.ndarray, np.ndarray], None]
Job = Future[None]


# --- pixels -------------------------------------------------------------------------------------


def mean(pair: np.ndarray, out: np.ndarray) -> None:
    """Halve two planes, shape (2, 2 y, 2 x), into one, (y, x): means, halves rounded up."""
    wide = np.dtype(f"u{2 * pair.dtype.itemsize}")
    for y in range(0, out.shape[0], BAND):
        rows = pair[:, 2 * y : 2 * (y + BAND)]
        sums = np.add(rows[0], rows[1], dtype=wide)
        sums = sums[0::2] + sums[1::2]
        sums = sums[:, 0::2] + sums[:, 1::2]
        sums += 4
        sums >>= 3
        out[y : y + BAND] = sums


def mode(pair: np.ndarray, out: np.ndarray) -> None:
    """Halve two planes into one: the most frequent id of each bin, of equal ones the smallest."""
    top, bottom = pair
    differ = top != bottom
    rows = differ[0::2] | differ[1::2]
    rows |= top[0::2] != top[1::2]
    first = top[0::2, 0::2]
    mixed = rows[:, 0::2] | rows[:, 1::2]
    mixed |= first != top[0::2, 1::2]
    out[...] = first
    if mixed.any():
        out[mixed] = most_frequent(
            [plane[y::2, x::2][mixed] for plane in pair for y in (0, 1) for x in (0, 1)]
        )


def most_frequent(ids: list[np.ndarray]) -> np.ndarray:
    """Return the most frequent of eight ids, bin by bin: each is compared with all others."""
    counts = [np.zeros(ids[0].shape, np.uint8) for _ in ids]
    for i, j in itertools.combinations(range(len(ids)), 2):
        same = (ids[i] == ids[j]).view(np.uint8)
        counts[i] += same
        counts[j] += same
    best, most = ids[0], counts[0]
    for some, count in zip(ids[1:], counts[1:], strict=True):
        better = (count > most) | ((count == most) & (some < best))
        best, most = np.where(better, some, best), np.maximum(count, most)
    return best


# --- shards -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Shard:
    """A shard file that grows; chunks come from several threads, in any order."""

    fd: int
    index: np.ndarray
    left: int
    end: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def put(self, place: tuple[int, ...], data: Any) -> None:
        """Append a chunk, and the index behind the last one."""
        with self.lock:
            at = self.end
            self.end += len(data)
            self.index[place] = at, len(data)
            self.left -= 1
            last = not self.left
        os.pwrite(self.fd, data, at)
        if last:  # all lengths are known by now, though others may still be writing theirs
            body = self.index.tobytes()
            os.pwrite(self.fd, body + struct.pack("<I", google_crc32c.value(body)), self.end)


@dataclass(slots=True)
class Level:
    """One mag that is being written: the slab that gathers planes, and the open shards."""

    path: Path
    slab: np.ndarray
    shape: tuple[int, ...]
    codec_level: int
    pool: ThreadPoolExecutor
    filled: int = 0
    done: int = 0
    jobs: list[Job] = field(default_factory=list)
    shards: dict[tuple[int, ...], Shard] = field(default_factory=dict)

    @property
    def shard_shape(self) -> tuple[int, ...]:
        """Shape of a shard: `SHARD`, or as many chunks as there are."""
        return tuple(min(SHARD, -(-n // CHUNK) * CHUNK) for n in self.shape)

    def flush(self) -> None:
        """Begin to encode the planes that were gathered; the slab is busy until `jobs` are done."""
        slab, z = self.slab[: self.filled], self.done // CHUNK
        for y in range(0, slab.shape[1], CHUNK):
            for x in range(0, slab.shape[2], CHUNK):
                cut = slab[:, y : y + CHUNK, x : x + CHUNK]
                place = (z, y // CHUNK, x // CHUNK)
                shard = self.shard(place)
                self.jobs.append(self.pool.submit(self.encode, shard, place, cut))
        self.done += self.filled
        self.filled = 0

    def shard(self, chunk: tuple[int, ...]) -> Shard:
        """Return the shard of a chunk, begun if need be."""
        grid = [n // CHUNK for n in self.shard_shape]
        at = tuple(c // g for c, g in zip(chunk, grid, strict=True))
        if at not in self.shards:
            path = self.path.joinpath("c", *map(str, at))
            path.parent.mkdir(parents=True, exist_ok=True)
            ends = [-(-n // CHUNK) for n in self.shape]
            counts = [min(g, e - a * g) for a, g, e in zip(at, grid, ends, strict=True)]
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            index = np.full((*grid, 2), ABSENT, "<u8")
            self.shards[at] = Shard(fd, index, int(np.prod(counts)))
        return self.shards[at]

    def encode(self, shard: Shard, chunk: tuple[int, ...], cut: np.ndarray) -> None:
        """Encode a chunk and put it into its shard."""
        if cut.shape != (CHUNK,) * 3:
            whole = np.zeros((CHUNK,) * 3, cut.dtype)
            whole[tuple(slice(0, n) for n in cut.shape)] = cut
            cut = whole
        data = imagecodecs.zstd_encode(np.ascontiguousarray(cut), self.codec_level)
        place = tuple(c % n for c, n in zip(chunk, shard.index.shape[:3], strict=True))
        shard.put(place, data)


def wait(jobs: list[Job]) -> None:
    """Wait for jobs, raise what they raised, and forget them."""
    while jobs:
        jobs.pop().result()


def write_documents(target: Path, levels: list[Level], codec_level: int) -> None:
    """Write the documents by which readers find the pixels."""
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    codecs = [little, {"name": "zstd", "configuration": {"level": codec_level, "checksum": False}}]
    for level in levels:
        shard = {
            "chunk_shape": [CHUNK] * 3,
            "codecs": codecs,
            "index_codecs": [little, {"name": "crc32c"}],
            "index_location": "end",
        }
        grid = {"name": "regular", "configuration": {"chunk_shape": level.shard_shape}}
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": level.shape,
            "data_type": level.slab.dtype.name,
            "chunk_grid": grid,
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": 0,
            "codecs": [{"name": "sharding_indexed", "configuration": shard}],
            "attributes": {},
            "dimension_names": ["z", "y", "x"],
        }
        (level.path / "zarr.json").write_text(json.dumps(document))
    (target / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')


# --- the run ------------------------------------------------------------------------------------


def halve_into(level: Level, planes: np.ndarray, halve: Halve) -> None:
    """Halve planes into the slab of the next mag."""
    wait(level.jobs)
    count = planes.shape[0] // 2
    outs = level.slab[level.filled : level.filled + count]
    pairs = planes.reshape(count, 2, *planes.shape[1:])
    wait([level.pool.submit(halve, pair, out) for pair, out in zip(pairs, outs, strict=True)])
    level.filled += count


def cascade(levels: list[Level], planes: np.ndarray, halve: Halve) -> None:
    """Make coarser mags of the planes that a slab of level 0 holds, as far as they reach."""
    for level in levels:
        halve_into(level, planes, halve)
        if level.filled < level.slab.shape[0] and level.done + level.filled < level.shape[0]:
            return
        planes = level.slab[: level.filled]
        level.flush()


def levels_of(
    target: Path, like: np.ndarray, depth: int, ask: dict[str, Any], pool: ThreadPoolExecutor
) -> list[Level]:
    """Return the mags of an image whose planes are like this one."""
    count = ask["levels"]
    shapes = [tuple(n >> i for n in (depth, *like.shape)) for i in range(count)]
    if any(n % 2 ** (count - 1) for n in shapes[0]):
        raise SystemExit(f"{shapes[0]} does not halve evenly {count - 1} times")
    return [
        Level(
            target / str(i),
            np.empty((min(CHUNK, shape[0]), *shape[1:]), like.dtype),
            shape,
            ask["codec_level"],
            pool,
        )
        for i, shape in enumerate(shapes)
    ]


def finish(target: Path, levels: list[Level], codec_level: int) -> None:
    """Wait for all that is being written, and write the documents."""
    for level in levels:
        wait(level.jobs)
        for shard in level.shards.values():
            os.close(shard.fd)
    write_documents(target, levels, codec_level)
