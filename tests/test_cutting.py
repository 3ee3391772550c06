"""Tasks and slabs: they cover everything once, fit into memory, and keep the order of chunks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngffkit.execute.cutting import Cut, cut_up, fit, overlap, pieces, size_of, whole, within


@st.composite
def cuts(draw):
    ndim = draw(st.integers(1, 4))
    shape = draw(st.tuples(*[st.integers(1, 24)] * ndim))
    chunks = tuple(min(n, draw(st.integers(3, 16))) for n in shape)
    objects = tuple(
        c * min(draw(st.integers(1, 4)), -(-n // c)) for c, n in zip(chunks, shape, strict=True)
    )
    block = tuple(draw(st.sampled_from([1, n, max(1, n // 3)])) for n in shape)
    return cut_up(shape, chunks, objects, block, draw(st.sampled_from([1, 2, 4])))


def counted(cut: Cut, parts) -> np.ndarray:
    seen = np.zeros(cut.shape, int)
    for part in parts:
        seen[part] += 1
    return seen


@given(cuts())
def test_tasks_cover_the_array_once_in_whole_objects(cut):
    regions = [cut.region_box(c) for c in itertools.product(*cut.grid(whole(cut.shape)))]
    assert (counted(cut, regions) == 1).all()
    assert len(regions) == cut.count(whole(cut.shape))
    assert all(r % o == 0 for r, o in zip(cut.region, cut.objects, strict=True))


@settings(deadline=None, max_examples=60)
@given(cuts(), st.integers(1, 4000))
def test_slabs_fit_and_cover_a_region_once(cut, limit):
    found = fit(cut, limit)
    chunk = math.prod(min(c, n) for c, n in zip(cut.chunks, cut.shape, strict=True)) * cut.itemsize
    if found is None:
        # only what can't be is refused
        assert chunk > limit
        return
    assert found.slab_nbytes <= limit
    assert all(s % c == 0 for s, c in zip(found.slab, cut.chunks, strict=True))
    slabs = [
        slab
        for coords in itertools.product(*found.grid(whole(found.shape)))
        for unit in pieces(found.region_box(coords), found.unit)
        for slab in pieces(unit, found.slab)
    ]
    assert (counted(found, slabs) == 1).all()


@settings(deadline=None, max_examples=60)
@given(cuts(), st.integers(1, 4000))
def test_the_order_of_chunks_in_an_object_does_not_depend_on_memory(cut, limit):
    def order(found: Cut) -> dict[tuple[int, ...], list[tuple[int, ...]]]:
        out: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for coords in itertools.product(*found.grid(whole(found.shape))):
            units = pieces(found.region_box(coords), found.unit) if found.staged else None
            for outer in units or [found.region_box(coords)]:
                for slab in pieces(outer, found.slab):
                    for unit in pieces(slab, found.unit):
                        for chunk in pieces(unit, found.chunks):
                            first = tuple(s.start for s in chunk)
                            owner = tuple(f // o for f, o in zip(first, found.objects, strict=True))
                            out.setdefault(owner, []).append(first)
        return out

    found = fit(cut, limit)
    if found is not None:
        assert order(found) == order(cut)


def test_planes_are_read_once_and_wide_ones_are_staged():
    cut = cut_up((100, 20000, 20000), (64,) * 3, (64, 512, 512), (1, 20000, 20000), 1)
    assert not cut.staged
    assert cut.unit_nbytes == 64 * 20000 * 20000
    found = fit(cut, 200 * 2**20)
    assert found is not None
    assert found.staged
    assert found.slab[0] == 64
    assert found.slab_nbytes <= 200 * 2**20


def test_strips_are_read_by_bands_without_staging():
    cut = cut_up((100, 20000, 20000), (64,) * 3, (64, 512, 512), (1, 16, 20000), 1)
    found = fit(cut, 200 * 2**20)
    assert found is not None
    assert not found.staged


@pytest.mark.parametrize("step", [1, 3, 10, 100])
def test_pieces_end_at_multiples(step):
    found = [b[0] for b in pieces((slice(5, 23),), (step,))]
    assert [i for s in found for i in range(s.start, s.stop)] == list(range(5, 23))
    assert all(s.start % step == 0 for s in found[1:])


def test_boxes():
    box = (slice(2, 6), slice(0, 3))
    assert overlap(box, (slice(4, 9), slice(1, 9))) == (slice(4, 6), slice(1, 3))
    assert overlap(box, (slice(6, 9), slice(0, 3))) is None
    assert within((slice(4, 6),), (slice(2, 9),)) == (slice(2, 4),)
    assert size_of(box) == (4, 3)
