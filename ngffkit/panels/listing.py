"""What lies in a folder, wherever that is: this machine, a web server, a bucket, what fsspec knows.

s3, gs and az are asked the way images are opened, by obstore: nothing else need be installed, and
the same options hold; web servers by their index pages; everything else by fsspec.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from ngffkit.errors import NgffError, NotFoundError
from ngffkit.panels.indexes import fetch, links
from ngffkit.sources.stacks.patterns import natural

Kind = Literal["folder", "zarr", "file"]

#: A folder that has one of these is one thing: an image, a plate, a collection.
MARKS = ("zarr.json", ".zgroup", ".zattrs", ".zarray", "datasource-properties.json")

#: What is one thing by its name alone.
_ENDINGS = (".zarr", ".ozx")

_BUCKETS = ("s3", "gs", "az", "abfs", "abfss")
_WEB = ("http", "https")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder.

    Parameters
    ----------
    name : str
        Without slashes.
    kind : {"folder", "zarr", "file"}
        A Zarr is one thing, whatever lies in it.
    size : int
        Bytes of a file, -1 where that isn't known.
    """

    name: str
    kind: Kind
    size: int = -1


@dataclass(frozen=True, slots=True)
class Listing:
    """A folder.

    Parameters
    ----------
    place : str
        An absolute path or a URL, without a slash at its end.
    entries : tuple of Entry
        Folders first, then files, each in natural order.
    zarr : bool
        Whether the place is a Zarr itself.
    named : str
        The file of it that was asked for.
    """

    place: str
    entries: tuple[Entry, ...] = ()
    zarr: bool = False
    named: str = ""


def scheme_of(place: str) -> str:
    """Return the scheme of a URL, ``""`` for paths.

    Examples
    --------
    >>> scheme_of("s3://bucket/a"), scheme_of("/data/a")
    ('s3', '')
    """
    found = re.match(r"([A-Za-z][\w+.-]+)(://|::)", place)
    return found[1].lower() if found else ""


def place_of(text: str, base: str = "") -> str:
    """Return the place that was typed: an absolute path, or a URL as it is.

    Examples
    --------
    >>> place_of(" s3://bucket/a/ "), place_of("b", "/data")
    ('s3://bucket/a', '/data/b')
    """
    bare = text.strip()
    if scheme_of(bare) == "file":
        from urllib.request import url2pathname

        bare = url2pathname(urlsplit(bare).path)
    if scheme_of(bare):
        scheme, rest = bare.split(":", 1)
        return f"{scheme}:{rest.rstrip('/')}" if rest.strip("/") else f"{scheme}://"
    try:
        return os.path.abspath(Path(base or ".", Path(bare).expanduser()))  # noqa: PTH100 - no links
    except (OSError, RuntimeError, ValueError) as err:
        raise NgffError(f"{bare!r} is not a path: {err}") from err


def joined(place: str, name: str) -> str:
    """Return where a thing of a folder is.

    Examples
    --------
    >>> joined("/", "a"), joined("s3://b", "a b"), joined("http://h/d", "a b")
    ('/a', 's3://b/a b', 'http://h/d/a%20b')
    """
    safe = quote(name) if scheme_of(place) in _WEB else name
    return f"{place}{safe}" if place.endswith("/") else f"{place}/{safe}"


def above(place: str) -> str:
    """Return the folder that a place lies in, ``""`` where there is none.

    Examples
    --------
    >>> above("/data/a"), above("/"), above("s3://bucket/a"), above("s3://bucket")
    ('/data', '', 's3://bucket', '')
    """
    scheme = scheme_of(place)
    if not scheme:
        parent = os.path.dirname(place)  # noqa: PTH120 - a str, links as they are
        return "" if parent == place else parent
    head, _, rest = place.partition("://")
    if "/" not in rest:
        # the root of a file system that has no hosts
        return "" if scheme in (*_BUCKETS, *_WEB) or not rest else f"{head}://"
    return f"{head}://{rest.rpartition('/')[0]}"


def crumbs(place: str) -> list[tuple[str, str]]:
    """Return the folders on the way to a place, each with its label.

    Examples
    --------
    >>> crumbs("s3://bucket/a%20b")
    [('s3://bucket', 's3://bucket'), ('a%20b', 's3://bucket/a%20b')]
    """
    out: list[tuple[str, str]] = []
    while place:
        parent = above(place)
        label = place.rsplit("/", 1)[-1] if parent else place
        web = scheme_of(place) in _WEB
        out.append((unquote(label) if web and parent else label, place))
        place = parent
    return out[::-1]


def list_place(place: str, options: Mapping[str, Any] | None = None) -> Listing:
    """List a folder; a file is named in the folder that it lies in.

    Parameters
    ----------
    place : str
        As `place_of` returns it.
    options : Mapping, optional
        For the remote store.

    Raises
    ------
    NotFoundError
        When there is nothing.
    NgffError
        When it can't be listed; the message says why, and what to do.
    """
    scheme, options = scheme_of(place), dict(options or {})
    options.pop("cache", None)
    if not scheme:
        return _local(place)
    if scheme in _WEB:
        return _web(place, options)
    if not place.partition("://")[2] and scheme in _BUCKETS:
        raise NgffError(f"{place} lacks a bucket; type one, e.g. {scheme}://bucket/folder")
    listed = _bucket if scheme in _BUCKETS else _other
    entries = listed(place, options)
    if entries:
        return _listing(place, entries)
    # nothing below it: a file, or nothing at all
    parent, name = above(place), place.rsplit("/", 1)[-1]
    beside = listed(parent, options) if parent else []
    if any(entry.name == name and entry.kind != "folder" for entry in beside):
        return _listing(parent, beside, name)
    if parent or scheme in _BUCKETS:
        raise NotFoundError(f"nothing is at {place}; look at the spelling, or go one up")
    return Listing(place)


def is_one(place: str, entry: Entry) -> bool:
    """Tell whether a folder of this machine is one thing; others are known once they are listed."""
    if entry.kind != "folder" or scheme_of(place):
        return entry.kind == "zarr"
    return any(os.path.exists(f"{place}/{entry.name}/{mark}") for mark in MARKS)  # noqa: PTH110


def _listing(place: str, entries: Iterable[Entry], named: str = "") -> Listing:
    found = [entry for entry in entries if entry.name]
    zarr = any(entry.name in MARKS for entry in found)
    found.sort(key=lambda entry: (entry.kind == "file", natural(entry.name.lower())))
    return Listing(place, tuple(found), zarr and not named, named)


def _entry(name: str, *, folder: bool, size: int = -1) -> Entry:
    if name.lower().endswith(_ENDINGS):
        return Entry(name, "zarr", -1 if folder else size)
    return Entry(name, "folder" if folder else "file", -1 if folder else size)


def _local(place: str) -> Listing:
    try:
        with os.scandir(place) as found:
            entries = [_entry(item.name, folder=item.is_dir()) for item in found]
    except NotADirectoryError:
        parent = _local(above(place))
        return Listing(parent.place, parent.entries, named=place.rsplit("/", 1)[-1])
    except FileNotFoundError:
        raise NotFoundError(f"there is no {place}; look at the spelling, or go one up") from None
    except PermissionError:
        raise NgffError(f"{place} may not be read by you; ask its owner, or go one up") from None
    except (OSError, ValueError) as err:
        raise NgffError(f"{place!r} can't be listed: {err}") from err
    return _listing(place, entries)


# --- buckets ----------------------------------------------------------------------------------


def _bucket(place: str, options: dict[str, Any]) -> list[Entry]:
    import obstore

    from ngffkit.stores.remote import open_object_store

    bucket, _, prefix = place.partition("://")[2].partition("/")
    head = f"{place.partition('://')[0]}://{bucket}"
    # a mistyped endpoint should say so in seconds
    retry = {"retry_config": {"max_retries": 2}}
    store = open_object_store(head, retry | options)
    try:
        found = obstore.list_with_delimiter(store.inner, prefix or None)
    except Exception as err:
        raise NgffError(_refusal(head, str(err))) from err
    folders = [
        _entry(str(p).rstrip("/").rsplit("/", 1)[-1], folder=True) for p in found["common_prefixes"]
    ]
    return folders + [
        _entry(str(item["path"]).rsplit("/", 1)[-1], folder=False, size=item["size"])
        for item in found["objects"]
    ]


#: What clouds say, and what it means to whoever asked.
_REFUSALS = (
    (r"NoSuchBucket|bucket does not exist", "there is no such bucket; look at its spelling"),
    (
        r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken",
        "the key isn't accepted; look at the options",
    ),
    (
        r"status code: 40[13]|AccessDenied|Forbidden|Unauthorized",
        "it may not be listed by you; add your key to the options, or type the image's own address",
    ),
    (r"status code: 404", "there is no such bucket; look at its spelling"),
    (r"region|PermanentRedirect|301", "it lies in another region; add region=... to the options"),
    (
        r"ConnectionRefused|dns error|TimedOut|error sending request",
        "no answer; look at the endpoint, and whether this machine reaches it",
    ),
)


def _refusal(where: str, said: str) -> str:
    for pattern, meaning in _REFUSALS:
        if re.search(pattern, said):
            return f"{where}: {meaning}"
    return f"{where} can't be listed: {said.partition('Debug source')[0].strip():.200}"


# --- web servers ------------------------------------------------------------------------------


def _web(place: str, options: dict[str, Any]) -> Listing:
    try:
        page, url = fetch(f"{place}/", options)
        entries = [_entry(name, folder=folder) for name, folder in links(page, url)]
        why = "" if entries else "its page lists nothing"
    except NgffError as err:
        entries, why = [], str(err)
    if entries:
        return _listing(place, entries)
    from ngffkit.stores.remote import open_object_store

    retry = {"retry_config": {"max_retries": 1}}
    store = open_object_store(place, retry | options)
    try:
        if any(store.size(mark) is not None for mark in MARKS):
            return Listing(place, zarr=True)
    except NgffError as err:
        why = why or str(err)
    raise NgffError(
        f"{place} can't be listed ({why}); many web servers list nothing: type the address of the "
        "image itself"
    )


# --- everything else --------------------------------------------------------------------------


def _other(place: str, options: dict[str, Any]) -> list[Entry]:
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(place, **options)
        found = fs.ls(path, detail=True)
    except ImportError as err:
        raise NgffError(f"{place}: a package is missing: {err}") from err
    except (FileNotFoundError, NotADirectoryError):
        return []
    except Exception as err:
        raise NgffError(f"{place} can't be listed: {str(err) or type(err).__name__}") from err
    own = path.strip("/")
    out = []
    for item in found:
        full = str(item["name"]).strip("/")
        size = item.get("size")
        if full != own:
            out.append(
                _entry(
                    full.rsplit("/", 1)[-1],
                    folder=item.get("type") == "directory",
                    size=-1 if size is None else int(size),
                )
            )
    return out
