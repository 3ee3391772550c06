"""ngffkit: OME-Zarr as labelled, lazy xarray.

>>> import ngffkit as nk
>>> dt = nk.open("https://host/456.zarr")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

from ngffkit.registration import register

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
    "browse": "widgets.browse",
    "sample": "samples",
    "plan": "writing",
    "convert": "writing",
    "write": "writing",
    "copy": "writing",
    "verify": "verifying",
    "add_labels": "editing.doors",
    "remove_labels": "editing.doors",
    "append": "editing.doors",
    "downsample": "editing.doors",
    "write_region": "editing.doors",
    "plan_edit": "editing.doors",
    "tune": "tuning.doors",
    "benchmark": "tuning.measuring",
    "rewrite": "rewriting.doors",
    "cache": "stores.caching",
    "serve": "serving.doors",
    "app": "panels.app",
    "webknossos": "",  # a module
    "Plan": "planning.plan",
    "Result": "planning.plan",
    "NgffError": "errors",
    "NgffWarning": "errors",
    "NotFoundError": "errors",
    "MetadataError": "errors",
    "StoreError": "errors",
    "ChunkError": "errors",
    "SourceError": "errors",
    "WriteError": "errors",
    "BusyError": "errors",
    "PlanError": "errors",
    "Problem": "errors",
}

__all__ = [*_HOME, "__version__"]  # noqa: PLE0604 - all of them are strings

if TYPE_CHECKING:
    from ngffkit.api import open as open  # noqa: A004 - the public name
    from ngffkit.errors import BusyError as BusyError
    from ngffkit.errors import ChunkError as ChunkError
    from ngffkit.errors import MetadataError as MetadataError
    from ngffkit.errors import NgffError as NgffError
    from ngffkit.errors import NgffWarning as NgffWarning
    from ngffkit.errors import NotFoundError as NotFoundError
    from ngffkit.errors import PlanError as PlanError
    from ngffkit.errors import Problem as Problem
    from ngffkit.errors import SourceError as SourceError
    from ngffkit.errors import StoreError as StoreError
    from ngffkit.errors import WriteError as WriteError


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if not home:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


register()
