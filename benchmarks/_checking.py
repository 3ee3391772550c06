"""Whether a converted image holds the pixels of its slices, read by zarr-python, not by ngffkit.

    python benchmarks/_checking.py SLICES IMAGE [--labels]

Prints JSON: ``exact``, whether level 0 is equal, voxel by voxel; ``mag2``, by how much the next
level is off the mean of 2 x 2 x 2 at most, or for labels, whether each id is one of its eight;
``layout``, shape, chunks, shards and codecs of level 0. Piece by piece, so any size goes.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

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


def check(slices: Path, image: Path, *, labels: bool) -> dict[str, Any]:
    """Compare an image with its slices."""
    import imagecodecs

    files = sorted(slices.iterdir())
    fine, coarse, *_ = [*arrays_of(image), None]
    exact, off = True, 0.0
    shape = (len(files), *imagecodecs.imread(str(files[0])).shape)
    # levels that some pad to whole shards count too; those that shrink by other factors don't
    if coarse is not None and not halved(coarse, shape):
        coarse = None
    for start in range(0, len(files), DEPTH):
        planes = decoded(files[start : start + DEPTH])
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
    codecs = [type(c).__name__ for c in fine.compressors]
    layout = {
        "shape": fine.shape,
        "chunks": fine.chunks,
        "shards": fine.shards,
        "codecs": codecs,
    }
    return {"exact": bool(exact), "mag2": None if coarse is None else off, "layout": layout}


def main() -> None:
    """Check once."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("slices", type=Path)
    parser.add_argument("image", type=Path)
    parser.add_argument("--labels", action="store_true")
    args = parser.parse_args()
    print(json.dumps(check(args.slices, args.image, labels=args.labels)))


if __name__ == "__main__":
    main()
