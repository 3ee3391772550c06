"""What a page says to its kernel: Jupyter's kernel protocol over websockets, version 1."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Message:
    """One message of a page to its kernel.

    Parameters
    ----------
    channel : str
        "shell" or "control".
    kind : str
        Its type, "comm_msg" or "execute_request" among others.
    content : dict
        What it says, without binary buffers.
    """

    channel: str
    kind: str
    content: dict[str, Any]

    @property
    def custom(self) -> dict[str, Any]:
        """What a widget's page sent with `model.send`; empty for others."""
        data = self.content.get("data", {})
        return dict(data.get("content", {})) if data.get("method") == "custom" else {}

    @property
    def update(self) -> dict[str, Any]:
        """Traits that a widget's page changed; empty for others."""
        data = self.content.get("data", {})
        return dict(data.get("state", {})) if data.get("method") == "update" else {}


def decode(frame: bytes | str) -> Message:
    """Read a frame of a websocket.

    In binary ones a count and as many offsets come first, 64 bits each and little endian; then the
    name of the channel, header, parent header, metadata, content and buffers.

    Examples
    --------
    >>> decode('{"channel": "shell", "header": {"msg_type": "comm_msg"}, "content": {}}').kind
    'comm_msg'
    """
    if isinstance(frame, str):
        found = json.loads(frame)
        return Message(found["channel"], found["header"]["msg_type"], found["content"])
    count = int.from_bytes(frame[:8], "little")
    offsets = [int.from_bytes(frame[8 * i : 8 * i + 8], "little") for i in range(1, count + 1)]
    parts = [frame[a:b] for a, b in zip(offsets, [*offsets[1:], len(frame)], strict=True)]
    header, content = json.loads(parts[1]), json.loads(parts[4])
    return Message(parts[0].decode(), header["msg_type"], content)
