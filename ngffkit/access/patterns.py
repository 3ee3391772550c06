"""How people read images: planes, cutouts, time series, all of it, a viewer's windows. No I/O."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ngffkit.grid import Grid
from ngffkit.image import Image

#: One slice per axis of an array.
Box = tuple[slice, ...]

#: Pixels of a viewer's window, x and y.
WINDOW = (1024, 768)

#: Sides of the cutouts.
CUTOUTS = (64, 256)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One way to read a level, with examples.

    Parameters
    ----------
    name : str
        ``xy plane``, ``xz plane``, ``yz plane``, ``cutout 64``, ``cutout 256``, ``time series``,
        ``full scan``, or ``view`` for a viewer's window.
    level : int
        Which level of the image.
    boxes : tuple of Box
        Examples, in pixels of that level. What a pattern costs is the mean over them.
    """

    name: str
    level: int
    boxes: tuple[Box, ...]


def patterns_of(image: Image, *, examples: int = 4, seed: int = 0) -> tuple[Pattern, ...]:
    """Return the patterns by which an image is judged: those of mag 1, then a view of each mag.

    Parameters
    ----------
    image : Image
        With its levels.
    examples : int
        Boxes per pattern, at places that `seed` chooses; the first lies in the middle.
    seed : int
        For the places.

    Returns
    -------
    tuple of Pattern
        Only those that differ: an image with one plane has no ``xz plane``, one that is smaller
        than 256 along every axis has no ``cutout 256``.

    Examples
    --------
    >>> from ngffkit.image import Level
    >>> from ngffkit.grid import Axis
    >>> axes = tuple(Axis(name, "space") for name in "zyx")
    >>> grid = Grid(axes, (100, 100, 100), (1.0,) * 3, (0.0,) * 3)
    >>> [p.name for p in patterns_of(Image("a", (Level("0", grid),)))]
    ['xy plane', 'xz plane', 'yz plane', 'cutout 64', 'full scan', 'view']
    """
    grid = image.base
    out = [
        Pattern(name, 0, tuple(_boxes(grid, sizes, examples, seed)))
        for name, sizes in _extents(grid).items()
    ]
    for i, level in enumerate(image.levels):
        window = dict(zip("xy", WINDOW, strict=True)) | {
            n: 1 for n in level.grid.dims if n not in "xy"
        }
        out.append(Pattern("view", i, tuple(_boxes(level.grid, window, examples, seed))))
    return tuple(out)


def _extents(grid: Grid) -> Mapping[str, Mapping[str, int]]:
    """Return how many pixels each pattern takes along the axes where it does not take all."""
    sizes = dict(zip(grid.dims, grid.shape, strict=True))
    one = {name: 1 for name in grid.dims if name not in grid.space}
    out: dict[str, Mapping[str, int]] = {}
    space = [name for name in grid.space if sizes[name] > 1]
    for a, b in (("x", "y"), ("x", "z"), ("y", "z")):
        if a in space and b in space:
            out[f"{a}{b} plane"] = one | {n: 1 for n in space if n not in (a, b)}
    for side in CUTOUTS:
        if any(sizes[name] > side // 2 for name in space) and any(
            sizes[name] >= side for name in space
        ):
            out[f"cutout {side}"] = one | dict.fromkeys(space, side)
    if sizes.get("t", 1) > 1:
        out["time series"] = {name: 1 for name in grid.dims if name != "t"}
    out["full scan"] = {}
    return out


def _boxes(grid: Grid, sizes: Mapping[str, int], examples: int, seed: int) -> Iterator[Box]:
    """Yield boxes of these sizes: one in the middle, the others anywhere."""
    places = random.Random(seed)  # noqa: S311 - nothing secret
    spans: Sequence[tuple[int, int]] = [
        (n, min(n, sizes.get(name, n))) for name, n in zip(grid.dims, grid.shape, strict=True)
    ]
    seen: set[tuple[int, ...]] = set()
    for i in range(examples):
        starts = tuple(
            (n - size) // 2 if i == 0 else places.randint(0, n - size) for n, size in spans
        )
        if starts not in seen:
            seen.add(starts)
            yield tuple(slice(s, s + size) for s, (_, size) in zip(starts, spans, strict=True))
