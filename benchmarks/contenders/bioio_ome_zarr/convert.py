"""bioio-ome-zarr: a lazy dask stack of slices, then its `OMEZarrWriter`."""

from __future__ import annotations

from _asked import asked, tell


def main() -> None:
    """Convert once."""
    ask = asked()
    from _slices import stack_of
    from _writing import write

    write(stack_of(ask), ask)
    tell("bioio-ome-zarr")


if __name__ == "__main__":
    main()
