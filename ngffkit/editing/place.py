"""Where the image that is edited lies: what is locked, and whose documents speak of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from ngffkit import api
from ngffkit.discover.walk import Wanted, join
from ngffkit.errors import NgffError, PlanError, Problem, StoreError
from ngffkit.execute.records import is_there
from ngffkit.opened import Opened
from ngffkit.planning.options import Options
from ngffkit.spec.encode import WRITABLE, zarr_format
from ngffkit.stores.targets import Target, beside, open_target
from ngffkit.tree import images_of

#: Groups above an image: ``labels`` and their image, well, row and plate, a series.
_MOST_ABOVE = 6

#: What makes a folder a Zarr group.
_GROUP = ("zarr.json", ".zgroup", ".zattrs")


@dataclass(frozen=True, slots=True)
class Place:
    """An image that is edited.

    Parameters
    ----------
    target : Target
        What is written to, locked, and has a journal beside it: the image, or the image or plate
        that it belongs to.
    path : str
        Path of the image's group below it.
    opened : Opened
        The image.
    above : tuple of (Target, str)
        Groups above the target, nearest first, each with the target's path below it: their
        consolidated metadata may speak of the image.
    """

    target: Target
    path: str
    opened: Opened
    above: tuple[tuple[Target, str], ...] = ()

    @property
    def zarr_format(self) -> int:
        """2 or 3."""
        return zarr_format(self.opened.image.version)

    @property
    def url(self) -> str:
        """Address of the image."""
        return join(self.target.url, self.path)


def refuse(option: str, message: str, remedy: str) -> NoReturn:
    """Raise `PlanError` for one reason."""
    raise PlanError([Problem(option, "error", message, remedy)])


def locate(image: Any, options: Options, *, labels: bool = True) -> Place:
    """Find the image that is to be edited, as it is now.

    Parameters
    ----------
    image : path, URL or anything opened by ngffkit
        The image; of what was opened before only the address counts.
    options : Options
        ``image`` names one of several, ``target_options`` are for a remote store.
    labels : bool
        Whether it may be one of an image's labels, which then must all be readable.

    Raises
    ------
    NotFoundError
        When there is no image.
    PlanError
        When it can't be edited: in a zip file, on a web server, or of a version, or by a program,
        that ngffkit does not write.
    """
    storage = options.run.target_options or options.read.storage_options
    url = _address(image)
    _check_address(url)
    opened = _fresh(url, options.read.image, storage, labels=labels)
    version = opened.image.version
    if version not in WRITABLE or _format_of(opened) != zarr_format(version):
        what = f"OME-Zarr {version}" if version[:1].isdigit() else f"{version} data"
        known = ", ".join(WRITABLE)
        remedy = f"make an OME-Zarr of it with ngffkit.convert, then edit that; editable: {known}"
        refuse("image", f"{opened.url} is {what}, which can't be edited", remedy)
    if opened.node.crops:
        remedy = "copy the image with ngffkit.convert, then edit the copy"
        refuse("image", f"the arrays of {opened.url} are padded beyond the image", remedy)
    found = list(_groups(opened.url, storage))
    at = next(
        (i for i, (target, _) in enumerate(found) if is_there(beside(target, ".journal"))),
        len(found) - 1,
    )
    target, path = found[at]
    above = tuple((other, rest.removesuffix(path).strip("/")) for other, rest in found[at + 1 :])
    return Place(target, path, opened, above)


def _format_of(opened: Opened) -> int:
    return opened.spec(0).layout.zarr_format


def _address(image: Any) -> str:
    if isinstance(image, (str, os.PathLike)):
        text = os.fspath(image)
        if isinstance(text, str):
            return text.rstrip("/")
    return api.as_opened(image, look=False).url


def _check_address(url: str) -> None:
    scheme = url.split("://", 1)[0].lower() if "://" in url else "file"
    if scheme in ("http", "https"):
        remedy = "copy it to a folder, s3:// or gs:// with ngffkit.convert, and edit the copy"
        refuse("image", f"{url} is on a web server, which is read-only", remedy)
    inside = [part for part in url.split("/") if part.lower().endswith((".zip", ".ozx"))]
    if "::" in url or (inside and not os.path.isdir(url)):  # noqa: PTH112 - a str
        remedy = "unpack it, or copy it to a folder with ngffkit.convert, and edit that"
        refuse("image", f"{url} is in a zip file, where nothing can be replaced", remedy)


def _fresh(url: str, name: str | None, storage: Any, *, labels: bool) -> Opened:
    parts = (name or "").strip("/").split("/")
    wells = ("/".join(parts[:2]),) if len(parts) >= 3 else ()
    found = api.find(url, Wanted(labels=labels, wells=wells), "error", storage)
    if found.node.kind in ("array", "arrays", "webknossos"):
        remedy = "make an OME-Zarr of it with ngffkit.convert, then edit that"
        refuse("image", f"{url} is no OME-Zarr image but {found.node.kind}", remedy)
    return api.choose(dict(images_of(found.store, found.node, "error")), name, url)


def _groups(url: str, storage: Any) -> Iterator[tuple[Target, str]]:
    """Yield the image's group and those that it lies in, each with the image's path below it."""
    yield open_target(url, storage), ""
    rest, gap = "", 0
    head = url
    for _ in range(_MOST_ABOVE):
        head, _, name = head.rpartition("/")
        rest = join(name, rest)
        # a row of a plate may have no document of its own; a scheme or a disk has none
        if not name or not head.split("://", 1)[-1].strip("/") or gap > 1:
            return
        gap += 1
        try:
            target = open_target(head, storage)
            if any(target.store.get(key, 0, 1) is not None for key in _GROUP):
                yield target, rest
                gap = 0
        except (StoreError, NgffError):
            return
