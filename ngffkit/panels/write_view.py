"""The Write panel: the arrays of the notebook, a form, the plan, the work."""

from __future__ import annotations

import ipywidgets

from ngffkit.panels.chooser import Chooser
from ngffkit.panels.parts import Panel, Part, side_by_side
from ngffkit.panels.write_model import WriteModel
from ngffkit.widgets.comms import follow_the_page

#: What half of the panel needs at least; narrower pages have one column.
_COLUMN = "420px"


class WritePanel(Panel):
    """Write arrays of the notebook by clicks, and add them to images that are there.

    Parameters
    ----------
    model : WriteModel, optional
        What it shows.

    Examples
    --------
    >>> import numpy as np
    >>> panel = WritePanel(WriteModel({"volume": np.zeros((8, 64, 64), "u1")}))
    >>> panel.model.run_state["why"]
    'choose an array of the notebook'
    """

    def __init__(self, model: WriteModel | None = None) -> None:
        model = WriteModel() if model is None else model
        self.target = Chooser(self._choose, what="target", title="Target")
        self._parts = [
            Part(model, "things", "names", "Arrays of the notebook"),
            Part(model, "form", "form"),
            Part(model, "plan", "card", "Plan"),
            Part(model, "run_state", "run", label="Write"),
            Part(model, "message", "message"),
            Part(model, "code", "code", "The same in Python"),
        ]
        things, form, plan, *rest = self._parts
        left = ipywidgets.VBox([self.target, form])
        follow_the_page(left)
        super().__init__(
            model, [things, side_by_side(left, plan, widths=(_COLUMN, _COLUMN)), *rest]
        )

    def _choose(self, place: str) -> None:
        options = dict(self.target.model.storage_options)
        self.model.do("choose", place=place, storage_options=options)
