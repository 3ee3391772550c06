"""What an image is, apart from its pixels: levels, channels, labels, plates. Values, no I/O."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ngffkit import mag as _mag
from ngffkit.grid import Grid

Kind = Literal["intensity", "label"]


@dataclass(frozen=True, slots=True)
class Window:
    """The range of values a channel is shown in.

    Parameters
    ----------
    start, end : float
        Values shown black and in full colour.
    min, max : float
        The range that may be chosen from.
    """

    start: float
    end: float
    min: float
    max: float


@dataclass(frozen=True, slots=True)
class Channel:
    """How one channel is named and shown.

    Parameters
    ----------
    label : str
        Its name.
    color : str, optional
        ``RRGGBB`` in hexadecimal.
    window : Window, optional
        The range of values it is shown in.
    active : bool
        Whether it is shown at first.
    """

    label: str
    color: str | None = None
    window: Window | None = None
    active: bool = True


@dataclass(frozen=True, slots=True)
class Level:
    """One array of a pyramid.

    Parameters
    ----------
    path : str
        Path of the array below the image's group.
    grid : Grid
        Its pixel centres.
    """

    path: str
    grid: Grid


@dataclass(frozen=True, slots=True)
class LabelInfo:
    """What the ``image-label`` metadata say of a label image.

    Parameters
    ----------
    colors : tuple of (int, tuple of int)
        RGBA, 0 to 255, by label id.
    properties : tuple of (int, Mapping)
        Further facts by label id.
    source : str, optional
        Path of the image it labels, relative to the label image.
    """

    colors: tuple[tuple[int, tuple[int, int, int, int]], ...] = ()
    properties: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    source: str | None = None


def label_color(number: int) -> tuple[int, int, int, int]:
    """Return a colour for a label (RGBA, 0 to 255), unlike its neighbours'.

    Their hues are a golden section apart, which spreads any run of numbers evenly. They are counted
    in whole numbers of 64 bits: as floats, large numbers would all be red.

    Examples
    --------
    >>> label_color(1), label_color(2)
    ((89, 138, 255, 255), (186, 255, 89, 255))
    >>> label_color(2**60) == label_color(2**60 + 1)
    False
    """
    hue = number * 0x9E3779B97F4A7C15 % 2**64 / 2**64  # 2**64 divided by the golden ratio
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255), 255


@dataclass(frozen=True, slots=True)
class Image:
    """A pyramid of arrays with its meaning.

    Parameters
    ----------
    name : str
        Its name; may be empty.
    levels : tuple of Level
        Finest first.
    channels : tuple of Channel
        One per index of the channel axis, or empty.
    kind : {"intensity", "label"}
        Whether pixels are measurements or ids.
    version : str
        Version of the specification it was written in, e.g. ``0.5``; ``zarr`` for arrays without
        OME metadata, ``webknossos`` for WEBKNOSSOS's own.
    label : LabelInfo, optional
        For labels.
    method : str, optional
        How the pyramid was made, as its writer says.
    transformations : tuple
        Transformations that can't be laid on the axes (affine, displacements, other coordinate
        systems), as the JSON values they were given as.
    coordinate_systems : tuple
        The coordinate systems those refer to, as JSON values.
    finest : tuple of (str, int)
        Pixels of mag 1 that one pixel of the finest level spans, by axis, where mag 1 itself was
        left out, as WEBKNOSSOS layers may; 1 for axes that aren't named.

    Examples
    --------
    >>> from ngffkit.grid import Axis
    >>> g = Grid((Axis("y", "space"), Axis("x", "space")), (8, 8), (1.0, 1.0), (0.0, 0.0))
    >>> Image("a", (Level("0", g), Level("1", g.coarsen({"y": 2, "x": 2})))).mags
    ('1', '2')
    """

    name: str
    levels: tuple[Level, ...]
    channels: tuple[Channel, ...] = ()
    kind: Kind = "intensity"
    version: str = ""
    label: LabelInfo | None = None
    method: str | None = None
    transformations: tuple[Any, ...] = field(default=(), hash=False)
    coordinate_systems: tuple[Any, ...] = field(default=(), hash=False)
    finest: tuple[tuple[str, int], ...] = ()

    @property
    def base(self) -> Grid:
        """The finest grid."""
        return self.levels[0].grid

    def factors(self, grid: Grid) -> dict[str, float]:
        """Return how many pixels of mag 1 one pixel of a grid spans, by axis."""
        finest = dict(self.finest)
        return {name: f * finest.get(name, 1) for name, f in grid.factors(self.base).items()}

    @property
    def mags(self) -> tuple[str, ...]:
        """The mag of each level, spelled as WEBKNOSSOS does; equal ones are told apart by path."""
        names: list[str] = []
        for level in self.levels:
            factors = self.factors(level.grid)
            space = {k: v for k, v in factors.items() if k in self.base.space}
            name = _mag.spell(space or factors)
            names.append(name if name not in names else f"{name}@{level.path}".replace("/", "_"))
        return tuple(names)

    def level_of(self, mag: object) -> int:
        """Return the position of the level whose mag, path or position `mag` names.

        Raises
        ------
        KeyError
            When there is none; the message lists the mags.
        """
        mags = self.mags
        if isinstance(mag, str) and mag in mags:
            return mags.index(mag)
        for i, name in enumerate(mags):
            if _mag.matches(mag, name) or self._matches_flat(mag, name):
                return i
        paths = [level.path for level in self.levels]
        if isinstance(mag, str) and mag in paths:
            return paths.index(mag)
        raise KeyError(f"no mag {mag!r}; this image has {', '.join(mags)}")

    def _matches_flat(self, mag: object, name: str) -> bool:
        # WEBKNOSSOS spells the mags of a flat image with a third factor, which is 1
        parts = _mag.normalise(mag).split("-")
        return (
            "z" not in self.base.dims
            and len(parts) == 3
            and parts[2] == "1"
            and _mag.normalise(parts[:2]) == name
        )

    def level_for(self, pixel_size: float | Mapping[str, float]) -> int:
        """Return the coarsest level whose pixels are no larger than `pixel_size`.

        Parameters
        ----------
        pixel_size : float or mapping of str to float
            In the unit of the axes; one number is for all spatial axes but z, which has a
            resolution of its own in most microscopes.

        Returns
        -------
        int
            Position of the level; 0 when even the finest is too coarse.
        """
        if not isinstance(pixel_size, Mapping):
            plane = [name for name in self.base.space if name != "z"] or list(self.base.space)
            pixel_size = dict.fromkeys(plane, float(pixel_size))
        wanted = {name: size for name, size in pixel_size.items() if name in self.base.dims}
        best, best_volume = 0, 0.0
        for i, level in enumerate(self.levels):
            size = {name: level.grid.scale[level.grid.axis(name)] for name in wanted}
            fits = all(size[name] <= wanted[name] * (1 + 1e-9) for name in wanted)
            volume = math.prod(level.grid.scale)
            if fits and volume > best_volume:
                best, best_volume = i, volume
        return best


@dataclass(frozen=True, slots=True)
class Well:
    """One well of a plate.

    Parameters
    ----------
    path : str
        ``row/column`` below the plate.
    row, column : str
        Their names.
    """

    path: str
    row: str
    column: str


@dataclass(frozen=True, slots=True)
class Plate:
    """A multi-well plate.

    Parameters
    ----------
    name : str
        Its name; may be empty.
    rows, columns : tuple of str
        Names of all rows and columns, with or without wells.
    wells : tuple of Well
        The wells that have images.
    acquisitions : tuple of Mapping
        As given.
    field_count : int, optional
        The largest number of fields of a well, as its writer says.
    version : str
        Version of the specification.
    """

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    wells: tuple[Well, ...]
    acquisitions: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    field_count: int | None = None
    version: str = ""
