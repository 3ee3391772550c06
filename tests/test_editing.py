"""Edits of images that are there: equal to a conversion of the edited array, bit by bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import makers
import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from faults import failing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ngffkit as nk
from ngffkit.editing.doors import (
    add_labels,
    append,
    downsample,
    plan_edit,
    remove_labels,
    write_region,
)
from ngffkit.errors import BusyError, ChunkError, MetadataError, NgffError, PlanError, WriteError
from ngffkit.execute.journal import read_journal
from ngffkit.execute.locks import locked
from ngffkit.stores.targets import DOCUMENTS, crc_of, open_target
from ngffkit.verifying import verify
from ngffkit.writing import convert

VERSIONS = ("0.4", "0.5", "0.6")
SHAPE = (2, 13, 37, 41)
KIND = {"axes": "czyx", "voxel_size": (1, 1, 2), "unit": "nm", "chunks": 8, "mags": [1, 2, 4]}


def pixels(shape: tuple[int, ...] = SHAPE, seed: int = 0, dtype: str = "u2") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2000, shape).astype(dtype)


def made(path: Path, version: str = "0.5", shards: Any = 24, data: Any = None, **more: Any) -> str:
    """Convert an image; Zarr v2 has no shards."""
    shards = None if version == "0.4" else shards
    image = pixels() if data is None else data
    chunks = 16 if version == "0.4" else 8
    options = {**KIND, "chunks": chunks, "version": version, "shards": shards, **more}
    return convert(image, path, **options).url


def levels(path: Any, image: str | None = None) -> dict[str, np.ndarray]:
    """Read all mags, strictly."""
    ds = nk.open_dataset(path, image=image)
    return {
        mag: next(iter(nk.open_dataset(path, image=image, mag=mag).data_vars.values())).values
        for mag in ds.ngff.mags
    }


def same(one: Any, other: Any, image: str | None = None) -> None:
    """Assert that two images have equal mags and pixels, also to zarr-python."""
    a, b = levels(one, image), levels(other, image)
    assert list(a) == list(b)
    opened = nk.open_dataset(one, image=image).ngff.image
    for level, (mag, found) in zip(opened.levels, a.items(), strict=True):
        np.testing.assert_array_equal(found, b[mag], err_msg=mag)
        path = "/".join(p for p in (str(one), image, level.path) if p)
        np.testing.assert_array_equal(zarr.open_array(path, mode="r")[...], found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # consolidated metadata in v3
        root = zarr.open_group(str(one), mode="r")
        for level, found in zip(opened.levels, a.values(), strict=True):
            assert root["/".join(p for p in (image, level.path) if p)].shape == found.shape


def sound(path: Any, *, touched: bool = False) -> None:
    """Assert that nothing is wrong with what an edit left; documents `touched` by others apart."""
    report = nk.validate(path)
    assert report.valid, str(report)
    target = open_target(path)
    known = read_journal(target)
    assert known.finished is not None
    for key, item in known.objects().items():
        if touched and key.rpartition("/")[2] in DOCUMENTS:
            continue
        data = target.store.get(key)
        assert data is not None, key
        assert (len(data), crc_of(memoryview(data))) == (item.size, item.crc), key
    found = verify(path)
    assert touched or found.ok, str(found)


def document(path: Any, key: str) -> dict[str, Any]:
    return json.loads((Path(path) / key).read_text())


def mark(path: Any, version: str) -> None:
    """Put attributes of another program into all documents of an image."""
    name = ".zattrs" if version == "0.4" else "zarr.json"
    for file in Path(path).rglob(name):
        found = json.loads(file.read_text())
        where = found if version == "0.4" else found["attributes"]
        where["other"] = {"program": [1, 2, {"x": None}]}
        file.write_text(json.dumps(found))


def marked(path: Any, version: str, *groups: str) -> None:
    name = ".zattrs" if version == "0.4" else "zarr.json"
    for group in groups:
        found = document(path, f"{group}/{name}" if group else name)
        where = found if version == "0.4" else found["attributes"]
        assert where["other"] == {"program": [1, 2, {"x": None}]}, group


# --- regions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("shards", [None, 24])
@pytest.mark.parametrize("method", ["mean", "gaussian", "nearest"])
def test_a_region_equals_a_conversion_of_the_edited_array(tmp_path, version, shards, method):
    if version == "0.4" and shards:
        return
    path = made(tmp_path / "a.zarr", version, shards, method=method)
    mark(path, version)
    region = pixels((1, 5, 20, 11), 1)
    write_region(path, region, at={"c": 1, "z": 6, "y": 9, "x": 7})
    truth = pixels()
    truth[1:, 6:11, 9:29, 7:18] = region
    same(path, made(tmp_path / "b.zarr", version, shards, truth, method=method))
    sound(path, touched=True)
    marked(path, version, "", "0", "1", "2")


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_any_box(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("box")
    shape = (11, 23, 19)
    box = []
    for n in shape:
        a = data.draw(st.integers(0, n - 1))
        box.append(slice(a, data.draw(st.integers(a + 1, n))))
    method = data.draw(st.sampled_from(["mean", "gaussian", "median", "max", "nearest"]))
    mags = [1, "2-2-1", 4, "6-6-3"]
    options = {"axes": "zyx", "chunks": 4, "shards": 8, "mags": mags, "method": method}
    options["voxel_size"] = (1, 1, 1)
    before, new = pixels(shape), pixels(tuple(s.stop - s.start for s in box), 2)
    convert(before, folder / "a.zarr", **options)
    write_region(folder / "a.zarr", new, at={d: s.start for d, s in zip("zyx", box, strict=True)})
    truth = before.copy()
    truth[tuple(box)] = new
    convert(truth, folder / "b.zarr", **options)
    same(folder / "a.zarr", folder / "b.zarr")


def test_a_dataarray_says_where(tmp_path):
    path = made(tmp_path / "a.zarr", channels=["a", "b"], origin={"z": 7.0, "x": -3.5})
    da = nk.open_dataset(path)["image"]
    part = da.sel(c="b").isel(z=slice(3, 9), y=12, x=slice(5, 40)).load() + np.uint16(7)
    part.ngff.write_region  # noqa: B018 - the accessor has it
    write_region(path, part)
    truth = pixels()
    truth[1, 3:9, 12, 5:40] += 7
    np.testing.assert_array_equal(nk.open_dataset(path)["image"].values, truth)
    sound(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda da: da.assign_coords(y=da.y + 0.25), "y=0.25 is no pixel centre"),
        (lambda da: da.isel(x=slice(0, 20, 2)), "x=2.0 is no pixel centre"),
        (lambda da: da.assign_coords(z=da.z + 200), "z are not in the image"),
        (lambda da: da.drop_vars("x").isel(x=slice(0, 3)), "where the data begin along x"),
        (lambda da: da.assign_coords(c=["x", "y"]), "channels x, y are not among"),
        (lambda da: da.astype("f4"), "float32 don't fit into an array of uint16"),
        (lambda da: da.expand_dims(q=2), "axis 'q' is none of the image's"),
    ],
)
def test_what_lies_elsewhere_is_refused(tmp_path, change, message):
    path = made(tmp_path / "a.zarr")
    da = nk.open_dataset(path)["image"].load()
    before = levels(path)
    with pytest.raises(PlanError, match=message):
        write_region(path, change(da))
    for mag, found in levels(path).items():
        np.testing.assert_array_equal(found, before[mag])


def test_units_must_agree(tmp_path):
    path = made(tmp_path / "a.zarr")
    da = nk.open_dataset(path)["image"].load()
    da["z"].attrs["units"] = "micrometer"
    with pytest.raises(PlanError, match="'z' is in micrometer, the image in nanometer"):
        write_region(path, da)


def test_arrays_need_to_be_told(tmp_path):
    path = made(tmp_path / "a.zarr")
    with pytest.raises(PlanError, match="where the data begin along z"):
        write_region(path, pixels((2, 3, 37, 41)))
    with pytest.raises(PlanError, match="'q' is no axis"):
        write_region(path, pixels((1, 1, 1, 1)), at={"q": 1})
    with pytest.raises(PlanError, match="36 to 38 along y are not in the image"):
        write_region(path, pixels((2, 2)), at={"c": 0, "z": 0, "y": 36, "x": 0})
    with pytest.raises(PlanError, match="can't be a part of"):
        write_region(path, pixels((1, 1, 1, 1, 1)), at={})


def test_lazy_pixels_of_the_image_itself_are_refused(tmp_path):
    path = made(tmp_path / "a.zarr")
    with pytest.raises(PlanError, match=r"data\.load"):
        write_region(path, nk.open_dataset(path, chunks={})["image"] + 1)


def test_labels_are_edited_by_mode(tmp_path):
    path = made(tmp_path / "a.zarr")
    ids = pixels(SHAPE[1:], 3) % 5
    add_labels(path, ids, "cells")
    for name, options in ((path, {"image": "labels/cells"}), (f"{path}/labels/cells", {})):
        ids[2:5, 3:30, 4:9] += 1
        write_region(name, ids[2:5, 3:30, 4:9], at={"z": 2, "y": 3, "x": 4}, **options)
    other = made(tmp_path / "b.zarr")
    add_labels(other, ids, "cells")
    same(path, other, "labels/cells")
    assert not Path(f"{path}/labels/cells.journal").exists()
    sound(path)


# --- channels and time points -------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_channels_are_appended(tmp_path, version, chunk):
    chunks = {"c": chunk, "z": 16, "y": 16, "x": 16}
    shards = {"c": chunk, "z": 16, "y": 32, "x": 32}
    path = made(tmp_path / "a.zarr", version, shards, chunks=chunks, channels=["a", "b"])
    mark(path, version)
    told = document(path, ".zattrs" if version == "0.4" else "zarr.json")
    append(path, pixels(SHAPE[1:], 4), "c", channels=["GFP"])
    append(path, pixels((3, *SHAPE[1:]), 5), "c")
    truth = np.concatenate([pixels(), pixels(SHAPE[1:], 4)[None], pixels((3, *SHAPE[1:]), 5)])
    same(path, made(tmp_path / "b.zarr", version, shards, truth, chunks=chunks))
    ds = nk.open_dataset(path)
    assert ds.c.values.tolist() == ["a", "b", "GFP", "channel 3", "channel 4", "channel 5"]
    assert all(channel.window and channel.color for channel in ds.ngff.channels)
    now = document(path, ".zattrs" if version == "0.4" else "zarr.json")
    body = [d if version == "0.4" else d["attributes"]["ome"] for d in (told, now)]
    assert body[1]["omero"]["channels"][:2] == body[0]["omero"]["channels"]
    marked(path, version, "", "0", "1", "2")
    sound(path, touched=True)


def test_time_points_are_appended(tmp_path):
    movie = pixels((3, 1, 9, 20, 21))
    options = {"axes": "tczyx", "voxel_size": {"t": 2.5, "z": 1, "y": 1, "x": 1}}
    path = made(tmp_path / "a.zarr", data=movie, **options)
    da = nk.open_dataset(path)["image"].load()
    later = da.isel(t=slice(0, 2)) + np.uint16(1)
    with pytest.raises(PlanError, match=r"coordinate t=0.0, but the image goes on at 7.5"):
        append(path, later, "t")
    append(path, later.assign_coords(t=[7.5, 10.0]), "t")
    append(path, movie[:1], "t")
    truth = np.concatenate([movie, movie[:2] + 1, movie[:1]])
    same(path, made(tmp_path / "b.zarr", data=truth, **options))
    assert nk.open_dataset(path).t.values.tolist() == [0.0, 2.5, 5.0, 7.5, 10.0, 12.5]
    sound(path)


def test_what_can_not_be_appended(tmp_path):
    path = made(tmp_path / "a.zarr")
    with pytest.raises(PlanError, match=r"no axis 't'.*expand_dims"):
        append(path, pixels(), "t")
    with pytest.raises(PlanError, match="axis of space"):
        append(path, pixels(), "z")
    with pytest.raises(PlanError, match="12 pixels along z, the image has 13"):
        append(path, pixels((12, 37, 41)), "c")
    with pytest.raises(PlanError, match="2 names for 1 new channels"):
        append(path, pixels(SHAPE[1:]), "c", channels=["a", "b"])
    with pytest.raises(PlanError, match="is no option of append"):
        append(path, pixels(SHAPE[1:]), "c", chunks=3)


# --- mags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("first", "then"), [([1], [1, 2, 4]), ([1, 4], [1, 2, 4]), ([1, 2], None)])
def test_missing_mags_are_made(tmp_path, version, first, then):
    path = made(tmp_path / "a.zarr", version, mags=first)
    mark(path, version)
    before = levels(path)
    result = downsample(path, mags=then) if then else downsample(path, coarsest=4)
    assert result.files > 0
    other = nk.open_dataset(path).ngff.mags
    assert other[0] == "1"
    for mag, found in before.items():
        np.testing.assert_array_equal(levels(path)[mag], found)
    if then and first == [1]:
        twin = made(tmp_path / "b.zarr", version, mags=then)
        same(path, twin)
        a, b = nk.open_dataset(path).ngff.image, nk.open_dataset(twin).ngff.image
        assert [lv.grid for lv in a.levels] == [lv.grid for lv in b.levels]
        assert nk.open_dataset(path, mag=2).ngff.layout == nk.open_dataset(twin, mag=2).ngff.layout
    assert downsample(path, mags=then or other).files == 0
    marked(path, version, "", "0")
    sound(path, touched=True)


def test_mags_can_be_stored_otherwise(tmp_path):
    path = made(tmp_path / "a.zarr", mags=[1])
    downsample(path, mags=[1, 2], chunks=4, shards=None, compression="gzip", method="max")
    layout = nk.open_dataset(path, mag=2).ngff.layout
    assert (layout.chunks, layout.shards, layout.codecs) == ((1, 4, 4, 4), None, ("gzip",))
    sound(path)


def test_levels_go_below_what_is_said_of_all(tmp_path):
    path = Path(made(tmp_path / "a.zarr", mags=[1]))
    file = path / "zarr.json"
    root = json.loads(file.read_text())
    steps = [
        {"type": "scale", "scale": [1.0, 0.5, 0.5, 0.5]},
        {"type": "translation", "translation": [0.0, 3.0, 4.0, 5.0]},
    ]
    root["attributes"]["ome"]["multiscales"][0]["coordinateTransformations"] = steps
    file.write_text(json.dumps(root))
    downsample(path, mags=[1, 2])
    one, two = (nk.open_dataset(path, mag=mag) for mag in (1, 2))
    assert two.z.values[0] == one.z.values[:2].mean()
    assert two.x.values[3] == one.x.values[6:8].mean()


# --- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_are_added_and_listed(tmp_path, version):
    path = made(tmp_path / "a.zarr", version)
    mark(path, version)
    ids = pixels(SHAPE[1:], 7, "u4")
    add_labels(path, ids, "nuclei")
    mark(path, version)
    add_labels(path, ids[None].repeat(2, 0), "more")
    marked(path, version, "", "0", "labels", "labels/nuclei")
    ds = nk.open_dataset(path)
    assert sorted(ds.ngff.labels) == ["more", "nuclei"]
    found = nk.open_dataset(path, image="labels/nuclei")
    np.testing.assert_array_equal(found["labels"].values, ids)
    assert found.ngff.mags == ds.ngff.mags
    assert [lv.grid.scale[-3:] for lv in found.ngff.image.levels] == [
        lv.grid.scale[-3:] for lv in ds.ngff.image.levels
    ]
    assert found.ngff.image.label.source == "../../"
    assert np.isin(levels(path, "labels/nuclei")["4"], ids).all()
    sound(path, touched=True)


def test_labels_that_are_there_are_kept_until_told(tmp_path):
    path = made(tmp_path / "a.zarr")
    add_labels(path, np.full(SHAPE[1:], 3, "u1"), "cells", chunks=4, shards=None)
    with pytest.raises(PlanError, match="has labels 'cells' already"):
        add_labels(path, np.ones(SHAPE[1:], "u1"), "cells")
    add_labels(path, np.ones(SHAPE[1:], "u1"), "cells", overwrite=True)
    assert all((found == 1).all() for found in levels(path, "labels/cells").values())
    sound(path)


def test_labels_bring_their_coordinates(tmp_path):
    path = made(tmp_path / "a.zarr")
    da = nk.open_dataset(path, mag=2)["image"].isel(c=0, z=slice(1, 5), drop=True).load()
    add_labels(path, (da % 3).astype("u1"), "part", mags=[1])
    found = nk.open_dataset(path, image="labels/part")
    np.testing.assert_array_equal(found.z, da.z)
    np.testing.assert_array_equal(found.x, da.x)


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (np.zeros((13, 37, 40), "u1"), "a", r"pass one of shape \(13, 37, 41\) \(z, y, x\)"),
        (np.zeros((13, 37, 41), "f4"), "a", "labels are whole numbers"),
        (np.zeros((13, 37, 41), bool), "a", "labels are whole numbers"),
        (np.zeros((13, 37, 41), "u1"), "../a", "can't be the name of labels"),
        (np.zeros((13, 37, 41), "u1"), "", "can't be the name of labels"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, data, name, message):
    path = made(tmp_path / "a.zarr")
    with pytest.raises(PlanError, match=message):
        add_labels(path, data, name)
    assert not (Path(path) / "labels").exists()


# --- labels that go -----------------------------------------------------------------------------


def files_of(path: Any) -> dict[str, bytes]:
    root = Path(path)
    found = (file for file in root.rglob("*") if file.is_file())
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in found}


def parsed(path: Any) -> dict[str, Any]:
    """Return all files, documents as values: the order in which they repeat others is nobody's."""
    found = files_of(path).items()
    return {key: json.loads(data) if key.endswith(".json") else data for key, data in found}


def labelled(path: Path, version: str = "0.5", shape: tuple[int, ...] = SHAPE, **more: Any) -> str:
    """Convert an image and add two label images to it."""
    url = made(path, version, data=pixels(shape), mags=[1, 2], **more)
    for seed, name in enumerate(("ids", "more")):
        add_labels(url, pixels(shape[1:], seed), name)
    return url


@pytest.mark.parametrize("version", VERSIONS)
def test_labels_are_removed_with_all_their_files(tmp_path, version):
    path = labelled(tmp_path / "a.zarr", version)
    before, kept = levels(path), levels(path, "labels/more")
    remove_labels(path, "ids")
    assert sorted(nk.open_dataset(path).ngff.labels) == ["more"]
    assert sorted(p.name for p in (tmp_path / "a.zarr/labels").iterdir() if p.is_dir()) == ["more"]
    sound(path)
    for mag, found in levels(path, "labels/more").items():
        np.testing.assert_array_equal(found, kept[mag])
    remove_labels(path, ["more"])
    assert not nk.open_dataset(path).ngff.labels
    assert not (tmp_path / "a.zarr/labels").exists()
    assert (
        "labels" not in (Path(path) / ("zarr.json" if version != "0.4" else ".zattrs")).read_text()
    )
    for mag, found in levels(path).items():
        np.testing.assert_array_equal(found, before[mag])
    assert not verify(path).problems
    sound(path)


def test_labels_come_and_go_under_one_name(tmp_path):
    path = labelled(tmp_path / "a.zarr")
    once = parsed(path)
    for _ in range(2):
        remove_labels(path, ("more", "ids"))
        assert not verify(path).problems
        with pytest.raises(NgffError):
            nk.open_dataset(path, image="labels/ids")
        for seed, name in enumerate(("ids", "more")):
            add_labels(path, pixels(SHAPE[1:], seed), name)
        assert parsed(path) == once
        assert not verify(path).problems


def test_labels_that_replace_others_with_more_mags_are_all_that_is_known(tmp_path):
    path = labelled(tmp_path / "a.zarr")
    add_labels(path, pixels(SHAPE[1:], 5), "ids", mags=[1], overwrite=True)
    assert not (Path(path) / "labels/ids/1/zarr.json").exists()
    assert not verify(path).problems
    sound(path)


def test_the_plan_of_a_removal_counts_its_files(tmp_path):
    path = labelled(tmp_path / "a.zarr")
    plan = plan_edit("remove_labels", path, "ids")
    expected = sum(key.startswith("labels/ids/") for key in files_of(path))
    assert (plan.removed, plan.files, plan.nbytes, plan.levels) == (expected, 0, 0, ())
    assert f"{expected}, when no document" in str(plan)
    assert "labels/ids" in plan._repr_html_()
    plan.run()
    assert sorted(nk.open_dataset(path).ngff.labels) == ["more"]
    with pytest.raises(PlanError, match="is no option of remove_labels"):
        plan_edit("remove_labels", path, "more", overwrite=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("idx", "has no labels 'idx' .choose among 'ids', 'more'"),
        ("../0", "has no labels '../0'"),
        ("", "has no labels ''"),
        (["ids", "idx"], "has no labels 'idx'"),
        ([], "names no labels"),
        (3, "names no labels"),
    ],
)
def test_labels_that_are_not_listed_are_refused(tmp_path, name, message):
    path = labelled(tmp_path / "a.zarr")
    before = files_of(tmp_path)
    with pytest.raises(PlanError, match=message):
        remove_labels(path, name)
    assert files_of(tmp_path) == before
    with pytest.raises(PlanError, match="name the image it labels"):
        remove_labels(f"{path}/labels/ids", "ids")
    with pytest.raises(PlanError, match="in a zip file"):
        remove_labels(tmp_path / "a.ozx", "ids")


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (["../0"], "../0"),
        (["."], "."),
        (["zarr.json"], "zarr.json"),
        (["/etc"], "/etc"),
        (["ids", "ids/0"], "ids"),
        (["ids", "ids/0"], "ids/0"),
    ],
)
def test_lists_of_labels_lead_nowhere_else(tmp_path, names, asked):
    path = labelled(tmp_path / "a.zarr")
    listed = document(path, "labels/zarr.json")
    listed["attributes"]["ome"]["labels"] = names
    (Path(path) / "labels/zarr.json").write_text(json.dumps(listed))
    before = files_of(tmp_path)
    with pytest.raises(PlanError, match=r"leads out of the labels|lie in one another"):
        remove_labels(path, asked)
    assert files_of(tmp_path) == before


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_labels_behind_a_link_are_refused_and_stay(tmp_path):
    path = Path(labelled(tmp_path / "a.zarr"))
    (path / "labels/ids").rename(tmp_path / "elsewhere")
    (path / "labels/ids").symlink_to(tmp_path / "elsewhere")
    before = files_of(tmp_path)
    with pytest.raises(PlanError, match="lies behind, a link"):
        remove_labels(path, "ids")
    assert files_of(tmp_path) == before


def test_labels_that_can_not_be_read_can_be_removed(tmp_path):
    path = labelled(tmp_path / "a.zarr")
    (Path(path) / "labels/ids/0/zarr.json").write_text("no JSON")
    shutil.rmtree(f"{path}/labels/more")
    remove_labels(path, ["ids", "more"])
    assert not Path(path, "labels").exists()
    sound(path)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", ["attributes", "files"])
def test_a_group_of_labels_with_something_of_others_stays(tmp_path, version, what):
    path = labelled(tmp_path / "a.zarr", version)
    if what == "files":
        (Path(path) / "labels/notes").mkdir()
        (Path(path) / "labels/notes/a.txt").write_text("mine")
    else:
        mark(path, version)
    remove_labels(path, ["ids", "more"])
    name = ".zattrs" if version == "0.4" else "zarr.json"
    found = document(path, f"labels/{name}")
    found = found if version == "0.4" else found["attributes"]
    assert found.get("ome", found)["labels"] == []
    if what == "files":
        assert (Path(path) / "labels/notes/a.txt").read_text() == "mine"
    else:
        marked(path, version, "", "labels")
    assert not nk.open_dataset(path).ngff.labels
    sound(path, touched=True)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_consolidated_metadata_and_properties_forget_removed_labels(tmp_path, version):
    path = made(tmp_path / "a.zarr", version, data=pixels(SHAPE[1:]), axes="zyx", sidecar=True)
    ids = pixels(SHAPE[1:], 3)
    twin = made(
        tmp_path / "b.zarr", version, data=ids, axes="zyx", labels={"ids": ids}, sidecar=True
    )
    for other in (path, twin):
        add_labels(other, ids, "more")
        mark(other, version)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(twin)
        zarr.consolidate_metadata(f"{twin}/labels")
        remove_labels(twin, "ids")
        known = {
            key
            for where in ("", "labels/")
            for key in (
                document(twin, f"{where}.zmetadata")["metadata"]
                if version == "0.4"
                else document(twin, f"{where}zarr.json")["consolidated_metadata"]["metadata"]
            )
        }
        assert sorted(zarr.open_group(f"{twin}/labels", mode="r").group_keys()) == ["more"]
        assert "labels/ids" not in zarr.open_group(twin, mode="r")
    assert not [key for key in known if "ids" in key.split("/")]
    assert any("more" in key.split("/") for key in known)
    sidecar = document(twin, "datasource-properties.json")
    assert [layer["name"] for layer in sidecar["dataLayers"]] == ["array"]
    marked(twin, version, "", "0", "labels", "labels/more")
    before = (Path(path) / "datasource-properties.json").read_bytes()
    remove_labels(path, "more")
    assert (Path(path) / "datasource-properties.json").read_bytes() == before


def test_labels_of_a_field_are_removed_from_its_plate_too(tmp_path):
    root = makers.plate(tmp_path / "p.zarr", "AB", 2, 1)
    how = makers.How()
    makers.well(root / "A/01", {"0": makers.pyramid(pixels((8, 16, 16)), how)}, how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(root))
    for name in ("cells", "nuclei"):
        add_labels(root, pixels((8, 16, 16)) % 3, name, image="A/01/0")
    assert "A/01/0/labels/cells/0/zarr.json" in files_of(root)
    assert "cells" in (root / "zarr.json").read_text()
    remove_labels(root, "cells", image="A/01/0")
    known = document(root, "zarr.json")["consolidated_metadata"]["metadata"]
    assert "A/01/0/labels/nuclei/0" in known
    assert not [key for key in known if "cells" in key]
    assert "cells" not in json.dumps(known)
    assert not (root / "A/01/0/labels/cells").exists()
    assert sorted(nk.open_dataset(f"{root}/A/01/0").ngff.labels) == ["nuclei"]
    # the journal is the plate's
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.zarr", "p.zarr.journal"]


def whole_or_gone(path: str, truth: dict[str, dict[str, np.ndarray]]) -> set[str]:
    """Assert that no label image is half there; return those that are listed."""
    listed = set(nk.open_dataset(path).ngff.labels)
    for name, wanted in truth.items():
        for place, image in ((path, f"labels/{name}"), (f"{path}/labels/{name}", None)):
            try:
                found = levels(place, image)
            except NgffError:
                assert name not in listed
                continue
            assert list(found) == list(wanted)
            for mag, values in found.items():
                np.testing.assert_array_equal(values, wanted[mag])
    return listed


STEPS = ("replace", "unlink", "fsync", "pwrite")


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_removal_that_dies_at_any_step_leaves_no_half_labels_and_resumes(tmp_path, version):
    path = labelled(tmp_path / "a.zarr", version, (1, 8, 20, 20), chunks=16, shards=32)
    truth = {name: levels(path, f"labels/{name}") for name in ("ids", "more")}
    before = {key: data for key, data in files_of(path).items() if key[0] in "012"}
    twin = str(tmp_path / "twin.zarr")
    for end in ("", ".journal"):
        shutil.copytree(path + end, twin + end)
    with failing(0, names=STEPS) as seen:
        KILLED["removal"](twin)
    reference, states = files_of(twin), []
    for k in range(1, seen.count + 1, 2):
        copied = str(tmp_path / "copy.zarr")
        for end in ("", ".journal"):
            shutil.copytree(path + end, copied + end)
        try:
            with failing(k, names=STEPS, lasting=True):
                KILLED["removal"](copied)
        except NgffError as err:
            assert str(tmp_path) in str(err)  # noqa: PT017 - the last calls may fail unnoticed
        finished = read_journal(open_target(copied)).finished is not None
        listed = whole_or_gone(copied, truth)
        states.append(len(listed))
        assert before.items() <= files_of(copied).items()
        if not finished and COMMITTED in journal_tasks(copied):
            for resume in (True, False):
                with pytest.raises(PlanError, match="unfinished edit is there"):
                    append(copied, pixels((8, 20, 20), 2), "c", resume=resume)
            with pytest.raises(PlanError, match="unfinished edit is there"):
                remove_labels(copied, "ids")
            assert not verify(copied).ok
        if listed or not finished:
            KILLED["removal"](copied)
        assert files_of(copied) == reference
        sound(copied)
        for end in ("", ".journal"):
            shutil.rmtree(copied + end)
    # they go off the list once, both, and never come back
    assert states == sorted(states, reverse=True)
    assert set(states) == {2, 0}


# --- images of other writers --------------------------------------------------------------------

_BLOSC = numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE)


@pytest.mark.parametrize(
    "how",
    [
        makers.How(version="0.4", compressor=_BLOSC),
        makers.How(version="0.4", compressor=numcodecs.Zlib(3)),
        makers.How(version="0.4", compressor=numcodecs.LZ4(2), fill=5),
        makers.How(version="0.4", compressor=None),
        makers.How(compressor=zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle", typesize=2)),
        makers.How(compressor=zarr.codecs.GzipCodec(level=2), consolidated=True),
        makers.How(compressor=None, filters=[zarr.codecs.TransposeCodec(order=(2, 0, 1))]),
        makers.How(shards=(16, 16, 16), chunks=(8, 8, 8), fill=7),
        makers.How(
            shards=(16, 16, 16),
            chunks=(8, 8, 8),
            compressor=zarr.codecs.BloscCodec(typesize=2),
            consolidated=True,
        ),
    ],
)
def test_arrays_of_other_writers_keep_their_codecs(tmp_path, how):
    data = pixels((17, 23, 18))
    data[:8] = how.fill
    root = makers.write(tmp_path / "a.zarr", makers.pyramid(data, how), how)
    before = {k: (root / k).read_bytes() for k in (".zattrs", "zarr.json") if (root / k).exists()}
    region = np.full((9, 14, 9), how.fill, "u2")
    region[4] = 900
    write_region(root, region, at={"z": 5, "y": 9, "x": 9})
    truth = data.copy()
    truth[5:14, 9:23, 9:18] = region
    twin = makers.write(tmp_path / "b.zarr", makers.pyramid(truth, how), how)
    same(root, twin)
    assert {k: (root / k).read_bytes() for k in before} == before
    downsample(root, mags=[1, 2, 4])
    add_labels(root, (truth % 4).astype("u1"), "four")
    own = zarr.open_array(str(root / "1"), mode="r").metadata.to_dict()
    new = zarr.open_array(str(root / "2"), mode="r").metadata.to_dict()
    assert own.get("codecs", own.get("compressor")) == new.get("codecs", new.get("compressor")) or (
        how.shards is not None
    )
    assert levels(root)["4"].shape == (5, 6, 5)
    assert [p for p in nk.validate(root) if p.severity in ("schema", "error")] == []


def test_other_byte_order_and_fortran_order(tmp_path):
    how = makers.How(version="0.4", factors=[])
    data = pixels((9, 10, 11))
    root = makers.write(tmp_path / "a.zarr", [data], how)
    shutil.rmtree(root / "0")
    array = zarr.create_array(
        str(root / "0"),
        shape=data.shape,
        chunks=(4, 4, 4),
        dtype=">u2",
        order="F",
        zarr_format=2,
        chunk_key_encoding={"name": "v2", "separator": "."},
    )
    array[...] = data
    data[2:7, 3:9, 1:10] = 77
    write_region(root, data[2:7, 3:9, 1:10], at={"z": 2, "y": 3, "x": 1})
    np.testing.assert_array_equal(zarr.open_array(str(root / "0"), mode="r")[...], data)


def test_codecs_that_can_not_be_written_are_named(tmp_path):
    how = makers.How(version="0.4", filters=[numcodecs.Delta("u2")], factors=[])
    root = makers.write(tmp_path / "a.zarr", [pixels((8, 8, 8))], how)
    with pytest.raises(PlanError, match="'delta'"):
        write_region(root, pixels((1, 1, 1)), at={"z": 0, "y": 0, "x": 0})
    codec = zarr.codecs.ShardingCodec(chunk_shape=(8, 8, 8), index_location="start")
    root = makers.write(tmp_path / "b.zarr", [pixels((8, 8, 8))], makers.How(factors=[]))
    doc = document(root, "0/zarr.json")
    doc["codecs"] = [codec.to_dict()]
    doc["codecs"] = json.loads(json.dumps(doc["codecs"], default=lambda v: getattr(v, "value", v)))
    (root / "0/zarr.json").write_text(json.dumps(doc))
    with pytest.raises(PlanError, match="index at the end alone"):
        write_region(root, pixels((1, 1, 1)), at={"z": 0, "y": 0, "x": 0})


def test_a_level_that_is_no_bin_of_another_is_named(tmp_path):
    how = makers.How(factors=[])
    root = makers.write(tmp_path / "a.zarr", [pixels((9, 9, 9))], how)
    doc = document(root, "zarr.json")
    zarr.create_array(str(root / "1"), shape=(6, 6, 6), dtype="u2", chunks=(6, 6, 6))[...] = 0
    step = {"type": "scale", "scale": [1.5] * 3}
    doc["attributes"]["ome"]["multiscales"][0]["datasets"].append(
        {"path": "1", "coordinateTransformations": [step]}
    )
    (root / "zarr.json").write_text(json.dumps(doc))
    with pytest.raises(PlanError, match=r"level '1' \(6 x 6 x 6 pixels\) is no downsampling"):
        write_region(root, pixels((1, 1, 1)), at={"z": 0, "y": 0, "x": 0})


def test_pixels_outside_of_a_region_stay_however_they_were_made(tmp_path):
    how = makers.How()
    data = pixels((16, 16, 16))
    strange = np.full((8, 8, 8), 12345, "u2")
    root = makers.write(tmp_path / "a.zarr", [data, strange], how)
    write_region(root, np.zeros((2, 2, 2), "u2"), at={"z": 4, "y": 4, "x": 4})
    strange[2, 2, 2] = 0
    np.testing.assert_array_equal(levels(root)["2"], strange)


def test_fields_of_plates_and_their_consolidated_metadata(tmp_path):
    root = makers.plate(tmp_path / "p.zarr", "AB", 2, 1)
    how = makers.How()
    data = pixels((8, 16, 16))
    makers.well(root / "A/01", {"0": makers.pyramid(data, how)}, how)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(str(root))
    add_labels(root, (data % 3).astype("u1"), "cells", image="A/01/0")
    downsample(f"{root}/A/01/0", mags=[1, 2, 4])
    known = document(root, "zarr.json")["consolidated_metadata"]["metadata"]
    for key in ("A/01/0/labels/cells/0", "A/01/0/2", "A/01/0"):
        own = document(root, f"{key}/zarr.json")
        own.pop("consolidated_metadata", None)
        assert {k: v for k, v in known[key].items() if k != "consolidated_metadata"} == own
    assert [p.name for p in tmp_path.iterdir()] == ["p.zarr", "p.zarr.journal"] or sorted(
        p.name for p in tmp_path.iterdir()
    ) == ["p.zarr", "p.zarr.journal"]


# --- what is refused ----------------------------------------------------------------------------


def test_places_that_can_not_be_edited(tmp_path):
    with pytest.raises(PlanError, match="web server"):
        write_region("https://host/a.zarr", pixels(), at={})
    with pytest.raises(PlanError, match="in a zip file"):
        add_labels(tmp_path / "a.ozx", pixels(), "x")
    how = makers.How(version="0.4", factors=[])
    old = makers.write(tmp_path / "old.zarr", [pixels((8, 8, 8))], how)
    doc = document(old, ".zattrs")
    doc["multiscales"][0]["version"] = "0.3"
    doc["multiscales"][0]["axes"] = ["z", "y", "x"]
    (old / ".zattrs").write_text(json.dumps(doc))
    with pytest.raises(PlanError, match=r"OME-Zarr 0\.3, which can't be edited"):
        downsample(old)
    with pytest.raises(NgffError):
        downsample(tmp_path / "nothing.zarr")


def test_two_writers_and_lost_objects(tmp_path):
    path = made(tmp_path / "a.zarr")
    with locked(open_target(path)), pytest.raises(BusyError, match="is being written"):
        write_region(path, pixels((1, 1, 1, 1)), at=dict.fromkeys("czyx", 0))
    next(p for p in Path(path, "0/c/0").rglob("*") if p.is_file()).unlink()
    with pytest.raises(ChunkError, match="was lost"):
        write_region(path, pixels(SHAPE)[:, 1:2], at={"z": 1})


# --- faults -------------------------------------------------------------------------------------

EDITS = {
    "region": lambda p: write_region(p, pixels((2, 6, 20, 20), 1), at={"z": 3, "y": 5, "x": 7}),
    "append": lambda p: append(p, pixels(SHAPE[1:], 2), "c", channels=["new"]),
    "labels": lambda p: add_labels(p, pixels(SHAPE[1:], 3), "ids"),
    "mags": lambda p: downsample(p, mags=[1, 2, 4, 8]),
}

#: Beside these, with what must be there before.
KILLED = {**EDITS, "removal": lambda p: remove_labels(p, ["ids", "more"])}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_every_call_may_fail_and_the_same_edit_resumes(tmp_path, name, version):
    path = made(tmp_path / "a.zarr", version, 32, chunks=16, mags=[1, 2])
    twin = made(tmp_path / "b.zarr", version, 32, chunks=16, mags=[1, 2])
    before = levels(path)
    with failing(0) as seen:
        EDITS[name](twin)
    # the very last calls tidy up, and may fail
    for k in range(1, seen.count * 4 // 5, max(1, seen.count // 4)):
        copied = str(tmp_path / f"{k}.zarr")
        for end in ("", ".journal"):
            shutil.copytree(path + end, copied + end)
        with failing(k, lasting=True), pytest.raises(NgffError):
            EDITS[name](copied)
        if COMMITTED not in journal_tasks(copied) and name != "region":
            for mag, found in levels(copied).items():
                np.testing.assert_array_equal(found, before[mag])
        EDITS[name](copied)
        same(copied, twin)
        sound(copied)


COMMITTED = "commit"


def journal_tasks(path: Any) -> list[str]:
    return list(read_journal(open_target(path)).records)


@pytest.mark.parametrize("last", [1, 2, 3, 4, 5, 6])
def test_an_append_that_dies_while_documents_are_replaced(tmp_path, last):
    path, twin = made(tmp_path / "a.zarr"), made(tmp_path / "b.zarr")
    EDITS["append"](twin)
    third = made(tmp_path / "c.zarr")
    with failing(0, names=("replace",)) as seen:
        EDITS["append"](third)
    with (
        failing(seen.count - last + 1, names=("replace",), lasting=True),
        pytest.raises(WriteError),
    ):
        EDITS["append"](path)
    if COMMITTED in journal_tasks(path):
        with pytest.raises(PlanError, match="unfinished edit is there"):
            append(path, pixels(SHAPE[1:], 9), "c", resume=False)
    EDITS["append"](path)
    same(path, twin)
    sound(path)


def test_an_edit_that_was_given_up(tmp_path):
    path = made(tmp_path / "a.zarr")
    # after the first array of the labels, before their documents
    with failing(3, names=("replace",), lasting=True), pytest.raises(NgffError):
        EDITS["labels"](path)
    assert COMMITTED not in journal_tasks(path)
    with pytest.raises(PlanError, match="resume=False gives it up"):
        EDITS["append"](path)
    append(path, pixels(SHAPE[1:], 2), "c", channels=["new"], resume=False)
    EDITS["labels"](path)
    sound(path)


_KILLED = """
import sys
sys.path[:0] = [{tests!r}]
import test_editing
from faults import killing
with killing({k}, names=("replace", "pwrite")):
    test_editing.KILLED[{name!r}]({path!r})
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize(("name", "k"), [("region", 9), ("append", 15), ("mags", 6)])
def test_killed_and_resumed(tmp_path, name, k):
    path, twin = made(tmp_path / "a.zarr"), made(tmp_path / "b.zarr")
    EDITS[name](twin)
    code = _KILLED.format(tests=str(Path(__file__).parent), k=k, name=name, path=path)
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    EDITS[name](path)
    same(path, twin)
    sound(path)


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL")
@pytest.mark.parametrize("k", [4, 9, 14])
def test_a_removal_that_is_killed_resumes(tmp_path, k):
    path, twin = labelled(tmp_path / "a.zarr"), labelled(tmp_path / "b.zarr")
    truth = {name: levels(path, f"labels/{name}") for name in ("ids", "more")}
    KILLED["removal"](twin)
    code = _KILLED.format(tests=str(Path(__file__).parent), k=k, name="removal", path=path)
    code = code.replace('"pwrite"', '"pwrite", "unlink"')
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    whole_or_gone(path, truth)
    KILLED["removal"](path)
    assert files_of(path) == files_of(twin)
    sound(path)


def test_the_accessor(tmp_path):
    path = made(tmp_path / "a.zarr", channels=["a", "b"])
    ds = nk.open_dataset(path)
    ds.ngff.add_labels("ids", pixels(SHAPE[1:], 3, "u4"))
    ds.ngff.append(pixels(SHAPE[1:], 2), "c", channels=["new"])
    ds.ngff.downsample(mags=[1, 2, 4, 8])
    now = nk.open_dataset(path)
    now.ngff.write_region(now["image"].isel(z=slice(2, 4)).load() * np.uint16(0))
    found = nk.open(path)
    assert found["1"].c.values.tolist() == ["a", "b", "new"]
    assert not found["1"].image.values[:, 2:4].any()
    assert "8" in found.children
    result = found.ngff.write(tmp_path / "copy.zarr")
    assert sorted(nk.open_dataset(result.url).ngff.labels) == ["ids"]
    found.ngff.remove_labels("ids")
    assert not nk.open_dataset(path).ngff.labels
    da = found["1"].to_dataset()["image"].isel(c=0)
    da.ngff.write(tmp_path / "one.zarr")
    xr.testing.assert_equal(
        nk.open_dataset(tmp_path / "one.zarr")["image"].load().drop_vars("c", errors="ignore"),
        da.load().drop_vars("c"),
    )


def test_objects_in_memory(tmp_path):
    pytest.importorskip("fsspec")
    url = "memory://edited/a.zarr"
    made(url)  # type: ignore[arg-type]
    for edit in EDITS.values():
        edit(url)
    twin = made(tmp_path / "a.zarr")
    for edit in EDITS.values():
        edit(twin)
    for mag, found in levels(twin).items():
        np.testing.assert_array_equal(levels(url)[mag], found)
    remove_labels(url, "ids")
    assert not nk.open_dataset(url).ngff.labels
    assert list(open_target(url).keys("labels")) == []
    assert verify(url).ok


def test_documents_that_are_no_json(tmp_path):
    path = Path(made(tmp_path / "a.zarr"))
    add_labels(path, np.zeros(SHAPE[1:], "u1"), "a")
    (path / "labels/zarr.json").write_text("[1]")
    with pytest.raises(MetadataError, match=r"labels/zarr\.json"):
        add_labels(path, np.zeros(SHAPE[1:], "u1"), "b")
