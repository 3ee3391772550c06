"""A store that counts what is asked of it, and is otherwise the store it counts for."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from ngffkit.stores.base import LocalStore, Store
from ngffkit.stores.substore import SubStore
from ngffkit.stores.versions import Versioned
from ngffkit.stores.zips import ZipStore


class Tally:
    """Requests and bytes; may be added to by threads.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.add(1, 100), tally.requests, tally.nbytes
    (None, 1, 100)
    """

    def __init__(self) -> None:
        self.requests = self.nbytes = 0
        self._lock = threading.Lock()

    def add(self, requests: int, nbytes: int) -> None:
        """Count requests that were answered, and the bytes that came."""
        with self._lock:
            self.requests += requests
            self.nbytes += nbytes

    def clear(self) -> None:
        """Begin again."""
        with self._lock:
            self.requests = self.nbytes = 0


class _Counted:
    """What a class that counts does before the class it is made from."""

    tally: Tally

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it, and count that."""
        above: Any = super()  # the class of the store it counts for
        data = above.get(key, start, length)
        self.tally.add(1, 0 if data is None else len(data))
        return data

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of a key, and count them as they travel."""
        own = Tally()
        # one that shares everything with this store but the tally: who merges ranges asks `get`
        once: Any = object.__new__(type(self))
        once.__dict__.update(self.__dict__, tally=own)
        above: Any = super(_Counted, once)
        found: list[Any] = above.get_ranges(key, ranges)
        if own.requests:
            self.tally.add(own.requests, own.nbytes)
        else:
            self.tally.add(len(found), sum(map(len, found)))
        return found


class _CountedVersions(_Counted):
    """The same for a store that tells versions apart."""

    def fetch(self, key: str, start: int = 0, length: int | None = None, **versions: str) -> Any:
        """Return a range of a key with its version, and count that."""
        above: Any = super()
        found = above.fetch(key, start, length, **versions)
        if length != 0:
            self.tally.add(1, 0 if found is None or found.data is None else len(found.data))
        return found


def counted(store: Store, tally: Tally) -> Store:
    """Return a store like `store`, of its kind and over the same connections, that counts.

    Parameters
    ----------
    store : Store
        Any; it is left as it is.
    tally : Tally
        Where to count. An object that does not exist is a request of no bytes; of ranges that
        travel together all bytes count, those between them too; each range of a local file is a
        request.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = pathlib.Path(folder, "a").write_bytes(b"12345")
    ...     tally = Tally()
    ...     store = counted(LocalStore(folder), tally)
    ...     _ = store.get("a"), store.get("b"), store.get_ranges("a", [(0, 2), (3, 1)])
    >>> tally.requests, tally.nbytes
    (4, 8)
    """
    own = type(store)
    counts = _CountedVersions if isinstance(store, Versioned) else _Counted
    kind = own if own is SubStore else type(f"Counted{own.__name__}", (counts, own), {})
    made: Any = object.__new__(kind)
    made.__dict__.update(store.__dict__)
    if isinstance(store, SubStore):
        made.store = counted(store.store, tally)
    else:
        made.tally = tally
    return made  # type: ignore[no-any-return]


def merges(store: Store) -> bool:
    """Tell whether near ranges of an object travel together from a store.

    Examples
    --------
    >>> merges(LocalStore("/data"))
    False
    """
    while isinstance(store, (SubStore, ZipStore)):
        store = store.store if isinstance(store, SubStore) else store.parent
    return not isinstance(store, LocalStore)
