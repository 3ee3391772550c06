"""How an array lies in its store: chunks, shards and codecs, as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Layout:
    """How one array is cut up and encoded.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : numpy.dtype
        Type of its pixels.
    chunks : tuple of int
        Shape of the smallest piece that can be decoded.
    shards : tuple of int, optional
        Shape of a stored object that holds many chunks; None when each chunk is an object.
    codecs : tuple of str
        Names of the codecs, in the order of encoding.
    zarr_format : int
        2 or 3.

    Examples
    --------
    >>> lay = Layout((100, 512, 512), np.dtype("u1"), (64, 64, 64), None, ("zstd",), 3)
    >>> lay.objects, lay.nbytes
    (128, 26214400)
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None
    codecs: tuple[str, ...]
    zarr_format: int

    @property
    def object_shape(self) -> tuple[int, ...]:
        """Shape of what one stored object covers: a shard, or a chunk."""
        return self.shards or self.chunks

    @property
    def objects(self) -> int:
        """How many objects the array has when none is left out."""
        return math.prod(-(-n // c) for n, c in zip(self.shape, self.object_shape, strict=True))

    @property
    def nbytes(self) -> int:
        """Size of the decoded array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def chunk_nbytes(self) -> int:
        """Size of one decoded chunk in bytes."""
        return math.prod(self.chunks) * self.dtype.itemsize
