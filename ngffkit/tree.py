"""From what was found in a store to an `xarray.DataTree`: a node per image, mag and label image."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import xarray as xr

from ngffkit.chunks.arrays import ArraySpec
from ngffkit.chunks.threads import Threads
from ngffkit.discover.walk import Node, join
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.grid import Axis, Grid
from ngffkit.image import Image, Level
from ngffkit.missing import Missing
from ngffkit.opened import Opened, Origin
from ngffkit.stores.base import Store


def images_of(
    store: Store, node: Node, missing: Missing, path: str = "", threads: Threads | None = None
) -> Iterator[tuple[str, Opened]]:
    """Iterate over the images below a node, with their places in the tree.

    Yields
    ------
    (str, Opened)
        Labels belong to the image before them, and come out on their own as well.
    """
    threads = threads or Threads()
    if node.image is not None:
        holder = node.children.get("labels")
        labels = {
            name: Opened(store, child, missing, threads=threads)
            for name, child in (holder.children.items() if holder else ())
        }
        yield path, Opened(store, node, missing, labels, threads)
        for name, opened in labels.items():
            yield join(path, "labels", name), opened
        return
    for name, child in node.children.items():
        yield from images_of(store, child, missing, join(path, name), threads)


def build(store: Store, node: Node, missing: Missing) -> dict[str, xr.Dataset]:
    """Make the datasets of a tree, by their paths in it.

    Parameters
    ----------
    store : Store
        Where everything is.
    node : Node
        The root that was found.
    missing : {"error", "warn", "fill"}
        What to do about chunks that should be there and aren't.

    Returns
    -------
    dict of str to xarray.Dataset
        For `xarray.DataTree.from_dict`.
    """
    warn_of(node)
    if node.kind in ("array", "arrays"):
        return {"/": plain_dataset(store, node, missing)}
    groups: dict[str, xr.Dataset] = {"/": _group(store, node, missing)}
    for path, stub in _groups_of(node):
        groups["/" + path] = _group(store, stub, missing)
    for path, opened in images_of(store, node, missing):
        groups["/" + path] = xr.Dataset(attrs=opened._attrs())  # noqa: SLF001 - one module apart
        for i, mag in enumerate(opened.image.mags):
            if opened.node.specs[i] is not None:
                groups["/" + join(path, mag)] = opened.dataset(i)
    return groups


def warn_of(node: Node) -> None:
    """Warn of everything that was read liberally."""
    for note in node.notes:
        where = f"{node.path}: " if node.path else ""
        warnings.warn(f"{where}{note}", NgffWarning, stacklevel=2)
    for child in node.children.values():
        warn_of(child)


def _groups_of(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    if node.image is not None:
        return
    for name, child in node.children.items():
        here = join(path, name)
        if child.image is None:
            yield here, child
            yield from _groups_of(child, here)


def _group(store: Store, node: Node, missing: Missing) -> xr.Dataset:
    attrs: dict[str, Any] = {}
    if node.plate is not None:
        if node.plate.name:
            attrs["long_name"] = node.plate.name
        attrs["ngff_version"] = node.plate.version
    url = join(store.url, node.path) if node.path else store.url
    attrs["ngff_source"] = Origin(url, Opened(store, node, missing))
    return xr.Dataset(attrs=attrs)


def plain_dataset(store: Store, node: Node, missing: Missing) -> xr.Dataset:
    """Make one Dataset of arrays that have no OME metadata.

    Arrays named like their only dimension are coordinates; what follows CF conventions
    (``scale_factor``, times) is decoded, as `xarray.open_zarr` does.
    """
    if node.kind == "array":
        name = store.url.rstrip("/").rsplit("/", 1)[-1].split(".", 1)[0] or "array"
        members = {name: node}
    else:
        members = node.children
    variables = {}
    for name, child in members.items():
        opened = as_image(store, child, missing, name)
        variables[name] = opened.dataset(0)["image"].variable
        variables[name].attrs = dict(child.attrs) | {"ngff_source": Origin(opened.url, opened)}
        variables[name].attrs.pop("_ARRAY_DIMENSIONS", None)
        _state_missing(variables[name].attrs, opened.spec(0))
    coords = [name for name, var in variables.items() if var.dims == (name,)]
    try:
        made = xr.Dataset(variables, attrs=dict(node.attrs) if node.kind == "arrays" else {})
    except ValueError as err:
        raise NgffError(
            f"{store.url} holds arrays that don't fit together ({err}); open them one by one"
        ) from err
    made = made.set_coords(coords)
    made.attrs["ngff_source"] = Origin(store.url, Opened(store, node, missing))
    return xr.decode_cf(made)


def _state_missing(attrs: dict[str, Any], spec: ArraySpec) -> None:
    """Say which packed value means that there is none, as xarray writes it into Zarr v2.

    Only where values are packed: in an image the fill value is a value like any other.
    """
    packed = "scale_factor" in attrs or "add_offset" in attrs
    if packed and spec.layout.zarr_format == 2 and spec.fill is not None:
        attrs.setdefault("_FillValue", spec.fill)


def as_image(store: Store, node: Node, missing: Missing, name: str) -> Opened:
    """Make an image of a plain array: pixels are its unit, its dimensions its axes."""
    from dataclasses import replace

    spec = node.specs[0]
    assert spec is not None
    shape = spec.layout.shape
    given = spec.dims or (None,) * len(shape)
    names = [dim or f"dim_{i}" for i, dim in enumerate(given)]
    if len(set(names)) < len(names):
        names = [f"dim_{i}" for i in range(len(shape))]
    axes = tuple(Axis(dim) for dim in names)
    grid = Grid(axes, shape, (1.0,) * len(shape), (0.0,) * len(shape))
    image = Image(name, (Level("", grid),), version="zarr")
    return Opened(store, replace(node, image=image), missing)
