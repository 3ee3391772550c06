"""The Browse panel: an address, a viewer, the image's mags, its card."""

from __future__ import annotations

from typing import Any

from ngffkit.panels.browse_model import AUTO, BrowseModel
from ngffkit.panels.chooser import Chooser
from ngffkit.panels.parts import Panel, Part, side_by_side


class BrowsePanel(Panel):
    """Opens anything that `ngffkit.browse` takes, and shows it.

    Parameters
    ----------
    model : BrowseModel, optional
        What it shows; a new one when left out.

    Attributes
    ----------
    viewer : Viewer or None
        The view of what is open.
    chooser : Chooser
        The address, and the list of places.

    Examples
    --------
    >>> panel = BrowsePanel()
    >>> panel.model.do("open", place="nowhere.zarr")
    >>> panel.model.settle(), panel.model.message["text"][:14]
    (True, "'nowhere.zarr'")
    """

    model: BrowseModel

    def __init__(self, model: BrowseModel | None = None) -> None:
        model = model or BrowseModel()
        self.viewer: Any = None
        self.chooser = Chooser(self._take, verb="Open", address=True, lock=model.lock)
        self._top = [self.chooser, Part(model, "message", "message")]
        choices = Part(model, "form", "form")
        choices.add_class("nk-wide")
        asked = Part(model, "buttons", "buttons")
        self._below = [
            side_by_side(choices, asked, widths=("400px", "200px")),
            Part(model, "card", "card"),
            Part(model, "code", "code"),
        ]
        super().__init__(model, [*self._top, *self._below])
        model.observe(self._opened, "opened")
        model.observe(self._held, "mag")
        if model.seen is not None:
            self._view()

    def close(self) -> None:
        """End the view, and take everything off the page."""
        if self.comm is not None:
            self.model.unobserve(self._opened, "opened")
            self.model.unobserve(self._held, "mag")
        super().close()

    def _take(self, place: str) -> None:
        self.model.do("open", place=place, options=self.chooser.model.storage_options)

    def _opened(self, change: Any) -> None:
        new, old = change["new"], change["old"]
        if new["busy"] != old["busy"]:
            self.chooser.model.put(opening=new["busy"])
        if new["count"] != old["count"]:
            self.chooser.model.put(text=new["url"])
            self._view()

    def _view(self) -> None:
        from ngffkit.widgets.browse import Viewer

        assert self.model.seen is not None
        scene = self.model.seen.scene
        before, self.viewer = self.viewer, Viewer(scene)
        self.viewer.observe(self._moved, "held_mag")
        self.children = [*self._top, self.viewer, *self._below]
        if before is not None:
            # after the page has the new one: closing ends threads and frees the pixels
            before.unobserve(self._moved, "held_mag")
            before.close()

    def _held(self, change: Any) -> None:
        if self.viewer is not None:
            self.viewer.mag = change["new"]

    def _moved(self, change: Any) -> None:
        """Follow the viewer, where the mag can be held too."""
        if (change["new"] or AUTO) != self.model.mag:
            self.model.do("hold", mag=change["new"])
