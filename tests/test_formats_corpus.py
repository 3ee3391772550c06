"""Every TIFF, HDF5, MRC and NIfTI of the corpus gives the pixels that independent readers saw."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from source_contract import check_source, read_all

from ngffkit.errors import NgffError
from ngffkit.sources.options import ReadOptions

#: Entries that can't be compared, each with its reason. There are none.
EXCUSED: dict[str, str] = {}

#: Where the truth has other axes than a source gives: from the source's to those of the truth.
_LETTERS = {"q": "z", "i": "z", "s": "c"}


def opener(key: str):
    """Return what opens an entry, None for pictures, which others read."""
    if key.endswith((".tif", ".tiff")):
        pytest.importorskip("tifffile")
        from ngffkit.sources.tiff.source import open_tiff

        return open_tiff
    if ".map" in key:
        from ngffkit.sources.formats.mrc import open_mrc

        return open_mrc
    if ".nii" in key:
        pytest.importorskip("nibabel")
        from ngffkit.sources.formats.nifti import open_nifti

        return open_nifti
    return None


def in_order_of(truth: dict[str, Any], key: str, source) -> np.ndarray:
    """Return the pixels of a source, with the axes of the truth."""
    got = read_all(source)
    plane = re.search(r"multifile-Z(\d)", key)
    if plane:  # one file of five gives all five planes; the truth is that of the one
        return got[int(plane[1]) - 1]
    if ".nii" in key:
        return got.T
    axes = [_LETTERS.get(a, a) for a in truth["axes"].lower()]
    names = list(source.info.grid.dims)
    # pages that stand for nothing are z, samples are channels
    return got.transpose([names.index(a) for a in axes])


def sha256(got: np.ndarray) -> str:
    little = got.astype(got.dtype.newbyteorder("<"), order="C")
    return hashlib.sha256(little.tobytes()).hexdigest()


def test_every_stack_has_its_pixels(corpus: Path):
    entries = json.loads((corpus / "truth_stacks.json").read_text("utf-8"))
    seen, wrong = 0, []
    for key, truth in entries.items():
        open_it = opener(key)
        if open_it is None or key in EXCUSED:
            continue
        source = open_it(corpus / "real" / key, ReadOptions())
        got = in_order_of(truth, key, source)
        if got.shape != tuple(truth["shape"]) or sha256(got) != truth["sha256"]:
            wrong.append((key, got.shape, got.dtype, truth))
        seen += 1
    assert not wrong
    assert seen > 60


def test_hdf5_of_plantseg(corpus: Path):
    h5py = pytest.importorskip("h5py")
    from ngffkit.sources.formats.hdf5 import open_hdf5

    path = corpus / "real" / "stack_h5_plantseg" / "sample_ovule.h5"
    with pytest.raises(NgffError, match=r"'label' 32 x 128 x 128 uint16; 'raw' 32 x 128 x 128"):
        open_hdf5(path, ReadOptions())
    for name in ("raw", "label"):
        with h5py.File(path) as file:
            truth = file[name][...]
        source = open_hdf5(path, ReadOptions(image=name))
        check_source(source, truth, "zyx")
        np.testing.assert_allclose(source.info.grid.scale, (0.235, 0.15, 0.15))
        assert {a.unit for a in source.info.grid.axes} == {"micrometer"}


@pytest.mark.parametrize(
    ("key", "scale", "unit"),
    [
        ("stack_tif_hyperstack/xyzct-mitosis.tif", {"t": 1 / 7, "x": 0.0885}, "micrometer"),
        ("stack_tif_hyperstack/control--000.tif", {"z": 0.054455, "x": 0.272275}, "micrometer"),
        ("stack_tif_notebooks/Bead_Image1_crop.tif", {"z": 0.125, "x": 0.0224919}, "micrometer"),
        ("stack_tif_mri/mri-stack-calibrated.tif", {"z": 5.0, "y": 1.0}, "micrometer"),
        ("stack_mrc_emdb/EMD-3197.map", {"z": 11.4, "y": 11.4, "x": 11.4}, "angstrom"),
        # its columns run along z of the cell, rows along x, sections along y
        ("stack_mrc_emdb/EMD-3001.map", {"z": 0.3925, "y": 0.44825, "x": 0.45875}, "angstrom"),
        ("stack_nifti_nibabel/example4d.nii.gz", {"t": 2000, "z": 2.2, "x": 2}, "millimeter"),
    ],
)
def test_sizes_of_the_corpus(corpus: Path, key: str, scale: dict, unit: str):
    grid = opener(key)(corpus / "real" / key, ReadOptions()).info.grid
    for name, size in scale.items():
        np.testing.assert_allclose(grid.scale[grid.axis(name)], size, rtol=1e-5)
    assert grid.axes[grid.axis("x")].unit == unit


def test_channels_of_the_hyperstack(corpus: Path):
    key = "stack_tif_hyperstack/xyzct-mitosis.tif"
    info = opener(key)(corpus / "real" / key, ReadOptions()).info
    assert info.grid.dims == ("t", "c", "z", "y", "x")
    assert [c.color for c in info.channels] == ["FF0000", "00FF00"]
    window = info.channels[1].window
    assert window is not None
    assert (window.start, window.end) == (1614.0, 15787.0)


@pytest.mark.parametrize(
    "key",
    [
        "stack_tif_hyperstack/control--000.tif",
        "stack_tif_variants/tiff/D75_08b_3page.tiff",
        "stack_tif_variants/tiff/D75_08b_tiled.tiff",
        "stack_ometiff_viv/sites/avivator/data/multifile-Z3.ome.tiff",
        "stack_mrc_emdb/emd_3001.map.gz",
        "stack_nifti_nibabel/functional.nii",
    ],
)
def test_stacks_keep_the_contract(corpus: Path, key: str):
    open_it, path = opener(key), corpus / "real" / key
    source = open_it(path, ReadOptions())
    truth = read_all(source)
    again = lambda: open_it(path, ReadOptions())  # noqa: E731
    check_source(source, truth, source.info.grid.dims, reopen=again)
