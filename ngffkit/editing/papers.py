"""The documents of an image: read as JSON, patched, and written in an order that is safe.

Nothing is made anew that is there already, so what other programs have put into attributes stays.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ngffkit.discover.walk import join
from ngffkit.editing.place import Place, refuse
from ngffkit.errors import MetadataError
from ngffkit.execute.documents import encoded
from ngffkit.stores.base import Store
from ngffkit.stores.targets import Written

Json = dict[str, Any]

_V2 = (".zgroup", ".zarray", ".zattrs")
_CONSOLIDATED = ".zmetadata"


class Papers:
    """The documents below a target, with what is to be changed of them.

    Parameters
    ----------
    place : Place
        The image.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._changed: dict[str, Json] = {}
        self._seen: dict[str, Json | None] = {}
        self._dropped: list[str] = []

    # --- reading --------------------------------------------------------------------------------

    def get(self, key: str) -> Json | None:
        """Return a document as it will be, a copy that may be changed; None when there is none."""
        if key in self._changed:
            return copy.deepcopy(self._changed[key])
        found = _read(self.place.target.store, key)
        self._seen.setdefault(key, copy.deepcopy(found))
        return found

    def check(self) -> None:
        """Refuse to go on when another edit has changed what was read so far.

        Raises
        ------
        PlanError
            Naming the document.
        """
        store = self.place.target.store
        for key, seen in self._seen.items():
            if _read(store, key) != seen:
                message = f"{key} of {self.place.target.url} was changed by another edit just now"
                refuse("image", message, "make the call again")

    def array(self, path: str) -> tuple[Json, Json]:
        """Return the document of an array, and its attributes."""
        if self.place.zarr_format == 3:
            document = self.get(join(path, "zarr.json")) or {}
            return document, document.get("attributes") or {}
        return self.get(join(path, ".zarray")) or {}, self.get(join(path, ".zattrs")) or {}

    def attributes(self, path: str) -> Json:
        """Return the attributes of a group."""
        document = self.get(self._attributes_key(path)) or {}
        if self.place.zarr_format == 3:
            return document.get("attributes") or {}
        return document

    def _attributes_key(self, path: str) -> str:
        return join(path, "zarr.json" if self.place.zarr_format == 3 else ".zattrs")

    # --- changing -------------------------------------------------------------------------------

    def put(self, key: str, document: Mapping[str, Any]) -> None:
        """Let a document be written, after those before it; one that was put before moves back."""
        self._changed.pop(key, None)
        self._changed[key] = dict(document)

    def put_array(self, path: str, document: Mapping[str, Any]) -> None:
        """Let the document of an array be written."""
        self.put(join(path, "zarr.json" if self.place.zarr_format == 3 else ".zarray"), document)

    def put_attributes(self, path: str, attributes: Mapping[str, Any]) -> None:
        """Let the attributes of a group that is there be written."""
        key = self._attributes_key(path)
        if self.place.zarr_format == 3:
            self.put(key, {**(self.get(key) or {}), "attributes": dict(attributes)})
        else:
            self.put(key, attributes)

    def drop(self, path: str) -> None:
        """Let nothing repeat the documents at and below a path, which will be removed."""
        self._dropped.append(path)

    # --- writing --------------------------------------------------------------------------------

    def write(self) -> list[Written]:
        """Write what changed: documents in the order they were put, then consolidated metadata.

        Returns
        -------
        list of Written
            The documents below the target.
        """
        target = self.place.target
        for key, document in self._consolidated():
            self.put(key, document)
        outside = list(self._above())
        written = []
        for key, document in self._changed.items():
            # what one document points to is there for good before it is written
            target.sync()
            written.append(target.put(key, encoded(document)))
        target.sync()
        for other, key, document in outside:
            other.put(key, encoded(document))
            other.sync()
        return written

    def _consolidated(self) -> Iterator[tuple[str, Json]]:
        """Yield the documents that repeat others, from the image's group up to the target."""
        if not self._changed:
            return
        parts = self.place.path.split("/") if self.place.path else []
        groups = ["/".join(parts[:n]) for n in range(len(parts), -1, -1)]
        labels = join(self.place.path, "labels")
        if any(key.startswith(f"{labels}/") for key in self._changed):
            groups.insert(0, labels)
        for path in groups:
            key = join(path, "zarr.json" if self.place.zarr_format == 3 else _CONSOLIDATED)
            document = self.get(key)
            if document is not None and _repeat(document, path, self._changed, self._dropped):
                yield key, document

    def _above(self) -> Iterator[tuple[Any, str, Json]]:
        """Yield such documents of groups above the target."""
        key = "zarr.json" if self.place.zarr_format == 3 else _CONSOLIDATED
        for other, path in self.place.above:
            document = _read(other.store, key)
            moved = {join(path, name): doc for name, doc in self._changed.items()}
            dropped = [join(path, gone) for gone in self._dropped]
            if moved and document is not None and _repeat(document, "", moved, dropped):
                yield other, key, document


def _read(store: Store, key: str) -> Json | None:
    raw = store.get(key)
    if raw is None:
        return None
    try:
        document = json.loads(bytes(raw))
    except ValueError as err:
        raise MetadataError(f"is not JSON: {err}", f"{store.url}/{key}") from None
    if not isinstance(document, dict):
        raise MetadataError(
            f"is a {type(document).__name__}; an object was expected", f"{store.url}/{key}"
        )
    return document


def _repeat(document: Json, path: str, changed: Mapping[str, Json], dropped: Sequence[str]) -> bool:
    """Bring what a document repeats of others up to date; tell whether it repeats any."""
    head = f"{path}/" if path else ""
    below = {k.removeprefix(head): doc for k, doc in changed.items() if k.startswith(head)}
    if document.get("zarr_format") == 3:
        block = document.get("consolidated_metadata")
        inner = block.get("metadata") if isinstance(block, dict) else None
        below = {
            key.removesuffix("/zarr.json"): doc
            for key, doc in below.items()
            if key.endswith("/zarr.json")
        }
    else:
        inner = document.get("metadata")
        below = {key: doc for key, doc in below.items() if key.rpartition("/")[2] in _V2}
    lost = [gone.removeprefix(head) for gone in dropped if gone.startswith(head)]
    if not isinstance(inner, dict) or not (below or lost):
        return False
    _forget(inner, lost)
    below = {k: doc for k, doc in below.items() if not _is_in(k, lost)}
    for key, doc in below.items():
        own = {k: v for k, v in doc.items() if k != "consolidated_metadata"}
        old = inner.get(key)
        if isinstance(old, dict) and "consolidated_metadata" in old:
            own["consolidated_metadata"] = old["consolidated_metadata"]
        inner[key] = own
    return True


def _forget(inner: Json, dropped: Sequence[str]) -> None:
    """Remove what is repeated of documents at and below some paths."""
    for key in list(inner):
        if _is_in(key, dropped):
            del inner[key]
        elif isinstance(inner[key], dict):  # a group may repeat what lies in it
            block = inner[key].get("consolidated_metadata")
            nested = block.get("metadata") if isinstance(block, dict) else None
            if isinstance(nested, dict):
                head = f"{key}/"
                _forget(nested, [p.removeprefix(head) for p in dropped if p.startswith(head)])


def _is_in(key: str, folders: Sequence[str]) -> bool:
    return any(f"{key}/".startswith(f"{folder}/") for folder in folders)
