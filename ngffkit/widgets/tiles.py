"""Tiles: what the browser asks for, checked; made of bricks; and turned into bytes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ngffkit.errors import NgffError
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layer, Layers
from ngffkit.widgets.pixels import Array

#: No tile is larger than this, in bytes.
MAX_TILE = 64 * 2**20

#: A projection is made of pieces of about so many bytes.
_PIECE = 16 * 2**20


class DroppedError(NgffError):
    """Nobody wants this tile any more."""


@dataclass(frozen=True, slots=True)
class TileRequest:
    """A box of one channel of one level, in the level's own pixels.

    Parameters
    ----------
    layer, level, channel : int
        Their positions.
    box : Mapping of str to (int, int)
        Start and stop for each of the layer's axes.
    order : tuple of str
        Axes of the result; along all others the maximum is taken.
    of : Layer
        The layer itself.
    """

    layer: int
    level: int
    channel: int
    box: Mapping[str, tuple[int, int]]
    order: tuple[str, ...]
    of: Layer = field(repr=False, compare=False)

    @classmethod
    def parse(cls, given: Any, layers: Layers) -> TileRequest:
        """Check a ``TileRequest`` of ``js/src/types.js``.

        Raises
        ------
        NgffError
            When there is no such layer, level, channel, box or order, or the result would be
            larger than `MAX_TILE`.
        """
        if not isinstance(given, Mapping):
            raise NgffError(f"a tile request is {given!r:.80}; it must be an object")
        layer = _index(given, "layer", len(layers.layers))
        of = layers.layers[layer]
        level = _index(given, "level", len(of.levels))
        channel = _index(given, "channel", len(of.channels))
        shape, box = of.levels[level].shape, given.get("box")
        if not isinstance(box, Mapping) or set(box) != set(of.axes):
            raise NgffError(
                f"box is {box!r:.80}; it must have a range for each of {', '.join(of.axes)}"
            )
        ranges = {name: _range(name, box[name], shape[name]) for name in of.axes}
        order = given.get("order")
        if (
            not isinstance(order, (list, tuple))
            or not order
            or any(name not in of.axes for name in order)
            or len(set(order)) < len(order)
        ):
            raise NgffError(
                f"order is {order!r:.80}; it must list some of {', '.join(of.axes)}, each once"
            )
        made = cls(layer, level, channel, ranges, tuple(order), of)
        if made.nbytes > MAX_TILE:
            raise NgffError(
                f"a tile of {made.shape} pixels has {made.nbytes} bytes; at most {MAX_TILE} are "
                "sent at once: ask for a coarser level or for less"
            )
        return made

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the result."""
        return tuple(self.box[name][1] - self.box[name][0] for name in self.order)

    @property
    def nbytes(self) -> int:
        """Bytes of the result."""
        return math.prod(self.shape) * self.of.dtype.itemsize

    def to_json(self) -> dict[str, Any]:
        """Return it as `parse` takes it."""
        names = {"layer": self.layer, "level": self.level, "channel": self.channel}
        box = {name: list(part) for name, part in self.box.items()}
        return {**names, "box": box, "order": list(self.order)}


def _index(given: Mapping[str, Any], key: str, count: int) -> int:
    value = given.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count:
        return value
    raise NgffError(f"{key} is {value!r:.80}; there are {count}, counted from 0")


def _range(name: str, part: Any, size: int) -> tuple[int, int]:
    good = (
        isinstance(part, (list, tuple))
        and len(part) == 2
        and all(isinstance(v, int) and not isinstance(v, bool) for v in part)
        and 0 <= part[0] < part[1] <= size
    )
    if not good:
        raise NgffError(
            f"box[{name!r}] is {part!r:.80}; it must be start and stop within 0 to {size}"
        )
    return part[0], part[1]


# --- pixels --------------------------------------------------------------------------------------


def render(request: TileRequest, bricks: Bricks, wanted: Callable[[], bool] | None = None) -> Array:
    """Read a tile.

    Parameters
    ----------
    request : TileRequest
        What is asked for.
    bricks : Bricks
        Reads it.
    wanted : callable, optional
        Asked between the pieces of a projection whether to go on.

    Returns
    -------
    ndarray
        Axes as `request.order`. The maximum along the others doesn't count NaN where there is a
        number.

    Raises
    ------
    NgffError
        Whatever reading raises; `DroppedError` when it is not wanted any more.
    """
    layer, level, channel = request.of, request.level, request.channel
    across = tuple(i for i, name in enumerate(layer.axes) if name not in request.order)
    kept = [name for name in layer.axes if name in request.order]
    turned = [kept.index(name) for name in request.order]
    if all(request.box[layer.axes[i]][1] - request.box[layer.axes[i]][0] == 1 for i in across):
        box = {name: slice(*part) for name, part in request.box.items()}
        found = bricks.read(layer, level, channel, box)
        return found.reshape([request.box[n][1] - request.box[n][0] for n in kept]).transpose(
            turned
        )
    out = np.empty([request.box[n][1] - request.box[n][0] for n in kept], layer.dtype)
    biggest = np.fmax if layer.dtype.kind == "f" else np.maximum
    begun: set[tuple[tuple[int, int], ...]] = set()
    for piece in _pieces(request):
        if wanted is not None and not wanted():
            raise DroppedError("this tile is not wanted any more")
        pixels = bricks.read(layer, level, channel, {n: slice(*p) for n, p in piece.items()})
        top = biggest.reduce(pixels, axis=across)
        place = tuple(piece[n] for n in kept)
        part = out[
            tuple(
                slice(a - request.box[n][0], b - request.box[n][0])
                for n, (a, b) in zip(kept, place, strict=True)
            )
        ]
        if place in begun:
            biggest(part, top, out=part)
        else:
            part[...] = top
            begun.add(place)
    return out.transpose(turned)


def _pieces(request: TileRequest) -> Iterator[dict[str, tuple[int, int]]]:
    """Cut the box of a projection along chunks, into pieces that fit into memory."""
    level, axes = request.of.levels[request.level], request.of.axes
    cuts = dict(zip(axes, level.pixels.cuts[1:], strict=True))
    across = [name for name in axes if name not in request.order]
    length = {n: min(cuts[n].chunk, request.box[n][1] - request.box[n][0]) for n in across}
    parts: dict[str, list[tuple[int, int]]] = {}
    # as wide as fits with one chunk across, then as deep as fits, so that no chunk is read twice
    for name in [*request.order, *across]:
        others = math.prod(n for other, n in length.items() if other != name)
        room = max(1, _PIECE // request.of.dtype.itemsize // others)
        start, stop = request.box[name]
        parts[name] = list(_runs(cuts[name].meeting(start, stop), start, stop, room))
        length[name] = max(b - a for a, b in parts[name])
    for places in itertools.product(*(parts[name] for name in axes)):
        yield dict(zip(axes, places, strict=True))


def _runs(
    chunks: list[tuple[int, int]], start: int, stop: int, room: int
) -> Iterator[tuple[int, int]]:
    """Join chunks to runs of at most `room` pixels; a chunk that is longer is cut."""
    low = start
    for i, (_, end) in enumerate(chunks):
        high = min(end, stop)
        following = min(chunks[i + 1][1], stop) if i + 1 < len(chunks) else None
        if following is not None and following - low <= room:
            continue
        while high - low > room:
            yield low, low + room
            low += room
        yield low, high
        low = high


# --- bytes ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Encoded:
    """A tile as it is sent.

    Parameters
    ----------
    meta : dict
        ``shape``, ``dtype``, and ``constant`` (decimal text) when all pixels are equal, else
        ``bytes``, their number.
    data : bytes, optional
        The pixels, little endian, in C order; None when they are all equal.
    """

    meta: dict[str, Any]
    data: bytes | None


def encode(array: Array) -> Encoded:
    r"""Turn a tile into bytes, or into one number when all its pixels are equal.

    Examples
    --------
    >>> encode(np.full((2, 3), 7, np.uint8))
    Encoded(meta={'shape': [2, 3], 'dtype': 'uint8', 'constant': '7'}, data=None)
    >>> encode(np.array([[1, 2]], np.uint16)).data
    b'\x01\x00\x02\x00'
    """
    meta: dict[str, Any] = {"shape": list(array.shape), "dtype": array.dtype.name}
    if array.size:
        first = array.flat[0]
        # most tiles differ early, so most are looked at no further than their first row
        if _all(array[:1], first) and _all(array, first):
            return Encoded(meta | {"constant": _text(first)}, None)
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return Encoded(meta | {"bytes": len(data)}, data)


def _all(array: Array, value: Any) -> bool:
    return bool((np.isnan(array) if value != value else array == value).all())  # noqa: PLR0124 - NaN


def _text(value: Any) -> str:
    """Write a number so that it reads back as the same one.

    Examples
    --------
    >>> [_text(v) for v in (np.int64(-3), np.float32(0.1), np.float64("-inf"), np.float64("nan"))]
    ['-3', '0.10000000149011612', '-inf', 'nan']
    """
    return str(value.item())
