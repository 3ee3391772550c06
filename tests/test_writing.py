"""Plan, convert and write: what comes out is what was asked for, to the pixel and to the byte."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import ngffkit as nk
from ngffkit.execute.cutting import fit
from ngffkit.planning.options import Options, nbytes_of
from ngffkit.reduce import reduce
from ngffkit.sources.contract import SourceInfo, make_grid
from ngffkit.spec.encode import WRITABLE, zarr_format

RNG = np.random.default_rng(7)
HOW = {"voxel_size": (4.0, 4.0, 10.0), "unit": "nm"}


def tree_of(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def volume(shape=(2, 37, 70, 131), dtype="u2") -> np.ndarray:
    return (RNG.random(shape) * 250).astype(dtype)


@pytest.mark.parametrize("version", WRITABLE)
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((70, 131), "yx"),
        ((37, 70, 131), "zyx"),
        ((2, 37, 70, 131), "czyx"),
        ((3, 2, 5, 40, 51), "tczyx"),
    ],
)
def test_every_mag_is_what_its_parent_makes(tmp_path, version, shape, axes):
    data = volume(shape)
    result = nk.convert(data, tmp_path / "a.zarr", axes=axes, version=version, chunks=32, **HOW)
    dt = nk.open(result.url)
    image = dt.ngff.image
    assert image.version == version
    expected = data
    for i, mag in enumerate(image.mags):
        found = dt[mag]["image"]
        if i:
            grid, parent = image.levels[i].grid, image.levels[i - 1].grid
            factors = {d: round(f) for d, f in grid.factors(parent).items()}
            assert parent.coarsen(factors) == grid
            expected = reduce(expected, tuple(factors.values()), "mean")
        assert found.dims == tuple(axes)
        np.testing.assert_array_equal(found.values, expected)
        # and another reader finds the same
        opened = zarr.open_array(Path(result.url, image.levels[i].path), mode="r")
        np.testing.assert_array_equal(opened[...], expected)
    assert nk.validate(result.url).valid
    assert not [p for p in nk.validate(result.url) if p.severity != "advice"]


@pytest.mark.parametrize(
    "dtype", ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", ">u2", ">f4"]
)
@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_every_type(tmp_path, version, dtype):
    data = volume((9, 20, 33), dtype)
    result = nk.convert(data, tmp_path / "a.zarr", version=version, **HOW)
    found = nk.open_dataset(result.url)["image"]
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found.values, data)


@pytest.mark.parametrize(
    "options", [{"shards": None}, {"shards": 64}, {"shards": "auto"}, {"version": "0.4"}]
)
def test_the_plan_says_exactly_how_many_files(tmp_path, options):
    data = volume((40, 100, 130))
    data[:, :64] = 0  # some chunks are empty, and still there
    plan = nk.plan(data, tmp_path / "a.zarr", chunks=32, **HOW, **options)
    assert not list(tmp_path.iterdir()), "a plan writes nothing"
    plan.run()
    names = {".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json"}
    files = [p for p in (tmp_path / "a.zarr").rglob("*") if p.is_file() and p.name not in names]
    assert len(files) == plan.files
    assert plan.files == sum(layout.objects for layout in plan.layouts.values())
    assert nk.open_dataset(tmp_path / "a.zarr")["image"].values.tolist() == data.tolist()


def test_shards_hold_nothing_for_empty_chunks(tmp_path):
    data = np.zeros((64, 64, 64), "u2")
    nk.convert(data, tmp_path / "a.zarr", chunks=16, shards=64, mags=["1"], **HOW)
    shard = tmp_path / "a.zarr" / "0" / "c" / "0" / "0" / "0"
    assert shard.stat().st_size == 64 * 16 + 4  # the index alone
    assert json.loads((tmp_path / "a.zarr/0/zarr.json").read_text())["attributes"] == {
        "ngffkit_complete": True
    }
    assert not nk.open_dataset(tmp_path / "a.zarr")["image"].values.any()


def test_bytes_do_not_depend_on_memory_or_threads(tmp_path):
    data = volume((70, 150, 260), "u1")
    np.save(tmp_path / "a.npy", data)
    trees, slabs = [], set()
    for i, (limit, workers) in enumerate([(None, 3), (None, 1), (700_000, 2), (100_000, 1)]):
        options = {"chunks": 32, "shards": 128, "workers": workers, **HOW}
        plan = nk.plan(tmp_path / "a.npy", tmp_path / f"{i}.zarr", **options)
        if limit is not None:
            plan = squeezed(plan, limit)
        slabs.add(plan.images[0].job.levels[0].cut.slab)
        plan.run()
        trees.append(tree_of(tmp_path / f"{i}.zarr"))
    assert trees[0] == trees[1] == trees[2] == trees[3]
    assert len(slabs) == 3


def squeezed(plan: nk.Plan, limit: int) -> nk.Plan:
    """Return the same plan with slabs of `limit` bytes at most."""
    item = plan.images[0]
    first = item.job.levels[0]
    found = fit(first.cut, limit)
    assert found is not None
    job = replace(item.job, levels=(replace(first, cut=found), *item.job.levels[1:]), buffers=1)
    return replace(plan, images=(replace(item, job=job),))


def test_planes_too_wide_for_memory_are_staged(tmp_path):
    """A source of whole planes only, cut to slabs of a few rows: a scratch file is in between."""

    class Planes:
        def __init__(self, data):
            self.data, self.planes = data, 0
            grid = make_grid(dict(zip("zyx", data.shape, strict=True)))
            self.info = SourceInfo(grid, data.dtype, "planes", block=(1, *data.shape[1:]))

        def read(self, box):
            self.planes += box[0].stop - box[0].start
            return self.data[box]

    source = Planes(volume((50, 150, 260), "u1"))
    options = {"chunks": 32, "shards": 64, "mags": ["1"]}
    plan = nk.plan(source, tmp_path / "a.zarr", **options)
    narrow = squeezed(plan, 32 * 64 * 260)
    assert narrow.images[0].job.levels[0].cut.staged
    source.planes = 0
    narrow.run()
    assert source.planes == 50, "each plane is decoded once"
    nk.convert(source, tmp_path / "b.zarr", **options)
    assert tree_of(tmp_path / "a.zarr") == tree_of(tmp_path / "b.zarr")
    np.testing.assert_array_equal(nk.open_dataset(tmp_path / "a.zarr")["image"], source.data)


def test_a_single_file(tmp_path):
    data = volume()
    result = nk.convert(data, tmp_path / "a.ozx", channels=["a", "b"], **HOW)
    assert result.files == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.ozx"], "nothing is left beside it"
    ds = nk.open_dataset(tmp_path / "a.ozx")
    np.testing.assert_array_equal(ds["image"].values, data)
    assert list(ds["c"].values) == ["a", "b"]
    with pytest.raises(nk.PlanError, match="exists"):
        nk.convert(data, tmp_path / "a.ozx", **HOW)
    with pytest.raises(nk.PlanError, match="version: single files hold Zarr v3"):
        nk.plan(data, tmp_path / "b.ozx", version="0.4", **HOW)


def test_what_is_there_stays_unless_told_otherwise(tmp_path):
    first, second = volume((8, 30, 30)), volume((9, 31, 32))
    nk.convert(first, tmp_path / "a.zarr", **HOW)
    before = tree_of(tmp_path / "a.zarr")
    plan = nk.plan(second, tmp_path / "a.zarr", **HOW)
    assert not plan.ok
    assert [p.loc for p in plan.problems if p.severity == "error"] == ["target"]
    with pytest.raises(nk.PlanError, match="overwrite=True"):
        plan.run()
    assert tree_of(tmp_path / "a.zarr") == before
    nk.convert(second, tmp_path / "a.zarr", overwrite=True, **HOW)
    np.testing.assert_array_equal(nk.open_dataset(tmp_path / "a.zarr")["image"].values, second)
    nk.convert(second, tmp_path / "b.zarr", **HOW)
    assert tree_of(tmp_path / "a.zarr").keys() == tree_of(tmp_path / "b.zarr").keys()


def test_a_dataset_comes_back_with_its_coordinates(tmp_path):
    path = nk.sample(tmp_path / "cells.ome.zarr")
    ds = nk.open_dataset(path, mag="2-2-1").isel(z=slice(4, 20), y=slice(10, 99), x=slice(3, 120))
    result = nk.write(ds, tmp_path / "crop.zarr")
    back = nk.open_dataset(result.url)
    np.testing.assert_array_equal(back["image"].values, ds["image"].values)
    for name in "zyx":
        np.testing.assert_array_equal(back[name].values, ds[name].values)
        assert back[name].attrs["units"] == ds[name].attrs["units"]
    assert list(back["c"].values) == ["nuclei", "membranes"]
    assert back.ngff.channels == ds.ngff.channels


def test_copy_takes_labels_along_and_changes_the_version(tmp_path):
    path = nk.sample(tmp_path / "cells.ome.zarr")
    dt, new = nk.open(path), None
    for version in WRITABLE:
        new = nk.open(nk.copy(path, tmp_path / f"{version}.zarr", version=version).url)
        assert new.ngff.version == version
        np.testing.assert_array_equal(new["1"]["image"].values, dt["1"]["image"].values)
        labels = "labels/nuclei/1"
        np.testing.assert_array_equal(new[labels]["labels"].values, dt[labels]["labels"].values)
        made, was = new["labels/nuclei"].ngff.image, dt["labels/nuclei"].ngff.image
        assert made.label.colors == was.label.colors
        assert made.kind == "label"
        assert zarr_format(version) == (2 if version == "0.4" else 3)
        assert nk.validate(tmp_path / f"{version}.zarr").valid


def test_labels_get_no_new_ids(tmp_path):
    ids = RNG.choice(np.array([0, 3, 2**31 + 5], "u4"), (20, 60, 60))
    result = nk.convert(ids, tmp_path / "a.zarr", kind="label", mags=[1, 2, 4], **HOW)
    dt = nk.open(result.url)
    for mag in ("1", "2", "4"):
        assert set(np.unique(dt[mag]["labels"].values)) <= {0, 3, 2**31 + 5}
    assert [number for number, _ in dt.ngff.image.label.colors] == [3, 2**31 + 5]
    with pytest.raises(nk.PlanError, match=r"method"):
        nk.plan(ids, tmp_path / "b.zarr", kind="label", method="mean", **HOW)


def test_windows_come_from_the_data(tmp_path):
    data = np.full((2, 8, 64, 64), 100, "u2")
    data[0, :, :32] = 900
    result = nk.convert(data, tmp_path / "a.zarr", channels=["dim", "flat"], **HOW)
    first, second = nk.open(result.url).ngff.image.channels
    assert (first.window.start, first.window.end) == (100, 900)
    assert (first.window.min, first.window.max) == (0, 65535)
    assert second.window.start < second.window.end
    assert first.color != second.color


def test_dask_and_lazy_arrays_are_written_piece_by_piece(tmp_path):
    import dask.array as da

    data = volume((30, 80, 90), "f4")
    lazy = xr.DataArray(
        da.from_array(data, chunks=(7, 33, 90)),
        dims=("z", "y", "x"),
        coords={"z": np.arange(30) * 2.5 + 7, "y": np.arange(80) * 0.5, "x": np.arange(90) * 0.5},
    )
    result = lazy.ngff.write(tmp_path / "a.zarr", method="median")
    back = nk.open_dataset(result.url)["image"]
    np.testing.assert_array_equal(back.values, data)
    np.testing.assert_allclose(back.z.values, lazy.z.values, rtol=1e-15)


@pytest.mark.parametrize(
    ("options", "loc", "says"),
    [
        ({"chunkz": 3}, "chunkz", "did you mean chunks"),
        ({"chunks": 0}, "chunks", "does not fit"),
        ({"chunks": {"w": 3}}, "chunks", "does not fit the axes z, y, x"),
        ({"chunks": 32, "shards": 33}, "shards", "no multiple of the chunk's 32"),
        ({"version": "0.4", "shards": 64}, "shards", "Zarr v2 has none"),
        ({"compression": "blosc"}, "compression", "choose 'zstd'"),
        ({"compression": "zstd:99"}, "compression", "choose 1 to 22"),
        ({"memory": "much"}, "memory", "is no size"),
        ({"mags": ["2", "4"]}, "mags", "first"),
        ({"voxel_size": (1, 2)}, "voxel_size", ""),
        ({"sampling": "cubic"}, "sampling", "cubic"),
        ({"method": "cubic"}, "method", "cubic"),
        ({"version": "0.9"}, "version", "0.9"),
        ({"executor": "cloud"}, "executor", "cloud"),
        ({"on_error": "ignore"}, "on_error", "ignore"),
        ({"workers": 0}, "workers", "0"),
    ],
)
def test_options_that_make_no_sense_are_named(tmp_path, options, loc, says):
    with pytest.raises(nk.PlanError) as caught:
        nk.plan(np.zeros((40, 40, 40), "u1"), tmp_path / "a.zarr", **options).check()
    assert loc in [p.loc for p in caught.value.problems if p.severity == "error"]
    assert says in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_refused_with_what_would_do(tmp_path):
    data = np.zeros((70, 300, 300), "u2")
    plan = nk.plan(data, tmp_path / "a.zarr", memory="1 MB", **HOW)
    problem = next(p for p in plan.problems if p.loc == "memory")
    assert problem.severity == "error"
    enough = problem.remedy.split("'")[1]
    again = nk.plan(data, tmp_path / "a.zarr", memory=enough, **HOW)
    assert again.ok, again.problems
    assert again.peak_memory <= nbytes_of(enough, "memory")


def test_a_signature_shows_all_options():
    import inspect

    names = set(inspect.signature(nk.convert).parameters)
    assert {"source", "target", "progress", "voxel_size", "chunks", "memory"} <= names
    assert Options.of({"chunks": 16}).write.chunks == 16


def test_progress_is_told_and_may_stop_the_work(tmp_path):
    data, seen = volume((64, 128, 128)), []

    class StopError(Exception):
        pass

    def watch(progress):
        seen.append(progress)
        if progress.tasks_done == 1:
            raise StopError

    options = {"chunks": 32, "shards": 32, **HOW}
    np.save(tmp_path / "a.npy", data)
    with pytest.raises(StopError):
        nk.convert(tmp_path / "a.npy", tmp_path / "a.zarr", progress=watch, **options)
    with pytest.raises(nk.NgffError):
        nk.open_dataset(tmp_path / "a.zarr")
    resumed = []
    nk.convert(tmp_path / "a.npy", tmp_path / "a.zarr", progress=resumed.append, **options)
    assert resumed[0].resumed > 0
    assert resumed[-1].done == resumed[-1].total
    assert [p.done for p in resumed] == sorted(p.done for p in resumed)
    nk.convert(tmp_path / "a.npy", tmp_path / "b.zarr", **options)
    assert tree_of(tmp_path / "a.zarr") == tree_of(tmp_path / "b.zarr")


def test_sizes_as_people_write_them():
    assert nbytes_of("1 GiB", "memory") == 2**30
    assert nbytes_of("1.5 kB", "memory") == 1500
    assert nbytes_of(123.0, "memory") == 123


def test_a_source_is_not_removed_to_make_room_for_what_is_made_of_it(tmp_path):
    source = tmp_path / "c.zarr" / "em"
    nk.convert(volume((8, 64, 64)), source, **HOW)
    before = tree_of(source)
    (tmp_path / "link").symlink_to(tmp_path / "c.zarr")
    cases = [
        (source, tmp_path / "c.zarr"),
        (source, tmp_path / "link"),
        (source, f"{source}/"),
        (nk.open(source), tmp_path / "c.zarr"),
        ([source / "0"], source),
    ]
    for given, target in cases:
        with pytest.raises(nk.NgffError):
            nk.convert(given, target, overwrite=True)
        assert tree_of(source) == before, (given, target)
    nk.convert(source, source / "copy.zarr")  # what lies in it is another thing
    nk.convert(source, source / "copy.zarr", overwrite=True)


def test_an_axis_of_its_own_kind_is_written_as_the_specification_wants_it(tmp_path):
    angles = xr.DataArray(np.zeros((3, 4, 16, 16), "u1"), dims=["angle", "z", "y", "x"])
    target = str(tmp_path / "a.zarr")
    plan = nk.plan(angles, target, voxel_size=(1, 1, 1), unit="um")
    assert not [p for p in plan.problems if p.severity in ("schema", "meaning")]
    plan.run()
    assert nk.validate(target).valid
    assert nk.open_dataset(target)["image"].dims == ("angle", "z", "y", "x")


def test_more_axes_than_the_specification_allows_are_written_and_said_before(tmp_path):
    many = xr.DataArray(np.ones((2, 2, 2, 4, 8, 8), "u1"), dims=["angle", *"tczyx"])
    target = str(tmp_path / "a.zarr")
    plan = nk.plan(many, target, voxel_size=(1, 1, 1), unit="um", mags=["1"])
    said = [str(p) for p in plan.problems if p.severity == "schema"]
    assert plan.ok
    assert "6 items, at most 5 are allowed" in said[0]
    plan.run()
    assert not nk.validate(target).valid
    np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, many.values)


@pytest.mark.parametrize("kind", ["folder", "file", "empty", "zarr", "bare array", "begun"])
def test_overwriting_removes_only_what_is_a_zarr(tmp_path, kind):
    target, data = tmp_path / "a.zarr", np.ones((4, 16, 16), "u1")
    options = {"voxel_size": (1, 1, 1), "overwrite": True}
    if kind == "folder":
        (target / "holiday").mkdir(parents=True)
        (target / "holiday" / "beach.jpg").write_bytes(b"sand")
    elif kind == "file":
        target.write_bytes(b"thesis")
    elif kind == "empty":
        target.mkdir()
    elif kind == "zarr":
        nk.write(data * 2, target, voxel_size=(1, 1, 1))
    elif kind == "bare array":
        zarr.save_array(target, data * 3)
    elif kind == "begun":
        with pytest.raises(ZeroDivisionError):
            nk.write(data * 2, target, voxel_size=(1, 1, 1), progress=lambda _: 1 / 0)
    before = sorted(target.rglob("*"))
    plan = nk.plan(data, target, **options)
    if kind in ("folder", "file"):
        assert [p.loc for p in plan.problems if p.severity == "error"] == ["target"]
        with pytest.raises(nk.PlanError, match="is no Zarr; it is not removed"):
            plan.run()
        assert sorted(target.rglob("*")) == before
        assert target.exists()
    else:
        plan.run()
        np.testing.assert_array_equal(nk.open_dataset(target)["image"].values, data)
