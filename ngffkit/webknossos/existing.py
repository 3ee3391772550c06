"""Datasets out of images that are there: the document that lists them, and no pixel moved."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any

from ngffkit import api
from ngffkit.discover.documents import PROPERTIES
from ngffkit.discover.walk import Wanted, join
from ngffkit.errors import NgffError, NgffWarning, Problem
from ngffkit.execute.commit import put_durably
from ngffkit.opened import Opened
from ngffkit.planning.sidecar import Member, doubts_of, finest, properties
from ngffkit.stores.targets import open_target
from ngffkit.stores.zips import ZipStore
from ngffkit.tree import images_of
from ngffkit.webknossos.layers import largest_id


def sidecar(
    target: Any, *, count: bool = False, storage_options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Let WEBKNOSSOS open an OME-Zarr in place: write ``datasource-properties.json`` into it.

    Parameters
    ----------
    target : path or URL
        An OME-Zarr image with its labels, or a group of images.
    count : bool
        Whether the largest id of each segmentation is looked for, which reads its finest mag.
    storage_options : Mapping, optional
        For the remote store.

    Returns
    -------
    dict
        What was written. A layer for each channel and label image; mags are named as WEBKNOSSOS
        counts them, and those that it can't tell apart are left out, with a warning.

    Raises
    ------
    NgffError
        When WEBKNOSSOS can show none of it, it is a zip file, or it is a dataset already that
        others described.
    WriteError
        When it can't be written there.

    Examples
    --------
    >>> import ngffkit as nk, tempfile
    >>> place = nk.sample(tempfile.mkdtemp() + "/cells.ome.zarr")
    >>> [layer["name"] for layer in nk.webknossos.sidecar(place)["dataLayers"]]
    ['cells_nuclei', 'cells_membranes', 'nuclei']
    """
    found = api.find(target, Wanted(), "error", storage_options)
    if isinstance(found.store, ZipStore):
        raise NgffError(
            f"{found.url} is a zip file, to which nothing is added; unpack it, or convert it to a "
            "folder with sidecar=True"
        )
    document, problems = described(found, count=count)
    for problem in problems:
        where = f"{found.url}: {problem.loc}: {problem.message}; {problem.remedy}"
        warnings.warn(where, NgffWarning, stacklevel=2)
    place = open_target(target, storage_options)
    put_durably(place, PROPERTIES, json.dumps(document, indent=2).encode())
    return document


def described(found: Opened, *, count: bool = False) -> tuple[dict[str, Any], list[Problem]]:
    """Return the properties of an opened OME-Zarr, and what of it they leave out.

    Parameters
    ----------
    found : Opened
        An image, or a group of images.
    count : bool
        Whether the largest id of each segmentation is looked for.

    Raises
    ------
    NgffError
        When there is nothing to describe.
    """
    if found.node.kind == "webknossos":
        raise NgffError(f"{found.url} is a WEBKNOSSOS dataset already; it needs no other document")
    images = dict(images_of(found.store, found.node, "error"))
    if not images:
        raise NgffError(f"{found.url} holds no OME-Zarr image; convert it first")
    stem = found.url.rstrip("/").rpartition("/")[2].split(".", 1)[0] or "image"
    members = [_member(path, opened, stem, count=count) for path, opened in images.items()]
    # labels are counted in the voxels of their image, images in the smallest
    base = finest([m for m in members if m.image.kind != "label"] or members)
    problems = doubts_of(members, base)
    document = properties(stem, members, base)
    if not document["dataLayers"]:
        raise NgffError(f"{found.url}: {'; '.join(p.message for p in problems)}")
    return document, problems


def _member(path: str, opened: Opened, stem: str, *, count: bool) -> Member:
    image = opened.image
    layouts = tuple(opened.spec(i).layout for i in range(len(image.levels)))
    paths = tuple(join(opened.node.path, level.path) for level in image.levels)
    largest = None
    if count and image.kind == "label":
        largest = largest_id(opened.reader(0), layouts[0].object_shape)
    name = path.rpartition("/")[2] or image.name or stem
    return Member(name, image, layouts, paths, path, largest)
