"""What the attributes of a group hold, and in which dialect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Newest dialect that is known in full; later ones open with a warning.
NEWEST = (0, 6)

#: Keys that make a group something, in order of precedence: bioformats2raw marks images and
#: plates with its layout too, so it comes after both.
_KEYS = (
    ("multiscales", "image"),
    ("plate", "plate"),
    ("well", "well"),
    ("scene", "scene"),
    ("labels", "labels"),
    ("series", "series"),
    ("bioformats2raw.layout", "series"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a group is.

    Parameters
    ----------
    kind : str
        ``image``, ``plate``, ``well``, ``scene``, ``labels`` or ``series``.
    version : str
        As written, or as the shape of the document tells.
    body : Mapping
        The part of the attributes that speaks OME: ``attributes["ome"]`` since 0.5.
    prefix : str
        JSON path of `body` within the attributes.
    newer : bool
        Whether the version is later than any that is known.
    """

    kind: str
    version: str
    body: Mapping[str, Any]
    prefix: str
    newer: bool


def detect(attrs: Mapping[str, Any]) -> Found | None:
    """Tell what the attributes of a group hold.

    Parameters
    ----------
    attrs : Mapping
        ``.zattrs`` of Zarr v2, or ``attributes`` of Zarr v3's ``zarr.json``.

    Returns
    -------
    Found or None
        None when they hold nothing of OME's.

    Examples
    --------
    >>> detect({"ome": {"version": "0.5", "multiscales": [{}]}}).version
    '0.5'
    >>> detect({"labels": ["nuclei"]}).kind
    'labels'
    """
    inner = attrs.get("ome")
    body, prefix = (inner, "ome.") if isinstance(inner, Mapping) else (attrs, "")
    for key, kind in _KEYS:
        if key in body:
            version = _version(body, key)
            return Found(kind, version, body, prefix, number(version) > NEWEST)
    return None


def number(version: str) -> tuple[int, ...]:
    """Return the numbers a version string starts with: ``0.6.dev4`` is (0, 6).

    Examples
    --------
    >>> number("0.4-dev-spatialdata"), number("0.6rc0"), number("nonsense")
    ((0, 4), (0, 6), ())
    """
    out: list[int] = []
    for part in version.split(".")[:2]:
        digits = ""
        for char in part:
            if not char.isdecimal() or len(digits) > 6:
                break
            digits += char
        if not digits:
            break
        out.append(int(digits))
    return tuple(out)


def _version(body: Mapping[str, Any], key: str) -> str:
    entry = body.get(key)
    first = entry[0] if isinstance(entry, list) and entry else entry
    for holder in (body, first):
        if isinstance(holder, Mapping) and isinstance(holder.get("version"), str):
            return str(holder["version"])
    if key == "multiscales" and isinstance(first, Mapping):
        return _version_by_shape(first)
    return "0.5" if key in body and "ome" in body else "0.4"


def _version_by_shape(multiscale: Mapping[str, Any]) -> str:
    if "coordinateSystems" in multiscale:
        return "0.6"
    axes = multiscale.get("axes")
    if not isinstance(axes, list):
        return "0.2"
    return "0.3" if axes and isinstance(axes[0], str) else "0.4"
