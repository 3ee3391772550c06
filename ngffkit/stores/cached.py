"""A store that keeps what another one fetches."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from ngffkit.errors import StoreError
from ngffkit.stores.base import cut_range, is_web_page, merge_ranges
from ngffkit.stores.kept import Entry, Kept
from ngffkit.stores.targets import view_of
from ngffkit.stores.versions import ChangedError, Fetched, Versioned

#: Ranges of one object that are asked for at the same time.
_AT_ONCE = 16

#: Keys of which is remembered that they were checked, or are absent.
_REMEMBERED = 2**18


@dataclass(frozen=True, slots=True)
class _Pin:
    """The version of a key that was handed out: whether in parts decides if it may change."""

    tag: str
    size: int
    parts: bool


class CachedStore:
    """A store that keeps what another one fetches.

    Parameters
    ----------
    inner : Versioned
        Fetches, and tells versions.
    kept : Kept
        Keeps.
    check : {"session", "always", "never"}
        When `inner` is asked whether what is kept is still right: at the first use of a key, at
        each, or never.
    parts : Mapping
        The versions of keys of which parts were handed out already.
    """

    def __init__(
        self,
        inner: Versioned,
        kept: Kept,
        check: Literal["session", "always", "never"] = "session",
        parts: Mapping[str, _Pin] | None = None,
    ) -> None:
        self.inner, self.kept, self.check = inner, kept, check
        self.url, self.concurrency = inner.url, inner.concurrency
        # whoever has parts of a version keeps them, so these pins last
        self._parts: dict[str, _Pin] = dict(parts or {})
        self._wholes: dict[str, _Pin] = {}
        self._absent: set[str] = set()
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the versions that readers have parts of, for worker processes."""
        return type(self), (self.inner, self.kept, self.check, dict(self._parts))

    def get(self, key: str, start: int = 0, length: int | None = None) -> Any:
        """Return the bytes of `key` or of a range of it."""
        if length is not None and length <= 0:
            return b"" if self.size(key) is not None else None
        found = self._get(key, start, length)
        return None if found is None else found.data

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, None when it does not exist."""
        pin = self._trusted(key)
        if pin is not None:
            return pin.size
        found = self._get(key, 0, 0)
        return None if found is None else found.size

    def children(self, prefix: str = "") -> list[str] | None:
        """Return the names directly below `prefix`; None when nobody is to be asked."""
        return None if self.check == "never" else self.inner.children(prefix)

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return several ranges of an object; what is not kept is fetched, near ones together."""
        try:
            return self._ranges(key, ranges)
        except ChangedError:
            # nobody has a part of it yet: all of the other version will do
            if key in self._parts:
                raise
            return self._ranges(key, ranges)

    # --- one range --------------------------------------------------------------------------

    def _get(self, key: str, start: int, length: int | None) -> Entry | None:
        if self.check == "session" and key in self._absent:
            return None
        name, pin = self.kept.name(key), self._pin(key)
        entry = self.kept.read(name, start, length, pin.tag if pin else "")
        if self.check == "never":
            return self._offline(key, name, (start, length), entry)
        if entry is not None and self._trusted(key):
            return entry
        match = pin.tag if pin and pin.parts else ""
        found = self._fetch(key, (start, length), match, entry.tag if entry else "")
        if found is None:
            self._forget(key)
            return None
        if found.data is None and entry is not None:
            self._hold(key, entry, parts=not _is_whole(entry, start))
            return entry
        fresh = Entry(view_of(found.data), found.tag, found.size)
        self._hold(key, fresh, parts=not _is_whole(fresh, start))
        if entry is not None and entry.tag != fresh.tag:
            self.kept.drop(name)
        self._keep(key, name, (start, length), fresh)
        return fresh

    def _fetch(
        self, key: str, span: tuple[int, int | None], match: str, known: str
    ) -> Fetched | None:
        """Fetch a range; a version other than `match` voids what is kept."""
        try:
            # a version that is known is not asked for as well: the answer could be either
            return self.inner.fetch(key, *span, match="" if known else match, known=known)
        except ChangedError:
            self.kept.drop(self.kept.name(key))
            raise

    def _keep(self, key: str, name: str, span: tuple[int, int | None], entry: Entry) -> None:
        """Keep what is whole and has a version; a page for people is no object."""
        start, length = span
        short = length is not None and len(entry.data) < length and start >= 0
        if not entry.tag or (short and start + len(entry.data) != entry.size):
            return
        if is_web_page(entry.data) and not key.endswith(".xml"):
            return
        self.kept.write(name, span, entry)

    def _offline(
        self, key: str, name: str, span: tuple[int, int | None], entry: Entry | None
    ) -> Entry | None:
        if entry is not None:
            self._hold(key, entry, parts=not _is_whole(entry, span[0]))
            return entry
        if self.kept.is_absent(name):
            return None
        raise self._not_kept(key)

    def _not_kept(self, key: str) -> StoreError:
        return StoreError(
            key,
            f"{self.url}/{key}",
            f"it is not in the cache in {self.kept.folder.root}, and check='never' asks nobody; "
            "pass check='session' to fetch it",
        )

    # --- several ranges ---------------------------------------------------------------------

    def _ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        name, pin = self.kept.name(key), self._pin(key)
        tag, found = pin.tag if pin else "", dict[tuple[int, int], Entry]()
        for span in dict.fromkeys(ranges):
            entry = self.kept.read(name, *span, tag) if span[1] > 0 else None
            if entry is not None:
                found[span], tag = entry, entry.tag
        missing = [span for span in dict.fromkeys(ranges) if span not in found and span[1] > 0]
        if self.check == "never":
            if missing:
                raise self._not_kept(key)
        elif missing:
            # what comes says whether the rest is still right
            found |= self._fetch_all(key, name, missing, tag)
        elif found and self._trusted(key) is None:
            first = next(iter(found))
            if self._must(key, first, "", tag).data is not None:
                raise self._changed(key, name)
        if found:
            self._hold(key, next(iter(found.values())), parts=True)
        return [found[span].data if span[1] > 0 else b"" for span in ranges]

    def _fetch_all(
        self, key: str, name: str, missing: Sequence[tuple[int, int]], tag: str
    ) -> dict[tuple[int, int], Entry]:
        spans = merge_ranges(missing)

        def fetch(span: tuple[int, int]) -> Fetched:
            return self._must(key, (span[0], span[1] - span[0]), tag, "")

        if len(spans) == 1:
            came = [fetch(spans[0])]
        else:
            with ThreadPoolExecutor(min(len(spans), _AT_ONCE)) as pool:
                came = list(pool.map(fetch, spans))
        tags = {part.tag for part in came} | ({tag} if tag else set())
        if len(tags) > 1:
            raise self._changed(key, name)
        parts = [view_of(part.data) for part in came]
        out = {}
        for span in missing:
            data = cut_range(spans, parts, *span)
            out[span] = Entry(data, came[0].tag, came[0].size)
            self._keep(key, name, span, out[span])
        return out

    def _must(self, key: str, span: tuple[int, int], match: str, known: str) -> Fetched:
        found = self._fetch(key, span, match, known)
        if found is None:
            raise StoreError(key, f"{self.url}/{key}", "it vanished while it was read")
        return found

    # --- versions ---------------------------------------------------------------------------

    def _pin(self, key: str) -> _Pin | None:
        return self._parts.get(key) or self._wholes.get(key)

    def _trusted(self, key: str) -> _Pin | None:
        """Return the version of a key when nobody need be asked for it."""
        return None if self.check == "always" else self._pin(key)

    def _hold(self, key: str, entry: Entry, *, parts: bool) -> None:
        """Remember which version was handed out, and refuse another one beside parts of it."""
        if key in self._absent:
            self._absent.discard(key)
        pin = self._pin(key)
        if pin is not None and pin.tag == entry.tag and pin.parts >= parts:
            return
        with self._lock:
            pin = self._parts.get(key)
            if pin is not None and pin.tag != entry.tag:
                self.kept.drop(self.kept.name(key))
                raise ChangedError(key, f"{self.url}/{key}")
            if not entry.tag:
                return
            if parts:
                self._parts[key] = _Pin(entry.tag, entry.size, parts=True)
                self._wholes.pop(key, None)
            elif pin is None:
                if len(self._wholes) >= _REMEMBERED:
                    self._wholes.clear()
                self._wholes[key] = _Pin(entry.tag, entry.size, parts=False)

    def _changed(self, key: str, name: str) -> ChangedError:
        """Make what is kept of a key void, and return the error that says why."""
        self.kept.drop(name)
        with self._lock:
            self._wholes.pop(key, None)
        return ChangedError(key, f"{self.url}/{key}")

    def _forget(self, key: str) -> None:
        """Remember that there is no such key, in this store's life."""
        if len(self._absent) >= _REMEMBERED:
            self._absent.clear()
        self._absent.add(key)
        self.kept.write_absent(self.kept.name(key))


def _is_whole(entry: Entry, start: int) -> bool:
    return start == 0 and len(entry.data) == entry.size
