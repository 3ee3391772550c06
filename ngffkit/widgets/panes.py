"""Where things are on the canvas: panes, the level each of them shows, and the tiles it needs.

The twin of ``js/src/geometry.js``: both give the same numbers for the same manifest and state, as
``js/test/geometry_cases.json`` holds them to. Nothing here reads a pixel.

Positions are voxels (pixels of the finest level, whole numbers at their centres) and device pixels
of the canvas; manifest, state and requests are the JSON that the page has, see ``js/src/types.js``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Json = Mapping[str, Any]
Box = dict[str, tuple[int, int]]

#: How far a level's factor may be above what is wanted, relatively: writers round.
_TOLERANCE = 1e-6

#: Tiles of a level along each axis of a pane, at most.
MOST = 32


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle of the canvas, in device pixels.

    Parameters
    ----------
    x, y, w, h : int
        Left, top, width and height.
    """

    x: int
    y: int
    w: int
    h: int

    @property
    def rows(self) -> slice:
        """Rows of the canvas that it takes."""
        return slice(self.y, self.y + self.h)

    @property
    def columns(self) -> slice:
        """Columns of the canvas that it takes."""
        return slice(self.x, self.x + self.w)


@dataclass(frozen=True, slots=True)
class Pane:
    """One plane on the canvas.

    Parameters
    ----------
    index : int
        Which of the manifest's planes.
    plane : (str, str)
        Horizontal and vertical axis.
    normal : str, optional
        The spatial axis across; None in flat images.
    rect : Rect
        Where it is.
    scale : (float, float)
        Device pixels per voxel along the two axes.
    corner : (float, float)
        Voxel coordinates of the upper left corner.
    """

    index: int
    plane: tuple[str, str]
    normal: str | None
    rect: Rect
    scale: tuple[float, float]
    corner: tuple[float, float]

    @property
    def window(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """First and last voxel coordinate in view, along the two axes."""
        (u, v), (su, sv) = self.corner, self.scale
        return (u, u + self.rect.w / su), (v, v + self.rect.h / sv)

    def centres(self, which: int) -> npt.NDArray[np.float64]:
        """Return voxel coordinates of the device pixels' centres, across (0) or down (1)."""
        places = np.arange((self.rect.w, self.rect.h)[which], dtype=np.float64) + 0.5
        return self.corner[which] + places / self.scale[which]

    def span(self, which: int, level: Json) -> slice:
        """Return the device pixels that a level covers, across (0) or down (1)."""
        name, count = self.plane[which], (self.rect.w, self.rect.h)[which]
        ends = (0, level["shape"][name])
        edges = (level["offset"][name] + (n - 0.5) * level["factor"][name] for n in ends)
        # those whose centres lie between the edges, computed as the page does to the last digit
        found = (math.ceil((e - self.corner[which]) * self.scale[which] - 0.5) for e in edges)
        start, stop = (min(max(at, 0), count) for at in found)
        return slice(start, stop)


@dataclass(frozen=True, slots=True)
class Shown:
    """One channel of one layer that is visible.

    Parameters
    ----------
    layer, channel : int
        Which.
    style : Mapping
        Its ``ChannelState`` or ``LabelState``.
    """

    layer: int
    channel: int
    style: Json


def axis_of(manifest: Json, name: str) -> Json:
    """Return what the manifest says of an axis."""
    return next(axis for axis in manifest["axes"] if axis["name"] == name)


def shown_in(manifest: Json, state: Json) -> Iterator[Shown]:
    """Yield the visible channels, in the order of the layers; label layers come last."""
    channels, labels = iter(state["channels"]), iter(state["labels"])
    for i, layer in enumerate(manifest["layers"]):
        styles = labels if layer["kind"] == "label" else channels
        for channel in range(len(layer["channels"])):
            style = next(styles, None)
            if style is not None and style["visible"]:
                yield Shown(i, channel, style)


# --- panes ---------------------------------------------------------------------------------------


def panes_of(
    manifest: Json, state: Json, width: int, height: int, dpr: float = 1.0
) -> tuple[Pane, ...]:
    """Lay out the planes.

    Parameters
    ----------
    manifest, state : Mapping
        ``Manifest`` and ``SharedState``; ``maximised`` is understood too.
    width, height : int
        Of the canvas, in device pixels.
    dpr : float
        Device pixels per CSS pixel.

    Returns
    -------
    tuple of Pane
        One, three, or none when the volume has the canvas.
    """
    whole, layout = Rect(0, 0, width, height), _layout(manifest, state)
    if layout == "volume":
        return ()
    planes = [tuple(plane) for plane in manifest["planes"]]
    if layout == "plane":
        plane = tuple(state["plane"])
        index = planes.index(plane) if plane in planes else 0
        return (_pane(manifest, state, index, plane, whole, dpr),)
    only = int(state.get("maximised", -1))
    rects = _quarters(width, height, dpr) if only < 0 else (whole,) * 4
    return tuple(
        _pane(manifest, state, i, planes[i], rects[i], dpr)
        for i in range(3)
        if only in (i, -1) and rects[i].w > 0 and rects[i].h > 0
    )


def volume_rect(
    manifest: Json, state: Json, width: int, height: int, dpr: float = 1.0
) -> Rect | None:
    """Return where the volume is; None when it isn't shown."""
    layout, maximised = _layout(manifest, state), int(state.get("maximised", -1))
    if layout == "plane" or (layout == "ortho" and 0 <= maximised < 3):
        return None
    if layout == "volume" or maximised == 3:
        return Rect(0, 0, width, height)
    rect = _quarters(width, height, dpr)[3]
    return rect if rect.w > 0 and rect.h > 0 else None


def _layout(manifest: Json, state: Json) -> str:
    """Return the layout; flat images have one plane, whatever was chosen."""
    return str(state["layout"]) if len(manifest["planes"]) >= 3 else "plane"


def _quarters(width: int, height: int, dpr: float) -> tuple[Rect, Rect, Rect, Rect]:
    """Return the places of the three planes and of the volume."""
    gap = max(1, math.floor(2 * dpr + 0.5))
    w, h = max(0, (width - gap) // 2), max(0, (height - gap) // 2)
    right, low = w + gap, h + gap
    wide, high = max(0, width - right), max(0, height - low)
    return (
        Rect(0, 0, w, h),
        Rect(0, low, w, high),
        Rect(right, 0, wide, h),
        Rect(right, low, wide, high),
    )


def _pane(
    manifest: Json, state: Json, index: int, plane: tuple[str, ...], rect: Rect, dpr: float
) -> Pane:
    u, v = plane
    shown = {name for each in manifest["planes"] for name in each}
    across = (name for name in manifest["spatial"] if name in shown and name not in plane)
    normal = next(across, None)
    reference = axis_of(manifest, manifest["reference"])["display"]
    # in the order of operations of the page, so that not even the last digit differs
    su, sv = (
        dpr * state["zoom"] * axis_of(manifest, name)["display"] / reference for name in (u, v)
    )
    center = state["center"]
    corner = (center[u] - rect.w / (2 * su), center[v] - rect.h / (2 * sv))
    return Pane(index, (u, v), normal, rect, (su, sv), corner)


# --- levels --------------------------------------------------------------------------------------


def level_for(layer: Json, pane: Pane, held_mag: str = "") -> int:
    """Choose the level of a layer that a pane shows.

    Parameters
    ----------
    layer : Mapping
        ``Layer`` of the manifest.
    pane : Pane
        Where.
    held_mag : str
        The mag to show whatever the zoom, if the layer has it.

    Returns
    -------
    int
        The coarsest level that has a pixel for each device pixel; the finest where none has.
    """
    levels = layer["levels"]
    for i, level in enumerate(levels):
        if held_mag and level["mag"] == held_mag:
            return i
    if any(name not in layer["axes"] for name in pane.plane):
        return 0  # it shows nothing there
    # along an axis where even the finest pixels are larger than the screen's, these are enough
    finest = [levels[0]["factor"][name] for name in pane.plane]
    wanted = [
        max(1 / scale, least) * (1 + _TOLERANCE)
        for scale, least in zip(pane.scale, finest, strict=True)
    ]
    best, largest = 0, 0.0
    for i, level in enumerate(levels):
        factors = [level["factor"][name] for name in pane.plane]
        fits = all(factor <= most for factor, most in zip(factors, wanted, strict=True))
        if fits and factors[0] * factors[1] > largest:
            best, largest = i, factors[0] * factors[1]
    return best


def level_index(level: Json, axis: str, voxel: float) -> int | None:
    """Return the pixel of a level at a voxel coordinate; None where the level doesn't reach."""
    size = level["shape"][axis]
    found = math.floor((voxel - level["offset"][axis]) / level["factor"][axis] + 0.5)
    # one pixel further than there is: coarse levels may end before the finest does
    return min(max(found, 0), size - 1) if -1 <= found <= size else None


def slab_range(level: Json, axis: str, voxel: float, slab: int) -> tuple[int, int] | None:
    """Return the pixels whose centres lie in a slab around a voxel, or else the one at the voxel.

    Start and stop; None where the level doesn't reach.
    """
    offset, factor, reach = level["offset"][axis], level["factor"][axis], (slab - 1) / 2
    start = max(0, math.ceil((voxel - reach - offset) / factor))
    stop = min(level["shape"][axis], math.floor((voxel + reach - offset) / factor) + 1)
    if slab > 1 and start < stop:
        return start, stop
    index = level_index(level, axis, voxel)
    return None if index is None else (index, index + 1)


def place_of(layer: Json, level: int, pane: Pane, state: Json) -> Box | None:
    """Return the box that a pane shows of a level, along all axes that aren't the plane's.

    None where the layer has nothing at this place.
    """
    entry, voxel = layer["levels"][level], state["voxel"]
    if any(name not in layer["axes"] for name in pane.plane):
        return None
    out: Box = {}
    for name in layer["axes"]:
        if name in pane.plane:
            continue
        slab = state["slab"] if name == pane.normal and layer["kind"] == "intensity" else 1
        found = slab_range(entry, name, voxel[name], slab)
        if found is None:
            return None
        out[name] = found
    return out


# --- tiles ---------------------------------------------------------------------------------------


def key_of(request: Json) -> str:
    """Return the text that equal requests have in common."""
    box = ",".join(
        f"{name}:{start}-{stop}" for name, (start, stop) in sorted(request["box"].items())
    )
    order = ",".join(request["order"])
    return f"{request['layer']}/{request['level']}/{request['channel']}/{order}/{box}"


def tiles_of(
    level: Json, plane: tuple[str, str], window: tuple[tuple[float, float], tuple[float, float]]
) -> list[Box]:
    """List the tiles of a level that meet a window of a plane.

    Parameters
    ----------
    level : Mapping
        ``Level`` of the manifest.
    plane : (str, str)
        Horizontal and vertical axis.
    window : ((float, float), (float, float))
        Voxel coordinates in view, along the two.

    Returns
    -------
    list of dict
        Start and stop by axis of the plane, in the level's pixels. At most `MOST` along an axis,
        those around the middle; more are in view only where a fine mag is held far zoomed out.
    """
    (u, v), (across, down) = plane, window
    rows = _spans(level, v, *down)
    return [{u: column, v: row} for row in rows for column in _spans(level, u, *across)]


def _spans(level: Json, axis: str, low: float, high: float) -> list[tuple[int, int]]:
    """Cut the pixels of an axis that a window touches into tiles."""
    tile, size = level["tile"][axis], level["shape"][axis]
    begin, end = (
        (edge - level["offset"][axis]) / level["factor"][axis] + 0.5 for edge in (low, high)
    )
    start, stop = max(0, math.floor(begin)), min(size, math.ceil(end))
    if start >= stop:
        return []
    first, last = start // tile, -(-stop // tile)
    if last - first > MOST:
        middle = ((low + high) / 2 - level["offset"][axis]) / level["factor"][axis] / tile
        first = min(max(math.floor(middle + 0.5) - MOST // 2, first), last - MOST)
        last = first + MOST
    return [(k * tile, min(size, (k + 1) * tile)) for k in range(first, last)]


def request_of(layer: int, level: int, channel: int, box: Box, order: tuple[str, ...]) -> Json:
    """Return a ``TileRequest``."""
    return {
        "layer": layer,
        "level": level,
        "channel": channel,
        "box": {name: list(part) for name, part in box.items()},
        "order": list(order),
    }


# --- zoom ----------------------------------------------------------------------------------------


def fitted(manifest: Json, state: Json, width: int, height: int, dpr: float = 1.0) -> Json:
    """Return the state with a zoom: one that shows all of the image where there is none yet."""
    if state.get("zoom", 0) > 0:
        return state
    reference, zooms = axis_of(manifest, manifest["reference"])["display"], []
    for pane in panes_of(manifest, {**state, "zoom": 1.0}, width, height, dpr):
        for name, side in zip(pane.plane, (pane.rect.w, pane.rect.h), strict=True):
            axis = axis_of(manifest, name)
            zooms.append(side * reference / (dpr * axis["size"] * axis["display"]))
    return {**state, "zoom": min(zooms, default=1.0)}
