"""Import tensorstore."""

from __future__ import annotations

from _importing import tell_import

if __name__ == "__main__":
    tell_import("tensorstore", "tensorstore")
