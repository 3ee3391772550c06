"""A stand-in for a WEBKNOSSOS server, on loopback, that speaks what its official client sends.

The requests were read off the client: version 4.3, API version 16, data store version 15. What is
uploaded lands in a folder; what is hosted comes from arrays. Every request is kept, and anything
that the client sends without the right token is refused.
"""

from __future__ import annotations

import email.policy
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

TOKEN = "secret-5f2c"
FOLDER = "570b9f4d2a7c0e3b008da6ff"


@dataclass
class Hosted:
    """A dataset of the server: its properties, and the pixels (c, x, y, z) of layers and mags."""

    name: str
    properties: dict[str, Any]
    pixels: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)


@dataclass
class Standin:
    """What the server knows, and what was asked of it."""

    root: Path
    url: str = ""
    hosted: dict[str, Hosted] = field(default_factory=dict)
    reserved: dict[str, dict[str, Any]] = field(default_factory=dict)
    received: dict[str, dict[str, int]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    full: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def seen(self, text: str) -> int:
        return sum(text in request for request in self.requests)

    def describe(self, ident: str) -> dict[str, Any]:
        dataset = self.hosted[ident]
        return {
            "id": ident,
            "name": dataset.name,
            "isPublic": False,
            "folderId": FOLDER,
            "allowedTeams": [],
            "tags": [],
            "directoryName": dataset.name,
            "owningOrganization": "lab",
            "dataStore": {"url": self.url, "name": "here", "allowsUpload": True},
            "dataSource": dataset.properties,
            "created": 0,
            "description": None,
        }


class Handler(BaseHTTPRequestHandler):
    """Answers as the server does, as far as the client looks."""

    protocol_version = "HTTP/1.1"
    standin: Standin

    def log_message(self, *args: Any) -> None:
        del args

    def do_GET(self) -> None:
        self.route("GET")

    def do_POST(self) -> None:
        self.route("POST")

    def reply(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def route(self, method: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        path = re.sub(r"^/(api|data)/v\d+", r"/\1", unquote(parts.path)).rstrip("/")
        self.standin.requests.append(f"{method} {path}")
        if path == "/api/buildinfo":
            versions = {"currentApiVersion": 16, "oldestSupportedApiVersion": 13}
            return self.reply({"httpApiVersioning": versions})
        if self.headers.get("X-Auth-Token") != TOKEN:
            return self.reply({"messages": [{"error": "You are not logged in."}]}, 401)
        if self.standin.wrong[path] > 0:
            self.standin.wrong[path] -= 1
            return self.reply(b"<html>bad gateway</html>", 502)
        for known, pattern, answer in ROUTES:
            match = re.fullmatch(pattern, path)
            if known == method and match:
                return answer(self, match, query, body)
        return self.reply({"messages": [{"error": f"no route {method} {path}"}]}, 404)

    # --- of the server --------------------------------------------------------------------------

    def user(self, *_: Any) -> None:
        names = {"firstName": "A", "lastName": "B", "email": "a@b.c", "organization": "lab"}
        flags = {"isActive": True, "isAdmin": False, "isDatasetManager": True}
        times = {"created": 0, "lastActivity": 0, "teams": [], "experiences": {}}
        self.reply({"id": "1", **names, **flags, **times})

    def datastores(self, *_: Any) -> None:
        self.reply([{"url": self.standin.url, "name": "here", "allowsUpload": True}])

    def folders(self, *_: Any) -> None:
        root = {"id": FOLDER, "name": "Datasets", "parent": None}
        self.reply([root, {"id": "6" * 24, "name": "mine", "parent": FOLDER}])

    def is_valid(self, match: re.Match[str], *_: Any) -> None:
        taken = any(dataset.name == match[1] for dataset in self.standin.hosted.values())
        self.reply({"isValid": not taken, "errors": ["name is taken"] if taken else None})

    def dataset(self, match: re.Match[str], *_: Any) -> None:
        if match[1] not in self.standin.hosted:
            return self.reply({"messages": [{"error": "Dataset not found"}]}, 404)
        return self.reply(self.standin.describe(match[1]))

    def listed(self, _: Any, query: dict[str, str], __: bytes) -> None:
        wanted = query.get("searchQuery", "")
        known = self.standin.hosted.items()
        self.reply([{"id": i, "name": d.name, "tags": []} for i, d in known if wanted in d.name])

    def by_name(self, match: re.Match[str], *_: Any) -> None:
        for ident, dataset in self.standin.hosted.items():
            if dataset.name == match[1]:
                names = {"name": dataset.name, "directoryName": dataset.name}
                return self.reply({"id": ident, "organization": "lab", **names})
        return self.reply({"messages": [{"error": "Dataset not found"}]}, 404)

    # --- of the data store ----------------------------------------------------------------------

    def reserve(self, _: Any, __: Any, body: bytes) -> None:
        asked = json.loads(body)
        self.standin.reserved[asked["resumableUploadInfo"]["uploadId"]] = asked
        self.reply({})

    def chunk(self, _: Any, __: Any, body: bytes) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
        fields: dict[str, bytes] = {}
        for part in message.iter_parts():
            name = part.get_param("name", header="content-disposition")
            fields[str(name)] = part.get_payload(decode=True)
        upload, _, path = fields["resumableIdentifier"].decode().partition("/")
        place = (self.standin.root / upload / path).resolve()
        if upload not in self.standin.reserved or self.standin.root not in place.parents:
            return self.reply({"messages": [{"error": "unknown upload"}]}, 400)
        called = self.standin.reserved[upload]["datasetName"]
        if called in self.standin.full and self.standin.received.get(upload):
            # the first file was taken; there is room when it is tried the next time
            self.standin.full.discard(called)
            return self.reply({"messages": [{"error": "the disk is full"}]}, 400)
        with self.standin.lock:
            place.parent.mkdir(parents=True, exist_ok=True)
            start = (int(fields["resumableChunkNumber"]) - 1) * int(fields["resumableChunkSize"])
            with place.open("r+b" if place.exists() else "w+b") as file:
                file.seek(start)
                file.write(fields["file"])
            self.standin.received.setdefault(upload, {})[path] = int(fields["resumableTotalSize"])
        return self.reply({})

    def finished(self, _: Any, query: dict[str, str], __: Any) -> None:
        upload = query["uploadId"]
        asked, got = self.standin.reserved[upload], self.standin.received.get(upload, {})
        info, folder = asked["resumableUploadInfo"], self.standin.root / upload
        sizes = {path: (folder / path).stat().st_size for path in got}
        if len(got) != info["totalFileCount"] or sizes != got:
            return self.reply({"messages": [{"error": "files are missing"}]}, 400)
        # a .zattrs or .zarray near the top makes the real one guess anew, and forget the properties
        if any(path.count("/") < 2 and path.rpartition("/")[2][:2] == ".z" for path in got):
            return self.reply({"messages": [{"error": "looks like a Zarr"}]}, 400)
        ident = f"{len(self.standin.hosted):024x}"
        properties = json.loads((folder / "datasource-properties.json").read_text())
        self.standin.hosted[ident] = Hosted(asked["datasetName"], properties)
        return self.reply({"datasetId": ident})

    def streamed(self, match: re.Match[str], *_: Any) -> None:
        if match[1] not in self.standin.hosted:
            return self.reply(b"", 404)
        properties = json.loads(json.dumps(self.standin.hosted[match[1]].properties))
        for layer in properties["dataLayers"]:
            layer["dataFormat"] = "zarr"
            for mag in layer["mags"]:
                mag["path"] = f"./{layer['name']}/{spelled(mag['mag'])}"
        return self.reply(properties)

    def array(self, match: re.Match[str], *_: Any) -> None:
        pixels = self.standin.hosted[match[1]].pixels.get((match[2], match[3]))
        if pixels is None:
            return self.reply(b"", 404)
        meta = {"zarr_format": 2, "shape": pixels.shape, "chunks": (pixels.shape[0], 32, 32, 32)}
        meta |= {"dtype": pixels.dtype.str, "compressor": None, "filters": None, "fill_value": 0}
        return self.reply({**meta, "order": "F", "dimension_separator": "."})

    def bucket(self, match: re.Match[str], *_: Any) -> None:
        pixels = self.standin.hosted[match[1]].pixels[(match[2], match[3])]
        out = np.zeros((pixels.shape[0], 32, 32, 32), pixels.dtype)
        part = pixels[:, *(slice(32 * int(n), 32 * int(n) + 32) for n in match[4].split(".")[1:])]
        out[:, *(slice(0, n) for n in part.shape[1:])] = part
        return self.reply(out.tobytes(order="F"))


UPLOAD = "/data/datasets/upload/dataset"
ROUTES = (
    ("GET", "/api/user", Handler.user),
    ("GET", "/api/datastores", Handler.datastores),
    ("GET", "/api/folders/tree", Handler.folders),
    ("GET", "/api/datasets", Handler.listed),
    ("GET", "/api/datasets/([^/]+)/isValidNewName", Handler.is_valid),
    ("GET", "/api/datasets/disambiguate/lab/([^/]+)/toId", Handler.by_name),
    ("GET", "/api/datasets/([^/]+)", Handler.dataset),
    ("POST", f"{UPLOAD}/reserveUpload", Handler.reserve),
    ("POST", UPLOAD, Handler.chunk),
    ("POST", f"{UPLOAD}/finishUpload", Handler.finished),
    ("GET", "/data/zarr/([^/]+)/datasource-properties.json", Handler.streamed),
    ("GET", r"/data/zarr/([^/]+)/([^/]+)/([\d-]+)/\.zarray", Handler.array),
    ("GET", r"/data/zarr/([^/]+)/([^/]+)/([\d-]+)/([\d.]+)", Handler.bucket),
)


@contextmanager
def running(root: Path) -> Iterator[Standin]:
    """Run a server that keeps uploads below `root`."""
    standin = Standin(root.resolve())
    handler = type("Bound", (Handler,), {"standin": standin})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    standin.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def spelled(mag: list[int]) -> str:
    return str(mag[0]) if len(set(mag)) == 1 else "-".join(map(str, mag))
