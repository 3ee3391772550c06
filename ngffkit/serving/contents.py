"""From anything that can be served to what is served: bytes as they are stored, or computed."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import xarray as xr

from ngffkit import api
from ngffkit.discover.walk import Wanted
from ngffkit.errors import NgffError
from ngffkit.opened import Opened
from ngffkit.serving.content import Content
from ngffkit.serving.givens import Found, found_in, label_of, opened_levels
from ngffkit.serving.live import Given, LiveImage, LiveOptions
from ngffkit.serving.virtual import VirtualContent
from ngffkit.sources.contract import Source
from ngffkit.sources.opening import is_known, open_source
from ngffkit.sources.options import ReadOptions
from ngffkit.spec import WRITABLE
from ngffkit.tree import as_image, images_of

#: Groups of images, which viewers know how to walk; they are served as a whole.
_WHOLE = ("plate", "well", "collection")

#: Names of label images become parts of addresses.
_NAME = re.compile(r"[^\w.\-]+")


def content_of(
    x: Any,
    *,
    image: str | None = None,
    labels: Any = None,
    raw: bool = False,
    storage_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> Content:
    """Decide how something is served.

    Parameters
    ----------
    x : path, URL, store, Opened, DataTree, Dataset, DataArray, array or Source
        An OME-Zarr of version 0.4 or later, named or just as it was opened, is served byte by byte,
        a plate or another group of images as a whole, unless `image` names one of them.
        Everything else is computed when it is asked for: results, cutouts, dask expressions,
        older versions, plain Zarr, WEBKNOSSOS datasets, and whatever else can be converted.
    image : str, optional
        Path of the image where there are several.
    labels : bool, array, or Mapping of str to array, optional
        Label images: by their names; False for none. When left out, those that belong to `x`.
    raw : bool
        Whether a Zarr that is no OME-Zarr of 0.4 or later is served byte by byte, too.
    storage_options : Mapping, optional
        For the remote store.
    **options
        As `ngffkit.serving.live.LiveOptions` has them. With any of them, what is stored is encoded
        anew.

    Returns
    -------
    Content
        What a server hands out.

    Raises
    ------
    NgffError
        When it is no image, or there are several; the message says what would be.

    Examples
    --------
    >>> import numpy as np
    >>> content = content_of(np.zeros((8, 300, 300), bool), name="mask")
    >>> [level.grid.shape for level in content.image.levels]
    [(8, 300, 300), (4, 150, 150), (2, 75, 75)]
    >>> content.knows("0/c/0/1/1"), content.knows("0/c/0/1/9")
    (True, False)
    """
    live = _options(options)
    wanted = labels is None or labels is True
    if isinstance(x, (xr.DataTree, xr.Dataset, xr.DataArray)):
        found = _in_xarray(x, live, image, labels=wanted)
    elif isinstance(x, Opened) or _is_store(x):
        opened = _opened(x, image, storage_options)
        if raw or (not options and wanted and _is_whole(opened)):
            return _stored(opened, labels=wanted)
        found = _in_store(opened, live, labels=wanted)
    elif raw:
        raise NgffError(f"raw=True: a {type(x).__name__} is no Zarr, so it has no bytes of its own")
    else:
        read = ReadOptions(axes=live.axes, image=image, storage_options=storage_options)
        found = Found((_given(open_source(x, read)),))
    if found.stored is not None and not options and (wanted or labels is False):
        return _stored(found.stored, labels=wanted)
    return _virtual(found, labels, live)


def _options(given: Mapping[str, Any]) -> LiveOptions:
    names = [f.name for f in fields(LiveOptions)]
    for name in given:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {near[0]}?" if near else f"options: {', '.join(names)}"
            raise NgffError(f"there is no option {name!r}; {hint}")
    return LiveOptions(**given)


def _stored(opened: Opened, *, labels: bool) -> Content:
    from ngffkit.serving.stored import StoredContent

    if opened.node.image is not None:
        opened = replace(opened, labels=api.labels_of(opened) if labels else {})
    return StoredContent(opened)


def _virtual(found: Found, labels: Any, options: LiveOptions) -> VirtualContent:
    main = LiveImage.of(found.levels, options)
    # these are the image's alone
    own = replace(options, dtype=None, method=None, name=None, axes=None)
    given = dict(found.labels)
    if labels is not None and not isinstance(labels, bool):
        grid = found.levels[0].source.info.grid
        named = labels if _is_mapping(labels) else {"labels": labels}
        given = {str(name): (label_of(part, str(name), grid),) for name, part in named.items()}
    made = {
        _NAME.sub("-", name).strip(".") or "labels": LiveImage.of(levels, replace(own, name=name))
        for name, levels in given.items()
    }
    return VirtualContent(main, made, options)


def _is_mapping(labels: Any) -> bool:
    # some of what xarray has are mappings, too
    held = isinstance(labels, (xr.DataArray, xr.Dataset, xr.DataTree))
    return isinstance(labels, Mapping) and not held


def _given(source: Source) -> Given:
    """Return a source; what it decodes at once, such as a plane of a file, is kept as a whole."""
    info = source.info
    if all(b == 1 for b in info.block):
        return Given(source)
    edges = [(*range(0, n, b), n) for n, b in zip(info.grid.shape, info.block, strict=True)]
    return Given(source, tuple(edges))


def _in_xarray(x: Any, options: LiveOptions, image: str | None, *, labels: bool) -> Found:
    if image is not None:
        if not isinstance(x, xr.DataTree):
            raise NgffError(f"image={image!r}: a {type(x).__name__} is one image; leave it out")
        try:
            x = x[image]
        except KeyError:
            raise NgffError(f"image={image!r}: there is no such node in the tree") from None
    found = found_in(x, labels=labels, axes=options.axes)
    stored = found.stored
    return found if stored is None or _as_is(stored) else replace(found, stored=None)


# --- what lies in a store ------------------------------------------------------------------------


def _is_store(x: Any) -> bool:
    """Tell whether this names a Zarr, rather than an image file, a folder of them, or an array."""
    if isinstance(x, (str, os.PathLike)):
        from ngffkit.sources.stacks.folders import is_zarr

        text = os.fspath(x)
        if "://" in text or "::" in text:
            return True
        path = Path(text).expanduser()
        if path.is_dir():
            return is_zarr(str(path)) or (path / "datasource-properties.json").exists()
        return not path.exists() or path.suffix in (".zarr", ".ozx", ".zip") or not is_known(text)
    return type(x).__module__.split(".", 1)[0] in ("zarr", "fsspec", "obstore") or hasattr(
        x, "get_ranges"
    )


def _opened(x: Any, image: str | None, storage_options: Mapping[str, Any] | None) -> Opened:
    """Find the image that is meant."""
    parts = (image or "").strip("/").split("/")
    wells = ("/".join(parts[:2]),) if len(parts) >= 3 else "all"
    found = api.find(x, Wanted(wells=wells), "error", storage_options)
    store, node = found.store, found.node
    if isinstance(x, Opened) and node.image is not None and image is None:
        return found
    if node.kind == "array":
        return as_image(store, node, "error", store.url.rstrip("/").rsplit("/", 1)[-1] or "array")
    if node.kind == "arrays" or (node.kind in _WHOLE and image is None):
        return found
    images = dict(images_of(store, node, "error"))
    if image is None and "" not in images:
        kinds = {path: item.image.kind for path, item in images.items()}
        layers = [path for path, kind in kinds.items() if kind == "intensity"]
        if node.kind == "webknossos" and len(layers) == 1:
            # its segmentations lie beside it
            beside = {path: item for path, item in images.items() if kinds[path] == "label"}
            return replace(images[layers[0]], labels=beside)
    return api.choose(images, image, store.url)


def _in_store(opened: Opened, options: LiveOptions, *, labels: bool) -> Found:
    image = opened.node.image
    if opened.node.kind in _WHOLE and image is None:
        images = dict(images_of(opened.store, opened.node, "error"))
        return _in_store(api.choose(images, None, opened.store.url), options, labels=labels)
    if image is None or image.version == "zarr":
        read = ReadOptions(axes=options.axes, labels=False)
        return Found((Given(open_source(opened, read)),))
    beside = {}
    if labels:
        known = opened.labels or api.labels_of(opened)
        beside = {name: opened_levels(label) for name, label in known.items()}
    return Found(opened_levels(opened), beside, opened if _as_is(opened) else None)


def _is_whole(opened: Opened) -> bool:
    """Tell whether this is a group of images that viewers can read, and walk."""
    if opened.node.kind not in _WHOLE or opened.node.image is not None:
        return False
    images = images_of(opened.store, opened.node, "error")
    return all(_as_is(image) for _, image in images)


def _as_is(opened: Opened) -> bool:
    """Tell whether viewers can read what is stored."""
    return opened.image.version in WRITABLE and not opened.node.crops
