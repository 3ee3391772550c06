"""What every source must do, in one place: `check_source`."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ngffkit.errors import Problem
from ngffkit.sources.contract import ORDER, Box, Source, SourceInfo

#: Where axes stand: time first, then those of other names, then channel and space.
_RANK = {"t": 0, "c": 2, "z": 3, "y": 4, "x": 5}


def check_source(
    source: Source,
    truth: np.ndarray,
    axes: Sequence[str],
    *,
    reopen: Callable[[], Source] | None = None,
) -> None:
    """Check one source against the pixels it must give.

    `truth` has the axes `axes`, in the order the source must give them; `reopen` opens the same
    thing again, whose fingerprint must be the same.
    """
    assert isinstance(source, Source)
    info = source.info
    _check_info(info, truth, axes)
    whole = source.read(box_of(info))
    _same(whole, truth, info.dtype, "the whole")
    boxes = sample_boxes(info)
    for box in boxes:
        _same(source.read(box), truth[box], info.dtype, box)
    again: Source = pickle.loads(pickle.dumps(source))
    assert again.info == info
    assert set(again.info.labels) == set(info.labels)
    for box in boxes[:6]:
        _same(again.read(box), truth[box], info.dtype, ("pickled", box))
    with ThreadPoolExecutor(4) as pool:
        for box, got in zip(boxes * 2, pool.map(source.read, boxes * 2), strict=True):
            _same(got, truth[box], info.dtype, ("concurrent", box))
    if reopen is not None:
        assert reopen().info.fingerprint == info.fingerprint


def box_of(info: SourceInfo) -> Box:
    """Return the box of everything."""
    return tuple(slice(0, n) for n in info.grid.shape)


def read_all(source: Source) -> np.ndarray:
    """Read everything."""
    return source.read(box_of(source.info))


def sample_boxes(info: SourceInfo, count: int = 12) -> list[Box]:
    """Return boxes of odd sizes, single pixels, corners, and some across borders of blocks."""
    rng = np.random.default_rng(20_260)
    shape = info.grid.shape
    boxes: list[Box] = [
        tuple(slice(0, 1) for _ in shape),
        tuple(slice(n - 1, n) for n in shape),
        tuple(_across(n, b) for n, b in zip(shape, info.block, strict=True)),
    ]
    for i in range(count):
        if i % 3 == 0:
            starts = [int(rng.integers(n)) for n in shape]
            boxes.append(tuple(slice(s, s + 1) for s in starts))
        else:
            boxes.append(tuple(_any(rng, n) for n in shape))
    return boxes


def _across(size: int, block: int) -> slice:
    """Return a range over the first border between blocks, where there is one."""
    if block >= size:
        return slice(size // 2, size)
    return slice(max(0, block - 2), min(size, block + 3))


def _any(rng: np.random.Generator, size: int) -> slice:
    start = int(rng.integers(size))
    return slice(start, int(rng.integers(start, size)) + 1)


def _check_info(info: SourceInfo, truth: np.ndarray, axes: Sequence[str]) -> None:
    grid = info.grid
    assert grid.dims == tuple(axes)
    ranks = [_RANK.get(name, 1) for name in grid.dims]
    assert ranks == sorted(ranks), f"axes {grid.dims} are not in the order {ORDER}"
    assert grid.shape == truth.shape
    assert all(n > 0 for n in grid.shape)
    assert isinstance(info.dtype, np.dtype)
    assert info.dtype.kind in "biuf"
    assert info.dtype.isnative
    assert info.dtype == truth.dtype.newbyteorder("=")
    assert info.kind in ("intensity", "label")
    assert info.kind == "intensity" or info.dtype.kind in "biu"
    assert info.name
    assert info.fingerprint
    assert len(info.block) == len(grid.shape)
    assert all(1 <= b <= n for b, n in zip(info.block, grid.shape, strict=True))
    # no read of a block takes more than a few times the block, or a few hundred MB
    block = math.prod(info.block) * info.dtype.itemsize
    assert 0 <= info.scratch <= max(64 * block, 2**29)
    if info.channels:
        count = grid.shape[grid.axis("c")] if "c" in grid.dims else 1
        assert len(info.channels) == count
    for note in info.notes:
        assert isinstance(note, Problem)
        assert note.loc
        assert note.message
    for name, label in info.labels.items():
        assert name
        assert label.info.kind == "label"


def _same(got: np.ndarray, expected: np.ndarray, dtype: np.dtype, where: object) -> None:
    assert isinstance(got, np.ndarray), where
    assert got.shape == expected.shape, where
    assert got.dtype == dtype, where
    assert got.dtype.isnative, where
    np.testing.assert_array_equal(got, expected, err_msg=str(where))
