"""File names: what is guessed, what a pattern places where."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ngffkit.errors import NgffError
from ngffkit.sources.stacks.guessing import guess
from ngffkit.sources.stacks.patterns import compile_pattern, natural, place


@pytest.mark.parametrize(
    ("names", "pattern", "summary"),
    [
        ([f"{i}.png" for i in range(12)], "{z}.png", "z 0 to 11"),
        (
            [f"slice12z{z:03}t{t}.tif" for z in range(3) for t in range(2)],
            "slice12z{z}t{t}.tif",
            "t 0 to 1; z 000 to 002",
        ),
        (
            [f"run_7_time{t}_ch{c}.tif" for t in range(3) for c in range(2)],
            "run_7_time{t}_ch{c}.tif",
            "t 0 to 2; c 0 to 1",
        ),
        (
            [f"time_{t}-slice-{z}.tif" for t in range(3) for z in range(2)],
            "time_{t}-slice-{z}.tif",
            "t 0 to 2; z 0 to 1",
        ),
        (
            ["ch0/ch00000.tif", "ch0/ch00001.tif", "ch1/ch10000.tif", "ch1/ch10001.tif"],
            "ch{c}/ch{c}{z}.tif",
            "c 0 to 1; z 0000 to 0001",
        ),
        (
            [f"Alexa{c}_{z}.tif" for c in (405, 488, 561) for z in range(2)],
            "Alexa{c}_{z}.tif",
            "c 405 to 561; z 0 to 1",
        ),
        (
            [f"a_{c}_{z}.tif" for c in ("DAPI", "Alexa488") for z in range(2)],
            "a_{c}_{z}.tif",
            "c Alexa488, DAPI; z 0 to 1",
        ),
        ([f"{c}{z}.tif" for c in ("DAPI", "GFP") for z in (1, 2)], "{c}{z}.tif", None),
        ([f"x{x}_y{y}.tif" for x in range(3) for y in range(2)], "x{x}_y{y}.tif", None),
        ([f"imgZ{z}T{t}.tif" for z in range(3) for t in range(2)], "imgZ{z}T{t}.tif", None),
        ([f"t{t}/img_t{t}_{z}.tif" for t in (1, 2) for z in (1, 2)], "t{t}/img_t{t}_{z}.tif", None),
        # a time stamp tells nothing that the number does not
        ([f"i{i}_{1700 + i * i * 7}.tif" for i in range(5)], "i{z}_*.tif", None),
        ([f"a_{a}_{b}.tif" for a in range(3) for b in range(2)], "a_{t}_{z}.tif", None),
        ([f"{{q}}_{i}.tif" for i in range(3)], "{{q}}_{z}.tif", "z 0 to 2"),
        ([f"{i}.tif" if i % 2 else f"{i}.TIF" for i in range(3)], "{z}*", None),
    ],
)
def test_guesses(names, pattern, summary):
    assert guess(names) == pattern
    places = place(names, compile_pattern(pattern))
    assert set(places.names) == set(names)
    assert (places.table >= 0).all()
    assert summary is None or places.summary() == summary


def test_axes_that_are_told():
    names = [f"{a}_{b}.tif" for a in range(3) for b in range(2)]
    assert guess(names, "zt") == "{z}_{t}.tif"
    assert guess(names, "cz") == "{c}_{z}.tif"
    assert guess(names[::2], "tyx") == "{t}_0.tif"
    with pytest.raises(NgffError, match="axes: 't'"):
        guess(names, "t")


def test_axes_inside_the_files_are_taken():
    assert guess(["1.tif", "2.tif"], taken="z") == "{t}.tif"
    assert guess(["1.tif", "2.tif"], taken="zt") == "{c}.tif"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (
            ["a_1.png", "a_2.png", "over view.png"],
            ["over view.png", "the other 2 files", "a_1.png"],
        ),
        (
            [f"{a}_{b}_{c}_{d}.tif" for a, b, c, d in itertools.product((1, 2), repeat=4)],
            ["4 things"],
        ),
        ([f"{a}_{b}.tif" for a in ("aa", "bb") for b in ("cc", "dd")], ["pattern="]),
        ([f"{chr(97 + i // 26)}{chr(97 + i % 26)}.tif" for i in range(60)], ["60 words"]),
        ([f"site{s}_w{w}.tif" for s in (1, 2) for w in (1, 2)], ["2 sites (1, 2)"]),
    ],
)
def test_what_can_not_be_guessed_is_refused(names, words):
    with pytest.raises(NgffError) as caught:
        guess(names)
    for word in words:
        assert word in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.fixed_dictionaries(
        {"t": st.integers(1, 4), "c": st.integers(1, 3), "z": st.integers(1, 12)}
    ),
    padding=st.integers(0, 4),
    start=st.integers(0, 2),
    glue=st.sampled_from(["", "_", "-", "_x_", "/"]),
    order=st.permutations("tcz"),
)
def test_marked_numbers_are_found_in_any_order(sizes, padding, start, glue, order):
    def name(at: dict[str, int]) -> str:
        return "a" + glue.join(f"{a}{at[a] + start:0{padding}}" for a in order) + ".tif"

    if order[0] in "tcz" and glue == "" and order[0] == "t":
        return  # "at1": is it the word "at" or the marker "t"?
    places = {
        index: name(dict(zip("tcz", index, strict=True)))
        for index in np.ndindex(*(sizes[a] for a in "tcz"))
    }
    first = "b/" if glue == "/" else "b_"
    places = {index: first + text[1:] for index, text in places.items()}
    found = place(list(places.values()), compile_pattern(guess(list(places.values()))))
    shape = dict(zip(found.axes, found.table.shape, strict=True))
    assert shape == {a: n for a, n in sizes.items() if n > 1}
    for index, text in places.items():
        at = tuple(index["tcz".index(a)] for a in found.axes)
        assert found.names[found.table[at]] == text


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30, unique=True))
def test_natural_order_is_that_of_counting(numbers):
    names = [f"a{n}b.png" for n in numbers]
    assert sorted(names, key=natural) == [f"a{n}b.png" for n in sorted(numbers)]


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(3, 40),
    step=st.integers(1, 12),
    data=st.data(),
    gaps=st.sampled_from(["close", "fill"]),
)
def test_gaps_in_any_numbering(count, step, data, gaps):
    lost = data.draw(st.sets(st.integers(1, count - 2), max_size=(count - 1) // 4))
    # the usual step must stay the usual one
    kept = [i for i in range(count) if i not in lost]
    steps = [b - a for a, b in itertools.pairwise(kept)]
    if lost and steps.count(1) <= len(steps) // 2:
        return
    names = [f"s{i * step}.png" for i in kept]
    pattern = compile_pattern("s{z}.png")
    if lost:
        with pytest.raises(NgffError, match=rf"^s{min(lost) * step}\.png is missing between"):
            place(names, pattern)
    placed = place(names, pattern, gaps)
    filled = range(count) if gaps == "fill" else kept
    got = [placed.names[k] if k >= 0 else None for k in placed.table]
    assert got == [f"s{i * step}.png" if i in kept else None for i in filled]
    if gaps == "fill":
        assert placed.labels[0] == tuple(str(i * step) for i in filled)


def test_what_a_pattern_may_say():
    names = ["a1/DAPI_b.png", "a1/GFP_b.png", "a2/DAPI_c.png", "a2/GFP_c.png"]
    found = place(names, compile_pattern("a{t}/{c:DAPI|GFP}_?.png"))
    assert found.labels == (("1", "2"), ("DAPI", "GFP"))
    fixed = place(["w1123.tif", "w2456.tif"], compile_pattern("w{c:1}*.tif"))
    assert fixed.labels == (("1", "2"),)
    for bad in ("", "a{z.png", "a}b", "{}"):
        with pytest.raises(NgffError, match="pattern"):
            compile_pattern(bad)
