"""The long way round: arrays in codecs that only zarr-python can decode."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.abc.store import Store as ZarrStoreBase
from zarr.core.buffer import Buffer, BufferPrototype

from ngffkit.chunks import guarded
from ngffkit.chunks.boxes import Index, result_shape
from ngffkit.chunks.reader import ArrayReader
from ngffkit.errors import ChunkError, MetadataError, StoreError
from ngffkit.stores.base import is_web_page

Coords = tuple[int, ...]


class _View(ZarrStoreBase):
    """A store of ours as zarr-python wants it; remembers which objects came and which didn't."""

    def __init__(self, reader: ArrayReader) -> None:
        super().__init__(read_only=True)
        self.reader = reader
        self.absent: set[Coords] = set()
        self.present: set[Coords] = set()

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        start, length = 0, None
        if isinstance(byte_range, RangeByteRequest):
            start, length = byte_range.start, byte_range.end - byte_range.start
        elif isinstance(byte_range, OffsetByteRequest):
            start = byte_range.offset
        elif isinstance(byte_range, SuffixByteRequest):
            start = -byte_range.suffix
        store, coords = self.reader.store, self._coords(key)
        try:
            # beside the loop: a store may need that loop itself, and others shall go on meanwhile
            raw = await asyncio.to_thread(store.get, key, start, length)
        except StoreError as err:
            if not (err.denied and self.reader.denied_is_absent):
                raise ChunkError(key, f"{store.url}/{key}", err.cause, denied=err.denied) from err
            if coords is not None:
                self.reader.denied.add(coords)
            raw = None
        if coords is not None:
            (self.absent if raw is None else self.present).add(coords)
        if raw is None:
            return None
        if coords is not None and is_web_page(raw):
            raise self.reader.error(coords, "a web page came instead of the chunk (a login page?)")
        return prototype.buffer.from_bytes(bytes(raw))

    def _coords(self, key: str) -> Coords | None:
        """Return which object of the array a key is, None when it is a document."""
        spec, path = self.reader.spec, self.reader.path
        name = key.removeprefix(f"{path}/") if path else key
        if spec.prefix:
            name = name.removeprefix(spec.prefix).lstrip("/.")
        parts = name.split(spec.separator)
        good = len(parts) == len(spec.layout.shape) and all(p.isdecimal() for p in parts)
        return tuple(map(int, parts)) if good else None

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        return [await self.get(key, prototype, part) for key, part in key_ranges]

    async def exists(self, key: str) -> bool:
        return self.reader.store.get(key) is not None

    @property
    def supports_writes(self) -> bool:
        return False

    @property
    def supports_deletes(self) -> bool:
        return False

    @property
    def supports_partial_writes(self) -> Literal[False]:
        return False

    @property
    def supports_listing(self) -> bool:
        return False

    async def set(self, key: str, value: Buffer) -> None:
        raise NotImplementedError(key)

    async def delete(self, key: str) -> None:
        raise NotImplementedError(key)

    def list(self) -> AsyncIterator[str]:
        raise NotImplementedError

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError(prefix)

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError(prefix)

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


def read(reader: ArrayReader, key: Sequence[Index]) -> npt.NDArray[Any]:
    """Read a box by zarr-python, with errors as ours.

    Raises
    ------
    ChunkError
        When a chunk can't be had or decoded.
    MetadataError
        When the array needs a codec that is not installed.
    """
    import zarr

    view = _View(reader)
    path = reader.path
    try:
        array = guarded.guard(
            zarr.open_array(
                view,
                path=path,
                mode="r",
                zarr_format=reader.spec.layout.zarr_format,  # type: ignore[arg-type]
            )
        )
    except ChunkError:
        raise
    except Exception as err:
        raise MetadataError(
            f"zarr-python can't open this array ({err}); its codecs are "
            f"{', '.join(reader.spec.layout.codecs)}, which may need a package such as imagecodecs",
            path,
        ) from err
    try:
        out = np.asarray(array.oindex[tuple(key)])
    except ChunkError:
        raise
    except Exception as err:
        raise _blame(view, array, err) from err
    if view.absent and reader.absent is not None:
        reader.absent(reader, sorted(view.absent))
    return out.astype(reader.spec.layout.dtype, copy=False).reshape(
        result_shape(key, reader.spec.layout.shape)
    )


def _blame(view: _View, array: Any, error: Exception) -> ChunkError:
    """Return the error that names the object that can't be decoded; zarr-python doesn't say."""
    reader, layout = view.reader, view.reader.spec.layout
    for coords in sorted(view.present):
        box = tuple(
            slice(c * n, min((c + 1) * n, size))
            for c, n, size in zip(coords, layout.object_shape, layout.shape, strict=True)
        )
        try:
            array[box]
        except ChunkError as err:
            return err
        except Exception as err:  # noqa: BLE001 - any of any codec
            return reader.error(coords, f"can't be decoded: {err}")
    return ChunkError(reader.path, f"{reader.store.url}/{reader.path}", f"can't be read: {error}")
