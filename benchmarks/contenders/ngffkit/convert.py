"""ngffkit's own command, `ngffkit convert`."""

from __future__ import annotations

import sys

from _asked import asked, tell


def main() -> None:
    """Run its command line in this process."""
    ask = asked()
    options = {
        "--voxel-size": "4,4,4",
        "--unit": "nanometer",
        "--chunk-shape": ",".join([str(ask["chunk"])] * 3),
        "--shard-shape": ",".join([str(ask["shard"])] * 3),
        "--compression": f"zstd:{ask['codec_level']}",
        "--mags": ",".join(str(2**i) for i in range(ask["levels"])),
        "--category": "segmentation" if ask["labels"] else "color",
    }
    options |= {"--memory": ask["memory"]} if ask.get("memory") else {}
    words = [word for pair in options.items() for word in pair]
    from ngffkit.cli import main as run

    if code := run(["convert", "--quiet", ask["source"], ask["target"], *words]):
        sys.exit(code)
    tell("ngffkit")


if __name__ == "__main__":
    main()
