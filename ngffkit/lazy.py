"""The array that xarray holds: reads nothing until it must, and then only what is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from xarray.backends import BackendArray
from xarray.core import indexing

from ngffkit.chunks.reader import ArrayReader


class LazyArray(BackendArray):
    """One array of a store.

    Parameters
    ----------
    reader : ArrayReader
        Reads its boxes.
    """

    def __init__(self, reader: ArrayReader) -> None:
        self.reader = reader
        self.shape = reader.spec.layout.shape
        self.dtype = reader.spec.layout.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Read by any of xarray's indexers."""
        # xarray trips over slices that run backwards over nothing
        parts = tuple(
            slice(0, 0) if isinstance(k, slice) and not range(*k.indices(n)) else k
            for k, n in zip(key.tuple, self.shape, strict=True)
        )
        return indexing.explicit_indexing_adapter(
            type(key)(parts), self.shape, indexing.IndexingSupport.OUTER, self._read
        )

    def _read(self, key: tuple[Any, ...]) -> npt.NDArray[Any]:
        plain: list[Any] = []
        after: list[Any] = []
        for index, size in zip(key, self.shape, strict=True):
            if isinstance(index, slice):
                forward, flip = _forward(index, size)
                plain.append(forward)
                after.append(flip)
            elif isinstance(index, np.ndarray):
                plain.append(np.where(index < 0, index + size, index).astype(np.intp))
                after.append(slice(None))
            else:
                at = int(index) + (size if index < 0 else 0)
                plain.append(slice(at, at + 1))
                after.append(0)
        pixels: npt.NDArray[Any] = self.reader.read(plain)[tuple(after)]
        return pixels


def _forward(cut: slice, size: int) -> tuple[slice, slice]:
    """Turn a slice that runs backwards round; return it and how to turn the result back."""
    start, stop, step = cut.indices(size)
    if step > 0:
        return slice(start, stop, step), slice(None)
    count = len(range(start, stop, step))
    if not count:
        return slice(0, 0), slice(None)
    last = start + (count - 1) * step
    return slice(last, start + 1, -step), slice(None, None, -1)
