"""Parts of panels in the page: each shows one section of a model, and sends actions back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import ipywidgets
import traitlets

from ngffkit.panels.model import Model
from ngffkit.widgets.comms import follow_the_page
from ngffkit.widgets.files import PANELS, bundle


class Part(anywidget.AnyWidget):
    """One section of a model, in the page.

    Parameters
    ----------
    model : Model
        Whose state is shown, and who takes the actions.
    section : str
        The trait of the model that is shown.
    kind : str
        How: a module of ``js/src/panels``, such as ``form``, ``run``, ``card``, ``code``.
    title : str
        A heading above it.
    **fixed
        What the page needs to know besides and never changes, such as the words on a button.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    kind = traitlets.Unicode().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    fixed = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(
        self, model: Model, section: str, kind: str, title: str = "", **fixed: Any
    ) -> None:
        state = dict(getattr(model, section))
        super().__init__(
            _esm=bundle(PANELS), kind=kind, title=title, fixed=dict(fixed), state=state
        )
        self.model, self.section = model, section
        follow_the_page(self)
        self.on_msg(self._hear)
        model.observe(self._follow, section)

    def _follow(self, change: Any) -> None:
        self.state = dict(change["new"])

    def _hear(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if isinstance(content, dict) and isinstance(content.get("do"), str):
            given = content.get("given")
            self.model.do(content["do"], **(given if isinstance(given, dict) else {}))

    def close(self) -> None:
        """Let go of the model."""
        if self.comm is not None:
            self.model.unobserve(self._follow, self.section)
        super().close()


class Panel(ipywidgets.VBox):  # type: ignore[misc]
    """A model and the widgets that show it, one below the other.

    Parameters
    ----------
    model : Model
        What it knows and does, without a page.
    parts : sequence of ipywidgets.Widget
        What is shown.
    """

    def __init__(self, model: Model, parts: Sequence[Any]) -> None:
        super().__init__(list(parts))
        self.model = model
        follow_the_page(self)
        self.add_class("nk-panel")

    def close(self) -> None:
        """Let go of the model, and of all that it shows."""
        let_go(self.children)
        layout = self.layout
        super().close()
        layout.close()


def let_go(widgets: Sequence[Any]) -> None:
    """Close widgets and all that is in them; what is open is kept alive, also a layout."""
    for widget in widgets:
        inner, layout = getattr(widget, "children", ()), getattr(widget, "layout", None)
        widget.close()
        let_go(inner)
        if isinstance(layout, ipywidgets.Layout):
            layout.close()


def side_by_side(*parts: Any, widths: Sequence[str] = ()) -> Any:
    """Return widgets in a row, which wraps where the page is narrow."""
    for part, width in zip(parts, widths, strict=False):
        part.layout.flex = f"1 1 {width}"
    box = ipywidgets.Box(list(parts), layout={"display": "flex", "flex_flow": "row wrap"})
    follow_the_page(box)
    return box
