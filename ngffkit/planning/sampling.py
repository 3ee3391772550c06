"""A look at a piece of the source: how well it compresses, and how fast this machine is at it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from ngffkit.chunks.encoding import whole_chunk
from ngffkit.errors import Problem, SourceError
from ngffkit.execute.job import LevelJob
from ngffkit.sources.contract import Box, Source

#: Pixels that are looked at, at most; but a block can't be decoded in part.
_PIXELS = 2**22

#: Making a mag costs about as much again as reading its pixels back and reducing them.
_PYRAMID = 1.3


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample says of the whole.

    Parameters
    ----------
    ratio : float
        Encoded bytes per byte of pixels.
    rate : float or None
        Bytes of pixels per second and thread; None when nothing could be read.
    problem : Problem, optional
        Why nothing could be read.
    """

    ratio: float
    rate: float | None
    problem: Problem | None = None


def sample_source(source: Source, level: LevelJob) -> Sample:
    """Read a block from the middle of the source and encode it.

    Parameters
    ----------
    source : Source
        Read once, from the calling thread.
    level : LevelJob
        How its chunks will be encoded.
    """
    info = source.info
    if not math.prod(info.grid.shape):
        return Sample(1.0, None)
    box = _middle(info.grid.shape, info.block)
    if math.prod(s.stop - s.start for s in box) > 16 * _PIXELS:
        return Sample(1.0, None)  # a look must not cost what the work costs
    began = time.perf_counter()
    try:
        pixels = source.read(box)
    except SourceError as err:
        return Sample(1.0, None, Problem("source", "advice", str(err), "see on_error='skip'"))
    chunk = np.ascontiguousarray(pixels).reshape(-1)
    chunk = chunk[: math.prod(level.spec.layout.chunks)]
    read = time.perf_counter()
    encoded = level.compression.encode(whole_chunk(chunk, chunk.shape))
    done = time.perf_counter()
    seconds = (read - began) / pixels.nbytes + (done - read) / chunk.nbytes
    return Sample(min(1.0, len(encoded) / chunk.nbytes), 1 / max(seconds, 1e-12) / _PYRAMID)


def _middle(shape: tuple[int, ...], block: tuple[int, ...]) -> Box:
    """Return the block in the middle, or as much as is worth a look where blocks are small."""
    out, left = [], _PIXELS
    for n, b in zip(reversed(shape), reversed(block), strict=True):
        size = min(n, max(b, min(n, left)))
        left = max(1, left // size)
        start = max(0, min(n - size, n // 2 // b * b))
        out.append(slice(start, start + size))
    return tuple(reversed(out))
