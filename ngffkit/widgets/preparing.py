"""From what a user has and wants to a scene: layers, what reads them, and the state at first."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ngffkit.errors import NgffError
from ngffkit.planning.options import nbytes_of
from ngffkit.widgets import state as states
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import LayerChannel, Layers
from ngffkit.widgets.places import Places

Json = dict[str, Any]

#: How label images are shown when nobody has said.
LABEL = {"visible": True, "opacity": 0.5, "outline": 0, "seed": 0, "selected": []}


@dataclass(frozen=True, slots=True)
class Look:
    """What a view shows at first; every field is a keyword of `ngffkit.browse`.

    Parameters
    ----------
    labels : bool, str, DataArray or list of these
        Label images over the image: True are all that belong to it.
    channels : sequence of str or int, optional
        Those that are visible, by name or position; the image's own choice when left out.
    colors : str, sequence or mapping, optional
        ``RRGGBB`` per channel, in their order or by name.
    windows : (float, float), sequence of them, mapping or "auto", optional
        What is black and what is full colour, per channel, or one for all. Left out: the image's
        own, else percentiles of a coarse plane; ``"auto"``: percentiles.
    layout : {"plane", "ortho", "volume"}
        One plane, three planes and a projection, or the projection.
    plane : str or (str, str), optional
        Which plane, e.g. ``"xz"``.
    position : Mapping, optional
        Where it stands, by axis, in its coordinates. The names of axes are keywords too.
    zoom : float, optional
        CSS pixels per voxel; all of the image when left out.
    mag : str, optional
        Shows this mag whatever the zoom.
    height : int
        Of the canvas, in CSS pixels.
    cache : str or int
        Memory for decoded pixels.
    theme : {"auto", "dark", "light"}
        Auto follows the notebook.
    name : str, optional
        What the image is called.
    """

    labels: Any = True
    channels: Sequence[str | int] | str | int | None = None
    colors: Any = None
    windows: Any = None
    layout: str = "plane"
    plane: Any = None
    position: Mapping[str, Any] | None = None
    zoom: float | None = None
    mag: Any = None
    height: int = 480
    cache: str | int = "256 MB"
    theme: str = "auto"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a view is made of.

    Parameters
    ----------
    layers : Layers
        What is shown.
    bricks : Bricks
        What reads it.
    places : Places
        Its axes.
    state : dict
        ``SharedState`` at first.
    """

    layers: Layers
    bricks: Bricks
    places: Places
    state: Json


def prepare(obj: Any, options: Mapping[str, Any]) -> Scene:
    """Make the scene of any object that can be browsed.

    Parameters
    ----------
    obj : object
        As for `ngffkit.browse`.
    options : Mapping
        Fields of `Look`, and names of axes with positions.

    Raises
    ------
    NgffError
        When an option is neither; the message lists them.
    """
    names = [f.name for f in fields(Look)]
    look = Look(**{name: value for name, value in options.items() if name in names})
    cache = nbytes_of(look.cache, "cache")
    layers = Layers.of(obj, labels=look.labels, name=look.name)
    axes = [axis.name for axis in layers.axes]
    at = {} if look.position is None else look.position
    if not isinstance(at, Mapping):
        raise NgffError(f"position={at!r:.80}: write it by axis, e.g. {{'z': 12.5}}")
    at = dict(at)
    for name, value in options.items():
        if name in axes:
            at[name] = value
        elif name not in names:
            near = difflib.get_close_matches(name, [*names, *axes], 1)
            raise NgffError(
                f"{name!r} is neither an axis of this image ({', '.join(axes)}) nor an "
                f"option ({', '.join(names)})" + (f"; did you mean {near[0]!r}?" if near else "")
            )
    bricks = Bricks(cache)
    places = Places(layers.manifest(), layers.exact)
    if isinstance(look.windows, str) and look.windows == "auto":
        layers, look = _without_windows(layers), replace(look, windows=None)
    channels = styled(places, layers.channel_states(bricks.read), look)
    layers = _with_ranges(layers, channels)
    places = Places(layers.manifest(), layers.exact)
    return Scene(layers, bricks, places, _state(places, channels, look, at))


def _without_windows(layers: Layers) -> Layers:
    """Let all windows be chosen by percentiles."""
    out = []
    for layer in layers.layers:
        bare = (replace(c, known=replace(c.known, window=None)) for c in layer.channels)
        out.append(replace(layer, channels=tuple(bare)))
    return replace(layers, layers=tuple(out))


def _with_ranges(layers: Layers, channels: Sequence[Json]) -> Layers:
    """Let windows of wide types be chosen from around what they are."""
    windows = iter([style["window"] for style in channels])
    out = []
    for layer in layers.layers:
        if layer.kind == "label":
            out.append(layer)
            continue
        own = [_ranged(channel, next(windows), layer.dtype) for channel in layer.channels]
        out.append(replace(layer, channels=tuple(own)))
    return replace(layers, layers=tuple(out))


def _ranged(channel: LayerChannel, window: Sequence[float], dtype: np.dtype[Any]) -> LayerChannel:
    if dtype.kind in "ui" and dtype.itemsize <= 2:
        return channel
    low, high = sorted(window)
    width = (high - low) or 1.0
    least, most = (low - width, high + width)
    if dtype.kind == "u":
        least = max(0.0, least)
    return replace(channel, range=(least, most))


def _state(places: Places, channels: Sequence[Json], look: Look, at: Mapping[str, Any]) -> Json:
    out = states.initial(places)
    voxel = places.voxel(at)
    center = {name: float(v) for name, v in voxel.items() if name in places.spatial}
    wanted = {
        "voxel": voxel,
        "center": center,
        "zoom": look.zoom or 0.0,
        "layout": look.layout or "plane",
        "plane": out["plane"] if look.plane is None else look.plane,
        "held_mag": look.mag,
        "height": look.height,
        "theme": look.theme,
    }
    for key, value in wanted.items():
        out[key] = states.checked(key, value, places, out)
    out["channels"] = states.checked("channels", channels, places, out)
    out["labels"] = [dict(LABEL) for _ in places.labels]
    return out


# --- how channels look ---------------------------------------------------------------------------


def styled(places: Places, channels: Sequence[Json], look: Look) -> list[Json]:
    """Lay what was asked for over how channels look by themselves."""
    out = [dict(style) for style in channels]
    if look.channels is not None:
        shown = _chosen(places.channels, look.channels)
        for i, style in enumerate(out):
            style["visible"] = i in shown
    for i, color in _each("colors", look.colors, places.channels, _is_color).items():
        out[i]["color"] = states.hex_color(color)
    for i, window in _each("windows", look.windows, places.channels, _is_window).items():
        out[i]["window"] = list(states.window(places.channels[i], window))
    return out


def _chosen(names: Sequence[str], wanted: Any) -> set[int]:
    out = set()
    one = isinstance(wanted, str) or not hasattr(wanted, "__iter__")
    for want in [wanted] if one else list(wanted):
        if isinstance(want, (int, np.integer)) and -len(names) <= want < len(names):
            out.add(int(want) % len(names))
        elif want in names:
            out.add(list(names).index(str(want)))
        else:
            known = ", ".join(f"{i}: {name!r}" for i, name in enumerate(names)) or "none"
            raise NgffError(f"there is no channel {want!r}; the channels are {known}")
    return out


def _is_color(value: Any) -> bool:
    return isinstance(value, str) or (
        len(value) == 3 and all(isinstance(part, (int, float)) for part in value)
    )


def _is_window(value: Any) -> bool:
    return len(value) == 2 and all(
        np.ndim(part) == 0 and not isinstance(part, str) for part in value
    )


def _each(key: str, value: Any, names: Sequence[str], is_one: Any) -> dict[int, Any]:
    """Sort values out to channels: by name, one for all, or one for each."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        unknown = [name for name in value if name not in names]
        if unknown:
            raise NgffError(
                f"{key}: there is no channel {unknown[0]!r}; the channels are {', '.join(names)}"
            )
        return {list(names).index(name): part for name, part in value.items()}
    try:
        listed = [value] * len(names) if is_one(value) else list(value)
    except TypeError:
        listed = []
    if len(listed) != len(names):
        raise NgffError(f"{key}={value!r:.80}: give one for each of {', '.join(names)}, or by name")
    return dict(enumerate(listed))
