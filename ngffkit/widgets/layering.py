"""From whatever holds an image to the layers of a scene."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray as xr

from ngffkit import api, mag, regions, resolve
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.image import Channel, LabelInfo
from ngffkit.plots import planes
from ngffkit.plots.levels import Source
from ngffkit.plots.overlays import overlays_of
from ngffkit.plots.scalebar import ratio
from ngffkit.plots.scene import name_of
from ngffkit.widgets.axes import (
    Measured,
    check_axes,
    clean,
    measure,
    measured_axes,
    whole_image,
)
from ngffkit.widgets.given import held, labelled
from ngffkit.widgets.layers import Layer, LayerChannel, Layers, ViewAxis, ViewLevel, limits_of
from ngffkit.widgets.pixels import pixels_of

#: Tiles are about so many pixels wide.
_TILE = 256

#: No level has more pixels along an axis of a plane than the coarsest may have.
_COARSEST = 1024

#: Pixels of the coarsest level of a volume in memory, so that it can be projected as a whole.
_VOLUME = 2**21

Mags = list[tuple[str, xr.DataArray]]


def layers_of(obj: Any, labels: Any, name: str | None) -> Layers:
    """Make the scene; see `Layers.of`."""
    if isinstance(obj, Layers):
        return obj
    given = held(obj, labels=labels)
    mags = _mags_of(Source.of(given))
    finest = mags[0][1]
    check_axes(finest)
    is_label = resolve.is_label(finest) and finest.dtype.kind in "bui"
    channel = None if is_label else _channel_dim(finest)
    measured = measured_axes(finest, channel)
    spatial = _spatial(measured)
    axes = _view_axes(measured, spatial)
    scene = Layers(
        str(name) if name is not None else name_of(given, finest) or "image",
        axes,
        spatial,
        _planes(spatial),
        (),
        obj,
    )
    image = _layer(scene, mags, name_of(given, finest) or "image", channel, is_label=is_label)
    overlays = () if is_label and labels is True else _overlays(given, finest, labels)
    found = [image]
    for title, source in overlays:
        made = _label_layer(scene, mags[0], title, source, [layer.name for layer in found])
        if made is not None:
            found.append(made)
    return replace(scene, layers=tuple(found))


# --- what it is ----------------------------------------------------------------------------------


def _channel_dim(da: xr.DataArray) -> str | None:
    found = resolve.channel_dim(da)
    return found if found in da.dims else None


def _spatial(measured: Mapping[str, Measured]) -> tuple[str, ...]:
    names = [name for name, found in measured.items() if found.axis.is_space]
    if len(names) < 2:
        names = list(measured)[-2:]
    if len(names) < 2:
        raise NgffError(
            f"a plane needs two axes; besides channels there is {', '.join(measured) or 'none'}"
        )
    return tuple(names[-3:])


def _planes(spatial: Sequence[str]) -> tuple[tuple[str, str], ...]:
    *rest, y, x = spatial
    if "x" in spatial and "y" in spatial:
        y, x = "y", "x"
        rest = [name for name in spatial if name not in "xy"]
    return ((x, y), (x, rest[0]), (rest[0], y)) if rest else ((x, y),)


def _view_axes(measured: Mapping[str, Measured], spatial: Sequence[str]) -> tuple[ViewAxis, ...]:
    unit = measured[spatial[-1]].axis.unit
    ratios = {name: ratio(measured[name].axis.unit, unit) for name in spatial}
    for name, factor in ratios.items():
        if factor is None and not (unit and measured[name].axis.unit):
            ratios[name] = 1.0  # one has no unit: they still count the same thing, we hope
    comparable = None not in ratios.values()
    out = []
    for name, found in measured.items():
        kind = found.axis.type or ("space" if found.axis.is_space else "other")
        shown = found.scale * (ratios[name] or 1.0) if comparable and name in spatial else 1.0
        axis = ViewAxis(
            name,
            "space" if name in spatial else "time" if found.axis.is_time else kind,
            found.symbol,
            found.size,
            found.scale,
            found.origin,
            found.values,
            shown,
            found.index,
        )
        out.append(axis)
    return tuple(out)


# --- mags ----------------------------------------------------------------------------------------


def _mags_of(source: Source) -> Mags:
    """Return the arrays of a source by their mags, each once, finest first."""
    if source.image is None:
        da = source.finest
        known = whole_image(da)
        if known is None:
            return [(source.mag(0, da) or "1", da)]
        opened, own = known
        out = []
        for i, name in enumerate(opened.image.mags):
            try:
                out.append((name, resolve.array_of(regions.at(da, opened, name))))
            except NgffError as err:
                if i == own:
                    raise
                warnings.warn(f"mag {name} is left out: {err}", NgffWarning, stacklevel=4)
        return out
    return [(source.image.mags[i], source.load(i)) for i in source.levels]


def _coarser(
    scene: Layers, last: tuple[str, xr.DataArray], axes: Sequence[str]
) -> Iterator[tuple[str, xr.DataArray, dict[str, int]]]:
    """Yield every n-th pixel of the coarsest array, until its planes are small."""
    name, da = last
    # positions that are pixel numbers would be counted anew after each stride
    bare = [n for n in axes if n not in da.coords]
    da = da.assign_coords({n: np.arange(float(da.sizes[n])) for n in bare})
    extent = {n: measure(da, n).scale * scene.axis(n).display for n in axes if n in scene.spatial}
    in_memory = da.variable._in_memory  # noqa: SLF001 - `.values` would load what isn't
    stride = dict.fromkeys(extent, 1)
    while True:
        size = {n: -(-da.sizes[n] // step) for n, step in stride.items()}
        large = in_memory and len(size) > 2 and math.prod(size.values()) > _VOLUME
        if max(size.values(), default=1) <= _COARSEST and not large:
            return
        free = [n for n in stride if size[n] > 64] or [n for n in stride if size[n] > 1]
        # pixels become cubes first, as WEBKNOSSOS has it
        least = min(extent[n] * stride[n] for n in free)
        for n in free:
            if extent[n] * stride[n] < 2 * least * (1 - 1e-6):
                stride[n] *= 2
        steps = {n: slice(None, None, step) for n, step in stride.items()}
        yield _spelled(name, stride), da.isel(steps), dict(stride)


def _spelled(finest: str, stride: Mapping[str, float]) -> str:
    """Spell the mag whose pixels span so many of another mag."""
    parts = finest.split("@", maxsplit=1)[0].split("-")
    names = sorted(stride, key=lambda name: ("xyz".find(name) % 99, 0))
    try:
        own = [float(part) for part in parts]
    except ValueError:
        own = [1.0]
    # one number is for all axes; of a flat cutout of a volume the third is left over
    own = own[: len(names)] if len(own) >= len(names) else own[:1] * len(names)
    return mag.spell({n: f * stride[n] for n, f in zip(names, own, strict=True)})


# --- layers --------------------------------------------------------------------------------------


def _layer(scene: Layers, mags: Mags, name: str, channel: str | None, *, is_label: bool) -> Layer:
    """Make a layer of arrays that have the same axes, all of them the scene's."""
    finest = mags[0][1]
    axes = tuple(str(dim) for dim in finest.dims if dim != channel)
    listed: list[tuple[str, xr.DataArray, dict[str, int]]] = [(m, da, {}) for m, da in mags]
    listed += _coarser(scene, mags[-1], axes)
    levels: list[ViewLevel] = []
    for mag_name, da, stride in listed:
        unique = mag_name
        while any(unique == level.mag for level in levels):
            unique = f"{mag_name}@{len(levels)}" if unique == mag_name else f"{unique}'"
        levels.append(_level(scene, unique, da, axes, channel, stride))
    known = resolve.image_of(finest)
    info = (known.label if known is not None and is_label else None) or LabelInfo()
    dtype = levels[0].pixels.dtype
    channels = (
        (LayerChannel("", (0.0, 1.0), Channel("")),) if is_label else _channels(finest, dtype)
    )
    kind: Any = "label" if is_label else "intensity"
    return Layer(name, kind, dtype, axes, channels, tuple(levels), info.colors if is_label else ())


def _channels(finest: xr.DataArray, dtype: np.dtype[Any]) -> tuple[LayerChannel, ...]:
    channel = _channel_dim(finest)
    if channel is None:
        named = planes.named_channels(finest)[:1] or (Channel(""),)
        shown = [0]
    else:
        named = planes.named_channels(finest)
        shown = planes.choose_channels(finest, None)[0]
    small = dtype.kind in "ui" and dtype.itemsize <= 2
    limits = (0.0, 1.0) if finest.dtype == bool or not small else limits_of(dtype)
    return tuple(LayerChannel(c.label, limits, c, i in shown) for i, c in enumerate(named))


def _level(
    scene: Layers,
    name: str,
    da: xr.DataArray,
    axes: tuple[str, ...],
    channel: str | None,
    stride: Mapping[str, int],
) -> ViewLevel:
    pixels = pixels_of(da, channel, axes, _TILE)
    shape = {n: int(da.sizes[n]) for n in axes}
    factor, offset = {}, {}
    for n in axes:
        base, found = scene.axis(n), measure(da, n)
        even = base.values is None and found.values is None
        factor[n] = clean(found.scale / base.scale, 1e-9) if even else 1.0
        offset[n] = clean((found.origin - base.origin) / base.scale, 1e-6) if even else 0.0
    chunk = {n: min(cut.chunk, shape[n]) for n, cut in zip(axes, pixels.cuts[1:], strict=True)}
    tile = {n: min(_tile(chunk[n]), shape[n]) for n in axes if n in scene.spatial}
    strides = {n: int(stride.get(n, 1)) for n in axes}
    return ViewLevel(name, shape, factor, offset, chunk, tile, strides, da, pixels)


def _tile(chunk: int) -> int:
    return _TILE if chunk > _TILE else _TILE // chunk * chunk


# --- labels --------------------------------------------------------------------------------------


def _overlays(obj: Any, finest: xr.DataArray, labels: Any) -> list[tuple[str, Source]]:
    """Find the label images that are meant, with what they are to be called."""
    if labels is None or labels is False:
        return []
    obj = obj if isinstance(obj, xr.DataTree) else finest
    if labels is True:
        if not _has_labels(obj, finest):
            return []
        return [("", source) for source in overlays_of(obj, finest, labels)]
    held = isinstance(labels, (str, xr.DataArray, xr.Dataset, xr.DataTree))  # some are mappings
    if isinstance(labels, Mapping) and not held:
        pairs = [(str(title), part) for title, part in labels.items()]
    else:
        one = held or hasattr(labels, "dtype") or not hasattr(labels, "__iter__")
        pairs = [("", part) for part in ([labels] if one else list(labels))]
    return [
        (title, source)
        for title, part in pairs
        for source in overlays_of(obj, finest, [labelled(part, finest)])
    ]


def _has_labels(obj: Any, finest: xr.DataArray) -> bool:
    if isinstance(obj, xr.DataTree) and not obj.ds.data_vars:
        # it was opened with its labels, or without them on purpose: no need to look again
        return "labels" in resolve.only_image(obj).children
    opened = resolve.opened_of(finest)
    return opened is not None and bool(api.labels_of(opened))


def _label_layer(
    scene: Layers,
    image: tuple[str, xr.DataArray],
    title: str,
    source: Source,
    taken: Sequence[str],
) -> Layer | None:
    """Make a layer of a label image, cut to the scene; None when it lies elsewhere."""
    own = source.finest
    check_axes(own)
    if own.dtype.kind not in "bui":
        raise NgffError(
            f"labels are whole numbers, these pixels are {own.dtype}; convert them, e.g. "
            "da.astype('uint32')"
        )
    absent = [n for n in scene.planes[0] if n not in own.dims]
    if absent:
        raise NgffError(
            f"the labels have no axis {absent[0]!r}; they have {', '.join(map(str, own.dims))}"
        )
    mags: Mags = []
    for mag_name, da in _mags_of(source):
        cut = _within(scene, da, image[1])
        if cut is not None:
            mags.append((mag_name, cut))
    if not mags:
        return None
    if any(abs(span - 1) > 1e-6 for span in _spans(scene, mags[0][1]).values()):
        # they begin at another mag than the image does, and call it 1
        mags = [(_spelled(image[0], _spans(scene, da)), da) for _, da in mags]
    wanted = title or name_of(None, own) or "labels"
    name, count = wanted, 2
    while name in taken:
        name, count = f"{wanted} ({count})", count + 1
    return _layer(scene, mags, name, None, is_label=True)


def _spans(scene: Layers, da: xr.DataArray) -> dict[str, float]:
    """Return how many voxels a pixel spans, by spatial axis."""
    spatial = [scene.axis(str(dim)) for dim in da.dims if dim in scene.spatial]
    return {axis.name: measure(da, axis.name).scale / axis.scale for axis in spatial}


def _within(scene: Layers, da: xr.DataArray, finest: xr.DataArray) -> xr.DataArray | None:
    """Cut labels to the pixels that lie in the scene, if only in part; None when none do."""
    chosen: dict[str, Any] = {}
    known = {axis.name: axis for axis in scene.axes}
    for n in map(str, da.dims):
        base, coord = known.get(n), finest.coords.get(n)
        if base is None:
            if coord is None or coord.ndim or n == resolve.channel_dim(da):
                chosen[n] = 0
                continue
            try:
                chosen[n] = planes.position(da, n, coord.values[()])
            except NgffError:
                return None  # they end before this plane
            continue
        found = measure(da, n)
        low, factor = 0.0, 1.0
        if base.values is None and found.values is None:
            low, factor = (found.origin - base.origin) / base.scale, found.scale / base.scale
        # edges that coincide but for rounding don't count as overlapping
        start = math.floor((-0.5 - low) / factor + 0.5 + 1e-6)
        stop = math.ceil((base.size - 0.5 - low) / factor + 0.5 - 1e-6)
        chosen[n] = slice(max(0, start), min(found.size, stop))
        if chosen[n].start >= chosen[n].stop:
            return None
    return da.isel(chosen)
