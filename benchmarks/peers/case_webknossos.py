"""WEBKNOSSOS's own command, `webknossos convert`; its codec is Blosc with Zstandard, level 5."""

from __future__ import annotations

import sys

from _arguments import CHUNK, SHARD, asked


def main() -> None:
    """Run its command line in this process."""
    ask = asked()
    options = {
        "--voxel-size": "4,4,4",
        "--data-format": "zarr3",
        "--chunk-shape": CHUNK,
        "--shard-shape": SHARD,
        "--max-mag": 2 ** (ask.levels - 1),
        "--layer-name": "img",
        "--category": "segmentation" if ask.labels else "color",
    }
    words = [str(word) for pair in options.items() for word in pair]
    sys.argv = ["webknossos", "convert", *words, str(ask.source), str(ask.target)]
    from webknossos.cli.main import app

    app()


if __name__ == "__main__":
    main()
