"""TIFF of all sorts as sources: pixels, sizes, channels, and errors that name file and page."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from source_contract import box_of, check_source, read_all

from ngffkit.errors import MetadataError, NgffError, NotFoundError, SourceError
from ngffkit.sources.options import ReadOptions
from ngffkit.sources.tiff.source import open_tiff

tifffile = pytest.importorskip("tifffile")

PLAIN = ReadOptions()


def pixels(*shape: int, dtype: str = "u2") -> np.ndarray:
    rng = np.random.default_rng(7)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def check(path: Path, truth: np.ndarray, axes: str, options: ReadOptions = PLAIN):
    source = open_tiff(path, options)
    check_source(source, truth, axes, reopen=lambda: open_tiff(path, options))
    return source


LAYOUTS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "bigtiff": {"bigtiff": True},
    "strips": {"rowsperstrip": 7},
    "deflate": {"compression": "zlib", "rowsperstrip": 7, "predictor": True},
    "deflate-big-endian": {"compression": "zlib", "byteorder": ">", "rowsperstrip": 11},
    "lzw": {"compression": "lzw"},
    "zstd-tiles": {"compression": "zstd", "tile": (16, 32)},
    "tiles": {"tile": (16, 32)},
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "f8"])
def test_pages_of_every_layout(tmp_path: Path, layout: str, dtype: str):
    truth = pixels(5, 50, 70, dtype=dtype)
    how = dict(LAYOUTS[layout])
    head = {k: how.pop(k) for k in ("byteorder", "bigtiff") if k in how}
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, **head) as file:
        for page in truth:
            file.write(page, contiguous=False, metadata=None, **how)
    source = check(path, truth, "zyx")
    assert [n.loc for n in source.info.notes] == ["axes"]
    expected = {"deflate": (1, 7, 70), "zstd-tiles": (1, 16, 32), "plain": (1, 1, 1)}
    assert source.info.block == expected.get(layout, source.info.block)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("how", [{}, {"compression": "zlib", "tile": (16, 16)}], ids=str)
def test_samples_of_colours_are_channels(tmp_path: Path, planar: str, how: dict):
    truth = pixels(3, 40, 50, dtype="u1")
    data = truth if planar == "separate" else np.moveaxis(truth, 0, -1)
    path = tmp_path / "rgb.tif"
    tifffile.imwrite(path, data, photometric="rgb", planarconfig=planar, **how)
    source = check(path, truth, "cyx")
    assert [c.color for c in source.info.channels] == ["FF0000", "00FF00", "0000FF"]


def test_transparency_is_left_out_and_said(tmp_path: Path):
    data = pixels(40, 50, 4, dtype="u1")
    path = tmp_path / "rgba.tif"
    tifffile.imwrite(path, data, photometric="rgb", extrasamples=["unassalpha"])
    source = check(path, np.moveaxis(data, -1, 0)[:3], "cyx")
    assert "transparency" in source.info.notes[-1].message


def test_one_bit_is_bool(tmp_path: Path):
    truth = pixels(20, 30, dtype="u1") > 100
    tifffile.imwrite(tmp_path / "b.tif", truth, photometric="minisblack")
    check(tmp_path / "b.tif", truth, "yx")


# --- ImageJ ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["um", "\\u00B5m", "micron", "micrometer"])
def test_imagej_hyperstack_with_all_it_says(tmp_path: Path, unit: str):
    data = pixels(2, 3, 2, 20, 30)
    path = tmp_path / "h.tif"
    lut = np.zeros((3, 256), "u1")
    lut[1] = np.arange(256)
    tifffile.imwrite(
        path,
        data,
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={
            "axes": "TZCYX",
            "unit": unit,
            "mode": "composite",
            "spacing": 2.0,
            "finterval": 1.5,
            "LUTs": [lut, np.stack([np.arange(256, dtype="u1")] * 3)],
            "Ranges": (10.0, 200.0, 20.0, 3000.0),
            "Labels": ["DAPI", "GFP"] * 6,
        },
    )
    info = check(path, data.transpose(0, 2, 1, 3, 4), "tczyx").info
    assert info.grid.scale == (1.5, 1.0, 2.0, 0.5, 0.25)
    assert [a.unit for a in info.grid.axes] == ["second", None, *["micrometer"] * 3]
    assert [c.label for c in info.channels] == ["DAPI", "GFP"]
    assert [c.color for c in info.channels] == ["00FF00", "FFFFFF"]
    window = info.channels[1].window
    assert window is not None
    assert (window.start, window.end, window.max) == (20.0, 3000.0, 65535.0)


@pytest.mark.parametrize("unit", ["pixel", "inch", ""])
def test_imagej_without_a_real_unit_has_none(tmp_path: Path, unit: str):
    path = tmp_path / "p.tif"
    meta = {"axes": "ZYX", "unit": unit, "spacing": 3.0}
    tifffile.imwrite(path, pixels(4, 9, 9), imagej=True, resolution=(72, 72), metadata=meta)
    info = open_tiff(path, PLAIN).info
    assert info.grid.scale == (1.0, 1.0, 1.0)
    assert {a.unit for a in info.grid.axes} == {None}
    assert unit == "" or "voxel_size" in [n.loc for n in info.notes]


def imagej_of_one_page(path: Path, data: np.ndarray) -> None:
    """Write a stack as ImageJ does beyond 4 GB: one page, and pixels behind it."""
    text = f"ImageJ=1.54f\nimages={len(data)}\nslices={len(data)}\n"
    with tifffile.TiffWriter(path, byteorder=">") as file:
        file.write(data[0], description=text, metadata=None)
    with path.open("ab") as file:
        file.write(data[1:].astype(">u2").tobytes())


def test_imagej_stack_with_one_page_for_all_planes(tmp_path: Path):
    truth = pixels(6, 20, 30)
    imagej_of_one_page(tmp_path / "big.tif", truth)
    check(tmp_path / "big.tif", truth, "zyx")


def test_imagej_stack_that_was_cut_off_is_no_single_plane(tmp_path: Path):
    path = tmp_path / "big.tif"
    imagej_of_one_page(path, pixels(6, 20, 30))
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(SourceError, match=r"big\.tif: truncated: ImageJ wrote 6 planes"):
        open_tiff(path, PLAIN)


# --- meaning of pages -----------------------------------------------------------------------------


def test_axes_say_what_pages_are(tmp_path: Path):
    truth = pixels(4, 3, 9, 8)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, truth, metadata={"axes": "QIYX"}, photometric="minisblack")
    guessed = open_tiff(path, PLAIN)
    assert guessed.info.grid.dims == ("t", "z", "y", "x")
    assert len(guessed.info.notes) == 2
    source = check(path, truth.transpose(1, 0, 2, 3), "tcyx", ReadOptions(axes="ctyx"))
    assert not source.info.notes
    for wrong in ("zyx", "zzyx", "tcxy", "abcyx"):
        with pytest.raises(NgffError, match=r"does not fit .* 4 x 3 pages"):
            open_tiff(path, ReadOptions(axes=wrong))


def test_several_series_are_listed_and_chosen(tmp_path: Path):
    path = tmp_path / "two.tif"
    first, second = pixels(3, 9, 8), pixels(30, 31, dtype="u1")
    with tifffile.TiffWriter(path) as file:
        file.write(first, metadata={"Name": "cells"}, photometric="minisblack")
        file.write(second, metadata={"Name": "other"})
    with pytest.raises(NgffError, match=r"several images.*0: '0'.*1: '1'"):
        open_tiff(path, PLAIN)
    check(path, second, "yx", ReadOptions(image="1"))
    with pytest.raises(NgffError, match="no image 'x'"):
        open_tiff(path, ReadOptions(image="x"))


def test_coarser_copies_are_no_other_images(tmp_path: Path):
    path, truth = tmp_path / "pyramid.tif", pixels(64, 96)
    with tifffile.TiffWriter(path) as file:
        file.write(truth, subifds=2, tile=(16, 16), metadata=None)
        for step in (2, 4):
            file.write(truth[::step, ::step], subfiletype=1, tile=(16, 16), metadata=None)
    check(path, truth, "yx")


def test_mags_of_a_tiff_are_refused(tmp_path: Path):
    tifffile.imwrite(tmp_path / "a.tif", pixels(9, 9))
    with pytest.raises(NgffError, match="mag=2"):
        open_tiff(tmp_path / "a.tif", ReadOptions(mag=2))


# --- OME-TIFF -------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [{}, {"compression": "zlib", "tile": (16, 16)}], ids=str)
def test_ome_says_sizes_units_and_channels(tmp_path: Path, how: dict):
    data, path = pixels(2, 2, 3, 20, 30), tmp_path / "a.ome.tif"
    meta = {
        "axes": "TCZYX",
        "PhysicalSizeX": 250,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.5,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeZ": 2.0,
        "TimeIncrement": 100,
        "TimeIncrementUnit": "ms",
        "Channel": {"Name": ["DAPI", "GFP"], "Color": [0x0000FFFF, 0x00FF00FF]},
        "Name": "cells",
    }
    tifffile.imwrite(path, data, ome=True, metadata=meta, photometric="minisblack", **how)
    info = check(path, data, "tczyx").info
    assert info.name == "cells"
    assert info.grid.scale == (100.0, 1.0, 2.0, 0.5, 250.0)
    units = ["millisecond", None, "micrometer", "micrometer", "nanometer"]
    assert [a.unit for a in info.grid.axes] == units
    assert [(c.label, c.color) for c in info.channels] == [("DAPI", "0000FF"), ("GFP", "00FF00")]


@pytest.mark.parametrize("order", ["XYZCT", "XYCTZ", "XYTZC", "XYZTC"])
def test_ome_orders_of_dimensions(tmp_path: Path, order: str):
    axes = order[::-1]
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 10, "X": 11}
    data = pixels(*(sizes[a] for a in axes))
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, data, ome=True, metadata={"axes": axes}, photometric="minisblack")
    check(path, data.transpose([axes.index(a) for a in "TCZYX"]), "tczyx")


def test_ome_colours_are_channels(tmp_path: Path):
    data, path = pixels(4, 20, 30, 3, dtype="u1"), tmp_path / "rgb.ome.tif"
    tifffile.imwrite(path, data, ome=True, metadata={"axes": "ZYXS"}, photometric="rgb")
    source = check(path, data.transpose(3, 0, 1, 2), "czyx")
    assert [c.label for c in source.info.channels] == ["red", "green", "blue"]


XML = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" {uuid}>{image}</OME>"""


def companion(folder: Path, truth: np.ndarray) -> Path:
    """Write each plane to a file, and what they are to a companion."""
    entries = ""
    for z, plane in enumerate(truth):
        text = XML.format(uuid="", image='<BinaryOnly MetadataFile="a.companion.ome" UUID="u:0"/>')
        tifffile.imwrite(folder / f"a{z}.ome.tif", plane, description=text, metadata=None)
        entries += (
            f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
            f'<UUID FileName="a{z}.ome.tif">u:{z + 1}</UUID></TiffData>'
        )
    image = (
        f'<Image Name="many"><Pixels DimensionOrder="XYZCT" SizeX="{truth.shape[2]}" '
        f'SizeY="{truth.shape[1]}" SizeZ="{len(truth)}" SizeC="1" SizeT="1" PhysicalSizeX="0.5">'
        f'<Channel ID="c" Name="DAPI"/>{entries}</Pixels></Image>'
    )
    path = folder / "a.companion.ome"
    path.write_text(XML.format(uuid='UUID="u:0"', image=image), "utf-8")
    return path


def test_ome_of_many_files_by_any_of_them(tmp_path: Path):
    truth = pixels(4, 20, 30)
    path = companion(tmp_path, truth)
    for name in (path.name, "a0.ome.tif", "a3.ome.tif"):
        info = check(tmp_path / name, truth, "zyx").info
        assert info.name == "many"
        assert info.grid.scale[2] == 0.5


def test_ome_files_that_are_missing_are_named(tmp_path: Path):
    path = companion(tmp_path, pixels(4, 20, 30))
    source = open_tiff(path, PLAIN)
    (tmp_path / "a2.ome.tif").unlink()
    with pytest.raises(SourceError, match=r"a2\.ome\.tif: it is missing; a\.companion\.ome says"):
        open_tiff(path, PLAIN)
    with pytest.raises(SourceError, match=r"a2\.ome\.tif, page 2: No such file"):
        read_all(source)
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.companion\.ome: it is missing; a0\.ome\.tif says"):
        open_tiff(tmp_path / "a0.ome.tif", PLAIN)


def test_ome_planes_without_a_page_are_errors_not_zeros(tmp_path: Path):
    truth = pixels(4, 20, 30)
    path = companion(tmp_path, truth)
    path.write_text(path.read_text("utf-8").replace('FirstZ="2"', 'FirstZ="1"'), "utf-8")
    source = open_tiff(path, PLAIN)
    assert "1 planes have no page" in source.info.notes[0].message
    box = list(box_of(source.info))
    np.testing.assert_array_equal(source.read((slice(3, 4), *box[1:])), truth[3:])
    with pytest.raises(SourceError, match=r"no page holds plane \(2,\)"):
        read_all(source)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("<OME", "<!DOCTYPE x><OME", "document type"),
        ("</OME>", "", "can't be parsed"),
        ('SizeZ="4"', 'SizeZ="-1"', "SizeZ: is '-1'"),
        ('SizeZ="4"', 'SizeZ="99999999999"', "planes; at most"),
        ('FirstZ="2"', 'FirstZ="two"', "a value is no number"),
        ("XYZCT", "XYZZZ", "DimensionOrder"),
        ('FileName="a2.ome.tif"', 'FileName="../a2.ome.tif"', "not beside it"),
        ('IFD="0"', 'IFD="9"', "page 9 is missing, it has 1 pages"),
    ],
)
def test_ome_xml_that_is_wrong(tmp_path: Path, old: str, new: str, says: str):
    path = companion(tmp_path, pixels(4, 20, 30))
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(NgffError, match=says) as caught:
        open_tiff(path, PLAIN)
    assert isinstance(caught.value, (MetadataError, SourceError)) or "beside" in says


# --- what is broken -------------------------------------------------------------------------------


def test_what_is_no_tiff(tmp_path: Path):
    (tmp_path / "a.tif").write_bytes(b"no TIFF at all")
    with pytest.raises(SourceError, match=r"a\.tif: it is no TIFF"):
        open_tiff(tmp_path / "a.tif", PLAIN)
    (tmp_path / "empty.tif").write_bytes(b"")
    with pytest.raises(SourceError, match=r"empty\.tif"):
        open_tiff(tmp_path / "empty.tif", PLAIN)
    with pytest.raises(NotFoundError, match=r"nothing\.tif"):
        open_tiff(tmp_path / "nothing.tif", PLAIN)
    tifffile.imwrite(tmp_path / "c.tif", pixels(9, 9).astype("c8"))
    with pytest.raises(NgffError, match="complex64"):
        open_tiff(tmp_path / "c.tif", PLAIN)


def test_a_strip_that_is_corrupt_names_file_page_and_strip(tmp_path: Path):
    path, truth = tmp_path / "a.tif", pixels(3, 40, 30)
    with tifffile.TiffWriter(path) as file:
        for page in truth:
            file.write(page, compression="zlib", rowsperstrip=10, metadata=None, contiguous=False)
    source = open_tiff(path, PLAIN)
    with tifffile.TiffFile(path) as file:
        offset, size = file.pages[1].dataoffsets[2], file.pages[1].databytecounts[2]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * size)
    with pytest.raises(SourceError, match=r"a\.tif, page 1: strip 2 can't be decoded"):
        read_all(source)
    whole = (slice(0, 30),)
    np.testing.assert_array_equal(source.read((slice(1, 2), slice(0, 20), *whole)), truth[1:2, :20])


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}], ids=str)
def test_a_file_that_is_cut_off_after_opening(tmp_path: Path, how: dict):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels(3, 40, 30), photometric="minisblack", **how)
    source = open_tiff(path, PLAIN)
    os.truncate(path, 2000)
    with pytest.raises(SourceError, match=r"a\.tif, page \d.*: truncated: \d+ bytes at \d+"):
        read_all(source)
    path.unlink()
    with pytest.raises(SourceError, match=r"a\.tif, page 0: No such file"):
        read_all(source)


def test_a_file_that_was_cut_off_before(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels(3, 40, 30), photometric="minisblack")
    os.truncate(path, 5000)
    with pytest.raises(SourceError, match=r"a\.tif"):
        read_all(open_tiff(path, PLAIN))


def test_a_strip_that_was_never_written_is_an_error(tmp_path: Path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels(40, 30), compression="zlib", rowsperstrip=10)
    with tifffile.TiffFile(path, mode="r+") as file:
        page = file.pages[0]
        page.tags["StripOffsets"].overwrite([*page.dataoffsets[:3], 0])
        page.tags["StripByteCounts"].overwrite([*page.databytecounts[:3], 0])
    with pytest.raises(SourceError, match=r"page 0: strip 3 was never written"):
        read_all(open_tiff(path, PLAIN))


# --- bounds ---------------------------------------------------------------------------------------


def test_only_what_a_box_touches_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, truth = tmp_path / "a.tif", pixels(4, 64, 96)
    tifffile.imwrite(path, truth, tile=(16, 32), compression="zlib", photometric="minisblack")
    source = open_tiff(path, PLAIN)
    from ngffkit.sources.tiff import pages as tiff_pages

    read: list[int] = []
    real = tiff_pages.read_bytes

    def counted(file, offset, count, name):
        read.append(count)
        return real(file, offset, count, name)

    monkeypatch.setattr(tiff_pages, "read_bytes", counted)
    box = (slice(2, 3), slice(15, 17), slice(0, 32))
    np.testing.assert_array_equal(source.read(box), truth[box])
    assert len(read) == 2


def test_many_pages_are_kept_as_numbers(tmp_path: Path):
    path, count = tmp_path / "many.tif", 2000
    truth = pixels(count, 4, 5, dtype="u1")
    with tifffile.TiffWriter(path) as file:
        for page in truth:
            file.write(page, metadata=None, contiguous=False)
    source = open_tiff(path, PLAIN)
    np.testing.assert_array_equal(read_all(source), truth)
    assert len(pickle.dumps(source)) < 40 * count


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "packbits", "lzma", "webp"])
def test_other_codecs_decode_as_tifffile_does(tmp_path: Path, compression: str):
    path = tmp_path / "a.tif"
    data = pixels(40, 48, 3, dtype="u1")
    tifffile.imwrite(path, data, photometric="rgb", compression=compression, tile=(16, 16))
    truth = np.moveaxis(tifffile.imread(path), -1, 0)
    check(path, truth, "cyx")
