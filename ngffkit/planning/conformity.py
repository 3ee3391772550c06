"""What the specification says against an image before it is written, such as too many axes."""

from __future__ import annotations

from collections.abc import Sequence

from ngffkit.errors import Problem
from ngffkit.execute.job import ImageJob
from ngffkit.spec.check import check
from ngffkit.spec.encode import encode

#: What other readers may refuse.
_GRAVE = ("schema", "meaning")


def against_the_spec(images: Sequence[ImageJob]) -> list[Problem]:
    """Say what is against the specification in the axes of images as they will be written.

    Such an image can be written and read again, and more than five axes are useful; other programs
    may refuse it.

    Parameters
    ----------
    images : sequence of ImageJob
        The image and its labels.
    """
    out: dict[str, Problem] = {}
    for item in images:
        version = item.image.version
        for found in check(encode(item.image, version), version, "image"):
            # channels get their windows and colours when their pixels have been seen
            if found.severity in _GRAVE and ".axes" in found.loc:
                message = f"OME-Zarr {version} has no such axes: {found.message}"
                remedy = "it is written all the same; other programs may refuse it"
                out.setdefault(message, Problem("axes", found.severity, message, remedy))
    return list(out.values())
