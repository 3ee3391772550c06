"""What the user has drawn: a box, points or a line, in voxels for the page, in units for Python."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ngffkit.errors import NgffError
from ngffkit.grid import PIXEL_TOLERANCE
from ngffkit.widgets.places import Places, number

Json = dict[str, Any]

#: So many points can be drawn; more are data, not a selection.
MAX_POINTS = 10_000

_HOW = (
    "write {'box': {'x': (lo, hi)}}, {'points': [{'x': 1.0, ...}]}, {'line': (a, b)} in the units "
    "of the axes, or {} for nothing"
)


def selection_of(value: Any, places: Places, here: Mapping[str, Any]) -> Json:
    """Return a selection in voxels.

    Parameters
    ----------
    value : Mapping or None
        In voxels, as ``Selection`` of ``js/src/types.js``, or in the coordinates of the axes:
        ``{"box": {"x": (10.0, 20.0)}}``, ``{"points": [...]}``, ``{"line": (a, b)}``. Axes that a
        box lacks are taken whole, those that a point lacks are where the view is.
    places : Places
        The scene.
    here : Mapping
        The voxel of the crosshair.

    Raises
    ------
    NgffError
        When it is none, or lies outside of the image.
    """
    if value is None or (isinstance(value, Mapping) and not value):
        return {}
    if not isinstance(value, Mapping):
        raise NgffError(f"selection={value!r:.80}: {_HOW}")
    if value.get("kind") == "box":
        return _voxel_box(value.get("lo"), value.get("hi"), places)
    if value.get("kind") in ("points", "line"):
        return _marks(value["kind"], value.get("points"), places)
    if list(value) == ["box"]:
        return _box(value["box"], places)
    if list(value) in (["points"], ["line"]):
        (kind,) = value
        found = [_fractions(point, places, here) for point in _listed(kind, value[kind])]
        return _marks(kind, found, places)
    raise NgffError(f"selection={dict(value)!r:.80}: {_HOW}")


def box_slices(selection: Mapping[str, Any], places: Places) -> dict[str, slice]:
    """Return a box as slices of coordinates, for ``ds.sel(**slices)``; empty without one."""
    if selection.get("kind") != "box":
        return {}
    lo, hi = selection["lo"], selection["hi"]
    return {
        name: slice(places.coordinate(name, lo[name]), places.coordinate(name, hi[name] - 1))
        for name in places.spatial
    }


def positions(selection: Mapping[str, Any], kind: str, places: Places) -> list[Json]:
    """Return points or the ends of a line in the coordinates of the axes; none without any."""
    if selection.get("kind") != kind:
        return []
    return [places.position(point) for point in selection["points"]]


def _box(box: Any, places: Places) -> Json:
    if not isinstance(box, Mapping):
        raise NgffError(f"box={box!r:.80}: {_HOW}")
    lo = dict.fromkeys(places.spatial, 0)
    hi = {name: places.size(name) for name in places.spatial}
    for name, part in box.items():
        if name not in places.spatial:
            known = ", ".join(places.spatial)
            raise NgffError(f"box: {name!r:.40} is no axis of space; these are {known}")
        ends = (part.start, part.stop) if isinstance(part, slice) else tuple(part)
        if len(ends) != 2:
            raise NgffError(f"box: {name}={part!r:.80} is no range; write (lo, hi)")
        low, high = (None if end is None else places.fraction(name, end) for end in ends)
        # as xarray slices: pixels whose centres lie in the range, ends included
        if low is not None:
            lo[name] = max(0, math.ceil(low - PIXEL_TOLERANCE))
        if high is not None:
            hi[name] = min(places.size(name), math.floor(high + PIXEL_TOLERANCE) + 1)
        if lo[name] >= hi[name]:
            raise NgffError(f"box: no pixel's centre lies in {name}={part!r:.80}; make it larger")
    return {"kind": "box", "lo": lo, "hi": hi}


def _voxel_box(lo: Any, hi: Any, places: Places) -> Json:
    if not isinstance(lo, Mapping) or not isinstance(hi, Mapping):
        raise NgffError("a box in voxels has lo and hi, by axis")
    out: Json = {"kind": "box", "lo": {}, "hi": {}}
    for name in places.spatial:
        low, high = (number(f"box[{name!r}]", corner.get(name)) for corner in (lo, hi))
        low, high = max(0, math.floor(low + 0.5)), min(places.size(name), math.floor(high + 0.5))
        if low >= high:
            raise NgffError(f"box: there is no pixel between {low} and {high} of axis {name!r}")
        out["lo"][name], out["hi"][name] = low, high
    return out


def _listed(kind: str, value: Any) -> Sequence[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise NgffError(f"{kind}={value!r:.80}: {_HOW}")
    return list(value)


def _fractions(point: Any, places: Places, here: Mapping[str, Any]) -> Json:
    if not isinstance(point, Mapping):
        raise NgffError(f"{point!r:.80} is no point: {_HOW}")
    return {**here, **{name: places.fraction(name, value) for name, value in point.items()}}


def _marks(kind: str, value: Any, places: Places) -> Json:
    points = _listed(kind, value)
    if kind == "line" and len(points) != 2:
        raise NgffError(f"a line has two ends, got {len(points)}")
    if not 1 <= len(points) <= MAX_POINTS:
        raise NgffError(f"{len(points)} points; 1 to {MAX_POINTS} can be selected")
    return {"kind": kind, "points": [_mark(kind, point, places) for point in points]}


def _mark(kind: str, point: Any, places: Places) -> Json:
    if not isinstance(point, Mapping) or set(point) != set(places.names):
        raise NgffError(f"{point!r:.80} is no point; give all of {', '.join(places.names)}")
    out = {name: number(f"{kind}[{name!r}]", point[name]) for name in places.names}
    for name, v in out.items():
        # a line may begin outside, where it has no values; a point there would be none
        if kind == "points" and not -0.5 <= v <= places.size(name) - 0.5:
            raise NgffError(
                f"a point at voxel {v:g} of axis {name!r} lies outside the image, which has 0 to "
                f"{places.size(name) - 1}"
            )
    return out
