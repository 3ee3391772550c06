"""What the canvas shows, drawn with NumPy: for pages without WebGL2, pictures and films.

The same levels, the same nearest pixels and the same colours as the page draws, from `Bricks`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layers
from ngffkit.widgets.marks import draw_marks
from ngffkit.widgets.painting import (
    Picture,
    Pixels,
    Sample,
    Span,
    draw_hatch,
    draw_intensities,
    draw_labels,
    in_bytes,
)
from ngffkit.widgets.panes import (
    Box,
    Json,
    Pane,
    Shown,
    fitted,
    level_for,
    panes_of,
    place_of,
    request_of,
    shown_in,
    tiles_of,
    volume_rect,
)
from ngffkit.widgets.tiles import TileRequest, render
from ngffkit.widgets.volumes import draw_volume

#: Outside of the image, 0 to 1.
BACKGROUNDS: Mapping[str, tuple[float, float, float]] = {
    "dark": (0.07, 0.07, 0.08),
    "light": (0.93, 0.93, 0.94),
}
#: How far the gaps between panes are from the background, which they are next to.
_GAP = 0.08

#: So far from an edge, in pixels of a level, counts as on it.
_EDGE = 1e-6

#: Bytes that are read at once; more go tile by tile.
_AT_ONCE = 2**25


def compose_view(
    layers: Layers, bricks: Bricks, state: Json, width: int, height: int, dpr: float = 1.0
) -> Picture:
    """Draw what the canvas shows, without what lies above it (crosshair, scale bar, selection).

    Parameters
    ----------
    layers, bricks : Layers, Bricks
        What there is, and what reads it.
    state : Mapping
        ``SharedState`` of the page; without a zoom all of the image is shown.
    width, height : int
        Of the canvas, in device pixels.
    dpr : float
        Device pixels per CSS pixel.

    Returns
    -------
    ndarray of uint8, shape (height, width, 3)
        RGB. Tiles that can't be read are hatched.
    """
    return Painter(layers, bricks).draw(state, width, height, dpr)


def frame_png(
    layers: Layers,
    bricks: Bricks,
    state: Json,
    width: int,
    height: int,
    dpr: float = 1.0,
    *,
    marks: bool = False,
) -> bytes:
    """Return `compose_view` as PNG; with what lies above it if `marks`: pages draw that."""
    painter = Painter(layers, bricks)
    draw = painter.draw_marked if marks else painter.draw
    return png_of(draw(state, width, height, dpr))


def png_of(picture: Picture, level: int = 1) -> bytes:
    """Encode a picture as PNG, quickly unless `level` (1 to 9) says otherwise."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


class Painter:
    """Draws one state after the other of the same layers.

    Parameters
    ----------
    layers, bricks : Layers, Bricks
        What there is, and what reads it.
    fine : bool
        Whether volumes are drawn in a higher resolution, which takes longer.
    """

    def __init__(self, layers: Layers, bricks: Bricks, *, fine: bool = False) -> None:
        self.layers, self.bricks, self._fine = layers, bricks, fine
        self.manifest: Json = layers.manifest()
        self._given = [
            {int(i): color for i, color in layer["colors"]} for layer in self.manifest["layers"]
        ]

    def read(self, request: Json) -> Pixels:
        """Read a tile, in the order of its request."""
        return render(TileRequest.parse(request, self.layers), self.bricks)

    def draw_marked(self, state: Json, width: int, height: int, dpr: float = 1.0) -> Picture:
        """Draw a state with the crosshair and scale bars that it asks for."""
        state = fitted(self.manifest, state, width, height, dpr)
        panes = panes_of(self.manifest, state, width, height, dpr)
        picture = self.draw(state, width, height, dpr)
        return draw_marks(picture, self.manifest, state, panes, dpr)

    def draw(self, state: Json, width: int, height: int, dpr: float = 1.0) -> Picture:
        """Draw a state: what `compose_view` returns."""
        state = fitted(self.manifest, state, width, height, dpr)
        ground = np.array(BACKGROUNDS.get(state["theme"], BACKGROUNDS["dark"]))
        out = np.empty((height, width, 3), np.uint8)
        out[...] = in_bytes(ground + (_GAP if ground[1] < 0.5 else -_GAP))
        for pane in panes_of(self.manifest, state, width, height, dpr):
            part = out[pane.rect.rows, pane.rect.columns]
            part[...] = in_bytes(ground)
            self._draw_plane(part, pane, state, dpr)
        rect = volume_rect(self.manifest, state, width, height, dpr)
        if rect is not None and rect.w and rect.h:
            part = out[rect.rows, rect.columns]
            part[...] = in_bytes(ground)
            if not draw_volume(part, self.manifest, state, dpr, self.read, fine=self._fine):
                draw_hatch(part, [(slice(0, rect.h), slice(0, rect.w))], rect)
        return out

    # --- planes ----------------------------------------------------------------------------------

    def _draw_plane(self, out: Picture, pane: Pane, state: Json, dpr: float) -> None:
        samples = [
            sample
            for shown in shown_in(self.manifest, state)
            if (sample := self.sample(pane, shown, state)) is not None
        ]
        kinds = [self.manifest["layers"][s.shown.layer]["kind"] for s in samples]
        draw_intensities(out, [s for s, k in zip(samples, kinds, strict=True) if k != "label"])
        for sample, kind in zip(samples, kinds, strict=True):
            if kind == "label":
                draw_labels(out, sample, self._given[sample.shown.layer], dpr)
        draw_hatch(out, [span for sample in samples for span in sample.failed], pane.rect)

    def sample(self, pane: Pane, shown: Shown, state: Json) -> Sample | None:
        """Look up what a channel has at each device pixel of a pane; None when it has nothing."""
        layer = self.manifest["layers"][shown.layer]
        chosen = level_for(layer, pane, state["held_mag"])
        if place_of(layer, chosen, pane, state) is None:
            return None
        columns, rows = (pane.span(which, layer["levels"][chosen]) for which in (0, 1))
        if columns.start >= columns.stop or rows.start >= rows.stop:
            return None
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        values = np.zeros(shape, layer["dtype"])
        look = _Look(pane, shown, state, rows, columns)
        failed = self._fill(values, look, chosen)
        return Sample(shown, (rows, columns), values, failed, look.holes)

    def _fill(self, out: Pixels, look: _Look, number: int) -> list[Span]:
        """Fill in pixels of a level, of coarser ones where it can't be read; say where that was."""
        layer = self.manifest["layers"][look.shown.layer]
        place = None
        if number < len(layer["levels"]):
            place = place_of(layer, number, look.pane, look.state)
        if place is None:
            look.holes.append((look.rows, look.columns))
            return []
        level, (u, v) = layer["levels"][number], look.pane.plane
        across, down = look.pixels(level)
        whole = {v: (int(down[0]), int(down[-1]) + 1), u: (int(across[0]), int(across[-1]) + 1)}
        if math.prod(stop - start for start, stop in whole.values()) * out.itemsize <= _AT_ONCE:
            found = self._tried(look.shown, number, place | whole, {v: down, u: across})
            if found is not None:
                out[...] = found
                return []
        failed: list[Span] = []
        filled = np.zeros(out.shape, np.bool_)
        for box in tiles_of(level, (u, v), _window(level, (u, v), whole)):
            rows, columns = _within(down, box[v]), _within(across, box[u])
            if rows.start == rows.stop or columns.start == columns.stop:
                continue
            filled[rows, columns] = True
            at = {v: down[rows], u: across[columns]}
            found = self._tried(look.shown, number, place | box, at)
            if found is not None:
                out[rows, columns] = found
                continue
            inner = look.part(rows, columns)
            self._fill(out[rows, columns], inner, number + 1)
            failed.append((inner.rows, inner.columns))
        if not filled.all():
            rest = np.zeros_like(out)
            self._fill(rest, replace(look, holes=[]), number + 1)
            np.copyto(out, rest, where=~filled)
        return failed

    def _tried(
        self, shown: Shown, number: int, box: Box, at: Mapping[str, npt.NDArray[np.intp]]
    ) -> Pixels | None:
        """Read a box, and take of it the pixels at these rows and columns; None when that fails."""
        try:
            found = self.read(request_of(shown.layer, number, shown.channel, box, tuple(at)))
        except Exception:  # noqa: BLE001 - whatever the cause, the picture shows where it is
            return None
        (v, rows), (u, columns) = at.items()
        return found.take(columns - box[u][0], 1).take(rows - box[v][0], 0)


@dataclass(frozen=True, slots=True)
class _Look:
    """Device pixels of a pane that a channel is looked up for."""

    pane: Pane
    shown: Shown
    state: Json
    rows: slice
    columns: slice
    #: Where nothing could be read, which is found out while looking.
    holes: list[Span] = field(default_factory=list)

    def pixels(self, level: Json) -> list[npt.NDArray[np.intp]]:
        """Return the pixels of a level at these columns and at these rows."""
        out = []
        for which, span in enumerate((self.columns, self.rows)):
            name = self.pane.plane[which]
            found = _pixels(level, name, self.pane.centres(which)[span])
            out.append(np.clip(found, 0, level["shape"][name] - 1).astype(np.intp))
        return out

    def part(self, rows: slice, columns: slice) -> _Look:
        """Return some of these rows and columns."""
        top, left = self.rows.start, self.columns.start
        return replace(
            self,
            rows=slice(top + rows.start, top + rows.stop),
            columns=slice(left + columns.start, left + columns.stop),
        )


def _pixels(level: Json, axis: str, voxels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    found: npt.NDArray[np.float64] = (voxels - level["offset"][axis]) / level["factor"][axis]
    # a device pixel on the edge of two pixels shows the later, also when rounding falls just short
    return np.floor(found + (0.5 + _EDGE))


def _window(level: Json, plane: tuple[str, str], box: Box) -> Any:
    """Return the voxels that a box reaches over, less a hair, so that no neighbour is touched."""
    return tuple(
        tuple(
            level["offset"][name] + (edge - 0.5 + hair) * level["factor"][name]
            for edge, hair in zip(box[name], (1e-3, -1e-3), strict=True)
        )
        for name in plane
    )


def _within(indices: npt.NDArray[np.intp], span: tuple[int, int]) -> slice:
    start, stop = np.searchsorted(indices, span)
    return slice(int(start), int(stop))
