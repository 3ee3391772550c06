"""The plan of an edit: what it will write where, what that takes, and the way to carry it out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ngffkit.cards import Table, times
from ngffkit.editing.carrying import Edit, carry_out
from ngffkit.editing.coarser import plan_mags
from ngffkit.editing.growing import plan_growth
from ngffkit.editing.labels import plan_labels
from ngffkit.editing.place import locate, refuse
from ngffkit.editing.region import plan_region
from ngffkit.editing.removal import plan_removal
from ngffkit.errors import NotFoundError, PlanError, Problem
from ngffkit.execute.cutting import whole
from ngffkit.execute.job import LevelJob
from ngffkit.execute.journal import read_journal
from ngffkit.execute.running import Watch
from ngffkit.execute.work import cpus
from ngffkit.planning.card import Content, memory_of, work_of
from ngffkit.planning.facts import by_weight
from ngffkit.planning.memory import Room
from ngffkit.planning.options import Options, about
from ngffkit.planning.plan import Cost, Result
from ngffkit.planning.planner import about_space
from ngffkit.planning.sampling import Sample, sample_source

_READ = "image axes channels name mag crop storage_options shape dtype offset pattern gaps".split()
_RUN = "memory executor workers resume target_options on_error".split()
_LEVELS = "chunks shards compression mags sampling coarsest until method".split()

#: What each edit takes of all options.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "add_labels": (*_READ, *_RUN, *_LEVELS, "overwrite", "voxel_size", "unit", "origin", "version"),
    "append": (*_READ, *_RUN, "method"),
    "downsample": ("image", "storage_options", *_RUN, *_LEVELS),
    "remove_labels": ("image", "storage_options", "target_options", "resume"),
    "write_region": (*_READ, *_RUN, "method"),
}

#: What each is given besides the image, and what it is called.
_GIVEN: Mapping[str, tuple[tuple[str, ...], str]] = {
    "add_labels": (("data", "name"), "add labels"),
    "append": (("data", "axis"), "append"),
    "downsample": ((), "add mags"),
    "remove_labels": (("name",), "remove labels"),
    "write_region": (("data",), "write a region"),
}


@dataclass(frozen=True, slots=True)
class EditPlan:
    """What an edit will do; nothing has moved yet.

    Parameters
    ----------
    name : str
        ``add_labels``, ``remove_labels``, ``append``, ``write_region`` or ``downsample``.
    url : str
        The image that is edited.
    edit : Edit or None
        What is done; None when there is nothing to do.
    options : Options
        What was asked for.
    cost : Cost or None
        What it takes; None where nobody asked.
    problems : tuple of Problem
        Those of severity ``error`` forbid to run it; the others are worth reading.
    removed : int or None
        Files of labels that are removed; None where nobody asked.
    """

    name: str
    url: str
    edit: Edit | None
    options: Options
    cost: Cost | None = None
    problems: tuple[Problem, ...] = ()
    removed: int | None = None

    @property
    def levels(self) -> tuple[LevelJob, ...]:
        """The arrays that are written, parents before children."""
        job = self.edit.work.job if self.edit else None
        return tuple(level for level in job.levels if level.written) if job else ()

    @property
    def files(self) -> int:
        """Objects with pixels that are written or replaced."""
        return sum(map(_objects, self.levels))

    @property
    def nbytes(self) -> int:
        """Bytes of pixels in them."""
        job = self.edit.work.job if self.edit else None
        return sum(job.nbytes(i) for i in range(len(job.levels))) if job else 0

    @property
    def tasks(self) -> int:
        """Tasks that the work is cut into."""
        job = self.edit.work.job if self.edit else None
        return sum(job.count(i) for i in range(len(job.levels))) if job else 0

    @property
    def ok(self) -> bool:
        """Whether it can be run."""
        return not any(problem.severity == "error" for problem in self.problems)

    def run(self, progress: Watch | None = None) -> Result:
        """Carry it out.

        Parameters
        ----------
        progress : callable, optional
            Told how far it is, as `Progress`; what it raises stops the work, to be resumed.

        Raises
        ------
        PlanError
            When the plan has errors, or another edit of the image is unfinished.
        BusyError
            When another process writes to the image.
        SourceError, ChunkError, WriteError
            Naming the slice or object; the same call resumes.
        """
        if not self.ok:
            raise PlanError(self.problems)
        if self.edit is None:
            return Result(self.url, 0, 0)
        return carry_out(self.edit, self.options.run, progress)

    def __str__(self) -> str:
        """Return it as lines of text."""
        return _content(self).text()

    def _repr_html_(self) -> str:
        """Return it as a card for notebooks."""
        return _content(self).html()


def make_edit(name: str, image: Any, given: Sequence[Any], keywords: Mapping[str, Any]) -> EditPlan:
    """Plan an edit; see `ngffkit.editing.doors.plan_edit`.

    Raises
    ------
    PlanError
        When there is no such edit, it takes something else, or it can't be done.
    """
    if name not in _GIVEN:
        refuse("edit", f"{name!r} is no edit", f"choose one of {', '.join(_GIVEN)}")
    wanted = _GIVEN[name][0]
    if len(given) != len(wanted):
        listed = ", ".join(("image", *wanted))
        refuse("edit", f"{name} was given {len(given) + 1} things", f"it takes {listed}")
    at = keywords.get("at") if name == "write_region" else None
    options = {k: v for k, v in keywords.items() if k != "at" or name != "write_region"}
    chosen = _chosen(name, options)
    # labels that can't be read can be removed
    place = locate(image, chosen, labels=name != "remove_labels")
    edit: Edit | None
    if name == "add_labels":
        edit = plan_labels(place, given[0], given[1], chosen)
    elif name == "append":
        edit = plan_growth(place, given[0], given[1], chosen)
    elif name == "write_region":
        edit = plan_region(place, given[0], at or {}, chosen)
    elif name == "remove_labels":
        edit = plan_removal(place, given[0], chosen)
    else:
        told = any(option in options for option in ("chunks", "shards", "compression"))
        edit = plan_mags(place, chosen, told=told)
    notes = edit.notes if edit else ()
    source = edit.work.job.source if edit else None
    return EditPlan(
        name, place.url, edit, chosen, None, (*(source.info.notes if source else ()), *notes)
    )


def _chosen(name: str, given: Mapping[str, Any]) -> Options:
    found = Options.of(given)
    odd = [option for option in given if option not in _TAKEN[name]]
    if odd:
        refuse(odd[0], f"is no option of {name}", f"it takes {', '.join(_TAKEN[name])}")
    if found.run.on_error != "raise":
        remedy = "what can't be read can't be put into an image"
        refuse("on_error", f"is {found.run.on_error!r}", remedy)
    return found


def priced(plan: EditPlan) -> EditPlan:
    """Return the plan with what it takes, by a look at the middle of the data."""
    if plan.edit is None:
        return plan
    if plan.edit.last:
        found = _about_journal(plan, plan.edit)
        keys = (plan.edit.place.target.keys(folder) for folder in plan.edit.last)
        removed = sum(1 for _ in itertools.chain.from_iterable(keys))
        return replace(plan, removed=removed, problems=(*plan.problems, *found))
    job, room = plan.edit.work.job, Room.of(plan.options.run)
    sample = Sample(1.0, None)
    if job.source is not None:
        sample = sample_source(job.source, job.levels[0])
    workers = plan.options.run.workers or cpus()
    seconds = None if sample.rate is None else plan.nbytes / (sample.rate * workers)
    cut = job.levels[0].cut
    scratch = cut.unit_nbytes if cut.staged and job.source is not None else 0
    stored, peak = int(plan.nbytes * sample.ratio), room.total(plan.edit.taken)
    cost = Cost(room.base, peak, room.budget, stored, scratch, seconds)
    found = [*about_space(job.target, cost, sample), *_about_journal(plan, plan.edit)]
    return replace(plan, cost=cost, problems=(*plan.problems, *found))


def _about_journal(plan: EditPlan, edit: Edit) -> list[Problem]:
    """Say whether work at the image was interrupted, and whether this goes on with it."""
    try:
        journal = read_journal(edit.place.target)
    except NotFoundError:
        return []
    if journal.finished is not None or not plan.options.run.resume:
        return []  # the journal has the last word, when it is opened
    if journal.fingerprint == edit.fingerprint:
        message = "this was begun before and interrupted"
        return [Problem("target", "advice", message, "it goes on where it stopped")]
    begun = journal.facts.get("edit")
    kind = str(begun.get("kind")) if isinstance(begun, Mapping) else "a conversion"
    message = f"unfinished work is at {edit.place.target.url} ({kind})"
    remedy = "make the same call again to finish it, or give it up with resume=False"
    return [Problem("resume", "error", message, remedy)]


def _objects(level: LevelJob) -> int:
    """Return how many objects a box touches."""
    shape = level.spec.layout.object_shape
    return math.prod(
        -(-s.stop // n) - s.start // n if s.stop > s.start else 0
        for s, n in zip(level.box, shape, strict=True)
    )


# --- as text and card ---------------------------------------------------------------------------


def _content(plan: EditPlan) -> Content:
    title = f"{_GIVEN[plan.name][1]} -> {plan.url}"
    if plan.edit is None:
        return Content(title, (("write", "nothing: no mag is missing"),), (), plan.problems)
    if plan.edit.last:
        return Content(title, _what_goes(plan, plan.edit.last), (), by_weight(plan.problems))
    work, levels = plan.edit.work, plan.levels
    facts = []
    if (source := work.job.source) is not None:
        info = source.info
        sizes = times(info.grid.shape)
        facts.append(("read", f"{sizes} ({', '.join(info.grid.dims)}) {info.dtype}"))
    changed = f"{about(plan.nbytes)} of pixels in {plan.files:,} file{'s'[: plan.files != 1]}"
    facts.append(("write", changed))
    share = None
    if (cost := plan.cost) is not None:
        facts += [("stored", f"about {about(cost.stored)}"), ("memory", memory_of(cost))]
        facts.append(("work", work_of(plan.tasks, cost, plan.options.run)))
        share = cost.peak_memory / cost.budget
    by = f", coarser ones by {work.job.method}" if len(levels) > 1 else ""
    rows = tuple(
        (lv.path, times(lv.spec.layout.shape), _part(lv, work.image.base.dims), f"{_objects(lv):,}")
        for lv in levels
    )
    table = Table(f"arrays{by}", ("path", "shape", "what is written", "files"), rows)
    return Content(title, tuple(facts), (table,), by_weight(plan.problems), share)


def _what_goes(plan: EditPlan, folders: Sequence[str]) -> tuple[tuple[str, str], ...]:
    facts = [("remove", ", ".join(folders))]
    if plan.removed is not None:
        facts.append(("files", f"{plan.removed:,}, when no document names them any more"))
    return tuple(facts)


def _part(level: LevelJob, dims: Sequence[str]) -> str:
    """Say which part of an array is written: ``z 2:4, y 8:12``."""
    if level.box == whole(level.spec.layout.shape):
        return "all of it"
    cut = [
        f"{name} {s.start}:{s.stop}"
        for name, s, n in zip(dims, level.box, level.spec.layout.shape, strict=True)
        if (s.start, s.stop) != (0, n)
    ]
    return ", ".join(cut)
