"""Give xarray objects their ``.ngff``, when xarray is there: nothing else needs it at import.

xarray and pandas take a third of a second and 50 MB. The command line and worker processes convert
without them, so ngffkit does not import xarray; it waits until somebody does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NAME = "xarray"


def register() -> None:
    """Register the accessor now, or as soon as xarray is imported."""
    if hasattr(sys.modules.get(_NAME), "register_datatree_accessor"):
        _register(sys.modules[_NAME])
    elif not any(type(finder).__name__ == _Finder.__name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def _accessor(obj: Any) -> Any:
    """Make ``.ngff`` of an xarray object; its module is imported when it is first used."""
    from ngffkit.accessor import NgffAccessor

    return NgffAccessor(obj)


def _register(xr: ModuleType) -> None:
    for door, kind in (
        (xr.register_dataarray_accessor, xr.DataArray),
        (xr.register_dataset_accessor, xr.Dataset),
        (xr.register_datatree_accessor, xr.DataTree),
    ):
        if not hasattr(kind, "ngff"):  # a second import, e.g. by a reload, is no conflict
            door("ngff")(_accessor)


class _Finder:
    """Finds xarray as anybody would, and registers the accessor once it is loaded.

    It has the one method that the import system calls; `importlib.abc` alone takes 30 ms.
    """

    def __init__(self) -> None:
        self._looking = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the protocol of finders
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        # the search below comes by here again
        if fullname != _NAME or self._looking:
            return None
        from importlib.util import find_spec

        self._looking = True
        try:
            spec = find_spec(fullname)
        finally:
            self._looking = False
        if spec is None or spec.loader is None:
            return spec
        loader, load = spec.loader, spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            # only now: many look for a module that they don't load
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            del loader.exec_module  # the loader is as it was
            load(module)
            _register(module)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
