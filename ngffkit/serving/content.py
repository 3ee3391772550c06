"""What is served: a closed set of keys, each with its bytes. Nothing else can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ngffkit.image import Image


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of an object before its bytes are read.

    Parameters
    ----------
    size : int
        Bytes.
    etag : str
        A strong entity tag, quoted (RFC 9110, 8.8.3): it changes when the bytes do.
    media_type : str
        ``application/json`` or ``application/octet-stream``.
    """

    size: int
    etag: str
    media_type: str = "application/octet-stream"


class Content(Protocol):
    """An image as keys and bytes. Called from threads, several at a time.

    `knows` decides what may be asked for, by arithmetic on the metadata alone, without looking
    into any store: documents of the image and its labels, and chunks within the grids of their
    arrays. A key that it doesn't know is never looked up.

    Attributes
    ----------
    image : Image
        What is at the root.
    labels : Mapping of str to Image
        Its label images by their path, such as ``labels/nuclei``.
    """

    image: Image
    labels: Mapping[str, Image]

    def knows(self, key: str) -> bool:
        """Tell whether a key, decoded, without a slash at its ends, belongs to the image."""

    def head(self, key: str) -> Head | None:
        """Return what is known of an object; None when it is absent."""

    def read(self, key: str, start: int, stop: int) -> Any:
        """Return the bytes `start` to `stop` of an object that is there.

        Raises
        ------
        NgffError
            When it can't be had, naming what was asked for.
        """

    def close(self) -> None:
        """Let go of what is open."""
