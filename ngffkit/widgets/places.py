"""The axes of a view: from voxels to the coordinates of xarray and back, to the last digit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from ngffkit.errors import NgffError
from ngffkit.grid import PIXEL_TOLERANCE
from ngffkit.index import channel_names
from ngffkit.plots.scalebar import ratio

Json = Mapping[str, Any]


def number(key: str, value: Any) -> float:
    """Return a finite number, or say that `key` is none."""
    try:
        found = math.nan if isinstance(value, (bool, str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise NgffError(f"{key} is {value!r:.80}; it must be a finite number")
    return found


@dataclass(frozen=True)
class Places:
    """A scene's axes.

    Parameters
    ----------
    manifest : Mapping
        ``Manifest`` of ``js/src/types.js``.
    exact : Mapping of str to pandas.Index
        The coordinates of the finest pixels, for axes that have any.

    Examples
    --------
    >>> axes = [{"name": "z", "size": 5, "scale": 0.5, "origin": 2.0, "unit": "µm", "values": None}]
    >>> places = Places({"axes": axes, "spatial": ["z"], "layers": []})
    >>> places.coordinate("z", 3), places.nearest("z", 3.6)
    (3.5, 3)
    """

    manifest: Json
    exact: Mapping[str, pd.Index] = field(default_factory=dict)

    @cached_property
    def _axes(self) -> dict[str, Json]:
        return {axis["name"]: axis for axis in self.manifest["axes"]}

    @property
    def names(self) -> tuple[str, ...]:
        """All axes, in the order of the array."""
        return tuple(self._axes)

    @property
    def spatial(self) -> tuple[str, ...]:
        """The axes that planes can be made of."""
        return tuple(self.manifest["spatial"])

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Names of all channels of images, which all differ."""
        found = [
            channel["label"] or layer["name"]
            for layer in self.manifest["layers"]
            if layer["kind"] != "label"
            for channel in layer["channels"]
        ]
        return tuple(map(str, channel_names(found, len(found))))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of all label layers."""
        layers = self.manifest["layers"]
        return tuple(layer["name"] for layer in layers if layer["kind"] == "label")

    def size(self, name: str) -> int:
        """Return the number of pixels along an axis."""
        return int(self._axes[name]["size"])

    def unit(self, name: str) -> str:
        """Return the unit of an axis as it is shown; empty where there is none."""
        return str(self._axes[name]["unit"])

    def voxel_size(self, name: str, unit: str) -> float | None:
        """Return the extent of a voxel in some unit; None when the axis isn't measured in such."""
        factor = ratio(self.unit(name), unit)
        return None if factor is None else float(self._axes[name]["scale"]) * factor

    def origin(self, name: str, unit: str) -> float:
        """Return the position of the first pixel's centre in some unit that measures the same."""
        return float(self._axes[name]["origin"]) * (ratio(self.unit(name), unit) or 1.0)

    def coordinate(self, name: str, voxel: float) -> Any:
        """Return the coordinate of a voxel, which may lie between pixels."""
        axis, known = self._axes[name], self.exact.get(name)
        if voxel == int(voxel) and 0 <= voxel < axis["size"]:
            if known is not None:
                value = known[int(voxel)]
                return value.item() if hasattr(value, "item") else value
            if axis["values"] is not None:
                return axis["values"][int(voxel)]
        return axis["origin"] + voxel * axis["scale"]

    def position(self, voxel: Json) -> dict[str, Any]:
        """Return the coordinates of a voxel, by axis."""
        return {name: self.coordinate(name, v) for name, v in voxel.items()}

    def voxel(self, position: Any) -> dict[str, int]:
        """Return the voxel that is nearest to a position, for the axes that it has.

        Raises
        ------
        NgffError
            When there is no such axis, or the position lies outside of the image.
        """
        if not isinstance(position, Mapping):
            raise NgffError(f"position={position!r:.80}: write it by axis, e.g. {{'z': 12.5}}")
        return {name: self.nearest(name, value) for name, value in position.items()}

    def nearest(self, name: str, wanted: Any) -> int:
        """Return the pixel of an axis that is nearest to a coordinate."""
        found = self.fraction(name, wanted)
        size = self.size(name)
        if not -0.5 - PIXEL_TOLERANCE <= found <= size - 0.5 + PIXEL_TOLERANCE:
            first, last = self.coordinate(name, 0), self.coordinate(name, size - 1)
            raise NgffError(
                f"{name}={wanted!r:.80} lies outside the image, whose axis {name!r} runs from "
                f"{first} to {last}; choose a position in between"
            )
        return min(max(math.floor(found + 0.5), 0), size - 1)

    def fraction(self, name: str, wanted: Any) -> float:
        """Return the voxel coordinate of a coordinate, which may lie outside of the image."""
        axis = self._axes.get(name)
        if axis is None:
            raise NgffError(f"there is no axis {name!r:.80}; the axes are {', '.join(self.names)}")
        if axis["values"] is not None:
            return float(self._listed(name, wanted))
        found = (number(name, wanted) - axis["origin"]) / axis["scale"]
        whole = math.floor(found + 0.5)
        # what was computed from a pixel is this pixel
        return float(whole) if abs(found - whole) <= PIXEL_TOLERANCE else found

    def _listed(self, name: str, wanted: Any) -> int:
        """Return the pixel of an axis whose coordinates are no even numbers."""
        known, texts = self.exact.get(name), list(self._axes[name]["values"])
        if isinstance(wanted, str) and wanted in texts:
            return texts.index(wanted)
        index = pd.Index(texts) if known is None else known
        try:
            if index.dtype.kind in "OUSb":
                found = int(index.get_indexer_for([wanted])[0])
            else:
                # the nearest is found only among positions that rise, and then looked up
                rising = index.dropna().drop_duplicates().sort_values()
                near = int(rising.get_indexer([wanted], method="nearest")[0])
                found = int(index.get_indexer_for(rising[[near]])[0]) if near >= 0 else -1
        except (TypeError, ValueError):
            found = -1
        if found < 0:
            shown = ", ".join(texts[:5]) + (", ..." if len(texts) > 5 else "")
            raise NgffError(f"{name}={wanted!r:.80} is no position there; there are {shown}")
        return found
