"""bioio-ome-zarr: its `OMEZarrWriter`, the whole array at once."""

from __future__ import annotations

from _pyramids import run
from _writing import write

if __name__ == "__main__":
    run("bioio-ome-zarr", write)
