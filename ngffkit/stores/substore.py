"""A folder of a store, as a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ngffkit.stores.base import LocalStore, Store


class SubStore:
    """What lies below a prefix of another store.

    Parameters
    ----------
    store : Store
        The other store.
    prefix : str
        Path within it.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self.store, self.prefix = store, prefix.strip("/")
        self.url = f"{store.url}/{self.prefix}"
        self.concurrency = store.concurrency

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        return self.store.get(f"{self.prefix}/{key}", start, length)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of an existing key."""
        return self.store.get_ranges(f"{self.prefix}/{key}", ranges)

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`."""
        return self.store.children(f"{self.prefix}/{prefix}".rstrip("/"))


def below(store: Store, path: str) -> Store:
    """Return the store of what lies below `path`; the store itself when that is empty."""
    if not path:
        return store
    if isinstance(store, LocalStore):
        return LocalStore(f"{store.root}/{path}")
    return SubStore(store, path)
