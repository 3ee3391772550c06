"""Object stores as targets, by obstore.

An object store shows an object when all of it has come, so `put` is one request. What is appended
to is spooled to a local file without a name first, which is gone when the process is.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from ngffkit.errors import NgffError, StoreError, WriteError
from ngffkit.stores.remote import ObjectStore, open_object_store
from ngffkit.stores.targets import (
    DOCUMENTS,
    Spool,
    Written,
    check_key,
    crc_of,
    view_of,
    write_error,
)

#: Objects up to this size travel in one request; larger ones in parts, which can be repeated.
_ONE_REQUEST = 2**25

#: S3 takes 10,000 parts at most, of 5 MiB at least.
PART, _MOST_PARTS = 2**24, 9_000
_PARTS_AT_ONCE = 4

#: How many objects S3 removes by one request.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was at one moment.

    Parameters
    ----------
    data : bytes
        All of it.
    tag : Any
        Changes with every write; see `Claims.claim`.
    modified : datetime
        When it was written, by the clock of the store.
    """

    data: bytes
    tag: Any
    modified: dt.datetime


class Claims(Protocol):
    """A target where an object can be written on a condition: what locks are made of."""

    url: str

    def claim(self, key: str, data: bytes, tag: Any = None) -> Any:
        """Write an object if there is none or, given a tag, if it is still the one of that tag.

        Returns the new tag, None when the condition does not hold.
        """

    def peek(self, key: str) -> Seen | None:
        """Return a small object; None when there is none."""

    def remove(self, key: str) -> None:
        """Remove an object; absent is fine."""


class Receiver(Protocol):
    """Where an `Upload` goes."""

    url: str

    def send(self, key: str, file: Any, size: int) -> None:
        """Write a file that is open for reading, and see that all of it came."""


class RemoteTarget:
    """A prefix of an object store.

    Parameters
    ----------
    inner : obstore store
        Of the bucket.
    url : str
        Where the target is, for messages.
    prefix : str
        Path of the target below the root of `inner`.
    """

    #: Enough to fill a line of high latency.
    concurrency = 32

    def __init__(self, inner: Any, url: str, prefix: str) -> None:
        self.inner, self.url, self.prefix = inner, url.rstrip("/"), prefix.strip("/")
        if not self.prefix:
            raise NgffError(f"{url!r} is a whole bucket; write to a name in it: {url}/name.zarr")
        check_key(self.prefix, self.url)

    @property
    def store(self) -> ObjectStore:
        """To read back what was written."""
        return ObjectStore(self.inner, self.url, self.prefix)

    def beside(self, suffix: str) -> RemoteTarget:
        """Return the place called like this one with `suffix` after its name."""
        return RemoteTarget(self.inner, self.url + suffix, self.prefix + suffix)

    def put(self, key: str, data: Any) -> Written:
        """Write a whole object."""
        view = view_of(data)
        self._upload(key, view, len(view))
        return Written(key, len(view), crc_of(view))

    def begin(self, key: str) -> Upload:
        """Begin a large object in a local file."""
        check_key(key, self.url)
        return Upload(key, self)

    def send(self, key: str, file: Any, size: int) -> None:
        """Upload a file that is open for reading, and see that all of it came."""
        self._upload(key, file, size)
        if self.store.size(key) != size:
            self.remove(key)
            raise WriteError(key, f"{self.url}/{key}", f"not all of its {size} bytes came; resume")

    def _upload(self, key: str, data: Any, size: int) -> None:
        import obstore

        check_key(key, self.url)
        try:
            obstore.put(
                self.inner,
                f"{self.prefix}/{key}",
                data,
                use_multipart=size > _ONE_REQUEST,
                chunk_size=max(PART, size // _MOST_PARTS + 1),
                max_concurrency=_PARTS_AT_ONCE,
            )
        except Exception as err:
            raise self._error(key, err) from err

    def remove(self, key: str) -> None:
        """Remove an object; absent is fine."""
        check_key(key, self.url)
        self._delete([key])

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of all objects below `prefix`."""
        import obstore

        if prefix := prefix.strip("/"):
            check_key(prefix, self.url)
        try:
            for batch in obstore.list(self.inner, f"{self.prefix}/{prefix}".rstrip("/")):
                for item in batch:
                    yield item["path"].removeprefix(f"{self.prefix}/")
        except Exception as err:
            if isinstance(err, FileNotFoundError):
                return
            raise self.store._error(prefix, err) from err  # noqa: SLF001 - one wording for both

    def clear(self) -> None:
        """Remove everything below, documents first, from the root down."""
        documents = [key for key in self.keys() if key.rpartition("/")[2] in DOCUMENTS]
        for key in sorted(documents, key=lambda key: (key.count("/"), key)):
            self._delete([key])
        batch: list[str] = []
        for key in self.keys():
            batch.append(key)
            if len(batch) == _BATCH:
                self._delete(batch)
                batch = []
        self._delete(batch)

    def _delete(self, keys: list[str]) -> None:
        import obstore

        if not keys:
            return
        try:
            obstore.delete(self.inner, [f"{self.prefix}/{key}" for key in keys])
        except FileNotFoundError:
            # some stores say so of an absent object, and may have stopped there
            for key in keys if len(keys) > 1 else ():
                self._delete([key])
        except Exception as err:
            raise self._error(keys[0], err) from err

    def exists(self) -> bool:
        """Tell whether there is any object below."""
        return next(self.keys(), None) is not None

    def free(self) -> int | None:
        """Return None: nobody knows."""
        return None

    def sync(self) -> None:
        """Do nothing: what a store has acknowledged is safe."""

    def sweep(self) -> None:
        """Do nothing: what is not whole is in files without a name."""

    def claim(self, key: str, data: bytes, tag: Any = None) -> Any:
        """Write an object if there is none, or if it is still the one of `tag`."""
        import obstore
        from obstore import exceptions

        refused = (exceptions.AlreadyExistsError, exceptions.PreconditionError, FileNotFoundError)
        mode: Any = "create" if tag is None else tag
        try:
            done = obstore.put(self.inner, f"{self.prefix}/{key}", data, mode=mode)
        except refused:
            return None
        except exceptions.NotSupportedError as err:
            raise WriteError(
                key,
                f"{self.url}/{key}",
                "this store can't write on a condition, so two writers could not be kept apart; "
                "write to a local folder and upload that",
            ) from err
        except Exception as err:
            raise self._error(key, err) from err
        return _tag(done)

    def peek(self, key: str) -> Seen | None:
        """Return a small object; None when there is none."""
        import obstore

        try:
            found = obstore.get(self.inner, f"{self.prefix}/{key}")
            return Seen(bytes(found.bytes()), _tag(found.meta), found.meta["last_modified"])
        except FileNotFoundError:
            return None
        except Exception as err:
            raise self.store._error(key, err) from err  # noqa: SLF001 - one wording for both

    def _error(self, key: str, err: Exception) -> WriteError:
        said = self.store._error(key, err)  # noqa: SLF001 - one wording for both
        return as_write_error(said)


class Upload:
    """A large object in a local file without a name, until it is sent.

    Parameters
    ----------
    key : str
        Of the object.
    target : Receiver
        Where it will be.
    """

    def __init__(self, key: str, target: Receiver) -> None:
        self._target, self._key = target, key
        url, self._where = f"{target.url}/{key}", f"temporary file in {tempfile.gettempdir()}"
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by commit and abort
        except OSError as err:
            raise write_error(key, url, err, self._where) from err
        self._spool = Spool(self._file.fileno(), key, url, self._where)

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._spool.size

    def append(self, data: Any) -> int:
        """Append bytes; return the offset where they begin."""
        self._check()
        return self._spool.append(data)

    def reserve(self, data: Any) -> tuple[int, Callable[[], None]]:
        """Append bytes later: return where they will begin, and what writes them there."""
        self._check()
        return self._spool.reserve(data)

    def commit(self) -> Written:
        """Send the object."""
        self._check()
        try:
            written = self._spool.settle()
            os.lseek(self._spool.fd, 0, os.SEEK_SET)
            self._target.send(self._key, self._file, written.size)
        except WriteError:
            raise
        except OSError as err:
            raise write_error(self._key, self._spool.url, err, self._where) from err
        finally:
            self.abort()
        return written

    def abort(self) -> None:
        """Leave nothing behind."""
        self._file.close()

    def _check(self) -> None:
        if self._file.closed:
            raise WriteError(
                self._key, self._spool.url, "it was committed or aborted; begin it again"
            )

    def __del__(self) -> None:
        """Leave nothing behind when it is forgotten."""
        with contextlib.suppress(Exception):
            self.abort()


def open_remote(url: str, options: Mapping[str, Any]) -> RemoteTarget:
    """Return what is written to by an s3, gs or az URL.

    Parameters
    ----------
    url : str
        Of the target.
    options : Mapping
        As for `ngffkit.stores.remote.open_object_store`.
    """
    parts = urlsplit(url)
    # the bucket is opened, because the journal lies beside the target
    inner = open_object_store(f"{parts.scheme}://{parts.netloc}", options).inner
    # "#" and "?" are characters like any others of a key
    return RemoteTarget(inner, url, url.split("://", 1)[1].partition("/")[2])


def _tag(meta: Mapping[str, Any]) -> dict[str, str]:
    """Return what obstore takes for the version of an object: no store says both."""
    return {key: meta[key] for key in ("e_tag", "version") if meta[key] is not None}


def as_write_error(said: StoreError) -> WriteError:
    """Return what a store said when it was written to."""
    cause = said.cause
    if said.denied:
        cause = f"{cause}; the key that signs (storage_options) must have the right to write there"
    return WriteError(said.key, said.url, cause, denied=said.denied)
