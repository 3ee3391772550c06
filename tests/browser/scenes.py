"""Images that the tests in a browser look at: small pyramids whose every pixel is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

import ngffkit as nk
from browser.expected import Level, read_level

#: Divisible by the factors of all mags, so that each level covers the same place.
SHAPE: Final = {"z": 24, "y": 96, "x": 128}
SPACING: Final = {"z": 2.5, "y": 1.0, "x": 1.0}
MAGS: Final[Mapping[str, Mapping[str, int]]] = {
    "1": {"z": 1, "y": 1, "x": 1},
    "2-2-1": {"z": 1, "y": 2, "x": 2},
    "4-4-2": {"z": 2, "y": 4, "x": 4},
}

#: What a channel of each type is shown in; narrower than the data, so that both ends clip.
WINDOWS: Final[Mapping[str, tuple[float, float]]] = {
    "uint8": (20, 230),
    "uint16": (1000, 50_000),
    "int16": (-9000, 12_000),
    "float32": (-0.5, 1.75),
}
LABELS: Final = "parts"
COLORED: Final = 200  # ids below this have a colour of their own
BIG: Final = 2**63 + 12345


def volume(dtype: str) -> npt.NDArray[Any]:
    """Make pixels that differ from their neighbours everywhere, noise on waves."""
    z, y, x = (np.arange(n) for n in SHAPE.values())
    waves = np.sin(z[:, None, None] / 5) + np.cos(y[:, None] / 9) + np.sin(x / 11)
    noise = np.random.default_rng(7).random(tuple(SHAPE.values()))
    unit = (waves + 3) / 8 + noise / 4
    if dtype == "float32":
        out = (unit * 3 - 1).astype(dtype)
        out[:, 10:14, 20:30] = np.nan
        return out
    low, high = {"uint8": (0, 255), "uint16": (0, 65_535), "int16": (-15_000, 17_000)}[dtype]
    return np.rint(low + unit * (high - low)).astype(dtype)


def labels() -> npt.NDArray[np.uint64]:
    """Make blocks of ids, some of them beyond what a double can hold, on a background of 0."""
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE.values()), indexing="ij")
    ids = (z // 4 + 10 * (y // 16) + 100 * (x // 16)).astype(np.uint64)
    ids = np.where(ids % 3 == 2, ids + np.uint64(BIG), ids)
    return np.where((y % 16 < 3) | (x % 16 < 5), np.uint64(0), ids)


def array(pixels: npt.NDArray[Any], name: str) -> xr.DataArray:
    """Give pixels their places: micrometers, from z = 10, y = 20, x = 30."""
    starts = {"z": 10.0, "y": 20.0, "x": 30.0}
    coords = {
        axis: (axis, starts[axis] + SPACING[axis] * np.arange(n), {"units": "micrometer"})
        for axis, n in SHAPE.items()
    }
    return xr.DataArray(pixels, dims=list(SHAPE), coords=coords, name=name)


def write(folder: Path, dtype: str, *, labelled: bool = False, **options: Any) -> Path:
    """Write an image with its mags; return its path."""
    target = folder / f"{dtype}.ome.zarr"
    made = {"mags": list(MAGS), "chunks": {"z": 8, "y": 32, "x": 32}, "shards": None} | options
    nk.write(array(volume(dtype), "image"), target, **made)
    if labelled:
        nk.add_labels(target, array(labels(), LABELS), LABELS)
        _keep_colors(target)
    return target


def _keep_colors(root: Path) -> None:
    """Leave given colours to some ids only, so that the others get the viewer's own."""
    path = f"labels/{LABELS}"
    whole, own = root / "zarr.json", root / path / "zarr.json"
    documents = {file: json.loads(file.read_text()) for file in (whole, own)}
    copies = documents[whole]["consolidated_metadata"]["metadata"]
    for document in (copies[path], documents[own]):
        about = document["attributes"]["ome"]["image-label"]
        about["colors"] = [entry for entry in about["colors"] if entry["label-value"] < COLORED]
    for file, document in documents.items():
        file.write_text(json.dumps(document))


def colors(image: Path) -> dict[int, tuple[int, ...]]:
    """Read the colours that labels were given, by id."""
    document = json.loads((image / "zarr.json").read_text())
    given = document["attributes"]["ome"]["image-label"]["colors"]
    return {entry["label-value"]: tuple(entry["rgba"]) for entry in given}


def levels(image: Path) -> dict[str, Level]:
    """Read the levels of an image that `write` made, by mag."""
    return {
        mag: read_level(image, path, factors)
        for (mag, factors), path in zip(MAGS.items(), paths(image), strict=True)
    }


def paths(image: Path) -> list[str]:
    """Return the paths of the arrays of an image, finest first."""
    document = json.loads((image / "zarr.json").read_text())
    (found,) = document["attributes"]["ome"]["multiscales"]
    return [entry["path"] for entry in found["datasets"]]


def cell(source: str, name: str = "view", **options: Any) -> str:
    """Write the cell that browses something: a path in quotes, or an expression."""
    told = "".join(f", {key}={value!r}" for key, value in options.items())
    return f"import ngffkit as nk\n{name} = nk.browse({source}{told})\n{name}"
