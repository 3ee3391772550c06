r"""A sample to try things on: cells in 3-D, two channels, three mags, and their nuclei as labels.

The picture is computed, not fetched, and it is the same every time. All lengths below are in
micrometres; a voxel is 1.0 x 0.25 x 0.25 (z, y, x), as a confocal microscope would give it.

**Seeds.** Points are thrown into an ellipsoid one after another; a point stays when it is at least
`_SPACING` away from all points before it (dart throwing).

**Membranes.** Let :math:`d_1(p) \le d_2(p)` be the distances from a place to its nearest and
second nearest seed, after the place was displaced by a few sines so that walls bend. The wall
between two cells is where both are equal; a cell ends `_REACH` away from its seed at the latest.
So with :math:`e = \min(d_2, r) - d_1` and reach :math:`r` the membrane is
:math:`(w / w_e) \exp(-(e / w_e)^2)`: a Gaussian of width :math:`w`, which blur along z widens to
:math:`w_e^2 = w^2 + (b\, \partial e / \partial z)^2` where the wall is slanted.

**Nuclei.** Around each seed lies an ellipsoid :math:`q(p) = \sum_a ((p_a - s_a) / r_a)^2 \le 1`.
Its brightness is :math:`b / (1 + \exp(9 (q - 1)))`, which is flat inside and soft at the edge,
times a texture: white noise smoothed by a Gaussian (in Fourier space).

**The microscope.** A [1 2 1] / 4 kernel along each axis for the point spread function, an offset
of 100 counts, and noise whose variance grows with the signal.

**Labels.** Voxels with :math:`q \le 1` carry the number of their seed; where two nuclei meet, the
one with the smaller :math:`q` wins.

**Mags.** Each is made from the one before by factor 2 in y and x: the mean for the image, rounded
half to even; the most frequent of the four for labels, the largest of those that tie. Both move
the centre of the first pixel by :math:`(s_n - s_0) / 2` from where it was in mag 1.
"""

from __future__ import annotations

import atexit
import colorsys
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image, LabelInfo, Level, Window
from ngffkit.spec import encode
from ngffkit.spec.encode import zarr_format

#: Shape of a mag-1 channel and size of its voxels, in z, y, x.
_SHAPE = (32, 256, 256)
_VOXEL = (1.0, 0.25, 0.25)

_SEED = 20251123
_SPACING = 8.5
_REACH = 6.5
_WALL = 0.42
_BLUR_Z = 1.0

#: The factors between one mag and the next; a voxel of mag 4-4-1 is a cube.
_FACTORS = {"y": 2, "x": 2}
_MAGS = 3

_CHUNK = (1, 16, 64, 64)

#: Attribute of the root that tells a finished sample from anything else, and its edition.
_MARK = ("ngffkit_sample", 1)

Float = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell: where it is, how large its nucleus is and how bright."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    bright: float


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
    grid = Grid(axes, (2, *_SHAPE), (1.0, *_VOXEL), (0.0,) * 4)
    channels = (
        Channel("nuclei", "2FA8FF", Window(100.0, 2600.0, 0.0, 65535.0)),
        Channel("membranes", "FF8A2F", Window(100.0, 1600.0, 0.0, 65535.0)),
    )
    return Image("cells", _levels(grid), channels, version=version, method="mean")


def _labels(image: Image, count: int) -> Image:
    """Return what the labels of an image are: its grids without channels, and a colour for each."""
    base = image.base
    grid = Grid(base.axes[1:], base.shape[1:], base.scale[1:], base.origin[1:])
    colors = tuple((i, _color(i)) for i in range(1, count + 1))
    info = LabelInfo(colors, source="../../")
    made = replace(image, name="nuclei", levels=_levels(grid), channels=(), method="mode")
    return replace(made, kind="label", label=info)


def _levels(grid: Grid) -> tuple[Level, ...]:
    return tuple(
        Level(f"s{i}", grid.coarsen({name: f**i for name, f in _FACTORS.items()}))
        for i in range(_MAGS)
    )


def _color(i: int) -> tuple[int, int, int, int]:
    """Return a colour unlike its neighbours': hues a golden section apart."""
    red, green, blue = colorsys.hsv_to_rgb(i * 0.61803398875 % 1.0, 0.65, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255), 255


# --- its pixels ----------------------------------------------------------------------------------


def pixels() -> tuple[Pixels, Pixels]:
    """Compute mag 1.

    Returns
    -------
    image : ndarray of uint16, shape (2, 32, 256, 256)
        Nuclei and membranes, in counts.
    labels : ndarray of uint16, shape (32, 256, 256)
        The number of the nucleus, from 1; 0 is background.
    """
    # the legacy generator, because numpy promises that its stream never changes (NEP 19)
    random = np.random.RandomState(_SEED)
    cells = _throw(random)
    walls, shape, ids = _draw(cells)
    texture = np.float32(1.0) + np.float32(0.22) * _smooth(random.standard_normal(_SHAPE), 0.55)
    bright = np.array([0.0, *(cell.bright for cell in cells)], np.float32)
    haze = _tissue()
    nuclei = np.float32(1900.0) * shape * bright[ids] * texture + np.float32(60.0) * haze
    membranes = np.float32(2000.0) * walls + np.float32(90.0) * haze
    image = np.stack([_seen(signal, random) for signal in (nuclei, membranes)])
    return image, np.where(shape >= 0.5, ids, 0).astype(np.uint16)


def _throw(random: Any) -> list[_Cell]:
    """Throw darts into the ellipsoid; keep those that are far enough from the others."""
    extent = np.array([n * s for n, s in zip(_SHAPE, _VOXEL, strict=True)])
    kept: list[npt.NDArray[np.float64]] = []
    for place in random.random_sample((4000, 3)):
        point = place * extent
        inside = float(np.sum(((place - 0.5) * 2.0) ** 2 / np.array([0.85, 0.80, 0.88]) ** 2)) < 1.0
        if inside and all(np.linalg.norm(point - other) >= _SPACING for other in kept):
            kept.append(point)
    cells = []
    for point in sorted(kept, key=tuple):
        z, y, x, glow = random.random_sample(4)
        radii = (2.9 + 0.7 * z, 2.5 + 1.1 * y, 2.5 + 1.1 * x)
        cells.append(_Cell((float(point[0]), float(point[1]), float(point[2])), radii, 0.55 + glow))
    return cells


def _draw(cells: list[_Cell]) -> tuple[Float, Float, npt.NDArray[np.intp]]:
    """Draw the membranes, the nuclei (both 0 to 1), and whose nucleus each voxel is nearest to."""
    ticks = [np.arange(n, dtype=np.float32) * s for n, s in zip(_SHAPE, _VOXEL, strict=True)]
    place = np.meshgrid(*ticks, indexing="ij", copy=False)
    z, y, x = place
    bend = np.float32(0.8)
    bent = (z, y + bend * np.sin(x / 4 + z / 5), x + bend * np.sin(y / 5 - z / 4))
    first, second, best = (np.full(_SHAPE, 1e3, np.float32) for _ in range(3))
    ids = np.zeros(_SHAPE, np.intp)
    for i, cell in enumerate(cells, 1):
        box = _around(cell.centre)
        far = np.sqrt(_quadric(bent, box, cell.centre, (1.0, 1.0, 1.0)))
        second[box] = np.minimum(second[box], np.maximum(first[box], far))
        first[box] = np.minimum(first[box], far)
        q = _quadric(place, box, cell.centre, cell.radii)
        nearer = q < best[box]
        best[box] = np.where(nearer, q, best[box])
        ids[box] = np.where(nearer, i, ids[box])
    walls = _walls(np.minimum(second, np.float32(_REACH)) - first)
    return walls, _sigmoid(9 * (1 - best)), ids


def _sigmoid(x: Float) -> Float:
    out: Float = np.reciprocal(1 + np.exp(np.minimum(-x, np.float32(60.0))))
    return out


def _walls(edge: Float) -> Float:
    """Return the membranes, from how far each voxel is from being on one, blurred along z."""
    step = np.abs(np.diff(edge, axis=0)) / np.float32(_VOXEL[0])
    slope = np.zeros_like(edge)
    slope[:-1] = step
    slope[1:] = np.maximum(slope[1:], step)
    width = np.sqrt(np.float32(_WALL**2) + np.square(np.float32(_BLUR_Z) * slope))
    out: Float = np.float32(_WALL) / width * np.exp(-np.square(edge / width))
    return out


def _around(centre: tuple[float, ...]) -> tuple[slice, ...]:
    """Return the voxels that a cell can reach, bends included."""
    reach = _REACH + 1.5
    return tuple(
        slice(max(0, int((c - reach) / s)), int((c + reach) / s) + 1)
        for c, s in zip(centre, _VOXEL, strict=True)
    )


def _quadric(
    place: Any, box: tuple[slice, ...], centre: tuple[float, ...], radii: tuple[float, ...]
) -> Float:
    """Return the sum of ``((p - centre) / radius) ** 2`` over the axes, shape of `box`."""
    out: Float = np.zeros((), np.float32)
    for axis, c, r in zip(place, centre, radii, strict=True):
        out = out + np.square((axis[box] - np.float32(c)) / np.float32(r))
    return out


def _smooth(noise: npt.NDArray[np.float64], sigma: float) -> Float:
    """Smooth noise by a Gaussian of `sigma` micrometres; its standard deviation is 1 again."""
    spectrum = np.fft.rfftn(noise)
    for i, (n, step) in enumerate(zip(_SHAPE, _VOXEL, strict=True)):
        freq = np.fft.fftfreq(n, step) if i < 2 else np.fft.rfftfreq(n, step)
        shape = [-1 if j == i else 1 for j in range(3)]
        spectrum *= np.exp(-2 * (np.pi * sigma * freq) ** 2).reshape(shape)
    out = np.fft.irfftn(spectrum, _SHAPE, (0, 1, 2))
    return (out / out.std()).astype(np.float32)


def _tissue() -> Float:
    """Return how much light tissue scatters at each voxel: an ellipsoid with a soft edge."""
    ticks = [np.linspace(-1, 1, n, dtype=np.float32) for n in _SHAPE]
    z, y, x = np.meshgrid(*ticks, indexing="ij", sparse=True)
    q = (z / np.float32(1.1)) ** 2 + (y / np.float32(1.0)) ** 2 + (x / np.float32(1.05)) ** 2
    return _sigmoid(8 * (1 - q))


def _seen(signal: Float, random: Any) -> Pixels:
    """Return the counts a camera gives for a signal: blurred, with offset and noise."""
    for axis in range(3):
        signal = _blurred(signal, axis)
    spread = np.sqrt(np.float32(16.0) + np.float32(1.2) * signal)
    counts = 100 + signal + spread * random.standard_normal(_SHAPE).astype(np.float32)
    out: Pixels = np.clip(np.rint(counts), 0, 65535).astype(np.uint16)
    return out


def _blurred(signal: Float, axis: int) -> Float:
    """Convolve with [1 2 1] / 4 along one axis; the border is repeated."""
    mid = np.moveaxis(signal, axis, 0)
    low, high = np.concatenate([mid[:1], mid[:-1]]), np.concatenate([mid[1:], mid[-1:]])
    return np.moveaxis((low + 2 * mid + high) / np.float32(4), 0, axis)


def _blocks(fine: Pixels) -> Pixels:
    """Return the four pixels that become one along a new last axis; sizes are even."""
    parts = [fine[..., j::2, i::2] for j in (0, 1) for i in (0, 1)]
    return np.stack(parts, axis=-1)


def _mean(fine: Pixels) -> Pixels:
    """Return the mean of 2 x 2 pixels, rounded half to even."""
    out: Pixels = np.rint(_blocks(fine).mean(axis=-1)).astype(np.uint16)
    return out


def _mode(fine: Pixels) -> Pixels:
    """Return the most frequent of 2 x 2 pixels, the largest of those that tie."""
    a, b, c, d = np.moveaxis(np.sort(_blocks(fine), axis=-1), -1, 0)
    return np.where(c == d, d, np.where(b == c, c, np.where(a == b, b, d)))


# --- how it is written ---------------------------------------------------------------------------


def _write(root: Path, image: Image, version: str) -> None:
    """Write arrays first and the document of the root last."""
    data, labels = pixels()
    nuclei = _labels(image, int(labels.max()))
    _write_levels(root, image, data, _mean, version)
    _write_levels(root / "labels" / "nuclei", nuclei, labels, _mode, version)
    document = encode(nuclei, version)
    _write_group(root / "labels" / "nuclei", document, version)
    names: dict[str, Any] = {"labels": [nuclei.name]}
    if "ome" in document:
        names = {"ome": {"version": version, **names}}
    _write_group(root / "labels", names, version)
    mark = {_MARK[0]: f"{_MARK[1]} in {version}"}
    _write_group(root, encode(image, version) | mark, version)


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
