"""Choosing a place without a page: a folder's entries a page at a time, wherever the folder is."""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import traitlets

from ngffkit.errors import NgffError
from ngffkit.panels.latest import Latest
from ngffkit.panels.listing import (
    Entry,
    Listing,
    above,
    crumbs,
    is_one,
    joined,
    list_place,
    place_of,
    scheme_of,
)
from ngffkit.panels.model import Model, action
from ngffkit.panels.runs import as_ours
from ngffkit.panels.storage import masked, read_options
from ngffkit.planning.options import about
from ngffkit.shown import shown

What = Literal["source", "target"]

#: A folder, and what is shown of one page of it.
type Paged = tuple[Listing, dict[str, Any]]

#: Entries that are shown at a time, and names that are offered while one types.
PAGE, OFFERED = 100, 20

#: Seconds after which a folder is given up.
PATIENCE = 30.0

_TARGETS = (".zarr", ".ozx")
_TEXTS = ("error", "options", "options_error", "name", "name_error", "filter", "marked")


class ChooseModel(Model):
    """A place that is being chosen.

    Parameters
    ----------
    start : str
        Where to begin: a path or URL; the folder one is in when empty.
    what : {"source", "target"}
        A source is there already; a target is a folder and a name in it.
    patience : float
        Seconds after which a folder that doesn't answer is given up.
    lock : RLock, optional
        Of a model that it shares it with.

    Attributes
    ----------
    listing : dict
        ``open``: the list is shown; ``place``, ``crumbs``, ``up``; ``entries``: those of this page,
        each with name, kind (``folder``, ``zarr``, ``file``) and size; ``offset``, ``page``,
        ``matching``, ``total``; ``filter``; ``marked``; ``zarr``: the place is one thing itself;
        ``offers``: completions; ``options``: without secrets; ``busy``, ``error``,
        ``options_error``; ``name``, ``name_error``: of a target; ``classic``.
    chosen : dict
        ``url``: what was chosen last; ``count`` of choices. Observe it.
    """

    listing = traitlets.Dict()
    chosen = traitlets.Dict({"url": "", "count": 0})

    def __init__(
        self,
        start: str = "",
        what: What = "source",
        patience: float = PATIENCE,
        *,
        lock: Any = None,  # noqa: ARG002 - `Model.setup_instance` has taken it
    ) -> None:
        super().__init__()
        self.what, self.patience = what, patience
        self.storage_options: dict[str, Any] = {}
        self._asked = self._count = 0
        self._latest = Latest("ngffkit-list", 0.01, self.lock)
        self._offers = Latest("ngffkit-offer", 0.05, self.lock)
        self._found = Listing(place_of(start or "."))
        self._listed = False
        self.listing = {
            **dict.fromkeys(("open", "classic", "busy"), False),
            **dict.fromkeys(_TEXTS, ""),
            **self._page(self._found, "", 0),
            "what": what,
            "page": PAGE,
            "offers": [],
            "edits": {},
            "text": start,
        }

    # --- actions ----------------------------------------------------------------------------------

    @action
    def toggle(self) -> None:
        """Show the list, or put it away."""
        self.put(open=not self.listing["open"])
        if self.listing["open"] and not self._listed:
            self._list(self._found.place)

    @action
    def classic(self) -> None:
        """Show ipyfilechooser, or put it away."""
        self.put(classic=not self.listing["classic"])

    @action
    def go(self, place: str) -> None:
        """List another folder; a path may be relative to the one that is listed."""
        self._list(self._meant(place))

    @action
    def up(self) -> None:
        """List the folder that this one lies in."""
        if parent := above(self._found.place):
            self._list(parent)

    @action
    def enter(self, name: str) -> None:
        """List a folder of this one; a Zarr too, which is else one thing: a plate, a collection."""
        self._list(joined(self._found.place, name))

    @action
    def again(self) -> None:
        """List the same folder anew."""
        self._list(self._found.place)

    @action
    def turn(self, offset: int) -> None:
        """Show another page of the list."""
        self._show(self._found, self.listing["filter"], int(offset))

    @action
    def filter(self, text: str, edit: int = 0) -> None:
        """Show only names that contain a text, or match a pattern such as ``*.tif``."""
        self.put(filter=str(text), edits={**self.listing["edits"], "filter": edit})
        self._show(self._found, str(text), 0)

    @action
    def mark(self, name: str) -> None:
        """Select an entry, which `choose` will take; of a target, take its name over."""
        self.put(marked=name)
        if self.what == "target":
            self.call_it(name)

    @action
    def call_it(self, name: str, edit: int = 0) -> None:
        """Name the target in this folder."""
        edits = {**self.listing["edits"], "name": edit}
        self.put(name=str(name), name_error=_wrong_name(str(name)), edits=edits)

    @action
    def complete(self, text: str, edit: int = 0) -> None:
        """Offer places that begin with what is typed."""
        edits = {**self.listing["edits"], "text": edit}
        self.put(text=str(text), edits=edits, error="")
        options = dict(self.storage_options)
        self._offers.ask(
            lambda: _offers(str(text), self._found, options), lambda found: self.put(offers=found)
        )

    @action
    def options(self, text: str, edit: int = 0) -> None:
        """Set the options of remote stores: ``KEY=VALUE``, between spaces."""
        edits = {**self.listing["edits"], "options": edit}
        try:
            found = read_options(str(text), self.storage_options)
        except ValueError as err:
            self.put(options_error=str(err), edits=edits)
            return
        self.storage_options = found
        self.put(options=masked(found), options_error="", edits=edits)

    @action
    def choose(self, place: str = "") -> None:
        """Take what is typed, else what is marked or named, else the folder itself."""
        if not place and self.what == "target":
            name = str(self.listing["name"]).strip()
            if wrong := _wrong_name(name) or ("" if name else "type a name, e.g. image.zarr"):
                self.put(name_error=wrong)
                return
            name = name if name.lower().endswith(_TARGETS) else f"{name}.zarr"
            self._take(joined(self._found.place, name))
        elif place:
            self._take(self._meant(place))
        elif self.listing["marked"]:
            self._take(joined(self._found.place, self.listing["marked"]))
        else:
            self._take(self._found.place)

    @action
    def take(self, place: str) -> None:
        """Take a Zarr or a file; list any other folder."""
        wanted = self._meant(place)
        if wanted.lower().endswith(_TARGETS):
            self._take(wanted)
        else:
            self._list(wanted, take=True)

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until the list is that of the place; tell whether it came to pass."""
        return self._latest.settle(timeout) and self._offers.settle(timeout)

    # --- what they do -----------------------------------------------------------------------------

    def put(self, **values: Any) -> None:
        """Change what is shown, from any thread."""
        with self.lock:
            self.listing = {**self.listing, **values}

    def _meant(self, text: str) -> str:
        if not str(text).strip():
            raise NgffError("nothing is typed; a path or a URL was expected")
        base = self._found.place
        return place_of(str(text), "" if scheme_of(base) else base)

    def _take(self, place: str) -> None:
        self.say("")
        self._offers.drop()
        self.put(open=False, text=place, error="", offers=[])
        self._count += 1
        self.chosen = {"url": place, "count": self._count}

    def _list(self, place: str, *, take: bool = False) -> None:
        self._asked += 1
        own, options = self._asked, dict(self.storage_options)
        self.put(busy=True, error="", text=place if take else self.listing["text"])

        def listed() -> Paged:
            found = list_place(place, options)
            return found, self._page(found, "", 0)

        def then(found: Paged | NgffError | None) -> None:
            if own == self._asked and found is not None:
                self._listed_now(found, place, take=take)

        self._latest.ask(lambda: self._in_time(listed, own, place), then)

    def _listed_now(self, found: Paged | NgffError, place: str, *, take: bool) -> None:
        if isinstance(found, NgffError):
            self.put(busy=False, error=str(found))
            return
        self._found, page = found
        self._listed = True
        named = self._found.named
        self.put(**page, busy=False, filter="", marked=named, offers=[], text=place)
        if take and (named or self._found.zarr):
            self._take(place)
        elif take:
            self.put(open=True)

    def _show(self, found: Listing, text: str, offset: int) -> None:
        if self.listing["busy"]:
            return  # a list that is still to come begins at its first page
        own = self._asked

        def paged() -> Paged:
            return found, self._page(found, text, offset)

        def then(page: Paged | NgffError | None) -> None:
            if isinstance(page, NgffError):
                self.put(error=str(page))
            elif page is not None and found is self._found:
                self.put(**page[1], marked="")

        # which of a page's folders are Zarrs is asked of the disk, which may hang as well
        self._latest.ask(lambda: self._in_time(paged, own, found.place), then)

    def _page(self, found: Listing, text: str, offset: int) -> dict[str, Any]:
        matching = [entry for entry in found.entries if _matches(entry.name, text)]
        offset = max(0, min(offset, (len(matching) - 1) // PAGE * PAGE))
        local = not scheme_of(found.place)
        return {
            "place": found.place,
            "up": bool(above(found.place)),
            "crumbs": [{"label": label, "place": place} for label, place in crumbs(found.place)],
            "entries": [
                _row(found.place, entry, local=local) for entry in matching[offset : offset + PAGE]
            ],
            "offset": offset,
            "matching": len(matching),
            "total": sum(_matches(entry.name, "") for entry in found.entries),
            "zarr": found.zarr,
        }

    def _in_time(self, work: Callable[[], Paged], own: int, place: str) -> Paged | NgffError | None:
        """Do it in a thread of its own: a disk or server that hangs must hold up nothing else."""
        out: list[Paged | NgffError] = []
        ended = threading.Event()

        def run() -> None:
            try:
                out.append(work())
            except Exception as err:  # noqa: BLE001 - a thread has nobody above it
                out.append(as_ours(err))
            ended.set()

        threading.Thread(target=run, name="ngffkit-listing", daemon=True).start()
        waited, step = 0.0, 0.05
        while not ended.wait(step):
            waited += step
            if own != self._asked:
                return None
            if waited >= self.patience:
                return NgffError(
                    f"{place} didn't answer within {self.patience:g} s; try again, or choose "
                    "another place"
                )
        return out[0]


def _matches(name: str, text: str) -> bool:
    wanted = text.strip().lower()
    if not wanted.startswith(".") and name.startswith("."):
        return False
    if any(sign in wanted for sign in "*?["):
        return fnmatch.fnmatchcase(name.lower(), wanted)
    return wanted in name.lower()


def _row(place: str, entry: Entry, *, local: bool) -> dict[str, Any]:
    size = entry.size
    if local and entry.kind == "file":
        try:
            size = Path(place, entry.name).stat().st_size
        except OSError:
            size = -1
    kind = "zarr" if is_one(place, entry) else entry.kind
    return {"name": entry.name, "kind": kind, "size": about(size) if size >= 0 else ""}


def _wrong_name(name: str) -> str:
    bare = name.strip()
    if "/" in bare or "\\" in bare or bare in (".", ".."):
        return f"{shown(bare)} is no name; enter the folder, and type a name without slashes"
    return ""


def _offers(text: str, found: Listing, options: Mapping[str, Any]) -> list[str]:
    """Return places that begin with a text; of remote folders only the one that is listed."""
    bare = text.strip()
    head, slash, start = bare.rpartition("/")
    if not slash or (scheme_of(bare) and not head.partition("://")[2]):
        return []
    try:
        place = place_of(head or "/")
        listed = found if found.place == place else None
        if listed is None and not scheme_of(place):
            listed = list_place(place, options)
    except NgffError:
        return []
    if listed is None:
        return []
    names = [
        entry.name
        for entry in listed.entries
        if entry.name.lower().startswith(start.lower()) and _matches(entry.name, start[:1])
    ]
    return [joined(head or "/", name) for name in names[:OFFERED]]
