"""Every array of the corpus, bit by bit; what is broken there is refused by type and address."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import xarray as xr

import ngffkit as nk

NEUROGLANCER: Final = "zarr_v04_v06_neuroglancer/ome_zarr/all_0.6"
FIJIJAVA: Final = "zarr_v04_v05_fijijava_dims/testdata"
INVALID: Final = "zarr_v04_tcompa_valid_invalid/data/invalid"
MARKERS: Final = ("zarr.json", ".zgroup", ".zattrs", ".zarray", "datasource-properties.json")

#: The only chunk of these is a git symlink that was checked out as a text file of 30 bytes.
LINKS: Final = (
    "axis_dependent/mapAxis",
    "basic/identity",
    "basic/scale",
    "basic/sequenceScaleTranslation",
    "basic/translation",
    "simple/affine",
    "simple/rotation",
)

#: Broken on purpose: the type of the error and the JSON path it names.
BROKEN: Final = {
    f"{INVALID}/image-01.zarr": (nk.NotFoundError, None),
    f"{INVALID}/image-02.zarr": (nk.MetadataError, "multiscales"),
    f"{INVALID}/image-03.zarr": (nk.MetadataError, "multiscales[0].datasets[0].path"),
    f"{INVALID}/image-04.zarr": (nk.MetadataError, "multiscales[0].datasets[1]"),
}

#: Every warning that opening the corpus gives, by store and the start of its text.
WARNINGS: Final = {
    ("zarr_v04_mri_fiji/mri-stack.ome.zarr", "multiscales[0].coordinateTransformations is empty"),
    ("zarr_v04_space_in_name/blobs space.ome.zarr", "multiscales[0].coordinateTransformations is"),
}


@dataclass
class Store:
    """A store of the corpus as `nk.open` gave it."""

    tree: xr.DataTree | None = None
    error: nk.NgffError | None = None
    warnings: list[str] = field(default_factory=list)


def _roots(real: Path) -> Iterator[Path]:
    for folder, below, _ in os.walk(real):
        path = Path(folder)
        if path.name.startswith("stack"):
            below[:] = []
        elif any((path / name).exists() for name in MARKERS):
            below[:] = []
            yield path
    yield from (path for path in real.rglob("*.zip") if "stack" not in str(path))


def _open(path: Path) -> Store:
    store = Store()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            store.tree = nk.open(path, wells="all")
        except nk.NgffError as err:
            store.error = err
    assert all(issubclass(w.category, nk.NgffWarning) for w in caught)
    store.warnings = [str(w.message) for w in caught]
    return store


@pytest.fixture(scope="module")
def stores(corpus: Path) -> dict[str, Store]:
    """Open every store of the corpus, by its path below ``real``."""
    real = corpus / "real"
    return {path.relative_to(real).as_posix(): _open(path) for path in sorted(_roots(real))}


@pytest.fixture(scope="module")
def truth(corpus: Path) -> dict[str, Any]:
    """Return what is known of every array that has its chunks."""
    return json.loads((corpus / "truth_zarr.json").read_text())


def _matches(pixels: np.ndarray, known: dict[str, Any]) -> bool:
    little = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<")))
    return (
        list(pixels.shape) == known["shape"]
        and pixels.dtype.str[1:] == known["dtype"]
        and hashlib.sha256(little.tobytes()).hexdigest() == known["sha256"]
    )


def _arrays(stores: dict[str, Store], real: Path) -> dict[str, xr.Variable]:
    """Return every array that a tree holds by its path below ``real``."""
    return {
        os.path.relpath(var.encoding["source"], real): var
        for store in stores.values()
        if store.tree is not None
        for node in store.tree.subtree
        for var in node.ds.variables.values()
        if "source" in var.encoding
    }


def test_every_array_that_an_image_refers_to_has_the_true_bytes(
    stores: dict[str, Store], truth: dict[str, Any], corpus: Path
) -> None:
    arrays = _arrays(stores, corpus / "real")
    linked = {f"{NEUROGLANCER}/{name}.zarr/array" for name in LINKS}
    outcome: Counter[str] = Counter()
    wrong, unreached = [], []
    for path, known in truth.items():
        if path not in arrays:
            unreached.append(path)
        elif path in linked:
            with pytest.raises(nk.ChunkError, match=r"array/c/0/0/0.*not a Zstandard frame \(30 b"):
                _ = arrays[path].values
            outcome["refused: the chunk is a link"] += 1
        elif _matches(arrays[path].values, known):
            outcome["equal bytes"] += 1
        else:
            wrong.append(path)
    broken = {path for path, store in stores.items() if store.error is not None}
    sys.stdout.write(
        f"\n{len(truth)} arrays known: {dict(outcome)}, {len(unreached)} below a broken store\n"
        f"{len(stores)} stores: {len(stores) - len(broken)} opened, {len(broken)} refused by type\n"
    )
    assert wrong == []
    assert unreached == [f"{INVALID}/image-04.zarr/0", f"{INVALID}/image-04.zarr/1"]
    assert outcome == {"equal bytes": 127, "refused: the chunk is a link": 7}


def test_an_array_below_a_broken_image_can_still_be_opened_on_its_own(
    truth: dict[str, Any], corpus: Path
) -> None:
    for level in "01":
        path = f"{INVALID}/image-04.zarr/{level}"
        (variable,) = nk.open(corpus / "real" / path).ds.data_vars.values()
        assert _matches(variable.values, truth[path])


@pytest.mark.parametrize("name", LINKS)
def test_with_its_chunk_in_place_a_linked_store_has_the_true_bytes(
    name: str, truth: dict[str, Any], corpus: Path, tmp_path: Path
) -> None:
    here = corpus / "real" / NEUROGLANCER
    chunk = "array/c/0/0/0"
    copy = shutil.copytree(here / f"{name}.zarr", tmp_path / "copy.zarr")
    shutil.copyfile(here / "simple/anisotropic_rotation.zarr" / chunk, copy / chunk)
    pixels = nk.open(copy)["1"].image.values
    assert _matches(pixels, truth[f"{NEUROGLANCER}/{name}.zarr/array"])


def test_broken_stores_are_refused_by_type_and_json_path(stores: dict[str, Store]) -> None:
    refused = {path: store.error for path, store in stores.items() if store.error is not None}
    assert set(refused) == set(BROKEN)
    for path, (kind, loc) in BROKEN.items():
        error = refused[path]
        assert type(error) is kind, path
        assert getattr(error, "loc", None) == loc, path
        assert (loc or "image-01.zarr") in str(error)


def test_no_store_warns_but_those_known_to(stores: dict[str, Store]) -> None:
    seen = Counter({path: len(store.warnings) for path, store in stores.items() if store.warnings})
    assert seen == Counter(path for path, _ in WARNINGS)
    for path, text in WARNINGS:
        assert stores[path].warnings[0].startswith(text)


#: Store, node, and by axis the first two pixel centres and the unit: worked out by hand from the
#: JSON of each. An axis of one pixel has the first alone.
UM: Final = "micrometer"
COORDINATES: Final = [
    # scale, then translation, per level
    ("zarr_v04_v06_neuroglancer/ome_zarr/simple_0.4", "1", {"y": (0, 4), "x": (0, 30)}),
    ("zarr_v04_v06_neuroglancer/ome_zarr/simple_0.4", "2", {"y": (2, 10), "x": (15, 75)}),
    ("zarr_v04_v06_neuroglancer/ome_zarr/simple_0.4", "4", {"y": (6, 22), "x": (45, 165)}),
    ("zarr_v04_v06_neuroglancer/ome_zarr/simple_0.5", "4", {"y": (6, 22), "x": (45, 165)}),
    ("zarr_v04_v06_neuroglancer/ome_zarr/simple_0.5.zip", "2", {"y": (2, 10), "x": (15, 75)}),
    # Fiji writes the half pixel
    ("zarr_v04_mri_fiji/mri-stack.ome.zarr", "2", {"z": (0.5, 2.5), "y": (0.5, 2.5)}),
    # a scale for the multiscales as a whole, here one
    ("zarr_v04_zarrjava/v0.4", "1", {"t": (0,), "z": (0, 0.5), "y": (0, 0.5), "x": (0, 0.5)}),
    ("zarr_v04_zarrjava/v0.4", "2", {"t": (0,), "z": (0, 1), "y": (0, 1), "x": (0, 1)}),
    ("zarr_v05_zarrjava/v0.5", "labels/nuclei/1", {"z": (0, 0.5), "y": (0, 0.5), "x": (0, 0.5)}),
    # versions that place levels by shape
    ("zarr_v01_v02_omezarrpy/v1", "1", {"t": (0,), "z": (0,), "y": (0, 1), "x": (0, 1)}),
    ("zarr_v01_v02_omezarrpy/v2", "1", {"t": (0,), "z": (0,), "y": (0, 1), "x": (0, 1)}),
    ("zarr_v03_bf2raw_fake/64x64-fake-v0.3", "0/1", {"y": (0, 1), "x": (0, 1)}),
    # plates
    (
        "zarr_v04_v06_ozmodels/data/examples/v04/hcs_example.ome.zarr",
        "B/03/0/16-16-1",
        {"z": (0, 1), "y": (0, 2.6), "x": (0, 2.6)},
    ),
    # 0.6
    (f"{NEUROGLANCER}/basic/identity.zarr", "1", {"z": (0, 1), "y": (0, 1), "x": (0, 1)}),
    (f"{NEUROGLANCER}/basic/scale.zarr", "1", {"z": (0, 4), "y": (0, 3), "x": (0, 2)}),
    (f"{NEUROGLANCER}/basic/translation.zarr", "1", {"z": (30, 31), "y": (20, 21), "x": (10, 11)}),
    (
        f"{NEUROGLANCER}/basic/sequenceScaleTranslation.zarr",
        "1",
        {"z": (32, 36), "y": (21, 24), "x": (10, 12)},
    ),
    (f"{NEUROGLANCER}/simple/affine.zarr", "1", {"z": (32, 36), "y": (21, 24), "x": (10, 12)}),
    # the intrinsic system is the one that the levels map to; "world" comes after it
    (
        f"{NEUROGLANCER}/simple/anisotropic_rotation.zarr",
        "1",
        {"z": (0, 2), "y": (0, 0.5), "x": (0, 0.25)},
    ),
]


@pytest.mark.parametrize(("path", "node", "expected"), COORDINATES)
def test_coordinates_are_those_worked_out_by_hand(
    stores: dict[str, Store], path: str, node: str, expected: dict[str, tuple[float, ...]]
) -> None:
    tree = stores[path].tree
    assert tree is not None
    level = tree[node]
    for dim, values in expected.items():
        np.testing.assert_allclose(level[dim].values[:2], values, rtol=1e-12)
        assert level.sizes[dim] >= len(values)


def test_units_come_with_the_coordinates(stores: dict[str, Store]) -> None:
    level = stores["zarr_v04_zarrjava/v0.4"].tree["1"]
    units = {dim: level[dim].attrs.get("units") for dim in level.sizes}
    assert units == {"t": "millisecond", "c": None, "z": UM, "y": UM, "x": UM}
    assert level["c"].values.tolist() == ["DAPI", "GFP"]
    nano = stores["zarr_v04_v06_neuroglancer/ome_zarr/simple_0.4"].tree["1"]
    assert nano["x"].attrs["units"] == "nanometer"


@pytest.mark.parametrize(
    ("name", "dims"),
    [
        # z, y, x are made from dimensions 1, 2, 0
        ("axis_dependent/mapAxis", ("x", "z", "y")),
        # z = in[2], y = in[0], x = in[1]
        ("simple/rotation", ("y", "x", "z")),
        ("simple/affine", ("z", "y", "x")),
    ],
)
def test_transformations_that_permute_name_the_dimensions(
    stores: dict[str, Store], name: str, dims: tuple[str, ...]
) -> None:
    image = stores[f"{NEUROGLANCER}/{name}.zarr"].tree["1"].image
    assert image.dims == dims
    assert image.shape == (27, 226, 186)


def test_what_cannot_be_a_coordinate_is_kept(stores: dict[str, Store]) -> None:
    tree = stores[f"{NEUROGLANCER}/simple/anisotropic_rotation.zarr"].tree
    image = tree.attrs["ngff_source"].opened.image
    assert [step["type"] for step in image.transformations] == ["affine"]
    assert [system["name"] for system in image.coordinate_systems] == ["world", "physical"]


ALSO: Final = [
    "zarr_v04_zarrjava/v0.4",
    "zarr_v05_zarrjava/v0.5",
    "zarr_v04_v06_neuroglancer/ome_zarr/simple_0.5.zip",
    f"{FIJIJAVA}/5d_testing/5d_dataset_v5.ome.zarr",
    "zarr_v04_bf2raw_hcs_challenge/data/bf2raw.zarr",
    "zarr_v3_shard_index_start/sharding_index_location/start",
    "zarr_v04_v06_ozmodels/data/examples/v06/stitched_tiles_2d.zarr",
]


@pytest.mark.parametrize("path", ALSO)
def test_the_engine_and_dask_give_the_same_tree(
    stores: dict[str, Store], corpus: Path, path: str
) -> None:
    pytest.importorskip("dask.array")
    tree = stores[path].tree
    assert tree is not None
    by_engine = xr.open_datatree(corpus / "real" / path, engine="ngff")
    by_dask = nk.open(corpus / "real" / path, chunks={})
    assert by_engine.identical(tree)
    for node in by_dask.subtree:
        assert all(var.chunks is not None for var in node.ds.data_vars.values())
        for var in node.ds.data_vars.values():
            assert var.chunks == var.chunk(var.encoding["preferred_chunks"]).chunks
    assert by_dask.identical(tree)


def test_opening_reads_no_pixels(corpus: Path) -> None:
    # of this store only the metadata were kept; opening it is therefore proof
    path = corpus / "real" / f"{FIJIJAVA}/pyramid_testing/pyramid_v5.zarr"
    tree = nk.open(path)
    assert list(tree.children) == ["1", "2", "4-4-2"]
    assert tree["1"].image.nbytes == 500_000_000
