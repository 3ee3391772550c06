"""What makes an image of finished pixels: windows, documents, and the root's document last."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.chunks.reader import ArrayReader
from ngffkit.execute.cutting import pieces, size_of, whole
from ngffkit.execute.documents import (
    Documents,
    array_documents,
    complete_channels,
    encoded,
    group_documents,
    image_attributes,
    label_documents,
    root_documents,
)
from ngffkit.execute.job import ImageJob, LevelJob
from ngffkit.image import Image, Window, label_color
from ngffkit.spec.encode import zarr_format
from ngffkit.stores.targets import Target, Written

#: Pixels of a channel that its window is chosen from.
_PIXELS = 2**21

#: Shares of the pixels that are shown black and in full colour, in percent: Fiji and napari cut
#: off about as much.
_LOW, _HIGH = 0.35, 99.65

#: Labels that get colours, at most; viewers invent colours for more.
_MOST_COLORS = 1024

_LABELS = "labels/"


def commit(
    target: Target,
    images: Sequence[ImageJob],
    extra: Mapping[str, Any],
    others: Mapping[str, bytes],
) -> list[Written]:
    """Make an image of what was written: documents from the leaves to the root, which is last.

    Parameters
    ----------
    target : Target
        Where the pixels lie.
    images : sequence of ImageJob
        The image of the root and its labels.
    extra : Mapping
        Further attributes of the root, e.g. what was skipped.
    others : Mapping of str to bytes
        Further objects, written before the root.

    Returns
    -------
    list of Written
        All documents.
    """
    root = next(item for item in images if not item.path)
    image = with_colors(root) if root.image.kind == "label" else with_windows(root)
    version = image.version
    inner: Documents = {}
    labels = [item for item in images if item.path.startswith(_LABELS)]
    for item in labels:
        attributes = image_attributes(with_colors(item))
        inner |= array_documents(item)
        inner |= group_documents(item.path, attributes, zarr_format(version))
    if labels:
        inner |= label_documents([item.path.removeprefix(_LABELS) for item in labels], version)
    inner |= array_documents(root)
    # the attributes of an array before it: they say that no chunk was left out
    keys = sorted(inner, key=lambda key: f"{key.removesuffix('.zattrs')}.zarray" not in inner)
    written = [target.put(key, encoded(inner[key])) for key in keys]
    # what lies below is there for good before anything points to it
    target.sync()
    written += [put_durably(target, key, data) for key, data in others.items()]
    last = root_documents(image_attributes(image, extra), inner, version)
    return written + [put_durably(target, key, encoded(doc)) for key, doc in last.items()]


def put_durably(target: Target, key: str, data: bytes) -> Written:
    """Write a small object that is on the disk before it can be seen, so that it is never empty."""
    partial = target.begin(key)
    try:
        partial.append(data)
        return partial.commit()
    except BaseException:
        partial.abort()
        raise


def with_windows(item: ImageJob) -> Image:
    """Return the image with a name, colour and window for every channel, from its own pixels."""
    image = item.image
    axis = next((i for i, a in enumerate(image.base.axes) if a.is_channel), None)
    count = 1 if axis is None else image.base.shape[axis]
    channels = complete_channels(image, count)
    if all(channel.window for channel in channels):
        return replace(image, channels=channels)
    found = tuple(
        channel
        if channel.window
        else replace(channel, window=_window(item, None if axis is None else (axis, i)))
        for i, channel in enumerate(channels)
    )
    return replace(image, channels=found)


def with_colors(item: ImageJob) -> Image:
    """Return a label image with a colour for each label, if it has none and few labels.

    Labels are those of a level that is quickly read; very small ones may be missing.
    """
    image, level = item.image, _level_of(item)
    layout = level.spec.layout
    if image.label is None or image.label.colors or math.prod(layout.shape) > 2 * _PIXELS:
        return image
    ids = np.zeros(0, layout.dtype)
    reader = ArrayReader(item.job.target.store, level.path, level.spec)
    for part in pieces(whole(layout.shape), layout.chunks):
        ids = np.union1d(ids, reader.read(part))
        if len(ids) > _MOST_COLORS:
            return image
    colors = tuple((int(i), label_color(int(i))) for i in ids if i)
    return replace(image, label=replace(image.label, colors=colors))


def _level_of(item: ImageJob) -> LevelJob:
    """Return a level that stands for the image and is neither huge nor tiny."""
    sizes = [math.prod(level.spec.layout.shape) for level in item.job.levels]
    i = next((i for i, size in enumerate(sizes) if size <= 2 * _PIXELS), len(sizes) - 1)
    return item.job.levels[i]


def _window(item: ImageJob, channel: tuple[int, int] | None) -> Window:
    """Choose the window of a channel from pixels of a level that is neither huge nor tiny."""
    level = _level_of(item)
    layout = level.spec.layout
    reader = ArrayReader(item.job.target.store, level.path, level.spec)
    box = whole(layout.shape)
    if channel is not None:
        axis, i = channel
        box = (*box[:axis], slice(i, i + 1), *box[axis + 1 :])
    count = math.prod(-(-n // c) for n, c in zip(size_of(box), layout.chunks, strict=True))
    most = max(1, _PIXELS // max(1, math.prod(layout.chunks)))
    # evenly spread, always the same
    chosen = itertools.islice(pieces(box, layout.chunks), 0, None, max(1, count // most))
    pixels = [reader.read(part).ravel() for part in chosen]
    return window_of(np.concatenate(pixels) if pixels else np.zeros(1, layout.dtype))


def window_of(pixels: npt.NDArray[Any]) -> Window:
    """Return the window that shows these pixels well.

    Parameters
    ----------
    pixels : ndarray
        Of any shape; what is not finite is left out.

    Returns
    -------
    Window
        From the 0.35th to the 99.65th percentile; of all the values that the type has, for
        integers of up to 16 bits, else of those that are there.

    Examples
    --------
    >>> window_of(np.arange(256, dtype=np.uint8)).max
    255.0
    """
    dtype = pixels.dtype
    if dtype.kind == "b":
        return Window(0.0, 1.0, 0.0, 1.0)
    if dtype.kind == "f":
        pixels = pixels[np.isfinite(pixels)].astype(np.float64)
    if not pixels.size:
        return Window(0.0, 1.0, 0.0, 1.0)
    low, high = (float(v) for v in np.percentile(pixels, (_LOW, _HIGH)))
    least, most = float(pixels.min()), float(pixels.max())
    if dtype.kind in "iu" and dtype.itemsize <= 2:
        least, most = float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
    if low >= high:
        low, high = (least, most) if least < most else (low, low + 1.0)
    return Window(low, high, min(least, low), max(most, high))
