"""WEBKNOSSOS datasets: layers, mags, padding, axis orders; the same place at every mag."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import xarray as xr
import zarr

import ngffkit as nk

MAGS: Final = ((1, 1, 1), (2, 2, 1), (4, 4, 2))
VOXEL: Final = (11.24, 11.24, 25.0)


@dataclass
class Layer:
    """A layer to be written: everything is in x, y, z."""

    name: str = "color"
    category: str = "color"
    corner: tuple[int, int, int] = (0, 0, 0)
    size: tuple[int, int, int] = (40, 36, 10)
    mags: Sequence[tuple[int, int, int]] = MAGS
    zarr_format: int = 3
    dtype: str = "uint16"
    order: Mapping[str, int] | None = None
    extra: Sequence[Mapping[str, Any]] = ()
    view: Mapping[str, Any] = field(default_factory=dict)

    def properties(self) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": self.name,
            "category": self.category,
            "boundingBox": {
                "topLeft": list(self.corner),
                "width": self.size[0],
                "height": self.size[1],
                "depth": self.size[2],
            },
            "elementClass": self.dtype,
            "dataFormat": "zarr3" if self.zarr_format == 3 else "zarr",
            "mags": [self._mag(mag) for mag in self.mags],
            "defaultViewConfiguration": dict(self.view),
        }
        if self.extra:
            made["additionalAxes"] = [dict(axis) for axis in self.extra]
        return made

    def _mag(self, mag: tuple[int, int, int]) -> dict[str, Any]:
        made: dict[str, Any] = {"mag": list(mag), "path": f"./{self.name}/{spell(mag)}"}
        return made | ({"axisOrder": dict(self.order)} if self.order is not None else {})

    def ramp(self, mag: tuple[int, int, int]) -> np.ndarray:
        """Return one mag in c, x, y, z: a voxel's x-centre in voxels of mag 1, times 8.

        Padded to a multiple of the shard, as WEBKNOSSOS pads; what is beyond the box is 7.
        """
        shape = tuple(
            math.ceil((low + size) / f / 32) * 32
            for low, size, f in zip(self.corner, self.size, mag, strict=True)
        )
        pixels = np.full((1, *shape), 7, self.dtype)
        inside = tuple(
            slice(low // f, -(-(low + size) // f))
            for low, size, f in zip(self.corner, self.size, mag, strict=True)
        )
        centre = np.arange(shape[0]) * mag[0] + (mag[0] - 1) / 2
        pixels[(0, *inside)] = (centre[inside[0], None, None] * 8).astype(self.dtype)
        return pixels


def spell(mag: tuple[int, int, int]) -> str:
    return str(mag[0]) if len(set(mag)) == 1 else "-".join(map(str, mag))


def write(root: Path, *layers: Layer, scale: Any = VOXEL) -> Path:
    for layer in layers:
        for mag in layer.mags:
            store(root / layer.name / spell(mag), layer, layer.ramp(mag))
    document = {
        "id": {"name": "made", "team": ""},
        "dataLayers": [layer.properties() for layer in layers],
        "scale": scale,
    }
    root.mkdir(exist_ok=True)
    (root / "datasource-properties.json").write_text(json.dumps(document))
    return root


def store(path: Path, layer: Layer, cxyz: np.ndarray) -> None:
    """Write an array in the order the layer says, sharded where the format allows."""
    names = ["c", "x", "y", "z"]
    pixels = cxyz
    for axis in layer.extra:
        names.insert(0, str(axis["name"]))
        pixels = np.stack([pixels + i for i in range(axis["bounds"][1])])
    places = dict(layer.order or {}) | {str(a["name"]): a["index"] for a in layer.extra}
    if layer.order is not None:
        wanted = sorted(places, key=lambda name: places[name])
        pixels = pixels.transpose([names.index(name) for name in wanted])
    chunks = tuple(1 if n < 16 else 16 for n in pixels.shape)
    more: dict[str, Any] = (
        {"shards": tuple(1 if n < 16 else 32 for n in pixels.shape)}
        if layer.zarr_format == 3
        else {"order": "F", "chunk_key_encoding": {"name": "v2", "separator": "/"}}
    )
    zarr.create_array(path, data=pixels, chunks=chunks, zarr_format=layer.zarr_format, **more)


def centres(corner: int, size: int, factor: int, voxel: float) -> np.ndarray:
    """Return the voxel centres inside a box: voxel i of mag f covers i*f to (i+1)*f of mag 1."""
    first, last = corner // factor, -(-(corner + size) // factor)
    return (np.arange(first, last) * factor + (factor - 1) / 2) * voxel


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize(
    "order", [None, {"c": 0, "x": 1, "y": 2, "z": 3}, dict(zip("zyxc", range(4), strict=True))]
)
@pytest.mark.parametrize("corner", [(0, 0, 0), (5, 6, 3)])
def test_a_place_is_the_same_at_every_mag(
    tmp_path: Path, zarr_format: int, order: Any, corner: tuple[int, int, int]
) -> None:
    layer = Layer(zarr_format=zarr_format, order=order, corner=corner)
    dt = nk.open(write(tmp_path / "data", layer))
    assert list(dt["color"].children) == ["1", "2-2-1", "4-4-2"]
    for mag in MAGS:
        image = dt[f"color/{spell(mag)}"].image
        assert image.dims == (("c", "x", "y", "z") if order is None else tuple(order))
        for i, dim in enumerate("xyz"):
            expected = centres(corner[i], layer.size[i], mag[i], VOXEL[i])
            np.testing.assert_allclose(image[dim].values, expected, rtol=1e-12)
            assert image[dim].attrs["units"] == "nanometer"
        # pixels hold the place they are at, so that the two must agree, also at the far end
        x = image.isel(c=0, y=-1, z=0)
        np.testing.assert_allclose(x.values / 8 * VOXEL[0], x["x"].values, rtol=1e-12)
        assert not (image.values == 7).any()


def test_two_layers_in_two_formats(tmp_path: Path) -> None:
    color = Layer(view={"color": [255, 128, 0], "intensityRange": [10, 200]})
    cells = Layer("cells", "segmentation", dtype="uint32", zarr_format=2, mags=MAGS[:2])
    dt = nk.open(write(tmp_path / "data", color, cells))
    assert set(dt.children) == {"color", "cells"}
    assert list(dt["cells"].children) == ["1", "2-2-1"]
    assert dt["cells/1"].labels.dtype == np.uint32
    image = dt["color"].attrs["ngff_source"].opened.image
    assert (image.version, image.kind) == ("webknossos", "intensity")
    (channel,) = image.channels
    assert (channel.label, channel.color) == ("color", "FF8000")
    assert (channel.window.start, channel.window.end) == (10.0, 200.0)
    assert dt["cells"].attrs["ngff_source"].opened.image.kind == "label"


@pytest.mark.parametrize(
    ("scale", "voxel", "unit"),
    [
        ([11.24, 11.24, 25], VOXEL, "nanometer"),
        ({"factor": [0.5, 0.5, 2], "unit": "micrometer"}, (0.5, 0.5, 2.0), "micrometer"),
        ({"factor": [4, 4, 40]}, (4.0, 4.0, 40.0), "nanometer"),
    ],
)
def test_the_voxel_size_is_a_list_or_an_object(
    tmp_path: Path, scale: Any, voxel: tuple[float, ...], unit: str
) -> None:
    image = nk.open(write(tmp_path / "data", Layer(), scale=scale))["color/1"].image
    for dim, size in zip("xyz", voxel, strict=True):
        assert image[dim].values[1] - image[dim].values[0] == pytest.approx(size, rel=1e-12)
        assert image[dim].attrs["units"] == unit


def test_one_mag_alone(tmp_path: Path) -> None:
    root = write(tmp_path / "data", Layer(corner=(5, 6, 3)))
    whole = nk.open(root)["color/4-4-2"].to_dataset()
    for mag in ("4-4-2", (4, 4, 2)):
        xr.testing.assert_identical(
            xr.open_dataset(root, engine="ngff", image="color", mag=mag).load(), whole.load()
        )
    with pytest.raises(nk.NgffError, match="no mag '8'"):
        xr.open_dataset(root, engine="ngff", mag="8")


@pytest.mark.parametrize("index", [0, 1])
def test_additional_axes(tmp_path: Path, index: int) -> None:
    rest = [i for i in range(5) if i != index]
    layer = Layer(
        mags=MAGS[:2],
        order=dict(zip("cxyz", rest, strict=True)),
        extra=[{"name": "t", "bounds": [1, 4], "index": index}],
    )
    dt = nk.open(write(tmp_path / "data", layer))
    image = dt["color/2-2-1"].image
    assert image.dims == (("t", "c", "x", "y", "z") if index == 0 else ("c", "t", "x", "y", "z"))
    assert image["t"].values.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(image.isel(c=0, x=0, y=0, z=0).values, [4 + 1, 4 + 2, 4 + 3])


def test_mags_are_read_in_the_order_of_their_size(tmp_path: Path) -> None:
    dt = nk.open(write(tmp_path / "data", Layer(mags=((4, 4, 2), (1, 1, 1), (2, 2, 1)))))
    assert list(dt["color"].children) == ["1", "2-2-1", "4-4-2"]


def test_a_box_beyond_the_array_gives_what_there_is(tmp_path: Path) -> None:
    root = write(tmp_path / "data", Layer(mags=MAGS[:1]))
    change(root, lambda doc: doc["dataLayers"][0]["boundingBox"].update(width=4000))
    assert nk.open(root)["color/1"].sizes["x"] == 64


def change(root: Path, edit: Any) -> None:
    path = root / "datasource-properties.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("webknossos") / "data", Layer(mags=MAGS[:2]))


LAYER: Final = "dataLayers[0]"
WRONG: Final = [
    (("dataFormat",), "wkw", f"{LAYER}.dataFormat"),
    (("dataFormat",), ["zarr"], f"{LAYER}.dataFormat"),
    (("name",), "../color", f"{LAYER}.name"),
    (("name",), None, f"{LAYER}.name"),
    (("mags",), [], f"{LAYER}.mags"),
    (("mags",), None, f"{LAYER}.mags"),
    (("mags", 0, "path"), "../outside", f"{LAYER}.mags[0].path"),
    (("mags", 0, "path"), "./../outside", f"{LAYER}.mags[0].path"),
    (("mags", 0, "path"), "/etc/passwd", f"{LAYER}.mags[0].path"),
    (("mags", 0, "path"), "https://host/1", f"{LAYER}.mags[0].path"),
    (("mags", 0, "path"), 5, f"{LAYER}.mags[0].path"),
    (("mags", 0, "path"), "color/2-2-1", f"{LAYER}.mags[1].path"),
    (("mags", 0, "path"), "color/absent", f"{LAYER}.mags"),
    (("mags", 0, "mag"), [1, 1], f"{LAYER}.mags[0].mag"),
    (("mags", 0, "mag"), [1, 0.5, 1], f"{LAYER}.mags[0].mag[1]"),
    (("mags", 0, "mag"), [0, 1, 1], f"{LAYER}.mags[0].mag[0]"),
    (("mags", 0, "axisOrder"), {"c": -1}, f"{LAYER}.mags[0].axisOrder.c"),
    (("mags", 0, "axisOrder"), {"a": 0, "b": 0}, f"{LAYER}.mags"),
    (("boundingBox",), None, f"{LAYER}.boundingBox"),
    (("boundingBox", "topLeft"), [0, 0], f"{LAYER}.boundingBox.topLeft"),
    (("boundingBox", "topLeft"), [-1, 0, 0], f"{LAYER}.boundingBox.topLeft[0]"),
    (("boundingBox", "depth"), "10", f"{LAYER}.boundingBox.depth"),
    (("boundingBox", "depth"), 2**60, f"{LAYER}.boundingBox.depth"),
    (("additionalAxes",), [{"name": "t", "index": 9}], f"{LAYER}.additionalAxes[0].bounds"),
    (("additionalAxes",), [{"name": "x"}], f"{LAYER}.additionalAxes[0].name"),
    (("additionalAxes",), [{"name": "t", "index": True}], f"{LAYER}.additionalAxes[0].index"),
]


@pytest.mark.parametrize(("keys", "value", "loc"), WRONG, ids=lambda v: str(v)[:40])
def test_what_is_wrong_is_refused_with_its_path(
    good: Path, tmp_path: Path, keys: tuple[Any, ...], value: Any, loc: str
) -> None:
    document = json.loads((good / "datasource-properties.json").read_text())
    target = document["dataLayers"][0]
    for key in keys[:-1]:
        target = target[key]
    target[keys[-1]] = value
    refused(good, tmp_path, document, loc)


@pytest.mark.parametrize(
    ("key", "value", "loc"),
    [
        ("scale", None, "scale"),
        ("scale", [1, 2], "scale"),
        ("scale", [1, -2, 3], "scale[1]"),
        ("scale", {"factor": [1, float("nan"), 3]}, "scale.factor[1]"),
        ("scale", {"factor": [1, 2, 3], "unit": 5}, "scale.unit"),
        ("dataLayers", None, "dataLayers"),
        ("dataLayers", [], "dataLayers"),
        ("dataLayers", ["color"], "dataLayers[0]"),
        ("dataLayers", [{}] * 100_000, "dataLayers"),
    ],
    ids=lambda v: str(v)[:40],
)
def test_what_is_wrong_with_the_whole(
    good: Path, tmp_path: Path, key: str, value: Any, loc: str
) -> None:
    document = json.loads((good / "datasource-properties.json").read_text()) | {key: value}
    refused(good, tmp_path, document, loc)


def refused(good: Path, tmp_path: Path, document: Any, loc: str) -> None:
    (tmp_path / "color").symlink_to(good / "color")
    (tmp_path / "datasource-properties.json").write_text(json.dumps(document))
    with pytest.raises(nk.MetadataError) as caught:
        nk.open(tmp_path)
    # what can only be told with the array names it as well
    assert caught.value.loc.startswith(f"datasource-properties.json: {loc}")


def test_wkw_says_what_to_do(good: Path, tmp_path: Path) -> None:
    document = json.loads((good / "datasource-properties.json").read_text())
    document["dataLayers"][0]["dataFormat"] = "wkw"
    (tmp_path / "datasource-properties.json").write_text(json.dumps(document))
    with pytest.raises(nk.MetadataError, match=r"'wkw'.*convert"):
        nk.open(tmp_path)


def test_layers_that_begin_at_a_coarser_mag_keep_its_name(tmp_path: Path) -> None:
    layer = Layer(name="segmentation", category="segmentation", mags=MAGS[1:])
    root = write(tmp_path / "data", Layer(), layer)
    dt = nk.open(root)
    assert list(dt["color"].children) == ["1", "2-2-1", "4-4-2"]
    assert list(dt["segmentation"].children) == ["2-2-1", "4-4-2"]
    labels = dt["segmentation/4-4-2"].labels
    assert labels.ngff.mag == "4-4-2"
    np.testing.assert_array_equal(labels.x.values, dt["color/4-4-2"].image.x.values)
    one = xr.open_dataset(root, engine="ngff", image="segmentation", mag=(4, 4, 2))
    np.testing.assert_array_equal(one.labels.values, labels.values)
    with pytest.raises(nk.NgffError, match="no mag '1'"):
        xr.open_dataset(root, engine="ngff", image="segmentation", mag="1")


def test_a_lost_chunk_is_no_black_box(tmp_path: Path) -> None:
    """Arrays are padded beyond the box, so grids of whole arrays tell, not those of the image."""
    layer = Layer(corner=(5, 6, 3), size=(90, 80, 40))
    root = write(tmp_path / "data", layer)
    image = nk.open(root)["color/1"].image
    expected = image.values
    (root / "color/1/c/0/1/1/0").unlink()
    with pytest.raises(nk.ChunkError, match=r"color/1/c/0/1/1/0.*2-2-1 has data there"):
        _ = nk.open(root)["color/1"].image.values
    filled = nk.open(root, missing="fill")["color/1"].image.values
    assert (filled != expected).any()
