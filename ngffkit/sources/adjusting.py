"""What is said about a source from outside: pixel size, unit, origin, names, labels, a crop.

Nothing is read or copied: an adjusted source has an info of its own and hands on its reads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ngffkit.errors import PlanError, Problem
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel
from ngffkit.sources.contract import Source, SourceInfo, fingerprint_of
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.ordering import Adjusted
from ngffkit.spec.rules_axes import UNITS, suggest

#: `voxel_size` without a unit is in this one, as WEBKNOSSOS takes it, where the source has none.
_DEFAULT_UNIT = "nanometer"


def adjust(
    source: Source,
    options: ReadOptions,
    opener: Callable[[str, ReadOptions], Source] | None = None,
) -> Source:
    """Apply what `options` say over what a source says.

    Parameters
    ----------
    source : Source
        Anything.
    options : ReadOptions
        Its ``voxel_size``, ``unit``, ``origin``, ``name``, ``kind``, ``channels``, ``labels`` and
        ``crop`` are applied, in this order; the crop is in pixels of the whole image.
    opener : callable, optional
        Opens the paths that ``labels`` names.

    Returns
    -------
    Source
        The very same when nothing is said.

    Raises
    ------
    PlanError
        When an option doesn't fit the source; the message begins with its name.
    """
    info = source.info
    grid, notes = _calibrated(info.grid, options)
    grid = _moved(grid, options.origin)
    changed = replace(
        info,
        grid=grid,
        name=info.name if options.name is None else str(options.name),
        kind=info.kind if options.kind is None else options.kind,
        channels=_named(info, options.channels),
        notes=(*info.notes, *notes),
        labels=_labels(info, grid, options, opener),
    )
    if changed.kind not in ("intensity", "label"):
        raise PlanError.of(f"kind: {changed.kind!r}; 'intensity' or 'label' was expected")
    if changed.kind == "label" and changed.dtype.kind == "f":
        raise PlanError.of(
            f"kind: labels are whole numbers, the pixels are {changed.dtype}; convert them first, "
            "or leave kind='intensity'"
        )
    starts = (0,) * len(grid.shape)
    if options.crop:
        changed, starts = _cropped(changed, options.crop)
    if changed == info and _same(changed.labels, info.labels):
        return source
    return Adjusted(source, changed, tuple(range(len(starts))), starts)


def _same(labels: Mapping[str, Source], others: Mapping[str, Source]) -> bool:
    # sources are told apart by being another object; comparing them could compare pixels
    return labels.keys() == others.keys() and all(labels[n] is others[n] for n in labels)


def unit_of(text: str, *, option: str = "unit") -> str:
    r"""Return a unit as OME-Zarr spells it, which is how UDUNITS does.

    Raises
    ------
    PlanError
        When it is not understood.

    Examples
    --------
    >>> unit_of("um"), unit_of("nm"), unit_of("s"), unit_of("\\u00B5m")
    ('micrometer', 'nanometer', 'second', 'micrometer')
    """
    # ImageJ escapes the letter in its descriptions
    plain = str(text).replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    known = suggest(plain)
    if known is None:
        raise PlanError.of(
            f"{option}: {text!r} is no unit of length or time; pass e.g. 'nanometer', 'um' or 's'"
        )
    return known


def _calibrated(grid: Grid, options: ReadOptions) -> tuple[Grid, list[Problem]]:
    if options.voxel_size is None and options.unit is None:
        return grid, []
    unit = None if options.unit is None else unit_of(options.unit)
    sizes, notes = _sizes(grid, options.voxel_size)
    timed = unit in UNITS["time"]
    scale, axes = list(grid.scale), list(grid.axes)
    for i, axis in enumerate(grid.axes):
        scale[i] = sizes.get(axis.name, scale[i])
        if unit is not None and (axis.is_time if timed else axis.is_space):
            axes[i] = replace(axis, unit=unit)
        elif axis.name in sizes and axis.unit is None and (axis.is_space or axis.is_time):
            axes[i] = replace(axis, unit=_DEFAULT_UNIT if axis.is_space else "second")
    if unit is None:
        notes += _taken_as(axes, sizes)
    return Grid(tuple(axes), grid.shape, tuple(scale), grid.origin), notes


def _taken_as(axes: Sequence[Axis], sizes: Mapping[str, float]) -> list[Problem]:
    units = sorted({str(a.unit) for a in axes if a.is_space and a.name in sizes})
    if not units:
        return []
    said = f"voxel_size is taken in {' and '.join(units)}"
    return [Problem("unit", "advice", said, "pass unit= to say otherwise")]


def _sizes(grid: Grid, given: Any) -> tuple[dict[str, float], list[Problem]]:
    """Return the pixel sizes that are given, by axis."""
    if given is None:
        return {}, []
    notes: list[Problem] = []
    if isinstance(given, Mapping):
        sizes = dict(given)
    else:
        try:
            numbers = list(given)
        except TypeError:
            numbers = []
        if len(numbers) not in (2, 3):
            raise PlanError.of(
                f"voxel_size: {given!r}; sizes along x, y, z were expected, e.g. (4, 4, 40)"
            )
        if len(numbers) == 2 and "z" in grid.dims:
            raise PlanError.of(
                f"voxel_size: {given!r} has none for z; pass three, in x, y, z order"
            )
        sizes = dict(zip("xyz", numbers, strict=False))
        if "z" in sizes and "z" not in grid.dims:
            notes.append(Problem("voxel_size", "advice", "the image has no z; its size is left"))
            del sizes["z"]
    for name, value in sizes.items():
        if name not in grid.dims:
            raise PlanError.of(f"voxel_size: no axis {name!r}; the axes are {', '.join(grid.dims)}")
        if not _is_number(value) or value <= 0:
            raise PlanError.of(
                f"voxel_size: {value!r} along {name}; a positive number was expected"
            )
    return {name: float(value) for name, value in sizes.items()}, notes


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, str) and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _moved(grid: Grid, origin: Mapping[str, float] | None) -> Grid:
    if origin is None:
        return grid
    if not isinstance(origin, Mapping):
        raise PlanError.of(
            f"origin: {origin!r}; positions by axis were expected, e.g. {{'z': 12.5}}"
        )
    for name, value in origin.items():
        if name not in grid.dims:
            raise PlanError.of(f"origin: no axis {name!r}; the axes are {', '.join(grid.dims)}")
        if not _is_number(value):
            raise PlanError.of(f"origin: {value!r} along {name}; a finite number was expected")
    places = zip(grid.dims, grid.origin, strict=True)
    return replace(grid, origin=tuple(float(origin.get(name, at)) for name, at in places))


def _named(info: SourceInfo, names: Sequence[str] | None) -> tuple[Channel, ...]:
    if names is None:
        return info.channels
    if not isinstance(names, Iterable):
        raise PlanError.of(f"channels: {names!r}; a list of names was expected")
    names = [names] if isinstance(names, str) else [str(name) for name in names]
    count = info.grid.shape[info.grid.axis("c")] if "c" in info.grid.dims else 1
    if len(names) != count:
        raise PlanError.of(
            f"channels: {len(names)} names ({', '.join(names)}) for {count} "
            f"channel{'s'[: count != 1]}"
        )
    known = info.channels or tuple(Channel("") for _ in names)
    return tuple(replace(channel, label=name) for channel, name in zip(known, names, strict=True))


def _labels(
    info: SourceInfo,
    grid: Grid,
    options: ReadOptions,
    opener: Callable[[str, ReadOptions], Source] | None,
) -> dict[str, Source]:
    """Return the label images that come along, laid on the grid of their image."""
    named = isinstance(options.labels, Mapping)
    found = dict(info.labels) if options.labels is not False else {}
    if isinstance(options.labels, Mapping):
        if opener is None:
            raise PlanError.of("labels: paths of label images can't be opened here")
        own = ReadOptions(
            kind="label", labels=False, gaps=options.gaps, storage_options=options.storage_options
        )
        found = {str(name): opener(path, own) for name, path in options.labels.items()}
    told = grid != info.grid
    out = {}
    for name, label in found.items():
        free = all(axis.unit is None for axis in label.info.grid.axes if axis.is_space)
        if named or free or told or options.crop:
            # it counts pixels, or is to follow its image: then it must have the same ones
            _check_fits(grid, name, label.info.grid)
        laid = _laid_on(label, grid) if free or told else label
        crop = {k: v for k, v in (options.crop or {}).items() if k in label.info.grid.dims}
        out[name] = adjust(laid, ReadOptions(crop=crop)) if crop else laid
    return out


def _laid_on(label: Source, grid: Grid) -> Source:
    """Give a label image the pixel size, origin and units of its image."""
    own = label.info.grid
    axes, scale, origin = list(own.axes), list(own.scale), list(own.origin)
    for i, name in enumerate(own.dims):
        if name in grid.dims and not own.axes[i].is_channel:
            j = grid.axis(name)
            axes[i], scale[i], origin[i] = grid.axes[j], grid.scale[j], grid.origin[j]
    laid = Grid(tuple(axes), own.shape, tuple(scale), tuple(origin))
    if laid == own:
        return label
    n = len(own.shape)
    return Adjusted(label, replace(label.info, grid=laid), tuple(range(n)), (0,) * n)


def _check_fits(grid: Grid, name: str, other: Grid) -> None:
    """Refuse labels that lie elsewhere than their image."""
    own = dict(zip(grid.dims, grid.shape, strict=True))
    its = dict(zip(other.dims, other.shape, strict=True))
    apart = any(its.get(axis) != own.get(axis) for axis in "zyx")
    # one label image may serve all channels and times, but colours are no ids
    if apart or any(its.get(axis, 1) not in (1, own.get(axis, 1)) for axis in "tc"):
        raise PlanError.of(
            f"labels: {name!r} has {_spelled(its)} pixels, the image {_spelled(own)}; they must "
            "agree along z, y and x, and have no other channels or times. Pass labels=False to "
            "leave it out"
        )


def _spelled(sizes: Mapping[str, int]) -> str:
    return " x ".join(f"{n} ({axis})" for axis, n in sizes.items())


def _cropped(info: SourceInfo, crop: Mapping[str, slice]) -> tuple[SourceInfo, tuple[int, ...]]:
    grid = info.grid
    if not isinstance(crop, Mapping):
        raise PlanError.of(
            f"crop: {crop!r}; slices by axis were expected, e.g. {{'z': slice(0, 100)}}"
        )
    starts = [0] * len(grid.shape)
    for name, cut in crop.items():
        if name not in grid.dims:
            raise PlanError.of(f"crop: no axis {name!r}; the axes are {', '.join(grid.dims)}")
        i = grid.axis(name)
        check_cut(name, cut, grid.shape[i])
        starts[i] = cut.indices(grid.shape[i])[0]
    cropped = grid.crop(crop)
    channels = info.channels
    if channels and "c" in crop:
        channels = channels[crop["c"]]
    return (
        replace(
            info,
            grid=cropped,
            channels=channels,
            block=tuple(np.minimum(info.block, cropped.shape).tolist()),
            fingerprint=fingerprint_of([info.fingerprint, starts, cropped.shape]),
        ),
        tuple(starts),
    )


def check_cut(name: str, cut: Any, size: int) -> None:
    """Refuse a crop that is no part of an axis.

    Raises
    ------
    PlanError
        Naming the axis and what was expected.
    """
    whole = isinstance(cut, slice) and cut.step in (None, 1)
    ends = [e for e in (cut.start, cut.stop) if e is not None] if whole else []
    if not whole or not all(isinstance(e, (int, np.integer)) for e in ends):
        raise PlanError.of(
            f"crop: {cut!r} along {name}; a slice of whole pixels without a step was expected"
        )
    if any(not -size <= e <= size for e in ends) or cut.indices(size)[0] >= cut.indices(size)[1]:
        raise PlanError.of(
            f"crop: {name}={cut.start}:{cut.stop} is not a part of the {size} pixels there are"
        )
