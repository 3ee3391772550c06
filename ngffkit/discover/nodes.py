"""What is found in a store, as a tree of nodes; and how much of it is looked for. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ngffkit.chunks.arrays import ArraySpec
from ngffkit.discover.documents import join
from ngffkit.image import Image, LabelInfo, Plate


@dataclass(slots=True)
class Node:
    """Something that was found in a store.

    Parameters
    ----------
    path : str
        Below the root of the store; empty for the root.
    kind : str
        ``image``, ``plate``, ``well``, ``collection``, ``arrays``, ``array`` or ``webknossos``.
    image : Image, optional
        For images.
    specs : tuple of ArraySpec
        The arrays of the image's levels, in their order; None where not asked for.
    children : dict of str to Node
        By name; labels of an image under ``labels``.
    plate : Plate, optional
        For plates.
    notes : tuple of str
        What was read liberally.
    attrs : Mapping
        The attributes of the group.
    crops : tuple of dict of str to slice
        For arrays that are padded beyond the image: what to cut out, by level.
    """

    path: str
    kind: str
    image: Image | None = None
    specs: tuple[ArraySpec | None, ...] = ()
    children: dict[str, Node] = field(default_factory=dict)
    plate: Plate | None = None
    notes: tuple[str, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)
    crops: tuple[Mapping[str, slice], ...] = ()

    def as_label(self) -> None:
        """Take the image for labels, since it lies among them."""
        if self.image is not None and self.image.kind != "label":
            self.image = replace(self.image, kind="label", label=LabelInfo())

    def shift(self, name: str) -> None:
        """Make the paths of what was found below `name` start at the folder above."""
        self.path = join(name, self.path)
        for child in self.children.values():
            child.shift(name)


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of a store to look at.

    Parameters
    ----------
    labels : bool
        Whether label images are looked up.
    wells : tuple of str, "all"
        Wells of a plate whose fields are looked up.
    mag : object, optional
        The only level to look up.
    """

    labels: bool = True
    wells: tuple[str, ...] | str = ()
    mag: object = None
