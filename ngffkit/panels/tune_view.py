"""The tune panel in the page: diagnosis, editor, benchmark, rewriting, and the doctor."""

from __future__ import annotations

from typing import Any

import ipywidgets

from ngffkit.panels.chooser import Chooser
from ngffkit.panels.doctor import DoctorPart
from ngffkit.panels.parts import Panel, Part, side_by_side
from ngffkit.panels.tune_model import TuneModel
from ngffkit.widgets.comms import follow_the_page


class TunePanel(Panel):
    """What reading an image costs, what would cost less, and the way there.

    Parameters
    ----------
    model : TuneModel, optional
        Its state; a new one when left out.

    Examples
    --------
    >>> import ngffkit as nk
    >>> panel = TunePanel(TuneModel(nk.sample()))
    >>> panel.model.do("set", name="probe", text="no")
    >>> panel.model.do("run")
    >>> panel.model.work.wait(), panel.model.tuning.survey.objects
    (True, 6)
    """

    def __init__(self, model: TuneModel | None = None) -> None:
        model = model or TuneModel()
        self._chooser = Chooser(
            lambda url: model.choose(url, self._chooser.model.storage_options), title="Which image"
        )
        self._found = _column(*_diagnosis(model), *_editor(model), *_benchmark(model))
        super().__init__(
            model,
            [
                self._chooser,
                Part(model, "form", "form"),
                Part(model, "run_state", "run", label="Diagnose", whole=True),
                Part(model, "message", "message"),
                Part(model, "code", "code"),
                self._found,
                DoctorPart(model.doctor, "state", "doctor"),
                Part(model.doctor, "message", "message"),
            ],
        )
        self._tune = model
        self._follow()
        model.observe(self._follow, "advice")

    def _follow(self, _change: Any = None) -> None:
        """Show what needs a diagnosis when there is one."""
        self._found.layout.display = "" if self._tune.tuning is not None else "none"

    def close(self) -> None:
        """Take it off the page."""
        if self.comm is not None:
            self.model.unobserve(self._follow, "advice")
        for part in _every(self):
            if part is not self:
                part.close()
        super().close()


def _diagnosis(model: TuneModel) -> list[Any]:
    return [
        Part(model, "advice", "advice"),
        Part(model.layout, "chart", "plot", "What reads cost, cold; predicted"),
        Part(model, "report", "folded", label="The whole report"),
    ]


def _editor(model: TuneModel) -> list[Any]:
    editor = model.layout
    row = side_by_side(
        Part(editor, "form", "form", "Layout editor"),
        Part(editor, "costs", "card"),
        widths=("320px", "520px"),
    )
    return [
        row,
        Part(editor, "plan", "folded", label="What rewriting does"),
        Part(editor, "run_state", "run", label="Rewrite"),
        Part(editor, "message", "message"),
        Part(editor, "code", "code"),
        Part(model, "outcome", "plot", "Before and after"),
    ]


def _benchmark(model: TuneModel) -> list[Any]:
    bench = model.bench
    return [
        Part(bench, "form", "form", "Benchmark: measured beside predicted"),
        Part(bench, "run_state", "run", label="Benchmark", whole=True),
        Part(bench, "message", "message"),
        Part(bench, "chart", "plot"),
        Part(bench, "card", "folded", label="The numbers"),
        Part(bench, "code", "code"),
    ]


def _column(*parts: Any) -> Any:
    box = ipywidgets.VBox(list(parts))
    follow_the_page(box)
    return box


def _every(widget: Any) -> list[Any]:
    """Return a widget and all in it."""
    found = [widget]
    for child in getattr(widget, "children", ()):
        found += _every(child)
    return found
