"""What lies in the folder of an image besides its pixels: files, foreign groups, links.

A rewriting that replaces a folder must account for every file in it. Chunks and documents of the
image are made anew; everything else comes along as it is, or is named as what would be lost.
"""

# paths are str, for speed per file
# ruff: noqa: PTH113, PTH114

from __future__ import annotations

import json
import os
import re
import stat
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from ngffkit.discover.documents import PROPERTIES
from ngffkit.discover.walk import join
from ngffkit.errors import NgffError, SourceError
from ngffkit.execute.commit import put_durably
from ngffkit.execute.documents import encoded
from ngffkit.stores.targets import Target, Written

#: Documents of Zarr's.
_DOCUMENTS: Final = frozenset(("zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata"))

#: What makes a folder a node of its own.
_NODES: Final = frozenset(("zarr.json", ".zgroup", ".zarray"))

#: How WEBKNOSSOS calls the formats of Zarr.
_FORMATS: Final = {2: "zarr", 3: "zarr3"}

_PIECE: Final = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Baggage:
    """What lies with an image.

    Parameters
    ----------
    root : str
        The folder; empty where nothing was looked for.
    files : tuple of str
        Keys of what comes along as it is.
    left : tuple of str
        Groups and arrays of others, in a format that a group of the other format can't hold.
    links : tuple of str
        Links to folders, which are not followed.
    odd : tuple of str
        What can't be copied: pipes, sockets, devices, links that lead nowhere.
    closed : tuple of str
        Folders that may not be written to; a period is the root.
    empty : tuple of str
        Folders with nothing in them.
    nbytes : int
        Size of the files.
    stamp : tuple of int
        How many files there are in all, and a checksum of their names, sizes and times.
    """

    root: str = ""
    files: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    nbytes: int = 0
    stamp: tuple[int, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether no file was added, changed or removed since; true where none was looked for."""
        if not self.root:
            return True
        census = _Census()
        for rel, _, found in _walk(self.root):
            census.add(rel, found)
        return census.stamp == self.stamp


@dataclass(slots=True)
class _Census:
    """Tells whether a folder is as it was."""

    count: int = 0
    crc: int = 0

    def add(self, rel: str, found: Mapping[str, os.stat_result]) -> None:
        lines = [f"{rel}/{name} {s.st_size} {s.st_mtime_ns}" for name, s in found.items()]
        self.count += len(lines)
        self.crc = zlib.crc32("\n".join(lines).encode("utf-8", "surrogateescape"), self.crc)

    @property
    def stamp(self) -> tuple[int, ...]:
        return self.count, self.crc


def _walk(root: str) -> Iterator[tuple[str, list[str], dict[str, os.stat_result]]]:
    """Yield each folder with the folders and files in it, always in the same order.

    What can't be listed stops it: it would count as empty, and be removed.
    """

    def stop(err: OSError) -> None:
        cause = f"{err.strerror or err}; see to it that it can be listed"
        raise SourceError(str(err.filename), cause) from err

    for folder, inner, names in os.walk(root, onerror=stop):
        inner.sort()
        rel = os.path.relpath(folder, root).replace(os.sep, "/")
        try:
            # of links themselves: they may lead nowhere
            found = {name: os.lstat(f"{folder}/{name}") for name in sorted(names)}
        except OSError as err:
            stop(err)
        yield "" if rel == "." else rel, inner, found


@cache
def _chunks(ndim: int) -> re.Pattern[str]:
    """Return what keys of chunks below their array look like, in every spelling that there is."""
    one = r"([/.]\d+)" + f"{{{max(0, ndim - 1)}}}"
    return re.compile(rf"(c[/.])?\d+{one}" if ndim else "c|0")


@dataclass(slots=True)
class _Search:
    """Walks a folder once."""

    root: str
    arrays: Mapping[str, int]
    groups: frozenset[str]
    keep: bool
    files: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    nbytes: int = 0
    census: _Census = field(default_factory=_Census)

    def run(self) -> Baggage:
        for rel, inner, found in _walk(self.root):
            self.census.add(rel, found)
            if not os.access(f"{self.root}/{rel}", os.W_OK | os.X_OK):
                self.closed.append(rel or ".")
            if any(f"{rel}/".startswith(f"{path}/") for path in self.left):
                continue
            array = self._array(rel)
            foreign = array is None and rel not in self.groups and _NODES & set(found)
            if foreign and not self.keep:
                self.left.append(rel)
                continue
            self._links(rel, inner)
            if array is None and not inner and not found:
                self.empty.append(rel)
            for name, what in found.items():
                if not self._is_ours(rel, name, array):
                    self._take(join(rel, name), what)
        return Baggage(
            self.root,
            tuple(self.files),
            tuple(self.left),
            tuple(self.links),
            tuple(self.odd),
            tuple(self.closed),
            tuple(self.empty),
            self.nbytes,
            self.census.stamp,
        )

    def _take(self, key: str, what: os.stat_result) -> None:
        path = f"{self.root}/{key}"
        if stat.S_ISREG(what.st_mode) or os.path.isfile(path):
            self.files.append(key)
            self.nbytes += what.st_size
        else:
            self.odd.append(key)

    def _links(self, rel: str, inner: list[str]) -> None:
        """Note links to folders, unless they hold what is made anew."""
        for name in inner:
            path = join(rel, name)
            if os.path.islink(f"{self.root}/{path}") and self._array(path) is None:
                self.links.append(path)

    def _array(self, rel: str) -> str | None:
        """Return the array that a folder is or lies in."""
        parts = rel.split("/")
        heads = ("/".join(parts[:n]) for n in range(len(parts), 0, -1))
        return next((head for head in heads if head in self.arrays), None)

    def _is_ours(self, rel: str, name: str, array: str | None) -> bool:
        """Tell whether a file is made anew, under this name or another."""
        if array is None:
            return rel in self.groups and name in _DOCUMENTS
        if rel == array and name in _DOCUMENTS:
            return True
        key = join(rel, name)[len(array) + 1 :]
        return _chunks(self.arrays[array]).fullmatch(key) is not None


def search(root: str, arrays: Mapping[str, int], groups: Iterable[str], *, keep: bool) -> Baggage:
    """Find what lies in a folder besides these arrays and groups.

    Parameters
    ----------
    root : str
        The folder.
    arrays : Mapping of str to int
        Paths of arrays that are written anew, and how many axes they have.
    groups : iterable of str
        Paths of groups that are.
    keep : bool
        Whether foreign groups and arrays come along: the format of Zarr stays.
    """
    return _Search(root, arrays, frozenset(groups), keep).run()


def carry(baggage: Baggage, target: Target, zarr_format: int) -> Iterator[Written]:
    """Copy files to a target, byte for byte; yield what was written.

    The document by which WEBKNOSSOS opens the image is told the format of its arrays.
    """
    for key in baggage.files:
        path = f"{baggage.root}/{key}"
        if key == PROPERTIES:
            yield put_durably(target, key, _told(path, zarr_format))
            continue
        partial = target.begin(key)
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - a str
                while data := file.read(_PIECE):
                    partial.append(data)
            yield partial.commit()
        except OSError as err:
            partial.abort()
            if isinstance(err, NgffError):
                raise
            raise NgffError(
                f"can't read {path}: {err.strerror or err}; nothing was replaced"
            ) from err
        except BaseException:
            partial.abort()
            raise


def nodes_of(baggage: Baggage) -> dict[str, dict[str, Any]]:
    """Return the documents of foreign groups and arrays that come along, by key."""
    out = {}
    for key in baggage.files:
        if key.rpartition("/")[2] in _DOCUMENTS - {".zmetadata"}:
            with open(f"{baggage.root}/{key}", "rb") as file:  # noqa: PTH123 - a str
                try:
                    found = json.loads(file.read())
                except ValueError:
                    continue  # whatever it is, it comes along as it is
            if isinstance(found, dict):
                out[key] = found
    return out


def _told(path: str, zarr_format: int) -> bytes:
    """Return the properties of a WEBKNOSSOS dataset with the format that its arrays have now."""
    with open(path, "rb") as file:  # noqa: PTH123 - a str
        data = file.read()
    try:
        document = json.loads(data)
        layers = [
            item for item in document["dataLayers"] if item["dataFormat"] in _FORMATS.values()
        ]
    except (ValueError, KeyError, TypeError):
        return data
    name = _FORMATS[zarr_format]
    if all(item["dataFormat"] == name for item in layers):
        return data
    for item in layers:
        item["dataFormat"] = name
    return encoded(document)
