"""Tuning without a page: what an image's layout costs, what is advised, and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import traitlets

from ngffkit.errors import NgffError
from ngffkit.execute.running import Progress, Watch
from ngffkit.panels.bench_model import BenchModel
from ngffkit.panels.charts import Series, chart, values_of
from ngffkit.panels.doctor import DoctorModel
from ngffkit.panels.form import Form, problems_of
from ngffkit.panels.layout_model import LayoutModel, gain_text
from ngffkit.panels.model import Model, action
from ngffkit.panels.runs import Run
from ngffkit.panels.tune_fields import CUSTOM, FIELDS, PRESETS, place_of, spell, use_of
from ngffkit.planning.card import lasting
from ngffkit.tuning.costs import over
from ngffkit.tuning.doors import tune
from ngffkit.tuning.report import Tuning

#: Seconds between two looks at whether a diagnosis was cancelled.
_EVERY = 0.1

#: Diagnoses that were cancelled and still read; with more of them the next one waits.
_LEFT = 2


class TuneModel(Model):
    """Diagnosis of an image, with an editor, a benchmark and a doctor of the connection.

    ``model.do("set", name="source", text=path)``, ``model.do("run")``, ``model.work.wait()``, then
    ``model.tuning``. The parts have models of their own: `layout`, `bench`, `doctor`.

    Attributes
    ----------
    form : dict
        Which image, over which line, for what use.
    run_state : dict
        How far the diagnosis is.
    advice : dict
        ``items``: what to do, what gains most first; ``together`` and ``heading``.
    report : dict
        ``html``: the card of `ngffkit.tune`.
    outcome : dict
        After a rewriting: ``chart`` and ``text`` of before and after.
    result : dict
        ``url`` and ``text`` of what was rewritten; empty before.
    """

    form = traitlets.Dict()
    run_state = traitlets.Dict()
    advice = traitlets.Dict()
    report = traitlets.Dict({"html": "", "busy": False, "stale": False})
    outcome = traitlets.Dict()
    result = traitlets.Dict()

    def __init__(self, source: str = "") -> None:
        super().__init__()
        self.fields = Form(FIELDS)
        self.work = Run(self._told)
        # one lock for all of them: they call one another
        self.layout, self.bench = LayoutModel(lock=self.lock), BenchModel(lock=self.lock)
        self.doctor = DoctorModel(lock=self.lock)
        self.tuning: Tuning | None = None
        self._of: Mapping[str, Any] = {}
        # what a chooser was told of the store of what was chosen; may be secret
        self._chosen: tuple[str, Mapping[str, Any]] = ("", {})
        self._before: Tuning | None = None
        self._reading: list[threading.Thread] = []
        self.layout.finished = self._rewritten
        self.layout.waits = lambda: "the image is being diagnosed" if self.work.active else ""
        self.bench.shown = self.layout.compare
        if source:
            self.fields.set("source", source)
        self._typed()

    @property
    def written_with(self) -> Mapping[str, Any]:
        """Options of the store that was last rewritten to."""
        if "target" in self.layout.fields.values:
            return self.layout.written_with
        return dict(self.layout.given.get("storage_options", {}))

    @property
    def values(self) -> dict[str, Any]:
        """What was asked for; options that a chooser was given count while its image does."""
        out = self.fields.values
        url, options = self._chosen
        if options and out.get("source") == url:
            out.setdefault("storage_options", dict(options))
        return out

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until the edited layout is priced and planned; tell whether it came to pass."""
        return self.layout.settle(timeout)

    def choose(self, url: str, options: Mapping[str, Any]) -> None:
        """Take what a chooser has chosen.

        Parameters
        ----------
        url : str
            Path or URL.
        options : Mapping
            Of its store; they aren't shown.
        """
        with self.lock:
            self._chosen = (url, dict(options))
            self.fields.set("source", url)
            self.fields.set("storage_options", "")
            self._typed()

    # --- actions ------------------------------------------------------------------------------

    @action
    def set(self, name: str, text: str, edit: int | None = None) -> None:
        """Type into a field; what was found is out of date then."""
        self.fields.set(name, str(text), edit)
        self._typed()

    @action
    def run(self) -> None:
        """Diagnose the image."""
        if why := self.hindered():
            raise NgffError(why)
        if self.layout.work.active:
            raise NgffError("the image is being rewritten; wait for the end, or cancel it")
        self.say("")
        self.outcome, self._before = {}, None
        self._start()

    @action
    def cancel(self) -> None:
        """Stop; nothing was written, and what comes yet is dropped."""
        self.work.cancel()

    @action
    def take(self, key: str) -> None:
        """Take an advice into the editor, by its key; ``all`` takes all of them."""
        self.layout.take(key)

    def hindered(self) -> str:
        """Say why nothing can be diagnosed now; empty when it can."""
        if "source" not in self.fields.values and self.fields.readable:
            return "type the path or URL of an image"
        return "" if self.fields.readable else "see the problems beside the fields"

    # --- the diagnosis ------------------------------------------------------------------------

    def _typed(self) -> None:
        custom = self.fields.texts["use"] == CUSTOM
        self.fields.hidden = frozenset() if custom else frozenset({"weights"})
        values = self.values
        stale = self.tuning is not None and values != self._of
        self.report = dict(self.report) | {"stale": stale}
        if self.fields.readable and "source" in values:
            weights = PRESETS.get(values.get("use", ""), values.get("weights"))
            self.code = {"text": spell(values, weights)}
        else:
            self.code = {"text": ""}
        self._draw()

    def _start(self) -> None:
        self.fields.tell(())
        values = self.values
        reading = self._reading
        self.work.start(lambda watch: (values, *_aside(lambda: _diagnosed(values), watch, reading)))

    def _told(self) -> None:
        with self.lock:
            doing = self.work.doing
            if doing == "done" and self.work.result is not None:
                self._show(*self.work.result)
            elif doing == "failed" and self.work.error is not None:
                where = place_of(self.work.error, self.fields.values)
                self.fields.tell(problems_of(self.work.error, where))
                self._before = None
            self._draw()
            self.layout.redraw()

    def _show(self, values: Mapping[str, Any], tuning: Tuning, use: Any) -> None:
        self.tuning, self._of = tuning, values
        self.report = {
            "html": tuning._repr_html_(),
            "busy": False,
            "stale": values != self.values,
        }
        self.advice = _advised(tuning)
        if values == self.values:
            self.code = {"text": spell(values, use)}
        given = {k: values[k] for k in ("source", "image", "storage_options") if k in values}
        self.layout.load(tuning, given)
        self.bench.load(given)
        self.doctor.load(given)
        if self._before is not None:
            self.outcome = _outcome(self._before, tuning)
            self._before = None

    def _draw(self) -> None:
        self.fields.enabled = not self.work.active
        self.form = self.fields.to_json()
        why = self.hindered()
        state = self.work.to_json() | {"text": "", "error": ""}
        busy = self.work.active
        self.run_state = state | {"blocked": bool(why), "why": why, "unmeasured": busy}
        if busy != self.report.get("busy"):
            self.report = dict(self.report) | {"busy": busy}

    # --- after a rewriting --------------------------------------------------------------------

    def _rewritten(self, url: str) -> None:
        """Diagnose what was rewritten, and compare."""
        with self.lock:
            self.result = {"url": url, "text": self.layout.result.get("text", "")}
            self._before, before = None, self.tuning
            if before is None or self.work.active:
                return
            self._before = before
            if "target" in self.layout.fields.values:
                self.fields.set("source", url)
                self.fields.set("image", "")
                options = self.layout.fields.texts["target_options"]
                self.fields.set("storage_options", options)
            self._typed()
            self._start()


def _aside(work: Callable[[], Any], watch: Watch, reading: list[threading.Thread]) -> Any:
    """Do work in a thread that is left to itself when it is cancelled; it only reads.

    It waits while too many of those in `reading` were left, and joins them.
    """
    nothing = Progress(0, 0, 0, 0, "", 0, 0.0, 0)
    while len(left := [thread for thread in reading if thread.is_alive()]) > _LEFT:
        watch(nothing)
        left[0].join(_EVERY)
    found: list[Any] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception as err:  # noqa: BLE001 - raised below, where somebody hears it
            failed.append(err)

    thread = threading.Thread(target=run, name="ngffkit-tune", daemon=True)
    reading[:] = [*left, thread]
    thread.start()
    while thread.is_alive():
        watch(nothing)
        thread.join(_EVERY)
    watch(nothing)
    if failed:
        raise failed[0]
    return found[0]


def _diagnosed(values: Mapping[str, Any]) -> tuple[Tuning, Mapping[str, float] | None]:
    """Return a tuning, and the weights by which it was made."""
    use = use_of(values)
    options = {k: values[k] for k in ("image", "line", "probe", "storage_options") if k in values}
    return tune(values["source"], use=use, **options), use


def _advised(tuning: Tuning) -> dict[str, Any]:
    """Return the advice as the page shows it."""
    line = over(tuning.reading.line)
    items = []
    for item in tuning.advice:
        before, after = item.objects
        facts = [f"{before:,} files become {after:,}"] if before != after else []
        if item.seconds is not None and item.nbytes:
            facts.append(f"takes about {lasting(item.seconds)}")
        slower = ", ".join(f"{name} ({1 / gain:.2g}×)" for name, gain in item.slower.items())
        items.append(
            {
                "key": item.key,
                "title": item.title,
                "gain": f"{gain_text(item.gain)} over {line}",
                "reason": item.reason,
                "rule": item.rule,
                "facts": ", ".join(facts),
                "slower": f"slower: {slower}" if slower else "",
                "code": item.python,
            }
        )
    said = {item.reason for item in tuning.advice}
    return {
        "heading": f"what is worth doing, by what it gains over {line}"
        if items
        else f"nothing to do: no other layout is much quicker over {line}",
        "items": items,
        "together": f"all together: {gain_text(tuning.gain)}, {tuning.survey.objects:,} files "
        f"become {tuning.objects:,}"
        if len(items) > 1
        else "",
        "notes": [p.message for p in tuning.problems if p.message not in said],
    }


def _outcome(before: Tuning, after: Tuning) -> dict[str, Any]:
    """Return what a rewriting came to: both diagnoses, over the same line where both have it."""
    names = [line.name for line in after.reading.lines]
    line = before.reading.line if before.reading.line in names else after.reading.line
    series = [
        Series("now", "before", values_of(before.rows, line)),
        Series("advised", "after", values_of(after.rows, line)),
    ]
    was, is_now = before.survey, after.survey
    text = f"{was.objects:,} files became {is_now.objects:,}"
    return {"chart": chart(series, over(line)), "text": text, "url": after.url}
