"""Every stack of the corpus, converted: the pixels of mag 1 are those that other readers saw."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ngffkit as nk

#: Axes of the truth by the names they have here: samples are channels, pages without a meaning z.
LETTERS = {"q": "z", "i": "z", "s": "c"}

#: Folders that are one stack, with what has to be said about them.
STACKS: dict[str, dict[str, Any]] = {
    "stack_png_em_isbi2012/image": {},
    "stack_png_em_isbi2012/label": {"kind": "label"},
    "stack_tif_mri/mri-stack": {},
    "stack_tif_timelapse_rgb/Sequence1": {},
}


def sha256(pixels: np.ndarray) -> str:
    little = pixels.astype(pixels.dtype.newbyteorder("<"), order="C")
    return hashlib.sha256(little.tobytes()).hexdigest()


def truths(corpus: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for key, truth in json.loads((corpus / "truth_stacks.json").read_text()).items():
        if "sha256" in truth:
            yield key, truth


def pixels_of(url: str) -> np.ndarray:
    ds = nk.open_dataset(url)
    return ds[next(iter(ds.data_vars))]


def as_truth(found: Any, key: str, truth: dict[str, Any]) -> np.ndarray:
    """Return pixels with the axes of the truth."""
    plane = re.search(r"multifile-Z(\d)", key)
    if plane:  # any of these files stands for all five planes
        return found.values[int(plane[1]) - 1]
    if ".nii" in key:
        return found.values.T
    if "axes" not in truth:
        return np.moveaxis(found.values, 0, -1) if "c" in found.dims else found.values
    axes = [LETTERS.get(a, a) for a in truth["axes"].lower()]
    return found.transpose(*axes).values


def test_every_file_converts_to_the_true_pixels(corpus, tmp_path):
    wrong, count = [], 0
    for i, (key, truth) in enumerate(truths(corpus)):
        if ".nii" in key:
            pytest.importorskip("nibabel")
        source = corpus / "real" / key
        result = nk.convert(source, tmp_path / f"{i}.zarr", mags=["1"])
        got = as_truth(pixels_of(result.url), key, truth)
        known = {sha256(got)}
        if got.dtype == bool:  # Pillow keeps True as 255, and the truth is of its bytes
            known.add(sha256(got.astype("u1") * 255))
        if truth["sha256"] not in known or list(got.shape) != truth["shape"]:
            wrong.append(key)
        count += 1
    print(f"{count} files converted")
    assert not wrong
    assert count > 100


@pytest.mark.parametrize("folder", STACKS)
def test_every_stack_converts_to_the_true_pixels(corpus, tmp_path, folder):
    options = STACKS[folder]
    result = nk.convert(corpus / "real" / folder, tmp_path / "a.zarr", **options)
    names = [key for key, _ in truths(corpus) if key.rpartition("/")[0] == folder]
    names.sort(key=lambda name: [int(n) for n in re.findall(r"\d+", name)])
    table, found = dict(truths(corpus)), pixels_of(result.url)
    along = next(name for name in ("t", "z") if name in found.dims)
    assert found.sizes[along] == len(names) > 1
    for i, name in enumerate(names):
        got = as_truth(found.isel({along: i}), name, table[name])
        assert sha256(got) == table[name]["sha256"], name
    assert nk.validate(result.url).valid


def test_the_mri_slices_are_what_fiji_made_of_them(corpus, tmp_path):
    result = nk.convert(corpus / "real" / "stack_tif_mri" / "mri-stack", tmp_path / "a.zarr")
    [theirs] = (corpus / "real" / "zarr_v04_mri_fiji").rglob("s0/.zarray")
    fiji = nk.open_dataset(theirs.parent, missing="fill")
    np.testing.assert_array_equal(
        pixels_of(result.url).values, np.squeeze(next(iter(fiji.data_vars.values())).values)
    )


def test_hdf5_converts_to_what_h5py_reads(corpus, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = corpus / "real" / "stack_h5_plantseg" / "sample_ovule.h5"
    for name, kind in (("raw", "intensity"), ("label", "label")):
        result = nk.convert(path, tmp_path / name, image=name, kind=kind)
        with h5py.File(path) as file:
            np.testing.assert_array_equal(pixels_of(result.url).values, file[name][...])


def test_every_zarr_of_the_corpus_that_opens_can_be_copied(corpus, tmp_path):
    """Upgrade whatever is there: equal pixels, or an error of ours, never another."""
    copied, refused = 0, {}
    roots = sorted(
        {p.parent for p in (corpus / "real").rglob(".zattrs")}
        | {p.parent for p in (corpus / "real").rglob("zarr.json")}
    )
    for i, root in enumerate(roots):
        try:
            was = nk.open_dataset(root)
            if was[next(iter(was.data_vars))].nbytes > 2**22:
                continue
            truth = was[next(iter(was.data_vars))]
            values = truth.values
        except Exception:  # noqa: BLE001 - what does not open is the matter of test_corpus
            continue
        try:
            result = nk.copy(root, tmp_path / f"{i}.zarr", labels=False, mags=["1"])
        except nk.NgffError as err:
            refused[str(root.relative_to(corpus / "real"))] = str(err)
            continue
        found = pixels_of(result.url)
        # dimensions without names get some
        order = truth.dims if set(truth.dims) <= set(found.dims) else found.dims
        got = found.transpose(*order, ...).values
        np.testing.assert_array_equal(got.reshape(values.shape), values)
        copied += 1
    print(f"{copied} copied, {len(refused)} refused")
    for name, why in refused.items():
        print(f"  {name}: {why}")
    assert copied > 30
