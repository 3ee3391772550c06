"""What `verify` notices: every bit, every byte that is gone, every object that is elsewhere."""

from __future__ import annotations

import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import makers
import numpy as np
import pytest
from makers import How

import ngffkit as nk
from ngffkit import writing
from ngffkit.errors import NgffError, NotFoundError
from ngffkit.execute.running import Progress
from ngffkit.verifying import Verification, verify

SHAPE = (16, 40, 48)
OPTIONS: dict[str, Any] = {"voxel_size": (4, 4, 8), "unit": "nm", "chunks": 16, "shards": 32}


def volume() -> np.ndarray:
    z, y, x = np.indices(SHAPE)
    noise = np.random.default_rng(3).integers(0, 9, SHAPE)
    return (200 + 5 * z + 3 * y + x + noise).astype("u2")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "a.zarr"
    writing.convert(volume(), root, mags=["1", "2"], **OPTIONS)
    return root


@pytest.fixture
def image(written: Path, tmp_path: Path) -> Path:
    shutil.copytree(f"{written}.journal", tmp_path / "a.zarr.journal")
    return Path(shutil.copytree(written, tmp_path / "a.zarr"))


def files_of(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def forget_journal(root: Path) -> None:
    shutil.rmtree(f"{root}.journal")


def errors_of(found: Verification) -> dict[str, str]:
    return {p.loc: p.message for p in found.problems if p.severity == "error"}


# --- sound ----------------------------------------------------------------------------------------


def test_what_was_written_is_sound(image):
    found = verify(image)
    assert found.ok
    assert found.problems == ()
    assert found.files == len(files_of(image))
    assert found.nbytes == sum((image / key).stat().st_size for key in files_of(image))
    assert "sound" in str(found)
    assert "CRC-32C" in found._repr_html_()


@pytest.mark.parametrize("version", ["0.4", "0.5", "0.6"])
def test_without_a_journal_every_pixel_is_decoded(tmp_path, version):
    shards = {"shards": None} if version == "0.4" else {}
    writing.convert(volume(), tmp_path / "a.zarr", version=version, **OPTIONS | shards)
    forget_journal(tmp_path / "a.zarr")
    found = verify(tmp_path / "a.zarr")
    assert found.ok
    assert found.nbytes == sum(ds.image.nbytes for ds in mags_of(tmp_path / "a.zarr"))
    assert "decoded" in str(found)


def mags_of(root: Path) -> list[Any]:
    return [node.dataset for node in nk.open(root).subtree if "image" in node.data_vars]


def test_progress_tells_how_far_it_is_and_may_stop(image):
    seen: list[Progress] = []
    verify(image, progress=seen.append)
    assert [p.tasks_done for p in seen] == list(range(1, len(seen) + 1))
    assert seen[-1].done == seen[-1].total

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(image, progress=stop)


def test_other_writers_images_are_decoded(tmp_path):
    how = How(chunks=16)
    makers.write(tmp_path / "b.zarr", makers.pyramid(volume()[..., :40], how), how)
    assert verify(tmp_path / "b.zarr").ok


def test_plain_arrays_are_decoded(tmp_path):
    import zarr

    array = zarr.create_array(tmp_path / "c.zarr", shape=(32,), chunks=(8,), dtype="u2")
    array[:] = np.arange(32, dtype="u2")
    found = verify(tmp_path / "c.zarr")
    assert (found.ok, found.files, found.nbytes) == (True, 4, 64)


def test_where_nothing_is_it_says_so(tmp_path):
    with pytest.raises(NotFoundError):
        verify(tmp_path / "nothing.zarr")


# --- damaged --------------------------------------------------------------------------------------


def test_each_of_300_flipped_bits_is_noticed(image):
    rng, keys = random.Random(1), files_of(image)
    sizes = [(image / key).stat().st_size for key in keys]
    for _ in range(300):
        key = rng.choices(keys, sizes)[0]
        path = image / key
        before = path.read_bytes()
        bit = rng.randrange(8 * len(before))
        after = bytearray(before)
        after[bit // 8] ^= 1 << bit % 8
        path.write_bytes(after)
        found = verify(image)
        assert list(errors_of(found)) == [key], bit
        assert "has changed" in str(found)
        path.write_bytes(before)
    assert verify(image).ok


def test_a_flipped_bit_without_a_journal_is_noticed_or_changes_no_pixel(image):
    forget_journal(image)
    rng, expected = random.Random(2), [ds.image.values for ds in mags_of(image)]
    keys, noticed = [key for key in files_of(image) if "/c/" in key], 0
    for _ in range(150):
        key = rng.choice(keys)
        before = (image / key).read_bytes()
        bit = rng.randrange(8 * len(before))
        after = bytearray(before)
        after[bit // 8] ^= 1 << bit % 8
        (image / key).write_bytes(after)
        found = verify(image)
        if found.ok:
            # a few bits of a Zstandard frame mean nothing
            for ds, want in zip(mags_of(image), expected, strict=True):
                np.testing.assert_array_equal(ds.image.values, want)
        else:
            assert set(errors_of(found)) == {key}
            noticed += 1
        (image / key).write_bytes(before)
    assert noticed > 140


@pytest.mark.parametrize("journal", [True, False])
def test_every_length_that_is_not_the_right_one_is_noticed(image, journal):
    if not journal:
        forget_journal(image)
    key = next(key for key in files_of(image) if "/c/" in key)
    before = (image / key).read_bytes()
    size = len(before)
    lengths = [*range(0, size, max(1, size // 40)), size - 1]
    for length in lengths:
        (image / key).write_bytes(before[:length])
        assert set(errors_of(verify(image))) == {key}, length
    if journal:
        (image / key).write_bytes(before + b"x")
        assert "longer" in errors_of(verify(image))[key]


@pytest.mark.parametrize("journal", [True, False])
def test_every_object_that_is_gone_is_named(image, journal):
    if not journal:
        forget_journal(image)
    for key in files_of(image):
        if not journal and "/c/" not in key:
            continue  # without its documents it is no image
        before = (image / key).read_bytes()
        (image / key).unlink()
        assert list(errors_of(verify(image))) == [key]
        assert ("absent" in errors_of(verify(image))[key]) is True
        (image / key).write_bytes(before)


def test_swapped_shards_are_noticed(image):
    one, other = [image / key for key in files_of(image) if key.startswith("0/c/")][:2]
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)
    assert len(errors_of(verify(image))) == 2


def test_all_that_is_wrong_is_said_at_once(image):
    gone, short, changed = [key for key in files_of(image) if "/c/" in key][:3]
    (image / gone).unlink()
    (image / short).write_bytes((image / short).read_bytes()[:-3])
    (image / changed).write_bytes(b"x" * (image / changed).stat().st_size)
    found = errors_of(verify(image))
    assert "absent" in found[gone]
    assert "shorter" in found[short]
    assert "has changed" in found[changed]


def test_large_objects_are_read_in_pieces(image, monkeypatch):
    monkeypatch.setattr("ngffkit.verifying._PIECE", 100)
    assert verify(image).ok
    key = next(key for key in files_of(image) if "/c/" in key)
    data = bytearray((image / key).read_bytes())
    data[len(data) // 2] ^= 4
    (image / key).write_bytes(data)
    assert list(errors_of(verify(image))) == [key]
    (image / key).write_bytes(data[:200])
    assert "shorter: 200 bytes" in errors_of(verify(image))[key]


# --- journals -------------------------------------------------------------------------------------


def test_strangers_are_advice(image):
    (image / "notes.txt").write_text("mine")
    found = verify(image)
    assert found.ok
    assert [(p.loc, p.severity) for p in found.problems] == [("notes.txt", "advice")]


def test_arrays_that_the_journal_does_not_know_are_decoded(image, tmp_path):
    how = How(chunks=16)
    makers.write(tmp_path / "other.zarr", makers.pyramid(volume(), how), how)
    shutil.copytree(tmp_path / "other.zarr/0", image / "added")
    attrs = (image / "zarr.json").read_text()
    (image / "zarr.json").write_text(attrs.replace('"path": "1"', '"path": "added"'))
    found = verify(image)
    assert list(errors_of(found)) == ["zarr.json"]  # it was changed, after all
    assert any(line.startswith("added: not in the journal") for line in found.how)
    chunk = next(p for p in sorted((image / "added/c").rglob("*")) if p.is_file())
    chunk.write_bytes(b"\xff" * 99)
    assert chunk.relative_to(image).as_posix() in errors_of(verify(image))


def test_an_unfinished_conversion_says_how_to_go_on(tmp_path):
    root = tmp_path / "a.zarr"

    def stop(progress: Progress) -> None:
        if progress.tasks_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.convert(volume(), root, progress=stop, **OPTIONS)
    found = verify(root)
    assert not found.ok
    (problem,) = (p for p in found.problems if p.severity == "error")
    assert "not finished" in problem.message
    assert "goes on where it stopped" in problem.remedy


def test_a_damaged_journal_is_an_error(image):
    log = Path(f"{image}.journal/journal.jsonl")
    lines = log.read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"task", b"tusk")
    log.write_bytes(b"\n".join(lines))
    found = verify(image)
    assert "journal, line 2" in errors_of(found)


# --- single files ---------------------------------------------------------------------------------


def test_a_zip_file_is_read_twice_over(image, tmp_path):
    path = tmp_path / "b.ozx"
    with zipfile.ZipFile(path, "w") as archive:
        for key in ["zarr.json", *(k for k in files_of(image) if k != "zarr.json")]:
            archive.write(image / key, key)
    found = verify(path)
    assert found.ok
    assert "CRC-32 of every member" in str(found)
    data = bytearray(path.read_bytes())
    begin = data.index((image / files_of(image)[0]).read_bytes()[:40])
    data[begin + 20] ^= 1
    path.write_bytes(data)
    assert files_of(image)[0] in errors_of(verify(path))


def test_single_files_are_verified_and_unfinished_ones_say_so(tmp_path):
    path = tmp_path / "a.ozx"

    def stop(progress: Progress) -> None:
        if progress.tasks_done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        writing.convert(volume(), path, progress=stop, **OPTIONS)
    assert "not finished" in str(verify(path))
    writing.convert(volume(), path, **OPTIONS)
    assert verify(path).ok
    data, rng = path.read_bytes(), random.Random(5)
    for _ in range(60):
        after, bit = bytearray(data), rng.randrange(8 * len(data))
        after[bit // 8] ^= 1 << bit % 8
        path.write_bytes(after)
        try:
            assert not verify(path).ok, bit
        except NgffError:
            continue  # it does not open


# --- edits ----------------------------------------------------------------------------------------


def test_what_was_edited_is_compared_with_what_was_last_written(tmp_path):
    from ngffkit.editing.doors import add_labels, downsample, write_region

    root = tmp_path / "a.zarr"
    writing.convert(volume(), root, mags=["1"], **OPTIONS)
    add_labels(root, (volume() > 300).astype("u1"), "bright")
    downsample(root)
    write_region(root, np.zeros((4, 4, 4), "u2"), at={"z": 0, "y": 0, "x": 0})
    found = verify(root)
    assert found.problems == ()
    assert found.files == len(files_of(root))
    for key in files_of(root):
        before = (root / key).read_bytes()
        (root / key).write_bytes(bytes(reversed(before)))
        assert list(errors_of(verify(root))) == [key]
        (root / key).write_bytes(before)
