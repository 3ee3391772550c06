"""An array in memory to OME-Zarr with its mags, once the session has done so before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from _checking import verifier
from em_data import RECIPES, data_folder, made
from harness import BENCH, Case, Mode, contenders
from sections.convert import CHUNK, SHARD, emptied

LEVELS = 4


def case_of(name: str, source: Path, folder: Path) -> Case:
    """Return the case of an array."""
    target = folder / "out.ome.zarr"
    recipe = RECIPES[name]
    asked = {
        "source": str(source),
        "target": str(target),
        "levels": LEVELS,
        "codec_level": 1,
        "labels": False,
        "chunk": CHUNK,
        "shard": min(SHARD, max(recipe.shape)),
    }
    shape = " × ".join(map(str, recipe.shape))
    dtype = f"uint{8 * recipe.nbytes // (recipe.shape[0] * recipe.shape[1] * recipe.shape[2])}"
    return Case(
        f"{dtype}, {recipe.shape[0]}³",
        contenders("pyramid", asked),
        before=lambda: emptied(folder),
        verify=verifier(source, target, LEVELS),
        note=(
            f"{shape}, {recipe.nbytes / 1e6:.0f} MB, {LEVELS} mags; chunks {CHUNK}³, shards "
            f"{SHARD}³ or the whole, Zstandard of level 1; time from the call to its return, the "
            "second one of a process; memory of all of the process"
        ),
    )


@contextmanager
def section(mode: Mode, folder: Path) -> Iterator[list[Case]]:
    """Make the arrays, and yield what is done with them."""
    names = ("small_vol8", "small_vol16") if mode.quick else ("vol8", "vol16")
    sources = made(names, data_folder(BENCH / "data"))
    yield [case_of(name, path, folder) for name, path in sources.items()]
