"""Add channels or time points at the end of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ngffkit.editing.carrying import Edit, begun
from ngffkit.editing.incoming import Incoming, incoming, laid, offsets
from ngffkit.editing.jobs import (
    Held,
    factors_of,
    grown,
    held_arrays,
    level_job,
    method_for,
    shared_out,
    sure_links,
)
from ngffkit.editing.papers import Papers
from ngffkit.editing.place import Place, refuse
from ngffkit.execute.commit import with_windows
from ngffkit.execute.cutting import whole
from ngffkit.execute.job import ImageJob, LevelJob
from ngffkit.grid import PIXEL_TOLERANCE, Grid
from ngffkit.image import Channel, Image, Level
from ngffkit.planning.options import Options
from ngffkit.spec.encode import encode

_KIND = "append"


def plan_growth(place: Place, data: Any, axis: str, options: Options) -> Edit:
    """Plan to add channels or time points; see `ngffkit.editing.doors.append`."""
    i, kind, papers = _axis(place, axis), f"{_KIND} {axis}", Papers(place)
    before = dict(begun(place, kind))
    before = before or {
        "size": place.opened.image.base.shape[i],
        "channels": len(place.opened.image.channels),
    }
    old = int(before["size"])
    place = _as_it_was(place, i, old, int(before["channels"]))
    image = place.opened.image
    held = held_arrays(place, papers)
    _check_steps(image, axis, i)
    given = incoming(data, image.base, options, without=(axis,))
    source = laid(given, image.base.axes, held[0].spec.layout.dtype, (axis,))
    _check_place(given, place, axis, old)
    _check_sizes(source.info.grid, image.base, axis)
    size = source.info.grid.shape[i]
    method = method_for(image, held[0], options.write.method)
    levels = _levels(image, held, i, slice(old, old + size), source.info.block)
    first = tuple(old if j == i else 0 for j in range(len(image.base.shape)))
    job, taken = shared_out(place.target, source, levels, first, method, options.run)
    channels = _channels(given, image, i, size, options)
    after = replace(_sized_image(image, i, old + size), channels=channels)
    work = ImageJob(place.path, after, job)
    facts = {
        "source": source.info.fingerprint,
        "size": size,
        "method": method,
        "channels": [channel.label for channel in channels],
        "regions": [level.cut.region for level in levels],
    }

    def patch() -> None:
        # the coarsest first: what a reader has not seen at fine mags, it does not miss
        for array in reversed(held):
            shape = list(array.spec.layout.shape)
            shape[i] = old + size
            papers.put_array(array.path, {**array.document, "shape": shape})
        if channels:
            _patch_channels(place, papers, work, int(before["channels"]))

    return Edit(kind, place, work, papers, facts, before, patch, taken=taken)


def _as_it_was(place: Place, i: int, old: int, channels: int) -> Place:
    """Return the image before any of this: a commit that was killed has made some levels larger."""
    image = place.opened.image
    image = replace(_sized_image(image, i, old), channels=image.channels[:channels])
    node = replace(place.opened.node, image=image)
    return replace(place, opened=replace(place.opened, node=node))


def _sized_image(image: Image, i: int, size: int) -> Image:
    levels = tuple(Level(lv.path, _sized(lv.grid, i, size)) for lv in image.levels)
    return replace(image, levels=levels)


def _levels(
    image: Image, held: Sequence[Held], i: int, fresh: slice, block: Sequence[int]
) -> list[LevelJob]:
    """Return what is written at each level: what is new of it."""
    out = []
    for array, link in zip(held, sure_links(image, [lv.grid for lv in image.levels]), strict=True):
        spec = grown(array.spec, i, fresh.stop)
        box = list(whole(spec.layout.shape))
        box[i] = fresh
        out.append(level_job(array, spec, tuple(box), link, block if link is None else ()))
    return out


def _check_sizes(own: Grid, base: Grid, axis: str) -> None:
    for name, n, m in zip(base.dims, own.shape, base.shape, strict=True):
        if name != axis and n != m:
            message = f"it has {n} pixels along {name}, the image has {m}"
            refuse("data", message, "bring it to the size of the image")
        if name == axis and not n:
            refuse("data", f"it has no pixels along {name}", "pass at least one")


def _sized(grid: Grid, i: int, size: int) -> Grid:
    return replace(grid, shape=(*grid.shape[:i], size, *grid.shape[i + 1 :]))


def _axis(place: Place, axis: str) -> int:
    base = place.opened.image.base
    kinds = [a.name for a in base.axes if a.is_channel or a.is_time]
    if axis in base.dims and axis not in kinds:
        message = f"{axis!r} is an axis of space, along which mags are made of several pixels"
        refuse("axis", message, "make a new image of the whole with ngffkit.convert")
    remedy = (
        "copy it with that axis first, e.g. "
        f"ngffkit.write(da.expand_dims({axis!r}), 'copy.zarr'), and append to the copy"
    )
    if axis not in base.dims:
        refuse("axis", f"{place.url} has no axis {axis!r}, but {', '.join(base.dims)}", remedy)
    return base.axis(axis)


def _check_steps(image: Image, axis: str, i: int) -> None:
    for level in image.levels:
        factors = factors_of(level.grid, image.base)
        if factors is not None and factors[i] != 1:
            message = f"level {level.path!r} has one pixel for {factors[i]} along {axis}"
            refuse("axis", message, "make a new image of the whole with ngffkit.convert")


def _check_place(given: Incoming, place: Place, axis: str, old: int) -> None:
    """Refuse data that say of themselves that they lie elsewhere."""
    base = place.opened.image.base
    i = base.axis(axis)
    other = {d: 0 for d in base.dims if d != axis and d not in given.coords}
    start = offsets(given, place, other, free=(axis,))
    wrong = [name for name, n in start.items() if n]
    if wrong:
        message = f"its coordinate {wrong[0]!r} begins at pixel {start[wrong[0]]} of the image"
        refuse("data", message, "pass as much as the image covers")
    values = given.coords.get(axis)
    if values is None or base.axes[i].is_channel:
        return
    if values.dtype.kind not in "fiu":
        refuse("data", f"coordinate {axis!r} is made of {values.dtype}", f"drop_vars({axis!r})")
    index = (values - base.origin[i]) / base.scale[i] - old
    if any(abs(found - k) > PIXEL_TOLERANCE for k, found in enumerate(index.tolist())):
        expected = base.origin[i] + old * base.scale[i]
        message = f"coordinate {axis}={values[0]}, but the image goes on at {expected:g}"
        refuse("data", message, f"assign it, or leave it out: data.drop_vars({axis!r})")


def _channels(
    given: Incoming, image: Image, i: int, size: int, options: Options
) -> tuple[Channel, ...]:
    """Return the channels there will be; none when nothing is said of them, or they stay."""
    names: Sequence[str] | None = options.read.channels
    if not image.base.axes[i].is_channel:
        if names is not None:
            refuse("channels", "no channel is added", "leave channels= out")
        return ()
    if image.kind == "label":
        return ()
    if isinstance(names, str):
        names = [names]
    if names is None:
        values = given.coords.get(image.base.dims[i])
        names = None if values is None or values.dtype.kind not in "UO" else list(map(str, values))
    if names is not None and len(names) != size:
        message = f"{len(names)} names for {size} new channels"
        refuse("channels", message, "pass one name per channel")
    old = image.base.shape[i]
    if names is None and not image.channels:
        return ()
    known = list(image.channels) + [
        Channel(f"channel {n}") for n in range(len(image.channels), old)
    ]
    fresh = names if names is not None else [f"channel {old + n}" for n in range(size)]
    return (*known, *(Channel(str(name)) for name in fresh))


def _patch_channels(place: Place, papers: Papers, work: ImageJob, before: int) -> None:
    """Add the new channels to those that are shown; what is said of the others stays."""
    attributes = papers.attributes(place.path)
    body = attributes.get("ome", attributes)
    made = encode(with_windows(work), work.image.version)
    channels = made.get("ome", made)["omero"]["channels"]
    omero = dict(body.get("omero") or {})
    omero["channels"] = [*list(omero.get("channels") or [])[:before], *channels[before:]]
    body["omero"] = omero
    papers.put_attributes(place.path, attributes)
