"""The matplotlib side of pictures: figures that fit what is in them, titles, tags, legends."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import MaxNLocator

from ngffkit import resolve
from ngffkit.grid import Axis
from ngffkit.image import LabelInfo
from ngffkit.plots.compose import Color, draw_labels
from ngffkit.plots.levels import Source
from ngffkit.plots.planes import Extent, Plane, axes_of
from ngffkit.plots.scalebar import (
    add_scale_bar,
    length_text,
    nice_length,
    parse_unit,
    quantity,
    ratio,
)
from ngffkit.plots.scene import Scene, Style, View, paint

#: Left, bottom, width and height in inches, from the lower left corner of all that is drawn.
Room = tuple[float, float, float, float]

#: A picture is never thinner than this, in inches, or nothing would be seen of it.
_THINNEST = 0.12
#: Below this height, in inches, legend and scale bar would hide the picture they explain.
_LOW = 0.7
#: Below this length, in inches, numbers along an axis would run into each other.
_NARROW = 0.4
_PAD = 0.08
_GAP = 0.05
_PLATE = {"facecolor": "black", "alpha": 0.62, "linewidth": 0}


class Picture(Figure):
    """A matplotlib figure that shows itself in notebooks.

    IPython learns how to draw figures when pyplot is imported; until then a plain `Figure` shows
    as text. From then on IPython draws this one as any other, once.
    """

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


def dpi_of(style: Style) -> float:
    """Return the pixels per inch of a figure."""
    return float(style.dpi or rcParams["figure.dpi"])


def aspect_of(source: Source, names: tuple[str, str]) -> float | None:
    """Return how many units of the horizontal axis one of the vertical is.

    None when they don't measure the same (a place against time): such a picture has no right shape.
    """
    axes = axes_of(source.finest)
    horizontal, vertical = (axes[name] for name in names)
    found = ratio(vertical.unit, horizontal.unit)
    if found is None and not (vertical.unit and horizontal.unit):
        found = 1.0  # one of them has no unit: they still count the same thing, we hope
    return found if _kind(vertical) == _kind(horizontal) else None


def _kind(axis: Axis) -> str:
    return "space" if axis.is_space else (axis.type or "")


def fit(extent: Extent, aspect: float | None, size: float) -> tuple[float, float]:
    """Return width and height, in inches, of a picture whose longest side is `size`."""
    if aspect is None:
        return size, size * 0.6
    width, height = extent[1] - extent[0], (extent[2] - extent[3]) * aspect
    scale = size / max(width, height)
    return max(width * scale, _THINNEST), max(height * scale, _THINNEST)


@dataclass(frozen=True, slots=True)
class Panels:
    """Panels of one size in rows and columns.

    Parameters
    ----------
    rows, columns : int
        How many.
    width, height : float
        Of a panel, in inches.
    """

    rows: int
    columns: int
    width: float
    height: float

    @classmethod
    def of(cls, count: int, shape: tuple[float, float], size: float) -> Panels:
        """Arrange panels of a shape so that they fill a page of `size` by three quarters of it."""
        found = []
        for columns in range(1, count + 1):
            rows = -(-count // columns)
            scale = min(
                (size - (columns - 1) * _GAP) / (columns * shape[0]),
                (0.75 * size - (rows - 1) * _GAP) / (rows * shape[1]),
            )
            scale = max(scale, _THINNEST / min(shape))
            found.append(cls(rows, columns, shape[0] * scale, shape[1] * scale))
        # the largest panels; of equal ones the fewest columns, so that rows are full
        return max(found, key=lambda panels: round(panels.width, 3))

    def room(self, i: int) -> Room:
        """Return the place of a panel, in reading order."""
        row, column = divmod(i, self.columns)
        left = column * (self.width + _GAP)
        return left, (self.rows - 1 - row) * (self.height + _GAP), self.width, self.height


def make_figure(rooms: Sequence[Room], style: Style) -> tuple[Picture, list[Axes]]:
    """Make a figure with axes in these places; `tighten` gives it its size."""
    dpi = dpi_of(style)
    width = max(room[0] + room[2] for room in rooms)
    height = max(room[1] + room[3] for room in rooms)
    # room for labels on all sides, until their size is known
    figure = Picture(figsize=(width + 4, height + 4), dpi=dpi)
    FigureCanvasAgg(figure)
    axes = []
    for left, bottom, w, h in rooms:
        box = ((left + 2) / (width + 4), (bottom + 2) / (height + 4))
        axes.append(figure.add_axes((*box, w / (width + 4), h / (height + 4))))
    for ax, (_, _, w, h) in zip(axes, rooms, strict=True):
        for axis, length in ((ax.xaxis, w), (ax.yaxis, h)):
            bins = max(1, min(8, int(length / 0.6)))
            axis.set_major_locator(MaxNLocator(bins, steps=[1, 2, 5, 10]))
    return figure, axes


def tighten(figure: Figure) -> None:
    """Cut a figure to what is in it; axes keep their size and start at whole pixels."""
    dpi = figure.dpi
    old = figure.get_size_inches()
    box = figure.get_tightbbox(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    new = [math.ceil((side + 2 * _PAD) * dpi) / dpi for side in (box.width, box.height)]
    places = []
    for ax in figure.axes:
        at = ax.get_position(original=True)
        left, bottom = (at.x0 * old[0] - box.x0 + _PAD, at.y0 * old[1] - box.y0 + _PAD)
        left, bottom = round(left * dpi) / dpi, round(bottom * dpi) / dpi
        places.append(
            (
                left / new[0],
                bottom / new[1],
                at.width * old[0] / new[0],
                at.height * old[1] / new[1],
            )
        )
    figure.set_size_inches(new[0], new[1])
    for ax, place in zip(figure.axes, places, strict=True):
        ax.set_position(place)


def draw(scene: Scene, axes: Sequence[Axes], views: Sequence[View]) -> list[tuple[str, Color]]:
    """Draw views of one scene in one contrast; return the channels' names and colours."""
    shown = [view.plane for view in views]
    entries: list[tuple[str, Color]] = []
    if scene.is_label(shown[0]):
        image = resolve.image_of(shown[0].array)
        info = (image.label if image else None) or LabelInfo()
        width = int(scene.style.outline)
        pictures = [draw_labels(p.values[0], dict(info.colors), width) for p in shown]
    else:
        pictures, entries = paint(shown, scene.style)
    for ax, view, picture in zip(axes, views, pictures, strict=True):
        _draw_one(ax, view, picture, scene)
    return entries


def _draw_one(ax: Axes, view: View, picture: Any, scene: Scene) -> None:
    plane, style = view.plane, scene.style
    vertical, horizontal = plane.axes
    aspect = aspect_of(scene.source, (horizontal.name, vertical.name))
    thin = min(_size(ax)) <= _THINNEST * 1.01
    how: Any = "auto" if aspect is None or thin else aspect
    # smooth where the screen has fewer pixels; ids are never mixed
    smooth = "nearest" if picture.shape[-1] == 4 else "antialiased"
    ax.set_facecolor("black")
    ax.imshow(picture, extent=plane.extent, origin="upper", interpolation=smooth, aspect=how)
    default = 1.0 if style.outline else 0.5
    opacity = default if style.opacity is None else style.opacity
    for labels in view.labels:
        ax.imshow(
            draw_labels(labels.ids, dict(labels.info.colors), int(style.outline)),
            extent=labels.extent,
            origin="upper",
            interpolation="nearest",
            aspect=how,
            alpha=opacity,
        )
    left, right, bottom, top = plane.extent
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    if not style.ticks:
        ax.set(xticks=[], yticks=[])
        for spine in ax.spines.values():
            spine.set_visible(False)
        return
    width, height = _size(ax)
    if width < _NARROW:
        ax.set(xticks=[], xlabel=horizontal.name)
    else:
        ax.set_xlabel(_axis_text(plane, horizontal))
        ax.ticklabel_format(axis="x", style="plain", useOffset=False)
    if height < _NARROW:
        ax.set_yticks([])
        ax.set_ylabel(vertical.name, rotation=0, ha="right", va="center")
    else:
        ax.set_ylabel(_axis_text(plane, vertical))
        ax.ticklabel_format(axis="y", style="plain", useOffset=False)


def _axis_text(plane: Plane, axis: Axis) -> str:
    unit = parse_unit(axis.unit).symbol or ("px" if _counts_pixels(plane, axis.name) else "")
    return f"{axis.name} ({unit})" if unit else axis.name


def _counts_pixels(plane: Plane, name: str) -> bool:
    """Tell whether positions on an axis without a unit are pixel numbers of the finest mag."""
    image = resolve.image_of(plane.array)
    if image is not None and name in image.base.dims:
        return image.base.scale[image.base.axis(name)] == 1
    return plane.grid.scale[plane.grid.axis(name)] == 1


def scale_bar(ax: Axes, plane: Plane, style: Style) -> None:
    """Put a scale bar into axes whose both directions are places, if there is room for one."""
    vertical, horizontal = plane.axes
    places = all(axis.is_space or not (axis.type or axis.unit) for axis in (vertical, horizontal))
    if not style.scalebar or not places:
        return
    low = _size(ax)[1] < _LOW
    if low and style.ticks:
        return  # the ticks say it, and the picture stays visible
    left, right = sorted(ax.get_xlim())
    length = nice_length((right - left) * 0.3)
    nameless = "px" if _counts_pixels(plane, horizontal.name) else "(no unit)"
    text = length_text(length, horizontal.unit, nameless=nameless)
    add_scale_bar(ax, length, text, below=low)


def _size(ax: Axes) -> tuple[float, float]:
    """Return width and height of axes in inches."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_window_extent()
    return float(box.width / figure.dpi), float(box.height / figure.dpi)


def legend(
    ax: Axes, entries: Sequence[tuple[str, Color]], style: Style, *, below: bool = False
) -> None:
    """List channels and their colours; a single one is named in the title."""
    named = [(name, color) for name, color in entries if name]
    if not style.legend or len(named) < 2:
        return
    ax.legend(
        # the rim shows white on white and black on black
        handles=[Patch(fc=color, ec="gray", lw=0.5, label=name) for name, color in named],
        fontsize="small",
        handlelength=0.8,
        handleheight=0.8,
        handletextpad=0.5,
        columnspacing=1.2,
        ncols=min(6, len(named)) if below else 1,
        **_where(ax, len(named), below=below),
    )


def has_room(ax: Axes, lines: int) -> bool:
    """Tell whether axes are large enough for a legend of so many lines inside them."""
    width, height = _size(ax)
    return width >= 2.2 and height >= 0.6 + 0.2 * lines


def _where(ax: Axes, lines: int, *, below: bool) -> dict[str, Any]:
    """Place a legend: in the picture where it is large, else beside or below it."""
    if not below and has_room(ax, lines):
        plate = {"facecolor": "black", "framealpha": 0.62, "edgecolor": "none"}
        return {"loc": "upper left", "labelcolor": "white", **plate}
    anchor = (0, 0) if below else (1, 1)
    return {"loc": "upper left", "bbox_to_anchor": anchor, "frameon": False, "borderaxespad": 0.3}


def tag(ax: Axes, text: str) -> None:
    """Write into the upper left corner of a panel."""
    if text:
        ax.annotate(
            text,
            (0, 1),
            (4, -4),
            "axes fraction",
            "offset points",
            va="top",
            ha="left",
            color="white",
            fontsize="small",
            bbox={**_PLATE, "boxstyle": "round,pad=0.25"},
        )


def crosshair(ax: Axes, x: float, y: float) -> None:
    """Mark a point by two thin lines, seen on bright and on dark ground."""
    shadow: list[AbstractPathEffect] = [withStroke(linewidth=1.8, foreground="black", alpha=0.5)]
    for line in (ax.axvline(x), ax.axhline(y)):
        line.set(color="#FFD400", linewidth=0.8, linestyle=(0, (6, 4)), gid="crosshair")
        line.set_path_effects(shadow)


def place_text(axis: Axis, value: Any) -> str:
    """Say where on an axis: ``z = 12.5 µm``."""
    if np.asarray(value).dtype.kind in "fiu":
        return f"{axis.name} = {quantity(float(value), axis.unit)}"
    if isinstance(value, np.datetime64):
        return f"{axis.name} = {np.datetime_as_string(value, unit='s')}"
    return f"{axis.name} = {value}"


def title_of(
    scene: Scene, views: Sequence[View], places: Sequence[tuple[Axis, Any]], width: float
) -> str:
    """Write the title: name; mags, places, what isn't shown.

    Parameters
    ----------
    scene : Scene
        What is drawn.
    views : sequence of View
        Its planes.
    places : sequence of (Axis, object)
        Positions to name.
    width : float
        In inches; lines are broken there.
    """
    style, plane = scene.style, views[0].plane
    if style.title is False:
        return ""
    if isinstance(style.title, str):
        return style.title
    mags = list(dict.fromkeys(view.plane.mag for view in views if view.plane.mag))
    facts = [f"mag{'s' if len(mags) > 1 else ''} {', '.join(mags)}"] if mags else []
    facts += [place_text(axis, value) for axis, value in places]
    names = [channel.label for channel in plane.channels]
    alike = len({view.plane.channels for view in views}) == 1
    if len(names) == 1 and alike and not names[0].isdigit():
        facts += names
    if plane.hidden:
        facts.append(f"{len(names)} of {len(names) + plane.hidden} channels")
    points = FontProperties(size=rcParams["font.size"]).get_size_in_points()
    fits = max(24, int(max(width, 2.5) * 72 / (0.52 * points)))
    name = textwrap.shorten(scene.name, fits, placeholder="…") if " " in scene.name else scene.name
    if len(name) > fits:
        name = f"{name[: fits // 2 - 1]}…{name[-(fits // 2) :]}"
    # the facts are broken between, never within
    line = textwrap.wrap(" · ".join(fact.replace(" ", "\0") for fact in facts if fact), fits)
    return "\n".join(part for part in [name, *line] if part).replace("\0", " ")


def set_title(ax: Axes, text: str) -> None:
    """Put the title above axes, at their left edge."""
    if text:
        ax.set_title(text, loc="left", fontsize="medium", linespacing=1.3)
