"""The least that has to be done: requests for all chunks at once, decoded on threads as they come.

Ranges of a shard are asked for as they are, not merged; its index is asked for once.
"""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from _chunks import Place, decoder, index_of, index_size, key_of, place, touched
from _reading import Asked, Box, Read, read_boxes, shape_of


def store(asked: Asked) -> Any:
    """Return where mag 1 lies."""
    from obstore.store import HTTPStore, S3Store

    client: Any = {"allow_http": True}
    parts = urlsplit(f"{asked['place']}/0")
    if "endpoint" in asked:
        config: Any = {"endpoint": asked["endpoint"], "skip_signature": True}
        path = parts.path.lstrip("/")
        return S3Store(parts.netloc, prefix=path, config=config, client_options=client)
    return HTTPStore.from_url(parts.geturl(), client_options=client)


class ByHand:
    """Reads boxes of a server's image."""

    def __init__(self, asked: Asked) -> None:
        self._store, self._zarr, self._side = store(asked), asked["zarr"], asked["shard"]
        self._decode = decoder(self._zarr)
        self._pool = ThreadPoolExecutor(os.cpu_count() or 1)
        self._loop = asyncio.new_event_loop()
        self._indexes: dict[Place, Any] = {}

    def __call__(self, box: Box) -> Any:
        """Read a box."""
        import numpy as np

        out = np.empty(shape_of(box), np.uint8)
        self._loop.run_until_complete(self._read(box, out))
        return out

    async def _read(self, box: Box, out: Any) -> None:
        every = list(touched(box))
        if self._side:
            shards = {tuple(i // self._side for i in at) for at in every}
            await asyncio.gather(*(self._index(at) for at in shards if at not in self._indexes))
        await asyncio.gather(*(self._chunk(at, box, out) for at in every))

    async def _index(self, shard: Place) -> None:
        import obstore

        wanted: Any = {"range": {"suffix": index_size(self._side)}}
        found = await obstore.get_async(self._store, key_of(shard, self._zarr), options=wanted)
        self._indexes[shard] = index_of(bytes(await found.bytes_async()), self._side)

    async def _chunk(self, at: Place, box: Box, out: Any) -> None:
        import obstore

        raw: Any
        if self._side:
            shard = tuple(i // self._side for i in at)
            index = self._indexes[shard][tuple(i % self._side for i in at)]
            offset, length = index.tolist()
            raw = await obstore.get_range_async(
                self._store, key_of(shard, self._zarr), start=offset, length=length
            )
        else:
            raw = await (await obstore.get_async(self._store, key_of(at, self._zarr))).bytes_async()
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._pool, self._place, raw, at, box, out)

    def _place(self, raw: Any, at: Place, box: Box, out: Any) -> None:
        place(self._decode(memoryview(raw)), at, box, out)


def opened(asked: Asked) -> Read:
    """Return what reads a box."""
    return ByHand(asked)


if __name__ == "__main__":
    read_boxes("obstore", opened)
