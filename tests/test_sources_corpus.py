"""Real stacks: the pixels that independent readers saw."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from source_contract import check_source, read_all

import ngffkit as nk
from ngffkit.errors import NgffError
from ngffkit.sources.contract import Source
from ngffkit.sources.opening import open_source
from ngffkit.sources.options import ReadOptions


@pytest.fixture(scope="module")
def truth(corpus: Path) -> dict[str, dict]:
    return json.loads((corpus / "truth_stacks.json").read_text("utf-8"))


def check_planes(source: Source, planes: list[dict]) -> None:
    """Check each plane, (y, x) or (c, y, x), against its mean, range and hash."""
    pixels = read_all(source)
    n = 3 if len(planes[0]["shape"]) == 3 else 2
    for plane, known in zip(pixels.reshape(-1, *pixels.shape[-n:]), planes, strict=True):
        own = np.moveaxis(plane, 0, -1) if n == 3 else plane
        assert list(own.shape) == known["shape"]
        assert own.dtype == np.dtype(known["dtype"])
        assert (own.min(), own.max()) == (known["min"], known["max"])
        assert own.astype("f8").mean() == pytest.approx(known["mean"], abs=1e-6)
        if "sha256" in known:
            assert (
                hashlib.sha256(np.ascontiguousarray(own).tobytes()).hexdigest() == known["sha256"]
            )


def test_em_slices_with_their_labels(corpus, truth):
    folder = corpus / "real" / "stack_png_em_isbi2012"
    source = open_source(folder, ReadOptions(voxel_size=(4, 4, 50), unit="nm"))
    assert source.info.grid.shape == (20, 512, 512)
    assert source.info.grid.scale == (50, 4, 4)
    planes = [truth[f"stack_png_em_isbi2012/image/{i}.png"] for i in range(20)]
    check_planes(source, planes)
    label = source.info.labels["labels"]
    check_planes(label, [truth[f"stack_png_em_isbi2012/label/{i}.png"] for i in range(20)])
    assert label.info.grid == source.info.grid


def test_mri_slices_are_the_pixels_of_the_zarr(corpus):
    zarr = corpus / "real" / "zarr_v04_mri_fiji" / "mri-stack.ome.zarr"
    with pytest.warns(nk.NgffWarning):
        expected = nk.open_dataset(zarr).image.values
    folder = corpus / "real" / "stack_tif_mri" / "mri-stack"
    source = open_source(folder)
    check_source(source, expected, "zyx", reopen=lambda: open_source(folder))


def test_a_folder_per_channel_with_glued_numbers(corpus, truth):
    folder = corpus / "real" / "stack_tif_cellfinder_2ch"
    source = open_source(folder)
    assert source.info.grid.dims == ("c", "z", "y", "x")
    names = [f"crop_planes/ch{c}/ch{c}000{z}.tif" for c in range(2) for z in range(2)]
    check_planes(source, [truth[f"stack_tif_cellfinder_2ch/{name}"] for name in names])
    assert any("ch{c}/ch{c}{z}.tif" in note.message for note in source.info.notes)


def test_a_time_lapse_of_colours(corpus, truth):
    folder = corpus / "real" / "stack_tif_timelapse_rgb" / "Sequence1"
    source = open_source(folder, ReadOptions(axes="t"))
    assert source.info.grid.dims == ("t", "c", "y", "x")
    name = "stack_tif_timelapse_rgb/Sequence1/DrosophilaEmbryo_GFPHistone_000{}.tif"
    check_planes(source, [truth[name.format(i)] for i in range(3)])


@pytest.mark.parametrize("site", [1, 2])
def test_a_well_of_a_plate_by_pattern(corpus, truth, site):
    folder = (
        corpus / "real" / "stack_hcs_imagexpress" / "1well-3C-2S-Zmix-T" / "2024-04-22" / "1697"
    )
    with pytest.raises(NgffError, match="pattern="):
        open_source(folder)
    pattern = f"TimePoint_{{t}}/*_s{site}_w{{c:1}}*.tif"
    source = open_source(folder, ReadOptions(pattern=pattern))
    assert source.info.grid.dims == ("t", "c", "y", "x")
    assert source.info.grid.shape == (2, 3, 256, 256)
    names = [
        next(name for name in truth if f"TimePoint_{t}/" in name and f"_s{site}_w{c}" in name)
        for t in (1, 2)
        for c in (1, 2, 3)
    ]
    check_planes(source, [truth[name] for name in names])


@pytest.mark.parametrize("folder", ["png", "tiff"])
def test_variants(corpus, truth, folder):
    seen = 0
    for name, known in truth.items():
        if not name.startswith(f"stack_tif_variants/{folder}/") or "3page" in name:
            continue
        path = corpus / "real" / name
        # also by the reader of planes, to which a list leads
        from ngffkit.sources.rasters.reading import probe, read_plane

        pixels, head = read_plane(str(path)), probe(str(path))
        assert (head.shape, head.dtype) == (pixels.shape[-2:], pixels.dtype)
        check = pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, -1)
        assert list(check.shape) == known["shape"]
        assert check.dtype == np.dtype(known["dtype"])
        if check.dtype == bool:
            # Pillow, whose bytes the hash is of, packs bits
            np.testing.assert_array_equal(check, np.asarray(Image.open(path)))
        else:
            digest = hashlib.sha256(np.ascontiguousarray(check).tobytes()).hexdigest()
            assert digest == known["sha256"]
        if folder == "png":
            check_source(open_source(path), pixels, "cyx" if pixels.ndim == 3 else "yx")
        seen += 1
    assert seen > 4


def test_a_set_of_ome_tiffs_beside_another_image_is_not_taken_for_the_folder(corpus):
    folder = corpus / "real" / "stack_ometiff_viv" / "sites" / "avivator" / "data"
    with pytest.raises(NgffError, match=r"multi-channel\.ome\.tif"):
        open_source(folder)


def test_channels_by_their_number(corpus, truth):
    below = "stack_ometiff_viv/packages/loaders/tests/fixtures/multi-tiff"
    source = open_source(corpus / "real" / below)
    assert source.info.grid.dims == ("c", "y", "x")
    check_planes(source, [truth[f"{below}/Channel_{c}.tif"] for c in range(3)])
