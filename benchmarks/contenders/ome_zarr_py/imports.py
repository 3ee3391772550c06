"""Import what ome-zarr-py reads and writes with."""

from __future__ import annotations

from _importing import tell_import

if __name__ == "__main__":
    tell_import("ome-zarr", "ome_zarr.io", "ome_zarr.reader", "ome_zarr.writer")
