"""Download from a WEBKNOSSOS server: the official client finds the dataset and signs in.

The pixels are read from the Zarr that the server streams, as any other remote Zarr is: the
client's own download knows neither layers without a channel axis, such as those made of OME-Zarr,
nor further axes, and takes the mags of the first layer for all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ngffkit import api
from ngffkit.discover.walk import Wanted
from ngffkit.errors import NgffError
from ngffkit.execute.running import Watch
from ngffkit.grid import Grid
from ngffkit.opened import Opened
from ngffkit.planning.plan import Result
from ngffkit.stores.targets import open_target
from ngffkit.tree import images_of
from ngffkit.webknossos import client as official
from ngffkit.webknossos.layers import write
from ngffkit.webknossos.staging import names_of
from ngffkit.writing import convert


def download(
    address: str,
    target: Any,
    *,
    token: str | None = None,
    url: str | None = None,
    layers: Collection[str] | None = None,
    mag: object = None,
    bbox: Sequence[int] | None = None,
    progress: Watch | bool = False,
    **options: Any,
) -> Result:
    """Fetch a dataset from a WEBKNOSSOS server and write it as OME-Zarr.

    One mag is fetched, and the coarser ones are made of it here. A dataset of one image, with or
    without segmentations on the same voxels, becomes an OME-Zarr with labels; any other becomes a
    WEBKNOSSOS dataset, with an OME-Zarr for each layer (see `ngffkit.webknossos.write`), all of
    which begin where the first of them does.

    Parameters
    ----------
    address : str
        Address of the dataset, as the browser shows it; or its name or id on the server `url`.
    target : path or URL
        Where the OME-Zarr goes.
    token : str, optional
        Of your account; that of the environment variable ``WK_TOKEN`` when left out. Public
        datasets, and addresses that carry a token to share them, need none.
    url : str, optional
        The server, where the address does not name it.
    layers : collection of str, optional
        Which layers; all when left out.
    mag : str, int or tuple, optional
        Which mag; the finest of each layer when left out.
    bbox : sequence of int, optional
        Which part: x, y, z, width, height, depth in voxels of mag 1.
    progress : bool or callable
        As for `ngffkit.convert`.
    **options
        As for `ngffkit.convert`.

    Returns
    -------
    Result
        What was written.

    Raises
    ------
    NgffError
        When the client is not installed, the server refuses, or there is no such dataset, layer or
        mag. It never holds the token.
    PlanError, WriteError
        As for `ngffkit.convert`.

    Examples
    --------
    >>> import ngffkit as nk
    >>> address = "https://webknossos.org/datasets/l4_sample-59e9cfbdba632ac2ab8b23b3"
    >>> nk.webknossos.download(address, "l4.zarr", bbox=(3000, 3000, 500, 512, 512, 64))
    ... # doctest: +SKIP
    """
    address = str(address).strip()
    server = official.server_in(address, url)
    # what is public needs none
    known = token or os.environ.get(official.TOKEN)
    key = official.token_of(token) if known else None
    box = _box(bbox)
    place = open_target(target, options.get("target_options"))
    with official.session(server, key, "can't download from") as client:
        name, root, headers = official.streamed(client, address)
    found = api.find(root, Wanted(), "error", {"headers": headers} if headers else None)
    there = dict(images_of(found.store, found.node, "error"))
    parts = {layer: _part(there[layer], layer, mag, box) for layer in names_of(there, layers)}
    called = re.sub(r"[^\w.-]+", "_", name) or "dataset"
    return _assemble(parts, place.url, {"name": called} | options, progress)


def _box(bbox: Sequence[int] | None) -> dict[str, tuple[int, int]] | None:
    """Return first and last voxel of mag 1, by axis."""
    if bbox is None:
        return None
    numbers = tuple(bbox)
    whole = all(type(n) is int for n in numbers)
    if len(numbers) != 6 or not whole or min(numbers[:3]) < 0 or min(numbers[3:]) < 1:
        raise NgffError(
            f"bbox: {bbox!r} is no box; expected x, y, z, width, height, depth in voxels of mag 1"
        )
    return {name: (numbers[i], numbers[i] + numbers[i + 3]) for i, name in enumerate("xyz")}


def _part(
    opened: Opened, name: str, mag: object, box: Mapping[str, tuple[int, int]] | None
) -> Opened:
    """Return a layer from a mag on, whose finest level is cut to a box."""
    image = opened.image
    try:
        first = 0 if mag is None else image.level_of(mag)
    except KeyError as err:
        raise NgffError(f"mag: layer {name!r}: {err.args[0]}") from None
    levels, crops = list(image.levels[first:]), list(opened.node.crops[first:])
    if box is not None:
        factors, grid, cut = image.factors(levels[0].grid), levels[0].grid, dict(crops[0])
        inside = {}
        for axis, (low, high) in box.items():
            step, start, stop = round(factors[axis]), cut[axis].start, cut[axis].stop
            begin, end = max(start, low // step), min(stop, -(-high // step))
            if begin >= end:
                raise NgffError(
                    f"bbox: layer {name!r} has no voxel there; along {axis} it has "
                    f"{start * step} to {stop * step}"
                )
            inside[axis] = slice(begin - start, end - start)
            cut[axis] = slice(begin, end)
        levels[0], crops[0] = replace(levels[0], grid=grid.crop(inside)), cut
    # the coarser ones stay whole: they tell whether a chunk that is not there should be
    node = replace(
        opened.node,
        image=replace(image, levels=tuple(levels)),
        specs=opened.node.specs[first:],
        crops=tuple(crops),
    )
    return replace(opened, node=node)


def _assemble(
    found: Mapping[str, Opened],
    target: str,
    options: dict[str, Any],
    progress: Watch | bool,  # noqa: FBT001 - the value of a keyword, passed on
) -> Result:
    """Write one image with labels where the layers allow it, else a dataset."""
    images = [name for name, opened in found.items() if opened.image.kind != "label"]
    labels = [name for name in found if name not in images]
    first = found[images[0] if images else labels[0]].image.base
    alike = all(_place(opened.image.base) == _place(first) for opened in found.values())
    if len(found) == 1 or (len(images) == 1 and alike):
        main, *others = [*images, *labels]
        own = {name: found[name] for name in others}
        return convert(found[main], target, progress=progress, **options | {"labels": own or False})
    del options["name"]
    found = from_one_corner(found)
    return write(found, target, segmentations=labels, progress=progress, **options)


def from_one_corner(found: Mapping[str, Opened]) -> dict[str, Opened]:
    """Let all layers begin at the same voxel, as in a dataset they must; what is added is empty."""
    factors = {name: _factors(opened) for name, opened in found.items()}
    corner = {}
    for axis in "xyz":
        having = [name for name in found if axis in factors[name]]
        if having:
            most = max(factors[name][axis] for name in having)
            low = min(
                found[name].node.crops[0][axis].start * factors[name][axis] for name in having
            )
            corner[axis] = low // most * most
    return {
        name: _grown(opened, {axis: corner[axis] // f for axis, f in factors[name].items()})
        for name, opened in found.items()
    }


def _factors(opened: Opened) -> dict[str, int]:
    known = opened.image.factors(opened.image.base)
    return {axis: round(known[axis]) for axis in "xyz" if axis in opened.image.base.dims}


def _grown(opened: Opened, starts: Mapping[str, int]) -> Opened:
    """Return a layer whose finest level begins at other pixels of its array."""
    image, grid, cut = opened.image, opened.image.base, dict(opened.node.crops[0])
    shape, origin = list(grid.shape), list(grid.origin)
    for axis, start in starts.items():
        i, more = grid.axis(axis), cut[axis].start - start
        shape[i] += more
        origin[i] -= more * grid.scale[i]
        cut[axis] = slice(start, cut[axis].stop)
    base = replace(image.levels[0], grid=replace(grid, shape=tuple(shape), origin=tuple(origin)))
    node = replace(
        opened.node,
        image=replace(image, levels=(base, *image.levels[1:])),
        crops=(cut, *opened.node.crops[1:]),
    )
    return replace(opened, node=node)


def _place(grid: Grid) -> dict[str, tuple[int, float, float]]:
    """Return what must agree for pixels to lie on pixels."""
    return {
        name: (grid.shape[i], grid.scale[i], grid.origin[i])
        for i, name in enumerate(grid.dims)
        if name != "c"
    }
