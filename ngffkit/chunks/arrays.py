"""What an array's own metadata say (``.zarray`` or ``zarr.json``), checked and as a value."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from ngffkit.chunks import zarr2, zarr3
from ngffkit.chunks.arrayspec import MAX_CHUNK_NBYTES, ArraySpec, Sharding
from ngffkit.errors import MetadataError
from ngffkit.layout import Layout
from ngffkit.shown import shown

__all__ = ["MAX_CHUNK_NBYTES", "ArraySpec", "Sharding", "grid_coords", "parse_array"]


def parse_array(doc: Mapping[str, Any], attrs: Mapping[str, Any], where: str) -> ArraySpec:
    """Understand an array's metadata document.

    Parameters
    ----------
    doc : Mapping
        ``.zarray`` or ``zarr.json``, parsed.
    attrs : Mapping
        For Zarr v2, ``.zattrs``; ignored for v3, which holds its own.
    where : str
        Path of the document, for errors.

    Returns
    -------
    ArraySpec
        What it says.

    Raises
    ------
    MetadataError
        With the JSON path of the value that is wrong, harmful or not understood.

    Examples
    --------
    >>> doc = {
    ...     "zarr_format": 2,
    ...     "shape": [8, 8],
    ...     "chunks": [4, 4],
    ...     "dtype": "<u2",
    ...     "compressor": None,
    ...     "filters": None,
    ...     "fill_value": 0,
    ...     "order": "C",
    ... }
    >>> parse_array(doc, {}, "0").layout.objects
    4
    """
    zarr_format = doc.get("zarr_format")
    try:
        if zarr_format == 2:
            return zarr2.parse(doc, attrs)
        if zarr_format == 3:
            return zarr3.parse(doc)
        raise MetadataError(f"is {shown(zarr_format)}; 2 and 3 are understood", "zarr_format")
    except MetadataError as err:
        if not where:
            raise
        raise MetadataError(str(err).removeprefix(f"{err.loc}: "), f"{where}: {err.loc}") from None


def grid_coords(layout: Layout) -> itertools.product[tuple[int, ...]]:
    """Iterate over the grid coordinates of all objects of an array, in C order.

    Examples
    --------
    >>> import numpy as np
    >>> list(grid_coords(Layout((3, 2), np.dtype("u1"), (2, 2), None, (), 2)))
    [(0, 0), (1, 0)]
    """
    counts = [-(-n // c) for n, c in zip(layout.shape, layout.object_shape, strict=True)]
    return itertools.product(*(range(n) for n in counts))
