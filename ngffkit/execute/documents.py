"""The metadata documents of what was written, each under its key: values, nothing is stored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ngffkit import __version__
from ngffkit.chunks.encoding import COMPLETE, Compression, documents
from ngffkit.execute.job import ImageJob
from ngffkit.image import Channel, Image
from ngffkit.spec.encode import encode, encode_labels, zarr_format

#: Documents by key below the target.
Documents = dict[str, dict[str, Any]]

_GROUP = {2: (".zattrs", ".zgroup"), 3: ("zarr.json",)}

#: Colours of channels that have none: white alone, then those that colour-blind people tell apart.
_COLORS = ("FF00FF", "00FF00", "00FFFF", "FFFF00", "FF8000", "8080FF")

_LABELS = "labels"


def array_documents(item: ImageJob) -> Documents:
    """Return the documents of the arrays of an image that are written."""
    out: Documents = {}
    for level in item.job.levels:
        # an image that was there keeps the documents it has
        assert isinstance(level.compression, Compression)
        spec = replace(level.spec, attrs={**level.spec.attrs, COMPLETE: True})
        for name, document in documents(spec, level.compression).items():
            out[f"{level.path}/{name}"] = document
    return out


def group_documents(path: str, attributes: Mapping[str, Any], number: int) -> Documents:
    """Return the documents of a group.

    Examples
    --------
    >>> sorted(group_documents("labels", {}, 2))
    ['labels/.zattrs', 'labels/.zgroup']
    """
    head = f"{path}/" if path else ""
    if number == 3:
        group = {"zarr_format": 3, "node_type": "group", "attributes": dict(attributes)}
        return {f"{head}zarr.json": group}
    return {f"{head}.zattrs": dict(attributes), f"{head}.zgroup": {"zarr_format": 2}}


def image_attributes(image: Image, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the attributes of an image's group, and in them how its pyramid was made."""
    steps = [level.grid.factors(image.base) for level in image.levels[1:2]]
    size = " x ".join(f"{f:g}" for f in (steps[0].values() if steps else ()))
    how: dict[str, Any] = {"method": f"ngffkit.reduce.{image.method}", "version": __version__}
    if size and image.method:
        how["description"] = f"{image.method} of {size} pixels, along {', '.join(image.base.dims)}"
    return {**encode(image, image.version, how if image.method else None), **(extra or {})}


def label_documents(names: Sequence[str], version: str) -> Documents:
    """Return the documents of the group that lists the label images."""
    return group_documents(_LABELS, encode_labels(names, version), zarr_format(version))


def root_documents(
    attributes: Mapping[str, Any], inner: Documents, version: str
) -> dict[str, dict[str, Any]]:
    """Return the documents of the root, with those of all that lies below it, in commit order.

    The last one makes an image of what is there.
    """
    if zarr_format(version) == 3:
        below = {
            key.removesuffix("/zarr.json"): document
            for key, document in sorted(inner.items())
            if key.endswith("/zarr.json")
        }
        consolidated = {"kind": "inline", "must_understand": False, "metadata": below}
        group = group_documents("", attributes, 3)["zarr.json"]
        return {"zarr.json": {**group, "consolidated_metadata": consolidated}}
    own = group_documents("", attributes, 2)
    every = {**own, **inner}
    consolidated = {"zarr_consolidated_format": 1, "metadata": dict(sorted(every.items()))}
    return {".zmetadata": consolidated, **own}


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return a document as bytes; NaN and infinities are spelled as Zarr does."""
    return json.dumps(_finite(document), indent=1, ensure_ascii=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def complete_channels(image: Image, count: int) -> tuple[Channel, ...]:
    """Return one channel per index, each with a name and a colour."""
    known = list(image.channels[:count])
    known += [
        Channel(f"channel {i}" if count > 1 else image.name) for i in range(len(known), count)
    ]
    colors = ("FFFFFF",) if count == 1 else _COLORS
    return tuple(
        channel if channel.color else replace(channel, color=colors[i % len(colors)])
        for i, channel in enumerate(known)
    )
