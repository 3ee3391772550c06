"""What is there before anything is asked for: tiles of a coarse level, and a small picture of them.

The tiles are part of the widget's state, so the page shows something at once, while a cell runs or
where there is no kernel. The picture is for what shows no widgets.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.plots.compose import composite, draw_labels, parse_color
from ngffkit.widgets import panes
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layers, ViewLevel
from ngffkit.widgets.panes import Pane, Shown
from ngffkit.widgets.tiles import TileRequest, encode, render

Json = dict[str, Any]
Level = Mapping[str, Any]
Pixels = npt.NDArray[Any]

#: Pixels along an axis of the planes that come first, and bytes of all of them.
_SIDE, _BYTES = 256, 512 * 1024

#: Planes that need more pixels to be read than this don't come first: cells would wait for them.
_MOST = 2**24

#: The canvas for which panes are laid out; their size changes nothing of what is read.
_CANVAS = (1024, 768)

#: Pixels and bytes of the small picture.
_WIDTH, _HEIGHT, _PNG = 480, 360, 150_000


@dataclass(frozen=True, slots=True)
class First:
    """The first tiles of a view.

    Parameters
    ----------
    tiles : list of dict
        As the page takes them: request, shape, dtype, and data or constant.
    mag : str
        Of the first layer's.
    planes : list of (Shown, Mapping, ndarray)
        What the first pane shows: channel, level and pixels.
    pane : Pane, optional
        Which that is.
    """

    tiles: list[Json] = field(default_factory=list)
    mag: str = ""
    planes: list[tuple[Shown, Level, Pixels]] = field(default_factory=list)
    pane: Pane | None = None

    @classmethod
    def read(cls, layers: Layers, bricks: Bricks, state: Mapping[str, Any]) -> First:
        """Read the planes in view at a coarse level.

        What can't be read is left out: the page will ask for it and show why.

        Parameters
        ----------
        layers, bricks : Layers, Bricks
            What there is, and what reads it.
        state : Mapping
            ``SharedState``.
        """
        manifest = layers.manifest()
        shown = panes.panes_of(manifest, panes.fitted(manifest, state, *_CANVAS), *_CANVAS)
        mag, left = "", _BYTES
        sent: list[Json] = []
        planes: list[tuple[Shown, Level, Pixels]] = []
        for pane, entry in itertools.product(shown, panes.shown_in(manifest, state)):
            layer = manifest["layers"][entry.layer]
            i = _level(layer, pane, state["held_mag"])
            level = layer["levels"][i]
            mag = mag or level["mag"]
            if _cost(layers.layers[entry.layer].levels[i], pane) > _MOST:
                continue
            requests = list(_requests(layer, entry, i, pane, state))
            tiles = _tiles(requests, layers, bricks)
            for request, pixels in tiles:
                message = _message(request, pixels)
                left -= len(message.get("data", b""))
                if left >= 0:
                    sent.append(message)
            if pane is shown[0] and len(tiles) == len(requests) > 0:
                planes.append((entry, level, _joined(tiles, pane, level["shape"])))
        return cls(sent, mag, planes, shown[0] if shown else None)

    def picture(self, layers: Layers, state: Mapping[str, Any]) -> bytes | None:
        """Return a small PNG of the first pane, in the colours of a state; nothing is read.

        Parameters
        ----------
        layers : Layers
            What there is.
        state : Mapping
            ``SharedState``.
        """
        if self.pane is None or not self.planes:
            return None
        manifest = layers.manifest()
        now = {(s.layer, s.channel): s.style for s in panes.shown_in(manifest, state)}
        u, v = (panes.axis_of(manifest, name) for name in self.pane.plane)
        width, height = (axis["size"] * axis["display"] for axis in (u, v))
        scale = min(_WIDTH / width, _HEIGHT / height)
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        while True:
            shown = [
                (now[key], manifest["layers"][key[0]], _sampled(pixels, level, (v, u), size))
                for entry, level, pixels in self.planes
                if (key := (entry.layer, entry.channel)) in now
            ]
            png = _png(_drawn(shown, size))
            if len(png) <= _PNG:
                return png
            size = (max(1, size[0] * 3 // 4), max(1, size[1] * 3 // 4))


def _level(layer: Mapping[str, Any], pane: Pane, held: str) -> int:
    """Return the finest level whose planes are small; the coarsest where none is."""
    levels = layer["levels"]
    for i, level in enumerate(levels):
        if all(level["shape"].get(name, 1) <= _SIDE for name in pane.plane):
            return next((j for j in range(i, len(levels)) if levels[j]["mag"] == held), i)
    return len(levels) - 1


def _cost(level: ViewLevel, pane: Pane) -> int:
    """Return how many pixels are read for a plane, those that are passed over included."""
    passed = {} if level.pixels.direct else level.stride
    return math.prod(level.shape.get(n, 1) * passed.get(n, 1) for n in pane.plane)


def _requests(
    layer: Mapping[str, Any], entry: Shown, level: int, pane: Pane, state: Mapping[str, Any]
) -> Iterator[Mapping[str, Any]]:
    place = panes.place_of(layer, level, pane, state)
    if place is None:
        return
    at = layer["levels"][level]
    everything = [
        (at["offset"][n] - at["factor"][n], at["offset"][n] + at["factor"][n] * at["shape"][n])
        for n in pane.plane
    ]
    u, v = pane.plane
    for box in panes.tiles_of(at, pane.plane, (everything[0], everything[1])):
        yield panes.request_of(entry.layer, level, entry.channel, {**place, **box}, (v, u))


def _tiles(
    requests: list[Mapping[str, Any]], layers: Layers, bricks: Bricks
) -> list[tuple[Mapping[str, Any], Pixels]]:
    out = []
    for request in requests:
        try:
            out.append((request, render(TileRequest.parse(request, layers), bricks)))
        except Exception:  # noqa: BLE001, S112 - whatever it is, the page is told when it asks
            continue
    return out


def _message(request: Mapping[str, Any], pixels: Pixels) -> Json:
    made = encode(pixels)
    meta = {key: value for key, value in made.meta.items() if key != "bytes"}
    data = {} if made.data is None else {"data": made.data}
    return {"request": dict(request), **meta, **data}


def _joined(
    tiles: list[tuple[Mapping[str, Any], Pixels]], pane: Pane, shape: Mapping[str, int]
) -> Pixels:
    """Put the tiles of a plane together."""
    u, v = pane.plane
    out = np.zeros((shape[v], shape[u]), tiles[0][1].dtype)
    for request, pixels in tiles:
        across, down = (slice(*request["box"][name]) for name in pane.plane)
        out[down, across] = pixels
    return out


def _drawn(
    shown: list[tuple[Mapping[str, Any], Mapping[str, Any], Pixels]], size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    images = [(style, pixels) for style, layer, pixels in shown if layer["kind"] != "label"]
    out = composite(
        np.stack([pixels for _, pixels in images]) if images else np.empty((0, *size)),
        [parse_color(style["color"]) for style, _ in images],
        [tuple(style["window"]) for style, _ in images],
        [style["gamma"] for style, _ in images],
    )
    for style, layer, pixels in shown:
        if layer["kind"] == "label":
            given = {int(label): tuple(color) for label, color in layer["colors"]}
            over = draw_labels(pixels, given, math.ceil(style["outline"]))
            alpha = over[..., 3:] / 255 * style["opacity"]
            out = np.rint(out * (1 - alpha) + over[..., :3] * alpha).astype(np.uint8)
    return out


def _sampled(
    pixels: Pixels, level: Level, axes: Sequence[Mapping[str, Any]], size: tuple[int, int]
) -> Pixels:
    """Take the nearest pixel for each of a picture of the whole scene; zero beyond the level."""
    found, inside = [], []
    for axis, count, own in zip(axes, size, pixels.shape, strict=True):
        name = axis["name"]
        voxel = (np.arange(count) + 0.5) * axis["size"] / count - 0.5
        at = np.floor((voxel - level["offset"][name]) / level["factor"][name] + 0.5).astype(np.intp)
        # the last pixel of a rounded pyramid may end just before the image does
        inside.append((at >= -1) & (at <= own))
        found.append(np.clip(at, 0, own - 1))
    out = pixels[np.ix_(*found)]
    return np.where(np.logical_and.outer(*inside), out, np.zeros((), pixels.dtype))


def _png(picture: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG", optimize=True)
    return out.getvalue()
