"""Read planes from afar, as `read` does."""

from __future__ import annotations

from _reading import read_boxes
from read import opened

if __name__ == "__main__":
    read_boxes("ome-zarr", opened)
