"""Parts of one object that belong together: its index, and what the index says where it lies.

An object that is replaced between two reads gives parts of two versions, which fit by chance: the
chunk that is found at a place is whole, but another one. So the index comes with what tells its
version, and what is read by it must be of the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ngffkit.stores.base import LocalStore, Store, cut_range, merge_ranges
from ngffkit.stores.substore import SubStore
from ngffkit.stores.versions import ChangedError


def get_tagged(
    store: Store, key: str, start: int = 0, length: int | None = None
) -> tuple[Any, Any]:
    """Return a range as `Store.get` does, and what tells the version of its object.

    Parameters
    ----------
    store, key, start, length
        As for `Store.get`.

    Returns
    -------
    tuple
        Bytes, or None when the key does not exist; and a tag, None where the store tells none.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "a")
    ...     _ = file.write_bytes(b"12345")
    ...     data, tag = get_tagged(LocalStore(folder), "a", -2, 2)
    ...     _ = file.write_bytes(b"other")
    ...     try:
    ...         get_tagged_ranges(LocalStore(folder), "a", [(0, 2)], tag)
    ...     except ChangedError:
    ...         print(data)
    b'45'
    """
    store, key = _owner(store, key)
    if isinstance(store, LocalStore):
        # looked at before: what is replaced meanwhile counts as older than it is, and is read again
        tag = store.stamp(key)
        return store.get(key, start, length), tag
    fetch = getattr(store, "fetch", None)
    if fetch is None or (length is not None and length <= 0):
        return store.get(key, start, length), None
    found = fetch(key, start, length)
    return (None, None) if found is None else (found.data, found.tag or None)


def get_tagged_ranges(
    store: Store, key: str, ranges: Sequence[tuple[int, int]], tag: Any
) -> list[Any]:
    """Return several ranges as `Store.get_ranges` does, all of the version that a tag tells.

    Raises
    ------
    ChangedError
        When the object is another one by now.
    """
    store, key = _owner(store, key)
    if isinstance(store, LocalStore):
        found = store.get_ranges(key, ranges)
        # looked at afterwards: that the version is still there means that it was all the time
        if store.stamp(key) != tag:
            raise ChangedError(key, f"{store.url}/{key}")
        return found
    spans = merge_ranges(ranges)
    parts = [_fetched(store, key, start, stop - start, tag) for start, stop in spans]
    return [cut_range(spans, parts, start, length) for start, length in ranges]


def is_removed(store: Store, path: str, zarr_format: int) -> bool:
    """Tell whether an array was removed since it was opened, as before another one replaces it.

    Only folders of this machine are asked; elsewhere that would cost a request.
    """
    key = f"{path}/{'.zarray' if zarr_format == 2 else 'zarr.json'}".lstrip("/")
    return isinstance(store, LocalStore) and store.stamp(key) is None


def _fetched(store: Any, key: str, start: int, length: int, tag: str) -> Any:
    found = store.fetch(key, start, length, match=tag)
    # a server that heeds no conditions sends what it has
    if found is None or found.tag != tag:
        raise ChangedError(key, f"{store.url}/{key}")
    return found.data


def _owner(store: Store, key: str) -> tuple[Store, str]:
    """Return the store that a folder of a store belongs to, and the key in it."""
    while isinstance(store, SubStore):
        key = f"{store.prefix}/{key}"
        store = store.store
    return store, key
