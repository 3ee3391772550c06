"""What reading by hand shares: which chunks a box touches, and how one is put into the result."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

#: Sides of a chunk, as `volumes` writes them.
CHUNK = 64

Place = tuple[int, ...]


def touched(box: tuple[slice, ...]) -> Iterator[Place]:
    """Yield the chunks that a box touches."""
    return itertools.product(*(range(s.start // CHUNK, -(-s.stop // CHUNK)) for s in box))


def key_of(at: Place, zarr: int) -> str:
    """Return the file of a chunk, or of a shard."""
    return ("" if zarr == 2 else "c/") + "/".join(map(str, at))


def decoder(zarr: int) -> Callable[[Any], Any]:
    """Return what decodes a chunk."""
    import imagecodecs

    decode: Callable[[Any], Any] = (
        imagecodecs.blosc_decode if zarr == 2 else imagecodecs.zstd_decode
    )
    return decode


def index_size(side: int) -> int:
    """Return the bytes of the index of a shard of so many chunks along each side; its sum too."""
    return 16 * side**3 + 4


def index_of(raw: bytes, side: int) -> Any:
    """Return offset and length of each chunk of a shard."""
    import numpy as np

    return np.frombuffer(raw[:-4], "<u8").reshape(side, side, side, 2)


def place(raw: Any, at: Place, box: tuple[slice, ...], out: Any) -> None:
    """Put a decoded chunk into the result."""
    import numpy as np

    pixels = np.frombuffer(raw, np.uint8).reshape((CHUNK,) * 3)
    target, source = [], []
    for i, s in zip(at, box, strict=True):
        low, high = max(s.start, i * CHUNK), min(s.stop, (i + 1) * CHUNK)
        target.append(slice(low - s.start, high - s.start))
        source.append(slice(low - i * CHUNK, high - i * CHUNK))
    out[tuple(target)] = pixels[tuple(source)]
