"""What other people's readers say of images, as JSON; runs in a venv of its own.

Reads a list of ``{"name", "path", "version"}`` from standard input, and writes by name and reader
what it complains of, and the sha256 of the pixels (little-endian, C order) of every array it read.
"""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Levels = dict[str, str]


def sha(pixels: Any) -> str:
    array = np.asarray(pixels)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(array.tobytes()).hexdigest()


def attributes(group: Any) -> dict[str, Any]:
    attrs = dict(group.attrs)
    return attrs.get("ome", attrs)


def open_root(path: str) -> Any:
    import zarr

    if path.endswith(".ozx"):
        return zarr.open_group(zarr.storage.ZipStore(path, mode="r"), mode="r")
    return zarr.open_group(path, mode="r")


def images(path: str) -> list[str]:
    """Return the paths of the image and of its labels, as their metadata list them."""
    root = open_root(path)
    found = [""]
    if "labels" in root:
        found += [f"labels/{name}" for name in attributes(root["labels"])["labels"]]
    return found


def arrays(path: str) -> list[str]:
    root, out = open_root(path), []
    for image in images(path):
        group = root[image] if image else root
        datasets = attributes(group)["multiscales"][0]["datasets"]
        out += [f"{image}/{dataset['path']}".lstrip("/") for dataset in datasets]
    return out


# --- readers: each returns levels by path, raises or warns where it is not content ----------------


def by_zarr(path: str) -> Levels:
    import zarr

    root = open_root(path)
    out = {name: sha(root[name][...]) for name in arrays(path)}
    if not path.endswith(".ozx"):
        consolidated = zarr.open_consolidated(path, mode="r")
        for name in arrays(path):
            assert consolidated[name].metadata == root[name].metadata, f"{name}: differs"
    return out


def by_tensorstore(path: str) -> Levels:
    import tensorstore

    out = {}
    for name in arrays(path):
        driver = "zarr3" if (Path(path) / name / "zarr.json").exists() else "zarr"
        store = {"driver": "file", "path": f"{path}/{name}"}
        array = tensorstore.open({"driver": driver, "kvstore": store}, read=True).result()
        if driver == "zarr3":
            assert all(array.domain.labels), f"{name}: dimensions without a name"
        out[name] = sha(array.read().result())
    return out


def by_ome_zarr(path: str) -> Levels:
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    out: Levels = {}
    location = parse_url(path)
    assert location is not None, "not found"
    nodes = list(Reader(location)())
    assert nodes, "no nodes"
    for node in nodes:
        head = str(Path(node.zarr.path).relative_to(path)) if node.zarr.path else ""
        head = "" if head == "." else f"{head}/"
        for i, data in enumerate(node.data):
            out[f"{head}{i}"] = sha(data)
    return out


def by_ngff_zarr(path: str) -> Levels:
    import ngff_zarr

    out = {}
    for image in images(path) if not path.endswith(".ozx") else [""]:
        where = f"{path}/{image}" if image else path
        found = ngff_zarr.from_ngff_zarr(where, validate=True)
        for dataset, level in zip(found.metadata.datasets, found.images, strict=True):
            out[f"{image}/{dataset.path}".lstrip("/")] = sha(level.data)
    return out


def by_models(path: str) -> Levels:
    from ome_zarr_models import open_ome_zarr

    root = open_root(path)
    for image in images(path):
        open_ome_zarr(root[image] if image else root)
    return {}


def by_yaozarrs(path: str) -> Levels:
    import yaozarrs

    for image in images(path):
        yaozarrs.validate_zarr_store(f"{path}/{image}" if image else path)
    return {}


READERS: dict[str, Callable[[str], Levels]] = {
    "zarr-python": by_zarr,
    "tensorstore": by_tensorstore,
    "ome-zarr-py": by_ome_zarr,
    "ngff-zarr": by_ngff_zarr,
    "ome-zarr-models": by_models,
    "yaozarrs": by_yaozarrs,
}


def ask(reader: Callable[[str], Levels], path: str) -> dict[str, Any]:
    levels: Levels = {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            levels = reader(path)
            complaints = []
        except BaseException as err:  # noqa: BLE001 - whatever it is, it is a complaint
            last = traceback.extract_tb(err.__traceback__)[-1]
            complaints = [f"{type(err).__name__}: {err} ({last.filename}:{last.lineno})"]
    ours = (FutureWarning, DeprecationWarning, PendingDeprecationWarning, ResourceWarning)
    complaints += [
        f"{w.category.__name__}: {w.message}" for w in caught if not issubclass(w.category, ours)
    ]
    return {"complaints": complaints, "levels": levels}


def main() -> None:
    out = {
        order["name"]: {name: ask(READERS[name], order["path"]) for name in order["readers"]}
        for order in json.load(sys.stdin)
    }
    sys.stdout.write("\n" + json.dumps(out))


if __name__ == "__main__":
    main()
