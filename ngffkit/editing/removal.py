"""Remove label images: from the list of labels first, their files last."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ngffkit.discover.walk import join
from ngffkit.editing.carrying import Edit, begun
from ngffkit.editing.papers import Json, Papers
from ngffkit.editing.place import Place, refuse
from ngffkit.errors import MetadataError
from ngffkit.execute.documents import group_documents
from ngffkit.execute.job import ImageJob, Job
from ngffkit.planning.options import Options
from ngffkit.spec.encode import encode_labels
from ngffkit.spec.members import safe_path
from ngffkit.stores.folders import LocalTarget
from ngffkit.stores.targets import DOCUMENTS

_KIND, _LABELS = "remove_labels", "labels"

#: By which WEBKNOSSOS opens an image: it may have layers of labels.
_SIDECAR = "datasource-properties.json"


def plan_removal(place: Place, names: str | Sequence[str], options: Options) -> Edit:
    """Plan to remove labels; see `ngffkit.editing.doors.remove_labels`."""
    del options  # of those it takes, none says what is removed
    image, papers = place.opened.image, Papers(place)
    if image.kind == "label":
        refuse("image", f"{place.url} is a label image itself", "name the image it labels")
    asked = _asked(names)
    path = join(place.path, _LABELS)
    listed = _listed(papers.attributes(path))
    # a call that was killed may have taken them off the list already
    there = {*listed, *map(str, begun(place, _KIND).get("names") or ())}
    for name in asked:
        _check(place, name, there)
    folders = tuple(join(path, name) for name in asked)
    for folder in folders:
        _check_links(place, folder)
    sidecars = dict.fromkeys((_SIDECAR, join(place.path, _SIDECAR)))
    for key in sidecars:
        papers.get(key)  # one that can't be read is an error now, not half-way

    alone = {*map(str, listed)} <= set(asked) and _is_bare(place, papers, folders)

    def patch() -> None:
        for folder in (*folders, *([path] if alone else ())):
            papers.drop(folder)
        for key in sidecars:
            _unlayer(papers, key, [folder.removeprefix(_head(key)) for folder in folders])
        for key, document in group_documents(path, {}, place.zarr_format).items():
            # a call that was killed may have removed them
            papers.put(key, papers.get(key) or document)
        attributes = papers.attributes(path) or encode_labels([], image.version)
        body = attributes.get("ome", attributes)
        body[_LABELS] = [name for name in _listed(attributes) if name not in asked]
        papers.put_attributes(path, attributes)

    work = ImageJob(place.path, image, Job(place.target, None, (), ()))
    before = {"names": asked}
    holder = path if alone else ""
    return Edit(_KIND, place, work, papers, {}, before, patch, last=folders, holder=holder)


def _is_bare(place: Place, papers: Papers, folders: Sequence[str]) -> bool:
    """Tell whether the group of the labels has nothing else to say, and nothing else lies in it."""
    path = join(place.path, _LABELS)
    attributes = papers.attributes(path)
    body = attributes.get("ome", attributes)
    if {*attributes, *body} - {"ome", _LABELS, "version"}:
        return False
    gone = tuple(f"{folder}/" for folder in folders)
    own = {join(path, name) for name in DOCUMENTS}
    return all(key in own or key.startswith(gone) for key in place.target.keys(path))


def _asked(names: Any) -> list[str]:
    """Return the names, in an order that says nothing."""
    found = [names] if isinstance(names, str) else names
    listed = isinstance(found, Sequence) and all(isinstance(name, str) for name in found)
    if not listed or not found:
        refuse("name", f"{names!r} names no labels", "pass a name, or a list of names")
    return sorted(set(found))


def _listed(attributes: Json) -> list[Any]:
    found = attributes.get("ome", attributes).get(_LABELS)
    return found if isinstance(found, list) else []


def _check(place: Place, name: str, there: set[Any]) -> None:
    """Refuse names that are not listed, and those below which lies something else."""
    known = sorted(item for item in there if isinstance(item, str))
    if name not in known:
        remedy = (
            f"choose among {', '.join(map(repr, known))}" if known else "there is nothing to do"
        )
        some = "no labels" if not known else f"no labels {name!r}"
        refuse("name", f"{place.url} has {some}", remedy)
    try:
        fine = safe_path(name, "name") == name and not DOCUMENTS & set(name.split("/"))
    except MetadataError:
        fine = False
    if not fine:
        message = f"{name!r} is listed, but leads out of the labels"
        refuse("name", message, "take it off the list by hand")
    for other in known:
        if f"{other}/".startswith(f"{name}/") != f"{name}/".startswith(f"{other}/"):
            message = f"labels {name!r} and {other!r} lie in one another"
            refuse("name", message, "move one of them elsewhere first")


def _check_links(place: Place, folder: str) -> None:
    """Refuse folders that lie elsewhere: what a link leads to may be somebody else's too."""
    target = place.target
    if isinstance(target, LocalTarget):
        path = f"{target.root}/{folder}"
        if os.path.realpath(path) != os.path.normpath(path):
            refuse("name", f"{path} is, or lies behind, a link", "remove the link first")


def _head(key: str) -> str:
    return key.removesuffix(_SIDECAR)


def _unlayer(papers: Papers, key: str, folders: Sequence[str]) -> None:
    """Take the layers of removed labels out of the properties for WEBKNOSSOS, if there are any."""
    found = papers.get(key)
    layers = (found or {}).get("dataLayers")
    if found is None or not isinstance(layers, list):
        return
    kept = [layer for layer in layers if not _lies_in(layer, folders)]
    if len(kept) < len(layers):
        papers.put(key, {**found, "dataLayers": kept})


def _lies_in(layer: Any, folders: Sequence[str]) -> bool:
    mags = layer.get("mags") if isinstance(layer, dict) else None
    paths = [mag.get("path") for mag in mags or () if isinstance(mag, dict)]
    return any(
        isinstance(path, str) and path.removeprefix("./").startswith(f"{folder}/")
        for path in paths
        for folder in folders
    )
