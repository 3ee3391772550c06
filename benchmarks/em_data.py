"""EM-like data for the benchmark of conversion: made the same everywhere, kept for the next run.

    python benchmarks/em_data.py FOLDER [NAME ...]        names: png8 tif16 png16 labels32 vol8 ...

A block of tissue, 512 voxels wide and periodic, is made once: cells with curved walls (a Voronoi
diagram of random seeds), smooth cytoplasm, dark blobs. Slices of any size are cut from it, at full
resolution, with shot noise of their own, so that nothing repeats for a compressor: chunks of 64^3
shrink to about 0.7 by Zstandard, as noisy images of electron microscopes do.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: The tissue repeats after so many voxels.
PERIOD = 512

#: Voxels from one cell to the next, on average.
CELL = 48

#: Neighbours are searched on a grid that is so much coarser; distances are exact all the same.
COARSE = 4

Float = npt.NDArray[np.float32]
Plane = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Tissue:
    """A periodic block of cells; parts of it are made when they are first needed."""

    seed: int = 20_261_123

    @cached_property
    def seeds(self) -> Float:
        """Centres of cells, shape (n, 3), z, y, x in voxels."""
        rng = np.random.default_rng(self.seed)
        return rng.random(((PERIOD // CELL) ** 3, 3), np.float32) * PERIOD

    @cached_property
    def ids(self) -> npt.NDArray[np.uint32]:
        """Ids of the cells, 32 bits, never 0."""
        rng = np.random.default_rng(self.seed + 1)
        return rng.integers(1, 2**32, len(self.seeds), np.uint32)

    @cached_property
    def neighbours(self) -> npt.NDArray[np.uint16]:
        """The nearest and the second nearest cell on the coarse grid, shape (2, z, y, x)."""
        from scipy.spatial import cKDTree

        n = PERIOD // COARSE
        tree = cKDTree(self.seeds, boxsize=PERIOD)
        out = np.empty((2, n, n, n), np.uint16)
        for z in range(n):
            at = np.broadcast_arrays(*self.bent(z * COARSE, COARSE))
            points = np.stack(at, -1).reshape(-1, 3)
            out[:, z] = tree.query(points, k=2, workers=-1)[1].T.reshape(2, n, n)
        return out

    @cached_property
    def texture(self) -> npt.NDArray[np.int8]:
        """Cytoplasm and blobs in grey values around 0, at half the resolution, (z, y, x)."""
        from scipy.ndimage import gaussian_filter

        n = PERIOD // 2
        rng = np.random.default_rng(self.seed + 2)

        def smooth(sigma: float) -> Float:
            noise = rng.standard_normal((n, n, n), np.float32)
            found = gaussian_filter(noise, sigma, mode="wrap", truncate=3)
            return found / found.std()

        out = 6 * smooth(1.0) + 5 * smooth(3.0)
        out -= 45 * (smooth(1.5) > 2.3)
        return out.clip(-100, 100).astype(np.int8)

    @staticmethod
    def bent(z: float, step: int = 1) -> tuple[Float, Float, Float]:
        """Return z, y, x of the voxels of a plane, bent so that walls curve; they broadcast."""
        turn = np.float32(2 * np.pi / PERIOD)
        ticks = np.arange(0, PERIOD, step, dtype=np.float32)
        y, x = ticks[:, None], ticks[None, :]
        bent = (
            z + 5 * np.sin(3 * turn * x),
            y + 5 * np.sin(4 * turn * z),
            x + 5 * np.sin(5 * turn * y),
        )
        return tuple(np.mod(b, PERIOD).astype(np.float32) for b in bent)  # type: ignore[return-value]

    def cells(self, z: int) -> tuple[npt.NDArray[np.uint16], Float]:
        """Return the cell of each voxel of a plane, and how far beyond its wall the next one is."""
        at = self.bent(z)
        near = self.neighbours[:, z // COARSE].repeat(COARSE, 1).repeat(COARSE, 2)
        far = []
        for cell in near:
            total = np.zeros(cell.shape, np.float32)
            for axis, place in enumerate(at):
                away = np.abs(self.seeds[:, axis].take(cell) - place)
                np.minimum(away, PERIOD - away, out=away)
                total += away * away
            far.append(np.sqrt(total))
        return np.where(far[0] <= far[1], *near), np.abs(far[0] - far[1])

    def grey(self, z: int) -> Float:
        """Return a plane without noise: walls near 60, cytoplasm near 150."""
        texture = self.texture[z // 2].repeat(2, 0).repeat(2, 1).astype(np.float32)
        return 150 + texture - 90 * np.exp(-np.square(self.cells(z)[1] / 3))

    def labels(self, z: int) -> npt.NDArray[np.uint32]:
        """Return ids of a plane, walls 0."""
        cell, gap = self.cells(z)
        return np.where(gap < 1.5, np.uint32(0), self.ids.take(cell))


def tiled(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Return a plane repeated to a larger shape, or cut to a smaller one."""
    times = [-(-n // have) for n, have in zip(shape, plane.shape, strict=True)]
    return np.tile(plane, times)[: shape[0], : shape[1]]


def uint8(tissue: Tissue, z: int, shape: tuple[int, int]) -> Plane:
    """Return a slice of an 8-bit camera, contrast as it comes out of an alignment."""
    grey = tiled(tissue.grey(z % PERIOD), shape)
    noise = np.random.default_rng((1, z)).standard_normal(shape, np.float32)
    return (60.5 + 0.62 * (grey + 5 * noise)).clip(0, 255).astype(np.uint8)


def uint16(tissue: Tissue, z: int, shape: tuple[int, int]) -> Plane:
    """Return a slice of a 12-bit camera, its noise that of counted electrons."""
    counts = tiled(12 * tissue.grey(z % PERIOD), shape)
    noise = np.random.default_rng((2, z)).standard_normal(shape, np.float32)
    return (counts + 1.6 * np.sqrt(counts.clip(1)) * noise).clip(0, 4095).astype(np.uint16)


def labels(tissue: Tissue, z: int, shape: tuple[int, int]) -> Plane:
    """Return a slice of a segmentation."""
    return tiled(tissue.labels(z % PERIOD), shape)


Make = Callable[[Tissue, int, tuple[int, int]], Plane]


@dataclass(frozen=True)
class Recipe:
    """One stack of slices.

    Parameters
    ----------
    make : callable
        Makes a plane.
    shape : tuple of int
        z, y, x.
    ending : str
        ``png``, ``tif`` (plain) or ``deflate.tif``, each of one strip; ``npy``, all in one file.
    distinct : int
        Slices that are made; further ones are links to them, in turn.
    level : int
        How hard PNG and Deflate try.
    """

    make: Make
    shape: tuple[int, int, int]
    ending: str
    distinct: int = 0
    level: int = 6

    @property
    def nbytes(self) -> int:
        """Bytes of pixels."""
        kind = {uint8: 1, uint16: 2, labels: 4}[self.make]
        return int(np.prod(self.shape, dtype=np.int64)) * kind


CUBE = (512, 512, 512)
SMALL = (256, 256, 256)

RECIPES = {
    "png8": Recipe(uint8, CUBE, "png"),
    "tif8": Recipe(uint8, CUBE, "tif"),
    "tif16": Recipe(uint16, (512, 1024, 1024), "tif"),
    "png16": Recipe(uint16, (256, 1024, 1024), "png"),
    "labels32": Recipe(labels, CUBE, "tif"),
    # the same slices again and again: 1 GB and 8 GB of pixels
    "flat1": Recipe(uint8, (1024, 1024, 1024), "png", 128, 1),
    "flat8": Recipe(uint8, (8192, 1024, 1024), "png", 128, 1),
    "wide_png": Recipe(uint8, (24, 20_000, 20_000), "png", 2, 1),
    "wide_tif": Recipe(uint8, (24, 20_000, 20_000), "deflate.tif", 2, 1),
    # whole, for what begins with an array
    "vol8": Recipe(uint8, CUBE, "npy"),
    "vol16": Recipe(uint16, CUBE, "npy"),
    # for the quick mode
    "small_png8": Recipe(uint8, SMALL, "png"),
    "small_tif16": Recipe(uint16, SMALL, "tif"),
    "small_labels32": Recipe(labels, SMALL, "tif"),
    "small_vol8": Recipe(uint8, SMALL, "npy"),
    "small_vol16": Recipe(uint16, SMALL, "npy"),
}


def save(plane: Plane, path: Path, level: int) -> None:
    """Write a plane; the name says how."""
    import imagecodecs
    import tifffile

    if path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(plane, level))
    else:
        packed = {"compression": "zlib", "compressionargs": {"level": level}}
        options = packed if path.name.endswith(".deflate.tif") else {}
        tifffile.imwrite(path, plane, rowsperstrip=plane.shape[0], **options)


def path_of(name: str, folder: Path) -> Path:
    """Return where a stack is, or will be: a folder of slices, or a file."""
    return folder / (f"{name}.npy" if RECIPES[name].ending == "npy" else name)


def build(name: str, folder: Path, tissue: Tissue) -> Path:
    """Make a stack unless it is there already; return where it is.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    folder : Path
        Holds the stacks.
    tissue : Tissue
        What to cut slices from; one for several stacks saves time.
    """
    recipe, target = RECIPES[name], path_of(name, folder)
    if target.exists():
        return target
    _ = tissue.neighbours, tissue.texture  # before the threads
    # wide planes take gigabytes while they are made
    threads = 1 if recipe.shape[1] * recipe.shape[2] > 2**26 else os.cpu_count()
    make = whole if recipe.ending == "npy" else slices
    with ThreadPoolExecutor(threads) as pool:
        part = make(recipe, folder / f"{name}.part", tissue, pool)
    part.rename(target)  # a stack that is there is whole
    return target


def slices(recipe: Recipe, part: Path, tissue: Tissue, pool: ThreadPoolExecutor) -> Path:
    """Make a folder of slices."""
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    depth, *plane = recipe.shape
    distinct = min(depth, recipe.distinct or depth)

    def one(z: int) -> None:
        path = part / f"slice_{z:05d}.{recipe.ending}"
        save(recipe.make(tissue, z, (plane[0], plane[1])), path, recipe.level)

    list(pool.map(one, range(distinct)))
    for z in range(distinct, depth):
        path = part / f"slice_{z:05d}.{recipe.ending}"
        path.symlink_to(f"slice_{z % distinct:05d}.{recipe.ending}")
    return part


def whole(recipe: Recipe, part: Path, tissue: Tissue, pool: ThreadPoolExecutor) -> Path:
    """Make one file of NumPy's."""
    dtype = {uint8: np.uint8, uint16: np.uint16, labels: np.uint32}[recipe.make]
    out = np.lib.format.open_memmap(part, "w+", dtype, recipe.shape)

    def one(z: int) -> None:
        out[z] = recipe.make(tissue, z, recipe.shape[1:])

    list(pool.map(one, range(recipe.shape[0])))
    out.flush()
    return part


def data_folder(folder: Path) -> Path:
    """Make a folder that git does not look into."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    return folder


def made(names: Iterable[str], folder: Path) -> dict[str, Path]:
    """Return where stacks are, by name; those that aren't there are made, in another process."""
    out = {name: path_of(name, folder) for name in names}
    if missing := [name for name, path in out.items() if not path.exists()]:
        print(f"making {', '.join(missing)}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, __file__, folder, *missing], check=True, stdout=sys.stderr)
    return out


def main() -> None:
    """Make what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], default=[])
    args = parser.parse_args()
    tissue = Tissue()
    for name in args.names or [n for n in RECIPES if not n.startswith(("wide", "flat8"))]:
        began = time.perf_counter()
        build(name, data_folder(args.folder), tissue)
        print(f"{name}: {time.perf_counter() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main()
