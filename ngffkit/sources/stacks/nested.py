"""Stacks of files that are stacks themselves: a multi-page TIFF per time point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ngffkit.errors import NgffError
from ngffkit.sources.contract import Box, Source, SourceInfo, fingerprint_of, make_grid
from ngffkit.sources.stacks.patterns import Places
from ngffkit.sources.stacks.stacks import Stack, channels_of, sizes_of


@dataclass(frozen=True, slots=True)
class Sources:
    """Files that are sources of their own.

    Parameters
    ----------
    items : tuple of Source
        All of one shape and type.
    """

    items: tuple[Source, ...]

    def read(self, index: int, box: Box) -> npt.NDArray[Any]:
        """Return a box of one of them."""
        return self.items[index].read(box)


def stack_sources(folder: str, places: Places, items: Sequence[Source]) -> Source:
    """Put sources of one shape and type side by side.

    Parameters
    ----------
    folder : str
        Where their files are; it names the image.
    places : Places
        Which of them stands where.
    items : sequence of Source
        One per name in `places`.

    Raises
    ------
    NgffError
        When they differ, or have an axis inside that their names tell of as well.
    """
    first = items[0].info
    _check_alike(places, items)
    grid = first.grid
    # an axis of one pixel inside gives way to the one that the names tell of
    clash = [a for a in places.axes if a in grid.dims and grid.shape[grid.axis(a)] > 1]
    tiles = [a for a in places.axes if a in "yx"]
    if set(clash) - set(tiles):
        raise NgffError(
            f"pattern: the names tell of {', '.join(clash)}, which the files have inside "
            f"({_spelled(first)}); name another axis by pattern="
        )
    known = dict(zip(grid.dims, zip(grid.scale, grid.axes, strict=True), strict=True))
    sizes = sizes_of(places, dict(zip(grid.dims, grid.shape, strict=True)), None)
    made = make_grid(
        sizes,
        {name: scale for name, (scale, _) in known.items()},
        {name: axis.unit for name, (_, axis) in known.items()},
        dict(zip(grid.dims, grid.origin, strict=True)),
    )
    block = [
        first.block[grid.axis(name)] if name in grid.dims and name not in clash else 1
        for name in made.dims
    ]
    channels = channels_of(places, 0) if "c" in places.axes else first.channels
    info = SourceInfo(
        made,
        first.dtype,
        name=Path(folder).resolve().name,
        kind=first.kind,
        channels=channels,
        label=first.label,
        block=tuple(block),
        scratch=first.scratch,
        fingerprint=fingerprint_of(
            [places.names, places.table.tolist(), [item.info.fingerprint for item in items]]
        ),
        notes=(*places.notes, *first.notes),
    )
    size = (grid.shape[grid.axis("y")], grid.shape[grid.axis("x")])
    return Stack(info, Sources(tuple(items)), grid.dims, places.axes, places.table, size)


def _check_alike(places: Places, items: Sequence[Source]) -> None:
    first = items[0].info
    for name, item in zip(places.names, items, strict=True):
        info = item.info
        if (info.grid.dims, info.grid.shape, info.dtype) != (
            first.grid.dims,
            first.grid.shape,
            first.dtype,
        ):
            raise NgffError(
                f"{name} holds {_spelled(info)}, but {places.names[0]} holds {_spelled(first)}; "
                "all files of a stack must be of one size and type"
            )


def _spelled(info: SourceInfo) -> str:
    sizes = " x ".join(
        f"{n} ({axis})" for axis, n in zip(info.grid.dims, info.grid.shape, strict=True)
    )
    return f"{sizes} of {info.dtype}"
