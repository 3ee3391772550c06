"""Stores that are not a local folder: object stores, zip files, fsspec, zarr-python's own."""

from __future__ import annotations

import datetime as dt
import io
import os
import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ngffkit.errors import NgffError, NotFoundError, StoreError

#: obstore's retries: on 429, 5xx and lost connections, with exponential back-off.
_RETRY = {
    "max_retries": 5,
    "backoff": {
        "init_backoff": dt.timedelta(milliseconds=100),
        "max_backoff": dt.timedelta(seconds=5),
        "base": 2,
    },
    "retry_timeout": dt.timedelta(seconds=60),
}

#: fsspec's names for what obstore calls otherwise.
_ALIASES = {
    "anon": "skip_signature",
    "key": "access_key_id",
    "secret": "secret_access_key",
    "token": "session_token",
    "endpoint_url": "endpoint",
    "region_name": "region",
}

#: Any of these in the environment means that there is somebody to be, at S3.
_S3_IDENTITY = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class ObjectStore:
    """An object store or web server, read by obstore."""

    #: Enough to fill a line of high latency: zarr-python's 10 take twice as long as 64.
    concurrency = 64

    def __init__(self, inner: Any, url: str, prefix: str = "") -> None:
        self.inner, self.url = inner, url.rstrip("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        import obstore

        path = self._prefix + key
        try:
            if start < 0:
                options = {"range": {"suffix": -start}}
                return memoryview(obstore.get(self.inner, path, options=options).bytes())
            if length is not None:
                return memoryview(obstore.get_range(self.inner, path, start=start, length=length))
            return memoryview(obstore.get(self.inner, path).bytes())
        except FileNotFoundError:
            return None
        except Exception as err:
            raise self._error(key, err) from err

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of an object; near ones travel together."""
        import obstore

        starts, lengths = [r[0] for r in ranges], [r[1] for r in ranges]
        try:
            found = obstore.get_ranges(
                self.inner, self._prefix + key, starts=starts, lengths=lengths
            )
            return [memoryview(part) for part in found]
        except Exception as err:
            raise self._error(key, err) from err

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`; web servers don't list."""
        import obstore

        if urlsplit(self.url).scheme in ("http", "https"):
            return None
        try:
            found = obstore.list_with_delimiter(self.inner, self._prefix + prefix)
        except Exception as err:
            raise self._error(prefix, err) from err
        names = [*found["common_prefixes"], *(item["path"] for item in found["objects"])]
        return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in names)

    def _error(self, key: str, err: Exception) -> StoreError:
        from obstore import exceptions

        denied = isinstance(
            err, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        )
        cause = str(err).split("\n\nDebug source", 1)[0].strip()
        return StoreError(key, f"{self.url}/{key}", cause, denied=denied)


def open_object_store(url: str, options: Mapping[str, Any]) -> ObjectStore:
    """Open http(s), s3, gs or az by obstore.

    Parameters
    ----------
    url : str
        Of the root.
    options : Mapping
        obstore's configuration keys, or fsspec's names for the same (``anon``, ``key``,
        ``secret``, ``endpoint_url``). `client_options` and `retry_config` are handed on.
    """
    from obstore import store as stores

    parts = urlsplit(url)
    config = {_ALIASES.get(k, k): v for k, v in options.items()}
    config.update(config.pop("client_kwargs", {}) or {})
    config = {_ALIASES.get(k, k): v for k, v in config.items()}
    client = {"allow_http": True, "timeout": "60s", **config.pop("client_options", {})}
    retry = config.pop("retry_config", _RETRY)
    try:
        if parts.scheme in ("http", "https"):
            inner: Any = stores.HTTPStore.from_url(url, client_options=client, retry_config=retry)
            return ObjectStore(inner, url)
        if parts.scheme == "s3" and "skip_signature" not in config and not _has_identity(config):
            config["skip_signature"] = True
        make = {"s3": stores.S3Store, "gs": stores.GCSStore}.get(parts.scheme, stores.AzureStore)
        inner = make(parts.netloc, config=config, client_options=client, retry_config=retry)
    except Exception as err:
        raise NgffError(
            f"can't open {url}: {err}; storage_options are obstore's configuration keys"
        ) from err
    return ObjectStore(inner, url, parts.path)


def _has_identity(config: Mapping[str, Any]) -> bool:
    # without one, obstore would ask the metadata service of a cloud machine, for seconds
    return "access_key_id" in config or any(name in os.environ for name in _S3_IDENTITY)


class FsspecStore:
    """Anything fsspec knows."""

    concurrency = 16

    def __init__(self, fs: Any, root: str, url: str) -> None:
        self.fs, self.root, self.url = fs, root.rstrip("/"), url.rstrip("/")

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        end = None if length is None or start < 0 else start + length
        begin = start or None
        try:
            data = self.fs.cat_file(f"{self.root}/{key}", start=begin, end=end)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except Exception as err:
            denied = isinstance(err, PermissionError) or getattr(err, "status", 0) in (401, 403)
            cause = str(err) or type(err).__name__
            raise StoreError(key, f"{self.url}/{key}", cause, denied=denied) from err
        return data if length is None else data[:length]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a file."""
        return [self._must(key, self.get(key, start, length)) for start, length in ranges]

    def _must(self, key: str, data: Any) -> Any:
        if data is None:
            raise StoreError(key, f"{self.url}/{key}", "it vanished while it was read")
        return data

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`, None where the file system can't list."""
        try:
            found = self.fs.ls(f"{self.root}/{prefix}".rstrip("/"), detail=False)
        except FileNotFoundError:
            return []
        except Exception:  # noqa: BLE001 - every file system has its own way to say that it can't
            return None
        return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in found)


class ZipStore:
    """A zip file (``.ozx``, ``.zip``): local, or read by ranges from where it is."""

    concurrency = 1

    def __init__(self, file: Any, url: str) -> None:
        self.url, self._file = url, file
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as err:
            raise NgffError(f"{url} is not a zip file that can be read: {err}") from err
        names = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        self._prefix = _common_root(names)
        self._names = {name.removeprefix(self._prefix): info for name, info in names.items()}

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of a member or of a range of it."""
        info = self._names.get(key)
        if info is None:
            return None
        try:
            # one file handle, and remote ones are not safe to share
            with self._lock, self._zip.open(info) as member:
                if start == 0 and length is None:
                    return self._whole(member, info)
                if start:
                    member.seek(start if start > 0 else max(0, info.file_size + start))
                return member.read() if length is None else member.read(length)
        except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError) as err:
            raise StoreError(key, f"{self.url}/{key}", f"damaged zip member: {err}") from err

    def _whole(self, member: Any, info: zipfile.ZipInfo) -> bytes:
        # the directory may understate what a member inflates to
        data: bytes = member.read(info.file_size + 1)
        if len(data) != info.file_size:
            raise zipfile.BadZipFile(f"{len(data)} bytes, its directory says {info.file_size}")
        return data

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a member."""
        return [self.get(key, start, length) for start, length in ranges]

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`."""
        head = f"{prefix.rstrip('/')}/" if prefix else ""
        return sorted(
            {name[len(head) :].split("/", 1)[0] for name in self._names if name.startswith(head)}
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by opening it again, for worker processes."""
        return _reopen_zip, (self.url,)


def _reopen_zip(url: str) -> Any:
    from ngffkit.opening import open_store

    return open_store(url)


def _common_root(names: Mapping[str, Any]) -> str:
    """Return the one folder that holds everything, when the root has no metadata of its own."""
    if any(name in names for name in ("zarr.json", ".zgroup", ".zarray", ".zattrs")):
        return ""
    tops = {name.split("/", 1)[0] for name in names if "/" in name}
    rest = [name for name in names if "/" not in name]
    return f"{tops.pop()}/" if len(tops) == 1 and not rest else ""


class RangeFile(io.RawIOBase):
    """A file-like over ranges of one object, for zip files that are far away."""

    def __init__(self, store: Any, key: str, size: int) -> None:
        super().__init__()
        self._store, self._key, self._size, self._pos = store, key, size, 0

    def seekable(self) -> bool:
        """Tell zipfile that it may seek."""
        return True

    def readable(self) -> bool:
        """Tell io that it may read."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position."""
        self._pos = offset + (0, self._pos, self._size)[whence]
        return self._pos

    def tell(self) -> int:
        """Return the position."""
        return self._pos

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        count = max(0, min(len(buffer), self._size - self._pos))
        if count:
            data = self._store.get(self._key, self._pos, count)
            if data is None:
                raise NotFoundError(f"{self._store.url}/{self._key} vanished while it was read")
            count = len(data)
            buffer[:count] = data
            self._pos += count
        return count


class ZarrStore:
    """A store that zarr-python has opened."""

    concurrency = 16

    def __init__(self, inner: Any, prefix: str = "") -> None:
        self.inner, self._prefix = inner, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self.url = f"{inner}/{prefix}".rstrip("/")

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        from zarr.abc.store import RangeByteRequest, SuffixByteRequest
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        wanted: Any = None
        if start < 0:
            wanted = SuffixByteRequest(-start)
        elif length is not None:
            wanted = RangeByteRequest(start, start + length)
        try:
            found = sync(self.inner.get(self._prefix + key, default_buffer_prototype(), wanted))
        except FileNotFoundError:
            return None
        except Exception as err:
            denied = isinstance(err, PermissionError)
            cause = str(err) or type(err).__name__
            raise StoreError(key, f"{self.url}/{key}", cause, denied=denied) from err
        return None if found is None else found.to_bytes()

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a key."""
        return [self.get(key, start, length) for start, length in ranges]

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`, None where the store can't list."""
        from zarr.core.sync import sync

        if not self.inner.supports_listing:
            return None

        async def collect() -> list[str]:
            return [name async for name in self.inner.list_dir((self._prefix + prefix).rstrip("/"))]

        return sorted(name.rstrip("/") for name in sync(collect()))
