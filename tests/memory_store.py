"""A store in memory that remembers what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Memory:
    """A store in memory."""

    files: Mapping[str, bytes]
    url: str = "memory"
    concurrency: int = 1
    asked: list[str] = field(default_factory=list)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes | None:
        self.asked.append(key)
        data = self.files.get(key)
        if data is None:
            return None
        begin = max(0, len(data) + start) if start < 0 else start
        return data[begin:] if length is None else data[begin : begin + length]

    def get_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.get(key, start, length) or b"" for start, length in ranges]

    def children(self, prefix: str = "") -> list[str]:
        head = f"{prefix.rstrip('/')}/" if prefix else ""
        return sorted({k[len(head) :].split("/")[0] for k in self.files if k.startswith(head)})

    def size(self, key: str) -> int | None:
        data = self.files.get(key)
        return None if data is None else len(data)
