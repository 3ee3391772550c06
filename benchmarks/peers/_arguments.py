"""What every peer is asked: the same arguments for all of them."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

CHUNK, SHARD = 64, 512


@dataclass(frozen=True)
class Asked:
    """One conversion.

    Parameters
    ----------
    source : Path
        Folder of slices, which are taken in the order of their names.
    target : Path
        Where the OME-Zarr goes.
    levels : int
        Mags, each half as fine as the one before along all axes.
    codec_level : int
        Of Zstandard.
    labels : bool
        Whether pixels are ids, which no mean may mix.
    """

    source: Path
    target: Path
    levels: int
    codec_level: int
    labels: bool

    @property
    def files(self) -> list[str]:
        """The slices in order."""
        return sorted(str(path) for path in self.source.iterdir())


def asked() -> Asked:
    """Read the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--levels", type=int, required=True)
    parser.add_argument("--codec-level", type=int, required=True)
    parser.add_argument("--labels", action="store_true")
    return Asked(**vars(parser.parse_args()))
