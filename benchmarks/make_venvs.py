"""Make an environment for each contender, since their requirements fight: ``make bench-peers``.

    python benchmarks/make_venvs.py [NAME ...]        into .bench/venvs; all without names

An environment is made anew once its ``contenders/NAME/requirements.txt`` says something else.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
VENVS = ROOT / ".bench" / "venvs"

#: What an environment was made from; it comes last, so one that has it is whole.
STAMP = "made-from"


def names() -> list[str]:
    """Return who has requirements."""
    return sorted(path.parent.name for path in (HERE / "contenders").glob("*/requirements.txt"))


def requirements(name: str) -> Path:
    """Return the file that says what a contender needs."""
    return HERE / "contenders" / name / "requirements.txt"


def python_in(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def wanted(name: str) -> str:
    """Return the digest of all that decides what is installed."""
    parts = [sys.version.encode(), requirements(name).read_bytes()]
    if b"-e " in parts[1]:  # what a checkout needs stands in its own file, beside other things
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        needs = [project["dependencies"], project["optional-dependencies"], project["scripts"]]
        parts.append(json.dumps(needs).encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_made(name: str) -> bool:
    """Whether an environment is there that was made from these requirements."""
    stamp = VENVS / name / STAMP
    return stamp.exists() and stamp.read_text() == wanted(name)


def make(name: str) -> None:
    """Install a contender; what fails is left half-made under another name."""
    part, digest = VENVS / f"{name}.part", wanted(name)
    venv.create(part, clear=True, with_pip=True)
    pip = [python_in(part), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    # from the root: "-e ." is relative to where pip runs
    subprocess.run([*pip, "-r", requirements(name)], cwd=ROOT, check=True)
    if b"-e " in requirements(name).read_bytes():
        # an installer compiles what it copies; a checkout may never have been
        compiled = [python_in(part), "-m", "compileall", "-q", ROOT / "ngffkit"]
        subprocess.run(compiled, check=True)
    (part / STAMP).write_text(digest)
    # whoever measures meanwhile misses it for no longer than two renames take
    old = VENVS / f"{name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if (VENVS / name).exists():
        (VENVS / name).rename(old)
    part.rename(VENVS / name)
    shutil.rmtree(old, ignore_errors=True)


def main() -> int:
    """Make those that are not there; one that fails does not keep others from being made."""
    asked = sys.argv[1:] or names()
    if unknown := sorted({*asked} - {*names()}):
        sys.exit(f"nobody is called {unknown[0]!r}; there are {', '.join(names())}")
    VENVS.mkdir(parents=True, exist_ok=True)
    (VENVS.parent / ".gitignore").write_text("*\n")
    failed = []
    for name in asked:
        if is_made(name):
            continue
        print(f"installing {name}", flush=True)
        try:
            make(name)
        except subprocess.CalledProcessError:
            failed.append(name)
    if failed:
        print(f"not installed: {', '.join(failed)}; the others can be measured", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
