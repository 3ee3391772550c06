"""Pages of TIFF files as small tables of offsets, and how to read a part of one.

tifffile understands the metadata and decodes; which bytes to read, and which of them not to, is
decided here. What is kept of 100,000 pages is a row of numbers each.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ngffkit.errors import NgffError, SourceError
from ngffkit.sources.arranged import understood
from ngffkit.sources.rawbytes import BATCH, Placed, opened, read_array, read_bytes, reason

#: Samples, rows and columns of a page.
Part = tuple[slice, slice, slice]


@dataclass(frozen=True, slots=True)
class Form:
    """What pages of one make have in common.

    Parameters
    ----------
    shape : tuple of int
        Of the pixels of a page, ``(separate samples, rows, columns, samples)``.
    dtype : numpy.dtype
        Of its pixels, in the byte order of the file.
    segment : tuple of int
        Rows and columns of a tile or strip.
    tiled : bool
        Whether the segments are tiles.
    key : tuple of (int, int)
        File and place of a page of this make, whose tags say how to decode.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype
    segment: tuple[int, int]
    tiled: bool
    key: tuple[int, int]

    @property
    def samples(self) -> int:
        """How many samples each pixel has."""
        return self.shape[0] * self.shape[3]

    @property
    def counts(self) -> tuple[int, int]:
        """How many segments there are, down and across."""
        return -(-self.shape[1] // self.segment[0]), -(-self.shape[2] // self.segment[1])

    @property
    def nbytes(self) -> int:
        """Size of a decoded page in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class Group:
    """Pages of one make: where their bytes are.

    Parameters
    ----------
    form : Form
        What they have in common.
    files : ndarray of int32, shape (pages,)
        Which file each is in.
    offsets, sizes : ndarray of int64, shape (pages, segments)
        Where the segments are. One column and no sizes where pixels lie in one piece, as they are.
    tables : tuple of bytes
        Tables of the JPEG codec, one per page; empty when none has its own.
    """

    form: Form
    files: npt.NDArray[np.int32]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64] | None
    tables: tuple[bytes | None, ...] = ()

    @property
    def encoded(self) -> int:
        """Size of the largest encoded segment in bytes."""
        return 0 if self.sizes is None or not self.sizes.size else int(self.sizes.max())


@dataclass(slots=True)
class Pages:
    """Pages of some TIFF files, to be read by their number.

    Parameters
    ----------
    files : tuple of str
        Paths.
    groups : tuple of Group
        Pages by make.
    group, row : ndarray of int32, shape (pages,)
        Where each page is: its group, and its row there.
    """

    files: tuple[str, ...]
    groups: tuple[Group, ...]
    group: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    _decoders: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the tables; decoders are made again."""
        return Pages, (self.files, self.groups, self.group, self.row)

    @property
    def form(self) -> Form:
        """The make of the first page."""
        return self.groups[0].form

    def name(self, page: int) -> str:
        """Return what a page is called in messages."""
        group = self.groups[self.group[page]]
        return f"{self.files[group.files[self.row[page]]]}, page {page}"

    def read(self, page: int, part: Part, out: npt.NDArray[Any]) -> None:
        """Read a part of one page.

        Parameters
        ----------
        page : int
            Its number.
        part : tuple of slice
            Samples, rows and columns.
        out : ndarray, shape (samples, rows, columns)
            Where the pixels go, in native byte order.

        Raises
        ------
        SourceError
            Naming file, page and cause.
        """
        group = self.groups[self.group[page]]
        row, name = int(self.row[page]), self.name(page)
        with opened(self.files[group.files[row]], name) as file:
            if group.sizes is None:
                _read_plain(file, group, row, (part, name), out)
            else:
                self._read_coded(file, page, (part, name), out)

    def _read_coded(
        self, file: BinaryIO, page: int, wanted: tuple[Part, str], out: npt.NDArray[Any]
    ) -> None:
        group, row = self.groups[self.group[page]], int(self.row[page])
        form, (part, name) = group.form, wanted
        assert group.sizes is not None
        tables = group.tables[row] if group.tables else None
        for index, at in _segments(form, part):
            what = f"{'tile' if form.tiled else 'strip'} {index}"
            size, offset = int(group.sizes[row, index]), int(group.offsets[row, index])
            if size <= 0 or offset <= 0:
                raise SourceError(name, f"{what} was never written ({size} bytes at {offset})")
            raw = read_bytes(file, offset, size, f"{name}, {what}")
            try:
                pixels = self._decode(int(self.group[page]), raw, index, tables)
            except SourceError:
                raise
            except Exception as err:
                raise SourceError(name, f"{what} can't be decoded: {reason(err)}") from err
            _place(out, pixels, at, part, form.shape[0] > 1)

    def _decode(
        self, group: int, raw: bytearray, index: int, tables: bytes | None
    ) -> npt.NDArray[Any]:
        known = self._decoders.get(group)
        if known is None:
            # the worst that several threads can do here is to make it twice
            known = self._decoders[group] = self._decoder(group)
        decode, common, header = known
        form = self.groups[group].form
        pixels, _, shape = decode(raw, index, jpegtables=tables or common, jpegheader=header)
        if pixels is None or pixels.shape[:3] != tuple(shape[:3]):
            got = None if pixels is None else pixels.shape[1:3]
            # a lossless-JPEG tile at the border may come cut to the image: that is all of it
            rows = form.shape[1] - index // form.counts[1] % form.counts[0] * form.segment[0]
            columns = form.shape[2] - index % form.counts[1] * form.segment[1]
            if got is None or got[0] < min(rows, shape[1]) or got[1] < min(columns, shape[2]):
                raise ValueError(f"{got} pixels came, {shape[1:3]} were expected")
        return pixels[0]  # type: ignore[no-any-return]

    def _decoder(self, group: int) -> tuple[Any, bytes | None, bytes | None]:
        import tifffile

        at, offset = self.groups[group].form.key
        with tifffile.TiffFile(self.files[at]) as tif:
            tif.filehandle.seek(offset)
            page = tifffile.TiffPage(tif, index=0)
            return page.decode, page.jpegtables, page.jpegheader


def _read_plain(
    file: BinaryIO, group: Group, row: int, wanted: tuple[Part, str], out: npt.NDArray[Any]
) -> None:
    form, ((samples, rows, columns), name) = group.form, wanted
    offset = int(group.offsets[row, 0])
    if form.shape[3] == 1:
        placed = Placed(offset, form.shape[:3], form.dtype)
        if out.flags.c_contiguous:
            read_array(file, placed, (samples, rows, columns), name, out)
            return
        for i in range(len(out)):
            one = slice(samples.start + i, samples.start + i + 1)
            out[i : i + 1] = read_array(file, placed, (one, rows, columns), name)
        return
    placed = Placed(offset, form.shape[1:], form.dtype)
    step = max(1, BATCH // (out.shape[2] * form.shape[3] * form.dtype.itemsize))
    for first in range(rows.start, rows.stop, step):
        last = min(first + step, rows.stop)
        pixels = read_array(file, placed, (slice(first, last), columns, samples), name)
        out[:, first - rows.start : last - rows.start] = np.moveaxis(pixels, -1, 0)


def _segments(form: Form, part: Part) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Iterate over the segments that a part touches: index, and where they begin."""
    (down, across), (height, width) = form.counts, form.segment
    samples, rows, columns = part
    planes = range(samples.start, samples.stop) if form.shape[0] > 1 else range(1)
    for s in planes:
        for i in range(rows.start // height, -(-rows.stop // height)):
            for j in range(columns.start // width, -(-columns.stop // width)):
                yield (s * down + i) * across + j, (s, i * height, j * width)


def _place(
    out: npt.NDArray[Any],
    pixels: npt.NDArray[Any],
    at: tuple[int, int, int],
    part: Part,
    separate: bool,  # noqa: FBT001 - private
) -> None:
    """Copy what is wanted of a decoded segment, shape (rows, columns, samples)."""
    samples, rows, columns = part
    plane, top, left = at
    r0, r1 = max(rows.start, top), min(rows.stop, top + pixels.shape[0])
    c0, c1 = max(columns.start, left), min(columns.stop, left + pixels.shape[1])
    cut = pixels[r0 - top : r1 - top, c0 - left : c1 - left]
    to = (slice(r0 - rows.start, r1 - rows.start), slice(c0 - columns.start, c1 - columns.start))
    if separate:
        out[(plane - samples.start, *to)] = cut[..., 0]
    else:
        out[(slice(None), *to)] = np.moveaxis(cut[..., samples], -1, 0)


@dataclass(slots=True, eq=False)
class _Draft:
    """A group while its pages are being collected."""

    number: int
    form: Form
    plain: bool
    files: array[int] = field(default_factory=lambda: array("i"))
    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    tables: list[bytes | None] = field(default_factory=list)

    def done(self) -> Group:
        files = np.frombuffer(self.files, np.int32)
        offsets = np.frombuffer(self.offsets, np.int64).reshape(len(files), -1)
        sizes = np.frombuffer(self.sizes, np.int64).reshape(len(files), -1)
        tables = tuple(self.tables) if any(self.tables) else ()
        return Group(self.form, files, offsets, None if self.plain else sizes, tables)


@dataclass(slots=True)
class Collector:
    """Makes `Pages` of what tifffile finds, keeping none of its objects.

    Parameters
    ----------
    files : list of str
        Paths; may grow as pages are added.
    """

    files: list[str]
    _drafts: dict[tuple[Any, ...], _Draft] = field(default_factory=dict)
    _group: array[int] = field(default_factory=lambda: array("i"))
    _row: array[int] = field(default_factory=lambda: array("i"))

    def add(self, file: int, page: Any) -> int:
        """Add a TiffPage or TiffFrame; return its number."""
        key = page.keyframe
        offsets, sizes = page.dataoffsets, page.databytecounts
        form = form_of(key, file, self.files[file])
        plain = bool(key.is_final) and _in_one_piece(offsets, sizes, form.nbytes)
        expected = math.prod(form.counts) * form.shape[0]
        if not plain and not len(offsets) == len(sizes) == expected:
            raise SourceError(
                f"{self.files[file]}, page {page.index}",
                f"it lists {len(offsets)} strips or tiles, {expected} were expected",
            )
        # what was not written the same way is not decoded the same way
        coding = () if plain else (key.hash, key.photometric, key.extrasamples, key.jpegheader)
        draft = self._draft((plain, form.shape, form.dtype, *coding), form, plain=plain)
        draft.files.append(file)
        draft.offsets.extend(offsets[:1] if plain else offsets)
        draft.sizes.extend(() if plain else sizes)
        draft.tables.append(None if plain else page.jpegtables)
        return self._enter(draft)

    def add_run(self, file: int, page: Any, offset: int, count: int) -> None:
        """Add pages that lie one behind another, of which only the first has a directory."""
        form = form_of(page, file, self.files[file])
        draft = self._draft((True, form.shape, form.dtype), form, plain=True)
        for i in range(count):
            draft.files.append(file)
            draft.offsets.append(offset + i * form.nbytes)
            draft.tables.append(None)
            self._enter(draft)

    def _draft(self, key: tuple[Any, ...], form: Form, *, plain: bool) -> _Draft:
        known = self._drafts.get(key)
        if known is None:
            known = self._drafts[key] = _Draft(len(self._drafts), form, plain)
        return known

    def _enter(self, draft: _Draft) -> int:
        self._group.append(draft.number)
        self._row.append(len(draft.files) - 1)
        return len(self._row) - 1

    def done(self) -> Pages:
        """Return the table.

        Raises
        ------
        NgffError
            When the pages differ in size or type.
        """
        groups = tuple(draft.done() for draft in self._drafts.values())
        kinds = {
            (g.form.shape[1:3], g.form.samples, g.form.dtype.newbyteorder("=")) for g in groups
        }
        if len(kinds) != 1:
            shown = ", ".join(f"{s[1]} x {s[0]} x {n} {t}" for s, n, t in kinds) or "none"
            raise NgffError(
                f"the pages of {self.files[0]} that belong together differ ({shown}); "
                "choose those that fit by image="
            )
        return Pages(
            tuple(self.files),
            groups,
            np.frombuffer(self._group, np.int32),
            np.frombuffer(self._row, np.int32),
        )


def form_of(page: Any, file: int, where: str) -> Form:
    """Return what a TiffPage says of its pixels.

    Raises
    ------
    NgffError
        When it is of a kind that isn't read.
    """
    if page.dtype is None or 0 in page.shape:
        raise NgffError(f"{where}, page {page.index} has no pixels of a type that is understood")
    separate, depth, rows, columns, samples = page.shaped
    if depth != 1:
        raise NgffError(
            f"{where} keeps {depth} planes in one page (SGI depth), which is not read; "
            "rewrite it with a page per plane"
        )
    understood(np.dtype(page.dtype), where)
    segment = (
        (page.tilelength, page.tilewidth)
        if page.is_tiled
        else (min(page.rowsperstrip, rows), columns)
    )
    return Form(
        (separate, rows, columns, samples),
        np.dtype(page.dtype).newbyteorder(page.parent.byteorder),
        (max(1, int(segment[0])), max(1, int(segment[1]))),
        bool(page.is_tiled),
        (file, int(page.offset)),
    )


def _in_one_piece(offsets: Any, sizes: Any, nbytes: int) -> bool:
    if not len(offsets) or min(offsets) <= 0:
        return False
    if len(offsets) == 1:
        return len(sizes) == 0 or sizes[0] >= nbytes
    ends = (o + s for o, s in zip(offsets[:-1], sizes, strict=False))
    return sum(sizes) == nbytes and all(a == b for a, b in zip(ends, offsets[1:], strict=True))
