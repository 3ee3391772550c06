"""The Write panel without a page, and the plans of edits that it shows."""

from __future__ import annotations

import gc
import logging
import re
import shutil
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import buckets
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ngffkit as nk
from ngffkit.errors import NgffError, PlanError
from ngffkit.panels import notebook_names as names
from ngffkit.panels.write_fields import APPEND, FIELDS, LABELS, NEW, REGION, SHOWN, TASKS
from ngffkit.panels.write_model import WriteModel
from ngffkit.panels.write_view import WritePanel

PIXELS = np.random.default_rng(0).integers(0, 999, (2, 8, 32, 40), np.uint16)
LAZY = da.from_array(PIXELS, chunks=(1, 4, 32, 40))
CELLS = np.random.default_rng(1).integers(0, 9, (8, 32, 40), np.uint32)


def placed(data: Any = PIXELS, dims: str = "czyx") -> xr.DataArray:
    """Return an array with coordinates in micrometers."""
    steps = {"z": 2.0, "y": 0.5, "x": 0.5}
    sizes = dict(zip(dims, data.shape, strict=True))
    coords: dict[str, Any] = {
        d: (d, np.arange(sizes[d]) * s, {"units": "micrometer"})
        for d, s in steps.items()
        if d in sizes
    }
    return xr.DataArray(data, dims=list(dims), coords=coords, name="image")


def objects() -> dict[str, Any]:
    """Return what a notebook has."""
    image = placed()
    return {
        "ds": xr.Dataset({"image": image, "cells": placed(CELLS, "zyx")}),
        "volume": PIXELS,
        "lazy": LAZY,
        "seg": CELLS,
        "more": PIXELS[0] // 2,
        "patch": placed(np.full((2, 2, 8, 8), 7, np.uint16)).assign_coords(
            {d: placed()[d][n : n + m] for d, n, m in (("z", 2, 2), ("y", 8, 8), ("x", 16, 8))}
        ),
        "path": "a.zarr",
        "_hidden": PIXELS,
        "line": np.zeros(9),
        "words": np.array([["a"]]),
    }


def image(folder: Path) -> str:
    """Write an image that can be edited."""
    url = str(folder / "there.zarr")
    nk.write(objects()["ds"], url, chunks=16, shards=None, mags=["1", "1-2-2"])
    return url


def model(texts: dict[str, str], have: dict[str, Any] | None = None) -> WriteModel:
    """Return a model that was typed into."""
    out = WriteModel(objects() if have is None else have)
    out.latest._pause = 0.01  # nobody types here
    for name, text in texts.items():
        out.do("set", name=name, text=text)
        assert out.message == {}, out.message
    assert out.settle(30)
    return out


def done(one: WriteModel) -> WriteModel:
    """Run it to its end."""
    assert one.plan["ok"], one.form["problems"]
    one.do("run")
    assert one.work.wait(60)
    assert one.work.doing == "done", (one.message, one.work.error)
    return one


def files(folder: str | Path) -> dict[str, bytes]:
    """Return the bytes of all files, apart from journals."""
    root = Path(folder)
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


def said(one: WriteModel, name: str) -> str:
    """Return what is said beside a field."""
    found = one.fields.problems.get(name, ())
    return " | ".join(f"{p.message}; {p.remedy}" for p in found)


# --- the arrays of a notebook ---------------------------------------------------------------------


def test_the_notebook_is_listed_with_a_line_on_each():
    found = {thing.name: thing for thing in names.things(objects())}
    assert list(found) == ["ds", "volume", "lazy", "seg", "more", "patch"]
    assert found["ds"].sizes == "image, cells: c 2, z 8, y 32, x 40"
    assert found["ds"].coords == "z, y, x in micrometer"
    assert (found["volume"].sizes, found["volume"].nbytes) == ("2 × 8 × 32 × 40", "41.0 kB")
    assert (found["lazy"].kind, found["lazy"].held) == ("dask array", "dask, 4 blocks")


def test_what_was_opened_is_lazy_and_trees_are_arrays_too(tmp_path):
    url = image(tmp_path)
    there = {"ds": nk.open_dataset(url), "tree": nk.open(url), "empty": xr.DataTree()}
    found = {thing.name: thing for thing in names.things(there)}
    assert {name: thing.held for name, thing in found.items()} == {
        "ds": "read when needed",
        "tree": "read when needed",
    }
    one = model({"data": "tree", "target": str(tmp_path / "copy.zarr")}, there)
    assert one.plan["ok"], one.form["problems"]


def test_names_come_from_the_notebook(monkeypatch):
    import IPython

    class Shell:
        user_ns = {"volume": PIXELS}  # noqa: RUF012 - a stand-in

    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert WriteModel().things["rows"] == []
    monkeypatch.setattr(IPython, "get_ipython", Shell)
    one = WriteModel()
    assert [row["name"] for row in one.things["rows"]] == ["volume"]
    Shell.user_ns = {"volume": PIXELS, "other": CELLS}
    one.do("look")
    assert [row["name"] for row in one.things["rows"]] == ["volume", "other"]


def test_an_array_is_taken_under_its_name_or_as_x():
    there = objects()
    one = WriteModel(there)
    one.take(there["seg"])
    assert one.things["chosen"] == "seg"
    one.take(np.zeros((4, 8, 8), "u1"))
    assert one.things["chosen"] == "x"
    assert one.things["rows"][-1]["name"] == "x"
    assert one.settle(30)


def test_an_array_that_is_taken_leaves_the_names_of_the_notebook_alone(tmp_path):
    there = {"x": CELLS}
    one = WriteModel(there, target=str(tmp_path / "a.zarr"))
    given = np.zeros((4, 8, 8), "u1")
    one.take(given)
    assert one.settle(30)
    assert one.things["chosen"] == "x2"
    assert "nk.write(x2," in re.sub(r"\(\s+", "(", one.code["text"])
    one.do("set", name="data", text="x")
    assert one.settle(30)
    done(one)
    found = next(iter(nk.open_dataset(one.result["url"]).data_vars.values()))
    np.testing.assert_array_equal(found.values.squeeze(), CELLS)


def test_no_array_is_taken_while_another_is_written(tmp_path):
    one = model({"data": "seg", "target": str(tmp_path / "a.zarr")})
    go, begun = threading.Event(), threading.Event()

    def wait(_watch: Any) -> str:
        begun.set()
        assert go.wait(30)
        return "done"

    one.work.start(wait)
    assert begun.wait(30)
    with pytest.raises(NgffError, match="wait for the end"):
        one.take(PIXELS)
    go.set()
    assert one.work.wait(30)
    assert one.things["chosen"] == "seg"


class Odd(np.ndarray):
    """An array that can't be looked at."""

    @property
    def shape(self) -> Any:
        raise RuntimeError("odd")


def test_odd_objects_of_the_notebook_hide_nothing_else(tmp_path):
    numbered = xr.Dataset(
        {("a", 1): (("y", "x"), np.zeros((4, 4))), 2: (("y", "x"), np.ones((4, 4)))}
    )
    there = {"odd": np.zeros((4, 4)).view(Odd), "numbered": numbered, "seg": CELLS}
    one = model({"data": "seg", "target": str(tmp_path / "a.zarr")}, there)
    assert [row["name"] for row in one.things["rows"]] == ["seg"]
    assert one.plan["ok"]
    one.do("set", name="data", text="numbered")
    assert one.settle(30)
    assert "holds no image" in said(one, "data")


def test_names_are_text_in_the_card(tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    image = xr.DataArray(CELLS, dims=list("zyx"))
    there = {"ds": xr.Dataset({evil: image, "other": image})}
    texts = {"data": "ds", "variable": evil, "target": str(tmp_path / f"{evil}.zarr")}
    one = done(model(texts, there))
    assert "<img" not in one.plan["html"]
    assert "&lt;img src=x" in one.plan["html"]
    texts = {"task": LABELS, "data": "seg", "target": one.result["url"], "label_name": evil}
    other = model(texts)
    assert other.plan["ok"], other.form["problems"]
    assert "<img" not in other.plan["html"]
    assert "&lt;img src=x" in other.plan["html"]


# --- the four things it does, and their code ------------------------------------------------------

TASK_TEXTS: dict[str, dict[str, str]] = {
    NEW: {
        "data": "ds",
        "variable": "image",
        "labels": "nuclei=seg, ds.cells",
        "channels": "DAPI,GFP",
        "crop": "y=0:24",
        "chunks": "16",
        "shards": "none",
        "mags": "1,1-2-2",
    },
    LABELS: {"data": "seg", "label_name": "nuclei", "chunks": "8"},
    REGION: {"data": "patch", "crop": "z=1:2"},
    APPEND: {"data": "more", "axis": "c"},
}


@pytest.mark.parametrize("task", list(TASKS))
def test_the_code_does_the_same(tmp_path, task):
    places = [tmp_path / "panel", tmp_path / "code"]
    for place in places:
        place.mkdir()
    target = image(places[0]) if task != NEW else str(places[0] / "there.zarr")
    if task != NEW:
        shutil.copytree(target, places[1] / "there.zarr")
    before = files(target) if task != NEW else {}
    one = done(model({"task": task, "target": target, **TASK_TEXTS[task]}))
    code = one.code["text"]
    assert TASKS[task] in code
    exec(code.replace(str(places[0]), str(places[1])), objects())
    found = files(target)
    assert found == files(places[1] / "there.zarr")
    assert found != before
    assert one.result["url"] == target
    assert nk.validate(target).valid
    # the same once more is nothing to do, until something changes
    assert one.run_state["blocked"]
    assert "done" in one.run_state["why"]
    one.do("set", name="workers", text="3")
    assert (one.run_state["doing"], one.run_state["fraction"]) == ("ready", 0.0)
    assert one.settle(30)


def test_a_new_image_has_its_labels_and_channels(tmp_path):
    target = str(tmp_path / "a.zarr")
    done(model({"target": target, **TASK_TEXTS[NEW]}))
    ds = nk.open_dataset(target)
    np.testing.assert_array_equal(ds["image"].values, PIXELS[:, :, :24])
    assert ds["c"].values.tolist() == ["DAPI", "GFP"]
    for name in ("nuclei", "cells"):
        found = nk.open_dataset(target, image=f"labels/{name}")["labels"]
        np.testing.assert_array_equal(found.values.squeeze(), CELLS[:, :24])


def test_the_others_change_what_they_say(tmp_path):
    target = image(tmp_path)
    for task in (LABELS, REGION, APPEND):
        done(model({"task": task, "target": target, **TASK_TEXTS[task]}))
    expected = np.concatenate([PIXELS, PIXELS[:1] // 2])
    expected[:2, 3, 8:16, 16:24] = 7
    np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, expected)
    found = nk.open_dataset(target, image="labels/nuclei")["labels"].values
    np.testing.assert_array_equal(found.squeeze(), CELLS)


def test_each_task_shows_its_own_fields(tmp_path):
    one = WriteModel(objects())
    for task in TASKS:
        one.do("set", name="task", text=task)
        shown = {field["name"] for field in one.form["fields"]} - set(one.form["hidden"])
        assert shown <= SHOWN[task] - {"data"}
        assert {"task", "target"} <= shown
    # what was typed for another task does not count, and comes back with it
    one.do("set", name="task", text=LABELS)
    one.do("set", name="label_name", text="nuclei")
    one.do("set", name="mags", text="nonsense")
    one.do("set", name="task", text=REGION)
    assert "label_name" not in one.fields.values
    assert one.fields.readable
    one.do("set", name="task", text=LABELS)
    assert one.fields.values["label_name"] == "nuclei"
    assert "nonsense" in said(one, "mags")
    assert one.settle(30)


def test_what_is_missing_is_said_in_turn(tmp_path):
    one = WriteModel(objects())
    assert "array" in one.run_state["why"]
    one.do("set", name="data", text="volume")
    assert "where" in one.run_state["why"]
    one.do("set", name="task", text=LABELS)
    assert "which image" in one.run_state["why"]
    one.do("set", name="target", text=str(tmp_path / "none.zarr"))
    assert "labels" in one.run_state["why"]
    one.do("set", name="task", text=APPEND)
    assert "axis" in one.run_state["why"]
    one.do("run")
    assert one.message["severity"] == "error"
    assert "axis" in one.message["text"]
    assert one.code["text"] == ""


# --- a notebook that changes ----------------------------------------------------------------------


def test_a_variable_that_was_replaced_is_planned_anew_before_it_is_written(tmp_path):
    there = {"volume": np.zeros((8, 16, 16), "u1")}
    target = str(tmp_path / "a.zarr")
    one = model({"data": "volume", "target": target, "voxel_size": "1,1,1"}, there)
    there["volume"] = np.ones((4, 16, 16), "u1")
    one.do("run")
    assert "changed in the notebook" in one.message["text"]
    assert one.settle(30)
    assert not Path(target).exists()
    assert "4×16×16" in one.plan["html"]
    done(one)
    np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, there["volume"])


def test_a_variable_that_was_replaced_in_its_dataset_counts_as_well(tmp_path):
    there = objects()
    one = model({"data": "ds", "target": str(tmp_path / "a.zarr")}, there)
    there["ds"]["image"] = there["ds"]["image"] + 1
    one.do("run")
    assert "changed in the notebook" in one.message["text"]
    assert one.settle(30)


def test_a_name_that_is_gone_is_said_beside_the_arrays(tmp_path):
    there = objects()
    one = model({"data": "volume", "target": str(tmp_path / "a.zarr")}, there)
    del there["volume"]
    one.do("look")
    assert one.settle(30)
    (problem,) = one.things["problems"]
    assert "no 'volume'" in problem["message"]
    assert "run the cell" in problem["remedy"]


# --- work -----------------------------------------------------------------------------------------


class Slow:
    """Pixels that come when they are let, and count who asks at once."""

    def __init__(self) -> None:
        self.go, self.begun = threading.Event(), threading.Event()
        self.go.set()
        self.now = self.most = 0
        self.lock = threading.Lock()

    def block(self, block: Any) -> Any:
        if not block.size:  # dask tries it on nothing
            return block
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        self.begun.set()
        assert self.go.wait(30)
        with self.lock:
            self.now -= 1
        return block


@pytest.mark.parametrize(("task", "anew"), [(NEW, True), (LABELS, True), (LABELS, False)])
def test_work_is_cancelled_and_goes_on_there_or_in_a_new_panel(tmp_path, monkeypatch, task, anew):
    slow = Slow()
    source = da.from_array(CELLS, chunks=(2, 32, 40), name="cells")
    there = {"lazy": source.map_blocks(slow.block, dtype=source.dtype, name="slow")}
    target = image(tmp_path) if task == LABELS else str(tmp_path / "a.zarr")
    texts = {"task": task, "data": "lazy", "target": target, "chunks": "2", "workers": "1"}
    texts |= {"shards": "none", "label_name": "cells"} if task == LABELS else {"shards": "none"}
    one = model(texts, there)
    assert one.plan["ok"], one.form["problems"]
    plan_of, held = one.plan_of, threading.Event()

    def planned(values: Any) -> Any:
        """Hold the pixels back when it was planned, for which some are read: the work has begun."""
        found = plan_of(values)
        slow.go.clear()
        slow.begun.clear()
        held.set()
        return found

    monkeypatch.setattr(one, "plan_of", planned)
    one.do("run")
    assert held.wait(30)
    assert slow.begun.wait(30)
    one.do("set", name="chunks", text="4")
    assert "wait for the end" in one.message["text"]
    one.do("cancel")
    slow.go.set()
    assert one.work.wait(30)
    assert one.run_state["doing"] == "stopped"
    monkeypatch.setattr(one, "plan_of", plan_of)
    other = one
    if anew:  # as after the kernel was started anew
        other = model(texts, there)
        assert "begun before" in said(other, "target"), other.form["problems"]
    done(other)
    where = {"image": "labels/cells"} if task == LABELS else {}
    found = next(iter(nk.open_dataset(target, **where).data_vars.values()))
    np.testing.assert_array_equal(found.values.squeeze(), CELLS)
    assert slow.most <= 2


def test_unfinished_work_of_another_kind_is_said(tmp_path):
    target = image(tmp_path)
    plan = nk.plan_edit("add_labels", target, CELLS, "cells")

    def stop(_progress: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan.run(stop)
    one = model({"task": APPEND, "target": target, **TASK_TEXTS[APPEND]})
    assert "unfinished" in said(one, "resume")
    one.do("set", name="resume", text="no")
    assert one.settle(30)
    done(one)


def test_a_write_to_s3(tmp_path, bucket):
    options = " ".join(f"{name}={value}" for name, value in bucket.items())
    one = model({"data": "volume", "target": "s3://written/a.zarr", "target_options": options})
    done(one)
    found = nk.open_dataset("s3://written/a.zarr", storage_options=bucket)["image"]
    np.testing.assert_array_equal(found.values, PIXELS)
    assert "hush" not in one.code["text"]
    with pytest.raises(PlanError, match="exists"):
        exec(one.code["text"], {**objects(), **bucket})


@pytest.fixture
def bucket() -> Iterator[dict[str, Any]]:
    with buckets.running("written", secret="hush") as url:
        yield {"endpoint": url, "region": "us-east-1", "key": "key", "secret": "hush"}


# --- wrong input ----------------------------------------------------------------------------------

#: What is wrong in each field, with the task that has it.
WRONG: dict[str, tuple[str, str]] = {
    "task": (NEW, "fly"),
    "data": (NEW, "nothing"),
    "variable": (NEW, "nothing"),
    "target": (NEW, "http://host/a.zarr"),
    "label_name": (LABELS, "../up"),
    "axis": (APPEND, "z"),
    "at": (REGION, "z=-1"),
    "voxel_size": (NEW, "4,4,-1"),
    "unit": (NEW, "furlong"),
    "labels": (NEW, "a b"),
    "axes": (NEW, "zzyx"),
    "crop": (NEW, "z=5:90"),
    "origin": (NEW, "q=5"),
    "kind": (NEW, "both"),
    "channels": (NEW, "one,two,three"),
    "name": (NEW, "a\nb"),
    "image": (REGION, "labels/none"),
    "version": (NEW, "9"),
    "chunks": (NEW, "64,x"),
    "shards": (NEW, "5"),
    "compression": (NEW, "zip"),
    "sidecar": (NEW, "maybe"),
    "layer": (NEW, "a\nb"),
    "target_options": (NEW, "anon"),
    "mags": (NEW, "1,3-x"),
    "sampling": (NEW, "some"),
    "coarsest": (NEW, "0"),
    "until": (NEW, "none"),
    "method": (NEW, "best"),
    "memory": (NEW, "1 MB"),
    "workers": (NEW, "0"),
    "executor": (NEW, "clouds"),
    "on_error": (NEW, "pray"),
    "overwrite": (NEW, "perhaps"),
    "resume": (NEW, "perhaps"),
}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> str:
    return image(tmp_path_factory.mktemp("wrong"))


def test_there_is_a_wrong_text_for_every_field():
    assert set(WRONG) == {field.name for field in FIELDS}


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_input_is_said_beside_its_field(name, there, tmp_path):
    task, text = WRONG[name]
    target = str(tmp_path / "new.zarr") if task == NEW else there
    texts = {"target": target, **TASK_TEXTS[task], "task": task}
    if name == "layer":
        texts["sidecar"] = "yes"
    if name in ("axes", "labels"):
        texts |= {"data": "volume"}
        texts.pop("variable", None)
    if name in ("kind", "method"):
        texts.pop("labels", None)
    one = model(texts)
    assert one.plan["ok"], one.form["problems"]
    one.do("set", name=name, text=text)
    assert one.settle(30)
    assert one.fields.problems.get(name), one.form["problems"]
    assert one.form["problems"][name][0]["message"]
    assert one.run_state["blocked"]
    assert "mistake in ngffkit" not in said(one, name)
    one.do("set", name=name, text=texts.get(name, one.fields.fields[name].default))
    assert one.settle(30)
    assert one.plan["ok"], one.form["problems"]


def test_what_can_be_read_and_is_wrong_is_said_beside_what_can_not(tmp_path):
    texts = {"data": "volume", "target": "http://host/a.zarr", "unit": "furlong", "mags": "x"}
    one = model(texts)
    assert {"unit", "mags"} <= set(one.form["problems"])
    one.do("set", name="unit", text="um")
    assert one.settle(30)
    assert "web servers" in said(one, "target")
    assert "'x'" in said(one, "mags")
    assert one.plan["html"] == ""
    assert one.code["text"] == ""


def test_the_voxel_size_of_coordinates_is_a_hint(tmp_path):
    one = model({"data": "ds", "target": str(tmp_path / "a.zarr")})
    assert one.fields.fields["voxel_size"].hint == "0.5 × 0.5 × 2 micrometer"
    one.do("set", name="data", text="volume")
    assert one.fields.fields["voxel_size"].hint == "x,y,z"
    assert one.settle(30)


@pytest.mark.parametrize(
    ("have", "field", "message"),
    [
        (np.ma.masked_array(PIXELS), "data", "fill"),
        (np.zeros((4, 8, 8), complex), "data", "complex"),
        (np.zeros(9), "axes", "dimensions of 9"),
        (5, "data", "int"),
        (placed().rename(z="a", y="b", x="d"), "axes", "can't be told"),
        (placed().assign_coords(x=np.arange(40.0) ** 2), "data", "not evenly spaced"),
        (xr.Dataset({"a": placed(), "b": placed()}), "variable", "several"),
        (xr.Dataset(), "data", "no image"),
        (LAZY[LAZY[:, 0, 0, 0] > 0], "data", "unknown sizes"),
    ],
)
def test_arrays_that_are_no_images_are_said(tmp_path, have, field, message):
    one = model({"data": "it", "target": str(tmp_path / "a.zarr")}, {"it": have})
    assert re.search(message, said(one, field)), one.form["problems"]
    assert one.run_state["blocked"]


def test_images_that_can_not_be_edited_are_said(tmp_path):
    (tmp_path / "text.zarr").mkdir()
    for place in (tmp_path / "none.zarr", tmp_path / "text.zarr"):
        one = model({"task": REGION, "data": "patch", "target": str(place)})
        assert said(one, "target"), one.form["problems"]
        assert one.run_state["blocked"]


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from([text for _, text in WRONG.values()]),
    st.sampled_from(["64", "1,2", "z=1", "none", "auto", "yes", "a=b", "0:3", "\0", "x" * 300]),
)


@given(typed=st.lists(st.tuples(st.sampled_from(list(WRONG)), TEXTS), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_text_makes_it_stumble(typed, there, caplog):
    one = WriteModel({"volume": PIXELS[0]}, "volume", f"{there}.new.zarr")
    one.latest._pause = 0.0  # nobody types here
    for name, text in typed:
        if name == "target" and "://" in text:
            continue  # nobody waits for hosts
        one.do("set", name=name, text=text)
        assert not one.message, one.message
    assert one.settle(60)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "mistake" not in str(one.form["problems"])


# --- plans of edits -------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [LABELS, REGION, APPEND])
def test_the_plan_of_an_edit_counts_what_it_writes(tmp_path, task):
    target, have = image(tmp_path), objects()
    given: list[Any] = [have[TASK_TEXTS[task]["data"]]]
    given += [TASK_TEXTS[task][name] for name in ("label_name", "axis") if name in TASK_TEXTS[task]]
    plan = nk.plan_edit(TASKS[task].removeprefix("nk."), target, *given)
    before = files(target)
    result = plan.run()
    after = files(target)
    changed = {key for key in after if after[key] != before.get(key)}
    chunks = {key for key in changed if "/c/" in key}
    assert len(chunks) == plan.files
    assert result.files >= plan.files
    assert plan.cost.peak_memory <= plan.cost.budget
    text = str(plan)
    assert plan.url in text
    assert f"{plan.files} file" in text
    assert "<script" not in plan._repr_html_()


def test_a_plan_of_an_edit_moves_nothing(tmp_path):
    target = image(tmp_path)
    before = files(tmp_path)
    plan = nk.plan_edit("write_region", target, objects()["patch"])
    assert "z 2:4, y 8:16, x 16:24" in str(plan)
    nothing = nk.plan_edit("downsample", target, mags=["1", "1-2-2"])
    assert "no mag is missing" in str(nothing)
    assert nothing.run().files == 0
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("given", "options", "loc"),
    [
        (("fly", "a"), {}, "edit"),
        (("append", "a"), {}, "edit"),
        (("append", "a", PIXELS, "c"), {"mags": ["1"]}, "mags"),
        (("append", "a", PIXELS, "c"), {"on_error": "skip"}, "on_error"),
        (("append", "a", PIXELS, "c"), {"wings": 2}, "wings"),
    ],
)
def test_what_no_edit_takes_is_refused(given, options, loc):
    with pytest.raises(PlanError) as caught:
        nk.plan_edit(*given, **options)
    assert caught.value.problems[0].loc == loc


def test_a_crop_of_an_edit_goes_where_its_coordinates_are(tmp_path):
    target = image(tmp_path)
    whole = placed(np.full(PIXELS.shape, 7, np.uint16))
    expected = PIXELS.copy()
    expected[:, 4:6] = 7
    nk.write_region(target, whole, crop={"z": slice(4, 6)})
    np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, expected)
    # bare arrays are cut as well
    ones = np.ones(PIXELS.shape, np.uint16)
    nk.write_region(target, ones, crop={"z": slice(0, 1)}, at={"z": 7, "y": 0, "x": 0})
    expected[:, 7] = 1
    np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, expected)
    with pytest.raises(PlanError, match="crop: z=5:90"):
        nk.write_region(target, ones, crop={"z": slice(5, 90)})
    with pytest.raises(PlanError, match="crop: no axis 'q'"):
        nk.write_region(target, whole, crop={"q": slice(5, 90)})


def test_a_crop_of_labels_is_cut_once(tmp_path):
    target = image(tmp_path)
    nk.add_labels(target, placed(CELLS, "zyx"), "part", crop={"z": slice(2, 6)})
    found = nk.open_dataset(target, image="labels/part")["labels"]
    np.testing.assert_array_equal(found.values.squeeze(), CELLS[2:6])
    assert float(found["z"][0]) == 4.0


# --- in a page ------------------------------------------------------------------------------------


def test_the_panel_shows_the_arrays_and_lets_go_of_its_model():
    panel = WritePanel(WriteModel(objects()))
    kinds = [part.kind for part in panel._parts]
    assert kinds == ["names", "form", "card", "run", "message", "code"]
    part = panel._parts[0]
    part._hear(part, {"do": "set", "given": {"name": "data", "text": "seg"}}, [])
    assert part.state["chosen"] == "seg"
    panel.close()
    panel.model.do("set", name="data", text="volume")
    assert part.state["chosen"] == "seg"
    assert panel.model.settle(30)


def test_a_panel_that_was_closed_keeps_no_array_in_memory():
    pixels = np.zeros((8, 32, 40), "u1").view(Kept)
    panel = WritePanel(WriteModel({"pixels": pixels}, "pixels"))
    assert panel.model.settle(30)
    open_before = set(instances()) - {widget.model_id for widget in every(panel)}
    panel.close()
    assert set(instances()) <= open_before
    gone = weakref.ref(pixels)
    del panel, pixels
    gc.collect()
    assert gone() is None


class Kept(np.ndarray):
    """An array that tells when it is gone."""


def instances() -> Any:
    """Return the widgets that are open."""
    from ipywidgets.widgets import widget

    return widget._instances


def every(widget: Any) -> Iterator[Any]:
    """Yield a widget, what is in it, and their layouts."""
    yield from (widget, widget.layout)
    for child in getattr(widget, "children", ()):
        yield from every(child)
