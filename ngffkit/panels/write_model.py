"""Write, without a page: an array of the notebook, what is done with it, the plan, the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import traitlets

from ngffkit.errors import (
    ChunkError,
    MetadataError,
    NgffError,
    NotFoundError,
    PlanError,
    Problem,
    SourceError,
    StoreError,
)
from ngffkit.panels import notebook_names as names
from ngffkit.panels.fields import Field
from ngffkit.panels.model import action
from ngffkit.panels.planned import Planlike, Planned
from ngffkit.panels.resuming import checked
from ngffkit.panels.spelling import Name, call
from ngffkit.panels.storage import spelled
from ngffkit.panels.wording import beside, in_fields
from ngffkit.panels.write_fields import APPEND, FIELDS, LABELS, NEW, SHOWN, TASKS, target_of

#: Fields that say what is written and where; the others are options of the functions.
_PLACES = ("task", "data", "variable", "target", "label_name", "axis")

#: What the functions call the fields.
_LOCS: Mapping[str, str] = {"image": "target", "name": "label_name", "source": "data"}


class WriteModel(Planned):
    """Writing arrays of the notebook: `ngffkit.write` and the edits of an image as a form.

    Parameters
    ----------
    objects : Mapping, optional
        Arrays by name; the names of the notebook when left out.
    data : str
        The name of the array that is chosen at first.
    target : str
        Where it goes.

    Attributes
    ----------
    things : dict
        ``rows``: what the notebook has; ``chosen``: a name; ``problems``: of it.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> target = f"{tempfile.mkdtemp()}/a.zarr"
    >>> model = WriteModel({"volume": np.zeros((8, 64, 64), "u1")}, "volume", target)
    >>> model.do("set", name="voxel_size", text="4,4,40")
    >>> model.settle(), model.plan["ok"]
    (True, True)
    >>> model.do("run")
    >>> model.work.wait(), model.result["url"] == target
    (True, True)
    """

    things = traitlets.Dict()

    def __init__(
        self, objects: Mapping[str, Any] | None = None, data: str = "", target: str = ""
    ) -> None:
        self._names: Callable[[], Mapping[str, Any]] = names.notebook
        if objects is not None:
            self._names = lambda: objects
        # what the plan is of: also when the name stands for something else by now
        self._held: dict[str, tuple[Any, ...]] = {}
        self._rows: list[dict[str, str]] = []
        super().__init__(FIELDS)
        with self.lock:
            self.fields.elsewhere = frozenset(["data"])
            self.fields.update({"data": data, "target": target})
            self.refresh()

    # --- the arrays -----------------------------------------------------------------------------

    def take(self, value: Any) -> None:
        """Choose an array: under the name that the notebook has for it, or as ``x``.

        A name of the notebook keeps its meaning: where ``x`` is another array, it is ``x2``.

        Raises
        ------
        NgffError
            While there is work going on.
        """
        with self.lock:
            self.at_rest()
            known = self._names
            there = known()
            name = next((name for name, other in there.items() if other is value), "")
            if not name or name.startswith("_"):
                tried = ("x", *(f"x{i}" for i in range(2, len(there) + 3)))
                name = next(one for one in tried if one not in there)
                self._names = lambda: {**known(), name: known().get(name, value)}
            self.fields.set("data", name)
            self.refresh()

    @action
    def look(self) -> None:
        """Look at the notebook again: cells may have run."""
        self.at_rest()
        self.refresh()

    @action
    def choose(self, place: str, storage_options: Mapping[str, Any] | None = None) -> None:
        """Take over what a chooser says of the target, and the options of its store.

        Secrets among these are not shown: the field has ``***`` in their place.
        """
        self.take_place("target", place, "target_options", storage_options or {})

    @action
    def run(self) -> None:
        """Write what was planned; when the notebook has changed since, plan anew instead."""
        if not self.work.active and self._changed():
            self.refresh()
            name = self.fields.values.get("data", "")
            raise NgffError(
                f"{name} was changed in the notebook since this was planned; it was planned anew: "
                "look at the plan, then run it"
            )
        super().run()

    def _used(self) -> dict[str, tuple[Any, ...]]:
        """Return what stands behind the names now: the object, and the pixels in it."""
        values, there = self.fields.values, self._names()
        wanted = {values.get("data", ""): [values.get("variable", "")]}
        for name, variable in (values.get("labels") or {}).values():
            wanted.setdefault(name, []).append(variable)
        out = {}
        for name, variables in wanted.items():
            if name in there:
                value = there[name]
                out[name] = (value, *_variables(value, variables))
        return out

    def _changed(self) -> bool:
        found = self._used()
        if found.keys() != self._held.keys():
            return True
        pairs = ((self._held[name], parts) for name, parts in found.items())
        return any(
            len(old) != len(new) or any(a is not b for a, b in zip(old, new, strict=True))
            for old, new in pairs
        )

    def _array(self, name: str, variable: str, loc: str) -> Any:
        """Return an array of the notebook."""
        parts = self._held.get(name)
        if parts is None:
            message = f"the notebook has no {name!r}"
            remedy = "run the cell that makes it and refresh, or choose another one"
            raise PlanError([Problem(loc, "error", message, remedy)])
        value, kind = parts[0], names.kind_of(parts[0])
        if not kind:
            message = f"{name} is a {type(value).__name__}"
            remedy = "an xarray, dask or NumPy array was expected"
            raise PlanError([Problem(loc, "error", message, remedy)])
        if kind != "Dataset":
            if variable:
                message = f"{name} is a {kind}, which has no variable {variable!r}"
                raise PlanError([Problem(loc, "error", message, f"name {name} alone")])
            return value
        found, known = variable or names.choice_of(value), names.variables_of(value)
        if not known:
            remedy = "a variable of numbers with two or more dimensions was expected"
            raise PlanError([Problem(loc, "error", f"{name} holds no image", remedy)])
        if found not in known:
            listed = ", ".join(known)
            message = f"{name} has no variable {found!r}" if found else f"{name} has several images"
            where = "variable" if loc == "data" else loc
            raise PlanError([Problem(where, "error", message, f"choose one of: {listed}")])
        return value[found]

    def _spelled(self, name: str, variable: str) -> Name:
        parts = self._held.get(name)
        if parts is not None and names.kind_of(parts[0]) == "Dataset":
            variable = variable or names.choice_of(parts[0])
        return Name(f"{name}[{variable!r}]" if variable else name)

    # --- what is asked for ----------------------------------------------------------------------

    def missing(self) -> str:
        """Say what is to be filled in."""
        values = self.fields.values
        task = values.get("task", NEW)
        if "data" not in values:
            return "choose an array of the notebook"
        if "target" not in values:
            return "say where it goes" if task == NEW else "say which image is changed"
        if task == LABELS and "label_name" not in values:
            return "name the labels"
        if task == APPEND and "axis" not in values:
            return "say along which axis it is appended"
        return ""

    def _options(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {k: v for k, v in values.items() if k not in _PLACES and k != "labels"}

    def spell(self, values: Mapping[str, Any]) -> str:
        """Return the call that does the same."""
        task = values.get("task", NEW)
        given: list[Any] = [self._spelled(values["data"], values.get("variable", ""))]
        if task == NEW:
            given.append(values["target"])
        else:
            given.insert(0, values["target"])
            given += [values[name] for name in ("label_name", "axis") if name in values]
        options = self._options(values)
        if "labels" in values:
            options["labels"] = {k: self._spelled(*v) for k, v in values["labels"].items()}
        if "target_options" in options:
            options["target_options"] = spelled(options["target_options"])
        return call(TASKS[task], given, options)

    # --- the plan -------------------------------------------------------------------------------

    def plan_of(self, values: Mapping[str, Any]) -> Planlike:
        """Return the plan of these values, for the arrays that their names stand for."""
        from ngffkit.editing.doors import plan_edit
        from ngffkit.writing import plan

        task = values.get("task", NEW)
        data = self._array(values["data"], values.get("variable", ""), "data")
        options = self._options(values)
        named = values.get("labels") or {}
        labels = {key: self._array(name, part, "labels") for key, (name, part) in named.items()}
        if labels:
            options["labels"] = labels
        target, made = values["target"], None
        try:
            if task == NEW:
                made = checked(plan(data, target, **options))
                return replace(made, problems=self._worded(made.problems))
            given = [values[name] for name in ("label_name", "axis") if name in values]
            edit = plan_edit(TASKS[task].removeprefix("nk."), target, data, *given, **options)
            return replace(edit, problems=self._worded(edit.problems))
        except PlanError as err:
            raise PlanError(self._worded(err.problems)) from err
        except NgffError as err:
            where = _field_of(err, data, labels, str(values.get("image", "")))
            found = beside(err, self.fields.fields, where).problems
            raise PlanError([in_fields(one, self.fields.fields) for one in found]) from err

    def _worded(self, problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
        """Return problems with their fields, in the words of the form."""
        edit = self.fields.values.get("task", NEW) != NEW
        locs = _LOCS if edit else {"source": "data"}
        out = []
        for problem in problems:
            head, dot, rest = problem.loc.partition(".")
            moved = replace(problem, loc=locs.get(head, head) + dot + rest)
            out.append(in_fields(moved, self.fields.fields))
        return tuple(out)

    # --- what is shown --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look at the names of the notebook, show the fields that count, and plan anew."""
        with self.lock:
            self._arrange()
            held = self._used()
            if self._changed():
                # the same form about other pixels is something else to do
                self._begun = None
            self._held = held
            super().refresh()
            if not self.plan["busy"]:
                self.code = {"text": ""}
                values = self.fields.values
                if not self.missing():
                    # what can be read may be wrong as well: that is said at once, too
                    self.latest.ask(lambda: self._try(values)[1], self._tell)

    def _tell(self, problems: tuple[Problem, ...]) -> None:
        with self.lock:
            self.fields.tell(problems)
            self._draw()

    def _arrange(self) -> None:
        form, there = self.fields, self._names()
        self._rows = [thing.to_json() for thing in names.things(there)]
        task = form.texts["task"] if form.texts["task"] in TASKS else NEW
        hidden = {field.name for field in FIELDS} - SHOWN[task]
        if form.texts.get("sidecar") != "yes":
            hidden.add("layer")
        value = there.get(form.texts["data"].strip())
        variables: tuple[str, ...] = ()
        if names.kind_of(value) == "Dataset":
            variables = names.variables_of(value)
        if len(variables) < 2 and form.texts["variable"] in ("", "auto", *variables):
            hidden.add("variable")
        form.change("variable", choices=("auto", *variables), read=str)
        wording: Field = target_of(task)
        form.change("target", label=wording.label, help=wording.help, hint=wording.hint)
        form.change("voxel_size", hint=_voxel(value))
        form.hidden = frozenset(hidden)

    def _draw(self) -> None:
        super()._draw()
        problems = [p.to_json() for p in self.fields.problems.get("data", ())]
        chosen = self.fields.texts["data"].strip()
        things = {"rows": self._rows, "chosen": chosen, "problems": problems}
        self.things = things | {"enabled": self.fields.enabled}


def _variables(value: Any, wanted: list[str]) -> list[Any]:
    """Return the pixels of a Dataset by identity: a variable may be replaced in it."""
    if names.kind_of(value) != "Dataset":
        return []
    found = [name or names.choice_of(value) for name in wanted]
    return [value.variables[name] for name in found if name in value.variables]


def _voxel(value: Any) -> str:
    """Return the voxel size that coordinates say."""
    from ngffkit.planning.card import voxel_of

    kind = names.kind_of(value)
    try:
        if kind in ("DataArray", "Dataset"):
            from ngffkit import resolve

            found = value if kind == "DataArray" else value[names.choice_of(value)]
            return voxel_of(resolve.grid_of(found)).partition(" (")[0]
    except (NgffError, KeyError, ValueError):
        pass
    return "x,y,z"


def _field_of(err: NgffError, data: Any, labels: Mapping[str, Any], image: str) -> str:
    """Return the field that an error without an address belongs to."""
    from ngffkit.sources.opening import open_source
    from ngffkit.sources.options import ReadOptions

    if isinstance(err, (SourceError, ChunkError)):
        return "data"
    if image and repr(image) in str(err):
        return "image"
    if isinstance(err, (StoreError, NotFoundError, MetadataError)):
        return "target"
    for loc, array in (("data", data), *(("labels", array) for array in labels.values())):
        try:
            open_source(array, ReadOptions())
        except NgffError:
            return loc
    return "target"
