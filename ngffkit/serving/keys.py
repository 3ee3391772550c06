"""Which keys an image has: known by arithmetic on its metadata, without looking into its store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ngffkit.chunks.arrays import ArraySpec
from ngffkit.discover.documents import PROPERTIES, join
from ngffkit.discover.walk import Node
from ngffkit.errors import NgffError
from ngffkit.opened import Opened

#: Documents of a node, by Zarr format; ``.zmetadata`` may stand at any group.
_DOCUMENTS: Mapping[int, tuple[str, ...]] = {
    2: (".zgroup", ".zattrs", ".zarray", ".zmetadata"),
    3: ("zarr.json",),
}

#: What bioformats2raw puts beside its series.
_OME = ("OME", "METADATA.ome.xml")


def coords_of(spec: ArraySpec, key: str) -> tuple[int, ...] | None:
    """Return the grid coordinates that a key, below its array, stands for; None when for none.

    The inverse of `ArraySpec.key`: only the spelling that it gives is understood, so ``01``,
    ``+1`` and digits of other scripts are nothing, and neither is what lies beyond the grid.

    Examples
    --------
    >>> import numpy as np
    >>> from ngffkit.layout import Layout
    >>> layout = Layout((8, 20), np.dtype("u1"), (4, 4), None, (), 3)
    >>> spec = ArraySpec(layout, layout.dtype, (), None, None, 0, "c", "/")
    >>> coords_of(spec, "c/1/4"), coords_of(spec, "c/1/5"), coords_of(spec, "c/01/4")
    ((1, 4), None, None)
    """
    layout = spec.layout
    if not layout.shape:
        return () if key == spec.key(()) else None
    head = f"{spec.prefix}{spec.separator}" if spec.prefix else ""
    if not key.startswith(head):
        return None
    parts = key[len(head) :].split(spec.separator)
    if len(parts) != len(layout.shape):
        return None
    out = []
    for part, size, step in zip(parts, layout.shape, layout.object_shape, strict=True):
        plain = part.isascii() and part.isdigit() and len(part) <= 19
        if not plain or (part[0] == "0" and part != "0") or int(part) >= -(-size // step):
            return None
        out.append(int(part))
    return tuple(out)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of an image.

    Parameters
    ----------
    documents : frozenset of str
        Keys of metadata documents that may be there.
    arrays : Mapping of str to ArraySpec
        Arrays by their path.
    """

    documents: frozenset[str]
    arrays: Mapping[str, ArraySpec] = field(hash=False)

    def knows(self, key: str) -> bool:
        """Tell whether a key is a document's, or a chunk's within the grid of its array."""
        if key in self.documents:
            return True
        spec = self.arrays.get("")
        if spec is not None and coords_of(spec, key) is not None:
            return True
        end = key.find("/")
        while end >= 0:
            spec = self.arrays.get(key[:end])
            if spec is not None and coords_of(spec, key[end + 1 :]) is not None:
                return True
            end = key.find("/", end + 1)
        return False


def keys_of(opened: Opened) -> Keys:
    """Return the keys of what was opened and of its label images, relative to its root.

    Raises
    ------
    NgffError
        When no array was found in it.
    """
    root = opened.node.path
    arrays = dict(_arrays(opened, opened.node, root))
    for label in opened.labels.values():
        arrays |= _arrays(label, label.node, root if label.store is opened.store else "")
    if not arrays:
        raise NgffError(f"{opened.url} holds no array that was looked up; open an image of it")
    formats: dict[str, set[int]] = {"": set()}
    for path, spec in arrays.items():
        formats[""].add(spec.layout.zarr_format)
        parts = path.split("/") if path else []
        for i in range(1, len(parts) + 1):
            formats.setdefault("/".join(parts[:i]), set()).add(spec.layout.zarr_format)
    documents = {
        join(path, name) for path, kinds in formats.items() for k in kinds for name in _DOCUMENTS[k]
    }
    documents.add(PROPERTIES)
    if opened.node.kind == "collection":
        documents |= {join(_OME[0], name) for k in formats[""] for name in _DOCUMENTS[k]}
        documents.add(join(*_OME))
    return Keys(frozenset(documents), arrays)


def _arrays(opened: Opened, node: Node, root: str) -> Iterator[tuple[str, ArraySpec]]:
    """Yield the arrays of a node and of those below it, but for its labels."""
    here = node.path.removeprefix(root).strip("/") if root else node.path
    if node.kind == "array" and node.specs[0] is not None:
        yield here, node.specs[0]
    elif node.image is not None:
        one = Opened(opened.store, node, opened.missing, threads=opened.threads)
        for i, level in enumerate(node.image.levels):
            yield join(here, level.path), one.spec(i)
    for name, child in node.children.items():
        # those of an image are in `Opened.labels`, unless they are left out
        if node.image is None or name != "labels":
            yield from _arrays(opened, child, root)
