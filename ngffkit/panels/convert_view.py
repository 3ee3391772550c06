"""The Convert panel: a form, what was recognised, the plan, the work, and the result beside it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

import ipywidgets

from ngffkit.errors import NgffError
from ngffkit.panels.chooser import Chooser
from ngffkit.panels.convert_model import ConvertModel
from ngffkit.panels.parts import Panel, Part, let_go, side_by_side
from ngffkit.panels.runs import as_ours
from ngffkit.widgets.comms import follow_the_page

#: What half of the panel needs at least; narrower pages have one column.
_COLUMN = "420px"

#: What a chooser needs that is put away.
_CLOSED = "140px"


class ConvertPanel(Panel):
    """Convert anything to OME-Zarr by clicks.

    Parameters
    ----------
    model : ConvertModel, optional
        What it shows.
    beside : bool
        Whether the result is shown below, in a viewer of its own.

    Attributes
    ----------
    viewer : Viewer or None
        What shows the last result.

    Examples
    --------
    >>> panel = ConvertPanel()
    >>> panel.model.run_state["why"]
    'choose what is converted'
    """

    model: ConvertModel

    def __init__(self, model: ConvertModel | None = None, *, beside: bool = True) -> None:
        model = ConvertModel() if model is None else model
        self.source = Chooser(lambda place: self._choose("source", place), title="Source")
        self.target = Chooser(
            lambda place: self._choose("target", place), what="target", title="Target"
        )
        self._parts = [
            Part(model, "form", "form"),
            Part(model, "found", "found", "Recognised"),
            Part(model, "plan", "card", "Plan"),
            Part(model, "run_state", "run", label="Convert"),
            Part(model, "message", "message"),
            Part(model, "code", "code", "The same in Python"),
        ]
        form, found, plan, *rest = self._parts
        self.place = ipywidgets.VBox([])
        choosers = side_by_side(self.source, self.target, widths=(_CLOSED, _CLOSED))
        left = ipywidgets.VBox([choosers, form, *rest])
        right = ipywidgets.VBox([self.place, found, plan])
        for box in (left, right, self.place):
            follow_the_page(box)
        self.viewer: Any = None
        self._showing = threading.Lock()
        self._closed = threading.Event()
        super().__init__(model, [side_by_side(left, right, widths=(_COLUMN, _COLUMN))])
        for chooser in (self.source, self.target):
            chooser.model.observe(partial(_widen, chooser), "listing")
        self.beside = beside
        if beside:
            model.observe(self._ended, "result")

    def _choose(self, name: str, place: str) -> None:
        chooser = self.source if name == "source" else self.target
        options = dict(chooser.model.storage_options)
        self.model.do("choose", name=name, place=place, storage_options=options)

    def _ended(self, change: Any) -> None:
        url = str(change["new"].get("url", ""))
        # opening may take a while, and whoever tells of the end holds the model's lock
        threading.Thread(target=self._view, args=(url,), name="ngffkit-view", daemon=True).start()

    def _view(self, url: str) -> None:
        """Show an image, or nothing, in place of what was shown."""
        with self._showing:
            new = None
            if url:
                try:
                    new = _opened(url, self.model.written_with)
                except NgffError as err:
                    self.model.say(f"{url} can't be shown: {err}", "error")
                except Exception as err:  # noqa: BLE001 - a thread has nobody above it
                    self.model.say(as_ours(err), "error")
            if self._closed.is_set() or url != self.model.result.get("url", ""):
                # another run has begun meanwhile, or nobody looks any more
                if new is not None:
                    new.close()
                return
            old, self.viewer = self.viewer, new
            self.place.children = [] if new is None else [new]
            if old is not None:
                old.close()
            if self._closed.is_set():
                # closed between the look and the showing
                let_go(self.place.children)

    def close(self) -> None:
        """Let go of the model, and of all that it shows."""
        if self.comm is not None and self.beside:
            self.model.unobserve(self._ended, "result")
        for chooser in (self.source, self.target):
            chooser.model.unobserve_all()
        # not under the lock: what is being opened may take its time, and ends by itself
        self._closed.set()
        super().close()


def _widen(chooser: Any, change: Any) -> None:
    """Give a chooser that is open all the width there is."""
    flex = f"1 1 {'100%' if change['new'].get('open') else _CLOSED}"
    if chooser.layout.flex != flex:
        chooser.layout.flex = flex


def _opened(url: str, storage_options: Mapping[str, Any]) -> Any:
    """Return a viewer of an image."""
    from ngffkit import api
    from ngffkit.widgets.browse import browse

    # most have none, and a viewer that knows the address says it in its own line of Python
    return browse(api.open(url, storage_options=storage_options) if storage_options else url)
