"""Which tiles a page without a kernel should hold, the most useful first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ngffkit.widgets.panes import (
    Json,
    Pane,
    Shown,
    axis_of,
    panes_of,
    place_of,
    request_of,
    shown_in,
    tiles_of,
)
from ngffkit.widgets.volumes import volume_requests

#: Any canvas: its size changes nothing of what is held, which is whole planes.
_CANVAS = (512, 512)

#: Positions of an axis that are thought of, on each side.
_FAR = 2000


@dataclass(frozen=True, slots=True)
class Phase:
    """Tiles that belong together.

    Parameters
    ----------
    what : str
        What they show, in words.
    requests : iterator of Mapping
        What gets them; some may have been in an earlier phase.
    whole : bool
        Whether some of them without the others would mislead.
    """

    what: str
    requests: Iterator[Json]
    whole: bool = False


def phases(manifest: Json, state: Json) -> Iterator[Phase]:
    """Yield what a page may hold, the most useful first.

    Parameters
    ----------
    manifest, state : Mapping
        ``Manifest`` and ``SharedState``.

    Yields
    ------
    Phase
        First what is in view, from coarse to fine.
    """
    state = {**state, "zoom": state["zoom"] or 1.0}
    panes, seen = panes_of(manifest, state, *_CANVAS), list(shown_in(manifest, state))
    depths = range(max(len(layer["levels"]) for layer in manifest["layers"]))

    def planes(shown: Sequence[Shown]) -> Iterator[Json]:
        for depth in depths:
            yield from _planes(manifest, panes, shown, state, depth)

    # what depths mean: layers may have fewer levels, these count from their coarsest too
    mags = [level["mag"] for level in max((la["levels"] for la in manifest["layers"]), key=len)]
    coarse = f"at mag {mags[-1]}"
    if panes:
        yield Phase(f"the planes in view {coarse}", _planes(manifest, panes, seen, state, 0))
        yield Phase("the planes in view at all mags", planes(seen))
    if state["layout"] != "plane" and len(manifest["planes"]) >= 3:
        requests = (request for _, request in volume_requests(manifest, state))
        yield Phase("the volume", requests, whole=True)
    yield Phase("hidden channels", planes(_hidden(manifest, state)))
    others = _other_panes(manifest, state)
    yield Phase(f"the other planes {coarse}", _planes(manifest, others, seen, state, 0))
    names = _sliding(manifest, panes)
    for depth in depths:
        what = f"other positions along {', '.join(names)} at mag {mags[-1 - depth]}"
        yield Phase(what, _elsewhere(manifest, panes, seen, state, depth))


def _hidden(manifest: Json, state: Json) -> list[Shown]:
    """Return the channels that are switched off."""
    all_on = {
        key: [{**style, "visible": not style["visible"]} for style in state[key]]
        for key in ("channels", "labels")
    }
    return list(shown_in(manifest, {**state, **all_on}))


def _elsewhere(
    manifest: Json, panes: Sequence[Pane], seen: Sequence[Shown], state: Json, depth: int
) -> Iterator[Json]:
    for name, moved in _moved(manifest, state, _sliding(manifest, panes)):
        shown = [pane for pane in panes if name not in pane.plane]
        yield from _planes(manifest, shown, seen, moved, depth)


def _planes(
    manifest: Json,
    panes: Sequence[Pane],
    seen: Sequence[Shown],
    state: Json,
    depth: int,
) -> Iterator[Json]:
    """Yield the tiles of whole planes, `depth` levels finer than the coarsest."""
    for pane in panes:
        for shown in seen:
            layer = manifest["layers"][shown.layer]
            number = len(layer["levels"]) - 1 - depth
            if number < 0:
                continue
            place = place_of(layer, number, pane, state)
            if place is None:
                continue
            level, (u, v) = layer["levels"][number], pane.plane
            window = tuple(
                (
                    level["offset"][name],
                    level["offset"][name] + level["factor"][name] * (level["shape"][name] - 1),
                )
                for name in pane.plane
            )
            for box in tiles_of(level, (u, v), (window[0], window[1])):
                yield request_of(shown.layer, number, shown.channel, place | box, (v, u))


def _other_panes(manifest: Json, state: Json) -> list[Pane]:
    """Return the planes that a click away are, where one plane is shown."""
    if state["layout"] != "plane" or len(manifest["planes"]) < 3:
        return []
    return [
        pane
        for pane in panes_of(manifest, {**state, "layout": "ortho", "maximised": -1}, *_CANVAS)
        if list(pane.plane) != list(state["plane"])
    ]


def _sliding(manifest: Json, panes: Sequence[Pane]) -> list[str]:
    """Return the axes along which other planes can be seen."""
    return [
        axis["name"]
        for axis in manifest["axes"]
        if axis["size"] > 1 and any(axis["name"] not in pane.plane for pane in panes)
    ]


def _moved(manifest: Json, state: Json, names: Sequence[str]) -> Iterator[tuple[str, Json]]:
    """Yield the state at other positions of one axis each, nearest first."""
    sizes = {name: axis_of(manifest, name)["size"] for name in names}
    for away in range(1, min(_FAR, max(sizes.values(), default=0))):
        for name, size in sizes.items():
            for voxel in (state["voxel"][name] + away, state["voxel"][name] - away):
                if 0 <= voxel < size:
                    yield name, {**state, "voxel": {**state["voxel"], name: voxel}}
