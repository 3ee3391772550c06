"""What a rewriting will do, as a value that can be shown before."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field

from ngffkit.errors import PlanError, Problem
from ngffkit.execute.running import Watch
from ngffkit.layout import Layout
from ngffkit.planning.plan import Plan, Result
from ngffkit.rewriting.baggage import Baggage
from ngffkit.rewriting.levels import Draft, Work
from ngffkit.rewriting.papers import Papers
from ngffkit.stores.folders import LocalTarget


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What a rewriting will do; nothing has moved yet.

    Parameters
    ----------
    plan : Plan
        What is written, where, and what that takes.
    work : Work
        The jobs, one for each level that is copied.
    drafts : tuple of Draft
        Each image as it is and as it will be.
    papers : Papers
        The attributes of all groups.
    baggage : Baggage
        Files that come along as they are.
    home : LocalTarget or None
        The image that is replaced; None when another one is written.
    verify : bool
        Whether all is read back before it counts.
    keep : bool
        Whether the image that is replaced is kept beside.
    seen : tuple
        What tells whether that is still the image that was planned on.
    """

    plan: Plan
    work: Work = field(repr=False)
    drafts: tuple[Draft, ...] = field(repr=False)
    papers: Papers = field(repr=False)
    baggage: Baggage = field(repr=False)
    home: LocalTarget | None = field(repr=False)
    verify: bool = True
    keep: bool = False
    seen: tuple[int, ...] = field(default=(), repr=False)

    @property
    def url(self) -> str:
        """Where the image will be."""
        return self.plan.url if self.home is None else self.home.url

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What forbids to run it (severity ``error``), or is worth reading."""
        return self.plan.problems

    @property
    def ok(self) -> bool:
        """Whether it can be run."""
        return self.plan.ok

    @property
    def version(self) -> str:
        """The version of OME-Zarr that is written."""
        return self.papers.version

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape at the finest mag, in the order of the axes."""
        return self.plan.shape

    @property
    def mags(self) -> tuple[str, ...]:
        """The mags that there will be."""
        return self.plan.mags

    @property
    def layouts(self) -> Mapping[str, Layout]:
        """How each array will be laid out, by its path."""
        return self.plan.layouts

    @property
    def files(self) -> int:
        """Objects that hold pixels, exactly."""
        return self.plan.files

    @property
    def files_before(self) -> int:
        """Objects that hold pixels now, when none is left out."""
        specs = [spec for item in self.drafts for spec in item.opened.node.specs if spec]
        return sum(spec.layout.objects for spec in specs)

    @property
    def nbytes(self) -> int:
        """Bytes of pixels, all mags and labels."""
        return self.plan.nbytes

    @property
    def tasks(self) -> int:
        """Tasks that the work is cut into."""
        jobs = [item.job for item in self.work.jobs]
        return sum(job.count(i) for job in jobs for i in range(len(job.levels)))

    @property
    def peak_memory(self) -> int:
        """Bytes of memory that this process won't exceed."""
        return self.plan.peak_memory

    def check(self) -> None:
        """Raise `PlanError` with every reason why it can't be run."""
        if not self.ok:
            raise PlanError(self.problems)

    def run(self, progress: Watch | None = None) -> Result:
        """Carry it out.

        Parameters
        ----------
        progress : callable, optional
            Told how far it is, as `Progress`; what it raises stops the work, to be resumed.

        Returns
        -------
        Result
            What was written.

        Raises
        ------
        PlanError
            When the plan has errors; nothing was begun.
        BusyError
            When another process writes to the image or the target.
        SourceError, WriteError
            Naming the chunk or object. The image is as it was; the same call resumes.
        """
        from ngffkit.rewriting.carrying import carry_out

        return carry_out(self, progress)

    @property
    def steps(self) -> tuple[str, ...]:
        """What is done, in words."""
        before, after = self.files_before, self.files
        made = sum(len(item.fresh) for item in self.drafts)
        out = [f"{before:,} objects become {after:,}"]
        if made:
            out.append(f"{made} mag{'s'[: made != 1]} made; the others are copied as they are")
        if self.baggage.files:
            count = len(self.baggage.files)
            out.append(f"{count} other file{'s'[: count != 1]} come along unchanged")
        if self.verify:
            out.append("every pixel is read back and compared")
        if self.home is not None:
            after_that = "kept beside it as .before" if self.keep else "removed"
            out.append(f"then it takes the place of {self.home.url}; the old one is {after_that}")
        return tuple(out)

    def __str__(self) -> str:
        """Return it as lines of text."""
        return "\n".join([str(self.plan), "", "steps", *(f"  {step}" for step in self.steps)])

    def _repr_html_(self) -> str:
        """Return it as a card for notebooks."""
        items = "".join(f"<li>{html.escape(step)}</li>" for step in self.steps)
        return f"{self.plan._repr_html_()}<ul>{items}</ul>"
