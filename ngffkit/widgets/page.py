"""A view as one HTML file that pans, zooms and slices by itself: no kernel, no network."""

from __future__ import annotations

import base64
import html
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ngffkit.errors import NgffError
from ngffkit.planning.options import about, nbytes_of
from ngffkit.widgets.bricks import Bricks
from ngffkit.widgets.files import bundle, written
from ngffkit.widgets.frames import BACKGROUNDS, Painter, png_of
from ngffkit.widgets.holding import phases
from ngffkit.widgets.layers import Layers
from ngffkit.widgets.panes import Json, key_of
from ngffkit.widgets.tiles import encode

#: Pixels of the picture for browsers that can't do better.
_PICTURE = (960, 480)

#: Tiles in a row that can't be added any more, after which no more are tried.
_PATIENCE = 3

_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="dark light">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'; img-src data: blob:">
<title>{title}</title>
<style>
:root {{ color-scheme: {scheme}; --paper: {light}; --ink: #222; }}
@media (prefers-color-scheme: dark) {{ :root.auto {{ --paper: {dark}; --ink: #ccc; }} }}
:root.dark {{ --paper: {dark}; --ink: #ccc; }}
body {{ margin: 0; padding: 12px; box-sizing: border-box; background: var(--paper); \
color: var(--ink); font: 14px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 16px; font-weight: 600; margin: 0 0 8px; overflow-wrap: anywhere; }}
#nk-picture {{ max-width: 100%; height: auto; display: block; }}
.nk-note {{ font-size: 12px; opacity: .8; margin: 8px 0 0; max-width: 90ch; }}
[hidden] {{ display: none !important; }}
</style>
</head>
<body>
<h1>{title}</h1>
<div id="nk-view" hidden></div>
<img id="nk-picture" alt="{alt}" width="{width}" height="{height}" \
src="data:image/png;base64,{png}">
<noscript><p class="nk-note">This page shows a picture only, because scripts are off in this \
browser. With them it is a viewer.</p></noscript>
"""

_TAIL = """
<p class="nk-note" id="nk-note">{note}</p>
<p class="nk-note" id="nk-why" role="status" hidden></p>
<script type="module">
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const say = (text) => {{
  const line = document.getElementById("nk-why");
  line.textContent = text;
  line.hidden = false;
}};
const start = async () => {{
  if (!document.createElement("canvas").getContext("webgl2")) throw new Error("it has no WebGL2");
  if (!globalThis.DecompressionStream) throw new Error("it can't inflate; a newer one can");
  const code = new Blob([read("nk-code")], {{ type: "text/javascript" }});
  const address = URL.createObjectURL(code);
  const {{ mountPage }} = await import(address);
  URL.revokeObjectURL(address);
  const place = document.getElementById("nk-view");
  place.hidden = false;
  await mountPage(place, read("nk-data"));
  document.getElementById("nk-picture").hidden = true;
}};
start().catch((error) => {{
  document.getElementById("nk-view").hidden = true;
  say(`This browser shows a picture only: ${{error.message}}`);
}});
</script>
</body>
</html>
"""


def write_page(
    layers: Layers,
    bricks: Bricks,
    state: Json,
    path: str | os.PathLike[str],
    *,
    max_bytes: str | int = "20 MB",
    title: str | None = None,
) -> Path:
    """Write a view as a page that needs neither kernel nor network.

    It holds what the view shows, from coarse to fine, then the other planes, first those nearest
    to what is shown, until `max_bytes` are reached; the page says what is in it.

    Parameters
    ----------
    layers, bricks : Layers, Bricks
        What there is, and what reads it.
    state : Mapping
        ``SharedState`` of the view.
    path : str or Path
        Where to write it. Written whole or not at all.
    max_bytes : str or int
        Size of the file, at most.
    title : str, optional
        Of the page; the image's name when left out.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    NgffError
        When not even the viewer fits into `max_bytes`, or nothing can be written there.
    """
    most = nbytes_of(max_bytes, "max_bytes")
    if Path(path).suffix.lower() not in (".html", ".htm"):
        raise NgffError(f"{os.fspath(path)!r}: pages end in .html; call it so")
    painter = Painter(layers, bricks)
    state = {**state, "tool": "pan"}
    name = title or painter.manifest["name"] or "ngffkit"
    head, code = (
        _head(painter, state, name),
        f'<script type="application/json" id="nk-code">{_text(bundle())}</script>\n',
    )
    manifest = _text(painter.manifest)
    begin = (
        f'<script type="application/json" id="nk-data">{{"manifest":{manifest},'
        f'"state":{_text(dict(state))},"tiles":['
    )
    fixed = sum(len(part.encode()) for part in (head, code, begin, _TAIL)) + 2000
    if fixed > most:
        raise NgffError(
            f"max_bytes={max_bytes!r}: the viewer and its picture alone take {about(fixed)}; allow "
            "some more"
        )
    packing = Packing(painter, most - fixed)
    with written(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(head)
        file.write(code)
        file.write(begin)
        for i, tile in enumerate(packing.tiles(state)):
            file.write(",\n" * (i > 0) + tile)
        note = packing.note()
        file.write(f'],"note":{_text(note)}}}</script>')
        file.write(_TAIL.format(note=html.escape(note)))
    return Path(path)


def _head(painter: Painter, state: Json, title: str) -> str:
    width, height = _PICTURE
    picture = painter.draw_marked(state, width, height, height / state["height"])
    theme = state["theme"]
    light, dark = (
        "#" + "".join(f"{round(255 * part):02x}" for part in BACKGROUNDS[name])
        for name in ("light", "dark")
    )
    head = _HEAD.format(
        title=html.escape(title),
        alt=html.escape(f"{title}: what the view shows", quote=True),
        scheme={"auto": "light dark"}.get(theme, theme),
        light=light,
        dark=dark,
        width=width,
        height=height,
        png=base64.b64encode(png_of(picture, 9)).decode(),
    )
    return head.replace('<html lang="en">', f'<html lang="en" class="{theme}">')


def _text(value: Any) -> str:
    """Return JSON that can stand in a script element: nothing in it ends one."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


class Packing:
    """Fills a budget with tiles.

    Parameters
    ----------
    painter : Painter
        What there is, and what reads it.
    left : int
        Bytes that may still be written.
    """

    def __init__(self, painter: Painter, left: int) -> None:
        self.painter, self.left = painter, left
        self.there: list[str] = []
        self.absent: list[str] = []
        self.failed = self._refused = 0
        self._seen: set[str] = set()

    def tiles(self, state: Json) -> Iterator[str]:
        """Yield tiles as JSON, each once, until the budget is full."""
        full = False
        for phase in phases(self.painter.manifest, state):
            before = self._refused
            found: Iterable[str] = self._packed(phase.requests, full=full)
            if phase.whole:
                found = self._together(phase.requests)
            count = 0
            for count, text in enumerate(found, 1):  # noqa: B007 - it is looked at below
                yield text
            short = self._refused > before
            full = full or (short and not phase.whole)
            if count:
                self.there.append(phase.what + (" (in part)" if short else ""))
            elif short:
                self.absent.append(phase.what)

    def _packed(self, requests: Iterator[Json], *, full: bool) -> Iterator[str]:
        """Yield tiles until some in a row don't fit any more."""
        row = 0
        for request in self._new(requests):
            text = None if full else self._tile(request)
            if full or (text is not None and not self._fits(text)):
                self._refused, row = self._refused + 1, row + 1
                if full or row == _PATIENCE:
                    return
            elif text is not None:
                row = 0
                yield text

    def _together(self, requests: Iterator[Json]) -> list[str]:
        """Return all of these tiles, or none when they don't all fit."""
        found, before = [], self.left
        for request in self._new(requests):
            text = self._tile(request)
            if text is None:
                continue
            if not self._fits(text):
                self._refused, self.left = self._refused + 1, before
                return []
            found.append(text)
        return found

    def _fits(self, text: str) -> bool:
        """Tell whether there is room for a tile, and take it."""
        # with what separates it from the next
        size = len(text.encode()) + 2
        if size > self.left:
            return False
        self.left -= size
        return True

    def _new(self, requests: Iterator[Json]) -> Iterator[Json]:
        for request in requests:
            key = key_of(request)
            if key not in self._seen:
                self._seen.add(key)
                yield request

    def _tile(self, request: Json) -> str | None:
        try:
            pixels = self.painter.read(request)
        except Exception:  # noqa: BLE001 - whatever the cause, the note counts it
            self.failed += 1
            return None
        encoded = encode(pixels)
        meta = {key: part for key, part in encoded.meta.items() if key != "bytes"}
        out: dict[str, Any] = {"request": request, **meta}
        if encoded.data is not None:
            packer = zlib.compressobj(9, zlib.DEFLATED, -15)
            packed = packer.compress(encoded.data) + packer.flush()
            out["data"] = base64.b64encode(packed).decode()
        return _text(out)

    def note(self) -> str:
        """Say what is in the page and what isn't."""
        text = f"A page without a kernel. It holds {'; '.join(self.there) or 'no pixels'}."
        if self.absent:
            text += f" It has no room for {'; '.join(self.absent)}."
        if self.failed:
            text += f" {self.failed} tiles could not be read."
        return text
