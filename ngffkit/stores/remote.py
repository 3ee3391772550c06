"""Object stores and web servers, by obstore."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import urlsplit

from ngffkit.errors import NgffError, StoreError
from ngffkit.stores.base import cut_range, is_web_page, merge_ranges
from ngffkit.stores.patience import ShortError, patiently
from ngffkit.stores.versions import ChangedError, Fetched, conditions, tag_of

#: obstore's retries: on 429, 5xx and lost connections, with exponential back-off. A server that is
#: down is given up within seconds.
_RETRY: Mapping[str, Any] = {
    "max_retries": 5,
    "backoff": {
        "init_backoff": dt.timedelta(milliseconds=100),
        "max_backoff": dt.timedelta(seconds=5),
        "base": 2,
    },
    "retry_timeout": dt.timedelta(seconds=60),
}

#: A slow line may take long for a large object, but a silent one is given up.
_CLIENT: Mapping[str, Any] = {
    "allow_http": True,
    "timeout": "10m",
    "read_timeout": "30s",
    "connect_timeout": "10s",
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

#: Any of these in the environment or the options means that there is somebody to be.
_S3_IDENTITY = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_GS_IDENTITY = (
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT",
    "GOOGLE_SERVICE_ACCOUNT_PATH",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
)

#: How obstore's options for keys begin.
_KEYS = ("access_key", "service_account", "application_credentials", "bearer_token")

#: Ranges of one object that are asked for at the same time.
_RANGES_AT_ONCE = 16

#: From this length on, the head of an object is asked for without a range: most objects are
#: shorter, some servers don't know ranges, and the size is told before the body comes.
_HEAD = 2**24

#: What obstore's errors say beneath "error sending request", in its own words and in ours.
_DEEPER = (
    ("ConnectionRefused", "connection refused: is the server down?"),
    ("ConnectionReset", "the connection was reset"),
    ("IncompleteMessage", "the connection was closed before an answer came"),
    ("TimedOut", "it took too long to answer"),
    ("dns error", "no such host"),
    ("UnexpectedEof", "the connection was closed before all of it came"),
    ("UnexpectedRange", "another range came than was asked for"),
    ("NotPartial", "something else came instead of a range: a login page?"),
    ("incorrectly configured region", "pass the bucket's region: storage_options={'region': ...}"),
)


class ObjectStore:
    """An object store or web server, read by obstore.

    Parameters
    ----------
    inner : obstore store
        Asked for the bytes.
    url : str
        Where its root is, for messages.
    prefix : str
        Path below the root of `inner`.
    """

    #: Enough to fill a line of high latency: zarr-python's 10 take twice as long as 64.
    concurrency = 64

    def __init__(self, inner: Any, url: str, prefix: str = "") -> None:
        self.inner, self.url = inner, url.rstrip("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        if length is not None and length <= 0:
            return b"" if self.size(key) is not None else None
        try:
            return patiently(lambda: self._get(self._prefix + key, start, length), self.inner)
        except FileNotFoundError:
            return None
        except Exception as err:
            from obstore.exceptions import NotSupportedError

            # Azure has no ranges from the end, simple web servers have none at all
            if isinstance(err, NotSupportedError) and (start < 0 or self._is_http):
                return self._without(key, start, length)
            raise self._error(key, err) from err

    def _get(self, path: str, start: int, length: int | None) -> memoryview:
        import obstore

        if start == 0 and (length is None or length >= _HEAD):
            found = obstore.get(self.inner, path)
            if length is None or found.meta["size"] <= length:
                return memoryview(found.bytes())
        if start < 0 or length is None:
            part = {"suffix": -start} if start < 0 else {"offset": start}
            found = obstore.get(self.inner, path, options=cast("Any", {"range": part}))
            data = _whole(found)
            return data if length is None else data[:length]
        data = memoryview(obstore.get_range(self.inner, path, start=start, length=length))
        if len(data) < length:
            # at the end of the object that is right; only an answer with its size can tell
            stop = start + length
            data = _whole(obstore.get(self.inner, path, options={"range": (start, stop)}))
        return data

    def _without(self, key: str, start: int, length: int | None) -> Any:
        """Get a range where a server does not know ranges, or none that count from the end."""
        if not self._is_http:
            size = self.size(key)
            if size is None:
                return None
            begin = max(0, size + start)
            return self.get(key, begin, size - begin if length is None else length)
        data = self.get(key)
        if data is None:
            return None
        begin = max(0, len(data) + start) if start < 0 else start
        stop = len(data) if length is None else begin + length
        if is_web_page(data):
            raise StoreError(
                key, f"{self.url}/{key}", "a web page came instead of a range (a login page?)"
            )
        return data[begin:stop]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of an object; near ones travel together."""
        spans = merge_ranges(ranges)
        if len(spans) <= 1:
            parts = [self._must(key, *span) for span in spans]
        else:
            with ThreadPoolExecutor(min(len(spans), _RANGES_AT_ONCE)) as pool:
                parts = list(pool.map(lambda span: self._must(key, *span), spans))
        return [cut_range(spans, parts, start, length) for start, length in ranges]

    def _must(self, key: str, start: int, stop: int) -> Any:
        data = self.get(key, start, stop - start)
        if data is None:
            raise StoreError(key, f"{self.url}/{key}", "it vanished while it was read")
        return data

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, None when it does not exist."""
        import obstore

        try:
            return int(obstore.head(self.inner, self._prefix + key)["size"])
        except FileNotFoundError:
            return None
        except Exception as err:
            raise self._error(key, err) from err

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`; None where that is refused or unheard of."""
        import obstore

        if self._is_http:
            return None
        try:
            found = obstore.list_with_delimiter(self.inner, (self._prefix + prefix).rstrip("/"))
        except Exception as err:
            status = re.search(r"status code: (\d+)", str(err))
            if status and status[1] in ("401", "403"):
                return None
            if status and status[1] == "404":
                return []
            raise self._error(prefix, err) from err
        names = [*found["common_prefixes"], *(item["path"] for item in found["objects"])]
        return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in names)

    @property
    def _is_http(self) -> bool:
        return type(self.inner).__name__ == "HTTPStore"

    def _error(self, key: str, err: Exception) -> StoreError:
        from obstore import exceptions

        denied = isinstance(
            err, (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError)
        )
        cause, _, debug = str(err).partition("\n\nDebug source")
        # what S3 says comes as XML; its message is all that helps
        said = re.search(r"<Message>(.*?)</Message>", cause, re.DOTALL)
        cause = cause.partition("<?xml")[0].strip().rstrip(":")
        cause = re.sub(r" in [\d.]+(ns|µs|ms|s)\b", "", cause)
        if said:
            cause = f"{cause}: {' '.join(said[1].split())}"
        deeper = [ours for theirs, ours in _DEEPER if theirs in debug or theirs in cause]
        if deeper:
            cause = f"{cause} ({deeper[0]})"
        return StoreError(key, f"{self.url}/{key}".rstrip("/"), cause, denied=denied)

    def fetch(
        self,
        key: str,
        start: int = 0,
        length: int | None = None,
        *,
        match: str = "",
        known: str = "",
    ) -> Fetched | None:
        """Return a range as `get` does, with its version; see `versions.Versioned`."""
        import obstore
        from obstore.exceptions import NotModifiedError, NotSupportedError, PreconditionError

        path, options = self._prefix + key, conditions(match, known)
        part = _part(start, length)

        def ask() -> tuple[Any, memoryview]:
            answer = obstore.get(self.inner, path, options=cast("Any", options | part))
            if not part and length is not None and answer.meta["size"] > length:
                first: Any = options | {"range": (0, length)}
                answer = obstore.get(self.inner, path, options=first)
            return answer, memoryview(b"") if length == 0 else _whole(answer)

        try:
            found, data = patiently(ask, self.inner)
            size = int(found.meta["size"])
        except FileNotFoundError:
            return None
        except NotModifiedError:
            return Fetched(None, known, -1)
        except PreconditionError as err:
            raise ChangedError(key, f"{self.url}/{key}") from err
        except Exception as err:
            if isinstance(err, NotSupportedError) and part and (start < 0 or self._is_http):
                return self._fetch_without(key, start, length, match)
            raise self._error(key, err) from err
        tag = tag_of(found.meta["e_tag"], found.meta["last_modified"], size)
        return Fetched(data if length is None else data[:length], tag, size)

    def _fetch_without(
        self, key: str, start: int, length: int | None, match: str
    ) -> Fetched | None:
        """Fetch a range, as `_without` gets it."""
        if not self._is_http:
            size = self.size(key)
            begin = max(0, (size or 0) + start)
            return None if size is None else self.fetch(key, begin, length or size, match=match)
        whole = self.fetch(key, match=match)
        if whole is None:
            return None
        if is_web_page(whole.data):
            raise StoreError(
                key, f"{self.url}/{key}", "a web page came instead of a range (a login page?)"
            )
        begin = max(0, whole.size + start) if start < 0 else start
        stop = whole.size if length is None else begin + length
        return Fetched(whole.data[begin:stop], whole.tag, whole.size)


def _part(start: int, length: int | None) -> dict[str, Any]:
    """Return obstore's options that ask for a range, or for the size alone."""
    if length == 0:
        return {"head": True}
    if start < 0:
        return {"range": {"suffix": -start}}
    if length is None or (start == 0 and length >= _HEAD):
        return {"range": {"offset": start}} if start else {}
    return {"range": (start, start + length)}


def _whole(found: Any) -> memoryview:
    """Return the body of an answer, when it is as long as its header says."""
    data = memoryview(found.bytes())
    start, stop = found.range
    if len(data) != stop - start:
        raise ShortError(f"{len(data)} bytes came where {stop - start} were promised")
    return data


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
    config: Any = {_ALIASES.get(k, k): v for k, v in options.items()}
    config.update(config.pop("client_kwargs", {}) or {})
    if config.get("session_token") == "anon":  # as gcsfs says it
        config["skip_signature"] = bool(config.pop("session_token"))
    config = {_ALIASES.get(k, k): v for k, v in config.items()}
    client: Any = {**_CLIENT, **config.pop("client_options", {})}
    retry: Any = {**_RETRY, **config.pop("retry_config", {})}
    try:
        if parts.scheme in ("http", "https"):
            client |= _headers(config)
            inner: Any = stores.HTTPStore.from_url(url, client_options=client, retry_config=retry)
            return ObjectStore(inner, url)
        if parts.scheme == "s3":
            config.setdefault("skip_signature", not _is_somebody(config, _S3_IDENTITY))
            make: Any = stores.S3Store
        elif parts.scheme == "gs":
            config.setdefault("skip_signature", not _is_somebody(config, _GS_IDENTITY))
            make = stores.GCSStore
        else:
            # the account may stand in the address: abfss://container@account.dfs...
            inner = stores.AzureStore.from_url(
                url, config=config, client_options=client, retry_config=retry
            )
            return ObjectStore(inner, url)
        inner = make(parts.netloc, config=config, client_options=client, retry_config=retry)
    except NgffError:
        raise
    except Exception as err:
        raise NgffError(
            f"can't open {url}: {err}; storage_options are obstore's configuration keys"
        ) from err
    # "#" and "?" are characters like any others of a key
    return ObjectStore(inner, url, url.split("://", 1)[1].partition("/")[2])


def _headers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options mean to a web server: fsspec's ``headers``."""
    rest = {key: value for key, value in config.items() if key not in ("skip_signature", "headers")}
    if rest:
        raise NgffError(
            f"storage_options {sorted(rest)} mean nothing to http(s); headers, client_options and "
            "retry_config do, e.g. {'headers': {'Authorization': 'Bearer ...'}}"
        )
    return {"default_headers": dict(config["headers"])} if config.get("headers") else {}


def _is_somebody(config: Mapping[str, Any], names: Sequence[str]) -> bool:
    """Tell whether options or environment say who asks.

    Without, obstore would ask the metadata service of a cloud machine, for seconds; whoever is on
    one passes ``anon=False``.
    """
    given = {key.lower() for key in config}
    return any(name in os.environ or name.lower() in given for name in names) or any(
        key.startswith(_KEYS) for key in given
    )


def address_of(inner: Any) -> str:
    """Return where an obstore store is, for messages."""
    kind = type(inner).__name__
    if kind == "HTTPStore":
        return str(inner.url)
    scheme = {"S3Store": "s3", "GCSStore": "gs", "AzureStore": "az"}.get(kind)
    if scheme is None:
        return "memory://" if kind == "MemoryStore" else repr(inner)
    config = inner.config
    bucket = config.get("bucket") or config.get("container_name") or ""
    return "/".join(part for part in (f"{scheme}://{bucket}", str(inner.prefix or "")) if part)
