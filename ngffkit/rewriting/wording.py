"""The attributes of what is rewritten: kept word for word, or put into the words of a version.

Nothing is decoded and encoded again that can be taken as it is, so what other programs have written
(rendering settings, creators, keys of their own) stays.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ngffkit.editing.coarser import entries_like
from ngffkit.image import Image, Level
from ngffkit.spec.encode import encode, encode_labels

Json = dict[str, Any]

#: Keys of OME's among the attributes, where a version does not keep them in a place of their own.
_OURS: Final = (
    *("multiscales", "omero", "image-label", "labels", "plate", "well"),
    *("bioformats2raw.layout", "series"),
)

#: What says where levels are.
_PLACES: Final = ("axes", "datasets", "coordinateTransformations", "coordinateSystems")


def image_attributes(
    old: Mapping[str, Any], source: Image, image: Image, fresh: Sequence[Level], method: str
) -> Json:
    """Return the attributes of an image in its new version.

    Parameters
    ----------
    old : Mapping
        The attributes that it has.
    source : Image
        What it is, with all levels that there will be.
    image : Image
        The same in the new version.
    fresh : sequence of Level
        Those of its levels that are made.
    method : str
        How they are made.
    """
    made: Json = encode(image, image.version)
    if source.version == image.version:
        out: Json = copy.deepcopy(dict(old))
        entry = _entry(_body(out), source, fresh)
        if fresh:
            _add(entry, image, fresh, method)
        return out
    theirs = copy.deepcopy(dict(_body(old)))
    inner = made.get("ome", made)
    entry = _translated(_entry(theirs, source, fresh), inner["multiscales"][0], image, fresh)
    if fresh:
        entry.setdefault("type", method)
    inner["multiscales"] = [entry]
    if isinstance(theirs.get("omero"), Mapping):
        inner["omero"] = _stamped(theirs["omero"], source.version, image.version)
    if isinstance(theirs.get("image-label"), Mapping) and "image-label" in inner:
        inner["image-label"] = _restamped(theirs["image-label"], inner["image-label"])
    return _put(old, theirs, inner, made)


def group_attributes(old: Mapping[str, Any], version: str, *, changed: bool) -> Json:
    """Return the attributes of a group that holds images or labels.

    Parameters
    ----------
    old : Mapping
        The attributes that it has.
    version : str
        The version of its images.
    changed : bool
        Whether that is another one than before.

    Examples
    --------
    >>> from ngffkit.spec.encode import DEFAULT
    >>> group_attributes({"labels": ["a"], "made by": "me"}, DEFAULT, changed=True)["made by"]
    'me'
    """
    body = _body(old)
    if not changed or not any(key in body for key in _OURS):
        return copy.deepcopy(dict(old))
    theirs = copy.deepcopy(dict(body))
    made: Json = encode_labels((), version)
    inner = made.get("ome", made)
    del inner["labels"]
    return _put(old, theirs, inner, made)


def _body(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = attributes.get("ome")
    return inner if isinstance(inner, Mapping) else attributes


def _entry(body: Mapping[str, Any], source: Image, fresh: Sequence[Level]) -> Json:
    """Return the entry of ``multiscales`` that describes an image; empty where there is none."""
    new = {level.path for level in fresh}
    paths = {level.path for level in source.levels} - new
    for entry in body.get("multiscales") or ():
        listed = entry.get("datasets") or () if isinstance(entry, Mapping) else ()
        if {item.get("path") for item in listed} == paths:
            return entry  # type: ignore[no-any-return]
    return {}


def _translated(old: Json, new: Json, image: Image, fresh: Sequence[Level]) -> Json:
    """Return an entry in the words of another version."""
    rest = {k: v for k, v in old.items() if k not in (*_PLACES, "version")}
    stamp = {k: v for k, v in new.items() if k == "version"}
    name = {"name": new["name"]} if new.get("name") else {}
    if not _is_plain(old) or "axes" not in new:
        places = {k: v for k, v in new.items() if k in _PLACES}
        return {**name, **rest, **stamp, **places}
    kept: Json = {k: old[k] for k in _PLACES if k in old}
    entry: Json = {**name, **rest, **stamp, **kept}
    if fresh:
        _add(entry, image, fresh, "")
    return entry


def _is_plain(entry: Json) -> bool:
    """Tell whether an entry places its levels as all versions with axes do."""
    axes, datasets = entry.get("axes"), entry.get("datasets")
    return (
        isinstance(axes, list)
        and all(isinstance(axis, Mapping) for axis in axes)
        and isinstance(datasets, list)
        and all(item.get("coordinateTransformations") for item in datasets)
    )


def _add(entry: Json, image: Image, fresh: Sequence[Level], method: str) -> None:
    """List new levels among the others, finest first."""
    old: list[Json] = entry["datasets"]
    sizes = {level.path: math.prod(level.grid.scale) for level in image.levels}
    entry["datasets"] = sorted(
        [*old, *entries_like(image, fresh, old)], key=lambda item: sizes[item["path"]]
    )
    if method:
        entry.setdefault("type", method)


def _stamped(omero: Mapping[str, Any], old: str, new: str) -> Json:
    """Return rendering settings, of the new version where they name the old one."""
    return {**omero, "version": new} if omero.get("version") == old else dict(omero)


def _restamped(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """Return an object with the version that its new form has, or none."""
    rest = {k: v for k, v in old.items() if k != "version"}
    return {k: v for k, v in new.items() if k == "version"} | rest


def _put(old: Mapping[str, Any], theirs: Json, inner: Json, made: Json) -> Json:
    """Put what is left of the old attributes where the new version has it."""
    apart = isinstance(old.get("ome"), Mapping)
    outside = {k: v for k, v in old.items() if (k != "ome" if apart else k not in _OURS)}
    for key, value in theirs.items():
        if key not in inner and key != "version" and (apart or key in _OURS):
            inner[key] = _unstamped(value) if "ome" in made else value
    return {**outside, **({"ome": inner} if "ome" in made else inner)}


def _unstamped(value: Any) -> Any:
    """Return the object of a plate or well without its version, which stands above it."""
    return {k: v for k, v in value.items() if k != "version"} if isinstance(value, dict) else value
