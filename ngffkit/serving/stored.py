"""An image as it lies in its store, as content: the bytes of its keys, and of nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import google_crc32c

from ngffkit.errors import ChunkError, StoreError
from ngffkit.image import Image
from ngffkit.opened import Opened
from ngffkit.serving.content import Head
from ngffkit.serving.files import Files
from ngffkit.serving.keeping import Kept
from ngffkit.serving.keys import keys_of
from ngffkit.stores.base import LocalStore, Store, is_web_page
from ngffkit.stores.substore import SubStore, below
from ngffkit.stores.versions import Versioned
from ngffkit.stores.zips import ZipStore
from ngffkit.tree import as_image, images_of

#: Objects of stores that don't tell versions apart are kept whole, up to so many bytes.
_KEPT = 2**26

#: Objects whose version is remembered.
_TAGS = 4096

_JSON = (".zgroup", ".zattrs", ".zarray", ".zmetadata", ".json")


class StoredContent:
    """An image of a store, byte by byte: of a folder, a zip file, a web server or object store.

    Its keys are the documents of its groups and arrays, ``datasource-properties.json``, and the
    chunks within the grids of its arrays; those of label images as they were opened, and for
    plates those of the wells that were looked up. They stay as they were when it was opened.

    Parameters
    ----------
    opened : Opened
        The image.

    Examples
    --------
    >>> from ngffkit.api import as_opened
    >>> content = StoredContent(as_opened("cells.ome.zarr"))
    >>> content.knows("zarr.json"), content.knows("secret.txt"), content.knows("../zarr.json")
    (True, False, False)
    >>> content.read("zarr.json", 0, 1)
    b'{'
    """

    def __init__(self, opened: Opened) -> None:
        self._keys = keys_of(opened)
        self._lenient = opened.missing != "error"
        self._store = below(opened.store, opened.node.path)
        self._place = _place_of(self._store)
        self.image = _image_of(opened)
        root = f"{opened.node.path}/" if opened.node.path else ""
        self.labels: Mapping[str, Image] = {
            (label.node.path.removeprefix(root) or f"labels/{name}"): label.image
            for name, label in opened.labels.items()
        }
        self.url = opened.url

    @property
    def may_change(self) -> bool:
        """Whether what is read may be of another version than the last `head` told."""
        return isinstance(self._place, Files)

    def knows(self, key: str) -> bool:
        """Tell whether a key belongs to the image."""
        return self._keys.knows(key)

    def head(self, key: str) -> Head | None:
        """Return what is known of an object; None when it is absent."""
        if not self.knows(key):
            return None
        try:
            found = self._place.head(key)
        except StoreError as err:
            # object stores refuse what does not exist, where listing is not allowed
            if err.denied and self._lenient:
                return None
            raise
        return None if found is None else replace(found, media_type=_media_type(key))

    def read(self, key: str, start: int, stop: int) -> Any:
        """Return the bytes `start` to `stop` of an object that is there.

        Raises
        ------
        StoreError
            When the store fails, or another number of bytes comes.
        """
        if not self.knows(key):
            raise StoreError(key, self.url, "it is no key of this image")
        data = self._place.read(key, start, stop)
        if len(data) != stop - start:
            raise StoreError(key, self.url, f"{len(data)} bytes came instead of {stop - start}")
        if start == 0 and is_web_page(data) and not key.endswith(".xml"):
            raise ChunkError(key, self.url, "a web page came instead (a login page?)")
        return data

    def close(self) -> None:
        """Forget what is kept."""
        self._place = _place_of(self._store)


def _image_of(opened: Opened) -> Image:
    """Return the image at the root, or the first one below it."""
    node = opened.node
    if node.image is None and node.kind in ("array", "arrays"):
        first = node if node.kind == "array" else next(iter(node.children.values()))
        return as_image(opened.store, first, opened.missing, "image").image
    found = next(images_of(opened.store, node, opened.missing), None)
    return opened.image if found is None else found[1].image


def _media_type(key: str) -> str:
    if key.endswith(_JSON):
        return "application/json"
    return "application/xml" if key.endswith(".xml") else "application/octet-stream"


class _Remote:
    """Objects whose store tells their versions apart: what is read is of the version last seen."""

    def __init__(self, store: Versioned, prefix: str) -> None:
        self.store, self.prefix = store, f"{prefix}/" if prefix else ""
        self._tags: dict[str, str] = {}

    def head(self, key: str) -> Head | None:
        found = self.store.fetch(self.prefix + key, 0, 0)
        if found is None:
            return None
        if found.size < 0:
            # readers would take a 404 for a chunk of nothing but fill values
            raise StoreError(key, self.store.url, "its server does not say how large it is")
        if len(self._tags) >= _TAGS:
            self._tags.clear()
        self._tags[key] = found.tag
        return Head(found.size, _quoted(found.tag, found.size))

    def read(self, key: str, start: int, stop: int) -> Any:
        if stop <= start:
            return b""
        match = self._tags.get(key, "")
        found = self.store.fetch(self.prefix + key, start, stop - start, match=match)
        if found is None:
            raise StoreError(key, self.store.url, "it vanished while it was read")
        return found.data


def _quoted(tag: str, size: int) -> str:
    """Return a strong entity tag of whatever a store says of a version."""
    if tag.startswith('"') and tag.endswith('"') and len(tag) > 2 and tag.isascii():
        return tag
    return f'"{google_crc32c.value(tag.encode()):08x}-{size:x}"'


class _Whole:
    """Objects that come whole, since their store tells neither sizes nor versions; some kept."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept = Kept[bytes | None](_KEPT, lambda data: len(data or b"") + 256)

    def head(self, key: str) -> Head | None:
        data = self._kept.get(key, lambda: self._fetch(key))
        if data is None:
            return None
        return Head(len(data), f'"{google_crc32c.value(data):08x}-{len(data):x}"')

    def read(self, key: str, start: int, stop: int) -> bytes:
        data = self._kept.get(key, lambda: self._fetch(key))
        if data is None:
            raise StoreError(key, self.store.url, "it vanished while it was read")
        return data[start:stop]

    def _fetch(self, key: str) -> bytes | None:
        data = self.store.get(key)
        return None if data is None else bytes(data)


class _Zip(_Whole):
    """Members of a zip file: its directory tells sizes and checksums; large ones come in parts."""

    def __init__(self, store: ZipStore) -> None:
        super().__init__(store)
        self.members = store._members  # noqa: SLF001 - one package apart

    def head(self, key: str) -> Head | None:
        info = self.members.get(key)
        if info is None:
            return None
        return Head(info.file_size, f'"{info.CRC:08x}-{info.file_size:x}"')

    def read(self, key: str, start: int, stop: int) -> Any:
        if self.members[key].file_size > _KEPT:
            return self.store.get(key, start, stop - start)
        return super().read(key, start, stop)


def _place_of(store: Store) -> Files | _Remote | _Whole:
    if isinstance(store, LocalStore):
        return Files(store.root)
    inner: Store = store
    prefix = ""
    while isinstance(inner, SubStore):
        prefix = f"{inner.prefix}/{prefix}".rstrip("/")
        inner = inner.store
    if isinstance(inner, Versioned):
        return _Remote(inner, prefix)
    if isinstance(store, ZipStore):
        return _Zip(store)
    return _Whole(store)
