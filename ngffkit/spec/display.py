"""How images are shown: omero's channels and the colours of labels. Nothing here is ever fatal."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from ngffkit.image import Channel, LabelInfo, Window

_MAX_CHANNELS = 4096


def decode_channels(omero: Any, loc: str) -> tuple[Channel, ...]:  # noqa: ARG001
    """Return the channels that ``omero`` describes; what it says badly is left out."""
    entries = omero.get("channels") if isinstance(omero, Mapping) else None
    if not isinstance(entries, list):
        return ()
    return tuple(_channel(item, i) for i, item in enumerate(entries[:_MAX_CHANNELS]))


def _channel(item: Any, i: int) -> Channel:
    if not isinstance(item, Mapping):
        return Channel(str(i))
    label = item.get("label")
    color = item.get("color")
    good = isinstance(color, str) and re.fullmatch(r"#?[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?", color)
    return Channel(
        label=str(i) if label is None or isinstance(label, (list, dict)) else str(label)[:200],
        color=str(color).lstrip("#").upper()[:6] if good else None,
        window=_window(item.get("window")),
        active=item.get("active") is not False,
    )


def _window(value: Any) -> Window | None:
    if not isinstance(value, Mapping):
        return None
    numbers = {}
    for key in ("start", "end", "min", "max"):
        number = value.get(key)
        if isinstance(number, (int, float)) and not isinstance(number, bool):
            try:
                number = float(number)
            except OverflowError:
                continue
            if math.isfinite(number):
                numbers[key] = number
    low, high = numbers.get("start", numbers.get("min")), numbers.get("end", numbers.get("max"))
    if low is None or high is None:
        return None
    return Window(low, high, numbers.get("min", low), numbers.get("max", high))


def decode_label(value: Any, loc: str) -> LabelInfo | None:  # noqa: ARG001
    """Return what ``image-label`` says, None when there is none."""
    if not isinstance(value, Mapping):
        return None
    colors, properties = [], []
    for item in _objects(value.get("colors")):
        rgba = item.get("rgba")
        if (
            isinstance(rgba, list)
            and len(rgba) == 4
            and all(isinstance(v, int) and 0 <= v <= 255 for v in rgba)
        ):
            colors.append((int(item["label-value"]), (rgba[0], rgba[1], rgba[2], rgba[3])))
    for item in _objects(value.get("properties")):
        facts = {k: v for k, v in item.items() if k != "label-value"}
        properties.append((int(item["label-value"]), facts))
    source = value.get("source")
    image = source.get("image") if isinstance(source, Mapping) else None
    return LabelInfo(tuple(colors), tuple(properties), image if isinstance(image, str) else None)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [
        item
        for item in (value if isinstance(value, list) else [])
        if isinstance(item, Mapping) and _is_label(item.get("label-value"))
    ]


def _is_label(value: Any) -> bool:
    # some writers have it as a float
    whole = isinstance(value, float) and math.isfinite(value) and value == int(value)
    return whole or (isinstance(value, int) and not isinstance(value, bool))
