"""What WEBKNOSSOS makes of images, as JSON; runs in a venv of its own.

Reads ``{"rules": path or null, "orders": [{"name", "path", "rules"}]}`` from standard input: opens
each by the ``datasource-properties.json`` in it, with the library of WEBKNOSSOS, and asks the rules
of its importer, where they are. Pixels are hashed in the order t, c, z, y, x.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import traceback
import warnings
from typing import Any

import numpy as np
import webknossos as wk

ORDER = "tczyx"


def sha(pixels: np.ndarray, axes: list[str]) -> str:
    known = sorted(axes, key=ORDER.index)
    array = pixels.transpose([axes.index(name) for name in known])
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return hashlib.sha256(array.tobytes()).hexdigest()


def layer_of(layer: Any) -> dict[str, Any]:
    mags = {}
    for mag, view in layer.mags.items():
        pixels = view.read()
        axes = list(view.bounding_box.axes)
        if len(axes) == pixels.ndim - 1:
            axes = ["c", *axes]
        mags[mag.to_layer_name()] = {
            "sha": sha(pixels, axes),
            "shape": list(pixels.shape),
            "axes": axes,
        }
    view = layer.default_view_configuration
    return {
        "category": layer.category,
        "dtype": str(np.dtype(layer.dtype)),
        "size": list(
            layer.bounding_box.size_xyz
            if hasattr(layer.bounding_box, "size_xyz")
            else layer.bounding_box.size
        ),
        "intensity": list(view.intensity_range) if view and view.intensity_range else None,
        "color": list(view.color) if view and view.color else None,
        "mags": mags,
    }


def ask(path: str, rules: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"complaints": [], "layers": {}}
    try:
        dataset = wk.Dataset.open(path)
        out["scale"] = [
            *dataset.voxel_size_with_unit.factor,
            dataset.voxel_size_with_unit.unit.value,
        ]
        out["layers"] = {name: layer_of(layer) for name, layer in dataset.layers.items()}
        if rules is not None:
            out["mags"], bad = rules.server_rules(path)
            out["complaints"] += bad
    except BaseException as err:  # noqa: BLE001 - whatever it is, it is a complaint
        last = traceback.extract_tb(err.__traceback__)[-1]
        out["complaints"].append(f"{type(err).__name__}: {err} ({last.filename}:{last.lineno})")
    return out


def load(path: str | None) -> Any:
    if path is None:
        return None
    found = importlib.util.spec_from_file_location("rules", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def main() -> None:
    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    rules = load(asked["rules"])
    out = {
        order["name"]: ask(order["path"], rules if order["rules"] else None)
        for order in asked["orders"]
    }
    sys.stdout.write("\n" + json.dumps(out))


if __name__ == "__main__":
    main()
