"""Things that are made once and kept within a bound: who asks meanwhile waits for the same one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future


class Kept[Item]:
    """What was made last, by key, within a bound of bytes. Used by many threads.

    Parameters
    ----------
    limit : int
        Bytes that are kept. What is larger on its own is made for those who wait for it, and
        forgotten.
    size : callable
        Returns the bytes of an item.

    Examples
    --------
    >>> kept = Kept[bytes](8, len)
    >>> kept.get("a", lambda: b"12345"), kept.get("a", lambda: b"never made")
    (b'12345', b'12345')
    >>> kept.get("b", lambda: b"6789"), kept.nbytes
    (b'6789', 4)
    """

    def __init__(self, limit: int, size: Callable[[Item], int]) -> None:
        self.limit, self._size = limit, size
        self.made = 0
        self.nbytes = 0
        self._lock = threading.Lock()
        self._items: OrderedDict[Hashable, Item] = OrderedDict()
        self._making: dict[Hashable, Future[Item]] = {}

    def get(self, key: Hashable, make: Callable[[], Item]) -> Item:
        """Return the item of a key, which is made if it isn't there.

        Raises
        ------
        Exception
            Whatever `make` raises, to everyone who waits; the next one to ask tries again.
        """
        with self._lock:
            if key in self._items:
                self._items.move_to_end(key)
                return self._items[key]
            waiting = self._making.get(key)
            own = Future[Item]()
            if waiting is None:
                self._making[key] = own
        if waiting is not None:
            return waiting.result()
        try:
            item = make()
        except BaseException as err:
            with self._lock:
                del self._making[key]
            own.set_exception(err)
            raise
        with self._lock:
            del self._making[key]
            self._put(key, item)
        own.set_result(item)
        return item

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._items.clear()
            self.nbytes = 0

    def _put(self, key: Hashable, item: Item) -> None:
        self.made += 1
        size = self._size(item)
        if size > self.limit:
            return
        self._items[key] = item
        self.nbytes += size
        while self.nbytes > self.limit:
            _, oldest = self._items.popitem(last=False)
            self.nbytes -= self._size(oldest)
