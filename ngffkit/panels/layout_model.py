"""An editor of layouts: what each would cost, at once, and the rewriting that carries it out."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import traitlets

from ngffkit import typed
from ngffkit.cards import Table, card, html_table
from ngffkit.errors import NgffError, Problem
from ngffkit.panels.charts import MEASURES, Series, chart, values_of
from ngffkit.panels.fields import Field, group, switch
from ngffkit.panels.form import problems_of
from ngffkit.panels.latest import Latest
from ngffkit.panels.model import action
from ngffkit.panels.options import (
    CHUNKS,
    COMPRESSION,
    MAG_LIST,
    MEMORY,
    OVERWRITE,
    SHARDS,
    TARGET_OPTIONS,
    WORKERS,
    chosen,
)
from ngffkit.panels.planned import Planlike, Planned
from ngffkit.panels.runs import as_ours
from ngffkit.panels.spelling import call
from ngffkit.panels.storage import spelled
from ngffkit.planning.card import lasting
from ngffkit.planning.options import about
from ngffkit.rewriting.doors import plan_rewrite
from ngffkit.shown import shown
from ngffkit.spec.encode import WRITABLE
from ngffkit.tuning.costs import over
from ngffkit.tuning.priced import LAYING, Priced, price
from ngffkit.tuning.report import Tuning
from ngffkit.tuning.speeds import Benchmark

#: The choice that asks for nothing.
_STAYS = "as it is"

#: Fields that say where an image goes.
_GOING = ("target", "target_options", "overwrite")

#: Ratios that differ by less are no change.
_SAME = 1.05

_NONE = "diagnose an image first"
_UNCHANGED = "change the layout, or take an advice"

#: How pixels shall lie. Other than in converting, what is left empty stays as it is.
_LAYOUT = (
    replace(CHUNKS, default="", hint=_STAYS),
    replace(SHARDS, default="", hint=_STAYS),
    replace(COMPRESSION, default="", hint="zstd"),
    chosen("version", "OME-Zarr version", "version of OME-Zarr", (_STAYS, *WRITABLE), _STAYS),
    replace(
        MAG_LIST,
        help="mags that there shall be, finest first, as 1, 2-2-1, 4-4-2; missing ones are made",
        hint=_STAYS,
    ),
)

FIELDS: Sequence[Field] = (
    *_LAYOUT,
    *group(
        "where it goes",
        Field(
            *("target", "target", "path or URL of the new image; empty: it replaces the old one"),
            read=typed.word,
            hint="in the place of the old one",
        ),
        TARGET_OPTIONS,
        OVERWRITE,
    ),
    *group(
        "how the work is done",
        switch(
            *("verify", "verify", "read all back and compare, before the new image counts"),
            default=True,
        ),
        switch("keep", "keep the old one", "keep what is replaced beside it, as NAME.before"),
        MEMORY,
        WORKERS,
    ),
)


class LayoutModel(Planned):
    """A layout as one edits it: its costs beside today's and the advised ones, and its rewriting.

    `load` hands it a tuning; everything else are actions. All of it runs without a page.

    Attributes
    ----------
    chart : dict
        `ngffkit.panels.charts.chart` of today's layout, the advised one and the edited one.
    costs : dict
        ``html``: a table of what changes; ``busy`` and ``stale`` as for a plan.
    """

    chart = traitlets.Dict()
    costs = traitlets.Dict({"html": "", "busy": False, "stale": False})

    #: Errors without an address are said below all fields.
    source_field = ""

    def __init__(self, *, lock: Any = None) -> None:  # noqa: ARG002 - of `Model.setup_instance`
        self.tuning: Tuning | None = None
        self.given: Mapping[str, Any] = {}
        self.measured: Benchmark | None = None
        self.priced: Priced | None = None
        self.finished: Callable[[str], None] = lambda _url: None
        self.waits: Callable[[], str] = lambda: ""
        self.pricing = Latest("ngffkit-price", 0.05, self.lock)
        super().__init__(FIELDS)

    def load(self, tuning: Tuning | None, given: Mapping[str, Any] | None = None) -> None:
        """Begin with the layout that an image has.

        Parameters
        ----------
        tuning : Tuning or None
            Of the image; None empties the editor.
        given : Mapping, optional
            How the image is named: ``source``, and ``image`` and ``storage_options`` if any.
        """
        with self.lock:
            now = dict(given or {})
            # where one image goes another must not go by chance
            elsewhere = _GOING if now != self.given else ()
            self.tuning, self.given, self.measured = tuning, now, None
            for name in (*LAYING, *elsewhere):
                self.fields.set(name, self.fields.fields[name].default)
            if tuning is not None:
                self._hint(tuning)
            self.refresh()

    def _hint(self, tuning: Tuning) -> None:
        """Let the fields say what there is today."""
        mag = tuning.survey.mags[0]
        layout, dims = mag.layout, mag.grid.dims
        texts = {
            "chunks": typed_text(dict(zip(dims, layout.chunks, strict=True))),
            "shards": typed_text(layout.shards and dict(zip(dims, layout.shards, strict=True))),
            "mags": typed_text(list(tuning.survey.image.mags)),
        }
        for name, text in texts.items():
            self.fields.change(name, hint=f"{_STAYS}: {text}")
        codecs = ", ".join(layout.codecs) or "none"
        self.fields.change(
            "compression", hint="zstd" if codecs == "zstd" else f"zstd; now {codecs}"
        )

    # --- actions ------------------------------------------------------------------------------

    @action
    def take(self, key: str) -> None:
        """Take an advice into the editor, by its key; ``all`` takes all of them."""
        if self.tuning is None:
            raise NgffError(_NONE)
        if self.work.active:
            raise NgffError("wait for the end of the work, or cancel it, before you change it")
        found = {item.key: item.options for item in self.tuning.advice}
        found["all"] = self.tuning.layout
        if key not in found:
            raise NgffError(f"there is no advice {shown(key)}; there is {', '.join(found)}")
        options = found[key]
        # mags are added to whatever layout there is; anything else is a layout of its own
        reset = LAYING if key == "all" else LAYING[:4] if "chunks" in options else ()
        for name in reset:
            self.fields.set(name, self.fields.fields[name].default)
        self.fields.update({name: typed_text(value) for name, value in options.items()})
        self.say("")
        self.refresh()

    # --- the plan -----------------------------------------------------------------------------

    def missing(self) -> str:
        """Say what must be there before anything can be rewritten."""
        if self.tuning is None:
            return _NONE
        return "" if self._layout(self.fields.values) else _UNCHANGED

    def hindered(self) -> str:
        """Say why the work can't begin now; empty when it can."""
        return self.waits() or super().hindered()

    def plan_of(self, values: Mapping[str, Any]) -> Planlike:
        """Return the plan of the rewriting."""
        options = dict(values)
        target = options.pop("target", None)
        rest = {k: v for k, v in self.given.items() if k != "source"}
        return plan_rewrite(self.given["source"], None, target, **rest, **options)

    def spell(self, values: Mapping[str, Any]) -> str:
        """Return the line of Python that rewrites it."""
        rest = {k: v for k, v in self.given.items() if k != "source"}
        options = {**rest, **values}
        for name in ("storage_options", "target_options"):
            if name in options:
                options[name] = spelled(options[name])
        return call("nk.rewrite", [self.given["source"]], options)

    def ended(self) -> None:
        """Tell whoever waits for it."""
        self.finished(self.result["url"])

    # --- the costs ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Make plan and costs anew."""
        super().refresh()
        with self.lock:
            if not self.fields.readable or not self._layout(self.fields.values):
                self.code = {"text": ""}
            tuning = self.tuning
            if tuning is None:
                self.pricing.drop()
                self.priced, self.chart = None, {}
                self.costs = {"html": "", "busy": False, "stale": False}
                return
            options = self._layout(self.fields.values)
            self.costs = dict(self.costs) | {"busy": True, "stale": True}
            self.pricing.ask(lambda: _try(tuning, options), self._show_costs)

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until plan and costs are those of the values; tell whether it came to pass."""
        return self.pricing.settle(timeout) and super().settle(timeout)

    def compare(self, found: Benchmark | None) -> None:
        """Put what was measured beside what is predicted for today's layout."""
        with self.lock:
            self.measured = found
            self._plot()

    def redraw(self) -> None:
        """Show anew whether the work can begin."""
        with self.lock:
            self._draw()

    def _layout(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values[name] for name in LAYING if name in values}

    def _show_costs(self, found: tuple[Priced | None, tuple[Problem, ...]]) -> None:
        priced, problems = found
        with self.lock:
            self.priced = priced
            if problems:
                self.fields.tell(problems)
                self._draw()
            self._plot()
            text = ""
            if priced is not None and self.tuning is not None:
                text = costs_html(self.tuning, priced)
            self.costs = {"html": text, "busy": False, "stale": False}

    def _plot(self) -> None:
        tuning = self.tuning
        if tuning is None:
            return
        line = tuning.reading.line
        series = [Series("now", "today", values_of(tuning.rows, line))]
        if tuning.best != tuning.rows:
            series.append(Series("advised", "advised", values_of(tuning.best, line)))
        priced = self.priced
        if priced is not None and priced.rows not in (tuning.rows, tuning.best):
            # mags that are added have views of their own, today made of finer ones
            series[0] = Series("now", "today", values_of(priced.before, line))
            series.append(Series("edited", "edited", values_of(priced.rows, line)))
        if self.measured is not None and line == "here":
            series.append(measured_series(self.measured, "measured today"))
        self.chart = chart(series, over(line))


def measured_series(found: Benchmark, label: str) -> Series:
    """Return what was measured at first reads."""
    rows = [row for row in found.rows if row.cold is not None]
    values = {
        row.name: {
            "requests": row.requests,
            "nbytes": row.nbytes,
            "seconds": row.cold.median if row.cold else 0.0,
        }
        for row in rows
    }
    return Series("measured", label, values, {row.name: row.cold for row in rows if row.cold})


def typed_text(value: Any) -> str:
    """Return an option as it is typed into its field.

    Examples
    --------
    >>> typed_text({"z": 16, "y": 64}), typed_text(None), typed_text(["1", "2-2-1"])
    ('z=16,y=64', 'none', '1, 2-2-1')
    """
    if isinstance(value, Mapping):
        return ",".join(f"{name}={n}" for name, n in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)


def _try(tuning: Tuning, options: Mapping[str, Any]) -> tuple[Priced | None, tuple[Problem, ...]]:
    try:
        return price(tuning, options), ()
    except NgffError as err:
        return None, problems_of(err)
    except Exception as err:  # noqa: BLE001 - a thread has nobody above it who could be told
        return None, problems_of(as_ours(err))


# --- the table ------------------------------------------------------------------------------------


def costs_html(tuning: Tuning, priced: Priced) -> str:
    """Return what a layout would cost, beside today's, as a card.

    Parameters
    ----------
    tuning : Tuning
        Of the image.
    priced : Priced
        Of the layout.
    """
    line = tuning.reading.line
    before, after = values_of(priced.before, line), values_of(priced.rows, line)
    same = priced.rows == tuning.rows
    words = {name: spell for name, (_, spell) in MEASURES.items()}
    rows: list[tuple[str, ...]] = []
    for name, now in before.items():
        then = after[name]
        cells = [_change(words[key](now[key]), words[key](then[key])) for key in words]
        rows.append((name, *cells, "" if same else _factor(now["seconds"], then["seconds"])))
    head: tuple[str, ...] = ("read", "requests", "bytes", "time", "that is")
    if same:
        head, rows = head[:-1], [row[:-1] for row in rows]
    table = html_table(
        Table(f"what each read costs over {over(line)}, cold; predicted", head, tuple(rows))
    )
    return card("today's layout" if same else "the edited layout", _summary(tuning, priced) + table)


def _summary(tuning: Tuning, priced: Priced) -> str:
    """Return objects, bytes and the gain as a few lines."""
    survey, line = tuning.survey, tuning.reading.line
    facts = [
        ("files", _change(f"{survey.objects:,}", f"{priced.objects:,}")),
        ("stored", _change(about(survey.nbytes), f"about {about(priced.nbytes)}")),
    ]
    if priced.rows == tuning.rows:
        facts = [("files", f"{survey.objects:,}"), ("stored", about(survey.nbytes))]
    else:
        facts.insert(0, ("reading", f"{gain_text(priced.gain)} over {over(line)}"))
        if tuning.look.encoding:
            cpus = tuning.reading.machine.cpus
            took = survey.pixels * (tuning.look.encoding + tuning.reading.machine.per_byte) / cpus
            facts.append(("takes", f"about {lasting(took)} on this machine, if nothing is slower"))
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in facts
    )
    return f"<table>{cells}</table>"


def gain_text(gain: float) -> str:
    """Spell a mean gain.

    Examples
    --------
    >>> gain_text(2.0), gain_text(1.0), gain_text(0.5)
    ('2 times as fast', 'as fast as today', '2 times as slow')
    """
    if 1 / _SAME < gain < _SAME:
        return "as fast as today"
    return f"{gain:.2g} times as fast" if gain > 1 else f"{1 / gain:.2g} times as slow"


def _factor(now: float, then: float) -> str:
    ratio = now / max(then, 1e-12)
    if 1 / _SAME < ratio < _SAME:
        return "the same"
    text = f"{ratio:.2g}× faster" if ratio > 1 else f"{1 / ratio:.2g}× slower"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def _change(now: str, then: str) -> str:
    # in one piece: a line that ends between number and unit is hard to read
    return (now if now == then else f"{now} → {then}").replace(" ", "\N{NO-BREAK SPACE}")
