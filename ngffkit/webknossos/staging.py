"""A folder as the official client uploads it: links to the arrays, and the document beside them.

The client sends every file of a folder and follows links, so no pixel is copied. Arrays lie at
``<layer>/<mag>`` as in WEBKNOSSOS's own datasets, and nothing else does: a ``.zattrs`` further up
would make the server guess anew what the data are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ngffkit import mag as _mag
from ngffkit.discover.documents import PROPERTIES
from ngffkit.errors import NgffError
from ngffkit.shown import shown
from ngffkit.spec import safe_path


def chosen(document: Mapping[str, Any], layers: Collection[str] | None) -> dict[str, Any]:
    """Return the properties of a dataset with some of its layers.

    Raises
    ------
    NgffError
        When there is no such layer; the message lists them.
    """
    known = {str(layer["name"]): layer for layer in document["dataLayers"]}
    return {**document, "dataLayers": [known[name] for name in names_of(known, layers)]}


def names_of(known: Collection[str], layers: Collection[str] | None) -> list[str]:
    """Return the layers that were asked for, all when none were named.

    Raises
    ------
    NgffError
        When one isn't there, or none is left; the message lists them.
    """
    names = list(known) if layers is None else list(layers)
    for name in names:
        if name not in known:
            raise NgffError(f"layers: there is no {name!r}; there are {', '.join(known)}")
    if not names:
        raise NgffError(f"layers: none were chosen; there are {', '.join(known)}")
    return names


def stage(document: Mapping[str, Any], root: Path, folder: Path) -> tuple[int, int]:
    """Lay out a dataset in an empty folder, by links.

    Parameters
    ----------
    document : Mapping
        Its properties.
    root : Path
        The folder that their paths start from.
    folder : Path
        Where to.

    Returns
    -------
    (int, int)
        Files and bytes that an upload will send.

    Raises
    ------
    NgffError
        When an array is not there, or lies elsewhere.
    """
    placed: dict[str, str] = {}
    layers = []
    for layer in document["dataLayers"]:
        if not str(layer.get("dataFormat")).startswith("zarr"):
            # in the client's words, which say less of where things are
            name = safe_path(layer["name"], PROPERTIES)
            placed[name] = name
            _link(root / name, folder / name)
            layers.append(layer)
            continue
        mags = []
        for entry in layer["mags"]:
            source = entry.get("path") or f"{layer['name']}/{_mag.normalise(entry['mag'])}"
            path = safe_path(str(source).removeprefix("./").rstrip("/"), PROPERTIES)
            if path not in placed:
                placed[path] = f"{layer['name']}/{_mag.normalise(entry['mag'])}"
                _link(root / path, folder / placed[path])
            # layers of several channels share an array
            mags.append({**entry, "path": f"./{placed[path]}"})
        layers.append({**layer, "mags": mags})
    text = json.dumps({**document, "dataLayers": layers}, indent=2)
    (folder / PROPERTIES).write_text(text, "utf-8")
    sizes = [f.stat().st_size for at in placed.values() for f in _files(folder / at)]
    return len(sizes) + 1, sum(sizes) + len(text.encode())


def _link(source: Path, place: Path) -> None:
    if not source.is_dir():
        raise NgffError(f"{shown(str(source))} is no array; the properties name it")
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        place.symlink_to(source.resolve(), target_is_directory=True)
    except OSError:
        # where links are not allowed
        shutil.copytree(source, place)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
