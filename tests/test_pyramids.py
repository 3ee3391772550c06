"""Mags and their grids; and that what is seen at a place in mag 1 is there in every mag."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Image, Level
from ngffkit.pyramids import Rung, grids, ladder
from ngffkit.reduce import METHODS, reduce

TYPES = {"t": "time", "c": "channel"}


def grid_of(shape, size=None, *, dims=None, units=None, origin=None):
    """Build a grid; `size` is in x, y, z order."""
    dims = dims or "tczyx"[-len(shape) :]
    by_name = dict(zip("xyz", size or (1.0, 1.0, 1.0), strict=False))
    units = units or dict.fromkeys("xyz", "nanometer")
    axes = tuple(Axis(d, TYPES.get(d, "space"), units.get(d)) for d in dims)
    scale = tuple(float(by_name.get(d, 1.0)) for d in dims)
    return Grid(axes, tuple(shape), scale, origin or (0.0,) * len(dims))


def mags(grid, rungs):
    levels = tuple(Level(str(i), g) for i, g in enumerate(grids(grid, rungs, stride=False)))
    return list(Image("", levels).mags)


# --- rules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "coarsest", "wanted"),
    [
        ((11.24, 11.24, 25), 8, ["1", "2-2-1", "4-4-2", "8-8-4"]),
        ((4, 4, 40), 16, ["1", "2-2-1", "4-4-1", "8-8-1", "16-16-2"]),
        ((1, 1, 1), 8, ["1", "2", "4", "8"]),
        ((4, 4, 35), 16, ["1", "2-2-1", "4-4-1", "8-8-1", "16-16-2"]),
        ((0.5, 0.5, 0.1), 8, ["1", "1-1-2", "1-1-4", "2-2-8"]),
        # a tie: 9 / 6 = 12 / 8, all and some are equally far from cubes, so some
        ((6, 8, 9), 4, ["1", "2-1-1", "4-2-2"]),
        ((1, 1, 2), 4, ["1", "2-2-1", "4-4-2"]),
        ((1, 1, 4), 8, ["1", "2-2-1", "4-4-1", "8-8-2"]),
        # the largest factor ends it, as in WEBKNOSSOS, whatever the others are
        ((11.24, 11.24, 25), "8-8-2", ["1", "2-2-1", "4-4-2", "8-8-2"]),
        ((1, 1, 1), (8, 8, 1), ["1", "2-2-1", "4-4-1", "8-8-1"]),
        ((1, 1, 1), 7, ["1", "2", "4"]),
        ((1, 1, 1), 1, ["1"]),
    ],
)
def test_the_rule_of_webknossos(size, coarsest, wanted):
    grid = grid_of((1000, 1000, 1000), size)
    assert mags(grid, ladder(grid, coarsest=coarsest)) == wanted


def by_the_rule(size, coarsest):
    """Apply the rule in exact arithmetic, x, y, z."""
    mag, out = [1, 1, 1], [(1, 1, 1)]
    while max(mag) < coarsest:
        now = [m * v for m, v in zip(mag, size, strict=True)]
        all_axes = [2 * s for s in now]
        some = [2 * s if s == min(now) else s for s in now]
        take_all = max(all_axes) / min(all_axes) < max(some) / min(some)
        mag = [2 * m if take_all or s == min(now) else m for m, s in zip(mag, now, strict=True)]
        out.append(tuple(mag))
    return out


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 500)] * 3), st.sampled_from([1.0, 0.01, 1e-9, 0.1 / 3]))
def test_the_rule_does_not_flip_on_rounding(whole, unit):
    grid = grid_of((2**20, 2**20, 2**20), tuple(n * unit for n in whole))
    rungs = ladder(grid, coarsest=64)
    wanted = by_the_rule([Fraction(n) for n in whole], 64)
    assert [rung.factors[::-1] for rung in rungs] == wanted


def test_ties_do_not_flip_on_rounding():
    for unit in (1.0, 0.1, 0.001, 1 / 3, 1e-9, 0.7, 1.1, 0.3, 11.24, 0.0123):
        for size in set(permutations((6 * unit, 8 * unit, 9 * unit))):
            grid = grid_of((1000, 1000, 1000), size)
            step = ladder(grid, coarsest=2)[1].step[::-1]
            assert step == tuple(2 if s == min(size) else 1 for s in size)


def test_sizes_that_were_rounded_are_one_size():
    for x in (22.48, 11.24 * 2, float(np.float32(22.48)), np.nextafter(22.48, 99)):
        grid = grid_of((500, 500, 500), (float(x), 22.48, 11.24))
        assert mags(grid, ladder(grid, coarsest=4)) == ["1", "1-1-2", "2-2-4"]


def test_sizes_are_compared_in_one_unit():
    units = {"x": "nanometer", "y": "nanometer", "z": "micrometer"}
    grid = grid_of((500, 500, 500), (4, 4, 0.04), units=units)
    assert mags(grid, ladder(grid, coarsest=4)) == ["1", "2-2-1", "4-4-1"]
    # numbers, where a unit is no known length
    grid = grid_of((500, 500, 500), (4, 4, 40), units=units | {"z": "slice"})
    assert mags(grid, ladder(grid, coarsest=4)) == ["1", "2-2-1", "4-4-1"]


@pytest.mark.parametrize(
    ("widest", "coarsest"), [(1, 4), (90, 4), (400, 4), (401, 8), (800, 8), (6400, 64), (6401, 128)]
)
def test_the_default_brings_planes_to_a_hundred_pixels(widest, coarsest):
    for shape in ((1, 50, widest), (1, widest, 50)):
        assert max(ladder(grid_of(shape))[-1].factors) == coarsest


def test_stopping_at_a_number_of_pixels():
    grid = grid_of((100, 1000, 700))
    assert mags(grid, ladder(grid, until=64)) == ["1", "2", "4", "8", "16"]
    assert mags(grid, ladder(grid, until=63)) == ["1", "2", "4", "8", "16"]
    assert mags(grid, ladder(grid, until=62)) == ["1", "2", "4", "8", "16", "32"]
    assert mags(grid, ladder(grid, until=64, coarsest=4)) == ["1", "2", "4"]
    assert mags(grid, ladder(grid, until=1000)) == ["1"]
    # z isn't halved, so it doesn't count
    deep = grid_of((9999, 128, 100))
    assert mags(deep, ladder(deep, until=64, sampling="constant_z")) == ["1", "2-2-1"]


def test_other_samplings():
    grid = grid_of((500, 500, 500), (4, 4, 40))
    assert mags(grid, ladder(grid, sampling="isotropic")) == ["1", "2", "4", "8"]
    wanted = ["1", "2-2-1", "4-4-1", "8-8-1"]
    assert mags(grid, ladder(grid, sampling="constant_z")) == wanted


@pytest.mark.parametrize("sampling", ["anisotropic", "isotropic", "constant_z"])
def test_flat_images(sampling):
    for shape, size in (((1000, 900), (4, 4)), ((1, 1000, 900), (4, 4, 40))):
        rungs = ladder(grid_of(shape, size), sampling=sampling)
        assert [rung.factors[-2:] for rung in rungs] == [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16)]
        assert all(rung.factors[0] == 1 for rung in rungs if len(shape) == 3)


def test_time_and_channel_stay():
    rungs = ladder(grid_of((50, 3, 200, 200, 200)))
    assert [rung.factors for rung in rungs] == [(1, 1, f, f, f) for f in (1, 2, 4)]


@settings(deadline=None)
@given(
    st.tuples(*[st.integers(0, 3000)] * 3),
    st.tuples(*[st.floats(0.01, 100)] * 3),
    st.sampled_from(["anisotropic", "isotropic", "constant_z"]),
    st.none() | st.integers(1, 300),
    st.none() | st.integers(1, 300),
)
def test_every_level_is_smaller_than_its_parent(shape, size, sampling, coarsest, until):
    grid = grid_of(shape, size)
    rungs = ladder(grid, sampling=sampling, coarsest=coarsest, until=until)
    shapes = [g.shape for g in grids(grid, rungs, stride=False)]
    assert rungs[0] == Rung((1, 1, 1), 0, (1, 1, 1))
    for i, rung in enumerate(rungs[1:], 1):
        parent = rungs[rung.parent]
        assert rung.parent == i - 1
        assert rung.factors == tuple(map(math.prod, zip(parent.factors, rung.step, strict=True)))
        assert set(rung.step) <= {1, 2}
        assert 0 < math.prod(shapes[i]) < math.prod(shapes[rung.parent])
        for step, n in zip(rung.step, shapes[rung.parent], strict=True):
            assert step == 1 or n > 1
        assert coarsest is None or max(rung.factors) <= coarsest
        assert until is None or max(shapes[rung.parent]) > until


# --- lists ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listed",
    [
        ["1", "2-2-1", "4-4-2"],
        [1, (2, 2, 1), (4, 4, 2)],
        ["1-1-1", "2, 2, 1", [4.0, 4.0, 2.0]],
        [{}, {"x": 2, "y": 2}, {"x": 4, "y": 4, "z": 2}],
        np.array([[1, 1, 1], [2, 2, 1], [4, 4, 2]]).tolist(),
        (np.int64(1), "2-2-1", np.array([4, 4, 2])),
    ],
)
def test_mags_as_people_write_them(listed):
    rungs = ladder(grid_of((3, 100, 100, 100)), mags=listed)
    assert [rung.factors for rung in rungs] == [(1, 1, 1, 1), (1, 1, 2, 2), (1, 2, 4, 4)]


def test_a_parent_is_the_coarsest_that_divides():
    grid = grid_of((100, 100, 100))
    rungs = ladder(grid, mags=[1, 2, 3, "4-4-2", 6, 8, "12-12-6"])
    assert [rung.parent for rung in rungs] == [0, 0, 0, 1, 2, 3, 4]
    assert [rung.step[::-1] for rung in rungs[3:]] == [(2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 2, 1)]


@pytest.mark.parametrize("listed", [["1", "2-2-1", "4-4-1"], [1, 2, 4], [1, "2-2-2", (4, 4, 2)]])
def test_an_axis_of_one_pixel_or_none_stays(listed):
    for shape in ((100, 100), (1, 100, 100)):
        rungs = ladder(grid_of(shape), mags=listed)
        assert [rung.factors[-2:] for rung in rungs] == [(1, 1), (2, 2), (4, 4)]
        assert all(rung.factors[0] == 1 for rung in rungs if len(shape) == 3)


def test_time_goes_where_it_is_named():
    grid = grid_of((10, 3, 2, 50, 50))
    rungs = ladder(grid, mags=[1, {"t": 2}, {"t": 4, "x": 2, "y": 2}])
    assert [rung.factors for rung in rungs] == [(1, 1, 1, 1, 1), (2, 1, 1, 1, 1), (4, 1, 1, 2, 2)]
    assert rungs[2].step == (2, 1, 1, 2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mags": ["2", "4"]}, "mags: the first is '2' .*begin with 1"),
        ({"mags": ["1", "1.5"]}, "'1.5' is made of no whole numbers"),
        ({"mags": [1, 0]}, "0 is made of no whole"),
        ({"mags": [1, -2]}, "-2 is made of no whole"),
        ({"mags": [1, "2-2-x"]}, "'2-2-x' is made of no whole"),
        ({"mags": [1, "inf"]}, "'inf' is made of no whole"),
        ({"mags": [1, 10**400]}, "is made of no whole"),
        ({"mags": [1, None]}, "None is made of no whole"),
        ({"mags": [1, True]}, "True is made of no whole"),
        ({"mags": [1, 10**12]}, "is beyond"),
        ({"mags": [1, 2, "2-2-2"]}, "'2-2-2' is there twice"),
        ({"mags": [1, 4, 2]}, "2 is finer than 4, which is before it.*finest first"),
        ({"mags": [1, "2-2"]}, "'2-2' has 2 factors .*each of x, y, z"),
        ({"mags": [1, {"q": 2}]}, "names axis 'q' .*the axes are z, y, x"),
        ({"mags": [1, 128, 256]}, "256 has no fewer pixels than 128 .*leave it out"),
        ({"mags": "1"}, "is '1' .*give a list"),
        ({"mags": []}, r"is \[\] .*give a list"),
        ({"mags": [1, 2], "coarsest": 4}, "coarsest: was given and mags were listed"),
        ({"mags": [1, 2], "until": 4}, "until: was given and mags were listed"),
        ({"sampling": "cubic"}, "sampling: is 'cubic' .*anisotropic, isotropic, constant_z"),
        ({"coarsest": "big"}, "coarsest: 'big' is made of no whole"),
        ({"coarsest": 0}, "coarsest: 0 is made of no whole"),
        ({"until": 0}, "until: 0 is made of no whole"),
        ({"until": 2.5}, "until: 2.5 is made of no whole"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_remedy(options, message):
    with pytest.raises(NgffError, match=message):
        ladder(grid_of((100, 100, 100)), **options)


# --- places ---------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.tuples(*[st.integers(1, 400)] * 3),
    st.lists(st.tuples(*[st.integers(1, 3)] * 3), max_size=4),
    st.booleans(),
)
def test_grids_are_what_going_from_parent_to_child_gives(shape, steps, stride):
    grid = grid_of(shape, (0.1, 0.3, 7.0), origin=(5.0, -3.0, 0.7))
    factors, rungs, wanted = (1, 1, 1), [], [grid]
    for i, step in enumerate([(1, 1, 1), *steps]):
        factors = tuple(a * b for a, b in zip(factors, step, strict=True))
        rungs.append(Rung(factors, max(i - 1, 0), step))
        if i:
            named = dict(zip(grid.dims, step, strict=True))
            wanted.append(wanted[-1].coarsen(named, stride=stride))
    for got, by_steps in zip(grids(grid, rungs, stride=stride), wanted, strict=True):
        assert got.shape == by_steps.shape
        np.testing.assert_allclose(got.scale, by_steps.scale, rtol=1e-14)
        np.testing.assert_allclose(got.origin, by_steps.origin, rtol=1e-14, atol=1e-14)
    last = grids(grid, rungs, stride=stride)[-1]
    move = tuple((s - t) / 2 for s, t in zip(last.scale, grid.scale, strict=True))
    moved = tuple(o if stride else o + m for o, m in zip(grid.origin, move, strict=True))
    assert last.origin == moved


RAMPS = [
    ((11, 13, 17), [1, 2, 4], (1, 2, 3)),
    ((5, 21, 19), ["1", "2-2-1", "4-4-1", "8-8-2"], (3, 1, 1)),
    ((12, 10, 9), [1, "1-2-3", "2-4-6"], (2, 5, 4)),
    ((9, 30, 31), [1, 3, "6-6-3"], (0, 2, 1)),
    ((4, 16, 16), [1, "4-4-1", "16-16-2"], (1, 1, 2)),
]


def ramp(grid, slopes, offset):
    """Return the value that a linear function of place has at each pixel of `grid`, exactly."""
    index = [slope * grid.coords(d) for d, slope in zip(grid.dims, slopes, strict=True)]
    return offset + sum(np.meshgrid(*index, indexing="ij"))


def levels_of(pixels, grid, rungs, method):
    """Cascade from parent to child; yield all but the last, partial bins, with their grids."""
    made = []
    for rung, level in zip(rungs, grids(grid, rungs, stride=METHODS[method].stride), strict=True):
        made.append(reduce(made[rung.parent], rung.step, method) if made else pixels)
        assert made[-1].shape == level.shape
        whole = {
            d: slice(0, n // f) for d, n, f in zip(grid.dims, grid.shape, rung.factors, strict=True)
        }
        yield made[-1][tuple(whole.values())], level.crop(whole), rung


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
)
@pytest.mark.parametrize(("shape", "listed", "slopes"), RAMPS)
@pytest.mark.parametrize("method", METHODS)
def test_ramps_are_where_they_are_claimed_to_be(method, shape, listed, slopes, dtype, sign):
    grid = grid_of(shape)
    rungs = ladder(grid, mags=listed)
    slopes = np.array(slopes) * sign
    span = sum(abs(s) * (n - 1) for s, n in zip(slopes, shape, strict=True))
    offset = (-100 if dtype[0] == "i" else 0) + (span if sign < 0 else 0)
    pixels = ramp(grid, slopes, offset).astype(dtype)
    np.testing.assert_array_equal(pixels, ramp(grid, slopes, offset))
    for i, (got, level, rung) in enumerate(levels_of(pixels, grid, rungs, method)):
        claimed = ramp(level, slopes, offset)
        # from the centre of a bin to the corner where the ramp is lowest
        corner = sum(abs(s) * (f - 1) / 2 for s, f in zip(slopes, rung.factors, strict=True))
        error = got.astype("f8") - claimed
        if method == "nearest":
            np.testing.assert_array_equal(error, 0)
        elif method == "min":
            np.testing.assert_array_equal(error, -corner)
        elif method == "max":
            np.testing.assert_array_equal(error, corner)
        elif method == "mode":  # a value of the bin
            assert (abs(error) <= corner).all()
        elif dtype[0] == "f":
            last_place = np.spacing(np.abs(pixels).max().astype(dtype)).astype("f8")
            assert (abs(error) <= i * last_place).all()
        else:
            assert (abs(error) <= i * 0.5).all()


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(*[st.integers(1, 40)] * 2),
    st.tuples(*[st.floats(-9, 9, width=32)] * 2),
    st.lists(st.tuples(*[st.integers(1, 4)] * 2), min_size=1, max_size=3),
    st.sampled_from(["mean", "median", "gaussian"]),
)
def test_ramps_of_floats_stay_through_any_cascade(shape, slopes, steps, method):
    grid = grid_of(shape, (0.5, 0.25))
    factors, rungs = (1, 1), [Rung((1, 1), 0, (1, 1))]
    for i, step in enumerate(steps):
        factors = tuple(a * b for a, b in zip(factors, step, strict=True))
        rungs.append(Rung(factors, i, step))
    pixels = ramp(grid, slopes, 0.0)
    for got, level, _ in levels_of(pixels, grid, rungs, method):
        error = np.abs(got - ramp(level, slopes, 0.0))
        assert (error <= 1e-13 * max(1.0, np.abs(pixels).max())).all()


def test_a_ramp_is_bent_by_the_wrong_grid():
    # what the tests above rely on: they tell binning from striding
    grid = grid_of((8, 8, 8))
    pixels = ramp(grid, (1, 1, 1), 0).astype("f8")
    wrong = grid.coarsen(dict.fromkeys("zyx", 2), stride=True)
    got = reduce(pixels, (2, 2, 2), "mean")
    assert np.unique(got - ramp(wrong, (1, 1, 1), 0)).tolist() == [1.5]


def test_modes_of_ramps_are_the_smallest_where_all_differ():
    grid = grid_of((6, 8, 8))
    pixels = ramp(grid, (100, 10, 1), 0).astype("u4")
    for factors in product((1, 2), repeat=3):
        np.testing.assert_array_equal(
            reduce(pixels, factors, "mode"), reduce(pixels, factors, "min")
        )
