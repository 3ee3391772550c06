"""Folders of numbered images: what is opened, what is refused, and by which name."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from source_contract import check_source, read_all

from ngffkit.errors import NgffError, NotFoundError, SourceError
from ngffkit.sources.opening import open_source
from ngffkit.sources.options import ReadOptions


def pixels(*shape: int, dtype: str = "u1") -> np.ndarray:
    rng = np.random.default_rng(sum(shape))
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def save(path: Path, plane: np.ndarray, **kwargs) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.startswith(".tif"):
        import tifffile

        tifffile.imwrite(path, plane, **kwargs)
    else:
        Image.fromarray(plane).save(path, **kwargs)


def messages(source) -> str:
    return "\n".join(map(str, source.info.notes))


def refused(error, source, *words: str, **options) -> None:
    with pytest.raises(error) as caught:
        open_source(source, ReadOptions(**options))
    for word in words:
        assert word in str(caught.value)


# --- what is opened -------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_unpadded_numbers_stand_in_the_order_of_counting(tmp_path, ending):
    truth = pixels(12, 9, 7)
    for i, plane in enumerate(truth):
        save(tmp_path / f"{i}.{ending}", plane)
    for junk in ("Thumbs.db", ".DS_Store", "notes.txt"):
        (tmp_path / junk).write_bytes(b"x")
    source = open_source(tmp_path)
    check_source(source, truth, "zyx", reopen=lambda: open_source(tmp_path))
    assert f"'{{z}}.{ending}'" in messages(source)
    assert "z 0 to 11" in messages(source)
    assert source.info.name == tmp_path.name


@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_png_slices_keep_their_type(tmp_path, dtype):
    truth = pixels(3, 8, 9, dtype=dtype)
    for i, plane in enumerate(truth):
        save(tmp_path / f"s{i:02}.png", plane)
    check_source(open_source(tmp_path), truth, "zyx")


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("u1", {}),
        ("u2", {"byteorder": ">"}),
        ("i2", {"byteorder": "<"}),
        ("f4", {}),
        ("f8", {"bigtiff": True}),
        ("u4", {"rowsperstrip": 3}),
        ("u2", {"compression": "zlib", "predictor": True}),
        ("u2", {"tile": (16, 16)}),
        ("u1", {"compression": "lzw"}),
    ],
)
def test_tiff_slices_of_any_make(tmp_path, dtype, options):
    truth = pixels(4, 21, 18, dtype=dtype)
    for i, plane in enumerate(truth):
        save(tmp_path / f"a_{i:03}.tif", plane, **options)
    source = open_source(tmp_path, ReadOptions(axes="t"))
    check_source(source, truth, "tyx", reopen=lambda: open_source(tmp_path))
    plain = not {"compression", "tile"} & set(options)
    assert source.info.block == ((1, 1, 18) if plain else (1, 21, 18))


def test_time_channel_and_slice_are_told_by_their_markers(tmp_path):
    truth = pixels(2, 2, 3, 5, 6)
    for t, c, z in np.ndindex(2, 2, 3):
        save(tmp_path / f"img_t{t}_c{c}_z{z}.tif", truth[t, c, z])
    source = open_source(tmp_path)
    check_source(source, truth, "tczyx")
    assert "'img_t{t}_c{c}_z{z}.tif'" in messages(source)
    # what is shown can be given
    again = open_source(tmp_path, ReadOptions(pattern="img_t{t}_c{c}_z{z}.tif"))
    assert again.info.fingerprint == source.info.fingerprint


def test_words_are_channels_also_as_folders(tmp_path):
    truth = pixels(2, 3, 5, 6)
    for c, z in np.ndindex(2, 3):
        save(tmp_path / "a" / ("DAPI", "GFP")[c] / f"{z}.png", truth[c, z])
        save(tmp_path / "b" / f"{('DAPI', 'GFP')[c]}_{z:03}.png", truth[c, z])
    for folder in "ab":
        source = open_source(tmp_path / folder)
        check_source(source, truth, "czyx")
        assert [channel.label for channel in source.info.channels] == ["DAPI", "GFP"]


def test_a_folder_per_time_point(tmp_path):
    truth = pixels(2, 3, 5, 6)
    for t, z in np.ndindex(2, 3):
        save(tmp_path / f"TimePoint_{t + 1}" / f"slice{z}.png", truth[t, z])
    check_source(open_source(tmp_path), truth, "tzyx")


def test_a_list_and_a_glob(tmp_path):
    truth = pixels(3, 5, 6)
    for i, plane in enumerate(truth):
        save(tmp_path / f"a{i}.png", plane)
        save(tmp_path / f"a{i}.bmp", plane)
    check_source(open_source(str(tmp_path / "*.png")), truth, "zyx")
    check_source(open_source([tmp_path / f"a{i}.bmp" for i in range(3)]), truth, "zyx")
    refused(NgffError, tmp_path, "3 .bmp, 3 .png", "pattern=")


def test_one_picture(tmp_path):
    truth = pixels(5, 6)
    save(tmp_path / "one {1}.png", truth)
    check_source(open_source(tmp_path / "one {1}.png"), truth, "yx")
    assert open_source(tmp_path).info.name == "one {1}"


def test_colours_are_channels(tmp_path):
    truth = pixels(2, 5, 6, 4)
    for i, plane in enumerate(truth):
        save(tmp_path / f"{i}.png", plane)
    source = open_source(tmp_path)
    check_source(source, np.moveaxis(truth[..., :3], -1, 0), "czyx")
    assert [channel.label for channel in source.info.channels] == ["red", "green", "blue"]
    assert "alpha" in messages(source)


def test_grey_stored_as_colours_is_said_so(tmp_path):
    truth = np.repeat(pixels(2, 5, 6)[..., None], 3, axis=-1)
    for i, plane in enumerate(truth):
        save(tmp_path / f"{i}.tif", plane, photometric="rgb")
    source = open_source(tmp_path)
    check_source(source, np.moveaxis(truth, -1, 0), "czyx")
    assert "is grey but stored as RGB" in messages(source)
    one = open_source(tmp_path, ReadOptions(crop={"c": slice(0, 1)}))
    check_source(one, truth[None, ..., 0], "czyx")


def test_tiles_are_laid_side_by_side(tmp_path):
    truth = pixels(2, 21, 30)
    for z, y, x in np.ndindex(2, 3, 4):
        tile = truth[z, 8 * y : 8 * y + 8, 9 * x : 9 * x + 9]
        save(tmp_path / f"z{z}_y{y}_x{x}.png", tile)
    source = open_source(tmp_path)
    check_source(source, truth, "zyx")
    assert source.info.block == (1, 8, 9)
    save(tmp_path / "z0_y1_x1.png", pixels(7, 9))
    refused(NgffError, tmp_path, "tiles differ along y", "z0_y1_x1.png")


def test_files_of_several_pages_are_stacked(tmp_path):
    pytest.importorskip("ngffkit.sources.tiff.source")
    truth = pixels(3, 4, 6, 7)
    for t, stack in enumerate(truth):
        save(tmp_path / f"run_{t}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    source = open_source(tmp_path)
    check_source(source, truth, "tzyx")
    alone = tmp_path / "alone"
    save(alone / "run.tif", truth[0], imagej=True, metadata={"axes": "ZYX"})
    check_source(open_source(alone), truth[0], "zyx")
    save(tmp_path / "run_1.tif", truth[1, :3], imagej=True, metadata={"axes": "ZYX"})
    refused(NgffError, tmp_path, "run_1.tif", "3 (z)", "4 (z)")


# --- places ---------------------------------------------------------------------------------------


def stack_without(folder: Path, *missing: int) -> np.ndarray:
    truth = pixels(10, 4, 5)
    for i, plane in enumerate(truth):
        if i not in missing:
            save(folder / f"slice_{i:04}.png", plane)
    return truth


def test_a_gap_is_refused_by_name(tmp_path):
    stack_without(tmp_path, 7)
    refused(
        NgffError,
        tmp_path,
        "slice_0007.png is missing between slice_0006.png and slice_0008.png",
        "gaps=",
    )


def test_gaps_are_closed_or_filled_when_told(tmp_path):
    truth = stack_without(tmp_path, 3, 7)
    closed = open_source(tmp_path, ReadOptions(gaps="close"))
    check_source(closed, np.delete(truth, [3, 7], axis=0), "zyx")
    truth[[3, 7]] = 0
    filled = open_source(tmp_path, ReadOptions(gaps="fill"))
    check_source(filled, truth, "zyx")
    assert "slice_0003.png" in messages(filled)
    refused(NgffError, tmp_path, "gaps", "'error', 'close' or 'fill'", gaps="no")


def test_every_tenth_slice_is_no_gap(tmp_path):
    truth = pixels(5, 4, 5)
    for i, plane in enumerate(truth):
        save(tmp_path / f"{10 * i + 3}.png", plane)
    check_source(open_source(tmp_path), truth, "zyx")


def test_an_incomplete_product_is_refused_by_name(tmp_path):
    truth = pixels(2, 2, 3, 4, 5)
    for t, c, z in np.ndindex(2, 2, 3):
        if (t, c, z) != (1, 0, 2):
            save(tmp_path / f"t{t + 1}_c{c + 1}_z{z + 1}.tif", truth[t, c, z])
    refused(NgffError, tmp_path, "t2_c1_z3.tif is missing", "t 2, c 1, z 3")
    refused(NgffError, tmp_path, "t2_c1_z3.tif is missing", gaps="close")
    truth[1, 0, 2] = 0
    check_source(open_source(tmp_path, ReadOptions(gaps="fill")), truth, "tczyx")


def test_two_files_at_one_place_are_refused(tmp_path):
    for name in ("a_1.png", "a_01.png"):
        save(tmp_path / name, pixels(4, 5))
    refused(NgffError, tmp_path, "a_01.png and a_1.png are at the same place")


def test_odd_files_are_refused_by_name(tmp_path):
    stack_without(tmp_path)
    save(tmp_path / "overview.png", pixels(4, 5))
    refused(NgffError, tmp_path, "overview.png", "the other 10 files", "slice_0000.png")
    picked = open_source(tmp_path, ReadOptions(pattern="slice_{z}.png"))
    assert picked.info.grid.shape == (10, 4, 5)
    assert "overview.png" in messages(picked)


def test_a_pattern_that_fits_nothing_lists_names(tmp_path):
    stack_without(tmp_path)
    refused(NotFoundError, tmp_path, "none of 10 files", "slice_0000.png", pattern="img_{z}.png")
    refused(NgffError, tmp_path, "brace", pattern="slice_{z.png")


def test_other_sizes_and_types_are_refused_by_name(tmp_path):
    stack_without(tmp_path)
    save(tmp_path / "slice_0004.png", pixels(4, 6))
    refused(NgffError, tmp_path, "slice_0004.png has 6 x 4 pixels", "has 5 x 4")
    save(tmp_path / "slice_0004.png", pixels(4, 5, dtype="u2"))
    refused(NgffError, tmp_path, "slice_0004.png holds uint16", "slice_0000.png holds uint8")
    save(tmp_path / "slice_0004.png", pixels(4, 5, 3))
    refused(NgffError, tmp_path, "slice_0004.png", "3 channels")


def test_sites_are_not_mixed(tmp_path):
    for s, w in np.ndindex(2, 2):
        save(tmp_path / f"A01_s{s + 1}_w{w + 1}.tif", pixels(4, 5))
    refused(NgffError, tmp_path, "2 sites (1, 2)")
    one = open_source(tmp_path, ReadOptions(pattern="A01_s2_w{c}.tif"))
    assert one.info.grid.dims == ("c", "y", "x")


def test_nothing_there(tmp_path):
    refused(NotFoundError, tmp_path, "holds no image files")
    refused(NotFoundError, tmp_path / "gone", "does not exist")
    refused(NotFoundError, str(tmp_path / "*.tif"), "does not exist")
    (tmp_path / "notes.txt").write_text("x")
    refused(NotFoundError, tmp_path, "holds no image files")


# --- damage ---------------------------------------------------------------------------------------


def test_a_damaged_header_is_refused_on_opening(tmp_path):
    stack_without(tmp_path)
    (tmp_path / "slice_0004.png").write_bytes(b"")
    refused(SourceError, tmp_path, "slice_0004.png", "empty")
    (tmp_path / "slice_0004.png").write_bytes(b"not an image at all")
    refused(SourceError, tmp_path, "slice_0004.png", "no PNG")


@pytest.mark.parametrize("kind", ["png", "tif", "zlib.tif", "jpg", "bmp"])
def test_damage_after_opening_names_the_file(tmp_path, kind):
    options = {"compression": "zlib"} if kind == "zlib.tif" else {}
    for i in range(4):
        save(tmp_path / f"p{i}.{kind.rpartition('.')[2]}", pixels(40, 50), **options)
    source = open_source(tmp_path)
    name = f"p2.{kind.rpartition('.')[2]}"
    data = (tmp_path / name).read_bytes()
    box = (slice(2, 3), slice(0, 40), slice(0, 50))
    for damaged in (data[: len(data) * 2 // 3], b"", data[: len(data) // 2] + b"\0" * 99):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(SourceError, match=name):
            source.read(box)
    (tmp_path / name).unlink()
    with pytest.raises(SourceError, match=name):
        source.read(box)
    assert source.read((slice(1, 2), *box[1:])).shape == (1, 40, 50)


def test_a_file_that_became_another_is_refused(tmp_path):
    truth = stack_without(tmp_path)
    source = open_source(tmp_path)
    before = source.info.fingerprint
    save(tmp_path / "slice_0003.png", pixels(5, 4))
    with pytest.raises(SourceError, match=r"slice_0003.png.*5 x 4"):
        read_all(source)
    save(tmp_path / "slice_0003.png", 255 - truth[3])
    assert open_source(tmp_path).info.fingerprint != before


def test_a_tiff_whose_pixels_were_never_written(tmp_path):
    import tifffile

    save(tmp_path / "a1.tif", pixels(40, 50), compression="zlib")
    save(tmp_path / "a2.tif", pixels(40, 50), compression="zlib")
    with tifffile.TiffFile(tmp_path / "a2.tif", mode="r+b") as file:
        file.pages[0].tags["StripByteCounts"].overwrite(0)
    refused(SourceError, tmp_path, "a2.tif", "never written")


# --- what pictures hold ---------------------------------------------------------------------------


def png(width: int, height: int, depth: int, colour: int, rows: bytes, **chunks: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    between = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    body = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + between + body


def test_one_bit_is_bool(tmp_path):
    truth = pixels(9, 13) > 99
    Image.fromarray(truth).save(tmp_path / "a.png")
    Image.fromarray(truth).save(tmp_path / "a.bmp")
    save(tmp_path / "a.tif", truth)
    for ending in ("png", "bmp", "tif"):
        check_source(open_source(tmp_path / f"a.{ending}"), truth, "yx")


def test_palettes_of_greys_are_grey_and_others_are_colours(tmp_path):
    places = np.arange(12, dtype="u1").reshape(3, 4)
    image = Image.fromarray(places, mode=None).convert("P")
    image.putpalette([v for i in range(256) for v in (255 - i,) * 3])
    rows = b"".join(b"\0" + row.tobytes() for row in places)
    greys = bytes(v for i in range(256) for v in (255 - i,) * 3)
    (tmp_path / "g.png").write_bytes(png(4, 3, 8, 3, rows, PLTE=greys))
    check_source(open_source(tmp_path / "g.png"), 255 - places, "yx")
    colours = bytes(v for i in range(256) for v in (i, 0, 255 - i))
    (tmp_path / "c.png").write_bytes(png(4, 3, 8, 3, rows, PLTE=colours))
    truth = np.stack([places, 0 * places, 255 - places])
    check_source(open_source(tmp_path / "c.png"), truth, "cyx")
    # as labels, the position is the id
    label = open_source(tmp_path / "c.png", ReadOptions(kind="label"))
    check_source(label, places, "yx")


def test_four_bits_are_spread_for_grey_and_kept_for_labels(tmp_path):
    (tmp_path / "a.png").write_bytes(png(4, 1, 4, 0, b"\0\x01\x2f"))
    assert read_all(open_source(tmp_path / "a.png")).tolist() == [[0, 17, 34, 255]]
    label = open_source(tmp_path / "a.png", ReadOptions(kind="label"))
    assert read_all(label).tolist() == [[0, 1, 2, 15]]


def test_a_palette_behind_a_long_profile(tmp_path):
    rows = b"".join(b"\0" + bytes([i, 1]) for i in range(2))
    data = png(2, 2, 8, 3, rows, tEXt=b"x" * 5000, PLTE=bytes([9, 9, 9, 7, 7, 7]))
    (tmp_path / "a.png").write_bytes(data)
    assert read_all(open_source(tmp_path / "a.png")).tolist() == [[9, 7], [7, 7]]


def test_jpeg_like_pillow(tmp_path):
    grey, colours = pixels(20, 33), pixels(20, 33, 3)
    save(tmp_path / "g.jpg", grey)
    save(tmp_path / "c.jpg", colours, exif=b"Exif\0\0" + b"x" * 20_000)
    check_source(open_source(tmp_path / "g.jpg"), np.asarray(Image.open(tmp_path / "g.jpg")), "yx")
    truth = np.moveaxis(np.asarray(Image.open(tmp_path / "c.jpg")), -1, 0)
    got = read_all(open_source(tmp_path / "c.jpg"))
    assert np.abs(got.astype(int) - truth).max() <= 2


def test_cmyk_is_refused_clearly(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(pixels(8, 9, 4), "CMYK").save(buffer, "JPEG")
    (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
    refused(SourceError, tmp_path / "a.jpg", "a.jpg", "CMYK")


# --- pixel sizes ----------------------------------------------------------------------------------


def test_pixel_sizes_of_microscopes_are_taken(tmp_path):
    for i in range(2):
        meta = {"unit": "um", "spacing": 2.5}
        save(
            tmp_path / f"{i}.tif",
            pixels(4, 5),
            imagej=True,
            resolution=(4, 2),
            metadata=meta,
        )
    grid = open_source(tmp_path).info.grid
    assert grid.scale == (2.5, 0.5, 0.25)
    assert {axis.unit for axis in grid.axes} == {"micrometer"}


def test_resolutions_of_printers_are_noted(tmp_path):
    save(tmp_path / "a.png", pixels(4, 5), dpi=(300, 300))
    for name in ("b1.tif", "b2.tif"):
        save(tmp_path / name, pixels(4, 5), resolution=(300, 300), resolutionunit="INCH")
    for name in ("a.png", "b*.tif"):
        source = open_source(str(tmp_path / name))
        assert set(source.info.grid.scale) == {1.0}
        assert "300 dots per inch" in messages(source)
    save(tmp_path / "c.png", pixels(4, 5), dpi=(25400 * 2, 25400 * 4))
    grid = open_source(tmp_path / "c.png").info.grid
    assert grid.scale == pytest.approx((0.25, 0.5))
    assert grid.axes[0].unit == "micrometer"


# --- labels ---------------------------------------------------------------------------------------


def test_folders_of_labels_beside_images(tmp_path):
    truth, ids = pixels(3, 4, 5), pixels(3, 4, 5, dtype="u2")
    for z in range(3):
        save(tmp_path / "images" / f"{z}.png", truth[z])
        save(tmp_path / "nuclei_labels" / f"{z}.png", ids[z])
        save(tmp_path / "masks" / f"{z}.png", ids[z] > 9)
    options = ReadOptions(voxel_size=(1, 2, 3), unit="um")
    source = open_source(tmp_path, options)
    check_source(source, truth, "zyx")
    assert set(source.info.labels) == {"nuclei", "labels"}
    label = source.info.labels["nuclei"]
    check_source(label, ids, "zyx")
    assert label.info.grid == source.info.grid
    assert not open_source(tmp_path, ReadOptions(labels=False)).info.labels
    named = open_source(
        tmp_path / "images", ReadOptions(labels={"cells": str(tmp_path / "nuclei_labels")})
    )
    check_source(named.info.labels["cells"], ids, "zyx")
    cropped = open_source(tmp_path, ReadOptions(crop={"z": slice(1, 3), "x": slice(2, 5)}))
    check_source(cropped.info.labels["nuclei"], ids[1:3, :, 2:5], "zyx")


def test_labels_below_the_images_and_what_is_left_out(tmp_path):
    truth = pixels(3, 4, 5)
    for z in range(3):
        save(tmp_path / f"{z}.png", truth[z])
        save(tmp_path / "masks" / f"{z}.png", truth[z])
        save(tmp_path / "old" / f"{z}.png", truth[z])
    source = open_source(tmp_path)
    check_source(source, truth, "zyx")
    check_source(source.info.labels["labels"], truth, "zyx")
    assert "old, are left out" in messages(source)


def test_labels_of_another_size_are_refused(tmp_path):
    for z in range(3):
        save(tmp_path / "images" / f"{z}.png", pixels(4, 5))
        save(tmp_path / "labels" / f"{z}.png", pixels(4, 6))
    refused(NgffError, tmp_path, "labels:", "6 (x)", "5 (x)", "labels=False")


def test_labels_that_are_no_ids_are_refused(tmp_path):
    for z in range(3):
        save(tmp_path / "images" / f"{z}.tif", pixels(4, 5))
        save(tmp_path / "labels" / f"{z}.tif", pixels(4, 5, dtype="f4"))
        save(tmp_path / "colours" / "images" / f"{z}.png", pixels(4, 5))
        save(tmp_path / "colours" / "labels" / f"{z}.png", pixels(4, 5, 3))
    refused(NgffError, [*(tmp_path / "labels").iterdir()], "whole numbers", kind="label")
    refused(NgffError, tmp_path / "colours", "labels:", "3 (c)")


def test_a_run_of_bytes_that_changed_its_length_is_refused(tmp_path):
    for z in range(3):
        save(tmp_path / f"{z}.tif", pixels(4, 5))
    source = open_source(tmp_path)
    save(tmp_path / "1.tif", pixels(6, 7))
    with pytest.raises(SourceError, match=r"1\.tif.*bytes now"):
        read_all(source)


def test_float_labels_beside_images_are_refused(tmp_path):
    for z in range(3):
        save(tmp_path / "images" / f"{z}.tif", pixels(4, 5))
        save(tmp_path / "seg" / f"{z}.tif", pixels(4, 5, dtype="f4"))
    refused(NgffError, tmp_path, "seg stands beside the images", "whole numbers", "labels=False")


def test_thousands_of_files_are_opened_by_their_headers(tmp_path):
    """All of them are looked at, in batches that must keep their order."""
    save(tmp_path / "0.png", pixels(64, 64))
    for i in range(1, 2000):
        os.link(tmp_path / "0.png", tmp_path / f"{i}.png")
    source = open_source(tmp_path)
    assert source.info.grid.shape == (2000, 64, 64)
    assert source.info.block == (1, 64, 64)


@pytest.mark.parametrize("kind", ["png", "bmp", "jpg", "tif", "zlib.tif"])
def test_damage_of_any_byte_is_an_error_of_ours_or_pixels_of_the_right_shape(tmp_path, kind):
    from ngffkit.sources.rasters.reading import probe, read_plane

    ending = kind.rpartition(".")[2]
    path = tmp_path / f"a.{ending}"
    save(path, pixels(12, 11), **({"compression": "zlib"} if kind == "zlib.tif" else {}))
    data, rng = path.read_bytes(), np.random.default_rng(1)
    for i in range(400):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 1 + i % 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(1, len(data))] if i % 4 == 0 else damaged)
        head = plane = None
        with contextlib.suppress(NgffError):
            head, plane = probe(str(path)), read_plane(str(path))
        if head is not None and plane is not None and head.shape == (12, 11):
            assert (head.shape, head.dtype) == (plane.shape[-2:], plane.dtype)
