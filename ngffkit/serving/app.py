"""Content as an ASGI app: GET, HEAD and OPTIONS below a token, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ngffkit.errors import ChunkError, NgffError, StoreError
from ngffkit.serving.content import Content, Head
from ngffkit.serving.guard import Rules
from ngffkit.serving.ranges import matches, range_of
from ngffkit.serving.workers import Workers
from ngffkit.stores.versions import ChangedError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

#: Large objects are sent in pieces: so much of one is in memory at a time.
PIECE = 2**21

#: Threads that read, compute and encode chunks; and those for documents, which don't wait for them.
THREADS, _QUICK = 16, 4

#: How often an object is looked up that is replaced while it is read.
_ATTEMPTS = 4

_METHODS = "GET, HEAD, OPTIONS"
_ALWAYS = {
    "Vary": "Origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "private, no-cache",
}
_EXPOSED = "Accept-Ranges, Content-Length, Content-Range, ETag"
_TEXT = "text/plain; charset=utf-8"

log = logging.getLogger("ngffkit.serving")


class App:
    """Answers requests for one content.

    Parameters
    ----------
    content : Content
        What is served. It is called from many threads, and closed with the app.
    rules : Rules
        Who may ask, and below which path.
    """

    def __init__(self, content: Content, rules: Rules) -> None:
        self.content, self.rules = content, rules
        self._chunks = Workers(THREADS, "ngffkit-serve-chunks")
        self._documents = Workers(_QUICK, "ngffkit-serve-documents")

    def close(self) -> None:
        """Let go of threads and content; what is running comes to its end."""
        self._chunks.close()
        self._documents.close()
        self.content.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        from starlette.requests import Request

        request = Request(scope)
        try:
            answer = await _unless_gone(self._answer(request), receive)
        except asyncio.CancelledError:
            # else uvicorn would log a traceback for every answer that a close cuts off
            answer = _plain(503, "this server is closing\n")
        except Exception as err:  # noqa: BLE001 - whatever happens, no traceback leaves here
            answer = self._failed(err)
        if answer is None:
            return
        answer.headers.update(self._headers(request.headers.get("origin")))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response | Pieces:
        status = self.rules.host_status(request.headers.getlist("host"))
        if status:
            return _plain(status, "this server has another name\n")
        if request.method not in _METHODS.split(", "):
            return _plain(405, "only GET, HEAD and OPTIONS are answered\n", {"Allow": _METHODS})
        raw = request.scope.get("raw_path") or request.url.path.encode()
        key = self.rules.key_of(raw)
        if key is None or not self.content.knows(key):
            return _plain(404, "not found\n")
        if request.method == "OPTIONS":
            return self._preflight(request)
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(ChangedError):
                return await self._now(request, key)
        return await self._now(request, key)

    async def _now(self, request: Request, key: str) -> Response | Pieces:
        head = await self._call(self.content.head, key)
        if head is None:
            return _plain(404, "not found\n")
        return await self._object(request, key, head)

    async def _object(self, request: Request, key: str, head: Head) -> Response | Pieces:
        given, tag = request.headers, {"ETag": head.etag, "Accept-Ranges": "bytes"}
        wanted = given.get("if-match")
        if wanted is not None and not matches(wanted, head.etag, weak=False):
            return _plain(412, "it has changed\n", tag)
        known = given.get("if-none-match")
        if known is not None and matches(known, head.etag, weak=True):
            return _empty(304, tag)
        kind = {"Content-Type": head.media_type}
        if request.method == "HEAD":
            return _empty(200, tag | kind | {"Content-Length": str(head.size)})
        # dates are no condition, since nothing here has one
        fits = given.get("if-range", head.etag) == head.etag
        span = range_of(given.get("range"), head.size) if fits else None
        if span == (0, 0):
            return _plain(416, "out of range\n", tag | {"Content-Range": f"bytes */{head.size}"})
        start, stop = span or (0, head.size)
        if span is not None:
            tag["Content-Range"] = f"bytes {start}-{stop - 1}/{head.size}"
        # read before anything is sent: what can't be had gets a status of its own
        first = await self._piece(key, head, start, min(stop, start + PIECE))
        headers = tag | kind | {"Content-Length": str(stop - start)}
        rest = (start + len(first), stop)
        status = 200 if span is None else 206
        if rest[0] == stop:
            return _whole(status, headers, first)
        return Pieces(status, headers, first, self._rest(key, head, rest))

    def _rest(self, key: str, head: Head, span: tuple[int, int]) -> Callable[[], Any]:
        async def pieces() -> Any:
            for start in range(*span, PIECE):
                yield await self._piece(key, head, start, min(span[1], start + PIECE))
            # pieces of two versions are no object
            if span[0] < span[1] and await self._call(self.content.head, key) != head:
                raise StoreError(key, "what is served", "it changed while it was sent")

        return pieces

    async def _piece(self, key: str, head: Head, start: int, stop: int) -> Any:
        if start >= stop:
            return b""
        data = await self._call(partial(self._read, head), key, start, stop)
        if len(data) != stop - start:
            cause = f"{len(data)} bytes of {start} to {stop} came, of {head.size} in all"
            raise StoreError(key, "what is served", cause)
        return data

    def _read(self, head: Head, key: str, start: int, stop: int) -> Any:
        data = self.content.read(key, start, stop)
        # bytes of a file that was replaced in between would go out by the tag of the one before
        if getattr(self.content, "may_change", False) and self.content.head(key) != head:
            raise ChangedError(key, "what is served", "it changed while it was read")
        return data

    async def _call(self, function: Callable[..., Any], key: str, *span: int) -> Any:
        # keys of chunks end in a digit
        lane = self._chunks if key[-1:].isdigit() else self._documents
        return await lane.run(function, key, *span)

    def _failed(self, err: Exception) -> Response:
        # the address and what the store said are for whoever runs the server
        log.warning("%s: %s", type(err).__name__, err)
        if isinstance(err, ChunkError):
            return _plain(502, "what is stored here is damaged\n")
        if isinstance(err, StoreError):
            denied = "its store refuses access" if err.denied else "its store does not give it"
            return _plain(502, f"{denied}\n")
        if isinstance(err, NgffError):
            return _plain(500, "it can't be made\n")
        return _plain(500, "it can't be made, for a reason that is not understood\n")

    def _preflight(self, request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and not self.rules.allows(origin):
            return _plain(403, "pages of this origin may not read this\n")
        headers = {"Allow": _METHODS}
        if origin is not None and "access-control-request-method" in request.headers:
            asked = request.headers.get("access-control-request-headers", "")
            names = [name.strip().lower() for name in asked.split(",")]
            kept = [name for name in names if name in _MAY_SEND]
            headers["Access-Control-Allow-Methods"] = _METHODS
            headers["Access-Control-Allow-Headers"] = ", ".join(kept or ["range"])
            headers["Access-Control-Max-Age"] = "600"
            if request.headers.get("access-control-request-private-network") == "true":
                headers["Access-Control-Allow-Private-Network"] = "true"
        return _empty(204, headers)

    def _headers(self, origin: str | None) -> dict[str, str]:
        if origin is None or not self.rules.allows(origin):
            return _ALWAYS
        return _ALWAYS | {
            "Access-Control-Allow-Origin": "*" if "*" in self.rules.origins else origin,
            "Access-Control-Expose-Headers": _EXPOSED,
        }


#: Headers that a page may send along.
_MAY_SEND = (
    *("accept", "cache-control", "content-type", "if-match", "if-none-match", "if-range"),
    *("pragma", "range"),
)


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(text, status, dict(headers or {}) | {"Content-Type": _TEXT})


def _empty(status: int, headers: Mapping[str, str]) -> Response:
    from starlette.responses import Response

    return Response(None, status, dict(headers))


def _whole(status: int, headers: Mapping[str, str], data: Any) -> Response:
    from starlette.responses import Response

    return Response(bytes(data), status, dict(headers))


class Pieces:
    """An answer of a piece that is there and others that are still to come.

    Parameters
    ----------
    status : int
        200 or 206.
    headers : Mapping of str to str
        Its headers; more may be added.
    first : bytes-like
        The first piece.
    rest : callable
        Returns an asynchronous iterator over the others.
    """

    def __init__(
        self, status: int, headers: Mapping[str, str], first: Any, rest: Callable[[], Any]
    ) -> None:
        from starlette.datastructures import MutableHeaders

        self.status, self.headers = status, MutableHeaders(headers)
        self.first, self.rest = first, rest

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send it; what fails on the way leaves it without its end."""
        head = {"type": "http.response.start", "status": self.status, "headers": self.headers.raw}
        await send(head)
        piece = self.first
        gone = asyncio.ensure_future(_left(receive))
        try:
            async for following in self.rest():
                await send(_part(piece, more=True))
                piece = following
                if gone.done():
                    return
        except (Exception, asyncio.CancelledError) as err:  # noqa: BLE001 - too late for a status
            # without its last piece the connection is closed: nobody takes it for whole
            log.warning("%s: %s", type(err).__name__, err)
            return
        finally:
            gone.cancel()
        await send(_part(piece, more=False))


async def _unless_gone[T](answer: Coroutine[Any, Any, T], receive: Receive) -> T | None:
    """Return an answer; None when nobody waits for it, as when a viewer has moved on."""
    made, gone = asyncio.ensure_future(answer), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait((made, gone), return_when=asyncio.FIRST_COMPLETED)
        return made.result() if made.done() else None
    finally:
        made.cancel()
        gone.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _part(data: Any, *, more: bool) -> dict[str, Any]:
    return {"type": "http.response.body", "body": bytes(data), "more_body": more}
