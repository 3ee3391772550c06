"""The widget that chooses a place: our own list, and ipyfilechooser for those who know it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import ipywidgets

from ngffkit.panels.choosing import ChooseModel, What
from ngffkit.panels.listing import above, scheme_of
from ngffkit.panels.parts import Part
from ngffkit.widgets.comms import follow_the_page

#: Entries beyond which ipyfilechooser would send more to the page than anybody reads: 50,000 files
#: are 50,001 options, 0.7 MB at every step. Our own list shows them a page at a time.
MOST = 2000


class Chooser(ipywidgets.VBox):  # type: ignore[misc]
    """Chooses a folder, a file or a Zarr: on the kernel's disk, http, s3, gs, and what fsspec has.

    A Zarr is one thing, long folders come a page at a time, and listing runs in the background.
    ipyfilechooser, which knows the kernel's disk alone, is a click away.

    Parameters
    ----------
    on_choose : callable
        Called with the absolute path or URL that was chosen, from the thread of the page's message
        or of the listing.
    start : str
        Where to begin; the folder one is in when empty.
    what : {"source", "target"}
        A source is there already; a target is a folder and a new name in it.
    title : str
        A heading above it.
    verb : str
        What its button says.
    address : bool
        Whether the place can be typed while the list is put away.
    lock : RLock, optional
        Of a model that `on_choose` calls and that calls the chooser as well.

    Attributes
    ----------
    model : ChooseModel
        Its state; ``model.storage_options`` are the options that were typed.

    Examples
    --------
    >>> chooser = Chooser(print, start="/data")
    >>> chooser.model.do("choose", place="cells.zarr")
    /data/cells.zarr
    """

    def __init__(
        self,
        on_choose: Callable[[str], None],
        *,
        start: str = "",
        what: What = "source",
        title: str = "",
        verb: str = "Choose",
        address: bool = False,
        lock: Any = None,
    ) -> None:
        self.model = ChooseModel(start, what, lock=lock)
        self._on_choose = on_choose
        self._classic: Any = None
        self._part = Part(self.model, "listing", "chooser", title, verb=verb, address=address)
        self._message = Part(self.model, "message", "message")
        super().__init__([self._part, self._message])
        follow_the_page(self)
        self.model.observe(self._chosen, "chosen")
        self.model.observe(self._listed, "listing")

    def close(self) -> None:
        """Take it off the page."""
        if self.comm is not None:
            self.model.unobserve_all()
        for part in (self._part, self._message, *_all(self._classic)):
            part.close()
        super().close()

    def _chosen(self, change: Any) -> None:
        self._on_choose(change["new"]["url"])

    def _listed(self, change: Any) -> None:
        wanted = bool(change["new"]["classic"] and change["new"]["open"])
        if wanted == bool((change["old"] or {}).get("classic") and change["old"].get("open")):
            return
        shown: list[Any] = [self._part, self._message]
        place = self.model.listing["place"]
        if wanted and self._classic is None:
            self._classic = _classic("" if scheme_of(place) else place, self._picked)
        if wanted:
            shown.insert(1, self._classic)
        self.children = shown

    def _picked(self, chosen: Any) -> None:
        if chosen.selected:
            self.model.do("choose", place=chosen.selected)


def _classic(place: str, picked: Callable[[Any], None]) -> Any:
    """Return ipyfilechooser; folders that are too long for it are refused."""
    from ipyfilechooser import FileChooser

    class Guarded(FileChooser):  # type: ignore[misc]
        """Goes into no folder that would be too long for the page."""

        def _set_form_values(self, path: str, filename: str) -> None:
            if too_long(path):
                name = Path(path).name
                self.title = f"{name} has more than {MOST} entries; use the list above"
                path = self._expand_path(self._pathlist.value or above(path))
            super()._set_form_values(path, filename)

    while too_long(place):
        place = above(place)
    out = Guarded(place or None, select_desc="Choose", change_desc="Choose another")
    out.register_callback(picked)
    for widget in _all(out):
        follow_the_page(widget)
    return out


def too_long(place: str) -> bool:
    """Tell whether a folder has more entries than ipyfilechooser can be asked to show."""
    try:
        with os.scandir(place or ".") as found:
            return any(islice(found, MOST, None))
    except OSError:
        return False


def _all(widget: Any) -> Iterator[Any]:
    """Yield a widget and those in it."""
    if widget is not None:
        yield widget
        for child in getattr(widget, "children", ()):
            yield from _all(child)
