"""The Convert panel without a page: fields, what is recognised, plans, and work that goes on."""

from __future__ import annotations

import base64
import gc
import io
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import buckets
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import ngffkit as nk
from ngffkit.errors import NgffError, Problem, SourceError
from ngffkit.panels import convert_view, recognised
from ngffkit.panels.convert_fields import FIELDS, proposed
from ngffkit.panels.convert_model import ConvertModel
from ngffkit.panels.convert_view import ConvertPanel
from ngffkit.panels.options import RUNNING
from ngffkit.panels.recognised import Sources
from ngffkit.panels.storage import masked, read_options, spelled
from ngffkit.panels.thumbnails import FAR, SIDE, thumbnails
from ngffkit.panels.wording import in_fields
from ngffkit.sources.contract import SourceInfo, make_grid
from ngffkit.sources.opening import open_source

VOLUME: Final = np.random.default_rng(0).integers(0, 200, (40, 96, 128)).astype("u1")

#: What makes many tasks of a small volume.
SMALL: Final = {"chunks": "16", "shards": "none", "voxel_size": "4,4,4", "unit": "nm"}


@pytest.fixture
def slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a stack below an empty folder, in which the test runs."""
    folder = tmp_path / "slices"
    folder.mkdir()
    for i, plane in enumerate(VOLUME):
        Image.fromarray(plane).save(folder / f"s_{i:03}.png")
    monkeypatch.chdir(tmp_path)
    return folder


def model_of(**texts: str) -> ConvertModel:
    """Return a model that waits for no further typing, with its plan made."""
    model = ConvertModel()
    for latest in (model.latest, model.looking):
        latest._pause = 0.0
    fill(model, **texts)
    return model


def fill(model: ConvertModel, **texts: str) -> None:
    for name, text in texts.items():
        model.do("set", name=name, text=text)
    assert model.settle(30)


def said(model: ConvertModel, name: str) -> str:
    """Return what stands beside a field."""
    problems = model.form["problems"].get(name, [])
    return " | ".join(f"{p['severity']}: {p['message']}; {p['remedy']}" for p in problems)


def run(model: ConvertModel) -> str:
    model.do("run")
    assert model.work.wait(60)
    return str(model.run_state["doing"])


def cancel_after(model: ConvertModel, tasks: int) -> None:
    """Press Cancel as soon as some tasks are done."""
    watch = model.work._watch

    def watched(progress: Any) -> None:
        if progress.tasks_done >= tasks:
            model.do("cancel")
        watch(progress)

    model.work._watch = watched  # type: ignore[method-assign]


def files_of(root: Path) -> dict[str, bytes]:
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def by_command(*words: str) -> None:
    command = [sys.executable, "-m", "ngffkit.cli", "convert", "--quiet", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


# --- what was recognised --------------------------------------------------------------------------


def test_a_stack_is_recognised_before_anything_else_is_said(slices: Path):
    model = model_of(source="slices")
    facts = dict(model.found["facts"])
    assert facts["image"] == "slices (intensity)"
    assert facts["axes"] == "z 40, y 96, x 128"
    size = sum(path.stat().st_size for path in slices.iterdir())
    assert facts["on disk"].startswith("40 files, ")
    assert facts["on disk"].endswith(nk_about(size))
    assert facts["voxel size"] == "not known; 1 per pixel is taken"
    assert "read as 's_{z}.png'" in said(model, "pattern")
    assert 'fill in "pattern"' in said(model, "pattern")
    assert hint(model, "target") == "slices.ome.zarr"
    assert hint(model, "voxel_size") == "1, 1, 1 (not known)"
    assert model.plan["ok"]
    assert not model.run_state["blocked"]
    fill(model, voxel_size="4,4,40")
    assert dict(model.found["facts"])["voxel size"] == "4 × 4 × 40 nanometer (x, y, z), as you say"


def nk_about(nbytes: int) -> str:
    from ngffkit.planning.options import about

    return about(nbytes)


def hint(model: ConvertModel, name: str) -> str:
    return next(str(f["hint"]) for f in model.form["fields"] if f["name"] == name)


def test_a_calibration_of_the_file_is_said_to_be_its_own(tmp_path: Path):
    import tifffile

    path = tmp_path / "a.ome.tif"
    meta = {"axes": "ZYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 1.5}
    tifffile.imwrite(path, VOLUME[:4], ome=True, metadata=meta)
    model = model_of(source=str(path))
    expected = "0.25 × 0.25 × 1.5 micrometer (x, y, z), from the file"
    assert dict(model.found["facts"])["voxel size"] == expected
    assert hint(model, "voxel_size") == "0.25, 0.25, 1.5 (from the file)"
    assert hint(model, "unit") == "micrometer (from the file)"


@pytest.mark.usefixtures("slices")
def test_a_source_is_listed_once_while_its_plan_follows_ones_typing(
    monkeypatch: pytest.MonkeyPatch,
):
    opened: list[Any] = []

    def counted(given: Any, *args: Any) -> Any:
        if isinstance(given, (str, list)):
            opened.append(given)
        return open_source(given, *args)

    monkeypatch.setattr(recognised, "open_source", counted)
    model = model_of(source="slices")
    for text in ("4", "4,4", "4,4,40"):
        fill(model, voxel_size=text)
    fill(model, chunks="32", name="em", crop="z=0:8")
    assert opened == ["slices"]
    model.do("look")
    assert model.settle(30)
    assert opened == ["slices"] * 2
    fill(model, pattern="s_{t}.png")
    assert len(opened) == 3
    assert "no axis 'z'" in said(model, "crop")


def test_files_that_come_later_are_seen_when_it_is_run(slices: Path):
    model = model_of(source="slices", voxel_size="4,4,4")
    Image.fromarray(VOLUME[0]).save(slices / "s_040.png")
    assert run(model) == "done"
    assert nk.open_dataset(model.result["url"])["image"].shape == (41, 96, 128)


@pytest.mark.parametrize(
    "texts",
    [
        {},
        {"crop": "z=2:9,x=10:"},
        {"voxel_size": "z=3", "unit": "um", "name": "em", "origin": "1,2,3"},
        {"kind": "label"},
        {"labels": "cells=slices"},
        {"labels": "no", "axes": "t"},
        {"pattern": "s_{t}.png", "gaps": "fill"},
    ],
)
@pytest.mark.usefixtures("slices")
def test_a_plan_is_that_of_the_call(texts: Mapping[str, str]):
    model = model_of(source="slices", target="a.zarr", chunks="32", **texts)
    assert model.plan["ok"], model.form["problems"]
    options = {k: v for k, v in model.fields.values.items() if k not in ("source", "target")}
    expected = nk.plan("slices", "a.zarr", **options)
    found: Any = model.planned
    assert found.plan.fingerprint == expected.fingerprint
    assert found.plan.cost.stored == expected.cost.stored
    assert len(found.problems) == len(expected.problems)


# --- pictures -------------------------------------------------------------------------------------


def pixels_of(src: str) -> np.ndarray:
    head, _, data = src.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_pictures_show_the_first_the_middle_and_the_last_slice():
    ramp = np.zeros((9, 4, 201), "u2")
    ramp[:] = np.arange(201) * 10
    ramp[4], ramp[8] = 2000, 0
    found, text = thumbnails(open_source(ramp))
    assert [one.label for one in found] == ["z 0", "z 4", "z 8"]
    assert not text
    first, middle, last = (pixels_of(one.src) for one in found)
    assert first.shape == (4, 201, 3)
    np.testing.assert_allclose(first[0, :, 0], np.arange(201) / 200 * 255, atol=1)
    assert np.all(middle == 255)
    assert np.all(last == 0)


def test_a_series_of_planes_is_shown_along_time_and_a_plane_as_itself():
    series = open_source(np.zeros((3, 8, 8), "u1"), recognised.ReadOptions(axes="tyx"))
    assert [one.label for one in thumbnails(series)[0]] == ["t 0", "t 1", "t 2"]
    both = open_source(np.zeros((2, 2, 8, 8), "u1"), recognised.ReadOptions(axes="tzyx"))
    assert [one.label for one in thumbnails(both)[0]] == ["z 0, t 0", "z 1, t 0"]
    assert [one.label for one in thumbnails(open_source(np.zeros((8, 8))))[0]] == ["the plane"]


def test_channels_have_their_colours_and_labels_those_of_the_viewer():
    two = np.zeros((2, 1, 2, 2), "u1")
    two[0, 0, 0, 0], two[1, 0, 0, 1] = 9, 5
    source = open_source(two, recognised.ReadOptions(axes="czyx"))
    (picture,) = thumbnails(source)[0]
    assert pixels_of(picture.src)[0].tolist() == [[0, 255, 0], [255, 0, 255]]
    from ngffkit.plots.compose import label_colors

    ids = np.arange(4, dtype="u4").reshape(1, 2, 2)
    (picture,) = thumbnails(open_source(ids, recognised.ReadOptions(kind="label")))[0]
    np.testing.assert_array_equal(pixels_of(picture.src), label_colors(ids[0]))


def test_many_channels_are_shown_as_four():
    source = open_source(np.zeros((6, 1, 4, 4), "u1"), recognised.ReadOptions(axes="czyx"))
    assert thumbnails(source)[1] == "the first 4 of 6 channels"


def test_a_large_plane_is_reduced_by_means_and_a_label_is_never_mixed():
    plane = np.tile(np.array([[0, 100], [100, 200]], "u1"), (SIDE, SIDE))
    plane[:, SIDE:] //= 2
    (picture,) = thumbnails(open_source(plane))[0]
    shown = pixels_of(picture.src)
    assert shown.shape == (SIDE, SIDE, 3)
    assert (shown[0, 0, 0], shown[0, -1, 0]) == (255, 0)  # means of 100 and of 50
    ids = np.zeros((2 * SIDE, 2 * SIDE), "u2")
    ids[::2, ::2] = 7
    (picture,) = thumbnails(open_source(ids, recognised.ReadOptions(kind="label")))[0]
    assert len(np.unique(pixels_of(picture.src).reshape(-1, 4), axis=0)) == 1


class Planes:
    """A source of a given block that notes what is read."""

    def __init__(self, shape: tuple[int, ...], block: tuple[int, ...]) -> None:
        grid = make_grid(dict(zip("zyx", shape, strict=True)))
        self.info = SourceInfo(grid, np.dtype("u2"), "big", block=block)
        self.boxes: list[tuple[int, ...]] = []

    def read(self, box: Any) -> Any:
        shape = tuple(cut.stop - cut.start for cut in box)
        self.boxes.append(shape)
        return np.zeros(shape, "u2")


def test_of_planes_that_are_too_large_the_middle_is_read():
    source = Planes((100, 100_000, 100_000), (1, 1, 100_000))
    found, text = thumbnails(source)
    assert text == "the middle 390 × 390 pixels of each plane"
    assert source.boxes == [(1, 390, 390)] * 3
    assert all(one.src for one in found)


def test_less_is_read_of_what_is_far_away(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    monkeypatch.setattr(
        "ngffkit.panels.convert_model.thumbnails", lambda _, most: ((), str(asked.append(most)))
    )
    nk.write(VOLUME, "memory://far.zarr", voxel_size=(1, 1, 1))
    model_of(source="memory://far.zarr")
    assert asked == [FAR]
    source = Planes((100, 10_000, 10_000), (1, 100, 100))
    assert thumbnails(source, FAR)[1] == "the middle 1250 × 1250 pixels of each plane"


def test_what_costs_too_much_is_not_shown():
    source = Planes((100, 100_000, 100_000), (1, 100_000, 100_000))
    found, text = thumbnails(source)
    assert (found, source.boxes) == ((), [])
    assert text == "no pictures: 20.0 GB would be read for each"


def test_blocks_count_whole_where_a_part_of_them_is_read():
    # the middle quarter lies in all four blocks
    source = Planes((3, 1024, 1024), (1, 512, 512))
    found, text = thumbnails(source, source.info.dtype.itemsize * 1024 * 1024 - 1)
    assert (found, source.boxes) == ((), [])
    assert "would be read for each" in text


def test_a_slice_that_is_damaged_is_named_in_place_of_its_picture(slices: Path):
    (slices / "s_020.png").write_bytes((slices / "s_020.png").read_bytes()[:900])
    model = model_of(source="slices")
    first, middle, last = model.found["slices"]
    assert first["src"]
    assert last["src"]
    assert not middle["src"]
    assert "s_020.png" in middle["error"]


def test_a_mistake_in_a_picture_leaves_the_plan(slices: Path, monkeypatch: pytest.MonkeyPatch):
    del slices

    def fail(*_args: Any) -> Any:
        raise SourceError("s", "odd")

    monkeypatch.setattr("ngffkit.panels.convert_model.thumbnails", fail)
    model = model_of(source="slices")
    assert model.plan["ok"]
    assert model.found["said"] == "no pictures: can't read s: odd"


# --- fields ---------------------------------------------------------------------------------------

#: For each field, a text that is wrong for a stack of slices, and what is said of it.
WRONG: Final[Mapping[str, tuple[str, str]]] = {
    "source": ("nothing/here", "does not exist"),
    "target": ("https://example.org/a.zarr", "web servers are read-only"),
    "voxel_size": ("4,4,x", "positive numbers"),
    "unit": ("florins", "unit of length or time"),
    "pattern": ("s_{z.png", "{"),
    "axes": ("zz", "different letter"),
    "origin": ("1,2,far", "numbers x,y,z"),
    "name": ("a\x07", "printable"),
    "kind": ("picture", "intensity"),
    "channels": ("DAPI,GFP", "2 names"),
    "gaps": ("maybe", "close"),
    "image": ("a\x07", "printable"),
    "mag": ("2x", "a mag was expected"),
    "crop": ("z=0:99", "z=0:99"),
    "labels": ("cells=nowhere", "nowhere"),
    "storage_options": ("anon", "KEY=VALUE"),
    "shape": ("40,96", "shape"),
    "dtype": ("O", "type of pixels"),
    "offset": ("-1", "0 or more"),
    "version": ("9", "0.5"),
    "chunks": ("0", "whole numbers"),
    "shards": ("63", "multiple"),
    "compression": ("lzma", "zstd"),
    "sidecar": ("maybe", "yes or no"),
    "layer": ("a\x07", "printable"),
    "target_options": ("region", "KEY=VALUE"),
    "mags": ("2,1", "1"),
    "sampling": ("upwards", "isotropic"),
    "coarsest": ("0", "a mag was expected"),
    "until": ("-3", "1 or more"),
    "method": ("magic", "median"),
    "memory": ("1 kB", "1.0 kB"),
    "workers": ("none", "1 or more"),
    "executor": ("elves", "processes"),
    "on_error": ("cry", "skip"),
    "overwrite": ("perhaps", "yes or no"),
    "resume": ("perhaps", "yes or no"),
}


def test_there_is_a_wrong_text_for_every_field():
    assert set(WRONG) == {field.name for field in FIELDS}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_said_beside_its_field_at_once_and_can_be_corrected(
    name: str, slices: Path, caplog: pytest.LogCaptureFixture
):
    raw = name in ("shape", "dtype", "offset")
    slices.with_name("a.raw").write_bytes(VOLUME.tobytes())
    texts = {"source": "a.raw", "shape": "40,96,128", "dtype": "u1"}
    model = model_of(target="a.zarr", **(texts if raw else {"source": "slices"}))
    assert model.plan["ok"]
    before = model.form["texts"][name]
    text, expected = WRONG[name]
    for end in range(1, len(text) + 1):
        model.do("set", name=name, text=text[:end])
    assert model.settle(30)
    assert "error: " in said(model, name)
    assert expected in said(model, name)
    others = [n for n in model.form["problems"] if n != name and "error: " in said(model, n)]
    assert others == []
    assert not model.message
    assert model.run_state["blocked"]
    assert model.run_state["why"]
    model.do("run")
    assert model.message["severity"] == "error"
    assert not Path("a.zarr").exists()
    fill(model, **{name: before})
    assert model.plan["ok"], model.form["problems"]
    assert not [n for n in model.form["problems"] if "error: " in said(model, n)]
    assert not caplog.records


@pytest.mark.parametrize(
    ("texts", "name", "expected"),
    [
        ({"pattern": "t_{z}.png"}, "pattern", "t_{z}.png"),
        ({"voxel_size": "4,4"}, "voxel_size", "none for z"),
        ({"voxel_size": "q=4"}, "voxel_size", "no axis 'q'"),
        ({"origin": "t=4"}, "origin", "no axis 't'"),
        ({"crop": "q=0:1"}, "crop", "no axis 'q'"),
        ({"chunks": "q=4"}, "chunks", "q"),
        ({"version": "0.4", "shards": "512"}, "shards", "Zarr v2 has none"),
        ({"target": "slices"}, "target", "exists"),
        ({"target": "a.ozx", "version": "0.4"}, "version", "Zarr v3"),
        ({"target": "s3://"}, "target", "s3://"),
        ({"source": "slices/s_000.png; slices/gone.png"}, "source", "gone.png does not exist"),
        ({"source": "https://"}, "source", "empty host"),
    ],
)
@pytest.mark.usefixtures("slices")
def test_what_only_a_plan_can_know_stands_beside_its_field(
    texts: Mapping[str, str], name: str, expected: str
):
    model = model_of(**({"source": "slices"} | dict(texts)))
    assert "error: " in said(model, name)
    assert expected in said(model, name)


def test_a_missing_slice_is_said_beside_gaps_or_the_source(slices: Path):
    (slices / "s_020.png").unlink()
    model = model_of(source="slices")
    wrong = [n for n in model.form["problems"] if "error: " in said(model, n)]
    assert wrong in (["gaps"], ["source"], ["pattern"])
    assert "020" in said(model, wrong[0]) or "20" in said(model, wrong[0])
    fill(model, gaps="fill")
    assert model.plan["ok"]
    assert dict(model.found["facts"])["axes"] == "z 40, y 96, x 128"


_LETTERS: Final = st.characters(exclude_characters="/~", exclude_categories=("Cs",))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    typed=st.lists(
        st.tuples(
            st.sampled_from([field.name for field in FIELDS]),
            st.text(_LETTERS, max_size=12)
            | st.from_regex(r"[a-z]{0,3}=?-?[0-9]{1,4}(,[0-9]{1,4}){0,3}", fullmatch=True)
            | st.sampled_from([text for text, _ in WRONG.values() if "/" not in text]),
        ),
        max_size=4,
    )
)
@pytest.mark.usefixtures("slices")
def test_arbitrary_text_in_arbitrary_fields_never_stumbles(typed: list[tuple[str, str]]):
    model = model_of(source="slices")
    for name, text in typed:
        model.do("set", name=name, text=text)
        assert not model.message
    assert model.settle(60)
    assert "mistake in ngffkit" not in str(model.form) + str(model.found)
    assert bool(model.run_state["blocked"]) == bool(model.run_state["why"])


def test_nothing_is_planned_before_there_is_a_source():
    model = model_of()
    assert model.run_state["why"] == "choose what is converted"
    assert model.form["problems"] == {}
    model.do("run")
    assert model.message["text"] == "choose what is converted"
    assert model.code["text"] == ""


@pytest.mark.usefixtures("slices")
def test_a_source_is_shown_while_another_field_cannot_be_read():
    model = model_of(voxel_size="4,x", source="slices")
    assert dict(model.found["facts"])["axes"] == "z 40, y 96, x 128"
    fill(model, source="nowhere")
    assert "does not exist" in said(model, "source")
    assert model.found["facts"] == []


@pytest.mark.usefixtures("slices")
def test_several_fields_are_wrong_at_once():
    model = model_of(source="slices", target="slices", chunks="6x", voxel_size="q=4", memory="lots")
    wrong = {name for name in model.form["problems"] if "error: " in said(model, name)}
    assert wrong == {"chunks", "voxel_size", "memory"}
    fill(model, voxel_size="4,4,4")
    assert "exists" in said(model, "target")
    assert model.run_state["blocked"]
    assert model.plan["html"] == ""


@pytest.mark.usefixtures("slices")
def test_one_can_type_while_a_source_is_slow(monkeypatch: pytest.MonkeyPatch):
    go = threading.Event()

    def slow(given: Any, *args: Any) -> Any:
        if isinstance(given, str):
            assert go.wait(30)
        return open_source(given, *args)

    monkeypatch.setattr(recognised, "open_source", slow)
    model = ConvertModel()
    model.do("set", name="source", text="slices")
    until(lambda: model.found["busy"])
    model.do("set", name="chunks", text="32")
    model.do("set", name="memory", text="lots")
    assert "size was expected" in said(model, "memory")
    model.do("run")
    assert model.message["text"] == "see the problems beside the fields"
    model.do("set", name="memory", text="")
    model.do("run")
    assert model.message["text"] == "the plan is being made"
    model.do("look")
    go.set()
    assert model.settle(30)
    assert model.plan["ok"]
    assert not model.found["busy"]


def test_fields_of_raw_files_are_there_when_one_is_read(slices: Path):
    model = model_of(source="slices", offset="-5")
    assert model.form["hidden"] == ["dtype", "offset", "shape"]
    assert model.plan["ok"]
    slices.with_name("a.raw").write_bytes(b"12" + VOLUME.tobytes())
    fill(model, source="a.raw")
    assert model.form["hidden"] == []
    assert "error" in said(model, "offset")
    fill(model, offset="2")
    assert "shape and dtype missing" in said(model, "shape")
    fill(model, shape="40,96,128", dtype="u1", target="raw.zarr")
    assert run(model) == "done"
    np.testing.assert_array_equal(nk.open_dataset("raw.zarr")["image"].values, VOLUME)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("slices", "slices.ome.zarr"),
        ("data/slices/", "data/slices.ome.zarr"),
        ("data/x.nii.gz", "data/x.ome.zarr"),
        ("data/x.OME.TIF", "data/x.ome.zarr"),
        ("v1.2", "v1.2.ome.zarr"),
        ("a*/[0-9].png", "a-stack.ome.zarr"),
        (["d/1.png", "d/2.png"], "d.ome.zarr"),
        ("https://host/a/em.zarr?x=1", "em.ome.zarr"),
        ("https://host", "host.ome.zarr"),
        ("https://", "image.ome.zarr"),
        ("x.ome.zarr", "x-copy.ome.zarr"),
    ],
)
def test_a_target_is_proposed_beside_the_source(given: Any, expected: str):
    if given == "a*/[0-9].png":
        expected = f"{Path.cwd().name}.ome.zarr"
        assert Path(proposed(given)).name == expected
        return
    assert proposed(given) == expected


def test_messages_speak_of_fields():
    fields = {field.name: field for field in RUNNING}

    def said_of(text: str) -> str:
        return in_fields(Problem("x", "error", text), fields).message

    assert said_of("pass on_error='skip'") == 'put skip into "unreadable parts"'
    assert said_of("pass resume=False, workers=2") == 'untick "resume", "workers" 2'
    assert said_of("with overwrite=True") == 'with "overwrite" on'
    assert said_of("memory=None or memory={'a': 1}") == '"memory" none or "memory" a=1'
    assert said_of("memory=(x, y) of http://a?memory=3") == '"memory" x, y of http://a?memory=3'
    assert said_of("on_error stands alone") == '"unreadable parts" stands alone'


# --- work -----------------------------------------------------------------------------------------


def test_a_conversion_that_was_cancelled_goes_on_in_another_panel_to_the_bytes_of_the_command_line(
    slices: Path,
):
    model = model_of(source="slices", target="a.zarr", **SMALL)
    cancel_after(model, 3)
    assert run(model) == "stopped"
    assert model.result == {}
    assert not (slices.parent / "a.zarr" / "zarr.json").exists()
    begun = {path: path.stat().st_mtime_ns for path in Path("a.zarr").rglob("*") if path.is_file()}
    assert begun

    # as after a restart of the kernel
    other = model_of(source="slices", target="a.zarr", **SMALL)
    assert "begun before and interrupted" in said(other, "target")
    assert run(other) == "done", other.run_state
    assert "was there" in other.run_state["text"]
    assert {path: path.stat().st_mtime_ns for path in begun} == begun

    words = ["--chunks", "16", "--shards", "none", "--voxel-size", "4,4,4", "--unit", "nm"]
    by_command(*words, "slices", "b.zarr")
    assert files_of(Path("a.zarr")) == files_of(Path("b.zarr"))
    assert len(files_of(Path("a.zarr"))) > 100
    np.testing.assert_array_equal(nk.open_dataset("a.zarr")["image"].values, VOLUME)


@pytest.mark.usefixtures("slices")
def test_the_command_line_goes_on_with_what_a_panel_began():
    model = model_of(source="slices", target="a.zarr", **SMALL)
    cancel_after(model, 3)
    assert run(model) == "stopped"
    begun = {path: path.stat().st_mtime_ns for path in Path("a.zarr").rglob("*") if path.is_file()}
    words = ["--chunks", "16", "--shards", "none", "--voxel-size", "4,4,4", "--unit", "nm"]
    by_command(*words, "slices", "a.zarr")
    assert {path: path.stat().st_mtime_ns for path in begun} == begun
    np.testing.assert_array_equal(nk.open_dataset("a.zarr")["image"].values, VOLUME)


@pytest.mark.usefixtures("slices")
def test_the_same_panel_goes_on_after_cancel():
    model = model_of(source="slices", target="a.zarr", **SMALL)
    cancel_after(model, 3)
    assert run(model) == "stopped"
    del model.work._watch  # type: ignore[attr-defined]
    assert run(model) == "done"
    assert "was there" in model.run_state["text"]
    assert model.result["url"] == str(Path("a.zarr").resolve())
    assert model.message["text"].startswith(model.result["url"])
    model.do("run")
    assert model.message["text"] == "this is done; change something to do another"


@pytest.mark.usefixtures("slices")
def test_overwriting_removes_the_old_image_once_and_goes_on_after_cancel():
    old = model_of(source="slices", target="a.zarr", voxel_size="9,9,9")
    assert run(old) == "done"
    model = model_of(source="slices", target="a.zarr", **SMALL)
    assert 'tick "overwrite"' in said(model, "target")
    fill(model, overwrite="yes")
    assert "a.zarr is there and is removed first" in said(model, "overwrite")
    cancel_after(model, 3)
    assert run(model) == "stopped"
    begun = {path: path.stat().st_mtime_ns for path in Path("a.zarr").rglob("*") if path.is_file()}

    other = model_of(source="slices", target="a.zarr", overwrite="yes", **SMALL)
    assert "it goes on from there" in said(other, "target")
    assert not said(other, "overwrite")
    assert run(other) == "done"
    assert {path: path.stat().st_mtime_ns for path in begun} == begun
    expected = model_of(source="slices", target="b.zarr", **SMALL)
    assert run(expected) == "done"
    assert files_of(Path("a.zarr")) == files_of(Path("b.zarr"))


@pytest.mark.usefixtures("slices")
def test_work_that_was_begun_with_other_settings_is_not_mixed_with_these():
    model = model_of(source="slices", target="a.zarr", **SMALL)
    cancel_after(model, 3)
    assert run(model) == "stopped"
    other = model_of(source="slices", target="a.zarr", **(SMALL | {"chunks": "32"}))
    assert "interrupted conversion with other settings" in said(other, "target")
    assert other.run_state["blocked"]
    fill(other, chunks="16", resume="no")
    assert 'tick "resume"' in said(other, "target")
    fill(other, overwrite="yes")
    assert not said(other, "target")
    begun = {path: path.stat().st_ino for path in Path("a.zarr").rglob("*") if path.is_file()}
    assert run(other) == "done"
    assert begun
    assert "was there" not in other.run_state["text"]


def test_overwriting_spares_what_is_read_and_what_is_no_zarr(slices: Path):
    photos = slices.with_name("photos")
    photos.mkdir()
    (photos / "cat.jpg").write_bytes(b"cat")
    slices.with_name("notes.txt").write_text("mine")
    before = files_of(slices.parent)
    model = model_of(source="slices", overwrite="yes")
    for target, expected in {
        "photos": "is no Zarr",
        "notes.txt": "is no Zarr",
        "slices": "is the image itself",
        ".": "holds the image",
    }.items():
        fill(model, target=target)
        assert f"error: {slices.parent}" in said(model, "target")
        assert expected in said(model, "target")
        model.do("run")
        assert model.work.doing == "ready"
    fill(model, target="masks.zarr", labels="cells=masks.zarr")
    assert model.run_state["blocked"]
    assert files_of(slices.parent) == before


def test_labels_elsewhere_are_not_overwritten(slices: Path):
    del slices
    nk.write(VOLUME.astype("u2"), "masks.zarr", voxel_size=(1, 1, 1), kind="label")
    before = files_of(Path("masks.zarr"))
    model = model_of(source="slices", labels="cells=masks.zarr")
    assert model.plan["ok"], model.form["problems"]
    fill(model, target="masks.zarr", overwrite="yes")
    assert "which would be removed" in said(model, "target")
    assert files_of(Path("masks.zarr")) == before


@pytest.mark.usefixtures("slices")
def test_fields_rest_while_work_is_done_and_it_can_be_paused():
    model = model_of(source="slices", target="a.zarr", **SMALL)
    paused, watch = threading.Event(), model.work._watch

    def watched(progress: Any) -> None:
        if progress.tasks_done >= 2 and not paused.is_set():
            model.do("pause")
            paused.set()
        watch(progress)

    model.work._watch = watched  # type: ignore[method-assign]
    model.do("run")
    assert paused.wait(30)
    assert model.run_state["doing"] == "paused"
    model.do("set", name="chunks", text="8")
    assert "cancel it" in model.message["text"]
    model.do("look")
    model.do("choose", name="source", place="elsewhere")
    assert not model.form["enabled"]
    assert model.form["texts"]["source"] == "slices"
    model.do("resume")
    assert model.work.wait(60)
    assert model.run_state["doing"] == "done"
    assert model.form["enabled"]


@pytest.mark.usefixtures("slices")
def test_whoever_cancels_before_anything_is_done_loses_nothing(monkeypatch: pytest.MonkeyPatch):
    assert run(model_of(source="slices", target="a.zarr", voxel_size="9,9,9")) == "done"
    before = files_of(Path("a.zarr"))
    model = model_of(source="slices", target="a.zarr", overwrite="yes", **SMALL)
    plan_of = model.plan_of

    def planned(values: Any) -> Any:
        model.do("cancel")
        return plan_of(values)

    monkeypatch.setattr(model, "plan_of", planned)
    assert run(model) == "stopped"
    assert files_of(Path("a.zarr")) == before


@pytest.mark.usefixtures("slices")
def test_a_plan_of_other_values_is_never_shown_as_theirs(monkeypatch: pytest.MonkeyPatch):
    model = model_of(source="slices", target="a.zarr", **SMALL)
    real, made = model.plan_of, threading.Event()

    def planned(values: Any) -> Any:
        found = real(values)
        made.set()
        return found

    monkeypatch.setattr(model, "plan_of", planned)
    seen: list[Any] = []
    model.observe(
        lambda change: seen.append((change["new"]["ok"], model.fields.texts["target"])), "plan"
    )
    with model.lock:
        model.do("set", name="target", text="b.zarr")
        assert made.wait(30)
        model.latest.settle(0.05)
        model.do("set", name="target", text="slices")
        model.do("run")
        assert model.work.doing == "ready"
    assert model.settle(30)
    assert (True, "b.zarr") not in seen
    assert (True, "slices") not in seen
    assert not model.plan["ok"]


@pytest.mark.usefixtures("slices")
def test_work_that_was_stopped_is_not_resumed_with_other_settings():
    model = model_of(source="slices", target="a.zarr", **SMALL)
    cancel_after(model, 3)
    assert run(model) == "stopped"
    fill(model, target="b.zarr")
    assert (model.run_state["doing"], model.run_state["text"]) == ("ready", "")
    fill(model, target="a.zarr")
    assert "it goes on from there" in said(model, "target")


@pytest.mark.usefixtures("slices")
def test_a_source_that_comes_later_is_recognised():
    model = model_of(source="late.npy")
    assert not model.found["facts"]
    np.save("late.npy", VOLUME)
    # nothing is said of the source: it is looked at again all the same
    fill(model, target="a.zarr")
    assert dict(model.found["facts"])["axes"] == "z 40, y 96, x 128"


@pytest.mark.usefixtures("slices")
def test_a_target_that_appeared_since_is_not_touched():
    model = model_of(source="slices", target="a.zarr", **SMALL)
    Path("a.zarr").mkdir()
    (Path("a.zarr") / "zarr.json").write_text("{}")
    assert run(model) == "failed"
    assert "exists" in model.run_state["error"]
    assert files_of(Path("a.zarr")) == {"zarr.json": b"{}"}


# --- the line of Python ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "texts",
    [
        {"voxel_size": "4,4,40", "unit": "um", "chunks": "z=8,y=32,x=32", "shards": "none"},
        {"crop": "z=2:9,x=:64", "mags": "1,2-2-1", "method": "median", "origin": "1,2,3"},
        {"labels": "cells=slices", "kind": "intensity", "version": "0.4", "compression": "gzip:2"},
    ],
)
@pytest.mark.usefixtures("slices")
def test_the_line_of_python_does_the_same(texts: Mapping[str, str]):
    model = model_of(source="slices", target="a.zarr", **texts)
    assert run(model) == "done", model.form["problems"]
    code = str(model.code["text"])
    assert code.startswith("import ngffkit as nk\n\nnk.convert(")
    exec(code.replace("'a.zarr'", "'b.zarr'"), {})
    assert files_of(Path("a.zarr")) == files_of(Path("b.zarr"))


TEXTS: Final = {
    "voxel_size": ["4", "4,4,40", "z=25"],
    "unit": ["nm", "um", "millimeter"],
    "origin": ["1,2,3", "z=-4"],
    "name": ["em", 'it\'s "x"'],
    "kind": ["intensity", "label"],
    "channels": ["DAPI"],
    "crop": ["z=2:9,x=:64", "y=-64:"],
    "labels": ["no", "cells=slices"],
    "version": ["0.4", "0.5"],
    "chunks": ["16", "32,32,8", "z=8,y=16,x=16"],
    "shards": ["none", "64"],
    "compression": ["gzip:2", "zstd:9", "none"],
    "sidecar": ["yes"],
    "mags": ["1", "1,2-2-1"],
    "sampling": ["isotropic", "constant_z"],
    "coarsest": ["2", "4-4-2"],
    "until": ["64"],
    "method": ["median", "nearest"],
    "memory": ["4 GB"],
    "workers": ["1"],
    "executor": ["processes"],
    "on_error": ["skip"],
    "overwrite": ["yes"],
    "resume": ["no"],
}


@given(st.fixed_dictionaries({}, optional={k: st.sampled_from(v) for k, v in TEXTS.items()}))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_line_of_python_says_all_that_was_asked_for(slices: Path, texts: dict[str, str]):
    model = model_of(source="slices", target="a.zarr")
    model.fields.update(texts)
    model.refresh()
    assert model.settle(30)
    asked: list[Any] = []
    line = str(model.code["text"]).replace("import ngffkit as nk\n", "").replace("nk.", "")
    exec(line, {"convert": lambda *given, **options: asked.append((given, options))})
    ((given_, options),) = asked
    planned: Any = model.planned
    if planned is None:
        with pytest.raises(NgffError):
            nk.plan(*given_, **options)
        return
    found, shown = nk.plan(*given_, **options), planned.plan
    assert found.fingerprint == shown.fingerprint
    assert (found.options.write, found.options.run) == (shown.options.write, shown.options.run)
    assert found.ok == planned.ok
    assert slices.is_dir()


def test_names_are_text_in_the_card_and_among_the_facts(slices: Path):
    evil = "<img src=x onerror=alert(1)>"
    Image.fromarray(VOLUME[0]).save(slices / f"{evil}.png")
    model = model_of(source=f"slices/{evil}.png", name=evil, channels=evil, layer=evil)
    assert model.plan["ok"], model.form["problems"]
    assert "<img" not in model.plan["html"]
    assert "&lt;img src=x" in model.plan["html"]


def test_secrets_of_a_chooser_are_used_and_stand_nowhere(monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    real = Sources.open

    def noted(self: Sources, given: Any, options: Any) -> Any:
        asked.append(options.get("storage_options"))
        return real(self, given, options)

    monkeypatch.setattr(Sources, "open", noted)
    model = model_of()
    known = {"secret": "hush", "anon": False}
    model.do("choose", name="source", place="memory://none.zarr", storage_options=known)
    assert model.settle(30)
    assert asked
    assert all(options == known for options in asked)
    shown = str(model.form) + str(model.code) + str(model.plan)
    assert "hush" not in shown
    assert "secret=***" in model.form["texts"]["storage_options"]
    assert "storage_options={'secret': secret, 'anon': False}" in re.sub(r"\s+", " ", shown)


@pytest.mark.parametrize(
    "options",
    [
        {"client_kwargs": {"aws_secret_access_key": "hush"}, "anon": False},
        {"headers": {"Authorization": "Bearer hush"}},
        {"sig": "hush", "connection_string": "AccountKey=hush", "timeout": 3, "note": "two words"},
        {"endpoint": "https://me:hush@127.0.0.1", "off": "false", "region": "us"},
    ],
)
def test_no_option_that_is_secret_is_shown_or_lost(options: dict[str, Any]):
    text = masked(options)
    assert "hush" not in text + repr(spelled(options))
    assert read_options(text, options) == options


# --- the panel ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("slices")
def test_the_panel_shows_the_result_beside_it_and_lets_go_of_the_old_one():
    panel = ConvertPanel()
    model = panel.model
    fill(model, source="slices", target="a.zarr", voxel_size="4,4,4")
    assert run(model) == "done"
    until(lambda: panel.viewer is not None)
    first = panel.viewer
    assert panel.place.children == (first,)
    fill(model, target="b.zarr")
    assert run(model) == "done"
    until(lambda: panel.viewer not in (None, first))
    assert first.comm is None
    assert panel.place.children == (panel.viewer,)
    panel.close()
    assert panel.comm is None


def until(check: Any) -> None:
    event = threading.Event()
    for _ in range(1000):
        if check():
            return
        event.wait(0.01)
    raise AssertionError("it did not come to pass")


def test_a_result_that_cannot_be_shown_says_so(monkeypatch: pytest.MonkeyPatch):
    panel = ConvertPanel()

    def fail(*_args: Any) -> Any:
        raise RuntimeError("oops")

    monkeypatch.setattr(convert_view, "_opened", fail)
    panel.model.result = {"url": "nowhere.zarr", "text": ""}
    until(lambda: panel.model.message)
    assert "oops" in panel.model.message["text"]
    assert panel.viewer is None


@pytest.mark.usefixtures("slices")
def test_a_panel_that_was_closed_is_gone_with_its_model_and_its_viewer():
    from ipywidgets.widgets import widget

    opened = dict(widget._instances)
    panel: Any = ConvertPanel()
    fill(panel.model, source="slices", target="a.zarr", voxel_size="4,4,4")
    assert run(panel.model) == "done"
    until(lambda: panel.viewer is not None and panel.place.children)
    gone = [weakref.ref(one) for one in (panel, panel.model, panel.viewer)]
    panel.close()
    left = [one for key, one in widget._instances.items() if key not in opened]
    assert left == []
    panel = None
    gc.collect()
    assert [one() for one in gone] == [None, None, None]


def test_what_is_opened_for_a_closed_panel_is_closed_as_well(monkeypatch: pytest.MonkeyPatch):
    panel, go, began, closed = ConvertPanel(), threading.Event(), threading.Event(), []

    class Late:
        """A viewer that comes when nobody looks any more."""

        def close(self) -> None:
            closed.append(1)

    def late(*_args: Any) -> Any:
        began.set()
        assert go.wait(30)
        return Late()

    monkeypatch.setattr(convert_view, "_opened", late)
    panel.model.result = {"url": "a.zarr", "text": ""}
    assert began.wait(30)
    panel.close()
    go.set()
    until(lambda: closed)
    assert panel.viewer is None


@pytest.mark.usefixtures("slices")
def test_choosers_fill_in_the_fields():
    panel = ConvertPanel(beside=False)
    panel.source.model.do("choose", place=str(Path("slices").resolve()))
    model = panel.model
    until(lambda: model.form["texts"]["source"])
    assert model.settle(30)
    assert model.form["texts"]["source"] == str(Path("slices").resolve())
    assert model.plan["ok"]
    part = panel._parts[0]
    assert part.state["texts"]["source"] == model.form["texts"]["source"]
    part._hear(part, {"do": "set", "given": {"name": "name", "text": "em", "edit": 4}}, [])
    assert part.state["edits"]["name"] == 4
    panel.close()


def test_replacing_the_plan_for_the_card_keeps_its_numbers(slices: Path):
    del slices
    model = model_of(source="slices", target="a.zarr", memory="4 GB")
    planned: Any = model.planned
    assert planned._repr_html_() == replace(planned.plan, problems=())._repr_html_()
    assert "files" in model.plan["html"]
    assert "read as" not in model.plan["html"]


# --- object stores --------------------------------------------------------------------------------


@pytest.fixture
def bucket() -> Iterator[str]:
    """Run an S3 server with a bucket; give the options of its store as they are typed."""
    with buckets.running("converted") as url:
        yield f"endpoint={url} region=us-east-1 key=key secret=secret"


@pytest.mark.usefixtures("slices")
def test_a_conversion_to_s3_is_cancelled_goes_on_and_is_overwritten(bucket: str):
    texts = {"target": "s3://converted/a.zarr", "target_options": bucket, **SMALL, "chunks": "48"}
    model = model_of(source="slices", **texts)
    assert model.plan["ok"], model.form["problems"]
    cancel_after(model, 2)
    assert run(model) == "stopped"
    other = model_of(source="slices", overwrite="yes", **texts)
    assert "it goes on from there" in said(other, "target")
    assert run(other) == "done", other.run_state
    assert "was there" in other.run_state["text"]
    options = other.written_with
    assert options["secret"] == "secret"
    found = nk.open_dataset("s3://converted/a.zarr", storage_options=options)
    np.testing.assert_array_equal(found["image"].values, VOLUME)
    again = model_of(source="slices", overwrite="yes", **texts)
    assert "s3://converted/a.zarr is there and is removed first" in said(again, "overwrite")
    fill(again, target="s3://converted")
    assert "whole bucket" in said(again, "target")
    fill(again, target="s3://converted/a.zarr/0/c")
    assert "is no Zarr" in said(again, "target")
    # and back again
    back = model_of(source="s3://converted/a.zarr", storage_options=bucket, target="b.zarr")
    assert back.plan["ok"], back.form["problems"]
    assert run(back) == "done"
    np.testing.assert_array_equal(nk.open_dataset("b.zarr")["image"].values, VOLUME)
