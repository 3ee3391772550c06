"""Formats that come with extras: HDF5, MRC, NIfTI, Imaris, CZI, bioio."""

from __future__ import annotations

import bz2
import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from source_contract import check_source, read_all

from ngffkit.errors import NgffError, SourceError
from ngffkit.sources.arranged import library, unit_name
from ngffkit.sources.options import ReadOptions

PLAIN = ReadOptions()

# mrcfile, which writes files for these tests, does what NumPy 2.5 deprecates
pytestmark = pytest.mark.filterwarnings("ignore:Setting the dtype:DeprecationWarning")


def pixels(*shape: int, dtype: str = "u2") -> np.ndarray:
    return np.random.default_rng(5).integers(0, 120, shape).astype(dtype)


def test_a_library_that_lacks_is_named_with_its_extra():
    with pytest.raises(NgffError, match=r"pip install 'ngffkit\[mrc\]'"):
        library("no_such_library_at_all", "mrc")


@pytest.mark.parametrize("text", ["µm", "\u03bcm", "\\u00B5m", "Micron", "um\0"])
def test_spellings_of_units(text: str):
    assert unit_name(text) == "micrometer"


# --- HDF5 -----------------------------------------------------------------------------------------


def test_hdf5_with_sizes_and_blocks(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    from ngffkit.sources.formats.hdf5 import open_hdf5

    truth, path = pixels(12, 20, 30), tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("vol/raw", data=truth, chunks=(4, 8, 16), compression="gzip")
        data.attrs["element_size_um"] = [2.0, 0.5, 0.25]
        file.create_dataset("vol/small", data=truth[:2])
        file.create_dataset("table", data=np.arange(4))
    source = open_hdf5(path, PLAIN)
    check_source(source, truth, "zyx", reopen=lambda: open_hdf5(path, PLAIN))
    assert source.info.grid.scale == (2.0, 0.5, 0.25)
    assert source.info.block == (4, 8, 16)
    check_source(open_hdf5(path, ReadOptions(image="/vol/small")), truth[:2], "zyx")
    with pytest.raises(NgffError, match=r"no dataset 'x'; it has 'vol/raw' 12 x 20 x 30 uint16"):
        open_hdf5(path, ReadOptions(image="x"))


def test_hdf5_axes_by_labels_and_tags(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    from ngffkit.sources.formats.hdf5 import open_hdf5

    truth, path = pixels(4, 5, 6, 2), tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        tagged = file.create_dataset("tagged", data=truth)
        tagged.attrs["axistags"] = '{"axes": [{"key":"x"},{"key":"y"},{"key":"z"},{"key":"c"}]}'
        labelled = file.create_dataset("labelled", data=truth)
        for dim, name in zip(labelled.dims, "tzyx", strict=True):
            dim.label = name
    with pytest.raises(NgffError, match="several datasets"):
        open_hdf5(path, PLAIN)
    check_source(open_hdf5(path, ReadOptions(image="tagged")), truth.transpose(3, 2, 1, 0), "czyx")
    check_source(open_hdf5(path, ReadOptions(image="labelled")), truth, "tzyx")


def test_hdf5_that_is_broken(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    from ngffkit.sources.formats.hdf5 import open_hdf5

    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("raw", data=pixels(12, 20, 30), chunks=(4, 20, 30), compression="gzip")
        file.flush()  # what isn't written yet has no place
        offset = file["raw"].id.get_chunk_info(1).byte_offset
    with path.open("r+b") as file:  # before it is opened: HDF5 keeps what lies near metadata
        file.seek(offset)
        file.write(b"\xff" * 64)
    with pytest.raises(SourceError, match=r"a\.h5, dataset 'raw'"):
        read_all(open_hdf5(path, PLAIN))
    path.write_bytes(b"nothing")
    with pytest.raises(SourceError, match="no HDF5 file"):
        open_hdf5(path, PLAIN)


# --- MRC ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["i1", "i2", "u2", "f4", "f2"])
@pytest.mark.parametrize("end", ["", ".gz", ".bz2"])
def test_mrc_modes_and_packing(tmp_path: Path, dtype: str, end: str):
    mrcfile = pytest.importorskip("mrcfile")
    from ngffkit.sources.formats.mrc import open_mrc

    truth, path = pixels(6, 20, 30, dtype=dtype), tmp_path / f"a.mrc{end}"
    with mrcfile.new(path, compression={"": None, ".gz": "gzip", ".bz2": "bzip2"}[end]) as file:
        file.set_data(truth)
        file.voxel_size = (1.5, 2.5, 4.0)
    source = open_mrc(path, PLAIN)
    check_source(source, truth, "zyx", reopen=lambda: open_mrc(path, PLAIN))
    np.testing.assert_allclose(source.info.grid.scale, (4.0, 2.5, 1.5), rtol=1e-6)
    assert {a.unit for a in source.info.grid.axes} == {"angstrom"}
    assert source.info.name == "a"


def test_mrc_stacks_of_images_and_of_volumes(tmp_path: Path):
    mrcfile = pytest.importorskip("mrcfile")
    from ngffkit.sources.formats.mrc import open_mrc

    truth = pixels(6, 20, 30, dtype="f4")
    with mrcfile.new(tmp_path / "a.mrc") as file:
        file.set_data(truth)
        file.set_image_stack()
    assert [n.loc for n in open_mrc(tmp_path / "a.mrc", PLAIN).info.notes] == ["axes", "voxel_size"]
    check_source(open_mrc(tmp_path / "a.mrc", ReadOptions(axes="tyx")), truth, "tyx")
    volumes = pixels(2, 3, 20, 30, dtype="i2")
    with mrcfile.new(tmp_path / "v.mrc") as file:
        file.set_data(volumes)
    check_source(open_mrc(tmp_path / "v.mrc", PLAIN), volumes, "tzyx")


@pytest.mark.parametrize("order", ["<", ">"])
def test_mrc_bytes_of_imod_are_unsigned_unless_it_says_so(tmp_path: Path, order: str):
    pytest.importorskip("mrcfile")
    from ngffkit.sources.formats.mrc import open_mrc

    truth = np.random.default_rng(1).integers(0, 256, (3, 20, 30), "u1")
    head = bytearray(1024)
    words = np.frombuffer(head, f"{order}i4")
    words[:4] = [30, 20, 3, 0]
    words[7:10] = [30, 20, 3]
    words[16:19] = [1, 2, 3]
    head[208:212] = b"MAP "
    head[212:216] = b"DD\0\0" if order == "<" else b"\x11\x11\0\0"
    path = tmp_path / "a.mrc"
    path.write_bytes(bytes(head) + truth.tobytes())
    check_source(open_mrc(path, PLAIN), truth.view("i1"), "zyx")
    words[38] = 1146047817
    path.write_bytes(bytes(head) + truth.tobytes())
    check_source(open_mrc(path, PLAIN), truth, "zyx")
    words[39] = 1
    path.write_bytes(bytes(head) + truth.tobytes())
    check_source(open_mrc(path, PLAIN), truth.view("i1"), "zyx")


def test_mrc_that_is_broken(tmp_path: Path):
    mrcfile = pytest.importorskip("mrcfile")
    from ngffkit.sources.formats.mrc import open_mrc

    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(pixels(6, 20, 30, dtype="f4"))
    whole = path.read_bytes()
    source = open_mrc(path, PLAIN)
    os.truncate(path, 5000)
    with pytest.raises(SourceError, match=r"a\.mrc: truncated"):
        read_all(source)
    with pytest.raises(SourceError, match=r"a\.mrc: truncated: its pixels end at 15424"):
        open_mrc(path, PLAIN)
    for end, pack in ((".gz", gzip.compress), (".bz2", bz2.compress)):
        packed = tmp_path / f"b.mrc{end}"
        packed.write_bytes(pack(np.random.default_rng(0).bytes(3) + whole)[:-20])
        with pytest.raises(SourceError, match=rf"b\.mrc\{end}"):
            read_all(open_mrc(packed, PLAIN))
    with mrcfile.new(tmp_path / "c.mrc") as file:
        file.set_data(pixels(6, 20, 30).astype("c8"))
    with pytest.raises(NgffError, match="MRC mode 4"):
        open_mrc(tmp_path / "c.mrc", PLAIN)


# --- NIfTI ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "f4"])
def test_nifti_axes_sizes_and_units(tmp_path: Path, end: str, dtype: str):
    nibabel = pytest.importorskip("nibabel")
    from ngffkit.sources.formats.nifti import open_nifti

    truth, path = pixels(7, 8, 9, 3, dtype=dtype), tmp_path / f"a{end}"
    header = nibabel.Nifti1Header(endianness=">" if dtype[0] == ">" else "<")
    made = nibabel.Nifti1Image(truth, np.eye(4), header)
    made.set_data_dtype(np.dtype(dtype))
    made.header.set_zooms((0.5, 1.0, 2.0, 1.5))
    made.header.set_xyzt_units("micron", "msec")
    nibabel.save(made, path)
    source = open_nifti(path, PLAIN)
    check_source(source, truth.T, "tzyx", reopen=lambda: open_nifti(path, PLAIN))
    assert source.info.grid.scale == (1.5, 2.0, 1.0, 0.5)
    assert [a.unit for a in source.info.grid.axes] == ["millisecond", *["micrometer"] * 3]
    assert "RAS" in source.info.notes[-1].message


def test_nifti_scaled_pixels_are_as_nibabel_has_them(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    from ngffkit.sources.formats.nifti import open_nifti

    path = tmp_path / "a.nii"
    made = nibabel.Nifti1Image(pixels(7, 8, 9, dtype="i2"), np.eye(4))
    made.header.set_slope_inter(0.1, -3.7)
    nibabel.save(made, path)
    truth = np.asarray(nibabel.load(path).dataobj)
    assert truth.dtype == np.float64
    check_source(open_nifti(path, PLAIN), truth.T, "zyx")


def test_nifti_that_is_broken(tmp_path: Path):
    nibabel = pytest.importorskip("nibabel")
    from ngffkit.sources.formats.nifti import open_nifti

    nibabel.save(nibabel.Nifti1Image(pixels(7, 8, 9, dtype="i2"), np.eye(4)), tmp_path / "a.nii.gz")
    packed = tmp_path / "a.nii.gz"
    whole = packed.read_bytes()
    packed.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"a\.nii\.gz"):
        read_all(open_nifti(packed, PLAIN))
    (tmp_path / "b.nii").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="no NIfTI file"):
        open_nifti(tmp_path / "b.nii", PLAIN)
    rgb = np.zeros((3, 4, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(rgb, np.eye(4)), tmp_path / "c.nii")
    with pytest.raises(NgffError, match="pixels of type"):
        open_nifti(tmp_path / "c.nii", PLAIN)


# --- Imaris ---------------------------------------------------------------------------------------


def letters(text: object) -> np.ndarray:
    return np.frombuffer(str(text).encode(), "S1")


def imaris(path: Path, truth: np.ndarray) -> None:
    """Write what Imaris does: a dataset per time and channel, padded to whole chunks."""
    import h5py

    with h5py.File(path, "w") as file:
        for t, c in np.ndindex(truth.shape[:2]):
            place = f"DataSet/ResolutionLevel 0/TimePoint {t}/Channel {c}"
            group = file.create_group(place)
            size = truth.shape[2:]
            padded = np.pad(truth[t, c], [(0, -n % 8) for n in size])
            group.create_dataset("Data", data=padded, chunks=(8, 8, 8), compression="gzip")
            for axis, n in zip("ZYX", size, strict=True):
                group.attrs[f"ImageSize{axis}"] = letters(n)
        info = file.create_group("DataSetInfo/Image")
        for i, (n, step) in enumerate(zip(truth.shape[:1:-1], (0.25, 0.5, 2.0), strict=True)):
            info.attrs[f"ExtMin{i}"] = letters(10.0)
            info.attrs[f"ExtMax{i}"] = letters(10.0 + n * step)
        info.attrs["Unit"] = letters("um")
        info.attrs["Name"] = letters("brain")
        for c in range(truth.shape[1]):
            channel = file.create_group(f"DataSetInfo/Channel {c}")
            channel.attrs["Name"] = letters(f"dye {c}")
            channel.attrs["Color"] = letters("1.000 0.500 0.000")
            channel.attrs["ColorRange"] = letters("5.000 90.000")


def test_imaris_true_size_voxels_and_channels(tmp_path: Path):
    pytest.importorskip("h5py")
    from ngffkit.sources.formats.imaris import open_imaris

    truth, path = pixels(2, 2, 6, 20, 30), tmp_path / "a.ims"
    imaris(path, truth)
    source = open_imaris(path, PLAIN)
    check_source(source, truth, "tczyx", reopen=lambda: open_imaris(path, PLAIN))
    info = source.info
    assert info.grid.scale == (1.0, 1.0, 2.0, 0.5, 0.25)
    assert info.block == (1, 1, 6, 8, 8)
    assert info.name == "brain"
    assert [(c.label, c.color) for c in info.channels] == [("dye 0", "FF8000"), ("dye 1", "FF8000")]
    assert info.channels[0].window is not None
    assert info.channels[0].window.end == 90.0
    with pytest.raises(NgffError, match="no level mag=3; it has 0 to 0"):
        open_imaris(path, ReadOptions(mag=3))


def test_imaris_that_lacks_a_channel(tmp_path: Path):
    h5py = pytest.importorskip("h5py")
    from ngffkit.sources.formats.imaris import open_imaris

    path = tmp_path / "a.ims"
    imaris(path, pixels(2, 2, 6, 20, 30))
    with h5py.File(path, "a") as file:
        del file["DataSet/ResolutionLevel 0/TimePoint 1/Channel 1"]
    with pytest.raises(SourceError, match=r"TimePoint 1/Channel 1/Data is missing"):
        open_imaris(path, PLAIN)
    with h5py.File(tmp_path / "b.ims", "w") as file:
        file["x"] = 1
    with pytest.raises(SourceError, match="ResolutionLevel 0"):
        open_imaris(tmp_path / "b.ims", PLAIN)


# --- CZI, ND2, bioio ------------------------------------------------------------------------------


def test_czi_planes_sizes_and_channels(tmp_path: Path):
    czi = pytest.importorskip("pylibCZIrw.czi")
    from ngffkit.sources.formats.czi import open_czi

    truth, path = pixels(2, 2, 3, 20, 30), tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        for t, c, z in np.ndindex(truth.shape[:3]):
            plane = {"T": t, "C": c, "Z": z}
            file.write(data=truth[t, c, z][..., None], plane=plane, location=(5, 7))
        file.write_metadata(
            "x", channel_names={0: "DAPI", 1: "GFP"}, scale_x=1e-7, scale_y=2e-7, scale_z=3e-7
        )
    source = open_czi(path, PLAIN)
    check_source(source, truth, "tczyx", reopen=lambda: open_czi(path, PLAIN))
    np.testing.assert_allclose(source.info.grid.scale, (1.0, 1.0, 0.3, 0.2, 0.1))
    assert [c.label for c in source.info.channels] == ["DAPI", "GFP"]
    (tmp_path / "b.czi").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="no CZI file"):
        open_czi(tmp_path / "b.czi", PLAIN)


def test_czi_planes_that_lack_are_errors_not_zeros(tmp_path: Path):
    czi = pytest.importorskip("pylibCZIrw.czi")
    from ngffkit.sources.formats.czi import open_czi

    truth, path = pixels(3, 20, 30), tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        for z in (0, 2):
            file.write(data=truth[z][..., None], plane={"T": 0, "C": 0, "Z": z}, location=(0, 0))
    with pytest.raises(SourceError, match=r"a\.czi, plane T=0 C=0 Z=1: nothing is stored"):
        read_all(open_czi(path, PLAIN))


def test_czi_colours_and_scenes(tmp_path: Path):
    czi = pytest.importorskip("pylibCZIrw.czi")
    from ngffkit.sources.formats.czi import open_czi

    truth, path = pixels(3, 20, 30, dtype="u1"), tmp_path / "a.czi"
    with czi.create_czi(str(path)) as file:
        for scene in range(2):
            data = np.ascontiguousarray(np.moveaxis(truth + scene, 0, -1)[..., ::-1])
            place = (100 * scene, 0)
            file.write(data=data, plane={"T": 0, "C": 0, "Z": 0}, location=place, scene=scene)
    with pytest.raises(NgffError, match=r"several scenes; choose one by image=: '0' 30 x 20"):
        open_czi(path, PLAIN)
    for scene in range(2):
        source = open_czi(path, ReadOptions(image=str(scene)))
        check_source(source, (truth + scene)[None, :, None], "tczyx")


def test_nd2_that_is_none(tmp_path: Path):
    pytest.importorskip("nd2")
    from ngffkit.sources.formats.nd2 import open_nd2

    (tmp_path / "a.nd2").write_bytes(b"nothing at all, but long enough to look at" * 9)
    with pytest.raises(SourceError, match=r"a\.nd2: it is no ND2 file"):
        open_nd2(tmp_path / "a.nd2", PLAIN)


def test_nd2_frames_by_position_and_loop():
    from ngffkit.sources.formats.handles import Shared
    from ngffkit.sources.formats.nd2 import Nd2Pixels

    truth = pixels(2, 3, 4, 2, 9, 8)  # T, P, Z, C, Y, X, as frames of a file that tests can't write
    source = Nd2Pixels(Shared(_frames, truth), (("T", 2), ("P", 3), ("Z", 4)), 1, (2, 9, 8, 1))
    cut = (slice(1, 2), slice(1, 4), slice(0, 2), slice(3, 9), slice(0, 5))
    np.testing.assert_array_equal(source.read(cut), truth[:, 1][cut])


class _Frames:
    def __init__(self, truth: np.ndarray) -> None:
        self.frames = truth.reshape(-1, *truth.shape[3:])

    def read_frame(self, number: int) -> np.ndarray:
        return self.frames[number]


def _frames(truth: np.ndarray) -> _Frames:
    return _Frames(truth)


@pytest.mark.filterwarnings("ignore")  # bioio and its plugins warn of their own affairs
def test_bioio_by_any_plugin(tmp_path: Path):
    pytest.importorskip("bioio")
    pytest.importorskip("bioio_tifffile")
    tifffile = pytest.importorskip("tifffile")
    from ngffkit.sources.formats.bioio import open_bioio

    truth, path = pixels(3, 20, 30), tmp_path / "a.tif"
    meta = {"axes": "ZYX", "unit": "um", "spacing": 2.0}
    tifffile.imwrite(path, truth, imagej=True, resolution=(2, 2), metadata=meta)
    source = open_bioio(path, PLAIN)
    check_source(source, truth[None, None], "tczyx")
    with pytest.raises(NgffError, match="no scene 'x'"):
        open_bioio(path, ReadOptions(image="x"))
    (tmp_path / "a.nothing").write_bytes(b"nothing")
    with pytest.raises(SourceError, match="bioio can't open it"):
        open_bioio(tmp_path / "a.nothing", PLAIN)
