"""A plan: everything that can be known before pixels move, and the way to carry it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ngffkit.errors import PlanError, Problem
from ngffkit.execute.job import ImageJob, Skipped
from ngffkit.execute.running import Watch
from ngffkit.image import Image
from ngffkit.layout import Layout
from ngffkit.planning.options import Options
from ngffkit.sources.contract import Source
from ngffkit.stores.targets import Target


@dataclass(frozen=True, slots=True)
class Result:
    """What a finished conversion left.

    Parameters
    ----------
    url : str
        Where the image is.
    files : int
        Objects that were written, documents included.
    nbytes : int
        Their size.
    skipped : tuple of Skipped
        Parts of the source that could not be read and are fill; empty unless on_error="skip".
    seconds : float
        How long it took.
    """

    url: str
    files: int
    nbytes: int
    skipped: tuple[Skipped, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan takes.

    Parameters
    ----------
    base : int
        Bytes of memory that this process has before it starts.
    peak_memory : int
        Bytes of memory that this process won't exceed.
    budget : int
        Bytes of memory that it may take.
    stored : int
        Estimated bytes in the target, from a sample of the source.
    scratch : int
        Bytes on disk that are needed besides, while it runs.
    seconds : float or None
        Estimated time; None when nothing could be sampled.
    """

    base: int
    peak_memory: int
    budget: int
    stored: int
    scratch: int = 0
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a conversion will do; nothing has moved yet.

    Parameters
    ----------
    source : Source
        What is read.
    target : Target
        Where it goes.
    images : tuple of ImageJob
        The image, and its labels.
    options : Options
        What was asked for.
    cost : Cost
        What it takes.
    problems : tuple of Problem
        Those of severity ``error`` forbid to run it; the others are worth reading.
    fingerprint : str
        Of source and settings: a conversion is only resumed by the same.
    packed : str, optional
        The single file (``.ozx``) that `target`, a folder beside it, is packed into at the end.

    Examples
    --------
    >>> import numpy as np, ngffkit as nk
    >>> plan = nk.plan(np.zeros((8, 64, 64), "u1"), "memory://a.zarr", voxel_size=(4, 4, 40))
    >>> plan.mags, plan.shape
    (('1', '2-2-1', '4-4-1'), (8, 64, 64))
    """

    source: Source = field(repr=False)
    target: Target = field(repr=False)
    images: tuple[ImageJob, ...] = field(repr=False)
    options: Options = field(repr=False)
    cost: Cost
    problems: tuple[Problem, ...] = ()
    fingerprint: str = ""
    packed: str | None = None

    @property
    def url(self) -> str:
        """Where the image will be."""
        return self.packed or self.target.url

    @property
    def image(self) -> Image:
        """The image at the root: axes, levels, channels."""
        return self.images[0].image

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape at mag 1, in the order of the axes."""
        return self.image.base.shape

    @property
    def mags(self) -> tuple[str, ...]:
        """The mags that will be written."""
        return self.image.mags

    @property
    def layouts(self) -> dict[str, Layout]:
        """How each array is laid out, by its path."""
        return {level.path: level.spec.layout for item in self.images for level in item.job.levels}

    @property
    def nbytes(self) -> int:
        """Bytes of pixels, all mags and labels."""
        return sum(layout.nbytes for layout in self.layouts.values())

    @property
    def files(self) -> int:
        """Objects that hold pixels, exactly."""
        return sum(layout.objects for layout in self.layouts.values())

    @property
    def tasks(self) -> int:
        """Tasks that the work is cut into."""
        return sum(i.job.count(n) for i in self.images for n in range(len(i.job.levels)))

    @property
    def peak_memory(self) -> int:
        """Bytes of memory that this process won't exceed."""
        return self.cost.peak_memory

    @property
    def ok(self) -> bool:
        """Whether it can be run."""
        return not any(problem.severity == "error" for problem in self.problems)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the journal keeps of it."""
        return {
            "source": self.source.info.name,
            "shape": list(self.shape),
            "axes": list(self.image.base.dims),
            "dtype": str(self.source.info.dtype),
            "mags": list(self.mags),
            "version": self.image.version,
            "objects": self.files,
        }

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
            When another process writes to the target.
        SourceError, WriteError
            Naming the slice or object. What was done stays; the same call resumes.
        """
        from ngffkit.planning.carrying import carry_out

        return carry_out(self, progress)

    def __str__(self) -> str:
        """Return it as lines of text."""
        from ngffkit.planning.card import text_of

        return text_of(self)

    def _repr_html_(self) -> str:
        """Return it as a card for notebooks."""
        from ngffkit.planning.card import html_of

        return html_of(self)
