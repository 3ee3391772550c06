"""Images for tests, written by zarr-python: pyramids of any kind, with labels, sparse or not."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zarr

TYPES = {"t": "time", "c": "channel"}


@dataclass(frozen=True)
class How:
    """How an image is written."""

    dims: str = "zyx"
    version: str = "0.5"
    chunks: Sequence[int] | int = 16
    shards: Sequence[int] | None = None
    fill: Any = 0
    translate: bool = True
    consolidated: bool = False
    compressor: Any = "auto"
    filters: Any = "auto"
    factors: Sequence[Mapping[str, int]] = field(default_factory=lambda: [dict.fromkeys("zyx", 2)])


def reduce(data: np.ndarray, steps: Sequence[int], method: str) -> np.ndarray:
    """Downsample by whole factors; what is left over at the end counts on its own."""
    if method == "nearest":
        return data[tuple(slice(None, None, n) for n in steps)]
    pads = [(0, -size % n) for size, n in zip(data.shape, steps, strict=True)]
    padded = np.pad(data, pads, mode="edge")
    shape = [k for size, n in zip(padded.shape, steps, strict=True) for k in (size // n, n)]
    blocks = padded.reshape(shape)
    axes = tuple(range(1, 2 * data.ndim, 2))
    if method == "max":
        return blocks.max(axes)
    mean = blocks.mean(axes, dtype=np.float64)
    return (np.rint(mean) if data.dtype.kind in "iu" else mean).astype(data.dtype)


def pyramid(data: np.ndarray, how: How, method: str = "mean") -> list[np.ndarray]:
    """Return all levels, the data first."""
    levels = [data]
    for factors in how.factors:
        levels.append(reduce(levels[-1], [factors.get(d, 1) for d in how.dims], method))
    return levels


def write(
    root: Path,
    levels: Sequence[np.ndarray],
    how: How,
    *,
    stride: bool = False,
    labels: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> Path:
    """Write an image; labels are written alike."""
    _image(root, levels, how, stride=stride)
    if labels:
        _group(root / "labels", {"labels": list(labels)}, how)
        for name, pixels in labels.items():
            extra = {"image-label": {"version": how.version}}
            _image(root / "labels" / name, pixels, how, stride=stride, extra=extra)
    if how.consolidated:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that Zarr v3 does not specify it yet
            zarr.consolidate_metadata(str(root))
    return root


def _image(
    root: Path,
    levels: Sequence[np.ndarray],
    how: How,
    *,
    stride: bool,
    extra: Mapping[str, Any] | None = None,
) -> None:
    datasets, scale = [], np.ones(len(how.dims))
    for i, pixels in enumerate(levels):
        if i:
            scale = scale * [how.factors[i - 1].get(d, 1) for d in how.dims]
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale.tolist()}]
        if how.translate and not stride:
            steps.append({"type": "translation", "translation": ((scale - 1) / 2).tolist()})
        datasets.append({"path": str(i), "coordinateTransformations": steps})
        _array(root / str(i), pixels, how)
    axes = [{"name": d, "type": TYPES.get(d, "space")} for d in how.dims]
    multiscale = {"version": how.version, "name": "it", "axes": axes, "datasets": datasets}
    if how.version != "0.4":
        del multiscale["version"]
    _group(root, {"multiscales": [multiscale], **(extra or {})}, how)


def _array(path: Path, pixels: np.ndarray, how: How) -> None:
    cut = how.chunks if not isinstance(how.chunks, int) else [how.chunks] * pixels.ndim
    v2 = how.version == "0.4"
    array = zarr.create_array(
        str(path),
        shape=pixels.shape,
        dtype=pixels.dtype,
        chunks=tuple(min(c, n) for c, n in zip(cut, pixels.shape, strict=True))
        if how.shards is None
        else tuple(cut),
        shards=None if how.shards is None else tuple(how.shards),
        fill_value=how.fill,
        zarr_format=2 if v2 else 3,
        compressors=how.compressor,
        filters=how.filters,
        chunk_key_encoding={"name": "v2", "separator": "/"} if v2 else None,
    )
    array[...] = pixels


def _group(path: Path, attrs: Mapping[str, Any], how: How) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if how.version == "0.4":
        (path / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
        (path / ".zattrs").write_text(json.dumps(attrs))
        return
    ome = {"ome": {"version": how.version, **attrs}}
    doc = {"zarr_format": 3, "node_type": "group", "attributes": ome}
    (path / "zarr.json").write_text(json.dumps(doc))


def plate(root: Path, rows: str = "ABCDEFGHIJKLMNOP", columns: int = 24, fields: int = 2) -> Path:
    """Write the metadata of a plate, and nothing else."""
    how = How()
    names = [f"{i + 1:02d}" for i in range(columns)]
    wells = [
        {"path": f"{r}/{c}", "rowIndex": i, "columnIndex": j}
        for i, r in enumerate(rows)
        for j, c in enumerate(names)
    ]
    body = {
        "name": "plate",
        "rows": [{"name": r} for r in rows],
        "columns": [{"name": c} for c in names],
        "wells": wells,
        "field_count": fields,
    }
    _group(root, {"plate": body}, how)
    return root


def well(root: Path, fields: Mapping[str, Sequence[np.ndarray]], how: How) -> Path:
    """Write a well with its fields."""
    _group(root, {"well": {"images": [{"path": name} for name in fields]}}, how)
    for name, levels in fields.items():
        write(root / name, levels, how)
    return root


def chunk_files(root: Path) -> list[str]:
    """Return the keys of everything below a folder that is no metadata."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(".z") and path.name != "zarr.json"
    )
