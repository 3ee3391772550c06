"""What is computed when it is asked for: right pixels, each once, bounded, and no other keys."""

from __future__ import annotations

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dask.array
import makers
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from test_webknossos import Layer
from test_webknossos import write as write_webknossos

import ngffkit as nk
from ngffkit.errors import NgffError, NgffWarning
from ngffkit.reduce import reduce
from ngffkit.serving import contents
from ngffkit.serving.contents import content_of
from ngffkit.serving.givens import cutout_of
from ngffkit.serving.jupyter import public_address
from ngffkit.serving.keeping import Kept
from ngffkit.serving.links import links_of, neuroglancer_state, notes_of
from ngffkit.serving.virtual import VirtualContent

RANDOM = np.random.default_rng(7)


def live(x: Any, **options: Any) -> VirtualContent:
    made = content_of(x, **options)
    assert isinstance(made, VirtualContent)
    return made


def keys(content: VirtualContent) -> list[str]:
    """All keys there are, from the documents alone, as a reader would work them out."""
    out = []
    for key in content._documents:
        out.append(key)
        document = json.loads(content.read(key, 0, 10**9))
        if document.get("node_type") == "array":
            shape, chunk = (
                document["shape"],
                document["chunk_grid"]["configuration"]["chunk_shape"],
            )
            grid = [range(-(-n // c)) for n, c in zip(shape, chunk, strict=True)]
            head = key.removesuffix("zarr.json")
            out += [f"{head}c/{'/'.join(map(str, at))}" for at in itertools.product(*grid)]
        elif key.endswith(".zarray"):
            grid = [
                range(-(-n // c))
                for n, c in zip(*map(document.get, ("shape", "chunks")), strict=True)
            ]
            head = key.removesuffix(".zarray")
            out += [head + "/".join(map(str, at)) for at in itertools.product(*grid)]
    return out


def saved(content: VirtualContent, folder: Path) -> Path:
    """Write everything that is served into a folder."""
    for key in keys(content):
        assert content.knows(key)
        head = content.head(key)
        assert head is not None
        data = bytes(content.read(key, 0, head.size))
        assert len(data) == head.size
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def image_of(folder: Path) -> xr.DataTree:
    return nk.open(folder)


def volume(shape: tuple[int, ...] = (40, 50, 60), dtype: str = "u2") -> np.ndarray:
    return RANDOM.integers(0, 250, shape).astype(dtype)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an image that nobody changes."""
    return Path(nk.sample(tmp_path_factory.mktemp("sample") / "cells.ome.zarr"))


# --- pixels --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", ">u2"]
)
def test_pixels_of_every_type_are_served_as_they_are(dtype: str, tmp_path: Path):
    data = volume(dtype=dtype)
    dt = image_of(saved(live(data, chunks=32), tmp_path / "it.zarr"))
    served = dt["1"].image
    assert served.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(served.values, data)


@pytest.mark.parametrize(("dtype", "sent"), [("bool", "u1"), ("f2", "f4")])
def test_types_that_viewers_do_not_know_are_sent_in_others(dtype: str, sent: str, tmp_path: Path):
    data = volume().astype(dtype)
    served = image_of(saved(live(data), tmp_path / "it.zarr"))["1"].image
    assert served.dtype == np.dtype(sent)
    np.testing.assert_array_equal(served.values, data.astype(sent))


def test_a_type_may_be_asked_for(tmp_path: Path):
    content = live(volume(dtype="f8"), dtype="float32")
    assert image_of(saved(content, tmp_path / "it.zarr"))["1"].image.dtype == np.float32
    assert "neuroglancer" in links_of("http://127.0.0.1:1/a", content)
    with pytest.raises(NgffError, match="can't be served"):
        live(volume(), dtype="complex64")


@pytest.mark.parametrize("method", ["mean", "median", "mode", "nearest", "gaussian", "min", "max"])
def test_coarser_levels_are_those_of_the_whole_array(method: str, tmp_path: Path):
    data = volume((41, 150, 203))
    dt = image_of(saved(live(data, method=method, chunks=32, mags=[1, 2, 4]), tmp_path / "a.zarr"))
    expected = data
    for mag in ("2", "4"):
        expected = reduce(expected, (2, 2, 2), method)
        np.testing.assert_array_equal(dt[mag].image.values, expected)


@settings(max_examples=15, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 40)] * 3),
    blocks=st.tuples(*[st.integers(1, 4)] * 3),
    parts=st.tuples(*[st.integers(1, 4)] * 3),
)
def test_dask_blocks_of_any_size_are_cut_into_chunks_of_any_size(shape, blocks, parts):
    # some per axis: of single pixels there would be thousands
    cuts, chunk = (
        [-(-n // k) for n, k in zip(shape, many, strict=True)] for many in (blocks, parts)
    )
    data = np.arange(np.prod(shape), dtype="u4").reshape(shape)
    array = xr.DataArray(dask.array.from_array(data, cuts) * 3, dims=list("zyx"))
    content = live(array, chunks=chunk, mags=[1])
    out = np.empty(shape, "u4")
    level = content._images[""].levels[0]
    size = level.spec.layout.chunks
    for at in itertools.product(*[range(-(-n // c)) for n, c in zip(shape, size, strict=True)]):
        pixels = content._computed("", 0, at, None)
        out[level.box(at)] = pixels
    np.testing.assert_array_equal(out, data * 3)


def test_uneven_blocks_in_another_order_of_axes(tmp_path: Path):
    data = volume((30, 20, 3, 50))
    lazy = dask.array.from_array(data, chunks=((7, 13, 10), (20,), (1, 2), (11, 39)))
    da = xr.DataArray(lazy, dims=["y", "z", "c", "x"], coords={"c": ["a", "b", "d"]})
    made = image_of(saved(live(da), tmp_path / "it.zarr"))["1"].image
    assert made.dims == ("c", "z", "y", "x")
    assert list(made.c.values) == ["a", "b", "d"]
    np.testing.assert_array_equal(made.values, data.transpose(2, 1, 0, 3))


def test_what_was_computed_of_an_image_keeps_its_place_and_names(sample: Path, tmp_path: Path):
    ds = nk.open_dataset(sample, chunks={})
    made = (ds.image.where(ds.image > 300) * 2).isel(y=slice(16, 200), x=slice(100, None))
    dt = image_of(saved(live(made), tmp_path / "it.zarr"))
    xr.testing.assert_equal(dt["1"].image.drop_attrs(), made.compute().drop_attrs())
    assert dt["1"].z.units == "micrometer"
    assert dt.ngff.validate().valid
    labels = dt["labels/nuclei/1"].labels
    own = nk.open_dataset(sample, image="labels/nuclei").labels
    xr.testing.assert_equal(labels.drop_attrs(), own.sel(y=labels.y, x=labels.x).drop_attrs())


def test_windows_go_with_the_pixels_that_were_computed(sample: Path):
    ds = nk.open_dataset(sample, chunks={})
    kept = live(ds.image.isel(z=slice(0, 8)) + np.uint16(1)).image.channels
    assert [channel.window.start for channel in kept] == [100.0, 100.0]
    scaled = live(ds.image / 65535).image.channels
    assert all(0 <= channel.window.end <= 1 for channel in scaled)
    assert [channel.color for channel in scaled] == ["2FA8FF", "FF8A2F"]


# --- which levels --------------------------------------------------------------------------------


def test_a_cutout_is_shown_at_the_mags_of_its_image(sample: Path, tmp_path: Path):
    ds = nk.open_dataset(sample)
    cut = ds.isel(y=slice(10, 200), x=slice(3, 99))
    content = live(cut)
    assert all(level.given is not None for level in content._images[""].levels)
    dt = image_of(saved(content, tmp_path / "it.zarr"))
    assert set(dt.children) == {"1", "2-2-1", "4-4-1", "labels"}
    for mag in ("1", "2-2-1", "4-4-1"):
        whole = cut.ngff.at(mag).image
        served = dt[mag].image
        np.testing.assert_array_equal(served.values, whole.values)
        np.testing.assert_allclose(served.x.values, whole.x.values)


def test_one_channel_of_an_image_is_shown_at_its_mags(sample: Path):
    content = live(nk.open_dataset(sample).isel(c=1))
    assert [level.grid.dims for level in content.image.levels] == [("z", "y", "x")] * 3
    assert content.image.channels[0].label == "membranes"


@pytest.mark.parametrize(
    "change",
    [
        lambda da: da.isel(x=slice(None, None, 2)),
        lambda da: da.isel(x=[1, 2, 3]),
        lambda da: da.transpose("c", "z", "x", "y"),
        lambda da: da.assign_coords(x=da.x + 1),
        lambda da: da + 1,
        lambda da: da.load(),
        lambda da: da.chunk(),
        lambda da: da.drop_vars("x"),
    ],
)
def test_what_is_no_plain_cutout_is_not_taken_for_one(change, sample: Path):
    da = nk.open_dataset(sample).image
    assert cutout_of(da) is not None
    assert cutout_of(change(da)) is None


def test_a_tree_that_was_computed_has_each_mag_computed_of_itself(sample: Path, tmp_path: Path):
    dt = nk.open(sample, chunks={}, labels=False)
    double = dt.map_over_datasets(lambda ds: ds * 2 if ds.data_vars else ds)
    content = live(double)
    before = content._pixels.made
    assert content.head("2/c/0/0/0/0") is not None
    assert content._pixels.made - before <= 1  # of its own mag, none of the finer ones
    served = image_of(saved(content, tmp_path / "it.zarr"))
    for mag in ("1", "2-2-1", "4-4-1"):
        np.testing.assert_array_equal(served[mag].image.values, 2 * dt[mag].image.values)


def test_a_tree_made_by_hand_is_a_pyramid_whatever_its_nodes_are_called(tmp_path: Path):
    fine, coarse = volume((8, 32, 32)), volume((8, 16, 16))

    def one(data: np.ndarray, step: float) -> xr.Dataset:
        axis = np.arange(data.shape[1]) * step + (step - 1) / 2
        return xr.Dataset({"image": (("z", "y", "x"), data)}, {"y": axis, "x": axis})

    tree = xr.DataTree.from_dict({"/low": one(coarse, 2), "/high": one(fine, 1)})
    served = image_of(saved(live(tree), tmp_path / "it.zarr"))
    np.testing.assert_array_equal(served["1"].image.values, fine)
    np.testing.assert_array_equal(served["2-2-1"].image.values, coarse)
    np.testing.assert_array_equal(served["2-2-1"].x.values, np.arange(16) * 2 + 0.5)
    same = xr.DataTree.from_dict({"/a": one(coarse, 1), "/b": one(fine, 1)})
    with pytest.raises(NgffError, match="no pyramid"):
        live(same)


def test_levels_end_where_a_chunk_would_need_too_many_pixels():
    array = xr.DataArray(
        dask.array.zeros((512, 2048, 2048), chunks=64, dtype="u1"), dims=list("zyx")
    )
    shapes = [level.grid.shape for level in live(array).image.levels]
    assert shapes == [(512, 2048, 2048), (256, 1024, 1024), (128, 512, 512), (64, 256, 256)]
    few = live(array, work=128**3)
    assert len(few.image.levels) == 2
    touched = few._pixels.made
    few.head("1/c/0/0/0")
    assert few._pixels.made - touched <= 16  # 8 chunks and their 8 blocks, of 8192


def test_mags_may_be_asked_for():
    made = live(volume((64, 64, 64)), mags=["1", "2-2-1"])
    assert made.image.mags == ("1", "2-2-1")
    assert len(live(volume(), mags=["1"]).image.levels) == 1
    with pytest.raises(NgffError, match="multiple of the one before"):
        live(volume((64, 64, 64)), mags=[1, 2, 3])


# --- labels --------------------------------------------------------------------------------------


def test_labels_are_served_beside_the_image(tmp_path: Path):
    data, ids = volume((20, 150, 160)), volume((20, 150, 160), "i8")
    image = xr.DataArray(data, dims=list("zyx"), coords={"x": np.arange(160.0) + 3})
    content = live(image, labels={"my nuclei!": ids, "mask": ids > 100})
    dt = image_of(saved(content, tmp_path / "it.zarr"))
    served = dt["labels/my-nuclei-/1"].labels
    assert served.dtype == np.uint64
    np.testing.assert_array_equal(served.values, ids)
    np.testing.assert_array_equal(served.x.values, image.x.values)
    np.testing.assert_array_equal(dt["labels/mask/1"].labels.values, ids > 100)
    coarse = dt["labels/my-nuclei-/2"].labels.values
    np.testing.assert_array_equal(coarse, reduce(ids.astype("u8"), (2, 2, 2), "mode"))
    assert dt.ngff.validate().valid


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(NgffError, match="have the shape"):
        live(volume(), labels=np.zeros((3, 3, 3), "u1"))
    with pytest.raises(NgffError, match="whole numbers"):
        live(volume(), labels=np.zeros((40, 50, 60), "f4"))
    negative = live(volume(), labels=np.full((40, 50, 60), -1, "i8"))
    with pytest.raises(NgffError, match="a label is -1"):
        negative.head("labels/labels/0/c/0/0/0")


def test_labels_may_be_left_out(sample: Path):
    cut = nk.open_dataset(sample).isel(x=slice(0, 50))
    assert list(live(cut).labels) == ["labels/nuclei"]
    assert not live(cut, labels=False).labels
    assert not any(key.startswith("labels") for key in keys(live(cut, labels=False)))


def test_a_variable_of_labels_beside_the_image_is_served(tmp_path: Path):
    data = volume((8, 32, 32))
    ds = xr.Dataset({"image": (("z", "y", "x"), data), "labels": (("z", "y", "x"), data // 9)})
    dt = image_of(saved(live(ds), tmp_path / "it.zarr"))
    np.testing.assert_array_equal(dt["labels/labels/1"].labels.values, data // 9)


# --- what lies in stores -------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_versions_that_viewers_know_may_be_asked_for(version: str, tmp_path: Path):
    data = volume((20, 130, 140))
    content = live(data, version=version, labels=data // 50)
    served = image_of(saved(content, tmp_path / "it.zarr"))
    assert served.attrs["ngff_version"] == version
    np.testing.assert_array_equal(served["1"].image.values, data)
    np.testing.assert_array_equal(served["labels/labels/1"].labels.values, data // 50)
    assert ("avivator" in links_of("http://127.0.0.1:1/a", content)) == (version == "0.4")


def test_plain_zarr_becomes_an_image(tmp_path: Path):
    import zarr

    data = volume((20, 64, 64))
    zarr.create_array(str(tmp_path / "plain.zarr"), data=data, chunks=(16, 16, 16), zarr_format=2)
    made = image_of(saved(live(tmp_path / "plain.zarr"), tmp_path / "it.zarr"))
    np.testing.assert_array_equal(made["1"].image.values, data)


def test_stored_images_with_options_are_encoded_anew(sample: Path, tmp_path: Path):
    dt = image_of(saved(live(sample, version="0.4", chunks=32), tmp_path / "it.zarr"))
    was = nk.open(sample)
    for path in ("1", "2-2-1", "4-4-1"):
        np.testing.assert_array_equal(dt[path].image.values, was[path].image.values)
    np.testing.assert_array_equal(
        dt["labels/nuclei/1"].labels.values, was["labels/nuclei/1"].labels.values
    )


@pytest.mark.parametrize("how", ["path", "tree", "dataset", "array", "opened"])
def test_what_is_just_as_it_was_opened_is_served_as_it_is_stored(
    how: str, sample: Path, monkeypatch
):
    taken = []

    def stored(opened: Any, *, labels: bool) -> str:
        taken.append((opened.url, labels))
        return "stored"

    monkeypatch.setattr(contents, "_stored", stored)
    ds = nk.open_dataset(sample)
    things = {
        "path": str(sample),
        "tree": nk.open(sample),
        "dataset": ds,
        "array": ds.image,
        "opened": ds.attrs["ngff_source"].opened,
    }
    assert content_of(things[how]) == "stored"
    assert taken == [(str(sample), True)]


def test_a_webknossos_dataset_becomes_an_image_with_labels(tmp_path: Path):
    color, cells = Layer(corner=(5, 6, 3)), Layer("cells", "segmentation", dtype="uint32")
    root = write_webknossos(tmp_path / "data", color, cells)
    was, content = nk.open(root), live(root)
    assert content.image.mags == ("1", "2-2-1", "4-4-2")
    dt = image_of(saved(content, tmp_path / "it.zarr"))
    for mag in content.image.mags:
        before = was[f"color/{mag}"].image.transpose("c", "z", "y", "x")
        np.testing.assert_array_equal(dt[mag].image.values, before.values)
        np.testing.assert_allclose(dt[mag].x.values, before.x.values)
        ids = was[f"cells/{mag}"].labels.transpose("c", "z", "y", "x")
        np.testing.assert_array_equal(dt[f"labels/cells/{mag}"].labels.values, ids.values)
    one = live(root, image="cells")
    assert one.image.kind == "label"
    assert not one.labels


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_old_versions_are_served_in_a_new_one(name: str, corpus: Path, tmp_path: Path):
    root = corpus / "real" / "zarr_v01_v02_omezarrpy" / name
    content = live(root)
    assert "neuroglancer" in links_of("http://127.0.0.1:1/a", content)
    made = image_of(saved(content, tmp_path / "it.zarr"))["1"].image
    np.testing.assert_array_equal(made.values, nk.open_dataset(root).image.values)
    raw = content_of(root, raw=True)
    assert raw.knows(".zattrs")
    assert (
        bytes(raw.read(".zattrs", 0, raw.head(".zattrs").size)) == (root / ".zattrs").read_bytes()
    )


def test_image_files_are_served_too(tmp_path: Path):
    from PIL import Image

    data = volume((5, 70, 80), "u1")
    for i, plane in enumerate(data):
        Image.fromarray(plane).save(tmp_path / f"{i:03}.png")
    content = live(tmp_path)
    made = image_of(saved(content, tmp_path / "it.zarr"))
    np.testing.assert_array_equal(made["1"].image.values, data)


def test_a_well_is_served_as_a_whole_or_one_image_of_it(tmp_path: Path):
    how = makers.How(dims="yx", factors=[])
    fields = {name: makers.pyramid(volume((20, 20)), how) for name in ("0", "1")}
    root = makers.well(tmp_path / "well.zarr", fields, how)
    whole = content_of(root)
    assert whole.knows("0/0/c/0/0")
    assert whole.knows("1/0/c/1/1")
    one = content_of(root, image="1")
    assert one.knows("0/c/1/1")
    assert not one.knows("1/0/c/1/1")
    with pytest.raises(NgffError, match="choose one by image"):
        content_of(root, chunks=8)
    np.testing.assert_array_equal(
        image_of(saved(live(root, image="1", chunks=8), tmp_path / "it.zarr"))["1"].image.values,
        fields["1"][0],
    )


# --- each chunk once, within bounds --------------------------------------------------------------


def test_a_chunk_that_many_ask_for_is_computed_once():
    counted, lock, release = [], threading.Lock(), threading.Event()

    def slow(block: np.ndarray) -> np.ndarray:
        with lock:
            counted.append(block.shape)
        release.wait(5)
        return block + 1

    lazy = dask.array.zeros((64, 64, 64), chunks=64, dtype="u1").map_blocks(
        slow, meta=np.zeros((0, 0, 0), "u1")
    )
    release.set()
    content = live(xr.DataArray(lazy, dims=list("zyx")), mags=[1], labels=False)
    content.close()
    counted.clear()
    release.clear()
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(content.head, "0/c/0/0/0") for _ in range(16)]
        while not counted:
            threading.Event().wait(0.01)
        release.set()
        tags = {answer.result().etag for answer in answers}
    assert len(counted) == 1
    assert len(tags) == 1


def test_a_dask_block_is_computed_once_for_all_its_chunks():
    counted = []

    def count(block: np.ndarray) -> np.ndarray:
        counted.append(block.shape)
        return block

    lazy = dask.array.ones((128, 256, 256), chunks=128, dtype="u1")
    lazy = lazy.map_blocks(count, meta=np.zeros((0, 0, 0), "u1"))
    content = live(xr.DataArray(lazy, dims=list("zyx")))
    for key in keys(content):
        content.head(key)
    assert sorted(counted) == [(128, 128, 128)] * 4


def test_no_more_is_kept_than_the_bound_allows():
    data = RANDOM.integers(0, 255, (128, 128, 128)).astype("u1")
    lazy = xr.DataArray(dask.array.from_array(data, 32), dims=list("zyx"))
    content = live(lazy, chunks=32, memory="600 kB")
    for key in keys(content):
        content.head(key)
        assert content._pixels.nbytes + content._chunks.nbytes <= 600_000
    content.close()
    assert content._pixels.nbytes + content._chunks.nbytes == 0


def test_blocks_that_are_too_large_to_keep_are_warned_of():
    lazy = xr.DataArray(dask.array.zeros((64, 512, 512), chunks=-1, dtype="u1"), dims=list("zyx"))
    with pytest.warns(
        NgffWarning,
        match=r"array: .*computed for every chunk anew; rechunk it, or pass memory='33.6 MB'",
    ):
        live(lazy, memory="8 MB")


def test_kept_things_are_forgotten_oldest_first_and_errors_are_not_kept():
    kept = Kept[bytes](10, len)
    for name in "abc":
        kept.get(name, lambda: b"1234")
    assert kept.nbytes == 8
    assert kept.get("a", lambda: b"new!") == b"new!"
    with pytest.raises(ZeroDivisionError):
        kept.get("e", lambda: 1 / 0)
    assert kept.get("e", lambda: b"now") == b"now"
    assert kept.get("large", lambda: b"x" * 11) == b"x" * 11
    assert kept.nbytes <= 10


def test_threads_that_ask_for_coarse_and_fine_chunks_at_once_all_get_theirs():
    data = volume((64, 128, 128))
    content = live(
        xr.DataArray(dask.array.from_array(data, 32), dims=list("zyx")), chunks=16, memory="200 kB"
    )
    wanted = [key for key in keys(content) if "/c/" in key]
    RANDOM.shuffle(wanted)
    with ThreadPoolExecutor(12) as pool:
        first = list(pool.map(content.head, wanted))
    assert [head.etag for head in first] == [content.head(key).etag for key in wanted]


# --- errors --------------------------------------------------------------------------------------


def test_what_fails_while_it_is_computed_is_an_error_in_one_line_and_never_zeros():
    def fail(block: np.ndarray) -> np.ndarray:
        if block.any():
            raise RuntimeError("out\nof luck")
        return block

    data = np.zeros((64, 64, 128), "u1")
    data[..., 64:] = 1
    lazy = dask.array.from_array(data, 64).map_blocks(fail, meta=np.zeros((0, 0, 0), "u1"))
    content = live(xr.DataArray(lazy, dims=list("zyx")), mags=[1])
    assert content.head("0/c/0/0/0") is not None
    for _ in range(2):
        with pytest.raises(
            NgffError, match=r"can't compute the chunk '0/c/0/0/1': .*RuntimeError: out of luck$"
        ):
            content.head("0/c/0/0/1")
        with pytest.raises(NgffError, match="out of luck"):
            content.read("0/c/0/0/1", 0, 1)


def test_a_broken_chunk_of_a_cutout_is_an_error_that_names_it(tmp_path: Path):
    how = makers.How(chunks=32, factors=[])
    root = makers.write(tmp_path / "a.zarr", [volume((32, 32, 64)) + 1], how)
    (root / "0/c/0/0/1").write_bytes(b"garbage")
    content = live(nk.open_dataset(root).isel(z=slice(1, None)), chunks=32)
    assert content.head("0/c/0/0/0") is not None
    with pytest.raises(NgffError, match="0/c/0/0/1"):
        content.head("0/c/0/0/1")


@pytest.mark.parametrize(
    ("x", "options", "says"),
    [
        (np.zeros((4, 4), "c8"), {}, "pixels are of type complex64"),
        (np.zeros(4), {}, "can't be guessed"),
        (np.zeros((4, 0)), {}, "holds no image"),
        (np.zeros((4, 4)), {"chunk": 3}, "did you mean chunks"),
        (np.zeros((4, 4)), {"compression": "blosc"}, "choose 'zstd'"),
        (np.zeros((4, 4)), {"compression": "zstd:x"}, "write it as"),
        (np.zeros((4, 4)), {"memory": "much"}, "no size"),
        (np.zeros((4, 4)), {"version": "0.9"}, "choose one of"),
        (np.zeros((4, 4)), {"method": "best"}, "choose one of"),
        (np.zeros((4, 4)), {"raw": True}, "no bytes of its own"),
        (xr.DataArray(np.zeros((4, 4)), dims=["a", "b"]), {}, "which are y and x"),
        (xr.DataArray(np.zeros((4, 4)), dims=["y", "x"], coords={"x": [1, 2, 4, 8]}), {}, "evenly"),
        (xr.Dataset(), {}, "0 variables"),
        ("no/such.zarr", {}, "no"),
        (3, {}, "is no image"),
    ],
)
def test_what_can_not_be_served_is_refused_in_words(x, options, says):
    with pytest.raises(NgffError, match=says):
        content_of(x, **options)


# --- keys ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", "0", "0/", "0/c", "0/c/0", "0/c/0/0", "0/c/0/0/0/0", "c/0/0/0", "9/c/0/0/0"),
        *("0/c/0/0/2", "0/c/0/0/-1", "0/c/0/0/00", "0/c/0/0/0/", "/0/c/0/0/0", "0//c/0/0/0"),
        *(
            "0/c/0/0/+0",
            "0/c/0/0/ 0",
            "0/c/0/0/0x0",
            "0/c/0/0/1e0",
            "0/c/0/0/\u0660",
            "0/c/0/0/0\x00",
        ),
        *("0/c/0/0/" + "9" * 5000, "../0/c/0/0/0", "0/c/../c/0/0/0", "0/c/0/0/..", "0.0.0"),
        *(".zattrs", "0/.zarray", "labels/zarr.json", "labels/nuclei/0/c/0/0/0", "zarr.json/"),
        *("ZARR.JSON", "0\\c\\0\\0\\0", "0/C/0/0/0", "%30/c/0/0/0", "etc/passwd"),
    ],
)
def test_other_keys_are_not_known(key: str):
    content = live(np.zeros((8, 100, 100), "u1"), chunks=64)
    assert not content.knows(key)
    assert content.head(key) is None
    with pytest.raises(NgffError, match="no part of this image"):
        content.read(key, 0, 1)


def test_tags_change_with_the_bytes_alone():
    data = volume((64, 64, 128))
    a, b = live(data, chunks=64), live(data.copy(), chunks=64)
    other = data.copy()
    other[0, 0, 0] += 1
    c = live(other, chunks=64)
    assert a.head("0/c/0/0/0") == b.head("0/c/0/0/0") != c.head("0/c/0/0/0")
    assert a.head("0/c/0/0/1") == c.head("0/c/0/0/1")


def test_ranges_are_parts_of_the_whole():
    content = live(volume(), compression="none")
    size = content.head("0/c/0/0/0").size
    whole = content.read("0/c/0/0/0", 0, size)
    assert content.read("0/c/0/0/0", 5, 17) == whole[5:17]
    document = content.read("zarr.json", 0, content.head("zarr.json").size)
    assert content.read("zarr.json", 2, 9) == document[2:9]


# --- links ---------------------------------------------------------------------------------------


def test_the_state_for_neuroglancer_has_a_layer_per_channel_and_labels(sample: Path):
    content = live(nk.open_dataset(sample).isel(z=slice(0, 16)))
    state = neuroglancer_state("http://127.0.0.1:9/t/x.zarr", content)
    assert json.loads(json.dumps(state)) == state
    assert state["dimensions"] == {"x": [2.5e-7, "m"], "y": [2.5e-7, "m"], "z": [1e-6, "m"]}
    assert state["position"] == [128.0, 128.0, 8.0]
    names = [(layer["name"], layer["type"]) for layer in state["layers"]]
    assert names == [("nuclei", "image"), ("membranes", "image"), ("nuclei (2)", "segmentation")]
    first = state["layers"][0]
    assert first["source"] == "zarr://http://127.0.0.1:9/t/x.zarr"
    assert first["localDimensions"] == {"c'": [1, ""]}
    assert state["layers"][1]["localPosition"] == [1]
    assert first["shaderControls"]["normalized"]["range"] == [100.0, 2600.0]
    assert first["shaderControls"]["color"] == "#2fa8ff"
    assert state["layers"][2]["source"].endswith("/t/x.zarr/labels/nuclei")


def test_links_hold_the_address_whole_and_escaped():
    from urllib.parse import parse_qs, unquote, urlsplit

    url = "http://127.0.0.1:8000/tok-en/my image.zarr"
    links = links_of(url + "/", live(volume()))
    for name, parameter in {"vizarr": "source", "vol-e": "url", "validator": "source"}.items():
        assert parse_qs(urlsplit(links[name]).query)[parameter] == [url]
    state = json.loads(unquote(urlsplit(links["neuroglancer"]).fragment.removeprefix("!")))
    assert state["layers"][0]["source"] == f"zarr://{url}"
    assert links["webknossos"] == url
    assert "avivator" not in links


def test_notes_say_who_can_reach_what():
    content = live(volume(dtype="f8"))
    notes = notes_of("http://127.0.0.1:8000/t", content)
    assert notes[0] == "neuroglancer: shows no float64; pass dtype='float32'"
    assert "neuroglancer" not in links_of("http://127.0.0.1:8000/t", content)
    assert any("only browsers on this machine" in note for note in notes)
    assert any("https" in note for note in notes_of("http://example.org/t", content))
    assert not links_of("/user/me/proxy/80/t", content)
    assert any("nobody told" in note for note in notes_of("/user/me/proxy/80/t", content))


def test_flat_images_are_shown_as_one_plane():
    state = neuroglancer_state("http://h/a", live(np.zeros((300, 4000), "u1")))
    assert state["layout"] == "xy"
    assert state["crossSectionScale"] == pytest.approx(4000 / 512)


# --- Jupyter -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, None),
        ({"JUPYTER_SERVER_URL": "http://localhost:8888/"}, None),
        ({"JUPYTER_SERVER_URL": "http://127.0.0.1:8888/lab/"}, None),
        ({"JUPYTER_SERVER_URL": "http://node7:8888/"}, "http://node7:8888/proxy/81"),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/me/"}, "/user/me/proxy/81"),
        (
            {"JUPYTERHUB_SERVICE_PREFIX": "/user/me/", "JUPYTERHUB_HOST": "https://me.hub.org"},
            "https://me.hub.org/user/me/proxy/81",
        ),
        (
            {
                "JUPYTERHUB_SERVICE_PREFIX": "/user/me/",
                "JUPYTERHUB_HOST": "",
                "JUPYTERHUB_PUBLIC_HUB_URL": "https://hub.org/hub/",
            },
            "https://hub.org/user/me/proxy/81",
        ),
        (
            {
                "JUPYTERHUB_SERVICE_PREFIX": "/user/me/",
                "JUPYTERHUB_PUBLIC_URL": "https://hub.org/user/me/",
            },
            "https://hub.org/user/me/proxy/81",
        ),
        ({"NGFFKIT_PROXY_URL": "https://x.org/a/"}, "https://x.org/a/proxy/81"),
    ],
)
def test_the_public_address_follows_the_environment(env: dict[str, str], url: str | None):
    found = public_address(81, env)
    if url is None:
        assert found is None
        return
    assert found is not None
    assert found.url == url
    assert found.complete == url.startswith("http")
    assert found.host == (url.split("/")[2] if found.complete else "")
