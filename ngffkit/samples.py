"""A sample to try things on: cells in 3-D, two channels, three mags, and their nuclei as labels."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ngffkit import __version__
from ngffkit.cells import SHAPE, VOXEL, Pixels, mean, mode, pixels
from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image, LabelInfo, Level, Window, label_color
from ngffkit.spec import encode
from ngffkit.spec.encode import encode_labels, zarr_format

#: The factors between one mag and the next; a voxel of mag 4-4-1 is a cube.
_FACTORS = {"y": 2, "x": 2}
_MAGS = 3

_CHUNK = (1, 16, 64, 64)

#: Attribute of the root that tells a finished sample from anything else, and its edition.
_MARK = ("ngffkit_sample", 1)


def sample(path: str | os.PathLike[str] | None = None, *, version: str = "0.5") -> str:
    """Write a small OME-Zarr to try things on.

    It holds synthetic cells: channels ``nuclei`` and ``membranes``, uint16, 32 x 256 x 256 voxels
    of 1.0 x 0.25 x 0.25 micrometer, mags 1, 2-2-1 and 4-4-1, and the label image ``nuclei``.
    It takes about 6 MB and a second or two, and has the same pixels every time.

    Parameters
    ----------
    path : str or Path, optional
        Where to write it; its folder is made when needed. A sample that is there already is kept
        as it is. When left out, it is written to a temporary folder that is removed when Python
        exits.
    version : str
        Version of OME-Zarr, any that ngffkit writes. Since 0.5 it is sharded Zarr v3, before it
        is Zarr v2.

    Returns
    -------
    str
        The path.

    Raises
    ------
    NgffError
        When something else is at `path`, or the version can't be written.

    Examples
    --------
    >>> import ngffkit as nk
    >>> path = nk.sample()
    >>> dt = nk.open(path)
    >>> dt["2-2-1"]["image"].sizes["x"]
    128
    """
    image = _image(version)
    if path is None:
        folder = tempfile.mkdtemp(prefix="ngffkit-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        target = Path(folder, "cells.ome.zarr")
    else:
        target = Path(path).expanduser()
    if target.exists():
        _check_there(target, version)
        return str(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    # written beside and renamed at the end, so that half a sample is never taken for one
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        _write(partial / "root", image, version)
        (partial / "root").rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return str(target)


def _check_there(target: Path, version: str) -> None:
    name = "zarr.json" if zarr_format(version) == 3 else ".zattrs"
    try:
        text = (target / name).read_text(encoding="utf-8")
    except OSError:
        text = ""
    if f'"{_MARK[0]}": "{_MARK[1]} in {version}"' not in text:
        raise NgffError(
            f"{str(target)!r} exists and is no sample of ngffkit in OME-Zarr {version}; "
            "choose another path, or remove it"
        )


# --- what it is ----------------------------------------------------------------------------------


def _image(version: str) -> Image:
    """Return what the image is, without pixels."""
    axes = (Axis("c", "channel"), *(Axis(name, "space", "micrometer") for name in "zyx"))
    grid = Grid(axes, (2, *SHAPE), (1.0, *VOXEL), (0.0,) * 4)
    channels = (
        Channel("nuclei", "2FA8FF", Window(100.0, 2600.0, 0.0, 65535.0)),
        Channel("membranes", "FF8A2F", Window(100.0, 1600.0, 0.0, 65535.0)),
    )
    return Image("cells", _levels(grid), channels, version=version, method="mean")


def _labels(image: Image, count: int) -> Image:
    """Return what the labels of an image are: its grids without channels, and a colour for each."""
    base = image.base
    grid = Grid(base.axes[1:], base.shape[1:], base.scale[1:], base.origin[1:])
    colors = tuple((i, label_color(i)) for i in range(1, count + 1))
    info = LabelInfo(colors, source="../../")
    made = replace(image, name="nuclei", levels=_levels(grid), channels=(), method="mode")
    return replace(made, kind="label", label=info)


def _levels(grid: Grid) -> tuple[Level, ...]:
    return tuple(
        Level(f"s{i}", grid.coarsen({name: f**i for name, f in _FACTORS.items()}))
        for i in range(_MAGS)
    )


# --- how it is written ---------------------------------------------------------------------------


def _write(root: Path, image: Image, version: str) -> None:
    """Write arrays first and the document of the root last."""
    data, labels = pixels()
    nuclei = _labels(image, int(labels.max()))
    _write_levels(root, image, data, mean, version)
    _write_levels(root / "labels" / "nuclei", nuclei, labels, mode, version)
    _write_group(root / "labels" / "nuclei", _document(nuclei, version), version)
    document = _document(image, version)
    _write_group(root / "labels", encode_labels([nuclei.name], version), version)
    _write_group(root, document | {_MARK[0]: f"{_MARK[1]} in {version}"}, version)


def _document(image: Image, version: str) -> dict[str, Any]:
    """Return the attributes of an image, and in them how its pyramid was made."""
    how = {
        "description": f"{image.method} of 2 x 2 pixels in y and x",
        "method": f"ngffkit.cells.{image.method}",
        "version": __version__,
    }
    return encode(image, version, how)


def _write_group(path: Path, attributes: Mapping[str, Any], version: str) -> None:
    import zarr

    number: Any = zarr_format(version)
    zarr.open_group(path, mode="a", zarr_format=number, attributes=dict(attributes))


def _write_levels(
    root: Path, image: Image, fine: Pixels, reduce: Callable[[Pixels], Pixels], version: str
) -> None:
    for level in image.levels:
        if level is not image.levels[0]:
            fine = reduce(fine)
        _write_array(root / level.path, fine, level.grid, version)


def _write_array(path: Path, data: Pixels, grid: Grid, version: str) -> None:
    """Write one array: chunks of 64 pixels, in Zarr v3 one shard per channel."""
    import zarr
    from zarr.codecs import ZstdCodec

    chunk = tuple(min(c, n) for c, n in zip(_CHUNK[-data.ndim :], data.shape, strict=True))
    shape = (1, *data.shape[1:]) if "c" in grid.dims else data.shape
    made: dict[str, Any]
    if zarr_format(version) == 3:
        made = {"zarr_format": 3, "shards": shape, "dimension_names": grid.dims}
        made["compressors"] = ZstdCodec(level=3, checksum=True)
    else:
        made = {"zarr_format": 2, "attributes": {"_ARRAY_DIMENSIONS": list(grid.dims)}}
        made["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
    array = zarr.create_array(
        path, shape=data.shape, dtype=data.dtype, chunks=chunk, fill_value=0, **made
    )
    array[...] = data
