"""The wire between a page and the kernel: tiles are asked for in batches, answered as they come.

It knows messages and threads, but no widget: whoever has a channel gives it `send`. Nothing here
raises into the kernel; what a page asks for wrongly is answered as an error or kept in `problems`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ngffkit.errors import NgffError
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.layers import Layers
from ngffkit.widgets.tiles import Encoded, TileRequest, encode, render

Json = dict[str, Any]

#: Sends content and binary buffers to the page.
Send = Callable[[Json, list[bytes]], None]

#: Tiles are sent when so many bytes are ready, or when the first has waited so long, in seconds.
_FULL, _WAIT = 2**20, 0.03

#: A batch that takes longer than this is said to be alive, and again after every further second.
_QUIET, _AGAIN = 0.3, 1.0

#: Threads that have had nothing to do for so long end; the next request starts new ones.
_IDLE = 10.0

_KEPT_PROBLEMS = 100


@dataclass(slots=True)
class Counts:
    """What was sent."""

    messages: int = 0
    bytes: int = 0
    tiles: int = 0


@dataclass(slots=True, eq=False)
class _Batch:
    """A request for tiles: what isn't begun, what is under way, and what is ready."""

    view: str
    number: int
    tiles: list[Any]
    alive_at: float
    begun: int = 0
    finished: int = 0
    ready: list[tuple[int, Encoded | str]] = field(default_factory=list)
    ready_bytes: int = 0
    flush_at: float = float("inf")
    dropped: bool = False


class Wire:
    """Answers what pages ask for.

    Parameters
    ----------
    layers : Layers
        What is shown.
    send : callable
        Sends content and buffers; never called by two threads at a time.
    workers : int
        Threads that make tiles.
    frame : callable, optional
        Draws ``(state, width, height, dpr)`` as the bytes of a PNG.
    profile : callable, optional
        Returns ``distance``, ``unit`` and ``channels`` along ``(points, level)``.
    bricks : Bricks, optional
        Reads pixels; a new one when left out.

    Attributes
    ----------
    counts : Counts
        What was sent until now.
    problems : deque of str
        The latest messages that made no sense, and failures to send.
    """

    def __init__(
        self,
        layers: Layers,
        send: Send,
        *,
        workers: int = 4,
        frame: Callable[[Json, int, int, float], bytes] | None = None,
        profile: Callable[[list[dict[str, float]], int], Json] | None = None,
        bricks: Bricks | None = None,
    ) -> None:
        self.layers, self.bricks = layers, bricks or Bricks()
        self.counts, self.problems = Counts(), deque[str](maxlen=_KEPT_PROBLEMS)
        self._send, self._workers, self._frame, self._profile = send, workers, frame, profile
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._batches: dict[tuple[str, int], _Batch] = {}
        self._frames: dict[str, Json] = {}
        self._drawing: set[str] = set()
        self._profiles: deque[Json] = deque()
        self._outbox: deque[tuple[_Batch | None, Json, list[bytes]]] = deque()
        self._threads: set[threading.Thread] = set()
        self._idle = 0
        self._pacer: threading.Thread | None = None
        self._closed = False

    # --- what comes in ---------------------------------------------------------------------------

    def handle(self, content: Any, buffers: Sequence[Any] = ()) -> None:
        """Take a message of the page; returns at once and raises nothing."""
        del buffers
        try:
            with self._changed:
                if not self._closed:
                    self._take(content)
        except Exception as err:  # noqa: BLE001 - a page must not be able to break the kernel
            self.problems.append(f"{_line(err)} in {content!r:.200}")

    def _take(self, content: Any) -> None:
        what = content.get("do") if isinstance(content, Mapping) else None
        if what not in ("fetch", "drop", "frame", "profile"):
            raise NgffError(f"do is {what!r:.80}; it must be fetch, drop, frame or profile")
        view = content.get("view")
        if not isinstance(view, str):
            raise NgffError(f"view is {view!r:.80}; it must be a text")
        if what == "fetch":
            self._fetch(view, content)
        elif what == "drop":
            numbers = content.get("batches")
            if not isinstance(numbers, list) or not all(isinstance(n, int) for n in numbers):
                raise NgffError(f"batches is {numbers!r:.80}; it must be a list of numbers")
            for number in numbers:
                self._drop(view, number)
        elif what == "frame":
            self._frames[view] = dict(content)
        else:
            self._profiles.append(dict(content))
        self._wake()

    def _fetch(self, view: str, content: Mapping[str, Any]) -> None:
        number, tiles = content.get("batch"), content.get("tiles")
        if not isinstance(number, int) or not isinstance(tiles, list):
            raise NgffError(f"batch is {number!r:.80}; a number and a list of tiles are expected")
        self._drop(view, number)
        batch = _Batch(view, number, tiles, time.monotonic() + _QUIET)
        if tiles:
            self._batches[view, number] = batch
        else:
            self._post(None, {"on": "tiles", **_name(batch), "done": True, "tiles": []})

    def _drop(self, view: str, number: int) -> None:
        waiting = self._batches.pop((view, number), None)
        for batch in (waiting, *(entry[0] for entry in self._outbox)):
            if batch is not None and (batch.view, batch.number) == (view, number):
                batch.dropped = True

    def close(self) -> None:
        """End all threads; what is under way is not sent any more."""
        with self._changed:
            self._closed = True
            for batch in self._batches.values():
                batch.dropped = True
            self._batches.clear()
            self._frames.clear()
            self._profiles.clear()
            self._outbox.clear()
            threads = [*self._threads, *([self._pacer] if self._pacer else [])]
            self._changed.notify_all()
        for thread in threads:
            # one that waits for a slow store ends by itself, and needs no waiting for
            if thread is not threading.current_thread():
                thread.join(1.0)

    # --- threads ---------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Let threads work, more of them when all are busy; holding the lock."""
        waiting = sum(len(b.tiles) - b.begun for b in self._batches.values())
        waiting += len(self._frames) + len(self._profiles)
        while waiting > self._idle and len(self._threads) < self._workers:
            thread = threading.Thread(target=self._work, name="ngffkit-tiles", daemon=True)
            self._threads.add(thread)
            self._idle += 1
            thread.start()
        if self._pacer is None and (self._batches or self._outbox):
            self._pacer = threading.Thread(target=self._pace, name="ngffkit-pace", daemon=True)
            self._pacer.start()
        self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                job = self._next()
                while job is None:
                    if self._closed or not self._changed.wait(_IDLE):
                        job = None if self._closed else self._next()
                        if job is None:
                            self._idle -= 1
                            self._threads.discard(threading.current_thread())
                            return
                        break
                    job = self._next()
                self._idle -= 1
            try:
                job()
            except Exception as err:  # noqa: BLE001 - the next job is another one's
                self.problems.append(_line(err))
            finally:
                with self._changed:
                    self._idle += 1
            self._deliver()

    def _next(self) -> Callable[[], None] | None:
        """Return what is to be done next; holding the lock."""
        for view in self._frames:
            if view not in self._drawing:
                self._drawing.add(view)
                message = self._frames.pop(view)
                return lambda: self._draw(view, message)
        if self._profiles:
            asked = self._profiles.popleft()
            return lambda: self._measure(asked)
        for batch in self._batches.values():
            if batch.begun < len(batch.tiles):
                i = batch.begun
                batch.begun += 1
                return lambda: self._make(batch, i)
        return None

    def _make(self, batch: _Batch, i: int) -> None:
        made: Encoded | str
        try:
            request = TileRequest.parse(batch.tiles[i], self.layers)
            made = encode(render(request, self.bricks, lambda: not batch.dropped))
        except Exception as err:  # noqa: BLE001 - it is this tile's error, shown in its place
            made = _line(err)
        with self._changed:
            if batch.dropped:
                return
            batch.finished += 1
            batch.ready.append((i, made))
            if isinstance(made, Encoded) and made.data is not None:
                batch.ready_bytes += len(made.data)
            done = batch.finished == len(batch.tiles)
            if done or batch.ready_bytes >= _FULL:
                self._flush(batch)
            elif len(batch.ready) == 1:
                batch.flush_at = time.monotonic() + _WAIT
                self._changed.notify_all()

    def _pace(self) -> None:
        """Send what has waited long enough, and say what is alive."""
        while True:
            with self._changed:
                now = time.monotonic()
                for batch in list(self._batches.values()):
                    if batch.flush_at <= now:
                        self._flush(batch)
                    if batch.alive_at <= now:
                        batch.alive_at = now + _AGAIN
                        self._post(batch, {"on": "alive", **_name(batch)})
                soon = min(
                    (min(b.flush_at, b.alive_at) for b in self._batches.values()),
                    default=now + _IDLE,
                )
                if not self._outbox:
                    known = bool(self._batches)
                    woken = self._closed or self._changed.wait(max(0.0, soon - now))
                    idle = not (woken or known or self._batches or self._outbox)
                    if self._closed or idle:
                        self._pacer = None
                        return
            self._deliver()

    # --- frames and profiles ---------------------------------------------------------------------

    def _draw(self, view: str, message: Json) -> None:
        answer: Json = {"on": "frame", "view": view, "frame": message.get("frame")}
        buffers: list[bytes] = []
        try:
            if self._frame is None:
                raise NgffError("this view draws no frames; it needs a browser with WebGL2")
            size = int(message["width"]), int(message["height"])
            buffers = [bytes(self._frame(message["state"], *size, float(message["dpr"])))]
        except Exception as err:  # noqa: BLE001 - shown in the page
            answer["error"] = _line(err)
        with self._changed:
            self._drawing.discard(view)
            self._post(None, answer, buffers)

    def _measure(self, message: Json) -> None:
        answer: Json = {"on": "profile", "view": message["view"], "profile": message.get("profile")}
        try:
            if self._profile is None:
                raise NgffError("this view makes no profiles")
            found = self._profile(message["points"], int(message["level"]))
            answer |= {key: found[key] for key in ("distance", "unit", "channels")}
        except Exception as err:  # noqa: BLE001 - shown in the page
            answer["error"] = _line(err)
        with self._changed:
            self._post(None, answer)

    # --- what goes out ---------------------------------------------------------------------------

    def _flush(self, batch: _Batch) -> None:
        """Make a message of what is ready; holding the lock."""
        done = batch.finished == len(batch.tiles)
        entries: list[Json] = []
        parts: list[bytes] = []
        offset = 0
        for i, made in batch.ready:
            if isinstance(made, str):
                entries.append({"i": i, "error": made})
                continue
            entry = {"i": i, **made.meta}
            if made.data is not None:
                entry["offset"] = offset
                parts += [made.data, bytes(-len(made.data) % 8)]
                offset += len(made.data) + len(parts[-1])
            entries.append(entry)
        batch.ready, batch.ready_bytes, batch.flush_at = [], 0, float("inf")
        batch.alive_at = time.monotonic() + _AGAIN
        if done:
            self._batches.pop((batch.view, batch.number), None)
        content = {"on": "tiles", **_name(batch), "done": done, "tiles": entries}
        self._post(batch, content, [b"".join(parts)] if parts else [])

    def _post(self, batch: _Batch | None, content: Json, buffers: Sequence[bytes] = ()) -> None:
        """Put a message where whoever is free sends it, in order; holding the lock."""
        self._outbox.append((batch, content, list(buffers)))

    def _deliver(self) -> None:
        while True:
            with self._sending:
                with self._changed:
                    if not self._outbox:
                        return
                    batch, content, buffers = self._outbox.popleft()
                if batch is not None and batch.dropped:
                    continue
                try:
                    self._send(content, buffers)
                except Exception as err:  # noqa: BLE001 - the page is gone, others may be there
                    self.problems.append(f"can't send: {_line(err)}")
                    continue
                self.counts.messages += 1
                self.counts.bytes += sum(map(len, buffers))
                self.counts.tiles += len(content.get("tiles", ()))


def _name(batch: _Batch) -> Json:
    return {"view": batch.view, "batch": batch.number}


def _line(err: Exception) -> str:
    """Return what went wrong in one line."""
    text = " ".join(str(err).split()) or type(err).__name__
    return text if len(text) <= 400 else text[:399] + "…"
