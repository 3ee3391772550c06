"""Views that move together: the same places in units, so voxels of other sizes stay aligned."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ngffkit.errors import NgffError
from ngffkit.widgets.drawn import MAX_POINTS
from ngffkit.widgets.places import Places

if TYPE_CHECKING:
    from ngffkit.widgets.browse import Viewer

Json = Mapping[str, Any]

#: What can be linked, with the part of the state that it is.
KINDS: Mapping[str, str] = {
    "position": "voxel",
    "center": "center",
    "zoom": "zoom",
    "window": "channels",
    "selection": "selection",
}


class Link:
    """Two views that move together, until `unlink`.

    Parameters
    ----------
    one, other : Viewer
        The views; `other` comes to where `one` is.
    what : tuple of str
        ``position``, ``center``, ``zoom``, ``window``, ``selection``.
    """

    def __init__(self, one: Viewer, other: Viewer, what: tuple[str, ...]) -> None:
        from ngffkit.widgets.browse import Viewer

        unknown = [name for name in what if name not in KINDS]
        if unknown or one is other or not isinstance(other, Viewer):
            raise NgffError(
                f"can't link {unknown[0]!r}; {', '.join(KINDS)} can be"
                if unknown
                else f"a view is linked to another view, got {type(other).__name__}"
            )
        self.what = what
        self.group = uuid.uuid4().hex
        self._busy = False
        self._ends: tuple[Viewer, ...] = (one, other)
        self._handlers: list[tuple[Viewer, Callable[[Any], None]]] = []
        for here, there in ((one, other), (other, one)):
            handler = self._follower(here, there)
            here.observe(handler, [KINDS[name] for name in what])
            self._handlers.append((here, handler))
        for name in what:
            self._move(one, other, name)
        # pages mirror each other at once; they compare units by name, so only where names agree
        entry = {
            "group": self.group,
            "what": [n for n in what if n == "window" or self._one_unit()],
        }
        for view in self._ends:
            view._links = [*view._links, entry]  # noqa: SLF001 - its own trait, for the page
            view.links.append(self)

    def unlink(self) -> None:
        """Let both go their own ways."""
        for view, handler in self._handlers:
            view.unobserve(handler, [KINDS[name] for name in self.what])
            view._links = [e for e in view._links if e["group"] != self.group]  # noqa: SLF001
            view.links.remove(self)
        # a view that is closed must not be held by one that it was linked to
        self._handlers, self._ends = [], ()

    def _one_unit(self) -> bool:
        one, other = (view.places for view in self._ends)
        return all(one.unit(n) == other.unit(n) for n in one.names if n in other.names)

    def _follower(self, here: Viewer, there: Viewer) -> Callable[[Any], None]:
        def follow(change: Any) -> None:
            name = next(name for name, key in KINDS.items() if key == change["name"])
            self._move(here, there, name)

        return follow

    def _move(self, here: Viewer, there: Viewer, name: str) -> None:
        # rounding must not send a change back and forth
        if self._busy:
            return
        self._busy = True
        try:
            key = KINDS[name]
            value = _MOVES[name](here.state, there.state, here.places, there.places)
            if value is not None:
                there.set_trait(key, value)
        finally:
            self._busy = False

    def __repr__(self) -> str:
        """Say what moves together."""
        return f"<link of {', '.join(self.what)}>" if self._handlers else "<link, undone>"


def moved(point: Json, here: Places, there: Places) -> dict[str, float]:
    """Return a place of one scene in voxels of another, for the axes that both have.

    Examples
    --------
    >>> axis = {"name": "x", "size": 9, "origin": 0.0, "unit": "µm", "values": None}
    >>> fine = Places({"axes": [{**axis, "scale": 0.5}], "spatial": ["x"], "layers": []})
    >>> coarse = Places(
    ...     {"axes": [{**axis, "scale": 1000.0, "unit": "nm"}], "spatial": ["x"], "layers": []}
    ... )
    >>> moved({"x": 3}, fine, coarse)
    {'x': 1.5}
    """
    out = {}
    for name, v in point.items():
        if name not in there.names:
            continue
        unit = there.unit(name)
        size, own = here.voxel_size(name, unit), there.voxel_size(name, unit)
        if size is None or own is None:
            continue
        out[name] = (here.origin(name, unit) + v * size - there.origin(name, unit)) / own
    return out


def _voxel(here: Json, there: Json, a: Places, b: Places) -> Any:
    found = moved(here["voxel"], a, b)
    # an image that ends earlier is followed to its end
    inside = {n: min(max(math.floor(v + 0.5 + 1e-9), 0), b.size(n) - 1) for n, v in found.items()}
    return {**there["voxel"], **inside}


def _center(here: Json, there: Json, a: Places, b: Places) -> Any:
    found = moved(here["center"], a, b)
    return {**there["center"], **{n: v for n, v in found.items() if n in b.spatial}}


def _zoom(here: Json, _there: Json, a: Places, b: Places) -> Any:
    reference, own = a.manifest["reference"], b.manifest["reference"]
    size = a.voxel_size(reference, b.unit(own))
    other = b.voxel_size(own, b.unit(own))
    return here["zoom"] * other / size if size and other and here["zoom"] else None


def _window(here: Json, there: Json, a: Places, b: Places) -> Any:
    windows = {n: style["window"] for n, style in zip(a.channels, here["channels"], strict=True)}
    return [
        {**style, "window": windows.get(name, style["window"])}
        for name, style in zip(b.channels, there["channels"], strict=True)
    ]


def _selection(here: Json, there: Json, a: Places, b: Places) -> Any:
    selection = here["selection"]
    if selection.get("kind") == "box":
        edges = []
        for corner in (selection["lo"], selection["hi"]):
            found = moved({n: v - 0.5 for n, v in corner.items()}, a, b)
            edges.append({n: math.floor(v + 1) for n, v in found.items()})
        whole = [dict.fromkeys(b.spatial, 0), {n: b.size(n) for n in b.spatial}]
        lo, hi = ({**w, **e} for w, e in zip(whole, edges, strict=True))
        box = {n: (max(0, lo[n]), min(b.size(n), max(hi[n], lo[n] + 1))) for n in b.spatial}
        if any(start >= stop for start, stop in box.values()):
            return {}
        start, stop = ({n: part[i] for n, part in box.items()} for i in (0, 1))
        return {"kind": "box", "lo": start, "hi": stop}
    if not selection:
        return {}
    points = [{**there["voxel"], **moved(p, a, b)} for p in selection["points"][:MAX_POINTS]]
    if selection["kind"] == "points":
        points = [p for p in points if all(-0.5 <= v <= b.size(n) - 0.5 for n, v in p.items())]
    return {"kind": selection["kind"], "points": points} if points else {}


_MOVES: Mapping[str, Callable[[Json, Json, Places, Places], Any]] = {
    "position": _voxel,
    "center": _center,
    "zoom": _zoom,
    "window": _window,
    "selection": _selection,
}
