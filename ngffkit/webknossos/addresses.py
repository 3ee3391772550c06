"""What to paste into WEBKNOSSOS's form for remote datasets.

How its importer goes about an address was read in its sources (``ExploreRemoteLayerService`` and
the explorers beside it): of what is there, ``datasource-properties.json`` counts before OME-Zarr,
and that before single arrays. It finds label images by ``labels/.zattrs``, which Zarr v3 does not
have, so there each of them is an address of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from ngffkit import api
from ngffkit.discover.documents import PROPERTIES
from ngffkit.discover.walk import join
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.opened import Opened
from ngffkit.tree import images_of

#: What its servers fetch from.
_SCHEMES = ("https", "http", "s3", "gs")

#: What a layer must be called to be taken for a segmentation, where nothing else says so.
_SEGMENTATIONS = ("segmentation", "labels")


def uris(x: Any, *, storage_options: Mapping[str, Any] | None = None) -> list[str]:
    """Return the addresses by which WEBKNOSSOS adds an image as a remote dataset.

    Parameters
    ----------
    x : path, URL, or what `ngffkit.open` made of it
        An image with its labels, a group of images, or a WEBKNOSSOS dataset.
    storage_options : Mapping, optional
        For the remote store.

    Returns
    -------
    list of str
        The first for the dialog's first field, the others for its "additional layers". Warns of
        what WEBKNOSSOS can't reach, and of labels that it will take for an image.

    Raises
    ------
    NgffError
        When there is no image.

    Examples
    --------
    >>> import ngffkit as nk
    >>> nk.webknossos.uris("https://host/cells.zarr")  # doctest: +SKIP
    ['https://host/cells.zarr', 'https://host/cells.zarr/labels/nuclei']
    """
    found = api.as_opened(x, storage_options)
    url, scheme = found.store.url, found.store.url.partition("://")[0].lower()
    if scheme not in _SCHEMES or "://" not in url:
        warnings.warn(
            f"{url} is not on the web, so a WEBKNOSSOS server can't reach it; send it with "
            "nk.webknossos.upload, or show it with nk.serve to a server of this machine",
            NgffWarning,
            stacklevel=2,
        )
    if found.node.kind == "webknossos" or found.store.get(PROPERTIES) is not None:
        return [url]
    images = dict(images_of(found.store, found.node, "error"))
    if not images:
        raise NgffError(f"{url} holds no image that WEBKNOSSOS could add")
    asked = {path: opened for path, opened in images.items() if not _is_found(path, images)}
    unknown = [path for path, opened in asked.items() if path and _taken_for_image(opened)]
    if unknown:
        warnings.warn(
            f"WEBKNOSSOS takes {', '.join(unknown)} for images, since they are not called "
            f"{' or '.join(_SEGMENTATIONS)}; nk.webknossos.sidecar tells it what they are",
            NgffWarning,
            stacklevel=2,
        )
    return [join(url, opened.node.path) if opened.node.path else url for opened in asked.values()]


def _is_found(path: str, images: Mapping[str, Opened]) -> bool:
    """Tell whether the importer finds labels by itself, with their image."""
    parts = path.split("/")
    if "labels" not in parts:
        return False
    holder = "/".join(parts[: parts.index("labels")])
    image = images.get(holder)
    spec = image.node.specs[0] if image is not None else None
    return spec is not None and spec.layout.zarr_format == 2


def _taken_for_image(opened: Opened) -> bool:
    called = (opened.image.name or opened.node.path.rpartition("/")[2]).lower()
    return opened.image.kind == "label" and called not in _SEGMENTATIONS
