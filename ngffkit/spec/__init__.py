"""The dialects of OME-Zarr around one neutral model: the only place that knows versions.

`detect` tells what a group's attributes hold, `decode_*` makes values of them, `encode` the
document of a version; `check` lists what is wrong with one.
"""

from ngffkit.spec.decode import (
    Pyramid,
    decode_plate,
    decode_pyramids,
    decode_well,
    names_of,
    safe_path,
)
from ngffkit.spec.detect import Found, detect
from ngffkit.spec.encode import WRITABLE, encode

__all__ = [
    "WRITABLE",
    "Found",
    "Pyramid",
    "decode_plate",
    "decode_pyramids",
    "decode_well",
    "detect",
    "encode",
    "names_of",
    "safe_path",
]
