"""A plan's card: what it says, in how many columns, and that nothing on it is HTML of others."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ngffkit.cards import Table
from ngffkit.errors import Problem
from ngffkit.image import Channel
from ngffkit.planning.card import WIDTH, Content, html_of, lasting, text_of
from ngffkit.planning.facts import facts_of
from ngffkit.planning.plan import Plan
from ngffkit.writing import plan as make

ERROR = Problem("memory", "error", "40 MB is too little", "pass memory='102 MB' or more")
ADVICE = Problem("axes", "advice", "read as z, y, x", "pass axes= to say otherwise")


def planned(shape: tuple[int, ...] = (40, 200, 300), **options: Any) -> Plan:
    # zeros that take no memory, whatever the shape
    pixels = np.broadcast_to(np.zeros(1, "u2"), shape)
    given = {"voxel_size": (11.24, 11.24, 25), "unit": "nanometer", "name": "cells"} | options
    return make(pixels, "memory://card.zarr", **given)


@pytest.fixture(scope="module")
def volume() -> Plan:
    return planned()


def test_all_of_a_card_is_text():
    odd = "<img src=x onerror=alert(1)>"
    table = Table(odd, (odd,), ((odd,),))
    shown = Content(odd, ((odd, odd),), (table,), (Problem(odd, "error", odd, odd),)).html()
    assert "<img" not in shown
    assert shown.count("&lt;img src=x") >= 7


def test_text_says_what_is_known(volume: Plan):
    text = text_of(volume)
    assert text.splitlines()[0] == "plan: cells -> memory://card.zarr"
    for line in (
        r"read +40×200×300 \(z, y, x\) uint16, intensities",
        rf"write +OME-Zarr {re.escape(volume.image.version)}, Zarr v3",
        r"voxel +11\.24 × 11\.24 × 25 nanometer \(x, y, z\)",
        r"memory +at most .* of the \d\.\d GB allowed",
        rf"work +{volume.tasks} tasks on threads, about .*",
        rf"stored +about .* in {volume.files} files",
        r"  2-2-1 +1 +40×100×150 +22\.48 × 22\.48 × 25 +.*",
        r"  z +40 +25 nanometer +1000 nanometer",
    ):
        assert re.search(f"^{line}$", text, re.MULTILINE), line


def test_layouts_have_a_row_for_each_way_of_lying(volume: Plan):
    lines = text_of(volume).split("layout\n")[1].splitlines()
    distinct = {(lay.chunks, lay.shards) for lay in volume.layouts.values()}
    rows = [line for line in lines[1:] if line.startswith("  ") and "×" in line]
    assert len(rows) == len(distinct)
    assert all(row.endswith("zstd:1") for row in rows)


def test_arrays_that_lie_alike_share_a_row():
    text = text_of(planned(chunks=1, shards=None, mags=["1", "2", "4"]))
    assert re.search(r"^  0-2 +1×1×1 +zstd:1$", text, re.MULTILINE)


def test_errors_come_first(volume: Plan):
    wrong = replace(volume, problems=(ADVICE, ERROR))
    text, card = text_of(wrong), html_of(wrong)
    assert text.index("too little") < text.index("read as z")
    assert "1 error, 1 piece of advice" in text
    assert card.index("too little") < card.index("read as z") < card.index(">read<")
    fine = html_of(replace(volume, problems=(ADVICE,)))
    assert fine.index(">read<") < fine.index("read as z")


def test_scratch_and_labels_are_told():
    one = planned((8, 64, 64))
    both = replace(one, images=(one.images[0], replace(one.images[0], path="labels/nuclei")))
    both = replace(both, cost=replace(both.cost, scratch=3 * 10**9))
    text = text_of(both)
    assert re.search(r"^scratch +3\.0 GB on disk while it runs$", text, re.MULTILINE)
    assert re.search(r"^  nuclei +uint16 +8×64×64 +1, 2-2-1", text, re.MULTILINE)


@pytest.mark.parametrize(
    "shape",
    [
        (64, 64),
        (3, 64, 64),
        (20_000, 20_000, 20_000),
        (1000, 12, 20_000, 123_456, 123_456),
    ],
    ids=str,
)
def test_lines_fit(shape: tuple[int, ...]):
    axes = "tczyx"[-len(shape) :]
    wide = planned(shape, axes=axes, voxel_size={"y": 1 / 3, "x": 1 / 3}, until=64)
    name = "a_name_that_nobody_types_" * 8
    item = replace(wide.images[0], path=f"labels/{name}")
    levels = tuple(replace(lv, path=f"labels/{name}/{lv.path}") for lv in wide.images[0].job.levels)
    item = replace(item, job=replace(item.job, levels=levels))
    long = Problem("source", "advice", "/very/long/" + "path" * 60, "shorten it")
    wide = replace(wide, images=(wide.images[0], item), problems=(long,))
    assert max(map(len, text_of(wide).splitlines())) <= WIDTH


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


OWN = set("div style h4 h5 table tr th td ol li b code span i".split())


@given(st.text(max_size=40))
def test_nothing_of_others_becomes_html(text: str):
    evil = f"<script>alert(1)</script><img src=x onerror=y>'\"&{text}"
    volume = _shared()
    image = replace(volume.image, name=evil, channels=(Channel(evil),))
    info = replace(volume.source.info, name=evil)
    named = replace(
        volume,
        source=_Named(info),
        images=(replace(volume.images[0], image=image),),
        problems=(Problem(evil, "error", evil, evil),),
    )
    found = _Tags()
    found.feed(html_of(named))
    assert not found.open
    assert set(found.tags) <= OWN
    assert set(found.attributes) <= {"class", "style"}
    assert max(map(len, text_of(named).splitlines())) <= WIDTH
    assert all(c.isprintable() for line in text_of(named).split("\n") for c in line)


class _Named:
    def __init__(self, info: Any) -> None:
        self.info = info


@cache
def _shared() -> Plan:
    return planned((8, 64, 64))


def test_the_meter_shows_the_share_of_memory(volume: Plan):
    half = replace(volume, cost=replace(volume.cost, peak_memory=500 * 10**6, budget=10**9))
    over = replace(volume, cost=replace(volume.cost, peak_memory=3 * 10**9, budget=10**9))
    assert "<span style='width:50%'>" in html_of(half)
    assert "<span class='over' style='width:100%'>" in html_of(over)


def test_json_has_the_numbers(volume: Plan):
    facts = json.loads(json.dumps(facts_of(replace(volume, problems=(ADVICE, ERROR)))))
    assert facts["ok"] is False
    assert facts["nbytes"] == volume.nbytes
    assert facts["peak_memory"] == volume.peak_memory
    assert [problem["severity"] for problem in facts["problems"]] == ["error", "advice"]
    levels = facts["images"][0]["levels"]
    assert [level["mag"] for level in levels] == list(volume.mags)
    assert levels[0]["scale"] == [25.0, 11.24, 11.24]
    assert [tuple(level["chunks"]) for level in levels] == [
        layout.chunks for layout in volume.layouts.values()
    ]


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_longer_times_never_read_shorter(a: float, b: float):
    units = {"second": 1, "s": 1, "min": 60, "h": 3600, "days": 86400}

    def seconds(text: str) -> float:
        number, unit = text.split()
        return (1.0 if number == "a" else float(number)) * units[unit]

    low, high = sorted((a, b))
    assert seconds(lasting(low)) <= seconds(lasting(high)) * 1.02 + 1
