"""A look at some pixels: how well they compress in chunks of other sizes, how fast they decode."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.chunks import codecs
from ngffkit.chunks.encoding import Compression
from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import NgffError

#: Bytes of pixels that are looked at, at most; chunks can't be read in part.
MAX_BYTES = 2**22

#: Chunks larger than this are not read for a look.
_MAX_CHUNK = 2**25

#: What a decoder is measured by: the best of so many.
_ROUNDS = 3

#: Chunks that are decoded to see how long that takes, and the bytes that are enough.
_SOME, _ENOUGH = 4, 2**20

#: Codecs of a Blosc chunk by the top bits of its third byte (c-blosc, README_CHUNK_FORMAT.rst).
_INSIDE = ("blosclz", "lz4", "snappy", "zlib", "zstd")


@dataclass(frozen=True, slots=True)
class Look:
    """What some pixels said.

    Parameters
    ----------
    pixels : ndarray or None
        A box from the middle of mag 1, at most `MAX_BYTES` of whole chunks; None when there was
        none to be had, or none was asked for.
    inside : str
        The codec within Blosc: ``lz4``, ``zlib``, ...; empty for other codecs.
    slower : float
        How many times as long its chunks take to decode as Zstandard takes for the same pixels.
    encoding : float
        Seconds of one processor to encode a byte of pixels; 0 when nothing was read.
    codec : Compression
        What `density` and `pace` are of; Zstandard, level 1, unless another one is asked for.
    """

    pixels: npt.NDArray[Any] | None = field(default=None, repr=False)
    inside: str = ""
    slower: float = 1.0
    encoding: float = 0.0
    codec: Compression = field(default_factory=Compression)
    _seen: dict[tuple[int, ...], tuple[float, float]] = field(default_factory=dict, repr=False)

    def density(self, chunk: Sequence[int]) -> float | None:
        """Return the bytes that Zstandard makes of a byte of pixels, in chunks of this shape.

        Returns
        -------
        float or None
            None when nothing was read. A chunk that is larger than the look is taken to
            compress as the whole look does.

        Examples
        --------
        >>> look = Look(np.zeros((8, 64, 64), "u1"))
        >>> look.density((4, 4, 4)) > look.density((8, 32, 32))
        True
        """
        return None if self.pixels is None else self._packed(self.pixels, chunk)[0]

    def pace(self, chunk: Sequence[int]) -> float | None:
        """Return the seconds that Zstandard takes for a decoded byte, in chunks of this shape.

        Returns
        -------
        float or None
            None when nothing was read. Each chunk begins with tables of its own, so a byte of a
            small chunk takes longer. A chunk that is larger than the look is taken to decode as
            quickly as the whole look does.

        Examples
        --------
        >>> look = Look(np.random.default_rng(0).integers(0, 9, (64, 64, 64), np.uint8))
        >>> look.pace((4, 4, 4)) > look.pace((64, 64, 64)) > 0
        True
        """
        return None if self.pixels is None else self._packed(self.pixels, chunk)[1]

    def by(self, codec: Compression, most: int = MAX_BYTES) -> Look:
        """Return the same look by another codec; at most so many bytes of it are encoded."""
        pixels = self.pixels
        while pixels is not None and pixels.nbytes > most:
            longest = int(np.argmax(pixels.shape))
            half = (slice(None),) * longest + (slice(pixels.shape[longest] // 2),)
            pixels = np.ascontiguousarray(pixels[half])
        return replace(self, pixels=pixels, codec=codec, _seen={})

    def _packed(self, pixels: npt.NDArray[Any], chunk: Sequence[int]) -> tuple[float, float]:
        """Return encoded bytes and seconds to decode, each per byte of pixels."""
        step = tuple(min(n, c) for n, c in zip(pixels.shape, chunk, strict=True))
        if step not in self._seen:
            encoder, parts = self.codec, []
            count = [n // s for n, s in zip(pixels.shape, step, strict=True)]
            for start in np.ndindex(*count):
                cut = tuple(slice(i * s, (i + 1) * s) for i, s in zip(start, step, strict=True))
                parts.append(encoder.encode(np.ascontiguousarray(pixels[cut])))
            nbytes = math.prod(step) * pixels.dtype.itemsize
            density = sum(map(len, parts)) / (nbytes * len(parts))
            some = parts[: max(_SOME, _ENOUGH // nbytes)]
            self._seen[step] = density, _pace(some, nbytes, self.codec.codecs)
        return self._seen[step]


def look_at(reader: ArrayReader, origin: Sequence[int], shape: Sequence[int]) -> Look:
    """Read a few chunks from the middle of an image.

    Parameters
    ----------
    reader : ArrayReader
        Of mag 1.
    origin, shape : sequence of int
        Where the image lies in its array, in pixels.

    Returns
    -------
    Look
        Without pixels when a chunk can't be read: a report of the layout needs none.
    """
    layout = reader.spec.layout
    if 0 in shape or layout.chunk_nbytes > _MAX_CHUNK:
        return Look()
    box = _middle(origin, shape, layout.chunks, layout.dtype.itemsize)
    try:
        pixels = reader.read(box)
        raw = _raw_chunk(
            reader, tuple(b.start // c for b, c in zip(box, layout.chunks, strict=True))
        )
    except NgffError:
        return Look()
    pixels = np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<"))
    encoding = _best(lambda: Compression().encode(pixels)) / max(pixels.nbytes, 1)
    if raw is None or reader.spec.codecs is None:
        return Look(pixels, encoding=encoding)
    return Look(pixels, _inside(raw, reader.spec.codecs), _slower(raw, reader), encoding)


def _middle(
    origin: Sequence[int], shape: Sequence[int], chunks: Sequence[int], itemsize: int
) -> tuple[slice, ...]:
    """Return a box of whole chunks around the middle, as nearly a cube as fits."""
    sizes = [min(n, c) for n, c in zip(shape, chunks, strict=True)]
    while True:
        # the shortest side first
        for i in sorted(range(len(sizes)), key=lambda i: (sizes[i], -i)):
            larger = [*sizes]
            larger[i] = min(shape[i], sizes[i] + chunks[i])
            if larger[i] > sizes[i] and math.prod(larger) * itemsize <= MAX_BYTES:
                sizes = larger
                break
        else:
            break
    out = []
    for low, n, c, size in zip(origin, shape, chunks, sizes, strict=True):
        start = max(low, (low + (n - size) // 2) // c * c)
        out.append(slice(start, min(low + n, start + size)))
    return tuple(out)


def _raw_chunk(reader: ArrayReader, chunk: tuple[int, ...]) -> Any:
    """Return the encoded bytes of a chunk; None when it is absent."""
    layout = reader.spec.layout
    if layout.shards is None:
        return reader.fetch(chunk)
    ratio = [s // c for s, c in zip(layout.shards, layout.chunks, strict=True)]
    shard = tuple(c // r for c, r in zip(chunk, ratio, strict=True))
    index = reader.load_index(shard)
    if index is None:
        return None
    offset, length = index[tuple(c % r for c, r in zip(chunk, ratio, strict=True))].tolist()
    return None if offset == length == 2**64 - 1 else reader.fetch(shard, offset, length)


def _inside(raw: Any, names: tuple[str, ...]) -> str:
    if names[-1:] != ("blosc",) or len(raw) < 16:
        return ""
    number = bytes(raw[2:3])[0] >> 5
    return _INSIDE[number] if number < len(_INSIDE) else ""


def _slower(raw: Any, reader: ArrayReader) -> float:
    """Return how many times as long a chunk takes to decode as it would as Zstandard."""
    names = reader.spec.codecs
    if not names or names == ("zstd",):
        return 1.0
    scratch = np.empty(reader.spec.layout.chunk_nbytes, np.uint8)
    now = _best(lambda: codecs.decode(raw, names, scratch))
    other = Compression().encode(scratch)
    then = _best(lambda: codecs.decode(other, ("zstd",), scratch))
    return now / max(then, 1e-9)


def _pace(parts: Sequence[bytes], nbytes: int, names: tuple[str, ...]) -> float:
    """Return the seconds per byte that a codec takes for chunks of so many bytes."""
    scratch = np.empty(nbytes, np.uint8)

    def work() -> None:
        for part in parts:
            codecs.decode(part, names, scratch)

    return _best(work) / (len(parts) * max(nbytes, 1))


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)
