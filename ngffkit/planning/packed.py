"""Single files: written as a folder beside them, packed at the end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ngffkit.errors import PlanError, Problem
from ngffkit.spec.encode import zarr_format
from ngffkit.stores.targets import Target, beside, open_target, write_error

_ENDING = ".ozx"


def open_place(
    target: Any, options: Mapping[str, Any] | None, version: str
) -> tuple[Target, str | None]:
    """Return where objects are written, and the single file they are packed into, if any.

    Parameters
    ----------
    target : path, URL or Target
        What was asked for; a single file ends in ``.ozx``.
    options : Mapping, optional
        For a remote store.
    version : str
        Of OME-Zarr.

    Raises
    ------
    PlanError
        When a single file is asked for that can't be made.
    """
    text = os.fspath(target) if isinstance(target, (str, os.PathLike)) else ""
    if not text.lower().endswith(_ENDING):
        return open_target(target, options), None
    if "://" in text:
        message = f"{text!r}: a single file can be written to a folder of this machine only"
        raise PlanError([Problem("target", "error", message, "write it here, then upload it")])
    if zarr_format(version) != 3:
        message = f"single files hold Zarr v3, OME-Zarr {version} is Zarr v2"
        raise PlanError(
            [Problem("version", "error", message, "write a folder, or a later version")]
        )
    file = Path(text).expanduser().absolute()
    return open_target(file.with_name(f".{file.name}.unpacked")), str(file)


def remove_unpacked(target: Target) -> None:
    """Remove the folder that was packed, and its journal: the file has checksums of its own."""
    for place in (target, beside(target, ".journal")):
        place.clear()
        folder = Path(place.url)
        try:
            if folder.is_dir():
                folder.rmdir()
        except OSError as err:
            raise write_error("", place.url, err) from err
