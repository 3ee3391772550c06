"""ngffkit: OME-Zarr as labelled, lazy xarray.

>>> import ngffkit as nk
>>> dt = nk.open("https://host/456.zarr")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

import xarray as xr

__version__ = "0.1.0"

#: Public names and where they live; each module is imported when it is first used.
_HOME = {
    "open": "api",
    "open_dataset": "api",
    "describe": "description",
    "validate": "validation",
    "plot": "plots.figures",
    "ortho": "plots.figures",
    "montage": "plots.figures",
    "sample": "samples",
    "NgffError": "errors",
    "NgffWarning": "errors",
    "NotFoundError": "errors",
    "MetadataError": "errors",
    "StoreError": "errors",
    "ChunkError": "errors",
    "Problem": "errors",
}

__all__ = [*_HOME, "__version__"]  # noqa: PLE0604 - all of them are strings

if TYPE_CHECKING:
    from ngffkit.api import open as open  # noqa: A004 - the public name
    from ngffkit.errors import ChunkError as ChunkError
    from ngffkit.errors import MetadataError as MetadataError
    from ngffkit.errors import NgffError as NgffError
    from ngffkit.errors import NgffWarning as NgffWarning
    from ngffkit.errors import NotFoundError as NotFoundError
    from ngffkit.errors import Problem as Problem
    from ngffkit.errors import StoreError as StoreError


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def _accessor(obj: Any) -> Any:
    """Make ``.ngff`` of an xarray object; its module is imported when it is first used."""
    from ngffkit.accessor import NgffAccessor

    return NgffAccessor(obj)


for _register, _kind in (
    (xr.register_dataarray_accessor, xr.DataArray),
    (xr.register_dataset_accessor, xr.Dataset),
    (xr.register_datatree_accessor, xr.DataTree),
):
    if not hasattr(_kind, "ngff"):  # a second import, e.g. by a reload, is no conflict
        _register("ngff")(_accessor)  # type: ignore[no-untyped-call]
