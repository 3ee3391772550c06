"""Parts of the state in the words of Python: coordinates for voxels, names for places in lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ngffkit.errors import NgffError
from ngffkit.widgets import state as states
from ngffkit.widgets.places import Places

State = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Word:
    """How Python speaks of a part of the state.

    Parameters
    ----------
    parts : tuple of str
        The keys of the state that it is read off.
    told : callable
        From state and scene to the value in Python.
    wanted : callable
        From a value, state and scene to what the state is to be, by key.
    """

    parts: tuple[str, ...]
    told: Callable[[State, Places], Any]
    wanted: Callable[[Any, State, Places], dict[str, Any]]


def _position(value: Any, state: State, places: Places) -> dict[str, Any]:
    voxel = places.voxel(value)
    # the view goes along, on the axes on which it is told to go somewhere else
    moved = {
        name: float(v)
        for name, v in voxel.items()
        if name in places.spatial and v != state["voxel"][name]
    }
    return {"voxel": {**state["voxel"], **voxel}, "center": {**state["center"], **moved}}


def _windows(state: State, places: Places) -> dict[str, tuple[float, float]]:
    pairs = zip(places.channels, state["channels"], strict=True)
    return {name: (style["window"][0], style["window"][1]) for name, style in pairs}


def _window(value: Any, state: State, places: Places) -> dict[str, Any]:
    given = _by_name("window", value, places.channels)
    found = {name: list(states.window(name, pair)) for name, pair in given.items()}
    return {
        "channels": [
            {**style, "window": found.get(name, style["window"])}
            for name, style in zip(places.channels, state["channels"], strict=True)
        ]
    }


def _ids(state: State, places: Places) -> dict[str, list[int]]:
    pairs = zip(places.labels, state["labels"], strict=True)
    return {name: [int(label) for label in style["selected"]] for name, style in pairs}


def _selected(value: Any, state: State, places: Places) -> dict[str, Any]:
    given = _by_name("selected_ids", value, places.labels)
    found = {name: states.ids_of(name, ids) for name, ids in given.items()}
    return {
        "labels": [
            {**style, "selected": found.get(name, style["selected"])}
            for name, style in zip(places.labels, state["labels"], strict=True)
        ]
    }


def _by_name(key: str, value: Any, names: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise NgffError(f"{key}={value!r:.80}: write it by name, one of {', '.join(names)}")
    unknown = [name for name in value if name not in names]
    if unknown:
        known = ", ".join(map(repr, names)) or "none"
        raise NgffError(f"{key}: there is no {unknown[0]!r:.80}; there are {known}")
    return value


WORDS: Mapping[str, Word] = {
    "layout": Word(("layout",), lambda s, _: s["layout"], lambda v, _s, _p: {"layout": v}),
    "position": Word(("voxel",), lambda s, p: p.position(s["voxel"]), _position),
    "mag": Word(
        ("held_mag", "shown_mag"),
        lambda s, _: s["held_mag"] or s["shown_mag"],
        lambda v, _s, _p: {"held_mag": v},
    ),
    "window": Word(("channels",), _windows, _window),
    "selected_ids": Word(("labels",), _ids, _selected),
}
