"""ngff-zarr's own command; binning by dask, which took less here than its WebAssembly does."""

from __future__ import annotations

import sys
from pathlib import Path

from _asked import asked, tell


def main() -> None:
    """Run its command line in this process."""
    ask = asked()
    files = sorted(str(path) for path in Path(ask["source"]).iterdir())
    options = {
        "-d": "z y x",
        "-c": ask["chunk"],
        "--chunks-per-shard": ask["shard"] // ask["chunk"],
        "--ome-zarr-version": "0.5",
        "--codec": "zstd",
        "--compression-level": ask["codec_level"],
        "-m": "dask_image_mode" if ask["labels"] else "dask_bin_shrink",
    }
    if files[0].endswith(".tif"):
        options["--input-backend"] = "itk"  # the one that takes a list of TIFFs for a stack
    words = [part for key, value in options.items() for part in (key, *str(value).split())]
    sys.argv = ["ngff-zarr", *words, "-q", "--no-omero", "-o", ask["target"], "-i", *files]
    from ngff_zarr.cli import main as run

    run()
    tell("ngff-zarr")


if __name__ == "__main__":
    main()
