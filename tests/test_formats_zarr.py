"""Zarr as a source: any OME-Zarr, plain arrays, WEBKNOSSOS, what xarray holds."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import test_webknossos as webknossos
import zarr
from makers import How, chunk_files, pyramid, write
from source_contract import box_of, check_source, read_all

import ngffkit as nk
from ngffkit.errors import ChunkError, NgffError, SourceError
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.zarrs import open_zarr

PLAIN = ReadOptions()


def pixels(*shape: int, dtype: str = "u2") -> np.ndarray:
    return np.random.default_rng(3).integers(1, 200, shape, dtype)


def image(path: Path, data: np.ndarray, **how) -> How:
    made = How(**how)
    write(path, pyramid(data, made), made)
    return made


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("shards", [None, (32, 32, 32)])
def test_images_of_versions_and_mags(tmp_path: Path, version: str, shards):
    if shards and version == "0.4":
        pytest.skip("shards are of Zarr v3")
    data = pixels(40, 50, 35)
    how = image(tmp_path / "a.zarr", data, version=version, shards=shards)
    levels = pyramid(data, how)
    for mag, truth in zip((None, "2"), levels, strict=True):
        options = ReadOptions(mag=mag)
        source = open_zarr(tmp_path / "a.zarr", options)
        check_source(
            source, truth, "zyx", reopen=lambda o=options: open_zarr(tmp_path / "a.zarr", o)
        )
        expected = nk.open(tmp_path / "a.zarr")[mag or "1"].image
        grid = source.info.grid
        for name in "zyx":
            np.testing.assert_array_equal(grid.coords(name), expected[name].values)
        size = shards or (16, 16, 16)
        assert source.info.block == tuple(min(a, b) for a, b in zip(size, truth.shape, strict=True))
    with pytest.raises(NgffError, match="no mag '16'"):
        open_zarr(tmp_path / "a.zarr", ReadOptions(mag="16"))


def test_a_lost_chunk_is_an_error_with_its_cause(tmp_path: Path):
    data = pixels(40, 50, 35)
    image(tmp_path / "a.zarr", data)
    victim = next(
        k for k in chunk_files(tmp_path / "a.zarr") if "0/c/1/1/1" in k.replace("\\", "/")
    )
    (tmp_path / "a.zarr" / victim).unlink()
    source = open_zarr(tmp_path / "a.zarr", PLAIN)
    with pytest.raises(SourceError, match="1/1/1") as caught:
        read_all(source)
    assert isinstance(caught.value.__cause__, ChunkError)
    box = (slice(0, 16), *box_of(source.info)[1:])
    np.testing.assert_array_equal(source.read(box), data[:16])


def test_a_corrupt_chunk_is_an_error(tmp_path: Path):
    image(tmp_path / "a.zarr", pixels(20, 20, 20))
    for key in chunk_files(tmp_path / "a.zarr"):
        (tmp_path / "a.zarr" / key).write_bytes(b"\x00\x01\x02")
    with pytest.raises(SourceError, match=r"a\.zarr"):
        read_all(open_zarr(tmp_path / "a.zarr", PLAIN))


def test_plain_arrays_and_groups_of_them(tmp_path: Path):
    group = zarr.open_group(tmp_path / "g.zarr", mode="w", zarr_format=3)
    truth, other = pixels(10, 20, 30), pixels(5, 6, dtype="u1")
    group.create_array("raw", data=truth, chunks=(4, 8, 16), dimension_names=("z", "y", "x"))
    group.create_array("flat", data=other, chunks=(5, 6))
    source = open_zarr(tmp_path / "g.zarr", ReadOptions(image="raw"))
    check_source(source, truth, "zyx")
    assert not source.info.notes
    with pytest.raises(NgffError, match=r"choose one by image=: .*'raw' 10 x 20 x 30"):
        open_zarr(tmp_path / "g.zarr", PLAIN)
    with pytest.raises(NgffError, match="no array 'x'"):
        open_zarr(tmp_path / "g.zarr", ReadOptions(image="x"))
    check_source(open_zarr(tmp_path / "g.zarr" / "raw", PLAIN), truth, "zyx")
    check_source(open_zarr(group["raw"], PLAIN), truth, "zyx")


def test_axes_come_in_the_order_of_ome_zarr(tmp_path: Path):
    truth = pixels(6, 7, 4, 3)
    zarr.create_array(tmp_path / "a.zarr", data=truth, chunks=(4, 4, 2, 2), dimension_names=None)
    guessed = open_zarr(tmp_path / "a.zarr", PLAIN)
    assert guessed.info.notes[0].loc == "axes"
    source = open_zarr(tmp_path / "a.zarr", ReadOptions(axes="xyzc"))
    check_source(source, truth.transpose(3, 2, 1, 0), "czyx")
    assert source.info.block == (2, 2, 4, 4)
    for wrong in ("zyx", "xxyz", "abcd"):
        with pytest.raises(NgffError, match="does not fit"):
            open_zarr(tmp_path / "a.zarr", ReadOptions(axes=wrong))


def test_what_xarray_has_opened(tmp_path: Path):
    data = pixels(20, 20, 20)
    image(tmp_path / "a.zarr", data)
    tree = nk.open(tmp_path / "a.zarr")
    check_source(open_zarr(tree, PLAIN), data, "zyx")
    check_source(open_zarr(tree["1"].to_dataset(), PLAIN), data, "zyx")
    check_source(open_zarr(tree["1"].image, PLAIN), data, "zyx")


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("order", [None, dict(zip("zyxc", range(4), strict=True))])
def test_webknossos_is_cut_to_its_box_and_put_in_order(tmp_path: Path, zarr_format: int, order):
    layer = webknossos.Layer(zarr_format=zarr_format, order=order, corner=(5, 6, 3))
    root = webknossos.write(tmp_path / "data", layer)
    tree = nk.open(root)
    for mag in webknossos.MAGS:
        name = webknossos.spell(mag)
        image = tree[f"color/{name}"].image.transpose("c", "z", "y", "x")
        source = open_zarr(root, ReadOptions(image="color", mag=name))
        check_source(source, image.values, "czyx")
        for dim in "zyx":
            np.testing.assert_allclose(source.info.grid.coords(dim), image[dim].values)
            axis = source.info.grid.axes[source.info.grid.axis(dim)]
            assert axis.unit == "nanometer"


def test_labels_come_along_at_the_mag_that_fits(tmp_path: Path):
    data, ids, how = pixels(20, 20, 20), pixels(20, 20, 20, dtype="u4"), How()
    labels = {"nuclei": pyramid(ids, how, "nearest")}
    path = write(tmp_path / "a.zarr", pyramid(data, how), how, labels=labels)
    source = open_zarr(path, PLAIN)
    check_source(source, data, "zyx")
    assert list(source.info.labels) == ["nuclei"]
    check_source(source.info.labels["nuclei"], ids, "zyx")
    coarse = open_zarr(path, ReadOptions(mag=2)).info.labels["nuclei"]
    assert coarse.info.kind == "label"
    np.testing.assert_array_equal(read_all(coarse), labels["nuclei"][1])
    alone = open_zarr(path, ReadOptions(image="labels/nuclei"))
    check_source(alone, ids, "zyx")
    assert not open_zarr(path, ReadOptions(labels=False)).info.labels


def test_the_arrays_of_the_corpus_have_their_pixels(corpus: Path):
    truth = json.loads((corpus / "truth_zarr.json").read_text("utf-8"))
    seen = 0
    for key, entry in truth.items():
        path = corpus / "real" / key
        if not entry.get("sha256") or not path.is_dir() or np.prod(entry["shape"]) > 2_000_000:
            continue
        if len(entry["shape"]) < 2:
            continue
        options = ReadOptions(axes="abcyx"[-len(entry["shape"]) :])
        documents = [path / name for name in ("zarr.json", ".zattrs") if (path / name).is_file()]
        said = "".join(document.read_text("utf-8") for document in documents)
        names = "_ARRAY_DIMENSIONS" in said or "dimension_names" in said
        source = open_zarr(path, PLAIN if names else options)
        try:
            got = source.read(box_of(source.info))
        except SourceError:
            continue  # arrays whose pixels the corpus leaves out
        inverse = np.argsort(source.arrangement.order)
        flat = np.ascontiguousarray(got.transpose(inverse))
        little = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
        if hashlib.sha256(little.tobytes()).hexdigest() == entry["sha256"]:
            seen += 1
        else:
            raise AssertionError(key)
    assert seen > 20
