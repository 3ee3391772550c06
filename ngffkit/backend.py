"""The door for xarray: ``engine="ngff"``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint


class NgffBackend(BackendEntrypoint):
    """Opens OME-Zarr, plain Zarr arrays and WEBKNOSSOS datasets.

    Registered with xarray as ``ngff``. `xarray.open_datatree` gives the whole tree,
    `xarray.open_dataset` one mag of one image.
    """

    description = "OME-Zarr (0.1 to 0.6), plain Zarr and WEBKNOSSOS datasets, with coordinates"
    url = "https://github.com/ngffkit/ngffkit"
    supports_groups = True
    open_dataset_parameters = (
        "filename_or_obj",
        "drop_variables",
        "mag",
        "image",
        "missing",
        "storage_options",
    )

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        mag: object = None,
        image: str | None = None,
        missing: str = "error",
        storage_options: Mapping[str, Any] | None = None,
    ) -> xr.Dataset:
        """Open one mag of one image; see `ngffkit.open_dataset`."""
        from ngffkit import api  # xarray loads all engines to choose one: keep that cheap

        made = api.read_dataset(
            filename_or_obj,
            mag=mag,
            image=image,
            missing=missing,
            storage_options=storage_options,
        )
        return _drop(made, drop_variables)

    def open_datatree(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        labels: bool = True,
        wells: Iterable[str] | str = (),
        missing: str = "error",
        storage_options: Mapping[str, Any] | None = None,
    ) -> xr.DataTree:
        """Open the whole tree; see `ngffkit.open`."""
        groups = self.open_groups_as_dict(
            filename_or_obj,
            drop_variables=drop_variables,
            labels=labels,
            wells=wells,
            missing=missing,
            storage_options=storage_options,
        )
        return xr.DataTree.from_dict(groups)

    def open_groups_as_dict(
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Iterable[str] | None = None,
        labels: bool = True,
        wells: Iterable[str] | str = (),
        missing: str = "error",
        storage_options: Mapping[str, Any] | None = None,
    ) -> dict[str, xr.Dataset]:
        """Open all groups; see `ngffkit.open`."""
        from ngffkit import api

        groups = api.read_groups(
            filename_or_obj,
            labels=labels,
            wells=wells,
            missing=missing,
            storage_options=storage_options,
        )
        return {path: _drop(made, drop_variables) for path, made in groups.items()}

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Say yes to what is named like OME-Zarr; plain ``.zarr`` stays with xarray's own."""
        if not isinstance(filename_or_obj, (str, os.PathLike)):
            return False
        name = os.fspath(filename_or_obj).rstrip("/").lower()
        return name.endswith((".ome.zarr", ".ozx", ".ome.zarr.zip"))


def _drop(made: xr.Dataset, names: str | Iterable[str] | None) -> xr.Dataset:
    if names is None:
        return made
    return made.drop_vars([names] if isinstance(names, str) else list(names), errors="ignore")
