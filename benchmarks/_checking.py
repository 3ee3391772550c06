"""Whether an image holds the pixels it was made of, read by zarr-python, not by ngffkit.

    python benchmarks/_checking.py SOURCE IMAGE [--labels]     SOURCE: a folder of slices, or .npy

Prints JSON: ``exact``, whether level 0 is equal, voxel by voxel; ``mag2``, by how much the next
level is off the mean of 2 x 2 x 2 at most, or for labels, 1 where an id is none of its eight, and
null where that level is not half as large; ``mags``, how many there are; ``layout``, chunks,
shards and codecs of level 0; ``stored``, bytes of all files. Piece by piece, so any size goes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness import Contender

DEPTH = 64

#: Voxels that are compared at a time, in bytes.
BAND_BYTES = 2**27


def arrays_of(image: Path) -> list[Any]:
    """Return the arrays of an image, the finest first."""
    import zarr

    found = []
    for document in image.rglob("zarr.json"):
        if json.loads(document.read_text())["node_type"] == "array":
            array = zarr.open_array(document.parent, mode="r")
            numbers = re.findall(r"\d+", str(document.parent.relative_to(image)))
            found.append(([int(n) for n in numbers], array))
    return [array for _, array in sorted(found, key=itemgetter(0))]


def decoded(files: Sequence[Path]) -> list[np.ndarray]:
    """Decode slices; those that are links to one another are one array."""
    import imagecodecs

    known: dict[Path, np.ndarray] = {}
    for path in map(Path.resolve, files):
        if path not in known:
            known[path] = imagecodecs.imread(str(path))
    return [known[path.resolve()] for path in files]


def part_of(array: Any, corner: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Return a box of an array as (z, y, x), whatever the order of its axes."""
    names = array.metadata.dimension_names or "tczyx"[-array.ndim :]
    cuts = {n: slice(c, c + s) for n, c, s in zip("zyx", corner, size, strict=True)}
    found = array[tuple(cuts.get(name, 0) for name in names)]
    left = [name for name in names if name in cuts]
    return found.transpose([left.index(name) for name in "zyx"])  # type: ignore[no-any-return]


def away(bins: np.ndarray, found: np.ndarray, *, labels: bool) -> float:
    """Return by how much results are off the mean of their bins, or whether an id is in none."""
    if labels:
        return float((bins != found).all(0).any())
    return float(np.abs(bins.mean(0, dtype=np.float32) - found).max())


def bins_of(slab: np.ndarray) -> np.ndarray:
    """Return the eight voxels of each bin, shape (8, z, y, x)."""
    z, y, x = (n // 2 for n in slab.shape)
    cut = slab[: 2 * z, : 2 * y, : 2 * x].reshape(z, 2, y, 2, x, 2)
    return cut.transpose(1, 3, 5, 0, 2, 4).reshape(8, z, y, x)


def halved(array: Any, shape: tuple[int, ...]) -> bool:
    """Whether an array is half of a shape, or padded."""
    names = array.metadata.dimension_names or "tczyx"[-array.ndim :]
    sizes = dict(zip(names, array.shape, strict=True))
    padded = len(names) > 3  # as WEBKNOSSOS has it: c, x, y, z
    return all(
        sizes[name] == n // 2 or (padded and sizes[name] >= n // 2)
        for name, n in zip("zyx", shape, strict=True)
    )


class Source:
    """What an image was made of: slices in the order of their names, or an array in a file."""

    def __init__(self, path: Path) -> None:
        import imagecodecs

        if path.is_dir():
            self.files = sorted(path.iterdir())
            self.shape = (len(self.files), *imagecodecs.imread(str(self.files[0])).shape)
        else:
            self.array = np.load(path, mmap_mode="r")
            self.files, self.shape = [], self.array.shape

    def planes(self, start: int) -> Sequence[np.ndarray]:
        """Return `DEPTH` planes, or as many as there are."""
        if self.files:
            return decoded(self.files[start : start + DEPTH])
        return list(self.array[start : start + DEPTH])


def check(path: Path, image: Path, *, labels: bool) -> dict[str, Any]:
    """Compare an image with what it was made of."""
    source, arrays = Source(path), arrays_of(image)
    fine, coarse, *_ = [*arrays, None]
    exact, off, shape = True, 0.0, source.shape
    # levels that some pad to whole shards count too; those that shrink by other factors don't
    if coarse is not None and not halved(coarse, shape):
        coarse = None
    for start in range(0, shape[0], DEPTH):
        planes = source.planes(start)
        rows = max(2, BAND_BYTES // (len(planes) * planes[0][0].nbytes) // 128 * 128)
        for y in range(0, shape[1], rows):
            band = np.stack([plane[y : y + rows] for plane in planes])
            depth, height, width = band.shape
            exact &= np.array_equal(part_of(fine, (start, y, 0), band.shape), band)
            if coarse is not None:
                bins = bins_of(band)
                size = (depth // 2, height // 2, width // 2)
                found = part_of(coarse, (start // 2, y // 2, 0), size)
                off = max(off, away(bins, found, labels=labels))
    return {
        "exact": bool(exact) and fine.dtype == band.dtype,
        "mag2": None if coarse is None else off,
        "mags": len(arrays),
        "layout": layout_of(fine),
        "stored": sum(file.stat().st_size for file in image.rglob("*") if file.is_file()),
    }


def layout_of(array: Any) -> str:
    """Say what chunks, shards and codecs an array has."""

    def by(shape: Sequence[int]) -> str:
        sizes = shape[-3:]
        return f"{sizes[0]}³" if len(set(sizes)) == 1 else "×".join(map(str, sizes))

    codecs = [
        f"{type(codec).__name__.removesuffix('Codec')} {getattr(codec, 'level', '')}".strip()
        for codec in array.compressors
    ]
    shards = f" in {by(array.shards)}" if array.shards else ""
    return f"{by(array.chunks)}{shards}, {' '.join(codecs) or 'plain'}"


def verifier(
    source: Path, image: Path, levels: int, *, labels: bool = False
) -> Callable[[Contender], str]:
    """Return what a case's `verify` calls: compares in another process, and says what is wrong."""
    words = [sys.executable, __file__, source, image, *(["--labels"] if labels else [])]

    def verify(who: Contender) -> str:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or [""])[-1]
            return f"what it wrote can't be read: {last[:200]}"
        found = json.loads(done.stdout)
        who.figures |= {
            "stored MB": found["stored"] / 1e6,
            "mag 2": said_of(found["mag2"], labels=labels),
            "layout": found["layout"],
        }
        if not found["exact"]:
            return "other pixels"
        return "" if found["mags"] >= levels else f"wrote {found['mags']} mags of {levels}"

    return verify


def said_of(off: float | None, *, labels: bool) -> str:
    """Say how the first coarser level compares with the finest."""
    if off is None:
        return "of another size"
    if labels:
        return "new ids" if off else "ids of their bins"
    return f"mean, off by {off:.2g} at most" if off <= 1 else f"another method: off by {off:.3g}"


def main() -> None:
    """Check once."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--labels", action="store_true")
    args = parser.parse_args()
    print(json.dumps(check(args.source, args.image, labels=args.labels)))


if __name__ == "__main__":
    main()
