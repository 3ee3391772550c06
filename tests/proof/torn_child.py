"""Readers beside a writer: which pixels may be seen, and processes that write and read.

Each chunk of an image holds one number that says which chunk it is and of which version; in every
version other chunks are left empty, so that those that are there lie elsewhere in their shards.
Run as a script it does what it is told on its standard input, a line of JSON each.
"""

from __future__ import annotations

import json
import random
import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

#: Voxels of a chunk and chunks of an image, along each axis.
CHUNK, COUNT = 8, 4
IDS = COUNT**3
#: One chunk in so many is empty.
SPARSE = 5
#: Time points at first, and at most.
FEW, MANY = 2, 4

LAYOUTS: dict[str, dict[str, Any]] = {
    "v2": {"version": "0.4", "shards": None},
    "v3": {"version": "0.5", "shards": None},
    "sharded": {"version": "0.5", "shards": 2 * CHUNK},
    "plain shards": {"version": "0.5", "shards": 2 * CHUNK, "compression": "none"},
}
_NUMBERS = np.arange(IDS).reshape((COUNT,) * 3)


def cells(version: int) -> np.ndarray:
    """Return what the chunks of a version hold, a number each."""
    found = version * IDS + _NUMBERS
    return np.where((_NUMBERS + version) % SPARSE == 0, 0, found).astype("u4")


def volume(version: int, times: int = 1) -> np.ndarray:
    out = cells(version)
    for axis in range(3):
        out = out.repeat(CHUNK, axis)
    return np.broadcast_to(out, (times, *out.shape)).copy()


class State:
    """What the writer tells the readers: versions that may be seen, and how much was done."""

    def __init__(self, path: str) -> None:
        if not Path(path).exists():
            Path(path).write_bytes(bytes(32))
        self._numbers = np.memmap(path, "i8", "r+", shape=(4,))

    def __getitem__(self, name: str) -> int:
        return int(self._numbers[("low", "high", "stop", "done").index(name)])

    def __setitem__(self, name: str, value: int) -> None:
        self._numbers[("low", "high", "stop", "done").index(name)] = value


# --- the writer -----------------------------------------------------------------------------------


class Writer:
    """Does one thing after the other to an image."""

    def __init__(self, root: str, layout: str, seed: int) -> None:
        self.root, self.how = root, LAYOUTS[layout]
        self.state, self.rng = State(f"{root}.state"), random.Random(seed)
        self.version, self.times, self.large = 0, FEW, False

    def overwrite(self) -> None:
        from ngffkit.writing import convert

        self._new()
        self.times, self.large = FEW, False
        options = {"axes": "tzyx", "voxel_size": (1, 1, 1), "chunks": CHUNK, "mags": [1, 2]}
        data = volume(self.version, FEW)
        convert(data, self.root, overwrite=True, workers=2, **options, **self.how)
        self.state["low"] = self.version

    def region(self) -> None:
        from ngffkit.editing.doors import write_region

        self._new()
        write_region(self.root, volume(self.version, self.times), at=dict.fromkeys("tzyx", 0))
        self.state["low"] = self.version

    def append(self) -> None:
        from ngffkit.editing.doors import append

        if self.times < MANY:
            append(self.root, volume(self.version)[0], "t")
            self.times += 1

    def labels(self) -> None:
        from ngffkit.editing.doors import add_labels

        there = Path(self.root, "labels/cells").exists()
        data = volume(self.version, self.times)
        add_labels(self.root, data, "cells", **({"overwrite": True} if there else {}))

    def rewrite(self) -> None:
        from ngffkit.rewriting.doors import rewrite

        self.large = not self.large
        rewrite(self.root, chunks=2 * CHUNK if self.large else CHUNK, workers=1)

    def _new(self) -> None:
        self.version += 1
        self.state["high"] = self.version

    def run(self, names: list[str]) -> dict[str, int]:
        """Do things until told to stop; return how often each was done."""
        done: Counter[str] = Counter()
        while not self.state["stop"]:
            name = names[sum(done.values()) % len(names)]
            getattr(self, name)()
            done[name] += 1
            self.state["done"] = sum(done.values())
        return dict(done)


# --- the readers ----------------------------------------------------------------------------------


def torn(found: np.ndarray, start: tuple[int, ...], cell: int, low: int, high: int) -> str:
    """Say what is wrong with the pixels of a box, as seen between two versions; empty: nothing.

    Parameters
    ----------
    found : ndarray
        Pixels, z, y, x.
    start : tuple of int
        Where the box begins.
    cell : int
        Pixels of this mag that one number spans; a chunk spans `CHUNK`.
    low, high : int
        Versions that were there while it was read.
    """
    seen: dict[tuple[int, ...], set[int]] = {}
    empty: dict[tuple[int, ...], list[int]] = {}
    axes = [np.arange(s, s + n) // cell for s, n in zip(start, found.shape, strict=True)]
    for where in np.ndindex(*(len(np.unique(axis)) for axis in axes)):
        at = tuple(int(axis[0]) + i for axis, i in zip(axes, where, strict=True))
        part = found[np.ix_(*(axis == i for axis, i in zip(axes, at, strict=True)))]
        value, chunk = int(part.flat[0]), tuple(i * cell // CHUNK for i in at)
        if (part != value).any():
            return f"several numbers in one chunk at {at}: {np.unique(part)[:9]}"
        if value and value % IDS != int(_NUMBERS[at]):
            return f"at {at} the pixels of another chunk, {value}"
        if value:
            seen.setdefault(chunk, set()).add(value // IDS)
        else:
            empty.setdefault(chunk, []).append(int(_NUMBERS[at]))
    for chunk in {*seen, *empty}:
        may = seen.get(chunk) or set(range(low, high + 1))
        fits = {v for v in may if all((i + v) % SPARSE == 0 for i in empty.get(chunk, ()))}
        if len(seen.get(chunk, ())) > 1 or not any(low <= v <= high for v in fits):
            zeros = empty.get(chunk, [])[:9]
            return f"chunk {chunk}: versions {may}, zeros at {zeros}, of {low} to {high}"
    return ""


class Reader:
    """Reads boxes of what it opens now and of what it opened before."""

    def __init__(self, place: str, state: State, seed: int) -> None:
        self.place, self.state, self.rng = place, state, random.Random(seed)
        self.kept: list[tuple[Any, int, int]] = []
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.told: set[str] = set()
        self.at: Any = None

    def run(self, count: int) -> None:
        for _ in range(count):
            try:
                said = self._once()
            except BaseException as err:  # noqa: BLE001 - whatever else comes is what is looked for
                from ngffkit.errors import NgffError, NgffWarning

                # it opens what is left of an image that is being removed, and says so
                if isinstance(err, (NgffError, NgffWarning)):
                    self.told.add(f"{type(err).__name__}: {err}"[:200])
                    self.counts["said"] += 1
                    self.kept = [entry for entry in self.kept if entry is not self.at]
                    continue
                said = "".join(traceback.format_exception(err)[-12:])
            self.counts["wrong" if said else "right"] += 1
            if said and len(self.wrong) < 5:
                self.wrong.append(f"{self.place}: {said}")

    def _once(self) -> str:
        import ngffkit as nk

        self.at = None
        if not self.kept or self.rng.random() < 0.1:
            low, mag = self.state["low"], self.rng.choice((1, 2))
            label = self.rng.random() < 0.2
            asked = {"image": "labels/cells"} if label else {}
            opened = nk.open_dataset(self.place, mag=str(mag), **asked)
            data = next(iter(opened.data_vars.values()))
            if data.name not in ("image", "labels"):
                # its root is being removed, or isn't there yet: these are arrays, by their names
                data = self.rng.choice(list(opened.data_vars.values()))
                mag = int(str(data.name).rpartition("/")[2]) + 1
            # labels are of the version of the image that they were added to
            self.at = (data, mag, 1 if label else low)
            self.kept = [*self.kept[-5:], self.at]
        else:
            self.at = self.rng.choice(self.kept)
        data, mag, low = self.at
        box, start = [], []
        for size in data.shape[1:]:
            begin = self.rng.randrange(size)
            box.append(slice(begin, min(size, begin + self.rng.randrange(1, 2 * CHUNK))))
            start.append(begin)
        time = self.rng.randrange(data.shape[0])
        found = data[(time, *box)].values
        return torn(found, tuple(start), CHUNK // mag, low, self.state["high"])


def read(places: list[str], state: str, count: int, seed: int, threads: int) -> dict[str, Any]:
    """Read by several threads; return counts of what came, and what was wrong."""
    from threading import Thread

    readers = [
        Reader(places[i % len(places)], State(state), seed * 100 + i) for i in range(threads)
    ]
    running = [Thread(target=r.run, args=(count // threads,), daemon=True) for r in readers]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    total = sum((r.counts for r in readers), Counter[str]())
    told = sorted(text for r in readers for text in r.told)
    return {
        "told": told,
        "counts": dict(total),
        "wrong": [text for r in readers for text in r.wrong][:5],
    }


def _serve() -> None:
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", UserWarning)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            if order.pop("do") == "read":
                answer: Any = read(**order)
            else:
                names = order.pop("names")
                answer = Writer(**order).run(names)
        except BaseException:  # noqa: BLE001 - who asks fails
            answer = {"failed": traceback.format_exc()}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _serve()
