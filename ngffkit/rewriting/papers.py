"""The documents of what is rewritten: groups, arrays, and the root's, which is the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ngffkit.chunks.encoding import documents
from ngffkit.discover.documents import Metadata
from ngffkit.discover.walk import join
from ngffkit.execute.commit import put_durably
from ngffkit.execute.documents import Documents, encoded, group_documents, root_documents
from ngffkit.rewriting.baggage import Baggage, carry, nodes_of
from ngffkit.rewriting.levels import Draft, compression_at
from ngffkit.rewriting.wording import group_attributes, image_attributes
from ngffkit.spec.encode import zarr_format
from ngffkit.stores.base import Store
from ngffkit.stores.targets import Target, Written


@dataclass(frozen=True, slots=True)
class Papers:
    """The groups of what is rewritten.

    Parameters
    ----------
    groups : Mapping of str to Mapping
        Their attributes as they will be, by path; the root's is the empty one.
    version : str
        Of OME-Zarr.
    """

    groups: Mapping[str, Mapping[str, Any]]
    version: str


def papers_of(store: Store, root: str, drafts: Sequence[Draft], version: str) -> Papers:
    """Return the groups that there will be, with their attributes.

    Parameters
    ----------
    store : Store
        Where the images are.
    root : str
        Path of what is rewritten below the root of the store.
    drafts : sequence of Draft
        The images.
    version : str
        Of OME-Zarr.
    """
    images = {item.path: item for item in drafts}
    first = drafts[0].opened
    groups: dict[str, Mapping[str, Any]] = {}
    paths = group_paths(drafts)
    others = [path for path in paths if path not in images]
    number = first.spec(0).layout.zarr_format
    found = Metadata(store, number).groups([join(root, path) for path in others])
    # labels may be of a version of their own
    changed = first.image.version != version
    for path, doc in zip(others, found, strict=True):
        old = {} if doc is None else doc.attrs
        groups[path] = group_attributes(old, version, changed=changed)
    for path, item in images.items():
        groups[path] = image_attributes(
            item.opened.node.attrs if item.opened.image.version[:1].isdigit() else {},
            item.source,
            item.image,
            item.fresh,
            item.method,
        )
    return Papers(groups, version)


def group_paths(drafts: Sequence[Draft]) -> list[str]:
    """Return the paths of all groups: the root, the images, and what lies between."""
    out = {""}
    for item in drafts:
        for path in (item.path, *(level.path.rpartition("/")[0] for level in item.levels)):
            parts = path.split("/")
            out |= {"/".join(parts[:n]) for n in range(1, len(parts) + 1)}
    return sorted(out)


def commit(
    target: Target, papers: Papers, drafts: Sequence[Draft], baggage: Baggage
) -> list[Written]:
    """Write all documents and what comes along; the root's document is the last.

    Returns
    -------
    list of Written
        All that was written.
    """
    number = zarr_format(papers.version)
    inner: Documents = {}
    for item in drafts:
        inner |= _arrays(item)
    for path in sorted(papers.groups, key=lambda path: -path.count("/")):
        if path:
            inner |= group_documents(path, papers.groups[path], number)
    written = [target.put(key, encoded(document)) for key, document in inner.items()]
    written += carry(baggage, target, number)
    # what lies below is there for good before anything points to it
    target.sync()
    last = root_documents(papers.groups[""], inner | nodes_of(baggage), papers.version)
    return written + [put_durably(target, key, encoded(doc)) for key, doc in last.items()]


def _arrays(item: Draft) -> Documents:
    out: Documents = {}
    for level in item.levels:
        for name, document in documents(level.spec, compression_at(level)).items():
            if "fill_value" in document:
                document["fill_value"] = _plain(level.spec.fill)
            out[f"{level.path}/{name}"] = document
    return out


def _plain(fill: Any) -> Any:
    value = np.asarray(fill).item()
    return [value.real, value.imag] if isinstance(value, complex) else value
