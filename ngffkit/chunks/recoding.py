"""Encode chunks as the documents of an array that is there already ask for.

What ngffkit writes anew is encoded by `ngffkit.chunks.encoding.Compression`. Arrays of other
writers are edited in the codecs they have, so that all chunks of an array stay alike.
"""

from __future__ import annotations

import bz2
import gzip
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import google_crc32c
import numcodecs.blosc
import numcodecs.lz4
import numcodecs.zstd
import numpy as np
import numpy.typing as npt

from ngffkit.chunks.arrayspec import ArraySpec
from ngffkit.errors import MetadataError

#: Settings of a codec, as its document has them.
Config = Mapping[str, Any]

_SHUFFLES: Final[Mapping[str, int]] = {"noshuffle": 0, "shuffle": 1, "bitshuffle": 2}

#: What each names a codec's level; what numcodecs takes where nothing is said.
_BLOSC: Final[Config] = {"cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}


def _zstd(data: Any, config: Config) -> Any:
    # a checksum is in the frame and needs no word in the document; Zarr v2 has none for it
    return numcodecs.zstd.compress(data, config.get("level", 1), config.get("checksum", True))


def _gzip(data: Any, config: Config) -> Any:
    # no time stamp: equal pixels are equal bytes
    return gzip.compress(data, config.get("level", 5), mtime=0)


def _zlib(data: Any, config: Config) -> Any:
    return zlib.compress(data, config.get("level", 1))


def _bz2(data: Any, config: Config) -> Any:
    return bz2.compress(data, config.get("level", 1))


def _lz4(data: Any, config: Config) -> Any:
    return numcodecs.lz4.compress(data, config.get("acceleration", 1))


def _blosc(data: Any, config: Config) -> Any:
    told = {**_BLOSC, **config}
    shuffle = _SHUFFLES.get(told["shuffle"], told["shuffle"])
    size = told.get("typesize") or np.asarray(data).dtype.itemsize
    return numcodecs.blosc.compress(
        data, told["cname"].encode(), told["clevel"], shuffle, told["blocksize"], size
    )


def _crc32c(data: Any, _: Config) -> Any:
    body = bytes(data)
    return body + struct.pack("<I", google_crc32c.value(body))


_ENCODERS: Final[Mapping[str, Callable[[Any, Config], Any]]] = MappingProxyType(
    {
        "zstd": _zstd,
        "gzip": _gzip,
        "zlib": _zlib,
        "bz2": _bz2,
        "lz4": _lz4,
        "blosc": _blosc,
        "crc32c": _crc32c,
    }
)


@dataclass(frozen=True, slots=True)
class Recoder:
    """Encodes the chunks of one array; the counterpart of how `ArrayReader` decodes them.

    Parameters
    ----------
    stored : numpy.dtype
        Type of the pixels as stored, with its byte order.
    order : tuple of int, optional
        Chunks are stored transposed by this permutation.
    codecs : tuple of str
        Names of the codecs, in the order of encoding.
    settings : tuple of Mapping
        What the array's document says of each.
    """

    stored: np.dtype
    order: tuple[int, ...] | None
    codecs: tuple[str, ...]
    settings: tuple[Config, ...] = field(default=(), hash=False)

    def encode(self, pixels: npt.NDArray[Any]) -> bytes:
        """Encode the pixels of a whole chunk.

        Parameters
        ----------
        pixels : ndarray
            C-contiguous, of the chunk's shape, in any byte order.

        Returns
        -------
        bytes
            As they are stored.

        Examples
        --------
        >>> recoder = Recoder(np.dtype(">u2"), (1, 0), (), ())
        >>> recoder.encode(np.array([[1, 2], [3, 4]], "<u2")).hex()
        '0001000300020004'
        """
        turned = pixels if self.order is None else pixels.transpose(self.order)
        flat = np.ascontiguousarray(turned, self.stored).reshape(-1)
        # compressors that shuffle bytes look at the size of a pixel
        data: Any = flat if self.codecs[:1] == ("blosc",) else flat.view(np.uint8)
        for name, config in zip(self.codecs, self.settings, strict=True):
            data = _ENCODERS[name](data, config)
        return data.tobytes() if isinstance(data, np.ndarray) else bytes(data)


def recoder_of(document: Mapping[str, Any], spec: ArraySpec) -> Recoder:
    """Return what encodes the chunks of an array that is there.

    Parameters
    ----------
    document : Mapping
        Its ``.zarray`` or ``zarr.json``.
    spec : ArraySpec
        What was understood of it.

    Raises
    ------
    MetadataError
        Naming the codec, or the place of the shards' index, that can't be written.
    """
    loc, given = _given(document)
    unknown = [name for name, _ in given if name not in _ENCODERS]
    if unknown or spec.codecs is None:
        named = ", ".join(repr(name) for name in unknown or spec.layout.codecs)
        raise MetadataError(
            f"has {named}; chunks can be written with {', '.join(_ENCODERS)} alone. Copy the "
            "image with ngffkit.convert, and edit the copy",
            loc,
        )
    if spec.sharding is not None and not spec.sharding.at_end:
        raise MetadataError(
            "is 'start'; shards can be written with their index at the end alone. Copy the image "
            "with ngffkit.convert, and edit the copy",
            f"{loc}.index_location",
        )
    return Recoder(
        spec.stored,
        spec.order,
        tuple(name for name, _ in given),
        tuple(config for _, config in given),
    )


def _given(document: Mapping[str, Any]) -> tuple[str, list[tuple[str, Config]]]:
    """Return where the bytes-to-bytes codecs of a chunk stand in a document, and them."""
    if document.get("zarr_format") == 2:
        items = [*(document.get("filters") or ()), document.get("compressor")]
        return "compressor", [(item["id"], item) for item in items if item is not None]
    loc, codecs = "codecs", document["codecs"]
    if _name(codecs[0]) == "sharding_indexed":
        loc, codecs = "codecs[0].configuration", codecs[0]["configuration"]["codecs"]
    found = [(_name(item).removeprefix("numcodecs."), _config(item)) for item in codecs]
    return loc, [entry for entry in found if entry[0] not in ("transpose", "bytes")]


def _name(codec: Any) -> str:
    return str(codec if isinstance(codec, str) else codec["name"])


def _config(codec: Any) -> Config:
    return {} if isinstance(codec, str) else codec.get("configuration") or {}
