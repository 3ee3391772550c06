"""What is asked of a diagnosis: its fields, and what their values mean for `ngffkit.tune`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ngffkit import typed
from ngffkit.access.patterns import patterns_of
from ngffkit.errors import NgffError
from ngffkit.panels.fields import Field, group, switch
from ngffkit.panels.options import chosen, store_options
from ngffkit.panels.spelling import call
from ngffkit.panels.storage import spelled
from ngffkit.tuning.doors import image_of

#: What people do with images, as weights of patterns; those that an image lacks are left out.
PRESETS: Mapping[str, Mapping[str, float]] = {
    "viewer": {"view": 4, "xy plane": 3, "xz plane": 1, "yz plane": 1},
    "machine learning (cutouts of 64)": {"cutout 64": 1},
    "time series": {"time series": 1},
    "reading all of it": {"full scan": 1},
}
USUAL, CUSTOM = "a bit of everything", "custom"


def weights_of(text: str) -> dict[str, float]:
    """Return weights of patterns: ``xy plane=3, cutout 64=1``.

    Examples
    --------
    >>> weights_of("xy plane=3, view 2-2-1=0.5")
    {'xy plane': 3.0, 'view 2-2-1': 0.5}
    """
    expected = "patterns with weights of 0 or more were expected, e.g. xy plane=3, cutout 64=1"
    out: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        try:
            weight = float(value)
        except ValueError:
            raise ValueError(expected) from None
        if not name or name in out or not 0 <= weight < math.inf:
            raise ValueError(f"{expected}; {name} stands there twice" if name in out else expected)
        out[name] = weight
    if not any(out.values()):
        raise ValueError(f"{expected}; one of them must be above 0")
    return out


FIELDS = (
    Field(
        *("source", "image", "path or URL of an image: OME-Zarr, plain Zarr, WEBKNOSSOS"),
        read=typed.word,
        hint="/data/brain.zarr or https://...",
    ),
    chosen(
        *("line", "read over", "which line counts; auto: the one to the data, as it is measured"),
        ("auto", "here", "SSD", "LAN", "S3"),
    ),
    chosen(
        *("use", "used for", "what is read most often counts most for the advice"),
        (USUAL, *PRESETS, CUSTOM),
        USUAL,
    ),
    Field(
        *("weights", "weights", "how much each pattern counts, e.g. xy plane=3, cutout 64=1"),
        read=weights_of,
        hint="xy plane=3, cutout 64=1",
    ),
    *group(
        "more",
        Field(
            *("image", "which image", "path below, where there are several: labels/nuclei"),
            read=typed.word,
            hint="the only one",
        ),
        Field(
            *("storage_options", "its store", "options of the store, KEY=VALUE"),
            read=store_options,
            hint="anon=true; endpoint=https://...",
        ),
        switch(
            *("probe", "measure", "measure the line and the decoder, and look at some pixels"),
            default=True,
        ),
    ),
)


def use_of(values: Mapping[str, Any]) -> Mapping[str, float] | None:
    """Return the weights that are meant, without patterns that the image lacks.

    Raises
    ------
    NgffError
        When the image can't be opened, or has none of the patterns.
    """
    wanted = values.get("use", USUAL)
    if wanted == USUAL:
        return None
    if wanted == CUSTOM:
        if "weights" not in values:
            raise NgffError("use: no weights were given; type e.g. xy plane=3, cutout 64=1")
        found: Mapping[str, float] = values["weights"]
        return found
    opened, _ = image_of(values["source"], values.get("image"), values.get("storage_options"))
    there = {pattern.name for pattern in patterns_of(opened.image)}
    weights = {name: n for name, n in PRESETS[wanted].items() if name in there}
    if not weights:
        names, has = ", ".join(PRESETS[wanted]), ", ".join(sorted(there))
        raise NgffError(f"use: this image has no {names}; it has {has}; choose another use")
    return weights


def place_of(err: NgffError, values: Mapping[str, Any]) -> str:
    """Return the field that an error of `ngffkit.tune` is about."""
    text = str(err)
    if text.startswith("use:"):
        return "weights" if values.get("use") == CUSTOM else "use"
    named = "image" in values and f"has no image {values['image']!r}" in text
    return "image" if named or "choose one by image=" in text else "source"


def spell(values: Mapping[str, Any], use: Mapping[str, float] | None) -> str:
    """Return the line of Python that makes the same diagnosis."""
    options = {k: values[k] for k in ("image", "line") if k in values}
    if use is not None:
        options["use"] = dict(use)
    if values.get("probe") is False:
        options["probe"] = False
    if "storage_options" in values:
        options["storage_options"] = spelled(values["storage_options"])
    return call("nk.tune", [values["source"]], options)
