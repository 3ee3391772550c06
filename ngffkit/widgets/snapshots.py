"""A view as a figure of any size: the same picture as the viewer's, with title, ticks, legend."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from ngffkit.errors import NgffError
from ngffkit.plots.compose import Color, parse_color
from ngffkit.plots.drawing import Picture
from ngffkit.plots.scalebar import add_scale_bar
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.files import suffix_of, written
from ngffkit.widgets.frames import Painter
from ngffkit.widgets.layers import Layers
from ngffkit.widgets.marks import bar_of, place_text
from ngffkit.widgets.panes import Json, Pane, axis_of, fitted, level_for, panes_of, shown_in

SUFFIXES = (".png", ".pdf", ".svg", ".jpg", ".jpeg")

#: Pixels per inch of a picture that is 800 pixels high; others keep the text's share.
_DPI, _HEIGHT = 100.0, 800
_LEAST_DPI = 40.0

#: Inches left free: left of the panes, right, below, above without and per line of title.
_LEFT, _RIGHT, _BELOW, _ABOVE, _LINE = 0.72, 0.18, 0.55, 0.14, 0.22
#: Less than this share of the picture for the panes is too little to leave anything free.
_WORTH = 0.4


def snapshot(
    layers: Layers,
    bricks: Bricks,
    state: Json,
    path: str | os.PathLike[str] | None = None,
    *,
    size: tuple[int, int] = (1200, 800),
    dpi: float | None = None,
) -> Picture | Path:
    """Draw a view at any size.

    It shows as much of the image, from top to bottom, as the viewer does, from a finer mag where
    there are more pixels to fill.

    Parameters
    ----------
    layers, bricks : Layers, Bricks
        What there is, and what reads it.
    state : Mapping
        ``SharedState`` of the view.
    path : str or Path, optional
        Where to write it: ``.png``, ``.pdf``, ``.svg``, ``.jpg``. Written whole or not at all.
    size : (int, int)
        Width and height in pixels, of the figure with all that is around the picture.
    dpi : float, optional
        Pixels per inch, which is the size of the text; when left out, text keeps its share.

    Returns
    -------
    Picture or Path
        The figure, which shows itself in notebooks, or `path`.

    Raises
    ------
    NgffError
        When the size is none, or no such file can be written.
    """
    width, height = _checked(size)
    kind = None if path is None else suffix_of(path, SUFFIXES, "pictures")[1:]
    dpi = dpi or max(_LEAST_DPI, _DPI * min(height, width * 2 / 3) / _HEIGHT)
    figure = _Sheet(Painter(layers, bricks, fine=True), state, (width, height), dpi).draw()
    if path is None:
        return figure
    with written(path) as temporary:
        figure.savefig(temporary, format=kind, dpi=dpi, facecolor=figure.get_facecolor())
    return Path(path)


def _checked(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height, which are pixels."""
    parts = [int(part) for part in size if int(part) == part and 16 <= part <= 2**15]
    if len(parts) != 2 or len(size) != 2:
        raise NgffError(
            f"size={size!r}: give width and height in pixels, 16 to {2**15}, e.g. (1200, 800)"
        )
    return parts[0], parts[1]


class _Sheet:
    """A figure around the panes of one state."""

    def __init__(self, painter: Painter, state: Json, size: tuple[int, int], dpi: float) -> None:
        self.painter, self.manifest, self.dpi = painter, painter.manifest, dpi
        self.width, self.height = size
        dark = state["theme"] == "dark"
        self.paper, self.ink = ("#121214", "#d8d8d8") if dark else ("white", "black")
        self.figure = Picture(
            figsize=(self.width / dpi, self.height / dpi), dpi=dpi, facecolor=self.paper
        )
        FigureCanvasAgg(self.figure)
        self.state = state

    def draw(self) -> Picture:
        """Draw everything."""
        ortho = len(self.manifest["planes"]) >= 3 and self.state["layout"] == "ortho"
        left, right, below, above = (
            round(inches * self.dpi)
            for inches in (_LEFT, _RIGHT, _BELOW, _ABOVE + 2 * _LINE + (0.5 if ortho else 0))
        )
        width, height = self.width - left - right, self.height - below - above
        bare = width * height < _WORTH * self.width * self.height or min(width, height) < 16
        if bare:
            left = below = 0
            width, height = self.width, self.height
        dpr = height / self.state["height"]
        state = fitted(self.manifest, self.state, width, height, dpr)
        panes = panes_of(self.manifest, state, width, height, dpr)
        picture = self.painter.draw_marked({**state, "scalebar": False}, width, height, dpr)
        # the whole canvas lies below; panes are axes of their own above it, exactly in place
        ground = self._axes(left, below, width, height)
        ground.imshow(picture, interpolation="nearest", aspect="auto", extent=(0, width, height, 0))
        ground.axis("off")
        for pane in panes:
            rect = pane.rect
            ax = self._axes(left + rect.x, below + height - rect.y - rect.h, rect.w, rect.h)
            self._pane(ax, pane, state, bare=bare)
        if panes:
            self._legend(self.figure.axes[1])
        if not bare:
            self._title(state, panes, left)
        return self.figure

    def _axes(self, left: int, bottom: int, width: int, height: int) -> Axes:
        place = (
            left / self.width,
            bottom / self.height,
            width / self.width,
            height / self.height,
        )
        return self.figure.add_axes(place)

    def _pane(self, ax: Axes, pane: Pane, state: Json, *, bare: bool) -> None:
        ax.patch.set_visible(False)
        axes = [axis_of(self.manifest, name) for name in pane.plane]
        spans = [
            [axis["origin"] + edge * axis["scale"] for edge in seen]
            for axis, seen in zip(axes, pane.window, strict=True)
        ]
        ax.set_xlim(*spans[0])
        ax.set_ylim(*reversed(spans[1]))
        ax.tick_params(colors=self.ink, labelsize="small")
        for spine in ax.spines.values():
            spine.set_visible(False)
        for axis, side, length in zip(axes, (ax.xaxis, ax.yaxis), self._inches(ax), strict=True):
            bins = max(1, min(8, int(length / 0.7)))
            side.set_major_locator(MaxNLocator(bins, steps=[1, 2, 5, 10]))
            unit = axis["unit"] or ("px" if axis["scale"] == 1 else "")
            side.set_label_text(f"{axis['name']} ({unit})" if unit else axis["name"])
            side.label.set(color=self.ink, size="small")
        ax.ticklabel_format(style="plain", useOffset=False)
        self._sides(ax, bare=bare)
        if state["scalebar"] and min(self._inches(ax)) > 0.7:
            add_scale_bar(ax, *bar_of(self.manifest, pane))

    def _sides(self, ax: Axes, *, bare: bool) -> None:
        """Leave numbers where nothing else is: at the outer edges of all panes together."""
        at = ax.get_position()
        lowest = min(axes.get_position().y0 for axes in self.figure.axes)
        leftmost = min(axes.get_position().x0 for axes in self.figure.axes)
        if bare or at.x0 > leftmost + 1e-6:
            ax.set_yticks([])
            ax.set_ylabel("")
        if bare:
            ax.set_xticks([])
            ax.set_xlabel("")
        elif at.y0 > lowest + 1e-6:
            if at.x0 > leftmost + 1e-6:
                ax.xaxis.tick_top()
                ax.xaxis.set_label_position("top")
            else:
                # the pane below shows the same stretch of the same axis
                ax.set_xticks([])
                ax.set_xlabel("")

    def _inches(self, ax: Axes) -> tuple[float, float]:
        box = ax.get_position()
        return box.width * self.width / self.dpi, box.height * self.height / self.dpi

    def _entries(self) -> list[tuple[str, Color]]:
        layers = self.manifest["layers"]
        return [
            (layers[s.layer]["channels"][s.channel]["label"], parse_color(s.style["color"]))
            for s in shown_in(self.manifest, self.state)
            if layers[s.layer]["kind"] != "label"
        ]

    def _legend(self, ax: Axes) -> None:
        named = [(name, color) for name, color in self._entries() if name]
        width, height = self._inches(ax)
        if len(named) < 2 or width < 2 or height < 0.6 + 0.2 * len(named):
            return
        ax.legend(
            handles=[Patch(fc=color, ec="gray", lw=0.5, label=name) for name, color in named],
            fontsize="small",
            handlelength=0.8,
            handleheight=0.8,
            loc="upper left",
            labelcolor="white",
            facecolor="black",
            framealpha=0.62,
            edgecolor="none",
        )

    def _title(self, state: Json, panes: Sequence[Pane], left: int) -> None:
        lines = [self.manifest["name"], " · ".join(self._facts(state, panes))]
        self.figure.text(
            left / self.width,
            1 - _ABOVE * self.dpi / self.height,
            "\n".join(line for line in lines if line),
            color=self.ink,
            size="medium",
            ha="left",
            va="top",
            linespacing=1.3,
            parse_math=False,
        )

    def _facts(self, state: Json, panes: Sequence[Pane]) -> list[str]:
        """Say which mags are seen, and where that is along the axes that aren't."""
        manifest, mags = self.manifest, []
        first = next(shown_in(manifest, state), None)
        if first is not None:
            layer = manifest["layers"][first.layer]
            levels = [layer["levels"][level_for(layer, p, state["held_mag"])] for p in panes]
            mags = list(dict.fromkeys(level["mag"] for level in levels))
        facts = [f"mag{'s' if len(mags) > 1 else ''} {', '.join(mags)}"] if mags else []
        # what lies in all planes has no single place, and a volume has none in space
        flat = set(panes[0].plane) if len(panes) == 1 else set()
        flat |= set() if panes else set(manifest["spatial"])
        facts += [
            place_text(axis, state["voxel"][axis["name"]])
            for axis in manifest["axes"]
            if axis["name"] not in flat and axis["size"] > 1
        ]
        names = [name for name, _ in self._entries()]
        if len(names) == 1 and not names[0].isdigit():
            facts += names
        return [fact for fact in facts if fact]
