"""From whatever names a place to a store: the dispatch behind `nk.open`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from ngffkit.errors import NgffError, NotFoundError
from ngffkit.stores.base import LocalStore, Store

_OBSTORE_SCHEMES = {"http", "https", "s3", "gs", "az", "abfs", "abfss"}
_ZIP_ENDINGS = (".zip", ".ozx")


def open_store(source: Any, storage_options: Mapping[str, Any] | None = None) -> Store:
    """Open the store that `source` names.

    Parameters
    ----------
    source : str, Path, zarr.Group, zarr.Array, zarr store, obstore store, fsspec mapper or Store
        A folder, a zip file, a URL (http, https, s3, gs, az by obstore; any other by fsspec),
        or what is open already.
    storage_options : Mapping, optional
        For obstore or fsspec, e.g. ``{"anon": True}``; ``{"cache": "2 GB"}``, or a mapping of the
        options of `ngffkit.cache`, keeps on disk what is fetched.

    Returns
    -------
    Store
        Keys are relative to `source`.

    Raises
    ------
    NotFoundError
        When there is nothing.
    NgffError
        When it can't be opened.
    """
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if not isinstance(text, str):
            raise NgffError(f"{text!r} is bytes; a str or a Path was expected")
        scheme = text.split("://", 1)[0].split("::", 1)[0].lower()
        if "://" not in text and "::" not in text:
            return _open_local(text)
        if scheme == "file":
            from urllib.request import url2pathname  # late: it brings http and ssl

            return _open_local(url2pathname(urlsplit(text).path))
        options = dict(storage_options or {})
        if "cache" in options:
            from ngffkit.stores.caching import cache, cache_options

            return cache(source, **cache_options(options.pop("cache")), storage_options=options)
        store, name = _open_remote(text.rstrip("/"), scheme, options)
        if name is None:
            return store
        from ngffkit.stores.zips import ZipStore

        return ZipStore(cast("Any", store), name)
    return _open_object(source)


def _open_local(text: str) -> Store:
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            return LocalStore(path)
        exists = path.exists()
    except (OSError, ValueError, RuntimeError) as err:
        raise NgffError(f"{text!r} is not a path: {err}") from err
    if not exists:
        raise NotFoundError(f"{text!r} does not exist; a folder, a zip file or a URL was expected")
    from ngffkit.stores.zips import ZipStore

    path = path.absolute()
    try:
        return ZipStore(LocalStore(path.parent), path.name)
    except NgffError as err:
        raise NgffError(f"{text!r} is neither a Zarr folder nor a zip file of one ({err})") from err


def open_beneath(source: Any, options: Mapping[str, Any]) -> tuple[Store, str | None]:
    """Open what `source` names, or the store that its zip file lies in.

    Returns
    -------
    Store
        Not asked for anything yet when `source` is the URL of a zip file.
    str or None
        The key of the zip file in it; None when it is the store that `source` names.
    """
    text = os.fspath(source) if isinstance(source, (str, os.PathLike)) else ""
    if not isinstance(text, str) or ("://" not in text and "::" not in text):
        return open_store(source, options), None
    scheme = text.split("://", 1)[0].split("::", 1)[0].lower()
    if scheme == "file":
        return open_store(source, options), None
    return _open_remote(text.rstrip("/"), scheme, dict(options))


def _open_remote(url: str, scheme: str, options: dict[str, Any]) -> tuple[Store, str | None]:
    from ngffkit.stores import adapters, remote

    parts = urlsplit(url)
    zipped = parts.path.lower().endswith(_ZIP_ENDINGS) and "::" not in url
    if scheme in _OBSTORE_SCHEMES:
        if scheme in ("http", "https") and (parts.query or parts.fragment):
            raise NgffError(
                f"{url!r} ends in a query or fragment, which can't be kept for the keys below; "
                "pass tokens by storage_options"
            )
        if not zipped:
            return remote.open_object_store(url, options), None
        folder, _, name = url.rpartition("/")
        name = unquote(name) if scheme in ("http", "https") else name
        return remote.open_object_store(folder, options), name
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError, OSError) as err:
        raise NgffError(f"can't open {url!r}: {err}") from err
    if zipped:
        folder, _, name = path.rpartition("/")
        return adapters.FsspecStore(fs, folder, url.rpartition("/")[0]), name
    return adapters.FsspecStore(fs, path, url), None


def _open_object(source: Any) -> Store:
    if isinstance(source, Store):
        return source
    from ngffkit.stores import adapters

    # a store of one's own making derives from zarr's
    modules = {kind.__module__.split(".", 1)[0] for kind in type(source).__mro__}
    if "zarr" in modules:
        return _open_zarr(source)
    if hasattr(source, "fs") and hasattr(source, "root"):  # fsspec's mapping
        return adapters.FsspecStore(source.fs, source.root, source.fs.unstrip_protocol(source.root))
    if "obstore" in modules:
        return _open_obstore(source, "")
    raise NgffError(
        f"can't open a {type(source).__name__}; a path, a URL, or a group, array or store of zarr "
        "was expected"
    )


def _open_zarr(source: Any) -> Store:
    """Open a group, array, store path or store of zarr-python by a reader of our own, if we can."""
    from ngffkit.stores import adapters

    path, inner = "", source
    if hasattr(source, "store") and hasattr(source, "path"):
        path, inner = source.path, source.store
    kind = type(inner).__name__
    if kind == "LocalStore":
        return LocalStore(Path(inner.root, path))
    if kind == "ObjectStore":
        return _open_obstore(inner.store, path)
    return adapters.ZarrStore(inner, path)


def _open_obstore(source: Any, path: str) -> Store:
    from ngffkit.stores import remote

    if type(source).__name__ == "LocalStore":
        return LocalStore(Path(source.prefix or "/", path))
    return remote.ObjectStore(source, f"{remote.address_of(source)}/{path}", path)
