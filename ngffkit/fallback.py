"""The long way round: arrays in codecs that only zarr-python can decode."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.abc.store import Store as ZarrStoreBase
from zarr.core.buffer import Buffer, BufferPrototype

from ngffkit.errors import ChunkError, MetadataError, StoreError
from ngffkit.reader import ArrayReader, Index, result_shape


class _View(ZarrStoreBase):
    """A store of ours as zarr-python wants it; remembers what was absent."""

    def __init__(self, reader: ArrayReader) -> None:
        super().__init__(read_only=True)
        self.reader = reader
        self.absent: list[str] = []

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
        try:
            raw = self.reader.store.get(key, start, length)
        except StoreError as err:
            if err.denied and self.reader.denied_is_absent:
                raw = None
            else:
                raise ChunkError(key, f"{self.reader.store.url}/{key}", err.cause) from err
        if raw is None:
            self.absent.append(key)
            return None
        return prototype.buffer.from_bytes(bytes(raw))

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
    def supports_partial_writes(self) -> bool:
        return False

    @property
    def supports_listing(self) -> bool:
        return False

    async def set(self, key: str, value: Buffer) -> None:
        raise NotImplementedError(key)

    async def delete(self, key: str) -> None:
        raise NotImplementedError(key)

    async def list(self) -> AsyncIterator[str]:
        raise NotImplementedError
        yield ""

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError(prefix)
        yield ""

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        raise NotImplementedError(prefix)
        yield ""

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
        array = zarr.open_array(
            view, path=path, mode="r", zarr_format=reader.spec.layout.zarr_format  # type: ignore[arg-type]
        )
    except ChunkError:
        raise
    except Exception as err:
        raise MetadataError(
            f"zarr-python can't open this array ({err}); its codecs are "
            f"{', '.join(reader.spec.layout.codecs)}, which may need a package such as imagecodecs",
            path,
        ) from err
    view.absent.clear()
    try:
        out = np.asarray(array.oindex[tuple(key)])
    except ChunkError:
        raise
    except Exception as err:
        raise ChunkError(path, f"{reader.store.url}/{path}", f"can't be decoded: {err}") from err
    coords = [c for c in map(_coords(reader), view.absent) if c is not None]
    if coords and reader.absent is not None:
        reader.absent(reader, sorted(set(coords)))
    return out.astype(reader.spec.layout.dtype, copy=False).reshape(
        result_shape(key, reader.spec.layout.shape)
    )


def _coords(reader: ArrayReader) -> Any:
    head = f"{reader.path}/" if reader.path else ""

    def parse(key: str) -> tuple[int, ...] | None:
        name = key.removeprefix(head)
        if reader.spec.prefix:
            name = name.removeprefix(reader.spec.prefix).lstrip("/.")
        parts = name.split(reader.spec.separator)
        good = len(parts) == len(reader.spec.layout.shape) and all(p.isdecimal() for p in parts)
        return tuple(map(int, parts)) if good else None

    return parse
