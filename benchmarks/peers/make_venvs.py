"""Make an environment for each peer, since their requirements fight: ``make bench-peers``.

python benchmarks/peers/make_venvs.py [FOLDER]       default: .bench/venvs

An environment that is there is left as it is; remove its folder to have it made anew.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
VENVS = HERE.parents[1] / ".bench" / "venvs"


def peers() -> list[str]:
    """Return the names of the peers."""
    return sorted(path.stem for path in HERE.glob("*.txt"))


def python_of(folder: Path, peer: str) -> Path:
    """Return the interpreter that has a peer."""
    return folder / peer / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def make(folder: Path, peer: str) -> None:
    """Install a peer; what fails is left half-made under another name."""
    part = folder / f"{peer}.part"
    venv.create(part, clear=True, with_pip=True)
    pip = [python_of(folder, part.name), "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", "-r", HERE / f"{peer}.txt"], check=True)
    part.rename(folder / peer)


def main() -> None:
    """Make those that are not there."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else VENVS
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / ".gitignore").write_text("*\n")
    for peer in peers():
        if not python_of(folder, peer).exists():
            print(f"installing {peer}", flush=True)
            make(folder, peer)


if __name__ == "__main__":
    main()
