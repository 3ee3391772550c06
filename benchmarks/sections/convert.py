"""Stacks of slices to OME-Zarr, from the start of the interpreter to its end.

``NGFFKIT_BENCH_CASES=flatness,wide python -m benchmarks convert --full`` chooses by name; these two
run only so, since they take tens of gigabytes and minutes.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from _checking import verifier
from em_data import RECIPES, data_folder, made
from harness import BENCH, Case, Mode, contenders

CHUNK, SHARD = 64, 512


@dataclass(frozen=True, slots=True)
class Job:
    """One stack for all contenders.

    Parameters
    ----------
    data : str
        Name of the slices, see `em_data.RECIPES`.
    levels : int
        Mags, each half as fine as the one before along all axes.
    codec_levels : tuple of int
        Of Zstandard; each is a case.
    memory : str
        Budget that ngffkit is given; ``""`` is the default.
    names : tuple of str
        Who takes part; all who can when empty.
    """

    data: str
    levels: int
    codec_levels: tuple[int, ...] = (1, 5)
    memory: str = ""
    names: tuple[str, ...] = ()

    @property
    def labels(self) -> bool:
        """Whether voxels are ids, which no mean may mix."""
        return "labels" in self.data


#: What a budget is compared with: nobody else can be told one.
ALONE = ("ngffkit", "limit")

QUICK = {
    "png8": (Job("small_png8", 3, (1,)),),
    "tif16": (Job("small_tif16", 3, (1,)),),
}
FULL = {
    "png8": (Job("png8", 4),),
    "tif16": (Job("tif16", 5),),
    "png16": (Job("png16", 5), Job("png16", 5, (1,), "200 MB", ALONE)),
    "labels32": (Job("labels32", 4),),
}
BY_NAME = {
    "tif8": (Job("tif8", 4),),
    "flatness": (Job("flat1", 5, (1,), "", ALONE[:1]), Job("flat8", 5, (1,), "", ALONE[:1])),
    "wide": tuple(
        Job(data, 1, (1,), memory, ALONE[:1])
        for data in ("wide_png", "wide_tif")
        for memory in ("1 GB", "2 GB")
    ),
}


def jobs_of(mode: Mode) -> list[Job]:
    """Return what is converted: what was asked for by name, or what the mode has."""
    default = QUICK if mode.quick else FULL
    known = BY_NAME | default
    names = [name for name in os.environ.get("NGFFKIT_BENCH_CASES", "").split(",") if name]
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"NGFFKIT_BENCH_CASES: no case {unknown[0]!r}; there are {', '.join(known)}")
    return [job for name in names or default for job in known[name]]


def case_of(job: Job, codec_level: int, source: Path, folder: Path, mode: Mode) -> Case:
    """Return the case of a stack and a codec."""
    target = folder / "out.ome.zarr"
    recipe = RECIPES[job.data]
    asked = {
        "source": str(source),
        "target": str(target),
        "levels": job.levels,
        "codec_level": codec_level,
        "labels": job.labels,
        "shape": recipe.shape,
        "memory": job.memory,
        "chunk": CHUNK,
        "shard": min(SHARD, max(recipe.shape)),
    }
    crew = contenders("convert", asked, job.names)
    if codec_level not in (5, job.codec_levels[-1]):
        # it writes level 5 whatever it is asked, and is compared with others at that level
        crew = [who for who in crew if who.name != "webknossos"]
    shape = " × ".join(map(str, recipe.shape))
    within = f", within {job.memory}" if job.memory else ""
    return Case(
        f"{job.data.removeprefix('small_')}, zstd {codec_level}{within}",
        crew,
        before=lambda: emptied(folder),
        verify=verifier(source, target, job.levels, labels=job.labels),
        note=note_of(mode, f"{shape}, {recipe.nbytes / 1e6:.0f} MB", job, crew),
    )


def note_of(mode: Mode, sizes: str, job: Job, crew: Sequence[object]) -> str:
    """Say what a case is."""
    words = f"{sizes}, {job.levels} mags; chunks {CHUNK}³, shards {SHARD}³ or the whole"
    webknossos = any(getattr(who, "name", "") == "webknossos" for who in crew)
    if mode.quick and webknossos:
        words += "; webknossos writes Zstandard of level 5 whatever it is asked"
    return words


def emptied(folder: Path) -> None:
    """Remove what the run before left."""
    for left in folder.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def section(mode: Mode, folder: Path) -> Iterator[list[Case]]:
    """Make the slices, and yield what is done with them."""
    jobs = jobs_of(mode)
    sources = made([job.data for job in jobs], data_folder(BENCH / "data"))
    yield [
        case_of(job, codec_level, sources[job.data], folder, mode)
        for job in jobs
        for codec_level in job.codec_levels
    ]
