"""What converting, writing and rewriting have in common: fields, a plan that follows, a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import traitlets

from ngffkit.errors import NgffError, Problem
from ngffkit.execute.running import Watch
from ngffkit.panels.fields import Field
from ngffkit.panels.form import Form, problems_of
from ngffkit.panels.latest import Latest
from ngffkit.panels.model import Model, action
from ngffkit.panels.runs import Run, as_ours
from ngffkit.panels.storage import masked, read_options
from ngffkit.planning.card import lasting
from ngffkit.planning.options import about
from ngffkit.planning.plan import Result

#: What the button says while it can't be pressed.
_PLANNING, _PROBLEMS = "the plan is being made", "see the problems beside the fields"
_DONE = "this is done; change something to do another"


class Planlike(Protocol):
    """What a plan must have to be shown and run."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What forbids to run it, or is worth reading."""

    @property
    def ok(self) -> bool:
        """Whether it can be run."""

    def run(self, progress: Watch | None = None) -> Any:
        """Carry it out."""

    def _repr_html_(self) -> str:
        """Return it as a card."""


class Planned(Model):
    """A form whose plan is made anew as it is filled in, and carried out in the background.

    Subclasses say what is planned (`plan_of`), when there is enough to plan (`missing`), and how
    it is spelled (`spell`). All of what they do runs without a page:
    ``model.do("set", name=..., text=...)``, ``model.settle()``, ``model.do("run")``,
    ``model.work.wait()``.

    Attributes
    ----------
    form : dict
        Fields, texts, problems: `Form.to_json`.
    plan : dict
        ``html``: the plan's card; ``busy``: a newer one is being made; ``stale``: it is of other
        values; ``ok``: it can be run.
    run_state : dict
        `Run.to_json`, with ``blocked`` and ``why``.
    result : dict
        After the end: ``url`` and ``text``. Empty before.
    """

    form = traitlets.Dict()
    plan = traitlets.Dict({"html": "", "busy": False, "stale": False, "ok": False})
    run_state = traitlets.Dict()
    result = traitlets.Dict()

    #: Where errors without an address belong: the field of what is read.
    source_field = "source"

    def __init__(self, fields: Sequence[Field]) -> None:
        super().__init__()
        self.fields = Form(fields)
        self.work = Run(self._told)
        self.latest = Latest("ngffkit-plan", lock=self.lock)
        self.planned: Planlike | None = None
        self._begun: Mapping[str, Any] | None = None
        self.refresh()

    # --- what subclasses say ------------------------------------------------------------------

    def missing(self) -> str:
        """Say what must be filled in before there is anything to plan; empty when nothing is."""
        return ""

    def plan_of(self, values: Mapping[str, Any]) -> Planlike:
        """Return the plan of these values; called in a thread, without the lock.

        Raises
        ------
        NgffError
            Its problems are shown beside the fields that they name.
        """
        raise NotImplementedError

    def spell(self, values: Mapping[str, Any]) -> str:
        """Return the lines of Python that do the same."""
        raise NotImplementedError

    def ended(self) -> None:
        """Do what follows when the work has ended well; called in its thread, with the lock."""

    # --- actions ------------------------------------------------------------------------------

    @action
    def set(self, name: str, text: str, edit: int | None = None) -> None:
        """Type into a field; the plan follows."""
        self.at_rest()
        self.fields.set(name, str(text), edit)
        self.refresh()

    @action
    def run(self) -> None:
        """Carry out the plan, or go on with it."""
        if why := self.hindered():
            raise NgffError(why)
        self.say("")
        self.result = {}
        values = self._begun = self.fields.values
        self.work.start(lambda watch: self._carry_out(values, watch))

    @action
    def pause(self) -> None:
        """Hold the work."""
        self.work.pause()

    @action
    def resume(self) -> None:
        """Let it go on."""
        self.work.resume()

    @action
    def cancel(self) -> None:
        """Stop it; what was done stays."""
        self.work.cancel()

    def at_rest(self) -> None:
        """Refuse a change while there is work going on.

        Raises
        ------
        NgffError
            When there is.
        """
        if self.work.active:
            raise NgffError("wait for the end of the work, or cancel it, before you change it")

    def take_place(
        self, name: str, place: str, field: str, storage_options: Mapping[str, Any]
    ) -> None:
        """Take over what a chooser says: a place, and the options of its store.

        Parameters
        ----------
        name : str
            The field of the place.
        place : str
            A path or URL.
        field : str
            The field of the options; it has ``***`` in place of those that are secret.
        storage_options : Mapping
            The options.

        Raises
        ------
        NgffError
            While there is work going on.
        """
        self.at_rest()
        known = dict(storage_options)
        self.fields.change(field, read=lambda text: read_options(text, known))
        self.fields.update({name: place, field: masked(known)})
        self.refresh()

    @property
    def written_with(self) -> Mapping[str, Any]:
        """Options of the store that the last run wrote to."""
        found: Mapping[str, Any] = (self._begun or {}).get("target_options", {})
        return found

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until the plan is that of the values; tell whether it came to pass."""
        return self.latest.settle(timeout)

    # --- the plan -----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Make the plan anew, in the background, and show what is known already."""
        with self.lock:
            self.planned = None
            values = self.fields.values
            if values != self._begun:
                self.work.rest()
            enough = self.fields.readable and not self.missing()
            if enough:
                self.latest.ask(lambda: self._try(values), self._show)
            else:
                self.latest.drop()
            html = self.plan.get("html", "") if enough else ""
            self.plan = {"html": html, "busy": enough, "stale": enough, "ok": False}
            if enough:
                self.code = {"text": self.spell(values)}
            self._draw()

    def _try(self, values: Mapping[str, Any]) -> tuple[Planlike | None, tuple[Problem, ...]]:
        try:
            planned = self.plan_of(values)
        except NgffError as err:
            return None, problems_of(err, self.source_field)
        except Exception as err:  # noqa: BLE001 - a thread has nobody above it who could be told
            return None, problems_of(as_ours(err))
        return planned, tuple(planned.problems)

    def _show(self, found: tuple[Planlike | None, tuple[Problem, ...]]) -> None:
        planned, problems = found
        with self.lock:
            self.planned = planned
            self.fields.tell(problems)
            html = planned._repr_html_() if planned is not None else ""
            ok = planned is not None and planned.ok
            self.plan = {"html": html, "busy": False, "stale": False, "ok": ok}
            self._draw()

    # --- the work -----------------------------------------------------------------------------

    def _carry_out(self, values: Mapping[str, Any], watch: Watch) -> Any:
        # planned anew, since the time it was shown another process may have written there
        planned = self.plan_of(values)
        # whoever cancels while it is planned wants nothing to be removed or begun
        self.work.heed()
        return planned.run(watch)

    def _told(self) -> None:
        with self.lock:
            if self.work.doing == "done" and self.work.result is not None:
                self._finish(self.work.result)
            self._draw()

    def _finish(self, result: Any) -> None:
        self.result = {"url": str(getattr(result, "url", "")), "text": said(result)}
        self.say(self.result["text"], "done")
        self.ended()

    def _draw(self) -> None:
        """Show the fields, and whether the work can begin."""
        self.fields.enabled = not self.work.active
        self.form = self.fields.to_json()
        why = self.hindered()
        self.run_state = self.work.to_json() | {"blocked": bool(why), "why": why}

    def hindered(self) -> str:
        """Say why the work can't begin now; empty when it can."""
        if why := self.missing():
            return why
        if self.plan["busy"]:
            return _PLANNING
        if not (self.plan["ok"] and self.fields.ok):
            return _PROBLEMS
        # what was just written is no problem, as it would be for a new plan
        return _DONE if self.work.doing == "done" and self._begun == self.fields.values else ""


def said(result: Any) -> str:
    """Say in a line what was written.

    Examples
    --------
    >>> from ngffkit.planning.plan import Result
    >>> said(Result("a.zarr", 12, 3_400_000, (), 1.5))
    'a.zarr: 12 files, 3.4 MB, in 2 s'
    """
    if not isinstance(result, Result):
        return str(result)
    skipped = f"; {len(result.skipped)} parts could not be read" if result.skipped else ""
    size = f"{result.files} files, {about(result.nbytes)}"
    return f"{result.url}: {size}, in {lasting(result.seconds)}{skipped}"
