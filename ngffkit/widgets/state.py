"""The state of a view: what each part of it may be. Values in, values out; no widget here.

The page and Python share a record, ``SharedState`` of ``js/src/types.js``. Whatever comes from
either side goes through `checked`, which gives it its one spelling or says what is wrong with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ngffkit import mag as _mag
from ngffkit.errors import NgffError
from ngffkit.plots.compose import parse_color
from ngffkit.widgets.drawn import selection_of
from ngffkit.widgets.places import Places, number

Json = dict[str, Any]

LAYOUTS = ("plane", "ortho", "volume")
TOOLS = ("pan", "box", "points", "line")
THEMES = ("auto", "dark", "light")


def checked(key: str, value: Any, places: Places, before: Mapping[str, Any]) -> Any:
    """Return a part of the state as it is spelled.

    Parameters
    ----------
    key : str
        Which part, by its name in ``SharedState``.
    value : object
        What it is to be; mappings may leave out what stays.
    places : Places
        The scene.
    before : Mapping
        The state until now.

    Raises
    ------
    NgffError
        When it can't be that.
    """
    return _CHECKS[key](value, places, before)


def initial(places: Places) -> Json:
    """Return the state of a view that nobody has touched, without channels and labels.

    It stands in the middle of space and at the first of all other axes; a zoom of 0 lets the page
    show all of the image.
    """
    axes, spatial = places.manifest["axes"], places.spatial
    middle = {axis["name"]: axis["size"] // 2 for axis in axes}
    return {
        "voxel": {name: v if name in spatial else 0 for name, v in middle.items()},
        "center": {name: (places.size(name) - 1) / 2 for name in spatial},
        "zoom": 0.0,
        "layout": "plane",
        "plane": list(places.manifest["planes"][0]),
        "slab": 1,
        "channels": [],
        "labels": [],
        "held_mag": "",
        "shown_mag": "",
        "selection": {},
        "tool": "pan",
        "scalebar": True,
        "crosshair": True,
        "turn": [30.0, 20.0],
        "theme": "auto",
        "height": 480,
    }


# --- places --------------------------------------------------------------------------------------


def _voxel(value: Any, places: Places, before: Mapping[str, Any]) -> Json:
    out = dict(before.get("voxel") or {})
    for name, v in _by_axis("voxel", value, places.names).items():
        at = math.floor(number(f"voxel[{name!r}]", v) + 0.5)
        if not 0 <= at < places.size(name):
            raise NgffError(
                f"voxel {v} of axis {name!r} lies outside the image; it has 0 to "
                f"{places.size(name) - 1}"
            )
        out[name] = at
    return _complete("voxel", out, places.names)


def _center(value: Any, places: Places, before: Mapping[str, Any]) -> Json:
    given = _by_axis("center", value, places.spatial)
    found = {name: number(f"center[{name!r}]", v) for name, v in given.items()}
    return _complete("center", {**(before.get("center") or {}), **found}, places.spatial)


def _by_axis(key: str, value: Any, names: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise NgffError(f"{key}={value!r:.80}: write it by axis, e.g. {{{names[0]!r}: 3}}")
    unknown = [name for name in value if name not in names]
    if unknown:
        raise NgffError(
            f"{key}: there is no axis {unknown[0]!r} here; {', '.join(names)} there are"
        )
    return value


def _complete(key: str, found: Json, names: Sequence[str]) -> Json:
    missing = [name for name in names if name not in found]
    if missing:
        raise NgffError(
            f"{key}: the axis {missing[0]!r} is missing; give all of {', '.join(names)}"
        )
    return {name: found[name] for name in names}


# --- what is shown -------------------------------------------------------------------------------


def _zoom(value: Any, _places: Places, _before: Mapping[str, Any]) -> float:
    found = number("zoom", value)
    if not 0 <= found <= 1e6:
        raise NgffError(f"zoom={value!r}: give CSS pixels per voxel, e.g. 1.0, or 0 to see it all")
    return found


def _layout(value: Any, places: Places, _before: Mapping[str, Any]) -> str:
    found = _one_of("layout", value, LAYOUTS)
    if found != "plane" and len(places.manifest["planes"]) < 3:
        raise NgffError(f"layout={value!r} needs three axes of space; this image is flat: 'plane'")
    return found


def _plane(value: Any, places: Places, _before: Mapping[str, Any]) -> list[str]:
    planes: list[list[str]] = [list(plane) for plane in places.manifest["planes"]]
    try:
        wanted = sorted(map(str, value))
    except TypeError:
        wanted = []
    for plane in planes:
        # "yz" is the plane that others call "zy"
        if sorted(plane) == wanted:
            return plane
    known = ", ".join(repr("".join(plane)) for plane in planes)
    raise NgffError(f"plane={value!r:.80} is none of this image's; choose one of {known}")


def _slab(value: Any, places: Places, _before: Mapping[str, Any]) -> int:
    most = max(places.size(name) for name in places.spatial)
    found = number("slab", value)
    if found != int(found) or not 1 <= found <= max(most, 1):
        raise NgffError(f"slab={value!r}: give how many voxels to project, 1 (a plane) to {most}")
    return int(found)


def _held_mag(value: Any, places: Places, _before: Mapping[str, Any]) -> str:
    if value in ("", "auto", None):
        return ""
    known = list(
        dict.fromkeys(level["mag"] for la in places.manifest["layers"] for level in la["levels"])
    )
    for name in known:
        if value == name or _mag.matches(value, name):
            return str(name)
    raise NgffError(f"there is no mag {value!r:.80}; choose one of {', '.join(known)}, or 'auto'")


def _shown_mag(value: Any, places: Places, before: Mapping[str, Any]) -> str:
    return _held_mag(value, places, before)


def _turn(value: Any, _places: Places, _before: Mapping[str, Any]) -> list[float]:
    return list(_pair("turn", value, "yaw and pitch in degrees, e.g. (30, 20)"))


def _height(value: Any, _places: Places, _before: Mapping[str, Any]) -> int:
    found = number("height", value)
    if not 40 <= found <= 8000:
        raise NgffError(f"height={value!r}: give CSS pixels from 40 to 8000")
    return int(found)


def _switch(key: str) -> Callable[[Any, Places, Mapping[str, Any]], bool]:
    def check(value: Any, _places: Places, _before: Mapping[str, Any]) -> bool:
        return _bool(key, value)

    return check


def _choice(key: str, words: Sequence[str]) -> Callable[[Any, Places, Mapping[str, Any]], str]:
    def check(value: Any, _places: Places, _before: Mapping[str, Any]) -> str:
        return _one_of(key, value, words)

    return check


def _selection(value: Any, places: Places, before: Mapping[str, Any]) -> Json:
    return selection_of(value, places, before.get("voxel") or {})


# --- channels and labels -------------------------------------------------------------------------


def _channels(value: Any, places: Places, before: Mapping[str, Any]) -> list[Json]:
    return _styles("channels", value, before, places.channels, _channel)


def _labels(value: Any, places: Places, before: Mapping[str, Any]) -> list[Json]:
    return _styles("labels", value, before, places.labels, _label)


def _styles(
    key: str,
    value: Any,
    before: Mapping[str, Any],
    names: Sequence[str],
    check: Callable[[str, Mapping[str, Any]], Json],
) -> list[Json]:
    if not isinstance(value, (list, tuple)) or len(value) != len(names):
        raise NgffError(f"{key}: give a list of {len(names)}, one for each of {', '.join(names)}")
    known = list(before.get(key) or [{}] * len(names))
    out = []
    for name, style, old in zip(names, value, known, strict=True):
        if not isinstance(style, Mapping):
            raise NgffError(f"{key}: {style!r:.80} of {name!r} is no mapping of its settings")
        out.append(check(name, {**old, **style}))
    return out


def _channel(name: str, style: Mapping[str, Any]) -> Json:
    _no_others("channel", name, style, ("visible", "color", "window", "gamma"))
    gamma = number(f"gamma of {name!r}", style["gamma"])
    if not 0 < gamma <= 100:
        raise NgffError(f"gamma of {name!r} is {gamma}; it must be above 0, 1 changes nothing")
    return {
        "visible": _bool(f"visible of {name!r}", style["visible"]),
        "color": hex_color(style["color"]),
        "window": list(window(name, style["window"])),
        "gamma": gamma,
    }


def _label(name: str, style: Mapping[str, Any]) -> Json:
    _no_others("labels", name, style, ("visible", "opacity", "outline", "seed", "selected"))
    opacity = number(f"opacity of {name!r}", style["opacity"])
    outline = number(f"outline of {name!r}", style["outline"])
    seed = number(f"seed of {name!r}", style["seed"])
    if not (0 <= opacity <= 1 and 0 <= outline <= 100 and 0 <= seed < 2**32 and seed == int(seed)):
        raise NgffError(
            f"labels {name!r}: opacity is {opacity} (0 to 1 is understood), outline {outline} (0 "
            f"to 100), seed {seed} (a whole number from 0)"
        )
    return {
        "visible": _bool(f"visible of {name!r}", style["visible"]),
        "opacity": opacity,
        "outline": outline,
        "seed": int(seed),
        "selected": ids_of(name, style["selected"]),
    }


def _no_others(kind: str, name: str, style: Mapping[str, Any], known: Sequence[str]) -> None:
    wrong = [key for key in style if key not in known] or [key for key in known if key not in style]
    if wrong:
        raise NgffError(f"{kind} {name!r}: {wrong[0]!r:.40}; its settings are {', '.join(known)}")


def hex_color(color: Any) -> str:
    """Return a colour as pages have it.

    Examples
    --------
    >>> hex_color("FF00aa"), hex_color((1, 0.5, 0))
    ('#ff00aa', '#ff8000')
    """
    try:
        return "#" + "".join(f"{round(part * 255):02x}" for part in parse_color(color))
    except (TypeError, ValueError):
        raise NgffError(f"{color!r:.80} is no colour; write RRGGBB, e.g. 'FF00FF'") from None


def window(name: str, value: Any) -> tuple[float, float]:
    """Return what is black and what is full colour, as two finite numbers."""
    return _pair(f"window of {name!r}", value, "the values shown black and in full colour")


def ids_of(name: str, value: Any) -> list[str]:
    """Return ids of labels as decimal text, each once: numbers of pages end at 2**53.

    Examples
    --------
    >>> ids_of("nuclei", [2**63, "7", 7])
    ['9223372036854775808', '7']
    """
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise NgffError(f"selected ids of {name!r}: {value!r:.80} is no list of whole numbers")
    out = {}
    for label in value:
        # numpy's integers are as good, floats and booleans are a mistake
        text = label if isinstance(label, str) else str(label)
        if isinstance(label, (bool, float)) or not re.fullmatch(r"-?\d{1,20}", text):
            raise NgffError(f"{label!r:.80} is no id of {name!r}; ids are whole numbers")
        out[str(int(text))] = True
    return list(out)


# --- words ---------------------------------------------------------------------------------------


def _pair(key: str, value: Any, what: str) -> tuple[float, float]:
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise NgffError(f"{key} is {value!r:.80}; give two numbers: {what}")
    parts = [number(key, part) for part in value]
    if len(parts) != 2:
        raise NgffError(f"{key} is {value!r:.80}; give two numbers: {what}")
    return parts[0], parts[1]


def _bool(key: str, value: Any) -> bool:
    if value not in (True, False):
        raise NgffError(f"{key} is {value!r:.80}; it must be True or False")
    return bool(value)


def _one_of(key: str, value: Any, words: Sequence[str]) -> str:
    if value not in words:
        choices = ", ".join(map(repr, words))
        raise NgffError(f"{key}={value!r:.80} is no choice; choose one of {choices}")
    return str(value)


_CHECKS: Mapping[str, Callable[[Any, Places, Mapping[str, Any]], Any]] = {
    "voxel": _voxel,
    "center": _center,
    "zoom": _zoom,
    "layout": _layout,
    "plane": _plane,
    "slab": _slab,
    "channels": _channels,
    "labels": _labels,
    "held_mag": _held_mag,
    "shown_mag": _shown_mag,
    "selection": _selection,
    "tool": _choice("tool", TOOLS),
    "scalebar": _switch("scalebar"),
    "crosshair": _switch("crosshair"),
    "turn": _turn,
    "theme": _choice("theme", THEMES),
    "height": _height,
}

#: The names of all parts of the state.
KEYS = tuple(_CHECKS)
