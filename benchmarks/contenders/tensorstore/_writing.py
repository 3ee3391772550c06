"""Mags written with tensorstore by hand: `downsample` of what is in memory, shard by shard."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore as ts


def created(ask: dict[str, Any], i: int, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    """Create the array of a mag."""
    chunk, shard = ask["chunk"], ask["shard"]
    zstd = {"name": "zstd", "configuration": {"level": ask["codec_level"]}}
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    inner = {"chunk_shape": [chunk] * 3, "codecs": [little, zstd]}
    outer = [min(shard, -(-n // chunk) * chunk) for n in shape]
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{ask['target']}/{i}/"},
        "metadata": {
            "shape": shape,
            "data_type": dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": outer}},
            "codecs": [{"name": "sharding_indexed", "configuration": inner}],
            "dimension_names": ["z", "y", "x"],
        },
    }
    # without forcing each file to the disk, which is its default; zarr-python, with which the other
    # peers write, never does, and ngffkit always
    limit = {"data_copy_concurrency": {"limit": os.cpu_count()}}
    context = ts.Context(limit | {"file_io_sync": False})
    return ts.open(spec, create=True, context=context).result()


def document(levels: int) -> dict[str, Any]:
    """Return the document of the image."""
    axes = [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"]
    datasets = [
        {
            "path": str(i),
            "coordinateTransformations": [
                {"type": "scale", "scale": [4.0 * 2**i] * 3},
                {"type": "translation", "translation": [2.0 * (2**i - 1)] * 3},
            ],
        }
        for i in range(levels)
    ]
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    return {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}


def write(slabs: Iterable[np.ndarray], shape: tuple[int, ...], ask: dict[str, Any]) -> None:
    """Write slabs as deep as a shard, the last one maybe less, and their mags.

    Parts of a coarser shard that come later are added by reading it back, which tensorstore does.
    """
    arrays: list[Any] = []
    done = 0
    for slab in slabs:
        if not arrays:
            arrays = [
                created(ask, i, tuple(n >> i for n in shape), slab.dtype)
                for i in range(ask["levels"])
            ]
        part, jobs = slab, []
        for i, array in enumerate(arrays):
            if i:
                view = ts.downsample(ts.array(part), [2] * 3, "mode" if ask["labels"] else "mean")
                part = view.read().result()
            box = array[done >> i : (done >> i) + len(part)]
            jobs.append(box.write(part, can_reference_source_data_indefinitely=True))
        for job in jobs:
            job.result()
        done += len(slab)
    Path(ask["target"], "zarr.json").write_text(json.dumps(document(ask["levels"])))
