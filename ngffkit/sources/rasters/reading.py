"""Pictures of one plane: what their headers say, and their pixels. PNG, JPEG, BMP and TIFF."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ngffkit.errors import NgffError, NotFoundError, SourceError
from ngffkit.sources.rasters.pictures import decode_bmp, decode_jpeg, probe_bmp, probe_jpeg
from ngffkit.sources.rasters.png import decode_png, probe_png
from ngffkit.sources.rasters.probes import Probe
from ngffkit.sources.rasters.tiffplane import decode_tiff, probe_tiff

#: Longer planes than this are a damaged header.
_MAX_SIDE = 10_000_000


_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_FORMATS: tuple[tuple[bytes, Callable[..., Probe]], ...] = (
    (b"\x89PNG\r\n\x1a\n", probe_png),
    (b"\xff\xd8\xff", probe_jpeg),
    (b"BM", probe_bmp),
    *((magic, probe_tiff) for magic in _TIFF),
)
_DECODERS: tuple[tuple[bytes, Callable[..., npt.NDArray[Any]]], ...] = (
    (b"\x89PNG\r\n\x1a\n", decode_png),
    (b"\xff\xd8\xff", decode_jpeg),
    (b"BM", decode_bmp),
    *((magic, decode_tiff) for magic in _TIFF),
)


def probe(path: str, *, ids: bool = False) -> Probe:
    """Read the header of a picture.

    Parameters
    ----------
    path : str
        The file.
    ids : bool
        Whether pixels are ids: then a position in a table of colours is the pixel, as in label
        images drawn with a palette.

    Raises
    ------
    NotFoundError
        When it is not there.
    SourceError
        When it is damaged, or of a kind that isn't read; the message names it.
    """
    name = Path(path).name
    try:
        with Path(path).open("rb", buffering=0) as file:
            stat = os.fstat(file.fileno())
            head = file.read(16) or b""
            for magic, reader in _FORMATS:
                if head.startswith(magic):
                    found = reader(file, stat, ids=ids)
                    break
            else:
                raise ValueError(
                    "it is empty" if not stat.st_size else "it is no PNG, JPEG, BMP or TIFF"
                )
        if max(found.shape) > _MAX_SIDE or min(found.shape) < 1:
            raise ValueError(f"it claims {found.shape[1]} x {found.shape[0]} pixels")
        return found
    except FileNotFoundError:
        raise NotFoundError(f"{path} does not exist") from None
    except OSError as err:
        raise SourceError(name, err.strerror or str(err)) from err
    except (ValueError, struct.error, IndexError) as err:
        raise SourceError(name, str(err)) from None


def read_plane(path: str, *, ids: bool = False) -> npt.NDArray[Any]:
    """Read a picture of one plane.

    Parameters
    ----------
    path : str
        The file.
    ids : bool
        As for `probe`.

    Returns
    -------
    ndarray
        Of shape (y, x), or (c, y, x) for colours; of the type that `probe` says.

    Raises
    ------
    SourceError
        When it is gone, cut short or damaged, naming the file.
    """
    name = Path(path).name
    try:
        data = Path(path).read_bytes()
        for magic, decode in _DECODERS:
            if data.startswith(magic):
                return decode(data, ids=ids)
        raise ValueError("it is empty" if not data else "it is no PNG, JPEG, BMP or TIFF")
    except NgffError:
        raise
    except OSError as err:
        raise SourceError(name, err.strerror or str(err)) from err
    except Exception as err:
        # decoders raise types of their own, RuntimeError among them
        raise SourceError(name, f"it is damaged ({err})") from err
