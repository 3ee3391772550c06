"""An OME-Zarr image that is larger than any disk: chunks are computed when they are asked for."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import numpy as np
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype

DIMS = "zyx"


def shade(z: Any, y: Any, x: Any) -> np.ndarray:
    """Return the pixels of mag 1 at these positions, which broadcast; neighbours differ."""
    block = (x >> 8) ^ (y >> 8) ^ (z >> 8)
    return ((x + 3 * y + 7 * z + 16 * block) & 255).astype(np.uint8)


class VirtualStore(Store):
    """A read-only store of a multiscale image whose pixels are a function of their position.

    Mags are powers of two; each takes every n-th pixel of mag 1, from the first on.
    """

    supports_writes = False
    supports_deletes = False
    supports_listing = True

    def __init__(
        self,
        shape: Sequence[int] = (5000, 100_000, 100_000),
        chunk: int = 64,
        smallest: int = 256,
        delay: float = 0.0,
    ) -> None:
        super().__init__(read_only=True)
        self.delay = delay  # seconds that each request takes, as over a network
        self.shapes = [tuple(shape)]
        while max(self.shapes[-1]) > smallest:
            self.shapes.append(tuple(-(-n // 2) for n in self.shapes[-1]))
        self.chunk = chunk
        self.reads: list[str] = []
        self._lock = threading.Lock()
        self._documents = {"zarr.json": self._group()}
        for i, size in enumerate(self.shapes):
            self._documents[f"{i}/zarr.json"] = self._array(size)

    def pixels(self, level: int, *index: slice) -> np.ndarray:
        """Return a box of a level, from z, y, x slices."""
        ranges = [
            np.arange(n)[cut].astype(np.int64) << level
            for cut, n in zip(index, self.shapes[level], strict=True)
        ]
        return shade(*np.ix_(*ranges))

    def forget(self) -> None:
        """Count chunks from now on."""
        with self._lock:
            self.reads = []

    def _group(self) -> bytes:
        datasets = [
            {
                "path": str(i),
                "coordinateTransformations": [{"type": "scale", "scale": [float(2**i)] * 3}],
            }
            for i in range(len(self.shapes))
        ]
        axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in DIMS]
        multiscale = {"name": "virtual", "axes": axes, "datasets": datasets}
        attributes = {"ome": {"version": "0.5", "multiscales": [multiscale]}}
        document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        return json.dumps(document).encode()

    def _array(self, shape: Sequence[int]) -> bytes:
        grid = {"name": "regular", "configuration": {"chunk_shape": [self.chunk] * 3}}
        document = {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(shape),
            "data_type": "uint8",
            "chunk_grid": grid,
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "codecs": [{"name": "bytes"}],
            "fill_value": 0,
            "dimension_names": list(DIMS),
            "attributes": {},
        }
        return json.dumps(document).encode()

    def _bytes(self, key: str) -> bytes | None:
        if key in self._documents:
            return self._documents[key]
        parts = key.split("/")
        if len(parts) != 5 or parts[1] != "c":
            return None
        with self._lock:
            self.reads.append(key)
        level, *at = (int(part) for part in (parts[0], *parts[2:]))
        # beyond the end a chunk goes on, as chunks do
        ranges = [(np.arange(self.chunk) + c * self.chunk) << level for c in at]
        return shade(*np.ix_(*ranges)).tobytes()

    # --- what zarr-python asks for ---------------------------------------------------------------

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        if self.delay:
            await asyncio.sleep(self.delay)
        data = self._bytes(key)
        if data is None:
            return None
        if isinstance(byte_range, RangeByteRequest):
            data = data[byte_range.start : byte_range.end]
        elif isinstance(byte_range, OffsetByteRequest):
            data = data[byte_range.offset :]
        elif isinstance(byte_range, SuffixByteRequest):
            data = data[-byte_range.suffix :]
        return prototype.buffer.from_bytes(data)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return self._bytes(key) is not None

    async def set(self, key: str, value: Buffer) -> None:
        raise PermissionError(f"{key}: {self} can't be written to, not {len(value)} bytes")

    async def delete(self, key: str) -> None:
        raise PermissionError(f"{key}: {self} can't be written to")

    async def list(self) -> AsyncIterator[str]:
        for key in self._documents:
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        for key in self._documents:
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        names = [str(i) for i in range(len(self.shapes))]
        for name in ["zarr.json", *names] if not prefix.strip("/") else ["zarr.json"]:
            yield name

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        return "virtual://image"
