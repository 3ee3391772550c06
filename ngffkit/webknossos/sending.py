"""Upload to a WEBKNOSSOS server, by way of the official client."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ngffkit import api
from ngffkit.discover.documents import PROPERTIES
from ngffkit.discover.walk import Wanted
from ngffkit.errors import NgffError
from ngffkit.execute.running import Watch
from ngffkit.opened import Opened
from ngffkit.planning.sidecar import layer_name
from ngffkit.stores.base import LocalStore
from ngffkit.tree import images_of
from ngffkit.webknossos import client as official
from ngffkit.webknossos.existing import described
from ngffkit.webknossos.fetching import from_one_corner
from ngffkit.webknossos.layers import write
from ngffkit.webknossos.staging import chosen, stage

_PACKED = (".zip", ".ozx")


@dataclass(frozen=True, slots=True)
class Upload:
    """What was uploaded.

    Parameters
    ----------
    url : str
        Where it is looked at.
    dataset_id : str
        By what the server knows it.
    name : str
        What it is called there.
    layers : tuple of str
        Its layers.
    files, nbytes : int
        What was sent.
    """

    url: str
    dataset_id: str
    name: str
    layers: tuple[str, ...]
    files: int
    nbytes: int


def upload(
    x: Any,
    *,
    token: str | None = None,
    url: str = official.URL,
    name: str | None = None,
    folder: str | None = None,
    layers: Collection[str] | None = None,
    progress: Watch | bool = False,
    **options: Any,
) -> Upload:
    """Send an image or a dataset to a WEBKNOSSOS server.

    An OME-Zarr or a WEBKNOSSOS dataset on this machine is sent as it is, without a copy. Anything
    else (an xarray object, an array, a URL, a zip file) is written to a temporary dataset before.

    Parameters
    ----------
    x : path, URL, array, xarray object, or Mapping of str to those
        What to send; a Mapping names several layers, as `ngffkit.webknossos.write` takes them. Of
        an xarray Dataset or DataArray its own pixels are sent, a crop as a crop.
    token : str, optional
        Of your account; that of the environment variable ``WK_TOKEN`` when left out. It goes to
        the server, and nowhere else.
    url : str
        The server.
    name : str, optional
        What the dataset is called there; the name of the image when left out.
    folder : str, optional
        Path of a folder of the dashboard, such as ``"Datasets/mine"``; the root when left out.
    layers : collection of str, optional
        Which layers; all when left out.
    progress : bool or callable
        Of writing what has to be written. The client shows its own bar while it sends.
    **options
        As for `ngffkit.webknossos.write`, where something has to be written, and ``jobs``, the
        requests that are made at the same time.

    Returns
    -------
    Upload
        Where it is.

    Raises
    ------
    NgffError
        When the client is not installed, there is no token, the server refuses, or WEBKNOSSOS
        can't show these pixels. It never holds the token.

    Examples
    --------
    >>> import ngffkit as nk
    >>> nk.webknossos.upload("cells.ome.zarr", token="...").url  # doctest: +SKIP
    'https://webknossos.org/datasets/cells-65f1c2'
    """
    token, server = official.token_of(token), official.server_of(url)
    official.load()
    jobs = options.pop("jobs", None)
    with tempfile.TemporaryDirectory(prefix="ngffkit-upload-") as scratch:
        document, root = _dataset(x, Path(scratch) / "dataset", options, progress, layers)
        wanted = chosen(document, layers)
        called = layer_name(name or str(document.get("id", {}).get("name") or "dataset"), set())
        staged = Path(scratch) / "staged"
        staged.mkdir()
        files, nbytes = stage({**wanted, "id": {"name": called, "team": ""}}, root, staged)
        quiet = progress is False
        with official.session(server, token, "can't upload to", quiet=quiet) as client:
            ident, address = official.send(client, staged, called, folder, jobs)
    names = tuple(str(layer["name"]) for layer in wanted["dataLayers"])
    return Upload(address, ident, called, names, files, nbytes)


def _dataset(
    x: Any,
    scratch: Path,
    options: Mapping[str, Any],
    progress: Watch | bool,  # noqa: FBT001 - the value of a keyword, passed on
    layers: Collection[str] | None = None,
) -> tuple[dict[str, Any], Path]:
    """Return the properties of what is sent, and the folder that their paths start from."""
    found = _found(x, options)
    if found is not None and _is_sent_as_it_is(found):
        root = Path(found.store.url)
        # how a place is read changes nothing of what is sent
        changing = options.keys() - {"storage_options"}
        if changing:
            raise NgffError(
                f"{', '.join(sorted(changing))}: {root} is sent as it is; convert it first to "
                "change it"
            )
        if found.node.kind == "webknossos":
            return json.loads(bytes(found.store.get(PROPERTIES))), root
        return described(found)[0], root
    called = "dataset" if _is_layers(x) else _name_of(x, found)
    pixels, ids = (x, []) if _is_layers(x) else _layers_of(x, called, found)
    if layers is not None and set(layers) <= set(pixels):
        # the others need not be written
        pixels = {name: pixels[name] for name in layers}
    if ids:
        known = {*ids, *options.get("segmentations", ())}
        options = {**options, "segmentations": sorted(known & set(pixels))}
    result = write(pixels, scratch, progress=progress, **options)
    document = json.loads((Path(result.url) / PROPERTIES).read_text("utf-8"))
    return {**document, "id": {"name": called, "team": ""}}, Path(result.url)


def _found(x: Any, options: Mapping[str, Any]) -> Opened | None:
    """Return what is opened behind a Zarr; None for anything else, whose pixels are its own."""
    import xarray as xr

    if isinstance(x, (xr.DataTree, Opened)):
        return api.as_opened(x)
    if not isinstance(x, (str, Path)):
        return None
    packed = Path(x).suffix.lower() in _PACKED
    if not (packed or "://" in str(x) or Path(x).is_dir()):
        return None
    try:
        return api.find(x, Wanted(), "error", options.get("storage_options"))
    except NgffError:
        # no Zarr, but maybe a source of another kind, which says what is wrong if it isn't
        return None


def _is_sent_as_it_is(found: Opened) -> bool:
    """Tell whether it is a dataset or an OME-Zarr of this machine, and all of it."""
    node = found.node
    whole = node.kind in ("webknossos", "image", "collection") and not node.path
    # a layer of a dataset may be padded beyond its box
    return isinstance(found.store, LocalStore) and whole and not node.crops


def _is_layers(x: Any) -> bool:
    """Tell whether it names several layers; xarray's objects are Mappings as well."""
    import xarray as xr

    return isinstance(x, Mapping) and not isinstance(x, (xr.DataTree, xr.Dataset))


def _layers_of(x: Any, name: str, found: Opened | None) -> tuple[Mapping[str, Any], list[str]]:
    """Return what has to be written, by layer, and which of it are ids."""
    if found is None or found.node.kind not in ("webknossos", "collection"):
        return {name: x}, []
    there = images_of(found.store, found.node, "error")
    if found.node.kind == "webknossos":
        layers = from_one_corner(dict(there))
        return layers, [name for name, opened in layers.items() if opened.image.kind == "label"]
    taken: set[str] = set()
    out = {}
    for path, opened in there:
        if opened.image.kind != "label":
            # labels come along with their image
            layer = layer_name(path.replace("/", "_"), taken)
            taken.add(layer)
            out[layer] = opened
    return out, []


def _name_of(x: Any, found: Opened | None) -> str:
    """Return what it is called: by its own name, or that of its place."""
    attrs = getattr(x, "attrs", {})
    own = attrs.get("long_name") or getattr(x, "name", None)
    if isinstance(x, (str, Path)):
        own = None
    elif not own and found is not None and found.node.image is not None:
        own = found.node.image.name
    place = x if isinstance(x, (str, Path)) else attrs.get("ngff_source", "image")
    place = place if found is None else found.url
    return layer_name(str(own or _stem(str(place))), set())


def _stem(place: str) -> str:
    return place.rstrip("/").rpartition("/")[2].split(".", 1)[0]
