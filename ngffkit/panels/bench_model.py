"""Measuring how quickly an image is read, beside what is predicted; in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets

from ngffkit import typed
from ngffkit.errors import NgffError
from ngffkit.execute.running import Progress, Watch
from ngffkit.panels.charts import Series, chart
from ngffkit.panels.fields import Field
from ngffkit.panels.form import Form, problems_of
from ngffkit.panels.layout_model import measured_series
from ngffkit.panels.model import Model, action
from ngffkit.panels.runs import Run
from ngffkit.panels.spelling import call
from ngffkit.panels.storage import spelled
from ngffkit.tuning.measuring import benchmark
from ngffkit.tuning.speeds import Benchmark

#: What `ngffkit.benchmark` does anyway.
_ROUNDS, _SECONDS = 3, 20


def _patterns(text: str) -> list[str]:
    """Return names of patterns between commas."""
    found = [part.strip() for part in text.split(",")]
    if not all(found):
        raise ValueError("patterns between commas were expected, e.g. xy plane, cutout 64")
    return found


def _seconds(text: str) -> float:
    """Return a time limit."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 3600:
        raise ValueError("seconds above 0, up to 3600, were expected, e.g. 20")
    return number


FIELDS = (
    Field(
        *("patterns", "read", "which patterns, between commas: xy plane, cutout 64"),
        read=_patterns,
        hint="all patterns",
    ),
    Field(
        *("rounds", "rounds", "how often each is read, each time at another place"),
        read=typed.count,
        hint=str(_ROUNDS),
        default=str(_ROUNDS),
    ),
    Field(
        *("seconds", "at most", "seconds that all of it may take"),
        read=_seconds,
        hint=str(_SECONDS),
        default=str(_SECONDS),
    ),
)


class BenchModel(Model):
    """A benchmark of one image: how often what is read, how far it is, what was found.

    Attributes
    ----------
    form : dict
        Which patterns, rounds and seconds.
    run_state : dict
        How far it is.
    chart : dict
        What was predicted and measured: `ngffkit.panels.charts.chart`.
    card : dict
        ``html``: the table of `ngffkit.benchmark`.
    """

    form = traitlets.Dict()
    run_state = traitlets.Dict()
    chart = traitlets.Dict()
    card = traitlets.Dict({"html": ""})

    def __init__(self, *, lock: Any = None) -> None:  # noqa: ARG002 - of `Model.setup_instance`
        super().__init__()
        self.fields = Form(FIELDS)
        self.work = Run(self._told)
        self.given: Mapping[str, Any] = {}
        self.found: Benchmark | None = None
        self.shown: Any = lambda _found: None
        self._far: Progress | None = None
        self._draw()

    def load(self, given: Mapping[str, Any] | None) -> None:
        """Begin anew, for another image.

        Parameters
        ----------
        given : Mapping or None
            How it is named: ``source``, and ``image`` and ``storage_options`` if any.
        """
        with self.lock:
            if self.work.active:
                self.work.cancel()
            # what it did belongs to the image before
            self.work, self._far = Run(self._told), None
            self.given, self.found = dict(given or {}), None
            self.chart, self.card = {}, {"html": ""}
            self.fields.tell(())
            self._draw()

    # --- actions ------------------------------------------------------------------------------

    @action
    def set(self, name: str, text: str, edit: int | None = None) -> None:
        """Type into a field."""
        self.fields.set(name, str(text), edit)
        self._draw()

    @action
    def run(self) -> None:
        """Measure."""
        if why := self.hindered():
            raise NgffError(why)
        self.say("")
        self.fields.tell(())
        self._far = None
        given, values = dict(self.given), dict(self.fields.values)
        self.work.start(lambda watch: (given, self._measure(given, values, watch)))

    @action
    def cancel(self) -> None:
        """Stop after the read that goes on."""
        self.work.cancel()

    def hindered(self) -> str:
        """Say why nothing can be measured now; empty when it can."""
        if not self.given:
            return "diagnose an image first"
        return "" if self.fields.ok else "see the problems beside the fields"

    # --- the work -----------------------------------------------------------------------------

    def _measure(
        self, given: Mapping[str, Any], values: Mapping[str, Any], watch: Watch
    ) -> Benchmark:
        def far(progress: Progress) -> None:
            self._far = progress
            watch(progress)

        watch(Progress(0, 0, 0, 0, "", 0, 0.0, 0))
        rest = {k: v for k, v in given.items() if k != "source"}
        return benchmark(given["source"], **rest, **values, progress=far)

    def _told(self) -> None:
        with self.lock:
            if self.work.doing == "done" and self.work.result is not None:
                given, found = self.work.result
                if given == self.given:
                    self._show(found)
            elif self.work.doing == "failed" and self.work.error is not None:
                text = str(self.work.error)
                where = "patterns" if text.startswith("patterns:") else ""
                self.fields.tell(problems_of(self.work.error, where))
            self._draw()

    def _show(self, found: Benchmark) -> None:
        self.found = found
        self.card = {"html": found._repr_html_()}
        predicted = {
            row.name: {
                "requests": row.predicted.requests,
                "nbytes": row.predicted.nbytes,
                "seconds": row.predicted_cold,
            }
            for row in found.rows
        }
        warm = {row.name: row.warm for row in found.rows if row.warm is not None}
        again = {name: {"seconds": timed.median} for name, timed in warm.items()}
        series = [
            Series("predicted", "predicted, first read", predicted),
            measured_series(found, "measured, first read"),
            Series("warm", "measured, read again", again, warm),
        ]
        self.chart = chart(series, "the line here")
        self.shown(found)

    def _draw(self) -> None:
        self.fields.enabled = not self.work.active
        self.form = self.fields.to_json()
        why = self.hindered()
        state = self.work.to_json()
        state["text"] = ""
        far, doing = self._far, self.work.doing
        if far is not None:
            next_one = f": {far.what}" if doing == "running" else ""
            state["text"] = f"{far.total if doing == 'done' else far.done} of {far.total} reads"
            state["text"] += next_one
        self.run_state = state | {"blocked": bool(why), "why": why}
        if self.given and self.fields.readable:
            rest = {k: v for k, v in self.given.items() if k != "source"} | self.fields.values
            if "storage_options" in rest:
                rest["storage_options"] = spelled(rest["storage_options"])
            self.code = {"text": call("nk.benchmark", [self.given["source"]], rest)}
        else:
            self.code = {"text": ""}
