"""The least that has to be done: files read, chunks decoded into place, on all processors."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from _chunks import Place, decoder, index_of, index_size, key_of, place, touched
from _reading import Asked, Box, Read, read_boxes, shape_of


class ByHand:
    """Reads boxes of a folder; indexes of shards are read once, files stay open."""

    def __init__(self, asked: Asked) -> None:
        self._root, self._zarr = Path(asked["place"], "0"), asked["zarr"]
        self._side, self._decode = asked["shard"], decoder(asked["zarr"])
        self._shards: dict[Place, tuple[int, Any]] = {}
        self._workers = os.cpu_count() or 1
        self._pool = ThreadPoolExecutor(self._workers)

    def __call__(self, box: Box) -> Any:
        """Read a box."""
        import numpy as np

        out, every = np.empty(shape_of(box), np.uint8), list(touched(box))

        def work(mine: list[Place]) -> None:
            for at in mine:
                place(self._decode(self._raw(at)), at, box, out)

        list(self._pool.map(work, [every[i :: self._workers] for i in range(self._workers)]))
        return out

    def _raw(self, at: Place) -> bytes:
        if not self._side:
            return (self._root / key_of(at, self._zarr)).read_bytes()
        shard = tuple(i // self._side for i in at)
        if shard not in self._shards:
            file = os.open(self._root / key_of(shard, self._zarr), os.O_RDONLY)
            size = index_size(self._side)
            raw = os.pread(file, size, os.fstat(file).st_size - size)
            self._shards[shard] = file, index_of(raw, self._side)
        file, index = self._shards[shard]
        offset, length = index[tuple(i % self._side for i in at)].tolist()
        return os.pread(file, length, offset)


def opened(asked: Asked) -> Read:
    """Return what reads a box."""
    return ByHand(asked)


if __name__ == "__main__":
    read_boxes("imagecodecs", opened)
