"""Read a dataset that lies beside the image and whose mags are the same files."""

from __future__ import annotations

from typing import Any

from _reading import Asked, Read, read_boxes


def layer(asked: Asked) -> Any:
    """Open the dataset; return its layer."""
    import webknossos as wk
    from upath import UPath

    place: Any = asked["dataset"]
    if "endpoint" in asked:
        # it signs always; this server does not look
        name: Any = {"key": "anybody", "secret": "nothing"}
        place = UPath(place, endpoint_url=asked["endpoint"], **name)
    return wk.Dataset.open(place, read_only=True).get_layer("color")


def opened(asked: Asked) -> Read:
    """Open an image; return what reads a box."""
    import webknossos as wk

    mag = layer(asked).get_finest_mag()

    def read(box: Any) -> Any:
        # the axes of the file: what it reads is in their order then
        corner, size = zip(*((s.start, s.stop - s.start) for s in box), strict=True)
        where = wk.NDBoundingBox(corner, size, axes=("z", "y", "x"))
        return mag.read(absolute_bounding_box=where)

    return read


if __name__ == "__main__":
    read_boxes("webknossos", opened)
