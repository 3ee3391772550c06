"""What lies above a picture that Python draws: crosshair, selection, scale bars, a caption.

As ``js/src/ui/overlay.js`` draws them, less the handles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ngffkit.plots.scalebar import length_text, nice_length, quantity
from ngffkit.widgets.panes import Json, Pane, axis_of

Picture = npt.NDArray[np.uint8]
Point = tuple[float, float]

#: Lines of the crosshair by the axis they run along: last, second last, third last one of space.
#: Told apart by colours that colour-blind people see, and by dashes (CSS pixels on and off).
_LINES = (("#e8743b", ()), ("#3fb56f", (10, 4)), ("#4a90d9", (3, 3)))
_DRAWN = "#ffd60a"
_PLATE, _SHADOW = (0, 0, 0, 158), (0, 0, 0, 128)

#: In CSS pixels: what the crosshair leaves free around its middle at least; text.
_FREE, _TEXT = 8, 12
#: Share of a pane's width that a scale bar takes at most.
_SHARE = 0.3


def draw_marks(
    picture: Picture, manifest: Json, state: Json, panes: Sequence[Pane], dpr: float
) -> Picture:
    """Draw the selection, and the crosshair and scale bars if a state asks for them.

    Parameters
    ----------
    picture : ndarray of uint8, shape (h, w, 3)
        The canvas; it is left as it is.
    manifest, state : Mapping
        What there is, and how it is shown.
    panes : sequence of Pane
        The planes on the canvas.
    dpr : float
        Device pixels per CSS pixel.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
    """
    image = Image.fromarray(picture)
    for pane in panes:
        rect = pane.rect
        # each pane on its own, so that nothing reaches into its neighbour
        part = image.crop((rect.x, rect.y, rect.x + rect.w, rect.y + rect.h))
        above = ImageDraw.Draw(part, "RGBA")
        _selection(above, pane, state, dpr)
        if state["crosshair"]:
            _crosshair(above, manifest, pane, state["voxel"], dpr)
        if state["scalebar"]:
            _scale_bar(above, manifest, pane, dpr)
        image.paste(part, (rect.x, rect.y))
    return np.asarray(image)


def _place(pane: Pane, voxel: Mapping[str, float]) -> Point:
    """Return where a voxel is in its pane, in device pixels."""
    (u, v), (left, top), (su, sv) = pane.plane, pane.corner, pane.scale
    return (voxel[u] - left) * su, (voxel[v] - top) * sv


def _stroke(
    above: ImageDraw.ImageDraw, lines: Sequence[tuple[Point, Point]], look: Any, dpr: float
) -> None:
    """Draw lines over a dark rim, which keeps them visible on any picture."""
    color, dash = look
    width = max(1, round(dpr))
    for line in lines:
        above.line(line, fill=_SHADOW, width=3 * width)
    for line in lines:
        for part in _dashes(line, [length * dpr for length in dash]):
            above.line(part, fill=color, width=width)


def _dashes(line: tuple[Point, Point], dash: Sequence[float]) -> Iterator[tuple[Point, Point]]:
    if not dash:
        yield line
        return
    start, stop = np.array(line)
    length = float(np.hypot(*(stop - start)))
    for at in np.arange(0, length, sum(dash)):
        ends = [start + (stop - start) * min(1, x / length) for x in (at, at + dash[0] - 1)]
        yield (float(ends[0][0]), float(ends[0][1])), (float(ends[1][0]), float(ends[1][1]))


def _crosshair(
    above: ImageDraw.ImageDraw, manifest: Json, pane: Pane, voxel: Json, dpr: float
) -> None:
    x, y = (int(at) for at in _place(pane, voxel))
    # what the crosshair is on stays visible
    free_x, free_y = (round(max(_FREE * dpr, scale / 2 + 2 * dpr)) for scale in pane.scale)
    lines: list[list[tuple[Point, Point]]] = [
        [((0, y), (x - free_x, y)), ((x + free_x, y), (pane.rect.w, y))],
        [((x, 0), (x, y - free_y)), ((x, y + free_y), (x, pane.rect.h))],
    ]
    spatial = list(manifest["spatial"])
    for name, parts in zip(pane.plane, lines, strict=True):
        look = _LINES[min(2, len(spatial) - 1 - spatial.index(name))]
        _stroke(above, [part for part in parts if part[0] < part[1]], look, dpr)


def _selection(above: ImageDraw.ImageDraw, pane: Pane, state: Json, dpr: float) -> None:
    selection = state["selection"]
    kind = selection.get("kind")
    if kind == "box":
        _box(above, pane, state, dpr)
    elif kind in ("points", "line"):
        found = [_place(pane, point) for point in selection["points"]]
        if kind == "line":
            _stroke(above, [(found[0], found[1])], (_DRAWN, ()), dpr)
        for point, (x, y) in zip(selection["points"], found, strict=True):
            away = {
                n: round(v) != state["voxel"][n] for n, v in point.items() if n not in pane.plane
            }
            # points of another time aren't there, those before or behind the plane are faint
            if kind == "points" and any(far for name, far in away.items() if name != pane.normal):
                continue
            faint = kind == "points" and any(away.values())
            radius, alpha = (3 * dpr, "73") if faint else (4 * dpr, "ff")
            edges = (x - radius, y - radius, x + radius, y + radius)
            fill = None if faint else _DRAWN
            above.ellipse(edges, outline=_DRAWN + alpha, fill=fill, width=max(1, round(dpr)))


def _box(above: ImageDraw.ImageDraw, pane: Pane, state: Json, dpr: float) -> None:
    selection = state["selection"]
    lo, hi = ({n: v - 0.5 for n, v in selection[end].items()} for end in ("lo", "hi"))
    (left, top), (right, bottom) = _place(pane, lo), _place(pane, hi)
    normal = pane.normal
    cut = normal is None or lo[normal] <= state["voxel"][normal] < hi[normal]
    if cut:
        above.rectangle((left, top, right, bottom), fill=(255, 214, 10, 20))
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    lines = list(zip(corners, corners[1:] + corners[:1], strict=True))
    # in front of the plane or behind it: dashed
    _stroke(above, lines, (_DRAWN, () if cut else (4, 4)), dpr)


def bar_of(manifest: Json, pane: Pane) -> tuple[float, str]:
    """Return the length of a pane's scale bar, in units of its axis, and what it says."""
    axis = axis_of(manifest, pane.plane[0])
    length = nice_length(_SHARE * pane.rect.w * abs(axis["scale"]) / pane.scale[0])
    return length, length_text(length, axis["unit"] or None)


def _scale_bar(above: ImageDraw.ImageDraw, manifest: Json, pane: Pane, dpr: float) -> None:
    length, text = bar_of(manifest, pane)
    length *= pane.scale[0] / abs(axis_of(manifest, pane.plane[0])["scale"])
    font = _font(max(6, round(_TEXT * dpr)))
    left, top, right, bottom = above.textbbox((0, 0), text, font=font)
    pad, margin, thick = round(5 * dpr), round(6 * dpr), max(2, round(3 * dpr))
    width, height = max(length, right - left), bottom - top + pad + thick
    if width + 2 * (pad + margin) > pane.rect.w or height + 2 * (pad + margin) > pane.rect.h:
        return
    x, y = pane.rect.w - margin - pad - width, pane.rect.h - margin - pad - height
    _plate(above, (x - pad, y - pad, x + width + pad, y + height + pad), dpr)
    above.text((x + (width - (right - left)) / 2 - left, y - top), text, fill="white", font=font)
    # whole pixels, and as many of them as the bar is long
    begin, long = round(x + (width - length) / 2), max(1, round(length))
    above.rectangle((begin, y + height - thick, begin + long - 1, y + height - 1), fill="white")


def _plate(above: ImageDraw.ImageDraw, edges: tuple[float, ...], dpr: float) -> None:
    """Draw what makes white text legible on whatever the picture shows there."""
    above.rounded_rectangle(list(edges), radius=round(3 * dpr), fill=_PLATE)


@cache
def _font(size: int) -> Any:
    """Return a bold face that has µ and Å: the one that comes with matplotlib."""
    from matplotlib import get_data_path

    return ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf"), size)


def caption(picture: Picture, text: str, dpr: float) -> Picture:
    """Write into the upper left corner of a picture."""
    image = Image.fromarray(picture)
    above, font = ImageDraw.Draw(image, "RGBA"), _font(max(6, round(_TEXT * dpr)))
    pad, margin = round(5 * dpr), round(6 * dpr)
    left, top, right, bottom = above.textbbox((margin + pad, margin + pad), text, font=font)
    _plate(above, (left - pad, top - pad, right + pad, bottom + pad), dpr)
    above.text((margin + pad, margin + pad), text, fill="white", font=font)
    return np.asarray(image)


def place_text(axis: Json, voxel: int) -> str:
    """Say where on an axis: ``z = 12.5 µm``."""
    if axis["values"] is not None:
        return f"{axis['name']} = {axis['values'][voxel]}"
    return f"{axis['name']} = {quantity(axis['origin'] + voxel * axis['scale'], axis['unit'])}"
