"""Datasets for WEBKNOSSOS: several layers in one folder, images described in place, addresses."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, Final

import httpd
import makers
import numpy as np
import pytest
import xarray as xr

import ngffkit as nk
from ngffkit.sources.contract import Source

ROOT: Final = Path(__file__).parents[1]
CLIENT: Final = ROOT / ".venv-webknossos/bin/python"
ASK: Final = ROOT / "tests/oracles/in_webknossos.py"
PROPERTIES: Final = "datasource-properties.json"
HOW: Final[dict[str, Any]] = {"voxel_size": (4, 4, 40), "unit": "nm", "chunks": 16, "shards": 32}


def noise(*shape: int, dtype: str = "u1", most: int = 250) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(1, most, shape).astype(dtype)


EM: Final = noise(20, 50, 60)
CELLS: Final = noise(20, 50, 60, dtype="u8", most=2**60)


def document(root: Path) -> dict[str, Any]:
    return json.loads((root / PROPERTIES).read_text())


def grid(values: np.ndarray, scale: float, unit: str, start: float = 0.0) -> xr.DataArray:
    """Return an array with coordinates; `start` is the edge of the first voxel."""
    steps = {"z": 10 * scale, "y": scale, "x": scale}
    coords = {
        name: (name, start + (np.arange(n) + 0.5) * steps[name], {"units": unit})
        for name, n in zip("zyx", values.shape, strict=True)
    }
    return xr.DataArray(values, dims=("z", "y", "x"), coords=coords)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "brain"
    layers = {"em": EM, "cells": CELLS}
    result = nk.webknossos.write(layers, root, segmentations=["cells"], **HOW)
    assert result.url == str(root)
    # journals lie beside the images and are none of their files
    files = [f for f in root.rglob("*") if f.is_file() and ".journal" not in str(f)]
    assert result.files == len(files)
    assert result.nbytes == sum(f.stat().st_size for f in files)
    return root


def test_each_layer_is_an_image_and_one_document_lists_them(made):
    found = document(made)
    assert found["id"]["name"] == "brain"
    assert found["scale"] == {"factor": [4.0, 4.0, 40.0], "unit": "nanometer"}
    em, cells = found["dataLayers"]
    assert (em["name"], em["category"], em["elementClass"]) == ("em", "color", "uint8")
    assert (cells["name"], cells["category"]) == ("cells", "segmentation")
    assert cells["largestSegmentId"] == int(CELLS.max())
    assert "largestSegmentId" not in em
    assert em["mags"][1]["path"] == "./em/1"
    dt = nk.open(made)
    np.testing.assert_array_equal(dt["em/1"].image.values, EM)
    np.testing.assert_array_equal(dt["cells/1"].labels.values, CELLS)
    for name, values in (("em", EM), ("cells", CELLS)):
        alone = nk.open(made / name)["1"]
        np.testing.assert_array_equal(next(iter(alone.data_vars.values())).values, values)


@pytest.mark.skipif(not CLIENT.exists(), reason="make oracles sets up WEBKNOSSOS's library")
def test_the_official_library_sees_the_same_pixels(made, tmp_path):
    channels = tmp_path / "channels.zarr"
    nk.convert(noise(2, 9, 40, 50, dtype="u2"), channels, axes="czyx", channels=["a", "b"], **HOW)
    nk.webknossos.sidecar(channels)
    orders = [{"name": path.name, "path": str(path), "rules": False} for path in (made, channels)]
    done = subprocess.run(
        [CLIENT, ASK],
        input=json.dumps({"rules": None, "orders": orders}),
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert [found[name]["complaints"] for name in found] == [[], []]
    sys.path.insert(0, str(ASK.parent))
    for order in orders:
        seen = {
            (name, mag): entry["sha"]
            for name, layer in found[order["name"]]["layers"].items()
            for mag, entry in layer["mags"].items()
        }
        assert seen == ours(Path(order["path"]))


def ours(root: Path) -> dict[tuple[str, str], str]:
    """Return the digests of all mags of all layers, pixels in the order t, c, z, y, x."""
    import hashlib

    out = {}
    store = nk.open(root)
    if (root / "zarr.json").exists():
        layers = {
            f"array_{name}": [(mag, i) for mag in ("1", "2-2-1", "4-4-1")]
            for i, name in enumerate(store["1"].c.values)
        }
        mags = {
            (name, mag): store[mag].image.isel(c=[i]).values
            for name, entries in layers.items()
            for mag, i in entries
        }
    else:
        mags = {
            (name, mag): next(iter(node.data_vars.values())).values
            for name, layer in store.children.items()
            for mag, node in layer.children.items()
        }
    for key, values in mags.items():
        plain = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        out[key] = hashlib.sha256(plain.tobytes()).hexdigest()
    return out


def test_voxels_of_a_layer_may_be_larger_and_in_another_unit(tmp_path):
    layers = {
        "em": grid(EM, 4, "nanometer"),
        "cells": grid(CELLS[:10, :25, :30], 0.008, "micrometer"),
    }
    nk.webknossos.write(layers, tmp_path / "d", segmentations=["cells"], mags=["1", "2"])
    em, cells = document(tmp_path / "d")["dataLayers"]
    assert [mag["mag"] for mag in em["mags"]] == [[1, 1, 1], [2, 2, 2]]
    assert [mag["mag"] for mag in cells["mags"]] == [[2, 2, 2], [4, 4, 4]]
    assert cells["boundingBox"] == em["boundingBox"]
    dt = nk.open(tmp_path / "d")
    assert list(dt["cells"].children) == ["2", "4"]
    np.testing.assert_array_equal(dt["cells/2"].labels.values, CELLS[:10, :25, :30])
    # the same place in both, whatever their voxels
    np.testing.assert_allclose(dt["cells/2"].x.values, dt["em/2"].x.values)


def test_labels_of_an_image_come_along(tmp_path):
    how = makers.How(factors=[])
    makers.write(tmp_path / "a.zarr", [EM], how, labels={"nuclei": [CELLS.astype("u4")]})
    nk.webknossos.write({"em": tmp_path / "a.zarr"}, tmp_path / "d", mags=["1"])
    layers = document(tmp_path / "d")["dataLayers"]
    assert [(v["name"], v["category"]) for v in layers] == [
        ("em", "color"),
        ("nuclei", "segmentation"),
    ]
    assert layers[1]["mags"][0]["path"] == "./em/labels/nuclei/0"
    np.testing.assert_array_equal(
        nk.open(tmp_path / "d")["nuclei/1"].labels.values, CELLS.astype("u4")
    )


def test_the_kind_of_an_xarray_variable_is_known(tmp_path):
    source = nk.open_dataset(nk.sample(tmp_path / "s.zarr"), image="labels/nuclei")
    nk.webknossos.write({"n": source.isel(z=slice(0, 8))}, tmp_path / "d", mags=["1"])
    (layer,) = document(tmp_path / "d")["dataLayers"]
    assert layer["category"] == "segmentation"
    assert layer["boundingBox"]["depth"] == 8


REFUSED: Final = {
    "no layers": ({}, {}, "layers: there are none"),
    "a name": ({"my layer": EM}, {}, "no name for a layer.*my_layer"),
    "a path": ({"../em": EM}, {}, "no name for a layer"),
    "a number": ({5: EM}, {}, "no name for a layer"),
    "a segmentation": ({"em": EM}, {"segmentations": ["cells"]}, "'cells' is none of the layers"),
    "an option": ({"em": EM}, {"sidecar": True}, "sidecar: is not for datasets"),
    "no such option": ({"em": EM}, {"chunk": 3}, "chunk: there is no such option"),
    "larger by three": (
        {"em": grid(EM, 4, "nanometer"), "b": grid(EM[:6, :16, :20], 12, "nanometer")},
        {},
        "'b': its pixels are no whole multiples",
    ),
    "elsewhere": (
        {"em": grid(EM, 4, "nanometer"), "b": grid(EM, 4, "nanometer", 100.0)},
        {},
        "'b': it does not begin where the image does, along x",
    ),
    "complex": ({"em": EM.astype("f2")}, {}, "no pixels of type float16"),
    "options of nobody": (
        {"em": EM},
        {"per_layer": {"cells": {"chunks": 8}}},
        "per_layer: 'cells' is none of the layers",
    ),
    "an option of all": (
        {"em": EM},
        {"per_layer": {"em": {"overwrite": True}}},
        "'overwrite' is not for a layer",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_a_dataset_is_refused_before_anything_is_written(tmp_path, name):
    layers, options, message = REFUSED[name]
    if not any(isinstance(layer, xr.DataArray) for layer in layers.values()):
        options = options | {"voxel_size": (4, 4, 40)}
    with pytest.raises(nk.PlanError, match=message):
        nk.webknossos.write(layers, tmp_path / "d", **options)
    assert not (tmp_path / "d").exists()


class Broken:
    """A source whose pixels can't be read before it is mended."""

    def __init__(self, inner: Source) -> None:
        self.inner, self.info, self.good = inner, inner.info, False

    def read(self, box: Any) -> Any:
        if not self.good:
            raise nk.SourceError("slice 3", "it is damaged")
        return self.inner.read(box)


def test_a_dataset_is_there_as_a_whole_or_not_and_is_gone_on_with(tmp_path):
    from ngffkit.sources.opening import ReadOptions, open_source

    broken = Broken(open_source(CELLS, ReadOptions(voxel_size=(4, 4, 40))))
    layers, target = {"em": EM, "cells": broken}, tmp_path / "d"
    options = {"segmentations": ["cells"], "voxel_size": (4, 4, 40)}
    with pytest.raises(nk.SourceError, match="slice 3"):
        nk.webknossos.write(layers, target, **options)
    assert not (target / PROPERTIES).exists()
    first = {f: f.stat().st_mtime_ns for f in (target / "em").rglob("*") if f.is_file()}
    assert first
    broken.good = True
    nk.webknossos.write(layers, target, **options)
    assert {f: f.stat().st_mtime_ns for f in first} == first
    np.testing.assert_array_equal(nk.open(target)["cells/1"].labels.values, CELLS)


def test_what_is_there_is_only_overwritten_when_asked(tmp_path):
    target = tmp_path / "d"
    nk.webknossos.write({"em": EM}, target, voxel_size=(4, 4, 40))
    with pytest.raises(nk.PlanError, match=r"is a dataset already.*overwrite=True"):
        nk.webknossos.write({"em": EM}, target, voxel_size=(4, 4, 40))
    nk.webknossos.write({"em": EM // 2}, target, voxel_size=(4, 4, 40), overwrite=True)
    np.testing.assert_array_equal(nk.open(target)["em/1"].image.values, EM // 2)
    nk.convert(EM, tmp_path / "image.zarr", voxel_size=(4, 4, 40))
    with pytest.raises(nk.PlanError, match="is a Zarr already"):
        nk.webknossos.write(
            {"em": EM}, tmp_path / "image.zarr", overwrite=True, voxel_size=(1, 1, 1)
        )
    np.testing.assert_array_equal(nk.open(tmp_path / "image.zarr")["1"].image.values, EM)


@pytest.mark.parametrize("name", ["d.ozx", "d.zip"])
def test_a_dataset_is_a_folder_not_a_file(tmp_path, name):
    with pytest.raises(nk.PlanError, match="a dataset is a folder"):
        nk.webknossos.write({"em": EM}, tmp_path / name, voxel_size=(4, 4, 40))
    assert not list(tmp_path.iterdir())


def test_layers_may_have_options_of_their_own(tmp_path):
    nk.webknossos.write(
        {"em": EM, "cells": CELLS},
        tmp_path / "d",
        segmentations=["cells"],
        mags=["1", "2"],
        voxel_size=(4, 4, 40),
        per_layer={"cells": {"mags": ["1"], "chunks": 16, "shards": None}},
    )
    em, cells = document(tmp_path / "d")["dataLayers"]
    assert (len(em["mags"]), len(cells["mags"])) == (2, 1)
    array = json.loads((tmp_path / "d/cells/0/zarr.json").read_text())
    assert array["chunk_grid"]["configuration"]["chunk_shape"] == [16, 16, 16]


def test_labels_that_come_along_leave_a_name_to_the_layer_that_was_called_so(tmp_path):
    how = makers.How(factors=[])
    makers.write(tmp_path / "a.zarr", [EM], how, labels={"cells": [CELLS.astype("u4")]})
    layers = {"em": tmp_path / "a.zarr", "cells": CELLS.astype("u2")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the voxels have no unit
        nk.webknossos.write(layers, tmp_path / "d", segmentations=["cells"], mags=["1"])
    found = {v["name"]: v["elementClass"] for v in document(tmp_path / "d")["dataLayers"]}
    assert found == {"em": "uint8", "em_cells": "uint32", "cells": "uint16"}


@pytest.mark.parametrize(("most", "told"), [(2**63 - 1, True), (2**63, False), (2**64 - 1, False)])
def test_the_largest_id_is_told_when_it_fits_into_a_signed_number(tmp_path, most, told):
    ids = CELLS.copy()
    ids[3, 4, 5] = most
    nk.webknossos.write(
        {"cells": ids}, tmp_path / "d", segmentations=["cells"], voxel_size=(4, 4, 40), mags=["1"]
    )
    (layer,) = document(tmp_path / "d")["dataLayers"]
    assert layer.get("largestSegmentId") == (most if told else None)


# --- images that are there ------------------------------------------------------------------------


def test_a_sidecar_written_later_is_the_one_written_at_once(tmp_path):
    how = HOW | {"labels": False}
    nk.convert(EM, tmp_path / "a.zarr", name="em", sidecar=True, **how)
    nk.convert(EM, tmp_path / "b.zarr", name="em", **how)
    nk.webknossos.sidecar(tmp_path / "b.zarr")
    first, second = document(tmp_path / "a.zarr"), document(tmp_path / "b.zarr")
    assert second["dataLayers"] == first["dataLayers"]
    assert second["scale"] == first["scale"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_what_others_wrote_is_described_without_moving_a_pixel(tmp_path, version):
    levels = makers.pyramid(EM, makers.How(version=version))
    cells = [v.astype("u4") for v in (CELLS, CELLS[::2, ::2, ::2])]
    root = makers.write(
        tmp_path / "a.zarr", levels, makers.How(version=version), labels={"cells": cells}
    )
    before = {f: f.read_bytes() for f in root.rglob("*") if f.is_file()}
    with pytest.warns(nk.NgffWarning, match="no unit of length"):
        found = nk.webknossos.sidecar(root, count=True)
    assert {f: f.read_bytes() for f in root.rglob("*") if f.is_file() and f in before} == before
    image, labels = found["dataLayers"]
    assert [mag["mag"] for mag in image["mags"]] == [[1, 1, 1], [2, 2, 2]]
    assert image["dataFormat"] == ("zarr" if version == "0.4" else "zarr3")
    assert labels["largestSegmentId"] == int(cells[0].max())
    assert document(root) == found
    # it is still an image for all others
    assert nk.open(root).attrs["ngff_version"] == version


def test_labels_finer_than_their_image_are_counted_in_the_voxels_of_the_image(tmp_path):
    root = tmp_path / "a.zarr"
    labels = tmp_path / "a.zarr/labels/fine"
    nk.convert(grid(EM[:10, :25, :30], 8, "nanometer"), root, mags=["1"])
    nk.convert(grid(CELLS, 4, "nanometer"), labels, kind="label", mags=["1", "2"])
    group = json.loads((root / "zarr.json").read_text())
    group["attributes"] = {
        "ome": {"version": group["attributes"]["ome"]["version"], "labels": ["fine"]}
    }
    (root / "labels/zarr.json").write_text(json.dumps(group))
    with pytest.warns(nk.NgffWarning, match="1 mag is left out"):
        image, fine = nk.webknossos.sidecar(root)["dataLayers"]
    assert [mag["mag"] for mag in fine["mags"]] == [[1, 1, 1]]
    assert fine["boundingBox"] == image["boundingBox"]


def test_ids_are_whole_numbers(tmp_path):
    how = makers.How(factors=[])
    root = makers.write(tmp_path / "a.zarr", [EM], how, labels={"odd": [CELLS.astype("f4")]})
    with pytest.warns(nk.NgffWarning) as caught:
        found = nk.webknossos.sidecar(root)
    said = " ".join(str(warning.message) for warning in caught)
    assert "ids are whole numbers, the pixels are float32" in said
    assert [layer["category"] for layer in found["dataLayers"]] == ["color"]


def test_a_zip_file_is_not_added_to_and_nobody_is_told_to_remove_it(tmp_path):
    place = tmp_path / "a.ozx"
    nk.convert(EM, place, voxel_size=(4, 4, 40))
    before = place.read_bytes()
    with pytest.raises(nk.NgffError, match=r"is a zip file.*sidecar=True") as caught:
        nk.webknossos.sidecar(place)
    assert "remove" not in str(caught.value)
    assert place.read_bytes() == before


def test_there_is_nothing_to_describe(tmp_path, made):
    with pytest.raises(nk.NgffError, match="is a WEBKNOSSOS dataset already"):
        nk.webknossos.sidecar(made)
    import zarr

    zarr.create_array(str(tmp_path / "plain.zarr"), data=EM)
    with pytest.raises(nk.NgffError, match="no OME-Zarr image"):
        nk.webknossos.sidecar(tmp_path / "plain.zarr")
    assert not (tmp_path / "plain.zarr" / PROPERTIES).exists()


def test_a_layer_in_an_older_format_does_not_take_the_others_away(tmp_path, made):
    found = document(made)
    old = json.loads(json.dumps(found["dataLayers"][0])) | {"name": "old", "dataFormat": "wkw"}
    for name in ("em", "cells"):
        (tmp_path / name).symlink_to(made / name)
    found["dataLayers"].insert(0, old)
    (tmp_path / PROPERTIES).write_text(json.dumps(found))
    with pytest.warns(nk.NgffWarning, match=r"'old' is left out.*'wkw'.*convert-zarr"):
        dt = nk.open(tmp_path)
    assert list(dt.children) == ["em", "cells"]
    np.testing.assert_array_equal(dt["em/1"].image.values, EM)


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "name", "expected"),
    [
        ("0.4", "cells", [""]),  # its importer finds labels of Zarr v2 by itself
        ("0.5", "cells", ["", "/labels/cells"]),
        ("0.5", "it", ["", "/labels/it"]),
    ],
)
def test_each_group_that_the_importer_can_not_find_is_an_address(tmp_path, version, name, expected):
    how = makers.How(version=version, factors=[])
    makers.write(tmp_path / "a.zarr", [EM], how, labels={name: [CELLS.astype("u4")]})
    with httpd.serve(tmp_path) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        url = f"{server.url}/a.zarr"
        assert nk.webknossos.uris(url) == [url + path for path in expected]
    said = [str(w.message) for w in caught]
    assert bool(said) == (len(expected) > 1), said
    assert all("for images" in line and "sidecar" in line for line in said)


def test_a_dataset_has_one_address(tmp_path, made):
    nk.convert(EM, tmp_path / "a.zarr", voxel_size=(4, 4, 40), sidecar=True)
    shutil.copytree(made, tmp_path / "brain")
    with httpd.serve(tmp_path) as server:
        for name in ("a.zarr", "brain"):
            assert nk.webknossos.uris(f"{server.url}/{name}") == [f"{server.url}/{name}"]


def test_a_path_is_no_address(made):
    with pytest.warns(nk.NgffWarning, match=r"can't reach it.*upload.*serve"):
        assert nk.webknossos.uris(nk.open(made)) == [str(made)]
