"""Convert, without a page: what is read, what was recognised, the plan, the work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import traitlets

from ngffkit.errors import NgffError, NotFoundError, PlanError, Problem, SourceError
from ngffkit.panels.convert_fields import FIELDS, proposed
from ngffkit.panels.latest import Latest
from ngffkit.panels.model import action
from ngffkit.panels.planned import Planned
from ngffkit.panels.recognised import OPENING, READING, Recognised, Sources, facts_of, hints_of
from ngffkit.panels.resuming import Checked, checked
from ngffkit.panels.runs import as_ours
from ngffkit.panels.spelling import call
from ngffkit.panels.storage import spelled
from ngffkit.panels.thumbnails import FAR, MOST, thumbnails
from ngffkit.panels.wording import beside, in_fields

#: How raw files end, which say nothing of themselves.
_RAW = (".raw", ".bin", ".dat")

_RAW_FIELDS = frozenset(("shape", "dtype", "offset"))

_NOTHING: dict[str, Any] = {"busy": False, "facts": [], "slices": [], "said": "", "drawing": False}


class ConvertModel(Planned):
    """Converting anything to OME-Zarr: `ngffkit.convert` as a form.

    Attributes
    ----------
    found : dict
        What was recognised: ``facts``, pairs of texts; ``slices``, small pictures; ``said``, what
        to know of these; ``busy`` and ``drawing`` while either is on its way.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> np.save(f"{folder}/a.npy", np.zeros((8, 64, 64), "u1"))
    >>> model = ConvertModel()
    >>> model.do("set", name="source", text=f"{folder}/a.npy")
    >>> model.do("set", name="voxel_size", text="4,4,40")
    >>> model.settle(), model.plan["ok"], dict(model.found["facts"])["axes"]
    (True, True, 'z 8, y 64, x 64')
    >>> model.do("run")
    >>> model.work.wait(), model.result["url"] == f"{folder}/a.ome.zarr"
    (True, True)
    """

    found = traitlets.Dict(_NOTHING)

    def __init__(self, source: str = "", target: str = "") -> None:
        self.sources = Sources()
        self.looking = Latest("ngffkit-look", lock=self.lock)
        self.drawing = Latest("ngffkit-draw", 0.0, self.lock)
        self._looked = ""
        self._drawn: Recognised | None = None
        super().__init__(FIELDS)
        with self.lock:
            self.fields.update({"source": source, "target": target})
            self.refresh()

    # --- what is asked for ----------------------------------------------------------------------

    def missing(self) -> str:
        """Say what is to be filled in."""
        return "" if "source" in self.fields.values else "choose what is converted"

    def _target(self, values: Mapping[str, Any]) -> str:
        return str(values.get("target") or proposed(values["source"]))

    def _options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in values.items() if k not in ("source", "target")}

    def spell(self, values: Mapping[str, Any]) -> str:
        """Return the call that does the same."""
        asked = self._options(values)
        for name in asked.keys() & {"storage_options", "target_options"}:
            asked[name] = spelled(asked[name])
        return call("nk.convert", [values["source"], self._target(values)], asked)

    @action
    def choose(
        self, name: str, place: str, storage_options: Mapping[str, Any] | None = None
    ) -> None:
        """Take over what a chooser says of the source or the target, and the options of its store.

        Secrets among these are not shown: the field has ``***`` in their place.
        """
        field = {"source": "storage_options", "target": "target_options"}.get(name)
        if field is None:
            raise NgffError(f"{name!r} can't be chosen; source and target can")
        self.take_place(name, place, field, storage_options or {})

    # --- the plan -------------------------------------------------------------------------------

    def plan_of(self, values: Mapping[str, Any]) -> Checked:
        """Return the plan of these values; the source is opened once for many of them."""
        from ngffkit.writing import plan

        asked = self._options(values)
        try:
            found = self._open(values)
            writing = {k: v for k, v in asked.items() if k not in READING}
            try:
                made = plan(found.source, self._target(values), **writing)
            except (SourceError, PlanError):
                raise
            except NgffError as err:
                raise beside(err, self.fields.fields, "target") from err
            # where the labels lie must not be removed either
            labels = asked.get("labels")
            places = [given] if isinstance(given := found.given, str) else list(given)
            places += labels.values() if isinstance(labels, Mapping) else []
            done = checked(made, places)
        except PlanError as err:
            raise PlanError([self._worded(problem) for problem in err.problems]) from err
        return replace(done, problems=tuple(map(self._worded, done.problems)))

    def _worded(self, problem: Problem) -> Problem:
        return in_fields(problem, self.fields.fields)

    def _open(self, values: Mapping[str, Any]) -> Recognised:
        try:
            return self.sources.open(values["source"], values)
        except NgffError as err:
            # what a raw file lacks, or has too much of, is said where its size is typed
            shapeless = _is_raw(values["source"]) and not isinstance(err, NotFoundError)
            place = "shape" if shapeless else "source"
            raise beside(err, self.fields.fields, place) from err

    @action
    def run(self) -> None:
        """Carry out the plan, or go on with it; what is read is listed anew."""
        self.sources.forget()
        super().run()

    @action
    def look(self) -> None:
        """Look at the source again: files may have come or gone."""
        self.at_rest()
        self.sources.forget()
        self._looked = ""
        self.refresh()

    def settle(self, timeout: float | None = 60.0) -> bool:
        """Wait until plan and pictures are those of the values; tell whether it came to pass."""
        return all(one.settle(timeout) for one in (self.latest, self.looking, self.drawing))

    # --- what was recognised --------------------------------------------------------------------

    def refresh(self) -> None:
        """Plan anew, and look at the source again where it is read in another way."""
        with self.lock:
            values = self.fields.values
            given = values.get("source")
            raw = given is not None and _is_raw(given)
            self.fields.hidden = frozenset() if raw else _RAW_FIELDS
            self.fields.change("target", hint=proposed(given) if given else "beside the source")
            values = self.fields.values
            self._look(values)
            super().refresh()
            if not (self.fields.readable or self.missing() or self._unread() & OPENING):
                # what can be read may be wrong as well, and shall not wait for the rest
                self.latest.ask(lambda: self._try(values), self._tell)

    def _tell(self, found: tuple[Any, tuple[Problem, ...]]) -> None:
        """Show what is wrong; the plan lacks what can't be read, and isn't shown."""
        with self.lock:
            self.fields.tell(found[1])
            self._draw()

    def _look(self, values: Mapping[str, Any]) -> None:
        """Have the source opened in the background, when something is said of it that is new."""
        reading = {k: v for k, v in values.items() if k in READING or k == "source"}
        key = repr(sorted(reading.items()))
        if key == self._looked:
            return
        self._looked = key
        if "source" not in reading:
            self.looking.drop()
            self.drawing.drop()
            self._drawn = None
            self.found = _NOTHING
            return
        self.found = {**self.found, "busy": True}
        self.looking.ask(lambda: self._recognise(reading), self._recognised)

    def _recognise(
        self, values: Mapping[str, Any]
    ) -> tuple[Recognised | None, list[tuple[str, str]]]:
        try:
            found = self._open(values)
            return found, facts_of(found)
        except Exception as err:  # noqa: BLE001 - a thread has nobody above it who could be told
            # the plan says what is wrong, beside its field
            as_ours(err)
            return None, []

    def _recognised(self, answer: tuple[Recognised | None, list[tuple[str, str]]]) -> None:
        found, facts = answer
        with self.lock:
            if found is None:
                self.drawing.drop()
                # it may be there when something is typed next
                self._drawn, self._looked = None, ""
                self.found = _NOTHING
            else:
                new = self._drawn is None or self._drawn.source is not found.source
                kept = [] if new else self.found["slices"]
                said = "" if new else self.found["said"]
                shown = {"busy": False, "facts": [list(fact) for fact in facts]}
                self.found = shown | {"slices": kept, "said": said, "drawing": new}
                self._hint(found)
                if new:
                    self._drawn = found
                    self.drawing.ask(lambda: self._draw_slices(found), self._pictures)
            self._draw()

    def _unread(self) -> set[str]:
        """Return fields whose texts can't be read."""
        typed = {n for n, text in self.fields.texts.items() if text.strip()}
        return {n for n in typed - set(self.fields.values) if self.fields.problems.get(n)}

    def _hint(self, found: Recognised) -> None:
        for name, hint in hints_of(found).items():
            self.fields.change(name, hint=hint)

    def _draw_slices(self, found: Recognised) -> dict[str, Any]:
        try:
            far = "://" in str(found.given) and "file://" not in str(found.given)
            slices, said = thumbnails(found.source, FAR if far else MOST)
        except Exception as err:  # noqa: BLE001 - a thread has nobody above it who could be told
            return {"slices": [], "said": f"no pictures: {as_ours(err)}"}
        return {"slices": [one.to_json() for one in slices], "said": said}

    def _pictures(self, drawn: dict[str, Any]) -> None:
        with self.lock:
            self.found = {**self.found, **drawn, "drawing": False}


def _is_raw(given: str | list[str]) -> bool:
    """Tell whether a raw file is among these."""
    names = [given] if isinstance(given, str) else given
    return any(name.lower().endswith(_RAW) for name in names)
