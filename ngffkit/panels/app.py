"""All panels in one: `nk.app`. Each is made when its tab is first shown."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import traitlets

from ngffkit.errors import NgffError
from ngffkit.panels.model import Model, action
from ngffkit.panels.parts import Part, let_go
from ngffkit.widgets.comms import follow_the_page

#: Tabs, and where their panels live.
_HOME = {
    "Browse": ("browse_view", "BrowsePanel"),
    "Convert": ("convert_view", "ConvertPanel"),
    "Write": ("write_view", "WritePanel"),
    "Tune": ("tune_view", "TunePanel"),
}

PANELS = tuple(_HOME)


def app(x: Any = None, *, panels: Sequence[str] = PANELS) -> App:
    """Show all panels in one: browse, convert, write, tune.

    What one of them made is opened in Browse by a click. The same app runs outside of notebooks by
    ``ngffkit app`` in a terminal.

    Parameters
    ----------
    x : object, optional
        A path or URL, which Browse opens and Tune takes up; or a Dataset, DataArray or array, which
        Browse shows and Write takes up.
    panels : sequence of str
        Which, in their order: of ``Browse``, ``Convert``, ``Write``, ``Tune``.

    Returns
    -------
    App
        Shows itself at the end of a cell.

    Raises
    ------
    NgffError
        When there is no such panel.

    Examples
    --------
    >>> found = app(panels=("Browse",))
    >>> found.model.tabs
    {'tabs': ['Browse'], 'chosen': 'Browse'}
    """
    unknown = [name for name in panels if name not in _HOME]
    if unknown or not panels or isinstance(panels, str) or len(set(panels)) < len(panels):
        raise NgffError(f"panels={panels!r}: choose some of {', '.join(PANELS)}, each once")
    return App(x, panels=panels)


class AppModel(Model):
    """Which tab is shown, and what was made last.

    Parameters
    ----------
    names : sequence of str
        Of the tabs.

    Attributes
    ----------
    tabs : dict
        ``tabs``: their names; ``chosen``: the one that is shown.
    made : dict
        ``url`` of what is to be opened in Browse, ``count`` of such wishes.
    buttons : dict
        What can be done with what was made last.
    """

    tabs: Any = traitlets.Dict()
    made: Any = traitlets.Dict({"url": "", "count": 0})
    buttons: Any = traitlets.Dict({"buttons": []})

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        self.tabs = {"tabs": list(names), "chosen": names[0]}
        self.options: dict[str, dict[str, Any]] = {}

    @action
    def turn(self, name: str) -> None:
        """Show another tab."""
        if name not in self.tabs["tabs"]:
            raise NgffError(f"there is no tab {name!r}; there are {', '.join(self.tabs['tabs'])}")
        self.say("")
        self.tabs = {**self.tabs, "chosen": name}

    @action
    def look(self, url: str = "") -> None:
        """Open in Browse what was made."""
        if "Browse" not in self.tabs["tabs"]:
            raise NgffError("this app has no Browse tab; nk.app(panels=('Browse', ...)) has one")
        if not url:
            raise NgffError("nothing was made yet; run a conversion first")
        self.buttons = {"buttons": []}
        self.turn("Browse")
        self.made = {"url": url, "count": self.made["count"] + 1}

    def tell(self, url: str, options: Mapping[str, Any]) -> None:
        """Take note of what a panel has made, and of the options of the store it lies in."""
        with self.lock:
            # not in what the page is told: they may be secret
            self.options[url] = dict(options)
            name = url.rstrip("/").rsplit("/", 1)[-1]
            label = f"Open {name} in Browse"
            button = {"do": "look", "label": label, "given": {"url": url}, "title": url}
            shown = url and "Browse" in self.tabs["tabs"]
            self.buttons = {"buttons": [button] if shown else []}


class App(ipywidgets.VBox):  # type: ignore[misc]
    """Panels behind tabs; see `app`.

    Attributes
    ----------
    model : AppModel
        Which tab is shown.
    panels : dict of str to Panel
        Those that were shown so far, by the names of their tabs.
    """

    def __init__(self, x: Any = None, *, panels: Sequence[str] = PANELS) -> None:
        self.x = os.fspath(x) if isinstance(x, os.PathLike) else x
        self.model = AppModel(panels)
        self.panels: dict[str, Any] = {}
        self._parts = [
            Part(self.model, "tabs", "tabs"),
            Part(self.model, "buttons", "buttons"),
            Part(self.model, "message", "message"),
        ]
        super().__init__(self._parts)
        follow_the_page(self)
        self.add_class("nk-app")
        self.model.observe(self._turned, "tabs")
        self.model.observe(self._look, "made")
        self._show(panels[0])

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until the panels show what they were opened on; tell whether it came to pass.

        Parameters
        ----------
        timeout : float or None
            Seconds to wait for each panel.
        """
        return all(panel.model.settle(timeout) for panel in self.panels.values())

    def close(self) -> None:
        """Take the panels off the page; work that goes on in one comes to its end."""
        self.model.unobserve_all()
        for panel in self.panels.values():
            if panel.model.has_trait("result") and self.comm is not None:
                panel.model.unobserve(self._ended, "result")
        let_go(self.children)
        layout = self.layout
        super().close()
        layout.close()

    def _turned(self, change: Any) -> None:
        self._show(change["new"]["chosen"])

    def _show(self, name: str) -> None:
        for other, panel in self.panels.items():
            if other != name:
                # hidden, not taken out: what is drawn and typed there stays; and before another one
                # is made, or a quick click would meet this one below the other's tab
                panel.layout.display = "none"
        if name not in self.panels:
            self.panels[name] = self._made(name)
        self.panels[name].layout.display = None
        head, *rest = self._parts
        self.children = [head, *rest, *self.panels.values()]

    def _made(self, name: str) -> Any:
        module, kind = _HOME[name]
        panel = getattr(importlib.import_module(f"ngffkit.panels.{module}"), kind)()
        if panel.model.has_trait("result"):
            panel.model.observe(self._ended, "result")
        self._preset(name, panel.model)
        return panel

    def _preset(self, name: str, model: Any) -> None:
        """Hand on what the app was given, and to Tune what Browse shows."""
        if name == "Browse" and self.x is not None:
            model.do("open", place=self.x)
        elif name == "Tune":
            seen = self.panels["Browse"].model.seen if "Browse" in self.panels else None
            if seen is not None and isinstance(seen.place, str):
                # the options of its store aren't shown
                model.choose(seen.place, seen.options)
                model.do("set", name="image", text=seen.image)
            elif isinstance(self.x, str):
                model.do("set", name="source", text=self.x)
        elif name == "Write" and self.x is not None and not isinstance(self.x, str):
            model.take(self.x)

    def _ended(self, change: Any) -> None:
        options = getattr(change["owner"], "written_with", {})
        self.model.tell(str((change["new"] or {}).get("url", "")), options)

    def _look(self, change: Any) -> None:
        if change["new"]["count"] != change["old"]["count"]:
            url = change["new"]["url"]
            options = self.model.options.get(url, {})
            self.panels["Browse"].model.do("open", place=url, options=options)
