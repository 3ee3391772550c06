"""Addresses that open what is served in viewers elsewhere, and what stands against it."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from ngffkit.errors import NgffError
from ngffkit.grid import Grid
from ngffkit.image import Channel, Image
from ngffkit.plots.scalebar import ratio
from ngffkit.serving.content import Content
from ngffkit.spec.encode import DEFAULT, zarr_format

#: Viewers that take an address as a parameter: what comes before it.
_BY_PARAMETER = {
    "validator": "https://ome.github.io/ome-ngff-validator/?source=",
    "vizarr": "https://hms-dbmi.github.io/vizarr/?source=",
    "vol-e": "https://volumeviewer.allencell.org/viewer?url=",
    "avivator": "https://avivator.gehlenborglab.org/?image_url=",
}

_NEUROGLANCER = "https://neuroglancer-demo.appspot.com/#!"

#: What neuroglancer's zarr driver lists as its types.
_SHOWN = frozenset("uint8 int8 uint16 int16 uint32 int32 uint64 float32".split())

_SHADER = (
    "#uicontrol invlerp normalized\n#uicontrol vec3 color color\n"
    "void main() { emitRGB(color * normalized()); }\n"
)

#: Screen pixels that a pane has, about.
_PANE = 512

#: More channels than these are one layer, in which neuroglancer has them all.
_MOST_CHANNELS = 16


def links_of(url: str, content: Content) -> dict[str, str]:
    """Return addresses that open what is served in viewers, by the viewer's name.

    Parameters
    ----------
    url : str
        Where the image's root is, as the browser reaches it.
    content : Content
        What is served there.

    Returns
    -------
    dict of str to str
        ``neuroglancer``, ``vizarr``, ``vol-e``, ``validator``, ``avivator``: pages to open.
        ``webknossos``: the address to paste under "Add Remote Dataset". A viewer that can't show
        the image is left out; `notes_of` says why.

    Notes
    -----
    How addresses are spelled was read in neuroglancer's ``docs/json_schema/viewer_state.yml`` and
    ``src/datasource/zarr/index.rst``, in the validator's ``ngff_viewers.json`` and its issue 40
    (Vol-E), and in Avivator's pull request 530.

    Examples
    --------
    >>> from ngffkit.serving.contents import content_of
    >>> links = links_of("http://127.0.0.1:8000/t/a.zarr", content_of(np.zeros((9, 99, 99), "u1")))
    >>> list(links)
    ['neuroglancer', 'vizarr', 'vol-e', 'validator', 'webknossos']
    >>> links["vizarr"]
    'https://hms-dbmi.github.io/vizarr/?source=http%3A%2F%2F127.0.0.1%3A8000%2Ft%2Fa.zarr'
    """
    root = url.rstrip("/")
    out: dict[str, str] = {}
    left_out = _left_out(root, content)
    for name, made in _VIEWERS.items():
        if name not in left_out:
            out[name] = made(root, content)
    return out


def notes_of(url: str, content: Content) -> tuple[str, ...]:
    """Say which viewers were left out and why, and what a browser needs to reach the address.

    Examples
    --------
    >>> from ngffkit.serving.contents import content_of
    >>> notes = notes_of("http://127.0.0.1:8000/t", content_of(np.zeros((9, 99), "f8")))
    >>> notes[0]
    "neuroglancer: shows no float64; pass dtype='float32'"
    """
    out = [f"{name}: {why}" for name, why in _left_out(url, content).items()]
    parts = urlsplit(url)
    if not parts.netloc:
        return tuple(out)
    if _is_loopback(parts.hostname or ""):
        out.append(
            "only browsers on this machine reach the address; Chrome asks once whether a viewer's "
            "page may reach the local network; webknossos.org can't, a WEBKNOSSOS here can"
        )
    elif parts.scheme == "http":
        out.append("pages that came by https may not read from http, but for this very machine")
    return tuple(out)


def _left_out(url: str, content: Content) -> dict[str, str]:
    """Return the viewers that can't show an image, with the reason."""
    version = content.image.version
    out = {}
    if not urlsplit(url).netloc:
        why = "nobody told the kernel the host of this address; put it before the path"
        return dict.fromkeys(_VIEWERS, why)
    dtype = _dtype_of(content, "", content.image)
    if dtype is not None and dtype.name not in _SHOWN:
        wanted = "float32" if dtype.kind == "f" else "int32"
        out["neuroglancer"] = f"shows no {dtype.name}; pass dtype={wanted!r}"
    try:
        number = zarr_format(version)
    except NgffError:
        return dict.fromkeys(_VIEWERS, f"nothing is known of OME-Zarr {version!r} there")
    if number > 2:
        out["avivator"] = "reads Zarr v2 alone; pass version= of an OME-Zarr that is one"
    if number > 2 and version != DEFAULT:
        newer = f"not known to read OME-Zarr {version}; pass version={DEFAULT!r}"
        out |= dict.fromkeys(("vizarr", "vol-e", "webknossos"), newer)
    return out


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _dtype_of(content: Content, path: str, image: Image) -> np.dtype | None:
    """Return the type of an image's pixels from the document of its array, None if unsure."""
    base = "/".join(part for part in (path, image.levels[0].path) if part)
    for name, member in (("zarr.json", "data_type"), (".zarray", "dtype")):
        key = f"{base}/{name}" if base else name
        head = content.head(key) if content.knows(key) else None
        if head is None:
            continue
        try:
            found: np.dtype = np.dtype(json.loads(bytes(content.read(key, 0, head.size)))[member])
        except (ValueError, TypeError, KeyError):
            return None
        return found
    return None


# --- neuroglancer --------------------------------------------------------------------------------


def neuroglancer_state(url: str, content: Content) -> dict[str, Any]:
    """Return neuroglancer's state: a layer per channel and label image, the whole image in view.

    Parameters
    ----------
    url : str
        Where the image's root is.
    content : Content
        What is served there.

    Returns
    -------
    dict
        As its ``viewer_state.yml`` describes it: ``dimensions`` in metres and seconds,
        ``position`` in pixels, ``layers``.
    """
    grid = content.image.base
    shown = [axis.name for axis in grid.axes if not axis.is_channel]
    # x, y, z first, others after them
    names = sorted(shown, key=lambda name: ("xyz".find(name) % 99, shown.index(name)))
    where = [grid.axis(name) for name in names]
    longest = max((grid.shape[i] for i, name in zip(where, names, strict=True) if name in "xyz"))
    layers = _image_layers(url, content.image)
    for path, label in content.labels.items():
        dtype = _dtype_of(content, path, label)
        if dtype is not None and dtype.kind in "iu":
            name = _unused(path.rsplit("/", 1)[-1], layers)
            layers.append({"type": "segmentation", "name": name, "source": f"zarr://{url}/{path}"})
    flat = "z" not in grid.dims or grid.shape[grid.axis("z")] == 1
    return {
        "dimensions": {name: list(_scale(grid, i)) for name, i in zip(names, where, strict=True)},
        "position": [grid.origin[i] / grid.scale[i] + grid.shape[i] / 2 for i in where],
        "crossSectionScale": max(longest / _PANE, 0.1),
        "projectionScale": float(max(2 * longest, 1)),
        "layers": layers,
        "layout": "xy" if flat else "4panel",
    }


def _image_layers(url: str, image: Image) -> list[dict[str, Any]]:
    source = f"zarr://{url}"
    if image.kind == "label":
        return [{"type": "segmentation", "name": image.name or "labels", "source": source}]
    axis = next((axis for axis in image.base.axes if axis.is_channel), None)
    count = 1 if axis is None else image.base.shape[image.base.axis(axis.name)]
    if axis is not None and (count > _MOST_CHANNELS or len(image.channels) != count):
        return [{"type": "image", "name": image.name or "image", "source": source}]
    channels = image.channels[:count] or (Channel(""),)
    layers: list[dict[str, Any]] = []
    for i, channel in enumerate(channels):
        name = _unused(channel.label or image.name or "image", layers)
        layer: dict[str, Any] = {"type": "image", "name": name, "source": source}
        if axis is not None:
            # its own name for an axis that each layer has for itself
            layer |= {"localDimensions": {f"{axis.name}'": [1, ""]}, "localPosition": [i]}
        if channel.window is not None:
            window = channel.window
            limits = {
                "range": [window.start, window.end],
                "window": [window.min, window.max],
            }
            color = f"#{(channel.color or 'FFFFFF').lower()}"
            layer |= {
                "shader": _SHADER,
                "shaderControls": {"normalized": limits, "color": color},
                "blend": "additive",
                "visible": channel.active,
            }
        layers.append(layer)
    return layers


def _unused(name: str, layers: list[dict[str, Any]]) -> str:
    taken = {layer["name"] for layer in layers}
    unique, count = name, 2
    while unique in taken:
        unique, count = f"{name} ({count})", count + 1
    return unique


def _scale(grid: Grid, i: int) -> tuple[float, str]:
    """Return the pixel size along an axis in the units that neuroglancer knows."""
    for unit, symbol in (("meter", "m"), ("second", "s")):
        factor = ratio(grid.axes[i].unit, unit)
        if factor is not None:
            return grid.scale[i] * factor, symbol
    return grid.scale[i], ""


def _neuroglancer(url: str, content: Content) -> str:
    state = json.dumps(neuroglancer_state(url, content), separators=(",", ":"))
    return _NEUROGLANCER + quote(state, safe="")


def _by_parameter(name: str) -> Callable[[str, Content], str]:
    return lambda url, _: _BY_PARAMETER[name] + quote(url, safe="")


#: Who makes the address of each viewer, in the order in which they are listed.
_VIEWERS: Mapping[str, Callable[[str, Content], str]] = {
    "neuroglancer": _neuroglancer,
    "vizarr": _by_parameter("vizarr"),
    "vol-e": _by_parameter("vol-e"),
    "validator": _by_parameter("validator"),
    "avivator": _by_parameter("avivator"),
    "webknossos": lambda url, _: url,
}
