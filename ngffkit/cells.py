r"""Synthetic cells: the pixels of the sample, computed.

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

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Shape of a mag-1 channel and size of its voxels in micrometres, in z, y, x.
SHAPE = (32, 256, 256)
VOXEL = (1.0, 0.25, 0.25)

_SEED = 20251123
_SPACING = 8.5
_REACH = 6.5
_WALL = 0.42
_BLUR_Z = 1.0

Float = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell: where it is, how large its nucleus is and how bright."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    bright: float


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
    texture = np.float32(1.0) + np.float32(0.22) * _smooth(random.standard_normal(SHAPE), 0.55)
    bright = np.array([0.0, *(cell.bright for cell in cells)], np.float32)
    haze = _tissue()
    nuclei = np.float32(1900.0) * shape * bright[ids] * texture + np.float32(60.0) * haze
    membranes = np.float32(2000.0) * walls + np.float32(90.0) * haze
    image = np.stack([_seen(signal, random) for signal in (nuclei, membranes)])
    return image, np.where(shape >= 0.5, ids, 0).astype(np.uint16)


def _throw(random: Any) -> list[_Cell]:
    """Throw darts into the ellipsoid; keep those that are far enough from the others."""
    extent = np.array([n * s for n, s in zip(SHAPE, VOXEL, strict=True)])
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
    ticks = [np.arange(n, dtype=np.float32) * s for n, s in zip(SHAPE, VOXEL, strict=True)]
    place = np.meshgrid(*ticks, indexing="ij", copy=False)
    z, y, x = place
    bend = np.float32(0.8)
    bent = (z, y + bend * np.sin(x / 4 + z / 5), x + bend * np.sin(y / 5 - z / 4))
    first, second, best = (np.full(SHAPE, 1e3, np.float32) for _ in range(3))
    ids = np.zeros(SHAPE, np.intp)
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
    step = np.abs(edge[1:] - edge[:-1]) / np.float32(VOXEL[0])
    slope = np.zeros_like(edge)
    slope[:-1] = step
    slope[1:] = np.maximum(slope[1:], step)
    width: Float = np.sqrt(np.float32(_WALL**2) + np.square(np.float32(_BLUR_Z) * slope))
    out: Float = np.float32(_WALL) / width * np.exp(-np.square(edge / width))
    return out


def _around(centre: tuple[float, ...]) -> tuple[slice, ...]:
    """Return the voxels that a cell can reach, bends included."""
    reach = _REACH + 1.5
    return tuple(
        slice(max(0, int((c - reach) / s)), int((c + reach) / s) + 1)
        for c, s in zip(centre, VOXEL, strict=True)
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
    for i, (n, step) in enumerate(zip(SHAPE, VOXEL, strict=True)):
        freq = np.fft.fftfreq(n, step) if i < 2 else np.fft.rfftfreq(n, step)
        shape = [-1 if j == i else 1 for j in range(3)]
        spectrum *= np.exp(-2 * (np.pi * sigma * freq) ** 2).reshape(shape)
    out = np.fft.irfftn(spectrum, SHAPE, (0, 1, 2))
    return (out / out.std()).astype(np.float32)


def _tissue() -> Float:
    """Return how much light tissue scatters at each voxel: an ellipsoid with a soft edge."""
    ticks = [np.linspace(-1, 1, n, dtype=np.float32) for n in SHAPE]
    z, y, x = np.meshgrid(*ticks, indexing="ij", sparse=True)
    q = (z / np.float32(1.1)) ** 2 + (y / np.float32(1.0)) ** 2 + (x / np.float32(1.05)) ** 2
    return _sigmoid(8 * (1 - q))


def _seen(signal: Float, random: Any) -> Pixels:
    """Return the counts a camera gives for a signal: blurred, with offset and noise."""
    for axis in range(3):
        signal = _blurred(signal, axis)
    spread = np.sqrt(np.float32(16.0) + np.float32(1.2) * signal)
    counts = 100 + signal + spread * random.standard_normal(SHAPE).astype(np.float32)
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


def mean(fine: Pixels) -> Pixels:
    """Return the mean of 2 x 2 pixels, rounded half to even."""
    out: Pixels = np.rint(_blocks(fine).mean(axis=-1)).astype(np.uint16)
    return out


def mode(fine: Pixels) -> Pixels:
    """Return the most frequent of 2 x 2 pixels, the largest of those that tie."""
    a, b, c, d = np.moveaxis(np.sort(_blocks(fine), axis=-1), -1, 0)
    out: Pixels = np.where(c == d, d, np.where(b == c, c, np.where(a == b, b, d)))
    return out
