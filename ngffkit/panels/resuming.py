"""What lies at a target before a run: work to go on with, or what would be removed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ngffkit.errors import NotFoundError, PlanError, Problem
from ngffkit.execute.journal import Contents, read_journal
from ngffkit.execute.running import Watch
from ngffkit.planning.overlaps import about_source
from ngffkit.planning.plan import Plan, Result


@dataclass(frozen=True, slots=True)
class Checked:
    """A plan, and what a form says of it.

    Parameters
    ----------
    plan : Plan
        What is carried out.
    problems : tuple of Problem
        What stands beside the fields; errors forbid to run it.
    """

    plan: Plan
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether it can be run."""
        return not any(problem.severity == "error" for problem in self.problems)

    def run(self, progress: Watch | None = None) -> Result:
        """Carry it out.

        Raises
        ------
        PlanError
            When something forbids it; nothing was begun.
        """
        if not self.ok:
            raise PlanError(self.problems)
        return self.plan.run(progress)

    def _repr_html_(self) -> str:
        """Return the plan as a card; what is said of fields stands beside them."""
        return replace(self.plan, problems=())._repr_html_()


def checked(plan: Plan, places: Sequence[str] = ()) -> Checked:
    """Look at what lies at the target of a plan, as somebody must who gets no second question.

    A plan that was interrupted goes on, also where what is there is to be overwritten: it is
    the beginning of the same. And what is to be overwritten is said.

    Parameters
    ----------
    plan : Plan
        Any.
    places : sequence of str
        Paths and URLs that are read and must stay.

    Returns
    -------
    Checked
        With the problems of the plan and those that were found here.
    """
    problems = list(plan.problems)
    if plan.options.run.overwrite:
        known = {problem.message for problem in problems}
        found = about_source(list(places), plan.source, plan.url)
        problems += [problem for problem in found if problem.message not in known]
    journal = _unfinished(plan)
    if journal is None:
        if plan.options.run.overwrite:
            problems += _about_removing(plan)
    elif journal.fingerprint == plan.fingerprint and plan.options.run.resume:
        run = replace(plan.options.run, overwrite=False)
        plan = replace(plan, options=replace(plan.options, run=run))
        problems.append(_going_on(plan, journal))
    elif not plan.options.run.overwrite:
        problems.append(_another(plan, journal))
    return Checked(plan, tuple(problems))


def _unfinished(plan: Plan) -> Contents | None:
    with suppress(NotFoundError):
        journal = read_journal(plan.target)
        return journal if journal.finished is None else None
    return None


def _going_on(plan: Plan, journal: Contents) -> Problem:
    done = sum(not name.startswith("commit") for name in journal.records)
    share = f"{done} of {plan.tasks} parts are done"
    message = f"this conversion was begun before and interrupted: {share}"
    return Problem("target", "advice", message, 'it goes on from there; untick "resume" if not')


def _another(plan: Plan, journal: Contents) -> Problem:
    if journal.fingerprint == plan.fingerprint:
        message = f"an interrupted conversion is at {plan.url}"
        remedy = 'tick "resume" to go on with it, or "overwrite" to begin anew'
    else:
        message = f"an interrupted conversion with other settings is at {plan.url}"
        remedy = 'choose another place, the same settings, or tick "overwrite" to begin anew'
    return Problem("target", "error", message, remedy)


def _about_removing(plan: Plan) -> list[Problem]:
    """Say what overwriting removes."""
    there = plan.target.exists() if plan.packed is None else Path(plan.packed).exists()
    if not there or not plan.ok:
        return []
    return [Problem("overwrite", "advice", f"{plan.url} is there and is removed first")]
