"""What was fetched from afar is kept on disk: `ngffkit.cache`."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ngffkit.cards import Table, card, html_table
from ngffkit.errors import NgffError
from ngffkit.stores.adapters import FsspecStore
from ngffkit.stores.base import LocalStore, Store
from ngffkit.stores.bounded import Folder, Held, held_in
from ngffkit.stores.cached import CachedStore
from ngffkit.stores.kept import Kept
from ngffkit.stores.opening import open_beneath
from ngffkit.stores.remote import ObjectStore
from ngffkit.stores.substore import SubStore
from ngffkit.stores.versions import Versioned, VersionedFiles
from ngffkit.stores.zips import ZipStore

Check = Literal["session", "always", "never"]

_CHECKS = ("session", "always", "never")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

#: Less would not hold the documents of one image.
_LEAST = 10**6

#: What in the environment says who asks, by scheme.
_IDENTITY = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_", "abfs": "AZURE_", "abfss": "AZURE_"}


def cache(
    source: Any,
    *,
    size: str | int = "2 GB",
    folder: str | os.PathLike[str] | None = None,
    check: Check = "session",
    storage_options: Mapping[str, Any] | None = None,
) -> Store:
    """Return a place that keeps on disk what it fetches.

    It stands wherever a place is named. The first reading costs the requests it costs without;
    the next one, by this or another process, asks once per object whether it is still the same,
    and reads its pixels from the disk. An object that has changed is read anew. Parts of two
    versions are never mixed: where an object changes between its first part and another one, that
    is an error.

    Parameters
    ----------
    source : str, zarr.Group, obstore store or Store
        What `ngffkit.open` takes. Local places are returned as they are.
    size : str or int
        Bytes that the folder may take on the disk, e.g. ``"500 MB"``; the least recently used
        objects go first, whoever put them there. Holds for what this place adds.
    folder : str or Path, optional
        Where to keep it: by default ``ngffkit`` in this user's cache folder (``XDG_CACHE_HOME`` or
        ``~/.cache``, ``~/Library/Caches`` on macOS, ``%LOCALAPPDATA%`` on Windows). Any number of
        processes may share it.
    check : {"session", "always", "never"}
        When to ask whether an object is still the same: at its first use in this place's life, at
        each use, or never: then nothing is fetched at all, and nothing asked, so that it works
        without a network.
    storage_options : Mapping, optional
        As for `ngffkit.open`. What different credentials were given is kept apart.

    Returns
    -------
    Store
        For `ngffkit.open`, `ngffkit.convert`, `ngffkit.browse` and all others.

    Raises
    ------
    NgffError
        When the place can't be opened, tells no versions of its objects apart, or an option can't
        be understood.
    NotFoundError
        When there is nothing.

    Notes
    -----
    Versions are told apart by ``ETag``, or by ``Last-Modified`` and size when that lies a minute
    back (RFC 9110, 8.8); what comes without either is not kept. Kept files have a CRC-32C; a
    damaged one is fetched again. With ``check="never"``, a chunk that was absent when it was asked
    for is absent; of one that was never asked for that is not known, which is an error.

    Examples
    --------
    >>> import ngffkit as nk
    >>> place = nk.cache("https://host/cells.ome.zarr")  # doctest: +SKIP
    >>> nk.open(place)["1"].image.isel(z=3).values  # doctest: +SKIP
    >>> nk.cache(nk.sample("cells.ome.zarr")).concurrency  # local: as it was
    1
    """
    if check not in _CHECKS:
        raise NgffError(f"check={check!r}: one of {', '.join(map(repr, _CHECKS))} was expected")
    place = Folder(os.fspath(folder or default_folder()), nbytes_of(size))
    options = {key: v for key, v in (storage_options or {}).items() if key != "cache"}
    store, name = open_beneath(source, options)
    if name is None:
        return _wrap(store, place, check, options)
    kept = _wrap(store, place, check, options, name)
    return ZipStore(cast("Any", kept), name)


def _wrap(store: Store, place: Folder, check: Check, options: Any, name: str = "") -> Store:
    """Return a store that keeps what the inner one fetches, below what stands on it."""
    if isinstance(store, SubStore):
        return SubStore(_wrap(store.store, place, check, options), store.prefix)
    if isinstance(store, ZipStore):
        parent = _wrap(store.parent, place, check, options, store.name)
        return store if parent is store.parent else ZipStore(cast("Any", parent), store.name)
    if isinstance(store, (LocalStore, CachedStore)) or _is_here(store):
        return store
    if isinstance(store, FsspecStore):
        store = VersionedFiles(store.fs, store.root, store.url)
    if not isinstance(store, Versioned):
        raise NgffError(
            f"{store.url} can't be cached: a {type(store).__name__} does not tell versions of its "
            "objects apart; name the URL (http, s3, gs, az, or one that fsspec knows) instead"
        )
    address = plain(f"{store.url}/{name}" if name else store.url)
    return CachedStore(store, Kept(place, address, _who(store, options)), check)


def _is_here(store: Store) -> bool:
    """Tell whether a store is on this machine, where another copy is of no use."""
    if isinstance(store, ObjectStore):
        return type(store.inner).__name__ in ("MemoryStore", "LocalStore")
    if isinstance(store, FsspecStore):
        names = store.fs.protocol
        return not {"file", "local", "memory"}.isdisjoint(
            [names] if isinstance(names, str) else names
        )
    return False


def _who(store: Store, options: Mapping[str, Any]) -> bytes:
    """Return a hash of all that may say who asks, and where; never kept, only mixed into names."""
    parts: list[Any] = [store.url, _stable(options)]
    if isinstance(store, ObjectStore) and not options:  # it may have been opened by others
        names = ("config", "client_options", "credential_provider")
        parts += [_stable(getattr(store.inner, name, None)) for name in names]
    if isinstance(store, FsspecStore) and not options:
        parts.append(_stable(store.fs.storage_options))
    begin = _IDENTITY.get(store.url.split("://", 1)[0].lower())
    if begin:
        parts.append(sorted(item for item in os.environ.items() if item[0].startswith(begin)))
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=32).digest()


def _stable(value: Any) -> str:
    """Return a text that doesn't depend on the order of mappings; obstore's comes at random."""
    if not isinstance(value, Mapping):
        return repr(value)
    return repr(sorted((str(key), _stable(item)) for key, item in value.items()))


def cache_options(value: Any) -> dict[str, Any]:
    """Return the options of `cache` that stand in storage options: a size, or several.

    Examples
    --------
    >>> cache_options("1 GB"), cache_options({"folder": "kept"})
    ({'size': '1 GB'}, {'folder': 'kept'})
    """
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return {"size": value}
    if not isinstance(value, Mapping) or not set(value) <= {"size", "folder", "check"}:
        raise NgffError(
            f"storage_options: cache={value!r:.80}; a size was expected, e.g. '2 GB', or a mapping "
            "with size, folder and check"
        )
    return dict(value)


def plain(url: str) -> str:
    """Return an address without what is secret: the user and the query.

    Examples
    --------
    >>> plain("https://me:secret@host:8000/a.zarr?token=1#x")
    'https://host:8000/a.zarr'
    >>> plain("simplecache::sftp://me:secret@host/a.zarr")
    'simplecache::sftp://host/a.zarr'
    """
    text = re.sub(r"//[^/]*@", "//", url)
    return re.split(r"[?#]", text, maxsplit=1)[0]


def default_folder() -> Path:
    """Return where this user's caches lie by the rule of the platform, and ours in it."""
    home = Path.home()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        named = os.environ.get("XDG_CACHE_HOME", "")
        # relative paths are to be ignored (XDG Base Directory Specification 0.8)
        base = Path(named) if named.startswith("/") else home / ".cache"
    return base / "ngffkit"


def nbytes_of(size: str | float) -> int:
    """Return a size in bytes, however it is spelled.

    Raises
    ------
    NgffError
        When it is none, or less than 1 MB.

    Examples
    --------
    >>> nbytes_of("500 MB"), nbytes_of("2GiB"), nbytes_of(10**7)
    (500000000, 2147483648, 10000000)
    """
    text = f"{size:.0f}" if isinstance(size, float) and size < 2**63 else str(size)
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([kKMGT]?)(i?)[bB]?\s*", text)
    if match is None or isinstance(size, bool):
        raise NgffError(f"size={size!r} is no size; write it as '500 MB' or '2 GiB'")
    unit = match[2].replace("K", "k")
    factor = 1024 ** "kMGT".find(unit) * 1024 if match[3] and unit else _UNITS[unit]
    found = int(float(match[1]) * factor)
    if found < _LEAST:
        raise NgffError(f"size={size!r} is too little for a cache; pass '1 MB' or more")
    return found


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """What a cache holds; shows as text and as a table in notebooks.

    Parameters
    ----------
    folder : str
        Where it lies.
    addresses : Mapping of str to Held
        Objects and bytes by address, the largest first.
    """

    folder: str
    addresses: Mapping[str, Held]

    @property
    def objects(self) -> int:
        """How many objects and parts of objects there are."""
        return sum(held.objects for held in self.addresses.values())

    @property
    def nbytes(self) -> int:
        """How many bytes they take on the disk."""
        return sum(held.nbytes for held in self.addresses.values())

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        rows = [
            {"address": address, "objects": held.objects, "nbytes": held.nbytes}
            for address, held in self.addresses.items()
        ]
        return {
            "folder": self.folder,
            "objects": self.objects,
            "nbytes": self.nbytes,
            "addresses": rows,
        }

    def __str__(self) -> str:
        """Return a line in all, and one per address."""
        lines = [f"{self.folder}: {_counted(self.objects, self.nbytes)}"]
        lines += [f"  {a}: {_counted(h.objects, h.nbytes)}" for a, h in self.addresses.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = tuple((a, f"{h.objects:,}", _mb(h.nbytes)) for a, h in self.addresses.items())
        table = Table(_counted(self.objects, self.nbytes), ("address", "objects", "size"), rows)
        return card(self.folder, html_table(table))


def _counted(objects: int, nbytes: int) -> str:
    return f"{objects:,} object{'s'[: objects != 1]}, {_mb(nbytes)}"


def _mb(nbytes: int) -> str:
    return f"{nbytes / 1e6:,.1f} MB"


def cached(folder: str | os.PathLike[str] | None = None) -> CacheInfo:
    """Say what a cache holds.

    Parameters
    ----------
    folder : str or Path, optional
        As for `cache`.

    Examples
    --------
    >>> print(cached("nothing"))
    nothing: 0 objects, 0.0 MB
    """
    where = os.fspath(folder or default_folder())
    return CacheInfo(where, held_in(Folder(where, 0)))


def clear(folder: str | os.PathLike[str] | None = None, address: str | None = None) -> CacheInfo:
    """Empty a cache and say what was removed; files that are not the cache's stay.

    Parameters
    ----------
    folder : str or Path, optional
        As for `cache`.
    address : str, optional
        Only what came from there, and from below it.

    Raises
    ------
    NgffError
        When a file can't be removed.

    Examples
    --------
    >>> clear("nothing").objects
    0
    """
    where = os.fspath(folder or default_folder())
    place, wanted = Folder(where, 2**62), None if address is None else plain(address).rstrip("/")
    gone: dict[str, Held] = {}
    for home in place.homes():
        found = place.address(home)
        if wanted is None or found == wanted or found.startswith(f"{wanted}/"):
            gone[found] = place.held(home)
            try:
                place.clear(home)
            except OSError as err:
                raise NgffError(f"can't empty the cache in {where}: {err}") from err
    return CacheInfo(where, gone)
