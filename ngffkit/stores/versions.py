"""Which version of an object bytes belong to: what servers say of it, and what is asked by it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ngffkit.errors import NgffError, StoreError
from ngffkit.stores.adapters import FsspecStore
from ngffkit.stores.base import Store

#: A time of change tells versions apart when it lies so far back that there was no second change
#: within its second (RFC 9110, 8.8.2.2), on clocks that differ.
_SETTLED = dt.timedelta(seconds=60)

#: Longer tags are taken for none.
_LONGEST = 1024

#: How a version begins that is a time of change and a size.
_MODIFIED = "modified "

#: What file systems call the checksum of a file, the best first.
_CHECKSUMS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "checksum", "sha256", "sha")

#: What they call the time of its last change.
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified")


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of a request.

    Parameters
    ----------
    data : bytes-like or None
        The bytes; None when the version is the one that is known.
    tag : str
        Which version of the object they belong to; empty when the server doesn't say.
    size : int
        Bytes of the whole object; -1 when it was not said.
    """

    data: Any
    tag: str
    size: int


class ChangedError(StoreError):
    """An object was replaced while parts of it were read."""

    def __init__(self, key: str, url: str, cause: str = "", *, denied: bool = False) -> None:
        cause = cause or "it changed while it was read; open it again, by a new nk.cache(...)"
        super().__init__(key, url, cause, denied=denied)


@runtime_checkable
class Versioned(Store, Protocol):
    """A store that tells versions of its objects apart."""

    def fetch(
        self,
        key: str,
        start: int = 0,
        length: int | None = None,
        *,
        match: str = "",
        known: str = "",
    ) -> Fetched | None:
        """Return a range as `get` does, with its version; of length 0, the size alone.

        `known` is a version that need not come again; of any other than `match` nothing is wanted,
        and ChangedError raised.
        """


def tag_of(etag: str | None, modified: dt.datetime | None, size: int) -> str:
    """Return the version of an object, empty when there is nothing to tell it by.

    Parameters
    ----------
    etag : str or None
        As the server spells it (RFC 9110, 8.8.3).
    modified : datetime or None
        When it was changed, with a time zone.
    size : int
        Its bytes.

    Examples
    --------
    >>> tag_of('"abc"', None, 9)
    '"abc"'
    >>> tag_of(None, dt.datetime(2020, 1, 2, tzinfo=dt.UTC), 9)
    'modified 2020-01-02T00:00:00+00:00 9'
    >>> tag_of(None, dt.datetime.now(dt.UTC), 9)
    ''
    """
    if etag:
        return etag if len(etag) <= _LONGEST else ""
    # obstore says 1970 where nothing was said
    if modified is None or modified.timestamp() <= 0:
        return ""
    if dt.datetime.now(dt.UTC) - modified < _SETTLED:
        return ""
    return f"{_MODIFIED}{modified.isoformat()} {size}"


def conditions(match: str, known: str) -> dict[str, Any]:
    """Return obstore's options that ask for one version, or for any but a known one.

    A weak tag never matches (RFC 9110, 13.1.1); whoever asks compares what comes.

    Examples
    --------
    >>> conditions('"a"', ""), conditions("", 'W/"b"'), conditions('W/"b"', "")
    ({'if_match': '"a"'}, {'if_none_match': 'W/"b"'}, {})
    """
    out: dict[str, Any] = {}
    if match.startswith(_MODIFIED):
        out["if_unmodified_since"] = dt.datetime.fromisoformat(match.split(" ")[1])
    elif match and not match.startswith("W/"):
        out["if_match"] = match
    if known.startswith(_MODIFIED):
        out["if_modified_since"] = dt.datetime.fromisoformat(known.split(" ")[1])
    elif known:
        out["if_none_match"] = known
    return out


class VersionedFiles(FsspecStore):
    """Files of fsspec that have a checksum, or a time of change.

    There are no conditions in fsspec, so a file is looked up beside each request: before the first
    of a version, after the others. What is read meanwhile counts as the older version at worst.

    Raises
    ------
    NgffError
        When the file system tells neither.
    """

    def fetch(
        self,
        key: str,
        start: int = 0,
        length: int | None = None,
        *,
        match: str = "",
        known: str = "",
    ) -> Fetched | None:
        """Return a range as `get` does, with its version."""
        before = None if match else self._look(key)
        if not match and before is None:
            return None
        if before is not None and (length == 0 or (known and before[0] == known)):
            return Fetched(b"" if length == 0 else None, *before)
        data = b"" if length == 0 else self.get(key, start, length)
        tag, size = before or self._look(key) or ("", -1)
        if data is None:
            return None
        if match and tag != match:
            raise ChangedError(key, f"{self.url}/{key}")
        return Fetched(data, tag, size)

    def _look(self, key: str) -> tuple[str, int] | None:
        path = f"{self.root}/{key}"
        try:
            self.fs.invalidate_cache(path.rpartition("/")[0])
            info = self.fs.info(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as err:
            raise self._error(key, err) from err
        if info.get("type") == "directory":
            return None
        size = int(-1 if info.get("size") is None else info["size"])
        checksum = next((info[name] for name in _CHECKSUMS if info.get(name)), None)
        time = next((info[name] for name in _TIMES if info.get(name)), None)
        if checksum is None and time is None:
            raise NgffError(
                f"{self.url} can't be cached: the file system {type(self.fs).__name__} tells "
                "neither a checksum nor a time of change; open it without a cache"
            )
        if checksum is not None:
            return str(checksum), size
        return tag_of(None, _time_of(time), size), size


def _time_of(value: Any) -> dt.datetime | None:
    if isinstance(value, (int, float)):
        return dt.datetime.fromtimestamp(value, dt.UTC)
    if isinstance(value, str):
        try:
            value = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
