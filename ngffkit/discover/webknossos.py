"""WEBKNOSSOS datasets: what ``datasource-properties.json`` says, as images.

Layers are arrays in the order c, x, y, z, one per mag, padded beyond the bounding box that the
properties name. Voxel ``i`` of mag ``m`` covers the voxels ``i*m`` to ``(i+1)*m`` of mag 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from ngffkit import mag as _mag
from ngffkit.chunks.arrays import ArraySpec
from ngffkit.discover.documents import PROPERTIES, Metadata
from ngffkit.discover.nodes import Node, Wanted
from ngffkit.errors import MetadataError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image, LabelInfo, Level, Window
from ngffkit.shown import shown
from ngffkit.spec import safe_path

_FORMATS = {"zarr": 2, "zarr3": 3}

#: What else it has layers in.
_OTHERS = ("wkw", "n5", "neuroglancerPrecomputed")

#: Longer lists than these are an attack, not a dataset.
_MAX_LAYERS, _MAX_MAGS, _MAX_AXES = 1024, 64, 16

#: No voxel lies further out.
_FAR = 2**40


@dataclass(frozen=True, slots=True)
class _Mag:
    """One mag of a layer: where it is and how its dimensions are called."""

    factors: tuple[int, int, int]
    path: str
    order: Mapping[str, int]
    channels: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Extra:
    """A further axis of a layer: its name, which dimension it is, and what of it is inside."""

    name: str
    index: int
    bounds: tuple[int, int]


def walk(meta: Metadata, properties: Mapping[str, Any], wanted: Wanted) -> Node:
    """Make nodes of the layers of a dataset.

    Raises
    ------
    MetadataError
        With the JSON path of what is wrong.
    """
    loc = f"{PROPERTIES}: dataLayers"
    layers = _list(properties.get("dataLayers"), _MAX_LAYERS, loc)
    if not layers:
        raise MetadataError("has no layers", loc)
    voxel, unit = _voxel_size(properties.get("scale"))
    children: dict[str, Node] = {}
    names: set[str] = set()
    formats = [_mapping(v, f"{loc}[{i}]").get("dataFormat") for i, v in enumerate(layers)]
    others = [name for name in formats if name in _OTHERS]
    notes = []
    for i, layer in enumerate(layers):
        here = f"{loc}[{i}]"
        name = safe_path(layer.get("name"), f"{here}.name")
        if name in names:
            raise MetadataError(f"is {name!r} once more; names must differ", f"{here}.name")
        names.add(name)
        if formats[i] in _OTHERS and len(others) < len(layers):
            # one layer in an older format does not take the others away
            notes.append(f"layer {name!r} is left out: {_unreadable(formats[i])}")
            continue
        children[name] = _layer(meta, layer, here, (voxel, unit), wanted)
    return Node("", "webknossos", children=children, attrs=properties, notes=tuple(notes))


def _unreadable(data_format: Any) -> str:
    return (
        f"its format is {shown(data_format)}; only 'zarr' and 'zarr3' can be read. Convert the "
        "layer first, e.g. with `webknossos convert-zarr`"
    )


def _mapping(value: Any, loc: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise MetadataError(f"is {shown(value)}; an object was expected", loc)
    return value


def _list(value: Any, most: int, loc: str) -> list[Any]:
    if not isinstance(value, list):
        raise MetadataError(f"is {shown(value)}; a list was expected", loc)
    if len(value) > most:
        raise MetadataError(f"has {len(value)} entries; at most {most} are understood", loc)
    return value


def _voxel_size(scale: Any) -> tuple[tuple[float, ...], str]:
    loc, unit = f"{PROPERTIES}: scale", "nanometer"
    if isinstance(scale, Mapping):
        unit = scale.get("unit", unit)
        if not isinstance(unit, str):
            raise MetadataError(f"is {shown(unit)}; the name of a unit was expected", f"{loc}.unit")
        scale, loc = scale.get("factor"), f"{loc}.factor"
    return tuple(map(float, _triple(scale, loc))), unit


def _triple(value: Any, loc: str, *, whole: bool = False) -> list[Any]:
    if _is_number(value):
        value = [value] * 3
    if not isinstance(value, list) or len(value) != 3:
        raise MetadataError(f"is {shown(value)}; three numbers were expected", loc)
    for i, number in enumerate(value):
        good = _is_number(number) and 0 < number < 1e15 and (not whole or number == int(number))
        if not good:
            kind = "whole number" if whole else "number"
            raise MetadataError(
                f"is {shown(number)}; a positive {kind} was expected", f"{loc}[{i}]"
            )
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _layer(
    meta: Metadata,
    layer: Mapping[str, Any],
    loc: str,
    voxel: tuple[tuple[float, ...], str],
    wanted: Wanted,
) -> Node:
    data_format = layer.get("dataFormat")
    if not isinstance(data_format, str) or data_format not in _FORMATS:
        raise MetadataError(
            _unreadable(data_format).removeprefix("its format "),
            f"{loc}.dataFormat",
        )
    box = _box(layer.get("boundingBox"), f"{loc}.boundingBox")
    extra = _extra_axes(layer.get("additionalAxes"), f"{loc}.additionalAxes")
    mags = _mags(layer, f"{loc}.mags")
    if wanted.mag is not None:
        mags = _only(mags, wanted.mag)
    specs = _arrays(meta, [m.path for m in mags], _FORMATS[data_format], loc)
    levels, crops = [], []
    for entry, spec in zip(mags, specs, strict=True):
        try:
            grid, crop = _place(entry, spec, extra, box, voxel)
        except ValueError as err:
            raise MetadataError(str(err), f"{loc}.mags: {entry.path}") from None
        levels.append(Level(entry.path, grid))
        crops.append(crop)
    segmentation = layer.get("category") == "segmentation"
    image = Image(
        name=str(layer["name"]),
        levels=tuple(levels),
        channels=_channels(layer, levels[0].grid),
        kind="label" if segmentation else "intensity",
        version="webknossos",
        label=LabelInfo() if segmentation else None,
        finest=tuple(zip("xyz", mags[0].factors, strict=True)),
    )
    return Node("", "image", image, specs, attrs=layer, crops=tuple(crops))


def _are_numbers(value: Any, count: int) -> TypeGuard[list[float]]:
    return isinstance(value, list) and len(value) == count and all(map(_is_number, value))


def _mags(layer: Mapping[str, Any], loc: str) -> list[_Mag]:
    """Return the mags of a layer, finest first."""
    items = _list(layer.get("mags"), _MAX_MAGS, loc)
    if not items:
        raise MetadataError("is empty; one mag at least was expected", loc)
    mags: dict[str, _Mag] = {}
    for i, item in enumerate(items):
        entry = _parse_mag(layer, item, f"{loc}[{i}]")
        if entry.path in mags:
            raise MetadataError(f"is {entry.path!r} once more", f"{loc}[{i}].path")
        mags[entry.path] = entry
    return sorted(mags.values(), key=lambda entry: (math.prod(entry.factors), entry.factors))


def _parse_mag(layer: Mapping[str, Any], item: Any, loc: str) -> _Mag:
    factors = [int(n) for n in _triple(_mapping(item, loc).get("mag"), f"{loc}.mag", whole=True)]
    path = item.get("path")
    if path is None:
        path = f"{layer['name']}/{_mag.normalise(factors)}"
    if isinstance(path, str):
        path = path.removeprefix("./").rstrip("/")
    return _Mag(
        (factors[0], factors[1], factors[2]),
        safe_path(path, f"{loc}.path"),
        _order(item.get("axisOrder"), f"{loc}.axisOrder"),
        _channel_span(layer, item.get("channelIndex"), f"{loc}.channelIndex"),
    )


def _channel_span(layer: Mapping[str, Any], index: Any, loc: str) -> tuple[int, int] | None:
    """Return which channels of the array a layer has; None when it has them all."""
    if index is None:
        return None
    count = layer.get("numChannels", 1)
    if not _is_span(index, _FAR - 1) or not _is_span(0, count):
        raise MetadataError(f"is {shown(index)}; the position of a channel was expected", loc)
    return index, index + count


def _order(value: Any, loc: str) -> Mapping[str, int]:
    if value is None:
        return {}
    for name, position in _mapping(value, loc).items():
        if not _is_position(position):
            raise MetadataError(
                f"is {shown(position)}; the position of a dimension was expected", f"{loc}.{name}"
            )
    return dict(value)


def _is_position(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_AXES


def _extra_axes(value: Any, loc: str) -> list[_Extra]:
    out = []
    for i, item in enumerate([] if value is None else _list(value, _MAX_AXES, loc)):
        here = f"{loc}[{i}]"
        name, at = _mapping(item, here).get("name"), item.get("index")
        if not isinstance(name, str) or not name or name in ("x", "y", "z", "c"):
            raise MetadataError(
                f"is {shown(name)}; the name of an axis was expected", f"{here}.name"
            )
        if not _is_position(at):
            raise MetadataError(
                f"is {shown(at)}; the position of a dimension was expected", f"{here}.index"
            )
        bounds = item.get("bounds")
        if not isinstance(bounds, list) or len(bounds) != 2 or not _is_span(*bounds):
            raise MetadataError(
                f"is {shown(bounds)}; two rising whole numbers were expected", f"{here}.bounds"
            )
        out.append(_Extra(name, at, (bounds[0], bounds[1])))
    return out


def _is_span(low: Any, high: Any) -> bool:
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (low, high))
    return whole and 0 <= low < high < _FAR


def _only(mags: Sequence[_Mag], wanted: object) -> list[_Mag]:
    for entry in mags:
        if _mag.matches(wanted, _mag.normalise(entry.factors)):
            # grids are placed relative to the finest, so that one is needed as well
            return [mags[0]] if entry is mags[0] else [mags[0], entry]
    raise KeyError(f"no mag {wanted!r}; this layer has {[m.factors for m in mags]}")


def _arrays(
    meta: Metadata, paths: Sequence[str], zarr_format: int, loc: str
) -> tuple[ArraySpec, ...]:
    meta.format = zarr_format
    out = []
    for path, doc in zip(paths, meta.arrays(paths), strict=True):
        if doc is None:
            raise MetadataError(f"names the array {path!r}, which does not exist", f"{loc}.mags")
        out.append(doc.spec())
    return tuple(out)


def _box(value: Any, loc: str) -> tuple[tuple[int, int], ...]:
    value = _mapping(value, loc)
    corner = value.get("topLeft")
    if not isinstance(corner, list) or len(corner) != 3:
        raise MetadataError(f"is {shown(corner)}; three numbers were expected", f"{loc}.topLeft")
    out = []
    for i, key in enumerate(("width", "height", "depth")):
        low, size = corner[i], value.get(key)
        if not _is_span(low, _FAR - 1):
            raise MetadataError(f"is {shown(low)}; a voxel was expected", f"{loc}.topLeft[{i}]")
        if not _is_span(0, size):
            raise MetadataError(
                f"is {shown(size)}; a number of voxels was expected", f"{loc}.{key}"
            )
        out.append((low, low + size))
    return tuple(out)


def _place(
    entry: _Mag,
    spec: ArraySpec,
    extra: Sequence[_Extra],
    box: tuple[tuple[int, int], ...],
    voxel: tuple[tuple[float, ...], str],
) -> tuple[Grid, Mapping[str, slice]]:
    """Return the grid of the part of an array inside the bounding box, and that part."""
    shape = spec.layout.shape
    names = _dims(entry, spec, extra)
    bounds = {axis.name: axis.bounds for axis in extra}
    axes, scale, origin, crop = [], [], [], {}
    for name, size in zip(names, shape, strict=True):
        low, high, step, first = 0, size, 1.0, 0.0
        kind, unit = "custom", None
        if name in ("x", "y", "z"):
            i = "xyz".index(name)
            factor = entry.factors[i]
            low, high = box[i][0] // factor, -(-box[i][1] // factor)
            kind, unit, step = "space", voxel[1], factor * voxel[0][i]
            first = (low * factor + (factor - 1) / 2) * voxel[0][i]
        elif name == "c":
            kind = "channel"
            low, high = entry.channels or (low, high)
        else:
            kind = "time" if name == "t" else kind
            low, high = bounds.get(name, (low, high))
            first = float(low)
        axes.append(Axis(name, kind, unit))
        scale.append(step)
        origin.append(first)
        crop[name] = slice(min(low, size), min(high, size))
    sizes = tuple(cut.stop - cut.start for cut in crop.values())
    return Grid(tuple(axes), sizes, tuple(scale), tuple(origin)), crop


def _dims(entry: _Mag, spec: ArraySpec, extra: Sequence[_Extra]) -> tuple[str, ...]:
    ndim = len(spec.layout.shape)
    order = dict(entry.order) | {axis.name: axis.index for axis in extra}
    if sorted(order.values()) == list(range(ndim)):
        return tuple(sorted(order, key=lambda name: order[name]))
    named = spec.dims or ()
    if {"x", "y", "z"} <= set(named) and None not in named:
        return tuple(str(name) for name in named)
    if ndim in (3, 4) and not order:
        return ("c", "x", "y", "z")[4 - ndim :]
    if not entry.order and ndim == 4 + len(extra):
        # as WEBKNOSSOS lays them out: c, the further axes where they say, x, y, z
        rest = iter("cxyz")
        at = {axis.index: axis.name for axis in extra}
        return tuple(at.get(i) or next(rest) for i in range(ndim))
    raise ValueError(
        f"the array has {ndim} dimensions, axisOrder and additionalAxes name {shown(sorted(order))}"
    )


def _channels(layer: Mapping[str, Any], grid: Grid) -> tuple[Channel, ...]:
    view = layer.get("defaultViewConfiguration")
    counts = [n for axis, n in zip(grid.axes, grid.shape, strict=True) if axis.is_channel]
    if not isinstance(view, Mapping) or counts not in ([], [1]):
        return ()
    color, span = view.get("color"), view.get("intensityRange")
    hexed = window = None
    if _are_numbers(color, 3) and all(0 <= v <= 255 for v in color):
        hexed = "".join(f"{int(v):02X}" for v in color)
    if _are_numbers(span, 2) and all(abs(v) < 1e300 for v in span):
        low, high = map(float, span)
        window = Window(low, high, low, high)
    if hexed is None and window is None:
        return ()
    return (Channel(str(layer["name"]), hexed, window),)
