"""The 3-D pane: maximum projection of a coarse level, turned as the user likes.

Orthographic. The volume is crossed slice by slice, along its axis that is nearest to the line of
sight: within a slice, the voxel that a screen pixel meets is an affine map of its place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.plots.compose import composite, parse_color
from ngffkit.widgets.panes import (
    Box,
    Json,
    Shown,
    axis_of,
    level_index,
    request_of,
    shown_in,
)

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Voxels of a level that is shown as a volume, at most, if there is one so coarse.
MAX_VOXELS = 2**21

#: A turned cube is larger than its planes are: it is drawn so much smaller (`VOLUME` in viewer.js).
_SMALLER = 0.7

#: Bytes of a level that can be shown as a volume at all.
_LARGEST = 2**26

#: Lookups of a projection, about; a picture that needs more is drawn smaller and enlarged.
_LOOKUPS, _FINE = 8_000_000, 60_000_000

#: Further than any line of sight goes within a level, in its pixels.
_FAR = 1e7


def volume_requests(manifest: Json, state: Json) -> list[tuple[Shown, Json]]:
    """List the visible channels of images as whole levels, with the request that gets each.

    Of each image the finest level of at most `MAX_VOXELS` voxels, or its coarsest; in the order
    third last, second last, last spatial axis (z, y, x).
    """
    order = tuple(manifest["spatial"][-3:])
    out: list[tuple[Shown, Json]] = []
    for shown in shown_in(manifest, state):
        layer = manifest["layers"][shown.layer]
        if layer["kind"] == "label" or len(order) < 3 or not set(order) <= set(layer["axes"]):
            continue
        sizes = [math.prod(level["shape"][name] for name in order) for level in layer["levels"]]
        i = next((i for i, size in enumerate(sizes) if size <= MAX_VOXELS), len(sizes) - 1)
        # as the page counts them, where half floats are widened
        item = max(np.dtype(layer["dtype"]).itemsize, 4 if layer["dtype"] == "float16" else 1)
        if sizes[i] * item > _LARGEST:
            continue
        level = layer["levels"][i]
        box: Box = {name: (0, level["shape"][name]) for name in order}
        for name in set(layer["axes"]) - set(order):
            index = level_index(level, name, state["voxel"][name])
            if index is None:
                break
            box[name] = (index, index + 1)
        else:
            out.append((shown, request_of(shown.layer, i, shown.channel, box, order)))
    return out


@dataclass(frozen=True, slots=True)
class View:
    """How the scene is looked at.

    Parameters
    ----------
    turned : ndarray, shape (3, 3)
        Columns: where screen right, screen down and the line of sight point in the scene (x, y, z).
    zoom : float
        Device pixels per unit.
    middle : ndarray, shape (3,)
        Of the scene, in units (x, y, z); it is in the middle of the pane.
    """

    turned: Floats
    zoom: float
    middle: Floats

    @classmethod
    def of(cls, manifest: Json, state: Json, dpr: float) -> View:
        """Look at a manifest's image as a state says."""
        axes = [axis_of(manifest, name) for name in reversed(manifest["spatial"][-3:])]
        size = np.array([axis["size"] * axis["display"] for axis in axes])
        reference = axis_of(manifest, manifest["reference"])["display"]
        zoom = _SMALLER * state["zoom"] * dpr / reference
        return cls(rotation(*state["turn"]), zoom, size / 2)


def rotation(yaw: float, pitch: float) -> Floats:
    """Return the directions of the screen in the scene, as columns: right, down, into it.

    Parameters
    ----------
    yaw, pitch : float
        In degrees, about the screen's vertical and horizontal axis; (0, 0) looks along z at the
        plane (x, y).
    """
    a, b = math.radians(yaw), math.radians(pitch)
    about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    return np.asarray(about_y @ about_x)


def draw_volume(
    out: npt.NDArray[np.uint8],
    manifest: Json,
    state: Json,
    dpr: float,
    read: Callable[[Json], Array],
    *,
    fine: bool = False,
) -> bool:
    """Draw the volume into its pane.

    Parameters
    ----------
    out : ndarray of uint8, shape (h, w, 3)
        The pane, in its background colour.
    manifest, state : Mapping
        What there is, and how it is shown.
    dpr : float
        Device pixels per CSS pixel.
    read : callable
        Gets a request, returns its pixels.
    fine : bool
        In a higher resolution, which takes longer.

    Returns
    -------
    bool
        False when a level could not be read.
    """
    view, found, whole = View.of(manifest, state, dpr), [], True
    for shown, request in volume_requests(manifest, state):
        try:
            pixels = read(request)
        except Exception:  # noqa: BLE001 - whatever the cause, the pane says so
            whole = False
            continue
        found.append((shown, _Brick.of(manifest, request, pixels)))
    height, width = out.shape[:2]
    if not found or not width or not height:
        return whole
    slices = sum(len(brick.along(view)[1]) for _, brick in found)
    most = _FINE if fine else _LOOKUPS
    step = max(1, math.ceil(math.sqrt(height * width * slices / most)))
    # the middle of each square of step by step device pixels
    right, down = (
        (np.arange(0, side, step) + (step - side) / 2) / view.zoom for side in (width, height)
    )
    met = np.zeros((down.size, right.size), np.bool_)
    small = np.zeros((*met.shape, 3), np.uint16)
    for shown, brick in found:
        values, there = _project(brick, view, right, down)
        small += _colored(values, there, shown)
        met |= there
    rows, columns = np.arange(height) // step, np.arange(width) // step
    picture = np.minimum(small, 255).astype(np.uint8).take(rows, 0).take(columns, 1)
    np.copyto(out, picture, where=met.take(rows, 0).take(columns, 1)[..., None])
    _draw_edges(out, view)
    return whole


def _draw_edges(out: npt.NDArray[np.uint8], view: View) -> None:
    """Draw the twelve edges of the scene, which tell how it is turned."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(out)
    above, middle = ImageDraw.Draw(image, "RGBA"), np.array(out.shape[1::-1]) / 2
    corners = list(itertools.product((-1, 1), repeat=3))
    for a, b in itertools.combinations(corners, 2):
        if sum(x != y for x, y in zip(a, b, strict=True)) == 1:
            ends = [middle + (view.middle * end) @ view.turned[:, :2] * view.zoom for end in (a, b)]
            line = [(float(x) - 0.5, float(y) - 0.5) for x, y in ends]
            above.line(line, fill=(128, 128, 128, 128), width=1)
    out[...] = np.asarray(image)


@dataclass(frozen=True, slots=True)
class _Brick:
    """A whole level: pixels (z, y, x), and where the centre of its first is, in units (x, y, z)."""

    pixels: Array
    origin: Floats
    spacing: Floats

    @classmethod
    def of(cls, manifest: Json, request: Json, pixels: Array) -> _Brick:
        level = manifest["layers"][request["layer"]]["levels"][request["level"]]
        names = list(reversed(request["order"]))
        display = np.array([axis_of(manifest, name)["display"] for name in names])
        # the scene begins at the outer edge of the first voxel
        origin = (np.array([level["offset"][name] for name in names]) + 0.5) * display
        return cls(pixels, origin, np.array([level["factor"][name] for name in names]) * display)

    def along(self, view: View) -> tuple[int, Array]:
        """Return the axis (x, y, z) nearest to the line of sight, and the slices across it."""
        main = int(np.argmax(np.abs(view.turned[:, 2] / self.spacing)))
        return main, np.moveaxis(self.pixels, 2 - main, 0)


def _project(brick: _Brick, view: View, right: Floats, down: Floats) -> tuple[Array, Array]:
    """Return the maximum along the line of sight at each place, and where there is any."""
    sight = view.turned[:, 2] / brick.spacing
    main, slices = brick.along(view)
    # pixel coordinates of where each line of sight crosses the middle of the scene
    middle = (view.middle - brick.origin) / brick.spacing
    start = [
        middle[i]
        + (view.turned[i, 0] / brick.spacing[i]) * right[None, :]
        + (view.turned[i, 1] / brick.spacing[i]) * down[:, None]
        for i in range(3)
    ]
    # the slices' own axes, in the order of the array: the later of x, y, z comes first
    j, i = (axis for axis in range(3) if axis != main)
    slopes = [sight[axis] / sight[main] for axis in (i, j)]
    first = [
        # far outside of the volume is as good as further outside, and fits into an integer
        np.clip(start[axis] - start[main] * slope, -_FAR, _FAR)
        for axis, slope in zip((i, j), slopes, strict=True)
    ]
    dtype = brick.pixels.dtype
    low = (np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)).min
    out = np.full(first[0].shape, low, dtype)
    met = np.zeros(out.shape, np.bool_)
    for k, plane in enumerate(slices):
        rows = np.floor(first[0] + (k * slopes[0] + 0.5)).astype(np.int32)
        columns = np.floor(first[1] + (k * slopes[1] + 0.5)).astype(np.int32)
        inside = (rows >= 0) & (rows < plane.shape[0]) & (columns >= 0) & (columns < plane.shape[1])
        met |= inside
        values = np.ascontiguousarray(plane).take(rows * plane.shape[1] + columns, mode="clip")
        np.fmax(out, np.where(inside, values, low), out=out)
    return out, met


def _colored(values: Array, there: Array, shown: Shown) -> npt.NDArray[np.uint16]:
    style = shown.style
    color = parse_color(style["color"])
    made = composite(values[None], [color], [style["window"]], [style["gamma"]])
    return made.astype(np.uint16) * there[..., None]
