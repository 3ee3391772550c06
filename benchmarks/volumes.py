"""The volume that is read, in each layout: pixels like those of electron microscopes, five mags.

Chunks are 64^3. `v2` is OME-Zarr 0.4 with Blosc (Zstandard 1, shuffled), `v3` is 0.5 with Zstandard
1, `sharded` the same in shards of 512^3 or of the whole volume. zarr-python writes them, so that no
contender reads what it wrote itself. WEBKNOSSOS opens datasets only: beside each image lies one
whose mags are the same files.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CHUNK, SHARD, MAGS = 64, 512, 5

#: Nanometers, along each axis.
VOXEL = 4.0


@dataclass(frozen=True, slots=True)
class Layout:
    """How an image is stored; the name of its folder begins with its own.

    Parameters
    ----------
    name : str
        What it is called.
    zarr : {2, 3}
        The format of Zarr.
    sharded : bool
        Whether many chunks share a file.
    """

    name: str
    zarr: int
    sharded: bool = False

    @property
    def folder(self) -> str:
        """Return the name of the image's folder."""
        return f"{self.name}.ome.zarr"


LAYOUTS = (Layout("v2", 2), Layout("v3", 3), Layout("sharded", 3, sharded=True))


def volume(size: int) -> np.ndarray:
    """Return an EM-like volume: smooth structure, dark walls, shot noise."""
    rng = np.random.default_rng(7)
    out = np.empty((size,) * 3, np.uint8)
    ticks = np.linspace(0, 8 * np.pi, size, dtype=np.float32)
    y, x = np.meshgrid(ticks, ticks, indexing="ij")
    for z in range(size):
        s = ticks[z]
        wall = np.sin(x + np.sin(y + s)) * np.cos(y - np.cos(x - s / 2))
        plane = 150 - 60 * np.exp(-np.square(wall / 0.12)) + 8 * np.sin(3 * x + 5 * y + 7 * s)
        plane += 5 * rng.standard_normal(plane.shape, dtype=np.float32)
        out[z] = np.clip(60 + 0.62 * plane, 0, 255)
    return out


def mags(data: np.ndarray, count: int = MAGS) -> list[np.ndarray]:
    """Return the volume and its halves, each the mean of 2 x 2 x 2; sides must be even."""
    out = [data]
    for _ in range(count - 1):
        z, y, x = (side // 2 for side in out[-1].shape)
        # plane by plane: a mean of all at once would need eight times the memory
        bins = out[-1].reshape(z, 2, y, 2, x, 2)
        half = np.empty((z, y, x), np.uint8)
        for i in range(z):
            half[i] = np.rint(bins[i].mean((0, 2, 4), dtype=np.float32))
        out.append(half)
    return out


def write(root: Path, data: np.ndarray, layouts: Sequence[Layout] = LAYOUTS) -> dict[str, Path]:
    """Write the volume in each layout; return where.

    Parameters
    ----------
    root : Path
        Folder for the images, and for a dataset of each beside them.
    data : ndarray
        Mag 1; its sides are a multiple of 16.
    layouts : sequence of Layout
        Which ones.

    Returns
    -------
    dict of str to Path
        The image's folder, by name of the layout.
    """
    levels, out = mags(data), {}
    for layout in layouts:
        out[layout.name] = root / layout.folder
        _write_image(out[layout.name], levels, layout)
        _write_dataset(root / layout.name, data.shape, layout)
    return out


def _write_image(path: Path, levels: Sequence[np.ndarray], layout: Layout) -> None:
    import zarr
    from numcodecs import Blosc

    from ngffkit.grid import Axis, Grid
    from ngffkit.image import Image, Level
    from ngffkit.spec import encode

    axes = tuple(Axis(name, "space", "nanometer") for name in "zyx")
    image = Image("em", tuple(
        # a voxel of a coarser mag begins where its first one does, so its middle lies further on
        Level(str(i), Grid(axes, level.shape, (VOXEL * 2**i,) * 3, (VOXEL * (2**i - 1) / 2,) * 3))
        for i, level in enumerate(levels)
    ))  # fmt: skip
    version = "0.4" if layout.zarr == 2 else "0.5"
    group = zarr.open_group(
        path, mode="w", zarr_format=layout.zarr, attributes=encode(image, version)
    )
    options: dict[str, Any] = {"compressors": zarr.codecs.ZstdCodec(level=1)}
    options["dimension_names"] = "zyx"
    if layout.zarr == 2:
        encoding = {"name": "v2", "separator": "/"}
        options = {
            "compressors": Blosc("zstd", 1, Blosc.SHUFFLE),
            "chunk_key_encoding": encoding,
        }
    for i, level in enumerate(levels):
        if layout.sharded:
            options["shards"] = tuple(min(SHARD, -(-n // CHUNK) * CHUNK) for n in level.shape)
        array = group.create_array(
            str(i), shape=level.shape, dtype=level.dtype, chunks=(CHUNK,) * 3, **options
        )
        array[...] = level


def _write_dataset(folder: Path, shape: Sequence[int], layout: Layout) -> None:
    """Write what makes a dataset of WEBKNOSSOS out of an image: a document, and no pixels."""
    z, y, x = shape
    order = {"z": 0, "y": 1, "x": 2}
    layer = {
        "name": "color",
        "category": "color",
        "elementClass": "uint8",
        "dataFormat": "zarr" if layout.zarr == 2 else "zarr3",
        "numChannels": 1,
        "boundingBox": {"topLeft": [0, 0, 0], "width": x, "height": y, "depth": z},
        "mags": [
            {"mag": [2**i] * 3, "path": f"../{layout.folder}/{i}", "axisOrder": order}
            for i in range(MAGS)
        ],
    }
    document = {
        "id": {"name": layout.name, "team": ""},
        "scale": {"factor": [VOXEL] * 3, "unit": "nanometer"},
        "dataLayers": [layer],
    }
    folder.mkdir()
    (folder / "datasource-properties.json").write_text(json.dumps(document, indent=1))
