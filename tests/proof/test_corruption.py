"""Files that ngffkit wrote, damaged: `verify` notices all of it, reading gives no other pixels."""

from __future__ import annotations

import itertools
import json
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ledger import Ledger

import ngffkit as nk

pytestmark = pytest.mark.faults

#: Small, for every length of every file is tried.
SHAPE = (6, 20, 24)
COMMON: dict[str, Any] = {"voxel_size": (4, 4, 8), "unit": "nm", "chunks": 8, "mags": ["1", "2"]}

#: All by our own defaults but for sizes, so that there are several chunks and shards.
LAYOUTS: dict[str, tuple[str, dict[str, Any]]] = {
    "v2": ("a.zarr", {"version": "0.4"}),
    "v3": ("a.zarr", {"version": "0.5", "shards": None}),
    "sharded": ("a.zarr", {"version": "0.5", "shards": 16}),
    "0.6": ("a.zarr", {"version": "0.6", "shards": 16}),
    "labels": ("a.zarr", {"version": "0.5", "shards": 16}),
    "zip": ("a.ozx", {"version": "0.5", "shards": 16}),
}

DOCUMENTS = ("zarr.json", ".zarray", ".zattrs", ".zgroup", "journal.jsonl")


def volume() -> np.ndarray:
    z, y, x = np.indices(SHAPE)
    return (200 + 5 * z + 3 * y + x).astype("u2")


@dataclass(frozen=True)
class Written:
    """An image of ours, and all its pixels."""

    name: str
    root: Path
    pixels: list[np.ndarray]

    def files(self) -> list[Path]:
        """Return all files, those of the journal too."""
        if self.root.is_file():
            return [self.root]
        roots = (self.root, Path(f"{self.root}.journal"))
        return sorted(p for root in roots for p in root.rglob("*") if p.is_file())

    def read(self) -> list[np.ndarray]:
        """Read all pixels anew."""
        found = [node.dataset for node in nk.open(self.root).subtree if node.data_vars]
        return [ds[name].values for ds in found for name in ("image", "labels") if name in ds]


@pytest.fixture(scope="module", params=LAYOUTS)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    name, how = LAYOUTS[request.param]
    root = tmp_path_factory.mktemp(request.param) / name
    nk.convert(volume(), root, **COMMON | how)
    if request.param == "labels":
        nk.add_labels(root, (volume() > 240).astype("u1"), "bright")
    written = Written(request.param, root, [])
    written.pixels.extend(written.read())
    assert len(written.pixels) == (4 if request.param == "labels" else 2)
    assert nk.verify(root).ok
    return written


def is_noticed(image: Written) -> bool:
    """Tell whether `verify` finds that something is wrong, or says why it can't look."""
    try:
        return not nk.verify(image.root).ok
    except nk.NgffError:
        return True
    except Exception:  # noqa: BLE001 - of another package: nobody was told what is wrong
        return False


def outcome_of_reading(image: Written) -> str:
    """Open it and read all: right, a typed error (said), other pixels, or what else was raised."""
    try:
        with warnings.catch_warnings():
            # a level without a place is one, and says so
            warnings.simplefilter("ignore", nk.NgffWarning)
            pixels = image.read()
    except nk.NgffError:
        return "said"
    except Exception as err:  # noqa: BLE001 - of another package, or a warning: it counts
        return repr(err)
    same = len(pixels) == len(image.pixels) and all(
        a.dtype == b.dtype and np.array_equal(a, b)
        for a, b in zip(pixels, image.pixels, strict=True)
    )
    return "right" if same else "other"


def judge(ledger: Ledger, row: str, image: Written, path: Path, what: str) -> None:
    """Verify and read an image whose file `path` is damaged, and enter what came of it.

    Reading alone has no means against documents that say something else, and against sound objects
    in the place of others: there `verify` counts, and what reading gave is a remark.
    """
    noticed, read = is_noticed(image), outcome_of_reading(image)
    blind = row == "swapped" or path.name in DOCUMENTS
    fine = noticed and (read in ("right", "said") or (blind and read == "other"))
    if read == "other":
        ledger.remark(row, "noticed by `verify`, while reading alone gave other pixels or mags")
    ledger.enter(row, "said" if fine else "wrong")
    where = path.relative_to(image.root.parent)
    assert fine, f"{what} of {where}: noticed: {noticed}, reading: {read}"


@contextmanager
def damaged(path: Path, data: bytes) -> Iterator[None]:
    """Let a file hold other bytes for a while."""
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(before)


def test_each_flipped_bit_is_noticed(ledger, image):
    rng, files = random.Random(image.name), image.files()
    chunks = [path for path in files if path.name not in DOCUMENTS]
    documents = [path for path in files if path.name in DOCUMENTS]
    # half of them in documents and journals, which are a small part of the bytes
    for i in range(ledger.many(16, 300)):
        some = documents if i % 2 and documents else chunks
        path = rng.choices(some, [p.stat().st_size for p in some])[0]
        data = bytearray(path.read_bytes())
        bit = rng.randrange(8 * len(data))
        data[bit // 8] ^= 1 << bit % 8
        with damaged(path, bytes(data)):
            judge(ledger, "bit flips", image, path, f"bit {bit}")
    assert nk.verify(image.root).ok


def test_each_length_that_is_not_the_right_one_is_noticed(ledger, image):
    rng = random.Random(image.name)
    for path in image.files():
        before = path.read_bytes()
        lengths = list(range(len(before)))
        if not ledger.full:
            edges = {0, len(before) - 1}
            lengths = sorted(edges if rng.random() < 0.5 else {rng.choice(lengths)})
        for length in lengths:
            with damaged(path, before[:length]):
                judge(ledger, "truncation", image, path, f"the first {length} bytes")
    assert nk.verify(image.root).ok


def test_objects_that_stand_in_the_place_of_others_are_noticed(ledger, image):
    if image.root.is_file():
        pytest.skip("the members of a zip file have their names in it twice")
    rng = random.Random(image.name)
    objects = [path for path in image.files() if path.name not in DOCUMENTS]
    pairs = [
        (one, other)
        for one, other in itertools.combinations(objects, 2)
        if one.read_bytes() != other.read_bytes()
    ]
    assert pairs
    for one, other in rng.sample(pairs, min(len(pairs), ledger.many(4, 30))):
        first, second = one.read_bytes(), other.read_bytes()
        with damaged(one, second):
            judge(ledger, "swapped", image, one, f"{other.name} in the place")
            with damaged(other, first):
                judge(ledger, "swapped", image, one, f"exchanged with {other.name}")
        # a shard that is renamed: one is gone, and another one is where none should be
        away = one.rename(one.with_name("99"))
        judge(ledger, "swapped", image, one, "the renamed")
        away.rename(one)
    assert nk.verify(image.root).ok


def test_a_journal_that_cant_be_read_is_no_sound_image(tmp_path):
    """Its first line damaged, all that it noted counted as never noted."""
    root = tmp_path / "a.zarr"
    nk.convert(volume(), root, **COMMON)
    log = Path(f"{root}.journal/journal.jsonl")
    log.write_bytes(log.read_bytes().replace(b"fingerprint", b"fingerprant", 1))
    found = nk.verify(root)
    assert [(p.loc, p.severity) for p in found.problems] == [("journal", "error")]


def test_every_byte_around_the_members_of_a_zip_file_counts(tmp_path):
    """Such as dates and modes, which no reader looks at."""
    path = tmp_path / "a.ozx"
    nk.convert(np.ones((8, 8, 8), "u1"), path, mags=["1"], voxel_size=(1, 1, 1))
    data = path.read_bytes()
    end = data.index(b"PK\x06\x06")
    for position in (4, 11, data.index(b"PK\x01\x02") + 38, end + 12, end + 60, len(data) - 1):
        after = bytearray(data)
        after[position] ^= 1
        path.write_bytes(after)
        assert is_noticed(Written("", path, [])), position
    path.write_bytes(data)
    assert nk.verify(path).ok


@pytest.mark.parametrize("forced", [True, False])
def test_zip_files_of_other_programs_are_no_damaged_ones_of_ours(tmp_path, forced):
    import zipfile

    nk.convert(volume(), tmp_path / "a.zarr", **COMMON)
    root = tmp_path / "a.zarr"
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for path in sorted(p for p in root.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(path.relative_to(root).as_posix())
            with archive.open(info, "w", force_zip64=forced) as member:
                member.write(path.read_bytes())
        version = json.loads((root / "zarr.json").read_text())["attributes"]["ome"]["version"]
        comment = {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}
        archive.comment = json.dumps({"ome": comment}).encode()
    assert nk.verify(tmp_path / "b.zip").ok
