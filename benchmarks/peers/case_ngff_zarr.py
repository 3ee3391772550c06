"""ngff-zarr's own command; binning by dask, which took less here than its WebAssembly does."""

from __future__ import annotations

import sys

from _arguments import CHUNK, SHARD, asked


def main() -> None:
    """Run its command line in this process."""
    ask = asked()
    method = "dask_image_mode" if ask.labels else "dask_bin_shrink"
    options: dict[str, object] = {
        "-d": "z y x",
        "-c": CHUNK,
        "--chunks-per-shard": SHARD // CHUNK,
        "--ome-zarr-version": "0.5",
        "--codec": "zstd",
        "--compression-level": ask.codec_level,
        "-m": method,
    }
    if ask.files[0].endswith(".tif"):
        options["--input-backend"] = "itk"  # the one that takes a list of TIFFs for a stack
    words = [part for key, value in options.items() for part in (key, *str(value).split())]
    words += ["-q", "--no-omero", "-o", str(ask.target), "-i", *ask.files]
    sys.argv = ["ngff-zarr", *words]
    from ngff_zarr.cli import main as run

    run()


if __name__ == "__main__":
    main()
