"""``datasource-properties.json``: what WEBKNOSSOS needs to open an image in place, and no more.

That its library opens it, and sees the same pixels, is tested in ``test_oracles``.
"""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import ngffkit as nk
from ngffkit import writing
from ngffkit.planning.sidecar import datasource, doubts, layer_name

#: The rule of WEBKNOSSOS's library.
ALLOWED = re.compile(r"[A-Za-z0-9_$@\-]+[A-Za-z0-9_$@\-.]*")


def written(root: Path, data: Any, **options: Any) -> dict[str, Any]:
    """Write an image with its sidecar, and return that."""
    options = {"voxel_size": (4, 4, 40), "unit": "nm", "chunks": 16, "sidecar": True} | options
    writing.convert(data, root, **options)
    return json.loads((root / "datasource-properties.json").read_text())


def ramp(*shape: int, dtype: str = "u1") -> np.ndarray:
    return np.asarray(np.indices(shape).sum(0)).astype(dtype)


def test_an_image_has_one_layer_with_all_mags(tmp_path):
    found = written(tmp_path / "a.zarr", ramp(9, 40, 50), mags=["1", "2-2-1", "4-4-1"], name="em")
    assert found["scale"] == {"factor": [4.0, 4.0, 40.0], "unit": "nanometer"}
    (layer,) = found["dataLayers"]
    assert (layer["name"], layer["category"], layer["dataFormat"]) == ("em", "color", "zarr3")
    assert (layer["elementClass"], layer["numChannels"]) == ("uint8", 1)
    assert layer["boundingBox"] == {"topLeft": [0, 0, 0], "width": 50, "height": 40, "depth": 9}
    order = {"z": 0, "y": 1, "x": 2}
    assert layer["mags"] == [
        {"mag": [1, 1, 1], "path": "./0", "axisOrder": order},
        {"mag": [2, 2, 1], "path": "./1", "axisOrder": order},
        {"mag": [4, 4, 1], "path": "./2", "axisOrder": order},
    ]
    for mag in layer["mags"]:
        assert (tmp_path / "a.zarr" / mag["path"] / "zarr.json").exists()


def test_it_is_written_only_when_asked_for_and_changes_nothing_for_others(tmp_path):
    writing.convert(ramp(9, 40, 50), tmp_path / "a.zarr", voxel_size=(1, 1, 1))
    assert not (tmp_path / "a.zarr/datasource-properties.json").exists()
    written(tmp_path / "b.zarr", ramp(9, 40, 50))
    found = nk.open(tmp_path / "b.zarr")
    assert found.attrs["ngff_version"] == "0.5"  # the image, not the WEBKNOSSOS dataset


def test_each_channel_is_a_layer_with_its_colour_and_window(tmp_path):
    data = np.stack([ramp(9, 40, 50) * k for k in (1, 2, 0)]).astype("u2")
    found = written(tmp_path / "a.zarr", data, axes="czyx", channels=["DAPI", "GFP", "(none)"])
    layers = found["dataLayers"]
    assert [layer["name"] for layer in layers] == ["array_DAPI", "array_GFP", "array_none"]
    assert [layer["mags"][0]["channelIndex"] for layer in layers] == [0, 1, 2]
    assert {layer["elementClass"] for layer in layers} == {"uint16"}
    attrs = json.loads((tmp_path / "a.zarr/zarr.json").read_text())["attributes"]["ome"]
    for layer, channel in zip(layers, attrs["omero"]["channels"], strict=True):
        view = layer["defaultViewConfiguration"]
        assert view["intensityRange"] == [channel["window"]["start"], channel["window"]["end"]]
        assert bytes(view["color"]).hex() == channel["color"].lower()


def test_time_is_a_further_axis(tmp_path):
    found = written(
        tmp_path / "a.zarr",
        ramp(3, 2, 9, 20, 30),
        axes="tczyx",
        voxel_size={"x": 1, "y": 1, "z": 1},
    )
    first, second = found["dataLayers"]
    assert first["additionalAxes"] == [{"name": "t", "bounds": [0, 3], "index": 0}]
    assert first["mags"][0]["axisOrder"] == {"c": 1, "z": 2, "y": 3, "x": 4}
    assert second["mags"][0]["channelIndex"] == 1


def test_labels_are_segmentation_layers(tmp_path):
    for name, dtype in (("em", "u1"), ("cells", "u2")):
        (tmp_path / name).mkdir()
        for i, plane in enumerate(ramp(6, 40, 50, dtype=dtype)):
            Image.fromarray(plane).save(tmp_path / name / f"{i}.png")
    found = written(tmp_path / "a.zarr", tmp_path / "em", labels={"cells": str(tmp_path / "cells")})
    image, cells = found["dataLayers"]
    assert (image["category"], cells["category"]) == ("color", "segmentation")
    assert (cells["name"], cells["elementClass"]) == ("cells", "uint16")
    assert next(mag["path"] for mag in cells["mags"]) == "./labels/cells/0"
    assert "largestSegmentId" not in cells  # nobody has counted
    assert "defaultViewConfiguration" not in cells


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("i2", "int16"), ("u4", "uint32"), ("f4", "float"), ("f8", "double"), ("u8", "uint64")],
)
def test_types_have_names_of_their_own(tmp_path, dtype, expected):
    found = written(tmp_path / "a.zarr", ramp(4, 20, 20, dtype=dtype))
    assert found["dataLayers"][0]["elementClass"] == expected


def test_a_plane_has_no_z(tmp_path):
    found = written(tmp_path / "a.zarr", ramp(40, 50), voxel_size={"y": 3, "x": 2})
    assert found["scale"]["factor"] == [2.0, 3.0, 1.0]
    (layer,) = found["dataLayers"]
    assert layer["boundingBox"]["depth"] == 1
    assert layer["mags"][0]["axisOrder"] == {"y": 0, "x": 1}


def test_zarr_2_is_told_from_3(tmp_path):
    found = written(tmp_path / "a.zarr", ramp(4, 20, 20), version="0.4", shards=None)
    assert found["dataLayers"][0]["dataFormat"] == "zarr"


def test_the_voxel_size_has_one_unit(tmp_path):
    import xarray as xr

    coords = {
        "z": ("z", np.arange(4) * 0.5, {"units": "micrometer"}),
        "y": ("y", np.arange(20) * 8.0, {"units": "nanometer"}),
        "x": ("x", np.arange(20) * 8.0, {"units": "nanometer"}),
    }
    data = xr.DataArray(ramp(4, 20, 20), dims=("z", "y", "x"), coords=coords)
    plan = writing.plan(data, tmp_path / "a.zarr", sidecar=True)
    assert datasource(plan)["scale"] == {"factor": [8.0, 8.0, 500.0], "unit": "nanometer"}


def test_what_webknossos_can_not_show_is_said_before(tmp_path):
    plan = writing.plan(ramp(4, 20, 20).astype(bool), tmp_path / "a.zarr")
    assert datasource(plan)["dataLayers"] == []
    said = "\n".join(map(str, doubts(plan.images)))
    assert "no pixels of type bool" in said
    assert "no unit of length" in said


def test_only_mags_that_webknossos_can_tell_apart_are_listed(tmp_path):
    mags = ["1", "2-2-1", "2", "6-6-2"]
    plan = writing.plan(
        ramp(16, 60, 60), tmp_path / "a.zarr", voxel_size=(1, 1, 1), unit="nm", mags=mags
    )
    (layer,) = datasource(plan)["dataLayers"]
    assert [mag["mag"] for mag in layer["mags"]] == [[1, 1, 1], [2, 2, 1]]
    assert "2 mags are left out" in str(doubts(plan.images)[0])


def test_the_name_of_the_layer_is_chosen(tmp_path):
    found = written(tmp_path / "a.zarr", ramp(4, 20, 20), layer="my layer")
    assert found["dataLayers"][0]["name"] == "my_layer"


@given(st.lists(st.text(string.printable + "äπ/\\.", max_size=9), max_size=6))
def test_names_are_allowed_and_differ(texts):
    taken: set[str] = set()
    for text in texts:
        name = layer_name(text, taken)
        assert ALLOWED.fullmatch(name)
        assert name not in taken
        taken.add(name)


@given(st.text(string.ascii_letters + string.digits + "$@-", min_size=1))
def test_good_names_stay(text):
    assert layer_name(text, set()) == text
