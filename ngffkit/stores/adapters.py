"""Stores that other libraries have opened: fsspec's and zarr-python's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ngffkit.errors import StoreError
from ngffkit.stores.base import Store, cut_range, merge_ranges


class FsspecStore:
    """Anything fsspec knows.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system.
    root : str
        Path of the root in it.
    url : str
        Where that is, for messages.
    """

    concurrency = 16

    def __init__(self, fs: Any, root: str, url: str) -> None:
        self.fs, self.root, self.url = fs, root.rstrip("/"), url.rstrip("/")

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        end = None if length is None or start < 0 else start + length
        try:
            data = self.fs.cat_file(f"{self.root}/{key}", start=start or None, end=end)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except Exception as err:
            raise self._error(key, err) from err
        return data if length is None else data[:length]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a file; near ones travel together."""
        return _ranges(self, key, ranges)

    def size(self, key: str) -> int | None:
        """Return the size of a file in bytes, None when it does not exist."""
        try:
            return int(self.fs.size(f"{self.root}/{key}"))
        except FileNotFoundError:
            return None
        except Exception as err:
            raise self._error(key, err) from err

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`, None where the file system can't list."""
        try:
            found = self.fs.ls(f"{self.root}/{prefix}".rstrip("/"), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except Exception:  # noqa: BLE001 - every file system has its own way to say that it can't
            return None
        return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in found)

    def _error(self, key: str, err: Exception) -> StoreError:
        denied = isinstance(err, PermissionError) or getattr(err, "status", 0) in (401, 403)
        cause = str(err) or type(err).__name__
        return StoreError(key, f"{self.url}/{key}", cause, denied=denied)


class ZarrStore:
    """A store that zarr-python has opened.

    Parameters
    ----------
    inner : zarr.abc.store.Store
        The store.
    prefix : str
        Path below its root.
    """

    concurrency = 16

    def __init__(self, inner: Any, prefix: str = "") -> None:
        self.inner, self._prefix = inner, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.url = f"{inner}/{prefix}".rstrip("/")

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        from zarr.abc.store import OffsetByteRequest, RangeByteRequest, SuffixByteRequest
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        wanted: Any = None
        if start < 0:
            wanted = SuffixByteRequest(-start)
        elif length is not None:
            wanted = RangeByteRequest(start, start + length)
        elif start:
            wanted = OffsetByteRequest(start)
        try:
            found = sync(self.inner.get(self._prefix + key, default_buffer_prototype(), wanted))
        except FileNotFoundError:
            return None
        except Exception as err:
            denied = isinstance(err, PermissionError)
            cause = str(err) or type(err).__name__
            raise StoreError(key, f"{self.url}/{key}", cause, denied=denied) from err
        if found is None:
            return None
        data = found.to_bytes()
        return data if length is None else data[:length]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a key."""
        return _ranges(self, key, ranges)

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`, None where the store can't list."""
        from zarr.core.sync import sync

        if not self.inner.supports_listing:
            return None

        async def collect() -> list[str]:
            return [name async for name in self.inner.list_dir((self._prefix + prefix).rstrip("/"))]

        try:
            return sorted({name.rstrip("/") for name in sync(collect())})
        except (FileNotFoundError, NotADirectoryError):
            return []


def _ranges(store: Store, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
    """Return several ranges of a key; near ones travel together."""
    spans = merge_ranges(ranges)
    parts = [store.get(key, start, stop - start) for start, stop in spans]
    if any(part is None for part in parts):
        raise StoreError(key, f"{store.url}/{key}", "it vanished while it was read")
    return [cut_range(spans, parts, start, length) for start, length in ranges]
