"""What may be asked for when something is written; made at the door, passed as values."""

from __future__ import annotations

import difflib
import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ngffkit.errors import PlanError, Problem
from ngffkit.sources.options import ReadOptions
from ngffkit.spec.encode import DEFAULT, WRITABLE

#: Per axis: one number for all spatial axes, x-y-z as WEBKNOSSOS has it, or by name.
PerAxis = int | Sequence[int] | Mapping[str, int]

#: Workers; memory is shared out for each number of them, until it is enough.
_MOST = 10_000

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What is written.

    Parameters
    ----------
    version : str
        Version of OME-Zarr.
    chunks : int, sequence, mapping or "auto"
        Voxels per chunk: for all spatial axes, in x-y-z order, or by axis. ``"auto"`` is 64, and
        more along y and x where z is short, so that a chunk keeps about 64^3 voxels.
    shards : int, sequence, mapping, "auto" or None
        Voxels per shard, multiples of `chunks`; never larger than the array needs. ``"auto"`` is
        512, flatter in z where planes are very wide. None writes every chunk as an object of its
        own, which is the only way before Zarr v3.
    compression : str
        ``"zstd"``, ``"gzip"`` or ``"none"``, with a level if wanted: ``"zstd:5"``.
    mags : sequence, optional
        Which mags to write, as WEBKNOSSOS spells them (``["1", "2-2-1", "4-4-2"]``); chosen from
        the voxel size when left out; ``["1"]`` writes no pyramid.
    sampling : {"anisotropic", "isotropic", "constant_z"}
        How mags are chosen: towards cubic voxels, all axes alike, or never along z.
    coarsest : int, optional
        The largest factor of a mag.
    until : int, optional
        Go on until every axis has at most this many voxels.
    method : str, optional
        ``mean``, ``median``, ``mode``, ``nearest``, ``gaussian``, ``min`` or ``max``; mean for
        intensities and mode for labels when left out.
    sidecar : bool
        Whether a ``datasource-properties.json`` is written too, by which WEBKNOSSOS opens the
        image in place.
    layer : str, optional
        Name of the layer in that file; the name of the image when left out.
    """

    version: str = DEFAULT
    chunks: PerAxis | Literal["auto"] = "auto"
    shards: PerAxis | Literal["auto"] | None = "auto"
    compression: str = "zstd"
    mags: Sequence[Any] | None = None
    sampling: Literal["anisotropic", "isotropic", "constant_z"] = "anisotropic"
    coarsest: int | None = None
    until: int | None = None
    method: str | None = None
    sidecar: bool = False
    layer: str | None = None

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        problems = [
            *_one_of("version", self.version, WRITABLE),
            *_one_of("sidecar", self.sidecar, (True, False)),
        ]
        if problems:
            raise PlanError(problems)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the work is done.

    Parameters
    ----------
    memory : str or int, optional
        What this process may take in all, e.g. ``"500 MB"``; see `Plan.peak_memory`. When left
        out, a gigabyte more than it has.
    executor : str or object
        ``"threads"``: this process. ``"processes"``: as many as `workers`. A `dask.distributed`
        Client or any `concurrent.futures.Executor`: its workers, which must reach source and
        target by the same names.
    workers : int, optional
        Threads, or processes; the processors of this machine when left out.
    on_error : {"raise", "skip"}
        What to do about a part of the source that can't be read: stop, or leave fill there, record
        it, and report it.
    overwrite : bool
        Whether what is at the target is removed first.
    resume : bool
        Whether an interrupted conversion with the same settings goes on where it stopped.
    target_options : Mapping, optional
        For the store of the target, as `storage_options` are for the source.
    """

    memory: str | int | None = None
    executor: Any = field(default="threads", hash=False, compare=False)
    workers: int | None = None
    on_error: Literal["raise", "skip"] = "raise"
    overwrite: bool = False
    resume: bool = True
    target_options: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        """Refuse what can't be meant."""
        problems = [
            *_one_of("on_error", self.on_error, ("raise", "skip")),
            *_one_of("overwrite", self.overwrite, (True, False)),
            *_one_of("resume", self.resume, (True, False)),
        ]
        if isinstance(self.executor, str):
            problems += _one_of("executor", self.executor, ("threads", "processes"))
        elif not hasattr(self.executor, "submit"):
            message = f"{self.executor!r} takes no work"
            remedy = "pass 'threads', 'processes', a dask Client or a concurrent.futures.Executor"
            problems.append(Problem("executor", "error", message, remedy))
        if self.workers is not None and not (_is_count(self.workers) and self.workers <= _MOST):
            message = f"{self.workers!r:.80} is no number of workers"
            problems.append(Problem("workers", "error", message, f"pass 1 to {_MOST}"))
        if problems:
            raise PlanError(problems)

    @property
    def budget(self) -> int | None:
        """The memory in bytes, None when nobody said."""
        return None if self.memory is None else nbytes_of(self.memory, "memory")


@dataclass(frozen=True, slots=True)
class Options:
    """All that may be asked for: how to read, what to write, how to work."""

    read: ReadOptions = field(default_factory=ReadOptions)
    write: WriteOptions = field(default_factory=WriteOptions)
    run: RunOptions = field(default_factory=RunOptions)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Options:
        """Sort keywords into the three kinds.

        Raises
        ------
        PlanError
            When there is no such option; the message has the one that is nearest.

        Examples
        --------
        >>> Options.of({"chunks": 32, "memory": "1 GB"}).write.chunks
        32
        """
        kinds = (ReadOptions, WriteOptions, RunOptions)
        names = {f.name: kind for kind in kinds for f in fields(kind)}
        problems = []
        for name in given:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1)
                hint = f"did you mean {near[0]}?" if near else "options: " + ", ".join(names)
                problems.append(Problem(name, "error", "there is no such option", hint))
        if problems:
            raise PlanError(problems)
        sorted_ = {kind: {k: v for k, v in given.items() if names[k] is kind} for kind in kinds}
        return cls(
            ReadOptions(**sorted_[ReadOptions]),
            WriteOptions(**sorted_[WriteOptions]),
            RunOptions(**sorted_[RunOptions]),
        )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _one_of(option: str, value: Any, allowed: Sequence[Any]) -> list[Problem]:
    if value in allowed:
        return []
    choices = ", ".join(map(repr, allowed))
    return [Problem(option, "error", f"{value!r} is no choice", f"choose one of {choices}")]


def keywords() -> list[inspect.Parameter]:
    """Return all options as keyword parameters, for signatures that show them."""
    return [
        inspect.Parameter(
            f.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=getattr(kind(), f.name),
            annotation=f.type,
        )
        for kind in (ReadOptions, WriteOptions, RunOptions)
        for f in fields(kind)
    ]


def nbytes_of(text: str | float, option: str) -> int:
    """Understand a number of bytes as people write it.

    Examples
    --------
    >>> nbytes_of("500 MB", "memory"), nbytes_of("1.5GiB", "memory"), nbytes_of(10**6, "memory")
    (500000000, 1610612736, 1000000)
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        found: tuple[float, str, str] | None = (float(text), "", "")
    else:
        match = re.fullmatch(r"\s*([\d.]+)\s*([kKMGT]?)(i?)[bB]?\s*", str(text))
        found = (float(match[1]), match[2].upper(), match[3]) if match else None
    if found is None or found[0] <= 0:
        problem = Problem(
            option, "error", f"{text!r} is no size", "write it as '500 MB' or '2 GiB'"
        )
        raise PlanError([problem])
    number, letter, binary = found
    base = 1024 ** "KMGT".find(letter) * 1024 if binary else _UNITS[letter]
    return int(number * base)


def about(nbytes: float) -> str:
    """Spell a number of bytes for people, in units of 1000.

    Examples
    --------
    >>> about(1_340_000), about(900)
    ('1.3 MB', '900 B')
    """
    if nbytes < 1000:
        return f"{nbytes:.0f} B"
    i = min(int(math.log(nbytes, 1000)), 5)
    return f"{nbytes / 1000**i:.{1 if nbytes / 1000**i < 100 else 0}f} {' kMGTP'[i]}B"
