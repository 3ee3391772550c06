"""WEBKNOSSOS datasets: what ``datasource-properties.json`` says, as images.

Layers are arrays in the order c, x, y, z, one per mag, padded beyond the bounding box that the
properties name. Voxel ``i`` of mag ``m`` covers the voxels ``i*m`` to ``(i+1)*m`` of mag 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ngffkit import mag as _mag
from ngffkit.arrays import ArraySpec
from ngffkit.errors import MetadataError, NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image, LabelInfo, Level, Window
from ngffkit.spec import safe_path

if TYPE_CHECKING:
    from ngffkit.walk import Metadata, Node, Wanted

PROPERTIES = "datasource-properties.json"

_FORMATS = {"zarr": 2, "zarr3": 3}


@dataclass(frozen=True, slots=True)
class _Mag:
    """One mag of a layer: where it is and how its dimensions are called."""

    factors: tuple[int, int, int]
    path: str
    order: Mapping[str, int]


def walk(meta: Metadata, properties: Mapping[str, Any], wanted: Wanted) -> Node:
    """Make nodes of the layers of a dataset.

    Raises
    ------
    MetadataError
        With the JSON path of what is wrong.
    """
    from ngffkit.walk import Node

    layers = properties.get("dataLayers")
    if not isinstance(layers, list):
        raise MetadataError("is missing; a list was expected", f"{PROPERTIES}: dataLayers")
    voxel, unit = _voxel_size(properties.get("scale"))
    children: dict[str, Node] = {}
    for i, layer in enumerate(layers):
        loc = f"{PROPERTIES}: dataLayers[{i}]"
        if not isinstance(layer, Mapping):
            raise MetadataError("is no object", loc)
        name = safe_path(layer.get("name"), f"{loc}.name")
        children[name] = _layer(meta, layer, loc, (voxel, unit), wanted)
    if not children:
        raise MetadataError("has no layers", f"{PROPERTIES}: dataLayers")
    return Node("", "webknossos", children=children, attrs=properties)


def _voxel_size(scale: Any) -> tuple[tuple[float, ...], str]:
    loc = f"{PROPERTIES}: scale"
    unit = "nanometer"
    if isinstance(scale, Mapping):
        unit = str(scale.get("unit", unit))
        scale = scale.get("factor")
    return tuple(_triple(scale, loc, float)), unit


def _triple(value: Any, loc: str, kind: type) -> list[Any]:
    if isinstance(value, (int, float)):
        value = [value] * 3
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not all(isinstance(v, (int, float)) and 0 < v < 1e15 for v in value)
    ):
        raise MetadataError(f"is {value!r}; three positive numbers were expected", loc)
    return [kind(v) for v in value]


def _layer(
    meta: Metadata,
    layer: Mapping[str, Any],
    loc: str,
    voxel: tuple[tuple[float, ...], str],
    wanted: Wanted,
) -> Node:
    from ngffkit.walk import Node

    data_format = layer.get("dataFormat")
    if data_format not in _FORMATS:
        raise NgffError(
            f"{loc}.dataFormat is {data_format!r}; only zarr and zarr3 can be read. Convert the "
            "layer first, e.g. with `webknossos convert-zarr`"
        )
    box = _box(layer.get("boundingBox"), f"{loc}.boundingBox")
    extra = [a for a in layer.get("additionalAxes") or [] if isinstance(a, Mapping)]
    mags = sorted(
        (_parse_mag(layer, item, f"{loc}.mags[{i}]") for i, item in enumerate(_mags(layer, loc))),
        key=lambda m: m.factors,
    )
    if wanted.mag is not None:
        mags = _only(mags, wanted.mag)
    specs = _arrays(meta, [m.path for m in mags], _FORMATS[data_format], loc)
    levels, crops = [], []
    for entry, spec in zip(mags, specs, strict=True):
        grid, crop = _place(entry, spec, extra, box, voxel)
        levels.append(Level(entry.path, grid))
        crops.append(crop)
    segmentation = layer.get("category") == "segmentation"
    image = Image(
        name=str(layer["name"]),
        levels=tuple(levels),
        channels=_channels(layer),
        kind="label" if segmentation else "intensity",
        version="webknossos",
        label=LabelInfo() if segmentation else None,
    )
    return Node("", "image", image, specs, attrs=layer, crops=tuple(crops))


def _mags(layer: Mapping[str, Any], loc: str) -> list[Any]:
    mags = layer.get("mags")
    if not isinstance(mags, list) or not mags:
        raise MetadataError("is missing; a list of mags was expected", f"{loc}.mags")
    return mags


def _parse_mag(layer: Mapping[str, Any], item: Any, loc: str) -> _Mag:
    if not isinstance(item, Mapping):
        raise MetadataError("is no object", loc)
    factors = _triple(item.get("mag"), f"{loc}.mag", int)
    path = item.get("path")
    if path is None:
        path = f"{layer['name']}/{_mag.normalise(factors)}"
    if isinstance(path, str):
        path = path.removeprefix("./").rstrip("/")
    order = item.get("axisOrder")
    named = isinstance(order, Mapping) and all(isinstance(v, int) for v in order.values())
    return _Mag(
        (factors[0], factors[1], factors[2]),
        safe_path(path, f"{loc}.path"),
        dict(order) if named else {},  # type: ignore[arg-type]
    )


def _only(mags: Sequence[_Mag], wanted: object) -> list[_Mag]:
    base = mags[0].factors
    for entry in mags:
        ratio = [a / b for a, b in zip(entry.factors, base, strict=True)]
        if _mag.matches(wanted, _mag.normalise(ratio)):
            # mags are relative to the finest, so that one is needed as well
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
    if not isinstance(value, Mapping):
        raise MetadataError("is missing; topLeft, width, height and depth were expected", loc)
    corner = value.get("topLeft")
    sizes = [value.get(key) for key in ("width", "height", "depth")]
    numbers = [*(corner if isinstance(corner, list) else []), *sizes]
    if len(numbers) != 6 or not all(isinstance(n, int) and 0 <= n < 2**40 for n in numbers):
        raise MetadataError(f"is {dict(value)!r}; whole numbers >= 0 were expected", loc)
    return tuple((numbers[i], numbers[i] + numbers[i + 3]) for i in range(3))


def _place(
    entry: _Mag,
    spec: ArraySpec,
    extra: Sequence[Mapping[str, Any]],
    box: tuple[tuple[int, int], ...],
    voxel: tuple[tuple[float, ...], str],
) -> tuple[Grid, Mapping[str, slice]]:
    """Return the grid of the part of an array inside the bounding box, and that part."""
    shape = spec.layout.shape
    names = _dims(entry, spec, extra)
    bounds = {str(a.get("name")): a.get("bounds") for a in extra}
    axes, scale, origin, crop = [], [], [], {}
    for name, size in zip(names, shape, strict=True):
        low, high, step, first = 0, size, 1.0, 0.0
        kind, unit = "custom", None
        if name in ("x", "y", "z"):
            i = "xyz".index(name)
            factor = entry.factors[i]
            low, high = box[i][0] // factor, min(-(-box[i][1] // factor), size)
            kind, unit, step = "space", voxel[1], factor * voxel[0][i]
            first = (low * factor + (factor - 1) / 2) * voxel[0][i]
        elif name == "c":
            kind = "channel"
        else:
            kind = "time" if name == "t" else kind
            limits = bounds.get(name)
            if isinstance(limits, list) and len(limits) == 2:
                low, high = int(limits[0]), min(int(limits[1]), size)
                first = float(low)
        axes.append(Axis(name, kind, unit))
        scale.append(step)
        origin.append(first)
        crop[name] = slice(low, max(low, high))
    sizes = tuple(max(0, cut.stop - cut.start) for cut in crop.values())
    return Grid(tuple(axes), sizes, tuple(scale), tuple(origin)), crop


def _dims(entry: _Mag, spec: ArraySpec, extra: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    ndim = len(spec.layout.shape)
    order = dict(entry.order)
    for axis in extra:
        if isinstance(axis.get("name"), str) and isinstance(axis.get("index"), int):
            order[axis["name"]] = axis["index"]
    if sorted(order.values()) == list(range(ndim)):
        return tuple(sorted(order, key=lambda name: order[name]))
    if spec.dims is not None and {"x", "y", "z"} <= set(spec.dims):
        return tuple(str(name) for name in spec.dims)
    if ndim in (3, 4):
        return ("c", "x", "y", "z")[4 - ndim :]
    raise MetadataError(
        f"has {ndim} dimensions, axisOrder and additionalAxes name {sorted(order)}", entry.path
    )


def _channels(layer: Mapping[str, Any]) -> tuple[Channel, ...]:
    view = layer.get("defaultViewConfiguration")
    if not isinstance(view, Mapping):
        return ()
    color, span = view.get("color"), view.get("intensityRange")
    hexed = window = None
    if isinstance(color, list) and len(color) == 3 and all(
        isinstance(v, (int, float)) and 0 <= v <= 255 for v in color
    ):
        hexed = "".join(f"{int(v):02X}" for v in color)
    if isinstance(span, list) and len(span) == 2 and all(
        isinstance(v, (int, float)) for v in span
    ):
        window = Window(float(span[0]), float(span[1]), float(span[0]), float(span[1]))
    if hexed is None and window is None:
        return ()
    return (Channel(str(layer["name"]), hexed, window),)
