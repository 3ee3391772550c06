"""Downsampling against slow, obvious implementations; and that cutting changes nothing."""

from __future__ import annotations

import math
import tracemalloc
import warnings
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from ngffkit.errors import NgffError
from ngffkit.reduce import METHODS, method_of, reduce
from ngffkit.reduce import pieces as pieces_module
from ngffkit.reduce.gaussians import weights

INTS = ["?", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8))]
FLOATS = ["f2", "f4", "f8"]

dtypes = st.sampled_from(INTS + FLOATS)
int_dtypes = st.sampled_from(INTS)
float_dtypes = st.sampled_from(FLOATS)


@st.composite
def arrays(draw, kinds=dtypes, *, most=9, few=False, largest_bin=64, nan=False):
    """Draw an array of one to three axes, and factors for it."""
    dtype = np.dtype(draw(kinds))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=most))
    factors = draw(
        st.tuples(*(st.integers(1, 5) for _ in shape)).filter(lambda f: math.prod(f) <= largest_bin)
    )
    if dtype.kind == "f":
        limit = float(np.finfo(dtype).max)
        bound = min(limit / 2, 1e6)
        values = st.floats(-bound, bound, width=8 * dtype.itemsize)
        if nan:
            values |= st.just(math.nan)
        if few:
            values = st.sampled_from([0.0, 1.5, -2.0])
    elif dtype.kind == "b":
        values = st.booleans()
    else:
        info = np.iinfo(dtype)
        ends = st.sampled_from([info.min, info.max, info.max - 1, 0, 1])
        values = ends if few else ends | st.integers(info.min, info.max)
    return draw(hnp.arrays(dtype, shape, elements=values)), factors


def bins_of(pixels, factors):
    """Yield the index of each bin and its pixels, flat."""
    counts = [-(-n // f) for n, f in zip(pixels.shape, factors, strict=True)]
    for index in np.ndindex(*counts):
        cut = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        yield index, pixels[cut].ravel()


def naively(pixels, factors, function):
    shape = [-(-n // f) for n, f in zip(pixels.shape, factors, strict=True)]
    out = np.empty(shape, pixels.dtype)
    for index, values in bins_of(pixels, factors):
        out[index] = function(values)
    return out


def same(got, wanted):
    assert got.dtype == wanted.dtype
    assert got.shape == wanted.shape
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, wanted)


# --- each method against its definition -----------------------------------------------------------


@settings(deadline=None)
@given(arrays(int_dtypes))
def test_means_of_whole_numbers_are_exact_and_rounded_half_to_even(drawn):
    pixels, factors = drawn
    wanted = naively(pixels, factors, lambda v: round(Fraction(sum(v.tolist()), v.size)))
    same(reduce(pixels, factors, "mean"), wanted)


@settings(deadline=None)
@given(arrays(float_dtypes))
def test_means_of_floats_are_right_to_the_last_place(drawn):
    pixels, factors = drawn
    got = reduce(pixels, factors, "mean")
    for index, values in bins_of(pixels, factors):
        wanted = math.fsum(values.tolist()) / values.size
        # where sums cancel, a float32 is summed in a float64, and no better
        slack = np.spacing(np.abs(values).max().astype(np.float64)) * values.size
        # the sum is rounded once, its quotient once more
        assert abs(float(got[index]) - wanted) <= 2 * np.spacing(abs(pixels.dtype.type(wanted))) + (
            0 if pixels.dtype == "f8" else slack
        )


def test_a_mean_of_doubles_survives_cancellation_and_overflow():
    huge = np.finfo("f8").max
    assert reduce(np.array([1e16, 1.0, -1e16, 1.0]), (4,), "mean").tolist() == [0.5]
    assert reduce(np.array([huge, huge, huge, -huge]), (2,), "mean").tolist() == [huge, 0]
    assert reduce(np.array([huge, huge, huge]), (3,), "mean").tolist() == [huge]
    assert reduce(np.array([np.inf, huge, -np.inf, 1]), (2,), "mean").tolist() == [np.inf, -np.inf]
    assert reduce(np.array([huge, huge, huge, -huge]), (2,), "median").tolist() == [huge, 0]


@settings(deadline=None)
@given(arrays(int_dtypes), st.booleans())
def test_medians_of_whole_numbers(drawn, few):
    def median(values):
        ordered = sorted(values.tolist())
        half = len(ordered) // 2
        if len(ordered) % 2:
            return ordered[half]
        return round(Fraction(ordered[half - 1] + ordered[half], 2))

    pixels, factors = drawn
    same(reduce(pixels, factors, "median"), naively(pixels, factors, median))


@settings(deadline=None)
@given(arrays(float_dtypes, nan=True))
def test_medians_of_floats_are_numpys(drawn):
    def median(values):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.median(values.astype("f8"))

    pixels, factors = drawn
    got = reduce(pixels, factors, "median")
    np.testing.assert_array_max_ulp(got, naively(pixels, factors, median), 1)


def test_the_network_sorts():
    # by the 0-1 principle: what sorts all zeros and ones sorts everything
    from ngffkit.reduce.ranks import apply, network

    for count in range(1, 13):
        rows = [row.copy() for row in np.array(list(product((0, 1), repeat=count)), "u1").T]
        wanted = np.sort(np.array(rows), axis=0)
        ranks = ((count - 1) // 2, count // 2)
        picked = [row.copy() for row in rows]
        apply(network(count, ranks), picked)
        for rank in ranks:
            np.testing.assert_array_equal(picked[rank], wanted[rank])
        apply(network(count, tuple(range(count))), rows)
        np.testing.assert_array_equal(np.array(rows), wanted)


@settings(deadline=None)
@given(st.booleans().flatmap(lambda few: arrays(few=few)))
def test_modes_are_scipys(drawn):
    def mode(values):
        return stats.mode(values.view("u1") if values.dtype == "?" else values).mode

    pixels, factors = drawn
    same(reduce(pixels, factors, "mode"), naively(pixels, factors, mode))


@pytest.mark.parametrize("method", ["mean", "median", "mode", "min", "max", "gaussian"])
@pytest.mark.parametrize("factors", [(2, 2), (7, 7)])  # through the network, and by sorting
@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_propagates_within_its_bin(method, factors, dtype):
    pixels = np.ones((28, 28), dtype)
    pixels[8, 9] = np.nan
    got = reduce(pixels, factors, method)
    assert np.isnan(got[8 // factors[0], 9 // factors[1]])
    if method != "gaussian":
        assert np.isnan(got).sum() == 1
    np.testing.assert_array_equal(got[~np.isnan(got)], 1)


@settings(deadline=None)
@given(arrays())
def test_nearest_minimum_and_maximum(drawn):
    pixels, factors = drawn
    same(reduce(pixels, factors, "nearest"), pixels[tuple(slice(None, None, f) for f in factors)])
    same(reduce(pixels, factors, "min"), naively(pixels, factors, np.min))
    same(reduce(pixels, factors, "max"), naively(pixels, factors, np.max))


@settings(deadline=None)
@given(arrays(), st.sampled_from([m.name for m in METHODS.values() if m.labels]))
def test_methods_for_labels_make_no_new_ids(drawn, method):
    pixels, factors = drawn
    got = reduce(pixels, factors, method)
    for index, values in bins_of(pixels, factors):
        assert got[index] in values


# --- gaussian -------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(2, 20), st.integers(0, 40), st.integers(5, 16), st.integers(1, 20))
def test_weights_are_symmetric_and_sum_to_a_power_of_two(factor, reach, bits, size):
    kernel = weights(factor, size, reach, bits)
    assert len(kernel) == size + 2 * reach
    assert kernel == kernel[::-1]
    assert sum(kernel) == 2**bits
    at = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    ideal = np.exp(-2 * (at / factor) ** 2)
    np.testing.assert_allclose(np.array(kernel), 2**bits * ideal / ideal.sum(), rtol=0, atol=2)


def blurred(values, factor):
    """Return exact Gaussian means of a row of whole numbers, by the definition."""
    out = []
    for start in range(0, len(values), factor):
        size = min(factor, len(values) - start)
        # the last pixel may stand for a partial bin; others don't reach for it
        reach = max(0, min(factor, start, len(values) - 1 - start - size))
        kernel = weights(factor, size, reach, 10)
        cut = values[start - reach : start + size + reach]
        out.append(sum(Fraction(w, 1024) * v for w, v in zip(kernel, cut, strict=True)))
    return out


@settings(deadline=None)
@given(arrays(int_dtypes, most=30).filter(lambda drawn: drawn[0].ndim == 1 and drawn[1][0] > 1))
def test_gaussians_of_whole_numbers_are_exact_sums(drawn):
    pixels, factors = drawn
    wanted = [round(value) for value in blurred(pixels.tolist(), factors[0])]
    assert reduce(pixels, factors, "gaussian").tolist() == wanted


@settings(max_examples=30, deadline=None)
@given(arrays(int_dtypes, most=7, largest_bin=30))
def test_gaussians_are_separable(drawn):
    pixels, factors = drawn
    exact = np.array([Fraction(int(v)) for v in pixels.ravel()], object).reshape(pixels.shape)
    for axis, factor in enumerate(factors):
        if factor > 1:
            exact = np.apply_along_axis(lambda row, f=factor: blurred(list(row), f), axis, exact)
    wanted = np.vectorize(round, otypes=[pixels.dtype])(exact)
    same(reduce(pixels, factors, "gaussian"), wanted)


@pytest.mark.parametrize("dtype", INTS + FLOATS)
@pytest.mark.parametrize("method", METHODS)
def test_constants_stay(method, dtype):
    values = [True] if dtype == "?" else [0, 1, 77]
    if dtype[0] in "iu":
        values += [np.iinfo(dtype).max, np.iinfo(dtype).min]
    if dtype[0] == "f":
        values += [np.finfo(dtype).max, np.finfo(dtype).tiny, 0.1]
    for value in values:
        pixels = np.full((5, 7, 9), value, dtype)
        got = reduce(pixels, (2, 3, 2), method)
        if dtype == "f8" and method in ("mean", "gaussian") and value not in (0, 1, 77):
            # a sum that has more digits than a double is rounded, and its quotient again
            np.testing.assert_array_max_ulp(got, np.full_like(got, value), 4)
        else:
            same(got, np.full((3, 3, 5), value, dtype))


# --- cutting --------------------------------------------------------------------------------------


@st.composite
def cuts(draw, count):
    """Draw increasing positions from 0 to `count`."""
    inside = draw(st.sets(st.integers(1, max(count - 1, 1)), max_size=3))
    return sorted({0, count} | {i for i in inside if i < count})


@settings(max_examples=150, deadline=None)
@given(arrays(most=24, largest_bin=40), st.sampled_from(sorted(METHODS)), st.data())
def test_results_do_not_depend_on_how_an_image_is_cut(drawn, name, data):
    pixels, factors = drawn
    method = METHODS[name]
    whole = reduce(pixels, factors, method)
    along = [data.draw(cuts(n)) for n in whole.shape]
    surplus = data.draw(st.integers(0, 1))
    got = np.empty_like(whole)
    for box in product(*([*pairwise(c)] for c in along)):
        source, before, after = [], [], []
        for (first, last), n, f in zip(box, pixels.shape, factors, strict=True):
            start, stop = first * f, min(last * f, n)
            halo = method.halo(f) + surplus
            low, high = max(0, start - halo), min(n, stop + halo)
            source.append(slice(low, high))
            before.append(start - low)
            after.append(high - stop)
        target = tuple(slice(*ends) for ends in box)
        got[target] = reduce(pixels[tuple(source)], factors, method, before=before, after=after)
    np.testing.assert_array_equal(got, whole)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u4", "i8", "f2", "f4", "f8"])
def test_results_do_not_depend_on_the_pieces_it_works_in(name, dtype, monkeypatch):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 100, (2, 17, 31, 37)).astype(dtype)
    factors = (1, 2, 3, 2)
    before, after = ((0, 3, 1, 0), (0, 0, 0, 3)) if METHODS[name].reach else ((), ())
    monkeypatch.setattr(pieces_module, "SMALLEST", 1 << 40)
    monkeypatch.setattr(pieces_module, "LARGEST", 1 << 40)
    whole = reduce(pixels, factors, name, before=before, after=after)
    for size in (150, 5000):
        monkeypatch.setattr(pieces_module, "SMALLEST", size)
        monkeypatch.setattr(pieces_module, "LARGEST", size)
        np.testing.assert_array_equal(
            reduce(pixels, factors, name, before=before, after=after), whole
        )


@pytest.mark.parametrize("name", METHODS)
def test_strange_memory_gives_the_same(name):
    plain = np.random.default_rng(2).integers(0, 9, (6, 11, 8)).astype("i4")
    wanted = reduce(plain, (2, 2, 2), name)
    padded = np.zeros((12, 13, 17), "i4")
    padded[::2, 2:, 1::2] = plain
    strange = {
        "fortran": np.asfortranarray(plain),
        "strided": padded[::2, 2:, 1::2],
        "backwards": plain[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
        "other byte order": plain.astype(plain.dtype.newbyteorder()),
        "unaligned": np.frombuffer(b"x" + plain.tobytes(), "u1")[1:].view("i4").reshape(6, 11, 8),
    }
    for how, pixels in strange.items():
        copy = pixels.copy()
        pixels.flags.writeable = False
        got = reduce(pixels, (2, 2, 2), name)
        assert got.dtype == pixels.dtype, how
        assert got.flags.c_contiguous, how
        np.testing.assert_array_equal(got, wanted, how)
        np.testing.assert_array_equal(pixels, copy, how)


@pytest.mark.parametrize("name", METHODS)
def test_small_and_empty_arrays(name):
    assert reduce(np.array(3, "u2"), (), name) == 3
    assert reduce(np.zeros((0, 5), "u2"), (2, 2), name).shape == (0, 3)
    assert reduce(np.array([[7]], "u2"), (1000, 4), name).tolist() == [[7]]
    same(reduce(np.arange(6, dtype="f4"), (1,), name), np.arange(6, dtype="f4"))
    pixels = np.ones(4)
    assert not np.shares_memory(pixels, reduce(pixels, (1,), name))


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "u8", "f2", "f4", "f8"])
def test_temporaries_stay_below_what_is_said(name, dtype):
    rng = np.random.default_rng(3)
    method = METHODS[name]
    for shape, factors in (
        ((64, 64, 64), (2, 2, 2)),
        ((1, 512, 512), (1, 8, 8)),
        ((262144,), (3,)),
        ((8, 401, 333), (1, 2, 2)),
        ((40, 10, 10), (2, 2, 2)),
    ):
        pixels = rng.integers(0, 255, shape).astype(dtype)
        reduce(pixels[..., :9], factors, method)  # imports and kernels are no temporaries
        tracemalloc.start()
        out = reduce(pixels, factors, method)
        peak = tracemalloc.get_traced_memory()[1] - out.nbytes
        tracemalloc.stop()
        assert peak <= method.temporaries(pixels.nbytes), (shape, factors)


def test_temporaries_do_not_grow_with_the_input():
    peaks = []
    for planes in (8, 32):
        pixels = np.zeros((planes, 700, 700), "u2")
        tracemalloc.start()
        out = reduce(pixels, (2, 2, 2), "mean")
        peaks.append(tracemalloc.get_traced_memory()[1] - out.nbytes)
        tracemalloc.stop()
    assert peaks[1] <= 1.1 * peaks[0]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (((4, 4), "u1", (2,), "mean"), {}, "factors are .*; expected 2 whole numbers"),
        (((4,), "u1", (0,), "mean"), {}, "at least 1"),
        (((4,), "u1", (1.5,), "mean"), {}, "whole numbers"),
        (((4,), "u1", (2,), "average"), {}, "no method 'average'; there are mean, median"),
        (((4,), "c8", (2,), "mean"), {}, "complex64 can't be downsampled"),
        (((4,), "U3", (2,), "mode"), {}, "can't be downsampled"),
        (((4,), "u1", (2,), "mean"), {"before": (3,), "after": (2,)}, "halos of 3 and 2 pixels"),
        (((4,), "u1", (2,), "mean"), {"before": (-1,)}, "before are"),
        (((4,), "u1", (2,), "gaussian"), {"after": (1,)}, "3 pixels are no whole bins of 2"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, options, message):
    shape, dtype, factors, method = arguments
    with pytest.raises(ValueError, match=message):
        reduce(np.zeros(shape, dtype), factors, method, **options)


def test_the_method_that_is_meant():
    assert method_of(None, "intensity", "u1").name == "mean"
    assert method_of("default", "label", "u8").name == "mode"
    assert method_of(None, "intensity", "?").name == "mode"
    assert method_of("Median", "intensity", "f4").name == "median"
    assert method_of("bilinear", "intensity", "f4") == METHODS["mean"]
    assert method_of("nearest", "label", "i4").stride
    assert [m.name for m in METHODS.values() if m.stride] == ["nearest"]


@pytest.mark.parametrize(
    ("name", "kind", "dtype", "message"),
    [
        ("mean", "label", "u4", "ids that label nothing.*choose one of mode, nearest, min, max"),
        ("bilinear", "label", "u4", "'bilinear' would make ids"),
        ("gaussian", "label", "u4", "choose one of mode"),
        ("bicubic", "intensity", "u1", "overshoots.*take 'mean', or 'gaussian'"),
        ("lanczos", "intensity", "u1", "is 'lanczos'.*choose one of mean, median"),
        ("mean", "intensity", "c16", "complex128 can't be downsampled"),
        ("mode", "label", "O", "object can't be downsampled"),
    ],
)
def test_methods_that_do_not_fit_are_refused_with_a_remedy(name, kind, dtype, message):
    with pytest.raises(NgffError, match=message):
        method_of(name, kind, dtype)
