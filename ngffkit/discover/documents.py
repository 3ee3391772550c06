"""The metadata documents of a store: fetched in few rounds, parsed, within bounds.

Requests that don't depend on one another travel together, since a round trip costs more than
anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ngffkit import spec
from ngffkit.chunks.arrays import ArraySpec, parse_array
from ngffkit.errors import MetadataError, StoreError
from ngffkit.stores.base import Store, is_web_page

#: Consolidated metadata of a whole plate take some 20 MB.
MAX_DOCUMENT = 64 * 2**20

#: Those of 384 wells with 9 fields of 5 levels hold 800,000; parsed, a million take 200 MB.
MAX_VALUES = 900_000

#: What a folder that holds WEBKNOSSOS data is known by.
PROPERTIES = "datasource-properties.json"

_ROOT_V2 = (".zgroup", ".zarray", PROPERTIES)


@dataclass(frozen=True, slots=True)
class Document:
    """The metadata of one Zarr node.

    Parameters
    ----------
    path : str
        Below the root of the store.
    array : Mapping, optional
        The array's own document (``.zarray`` or ``zarr.json``); None for groups.
    attrs : Mapping
        The attributes.
    """

    path: str
    array: Mapping[str, Any] | None
    attrs: Mapping[str, Any]

    def spec(self) -> ArraySpec:
        """Return what the array is; raises MetadataError when it is none."""
        if self.array is None:
            raise MetadataError("is a group; an array was expected", self.path)
        return parse_array(self.array, self.attrs, self.path)


def join(*parts: str) -> str:
    """Join path parts with slashes, leaving out empty ones."""
    return "/".join(part for part in parts if part)


class Metadata:
    """Fetches and parses the metadata documents of a store, many at a time.

    Parameters
    ----------
    store : Store
        Where they are.
    zarr_format : int, optional
        2 or 3; `root` finds out.
    """

    def __init__(self, store: Store, zarr_format: int | None = None) -> None:
        self.store = store
        self.format = zarr_format
        self._refused: dict[str, StoreError] = {}
        self._known: Mapping[str, Document] = {}
        self._kept: dict[str, bytes | None] = {}

    def root(self) -> Document | None:
        """Read the root, find out the Zarr format and take up consolidated metadata."""
        v3, v2 = self._texts(["zarr.json", ".zattrs"])
        if v3 is not None:
            self.format = 3
            doc = self.parse(v3, "zarr.json")
            self._known = _consolidated(doc)
            return _document_v3("", doc)
        attrs: Mapping[str, Any] = {}
        if v2 is not None:
            self.format = 2
            attrs = self.parse(v2, ".zattrs")
            if spec.detect(attrs) is not None:
                return Document("", None, attrs)
        group, array, properties = self._texts(_ROOT_V2)
        self._kept[PROPERTIES] = properties
        if array is not None or group is not None or v2 is not None:
            self.format = 2
            return Document("", self.parse(array, ".zarray") if array else None, attrs)
        return None

    def properties(self) -> Mapping[str, Any] | None:
        """Read what WEBKNOSSOS says of the root, None when it says nothing."""
        if PROPERTIES not in self._kept:
            self._kept[PROPERTIES] = self._text(PROPERTIES)
        text = self._kept[PROPERTIES]
        return None if text is None else self.parse(text, PROPERTIES)

    def groups(self, paths: Sequence[str]) -> list[Document | None]:
        """Read the attributes of several groups; None for those that don't exist."""
        return self.mixed([(path, False) for path in paths])

    def arrays(self, paths: Sequence[str]) -> list[Document | None]:
        """Read the documents of several arrays; None for those that don't exist."""
        return self.mixed([(path, True) for path in paths])

    def mixed(self, wanted: Sequence[tuple[str, bool]]) -> list[Document | None]:
        """Read several nodes in one round; each with whether it should be an array."""
        # consolidated metadata may be older than what was added since, such as labels
        asked = [item for item in wanted if item[0] not in self._known]
        found: dict[tuple[str, bool], Document | None] = dict(
            zip(asked, self._documents(asked), strict=True)
        )
        return [self._known.get(item[0]) or found.get(item) for item in wanted]

    def _documents(self, wanted: Sequence[tuple[str, bool]]) -> list[Document | None]:
        keys = [self._key(path, array=array) for path, array in wanted]
        out: list[Document | None] = []
        for (path, array), key, text in zip(wanted, keys, self._texts(keys), strict=True):
            if text is None:
                out.append(None)
                continue
            parsed = self.parse(text, key)
            if self.format == 3:
                out.append(_document_v3(path, parsed))
            else:
                out.append(Document(path, parsed if array else None, {} if array else parsed))
        return out

    def _key(self, path: str, *, array: bool) -> str:
        name = "zarr.json" if self.format == 3 else ".zarray" if array else ".zattrs"
        return join(path, name)

    def v2_attrs(self, paths: Sequence[str]) -> list[Mapping[str, Any]]:
        """Read ``.zattrs`` of several v2 arrays; empty where there are none."""
        keys = [join(path, ".zattrs") for path in paths]
        return [
            {} if text is None else self.parse(text, key)
            for key, text in zip(keys, self._texts(keys), strict=True)
        ]

    def children(self, path: str) -> list[str] | None:
        """Return the names of the nodes below a group; None when that can't be known."""
        if self._known:
            head = f"{path}/" if path else ""
            names = {p[len(head) :].split("/", 1)[0] for p in self._known if p.startswith(head)}
            return sorted(names - {""})
        found = self.store.children(path)
        if found is None:
            return None
        return [name for name in found if not name.startswith(".") and name != "zarr.json"]

    def refusal(self, path: str = "") -> StoreError | None:
        """Return the error, if the store denied access to a document at or below a path.

        Object stores deny access to what does not exist, too, so a refusal alone proves nothing.
        """
        head = f"{path}/" if path else ""
        return next((err for key, err in self._refused.items() if key.startswith(head)), None)

    def _texts(self, keys: Sequence[str]) -> list[bytes | None]:
        if self.store.concurrency == 1 or len(keys) <= 1:
            return [self._text(key) for key in keys]
        with ThreadPoolExecutor(min(len(keys), self.store.concurrency)) as pool:
            return list(pool.map(self._text, keys))

    def _text(self, key: str) -> bytes | None:
        try:
            # one byte more than allowed tells a document that is too long
            raw = self.store.get(key, 0, MAX_DOCUMENT + 1)
        except StoreError as err:
            if not err.denied:
                raise
            self._refused[key] = err
            return None
        if raw is None:
            return None
        if len(raw) > MAX_DOCUMENT:
            raise MetadataError(f"has more than {MAX_DOCUMENT} bytes; no more are read", key)
        return bytes(raw)

    def parse(self, text: bytes, key: str) -> Mapping[str, Any]:
        """Parse the document at a key, which must be a JSON object."""
        if is_web_page(text):
            raise StoreError(
                key,
                f"{self.store.url}/{key}",
                "a web page came instead of the document (a login page?)",
            )
        if text.count(b",") > MAX_VALUES:
            raise MetadataError(f"holds more than {MAX_VALUES:,} values", key)
        try:
            value = json.loads(text)
        except RecursionError:
            raise MetadataError("is nested too deep", key) from None
        except (ValueError, UnicodeDecodeError) as err:
            where = f"{self.store.url}/{key}"
            raise MetadataError(f"is not JSON: {err} (at {where})", key) from None
        if not isinstance(value, Mapping):
            raise MetadataError(f"is a {type(value).__name__}; an object was expected", key)
        return value


def _consolidated(doc: Mapping[str, Any]) -> Mapping[str, Document]:
    block = doc.get("consolidated_metadata")
    inner = block.get("metadata") if isinstance(block, Mapping) else None
    if not isinstance(inner, Mapping):
        return {}
    return {
        path: _document_v3(path, item) for path, item in inner.items() if isinstance(item, Mapping)
    }


def _document_v3(path: str, doc: Mapping[str, Any]) -> Document:
    attrs = doc.get("attributes")
    return Document(
        path,
        doc if doc.get("node_type") == "array" else None,
        attrs if isinstance(attrs, Mapping) else {},
    )
