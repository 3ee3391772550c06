"""What ngffkit does, as functions; the accessor, the engine, the CLI and the panels call these."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from ngffkit.discover.walk import Node, Wanted, walk
from ngffkit.errors import NgffError, NotFoundError
from ngffkit.missing import check_policy
from ngffkit.opened import Opened
from ngffkit.stores.opening import open_store
from ngffkit.stores.substore import below
from ngffkit.tree import as_image, build, images_of, plain_dataset, warn_of


def open(  # noqa: A001 - `nk.open` is the name people look for
    source: Any,
    *,
    labels: bool = True,
    wells: Iterable[str] | str = (),
    chunks: Any = None,
    missing: str = "error",
    storage_options: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> xr.DataTree:
    """Open anything as a labelled, lazy tree.

    Only metadata are read. Pixels come when values are asked for, and then only the chunks that
    are needed.

    Parameters
    ----------
    source : str, Path, zarr.Group, zarr.Array or store
        A folder, a zip file (``.ozx``, ``.zip``), a URL (http, https, s3, gs, az, any that fsspec
        knows), or what zarr-python has open. It may hold OME-Zarr 0.1 to 0.6, plain Zarr arrays,
        or a WEBKNOSSOS dataset.
    labels : bool
        Whether label images are looked up too.
    wells : iterable of str, or "all"
        Wells of a plate to look into, as ``B/03`` or ``B03``; the others are empty nodes.
    chunks : optional
        As xarray's: ``{}`` or ``"auto"`` makes dask arrays.
    missing : {"error", "warn", "fill"}
        What to do about chunks that should be there and aren't: raise `ChunkError`, fill and warn,
        or fill. Chunks that were left out because they are empty are fill under each of them.
    storage_options : Mapping, optional
        For the remote store, e.g. ``{"anon": True}``.
    **kwargs
        Further keywords of `xarray.open_datatree`.

    Returns
    -------
    xarray.DataTree
        One node per image, below it one per mag (``"1"``, ``"2-2-1"``, ...) that holds the variable
        ``image`` (``labels`` for label images) with physical coordinates, and ``labels``.

    Raises
    ------
    NotFoundError
        When there is nothing at this place that is understood.
    MetadataError
        When a document is wrong or harmful, with its JSON path.
    StoreError
        When the store does not answer.

    Examples
    --------
    >>> import ngffkit as nk
    >>> dt = nk.open(nk.sample())
    >>> dt["1"]["image"].sel(z=3.1, method="nearest").z.item()
    3.0
    """
    from ngffkit.backend import NgffBackend

    return xr.open_datatree(
        source,
        engine=NgffBackend,
        chunks=chunks,
        labels=labels,
        wells=wells if isinstance(wells, str) else tuple(wells),
        missing=missing,
        storage_options=storage_options,
        **kwargs,
    )


def open_dataset(source: Any, *, chunks: Any = None, **kwargs: Any) -> xr.Dataset:
    """Open one mag of one image; short for ``xr.open_dataset(source, engine="ngff", ...)``.

    Parameters
    ----------
    source : str, Path, zarr.Group, zarr.Array or store
        As for `open`.
    chunks : optional
        As xarray's: ``{}`` or ``"auto"`` makes dask arrays.
    **kwargs
        `mag`, `image`, `missing` and `storage_options` as `read_dataset` takes them, and further
        keywords of `xarray.open_dataset`.

    Returns
    -------
    xarray.Dataset
        With one variable, ``image`` or ``labels``.
    """
    from ngffkit.backend import NgffBackend

    return xr.open_dataset(source, engine=NgffBackend, chunks=chunks, **kwargs)


def find(
    source: Any,
    wanted: Wanted,
    missing: str = "error",
    storage_options: Mapping[str, Any] | None = None,
) -> Opened:
    """Find out what a place holds; its ``node`` says so."""
    if isinstance(source, Opened):
        return source
    policy = check_policy(missing)
    store = open_store(source, storage_options)
    return Opened(store, walk(store, wanted), policy)


def read_groups(
    source: Any,
    *,
    labels: bool = True,
    wells: Iterable[str] | str = (),
    missing: str = "error",
    storage_options: Mapping[str, Any] | None = None,
) -> dict[str, xr.Dataset]:
    """Open everything as Datasets by their path in the tree; the engine's groundwork."""
    chosen = wells if isinstance(wells, str) else tuple(wells)
    if isinstance(chosen, str) and chosen != "all":
        chosen = (chosen,)
    found = find(source, Wanted(labels, chosen), missing, storage_options)
    return build(found.store, found.node, found.missing)


def read_dataset(
    source: Any,
    *,
    mag: object = None,
    image: str | None = None,
    missing: str = "error",
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open one mag of one image as a lazy Dataset.

    Parameters
    ----------
    source : str, Path, zarr.Group, zarr.Array or store
        As for `open`.
    mag : str, int, tuple, optional
        ``"2-2-1"``, ``(2, 2, 1)``, ``2``, or the path of a level; the finest when left out.
    image : str, optional
        Path of the image below `source`: ``"labels/nuclei"``, ``"B/03/0"``, the name of a series
        or layer. Needed only where there are several.
    missing, storage_options
        As for `open`.

    Returns
    -------
    xarray.Dataset
        With one variable, ``image`` or ``labels``.

    Raises
    ------
    NgffError
        When there are several images and none was named; the message lists them.
    """
    wells = _well_of(image)
    wanted = Wanted(labels=bool(image) and "labels" in str(image).split("/"), wells=wells, mag=mag)
    try:
        found = find(source, wanted, missing, storage_options)
    except KeyError as err:
        raise NgffError(str(err.args[0])) from None
    store, node, policy = found.store, found.node, found.missing
    warn_of(node)
    if node.kind == "array":
        return as_image(store, node, policy, "image").dataset(0)
    if node.kind == "arrays":
        made = plain_dataset(store, node, policy)
        if image is not None and image not in made:
            raise NgffError(f"{store.url} has no image {image!r}; it holds plain arrays")
        return made if image is None else made[[image]]
    opened = choose(dict(images_of(store, node, policy)), image, store.url)
    try:
        level = 0 if mag is None else opened.image.level_of(mag)
    except KeyError as err:
        raise NgffError(f"{opened.url}: {err.args[0]}") from None
    return opened.dataset(level)


def _well_of(image: str | None) -> tuple[str, ...] | str:
    # in a plate the image is row/column/field; elsewhere nobody asks for wells
    parts = (image or "").strip("/").split("/")
    return ("/".join(parts[:2]),) if len(parts) >= 3 else ()


def choose(images: Mapping[str, Opened], image: str | None, where: str) -> Opened:
    """Return the image that is meant."""
    own = {path: opened for path, opened in images.items() if "labels" not in path.split("/")}
    if image is not None:
        path = image.strip("/")
        if path in images:
            return images[path]
        raise NgffError(f"{where} has no image {image!r}; it has {_list(images) or 'none'}")
    if "" in images:
        return images[""]
    candidates = own or dict(images)
    if len(candidates) == 1:
        return next(iter(candidates.values()))
    if not candidates:
        raise NotFoundError(f"{where} has no image; for a plate, name one such as image='B/03/0'")
    raise NgffError(f"{where} has several images; choose one by image=: {_list(candidates)}")


def _list(images: Mapping[str, Opened]) -> str:
    names = [repr(name) for name in images]
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def as_opened(
    source: Any, storage_options: Mapping[str, Any] | None = None, *, look: bool = True
) -> Opened:
    """Return what is opened already behind `source`, or find out what it holds.

    Parameters
    ----------
    source : path, URL, store, Opened, DataTree, Dataset or DataArray
        Any way to name an image.
    storage_options : Mapping, optional
        For the remote store.
    look : bool
        Whether to look into the store; without, its node is empty.
    """
    if isinstance(source, Opened):
        return source
    if isinstance(source, (xr.DataTree, xr.Dataset, xr.DataArray)):
        origin = source.attrs.get("ngff_source")
        opened = getattr(origin, "opened", None)
        if opened is not None:
            return opened  # type: ignore[no-any-return]
        if origin is None:
            raise NgffError("this object was not opened by ngffkit; name its path or URL")
        source = str(origin)
    if look:
        return find(source, Wanted(), "error", storage_options)
    return Opened(open_store(source, storage_options), Node("", "unknown"), "error")


def labels_of(opened: Opened) -> Mapping[str, Opened]:
    """Return the label images of an image, looked up now if they were left out on opening."""
    if opened.labels or opened.node.image is None:
        return opened.labels
    if opened.image.kind == "label" or opened.image.version in ("zarr", "webknossos"):
        return {}
    store = below(opened.store, opened.node.path)
    images = images_of(store, walk(store, Wanted()), opened.missing)
    return next((image.labels for _, image in images), {})
