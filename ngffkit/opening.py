"""From whatever names a place to a store: the dispatch behind `nk.open`."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ngffkit.errors import NgffError, NotFoundError
from ngffkit.store import LocalStore, Store

_OBSTORE_SCHEMES = {"http", "https", "s3", "gs", "az", "abfs", "abfss"}
_ZIP_ENDINGS = (".zip", ".ozx")


def open_store(source: Any, storage_options: Mapping[str, Any] | None = None) -> Store:
    """Open the store that `source` names.

    Parameters
    ----------
    source : str, Path, zarr.Group, zarr.Array, zarr store or Store
        A folder, a zip file, a URL (http, https, s3, gs, az by obstore; any other by fsspec),
        or what is open already.
    storage_options : Mapping, optional
        For obstore or fsspec, e.g. ``{"anon": True}``.

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
            return _open_local(unquote(urlsplit(text).path))
        return _open_remote(text.rstrip("/"), scheme, dict(storage_options or {}))
    return _open_object(source)


def _open_local(text: str) -> Store:
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return LocalStore(path)
        exists = path.exists()
    except (OSError, ValueError) as err:
        raise NgffError(f"{text!r} is not a path: {err}") from err
    if not exists:
        raise NotFoundError(f"{text!r} does not exist; a folder, a zip file or a URL was expected")
    from ngffkit.remote import ZipStore

    try:
        return ZipStore(path, str(path.absolute()))
    except NgffError as err:
        raise NgffError(
            f"{text!r} is neither a Zarr folder nor a zip file of one ({err})"
        ) from err


def _open_remote(url: str, scheme: str, options: dict[str, Any]) -> Store:
    from ngffkit import remote

    zipped = urlsplit(url).path.lower().endswith(_ZIP_ENDINGS) and "::" not in url
    if scheme in _OBSTORE_SCHEMES:
        if not zipped:
            return remote.open_object_store(url, options)
        folder, _, name = url.rpartition("/")
        return _zip_far_away(remote.open_object_store(folder, options), name)
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError, OSError) as err:
        raise NgffError(f"can't open {url!r}: {err}") from err
    if zipped:
        try:
            return remote.ZipStore(fs.open(path), url)
        except FileNotFoundError as err:
            raise NotFoundError(f"{url!r} does not exist") from err
    return remote.FsspecStore(fs, path, url)


def _zip_far_away(folder: Any, name: str) -> Store:
    import obstore

    from ngffkit import remote

    url = f"{folder.url}/{name}"
    try:
        size = obstore.head(folder.inner, folder._prefix + name)["size"]  # noqa: SLF001
    except FileNotFoundError as err:
        raise NotFoundError(f"{url!r} does not exist") from err
    except Exception as err:
        raise folder._error(name, err) from err  # noqa: SLF001
    file = io.BufferedReader(remote.RangeFile(folder, name, size), buffer_size=2**18)
    return remote.ZipStore(file, url)


def _open_object(source: Any) -> Store:
    if isinstance(source, Store):
        return source
    from ngffkit import remote

    module = type(source).__module__.split(".", 1)[0]
    if module == "zarr" or hasattr(source, "store_path"):
        path, inner = "", source
        if hasattr(source, "store_path"):  # a Group or an Array
            path, inner = source.path, source.store
        elif hasattr(source, "path") and hasattr(source, "store"):  # a StorePath
            path, inner = source.path, source.store
        root = getattr(inner, "root", None)
        if type(inner).__name__ == "LocalStore" and root is not None:
            return LocalStore(Path(root, path))
        return remote.ZarrStore(inner, path)
    if hasattr(source, "fs") and hasattr(source, "root"):  # fsspec's mapping
        return remote.FsspecStore(source.fs, source.root, source.fs.unstrip_protocol(source.root))
    if module == "obstore":
        return remote.ObjectStore(source, repr(source))
    raise NgffError(
        f"can't open a {type(source).__name__}; a path, URL, zarr group, array or store was expected"
    )
