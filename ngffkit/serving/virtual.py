"""A live OME-Zarr: chunks are computed when they are asked for, each once, and kept for a while."""

from __future__ import annotations

import hashlib
import math
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from ngffkit.chunks.encoding import Encoder, documents, whole_chunk
from ngffkit.chunks.threads import Task, Threads
from ngffkit.discover.walk import join
from ngffkit.errors import NgffError
from ngffkit.execute.commit import window_of
from ngffkit.execute.documents import (
    Documents,
    complete_channels,
    encoded,
    group_documents,
    image_attributes,
    label_documents,
    root_documents,
)
from ngffkit.image import Channel, Image, LabelInfo
from ngffkit.reduce import reduce
from ngffkit.serving.content import Head
from ngffkit.serving.keeping import Kept
from ngffkit.serving.keys import coords_of
from ngffkit.serving.live import LiveImage, LiveLevel, LiveOptions, converted
from ngffkit.sources.contract import Box
from ngffkit.spec.encode import zarr_format

_LABELS = "labels"

Pixels = npt.NDArray[Any]


class VirtualContent:
    """Images that are computed when they are asked for; see `ngffkit.serving.content.Content`.

    Parameters
    ----------
    main : LiveImage
        What is at the root.
    labels : Mapping of str to LiveImage
        Label images by name.
    options : LiveOptions
        How they are served.

    Notes
    -----
    Half of ``options.memory`` keeps pixels (blocks that were computed, and the chunks that coarser
    ones are made of), half encoded chunks. At most one chunk per processor is computed at a time;
    two requests for one chunk compute it once. What the pixels are made of must not change while it
    is served: chunks that are kept would no longer go with the others.

    Examples
    --------
    >>> from ngffkit.serving.contents import content_of
    >>> content = content_of(np.arange(64 * 64, dtype="u2").reshape(64, 64))
    >>> content.knows("0/c/0/0"), content.knows("0/c/0/1"), content.knows("../etc/passwd")
    (True, False, False)
    >>> content.head("zarr.json").media_type
    'application/json'
    """

    def __init__(
        self, main: LiveImage, labels: Mapping[str, LiveImage], options: LiveOptions
    ) -> None:
        self._codec: Encoder = options.codec
        self._pixels = Kept[Pixels](options.kept // 2, lambda pixels: pixels.nbytes)
        self._chunks = Kept[tuple[bytes, str]](options.kept // 2, lambda item: len(item[0]))
        self._slots = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))
        self._threads = Threads()
        self._images = {"": main} | {f"{_LABELS}/{name}": item for name, item in labels.items()}
        self._images = {
            path: replace(item, image=self._shown(path, item))
            for path, item in self._images.items()
        }
        self.image: Image = self._images[""].image
        self.labels: Mapping[str, Image] = {p: item.image for p, item in self._images.items() if p}
        self._arrays = {
            join(path, level.path): (path, i)
            for path, item in self._images.items()
            for i, level in enumerate(item.image.levels)
        }
        self._documents = {
            key: (data, _etag(data))
            for key, document in self._described(options).items()
            for data in (encoded(document),)
        }

    @property
    def computed(self) -> int:
        """How many chunks have been computed and encoded so far."""
        return self._chunks.made

    def knows(self, key: str) -> bool:
        """Tell whether a key belongs to the image."""
        return key in self._documents or self._place(key) is not None

    def head(self, key: str) -> Head | None:
        """Return size and tag of an object, for which a chunk must be computed.

        Raises
        ------
        NgffError
            When the pixels can't be computed, with the cause.
        """
        found = self._documents.get(key)
        if found is not None:
            return Head(len(found[0]), found[1], "application/json")
        place = self._place(key)
        if place is None:
            return None
        data, etag = self._encoded(*place)
        return Head(len(data), etag)

    def read(self, key: str, start: int, stop: int) -> bytes:
        """Return the bytes `start` to `stop` of an object.

        Raises
        ------
        NgffError
            When there is no such object, or its pixels can't be computed.
        """
        found = self._documents.get(key)
        if found is not None:
            return found[0][start:stop]
        place = self._place(key)
        if place is None:
            raise NgffError(f"{key!r} is no part of this image")
        data = self._encoded(*place)[0]
        return data if (start, stop) == (0, len(data)) else data[start:stop]

    def close(self) -> None:
        """Forget what is kept."""
        self._pixels.clear()
        self._chunks.clear()

    # --- keys ---------------------------------------------------------------------------------

    def _place(self, key: str) -> tuple[str, int, tuple[int, ...]] | None:
        """Return image, level and grid coordinates of a chunk's key; None when it is none."""
        end = key.find("/")
        while end >= 0:
            array = self._arrays.get(key[:end])
            if array is not None:
                path, level = array
                coords = coords_of(self._images[path].levels[level].spec, key[end + 1 :])
                return None if coords is None else (path, level, coords)
            end = key.find("/", end + 1)
        return None

    # --- chunks -------------------------------------------------------------------------------

    def _encoded(self, path: str, level: int, coords: tuple[int, ...]) -> tuple[bytes, str]:
        def make() -> tuple[bytes, str]:
            with self._slots:
                pixels = self._computed(path, level, coords, self._threads)
                layout = self._images[path].levels[level].spec.layout
                data = self._codec.encode(whole_chunk(pixels, layout.chunks))
            return data, _etag(data)

        try:
            return self._chunks.get((path, level, coords), make)
        except Exception as err:
            # whatever a graph does; in one line, since it ends in a log or an answer
            where = join(path, str(level), self._images[path].levels[level].spec.key(coords))
            what = str(err) if isinstance(err, NgffError) else f"{type(err).__name__}: {err}"
            raise NgffError(
                f"can't compute the chunk {where!r}: {' '.join(what.split()):.500}"
            ) from err

    def _computed(
        self, path: str, level: int, coords: tuple[int, ...], threads: Threads | None
    ) -> Pixels:
        """Compute the pixels of a chunk: read them, or make them of the chunks of the level before.

        Those are computed on `threads`, where that pays: only by the first of nested calls, since
        tasks of a pool that wait for its tasks could wait for ever.
        """
        item = self._images[path]
        here = item.levels[level]
        box = here.box(coords)
        if here.given is not None:
            return self._given(path, level, box)
        before = item.levels[level - 1]
        halos = [item.method.halo(f) for f in here.step]
        bounds = list(zip(box, here.step, halos, before.spec.layout.shape, strict=True))
        own = [(cut.start * f, min(cut.stop * f, n)) for cut, f, _, n in bounds]
        wanted = tuple(
            slice(max(0, low - h), min(n, high + h))
            for (low, high), (_, _, h, n) in zip(own, bounds, strict=True)
        )
        pixels = np.empty(_shape(wanted), here.spec.layout.dtype)
        tasks = [
            self._gather(pixels, wanted, path, level - 1, at) for at in _touched(before, wanted)
        ]
        if threads is None:
            _serially(tasks)
        else:
            threads.run(tasks, os.cpu_count() or 1)
        return reduce(
            pixels,
            here.step,
            item.method,
            before=[low - cut.start for (low, _), cut in zip(own, wanted, strict=True)],
            after=[cut.stop - high for (_, high), cut in zip(own, wanted, strict=True)],
        )

    def _gather(self, out: Pixels, wanted: Box, path: str, level: int, at: tuple[int, ...]) -> Task:
        def task() -> None:
            here = self._images[path].levels[level]
            box = here.box(at)
            key = ("chunk", path, level, at)
            pixels = self._pixels.get(key, lambda: self._computed(path, level, at, None))
            _copy(pixels, box, out, wanted)

        return task

    def _given(self, path: str, level: int, box: Box) -> Pixels:
        """Read a box of a level that is given; what is computed at once is kept as a whole."""
        here = self._images[path].levels[level]
        given, dtype, kind = here.given, here.spec.layout.dtype, self._images[path].image.kind
        assert given is not None
        block = given.block
        itemsize = given.source.info.dtype.itemsize
        if block is None or math.prod(block) * itemsize > self._pixels.limit:
            return converted(given.source.read(box), dtype, kind)
        out = np.empty(_shape(box), dtype)
        for at, whole in given.blocks(box):
            pixels = self._pixels.get(
                ("block", path, level, at),
                lambda whole=whole: np.array(given.source.read(whole)),  # type: ignore[misc]
            )
            _copy(converted(pixels, dtype, kind), whole, out, box)
        return out

    # --- documents ----------------------------------------------------------------------------

    def _shown(self, path: str, item: LiveImage) -> Image:
        """Return an image with what viewers need: colours and windows, or what it labels."""
        image = item.image
        if image.kind == "label":
            label = image.label or LabelInfo()
            return replace(image, label=replace(label, source="../../" if path else None))
        axis = next((i for i, a in enumerate(image.base.axes) if a.is_channel), None)
        channels = complete_channels(image, 1 if axis is None else image.base.shape[axis])
        found = [
            channel if channel.window else self._windowed(channel, path, axis, i)
            for i, channel in enumerate(channels)
        ]
        return replace(image, channels=tuple(found))

    def _windowed(self, channel: Channel, path: str, axis: int | None, i: int) -> Channel:
        """Choose a window from the chunk in the middle of the coarsest level that is given."""
        levels = self._images[path].levels
        at = max(k for k, level in enumerate(levels) if level.given is not None)
        layout = levels[at].spec.layout
        middle = [n // 2 // c for n, c in zip(layout.shape, layout.chunks, strict=True)]
        box = list(levels[at].box(middle))
        if axis is not None:
            box[axis] = slice(i, i + 1)
        try:
            pixels = self._given(path, at, tuple(box))
        except NgffError:
            # the chunk itself will say so when it is asked for
            pixels = np.zeros(0, layout.dtype)
        return replace(channel, window=window_of(pixels))

    def _described(self, options: LiveOptions) -> Documents:
        version = options.version
        out: Documents = {}
        for path, item in self._images.items():
            for i, level in enumerate(item.levels):
                for name, document in documents(level.spec, options.codec).items():
                    out[join(path, str(i), name)] = document
            if path:
                attributes = image_attributes(item.image)
                out |= group_documents(path, attributes, zarr_format(version))
        if len(self._images) > 1:
            names = [path.removeprefix(f"{_LABELS}/") for path in self._images if path]
            out |= label_documents(names, version)
        return out | root_documents(image_attributes(self.image), out, version)


def _shape(box: Box) -> tuple[int, ...]:
    return tuple(cut.stop - cut.start for cut in box)


def _etag(data: bytes) -> str:
    return f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"'


def _serially(tasks: Iterable[Task]) -> None:
    for task in tasks:
        task()


def _touched(level: LiveLevel, box: Box) -> list[tuple[int, ...]]:
    """Return the coordinates of the chunks that a box touches."""
    chunks: Sequence[int] = level.spec.layout.chunks
    ranges = [range(b.start // c, -(-b.stop // c)) for b, c in zip(box, chunks, strict=True)]
    return list(product(*ranges))


def _copy(pixels: Pixels, own: Box, out: Pixels, wanted: Box) -> None:
    """Copy what two boxes have in common from the pixels of one to those of the other."""
    common = [
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(own, wanted, strict=True)
    ]
    out[_shifted(common, wanted)] = pixels[_shifted(common, own)]


def _shifted(box: Sequence[slice], onto: Box) -> Box:
    """Return a box in the pixels of another one."""
    return tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(box, onto, strict=True))
