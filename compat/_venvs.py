"""What scripts of this folder share: interpreters, environments, the wheel, tables in docs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compatibility.md"

#: Minor versions of Python that are looked for; the first two are promised by pyproject.toml.
PYTHONS = ("3.12", "3.13", "3.14")


class CommandError(Exception):
    """A command failed; the message is the end of what it said."""


def clean_environment() -> dict[str, str]:
    """Return an environment that says nothing of this checkout or of the venv that runs this."""
    gone = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYENV_VERSION", "CI")
    kept = {k: v for k, v in os.environ.items() if k not in gone}
    return kept | {"PYTHONNOUSERSITE": "1", "MPLBACKEND": "agg", "UV_PYTHON_DOWNLOADS": "never"}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command; return what it printed.

    Raises
    ------
    CommandError
        If it fails.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError((done.stderr or done.stdout).strip()[-2000:])
    return done.stdout


def _answers(program: Path, minor: str) -> bool:
    # pyenv puts a `python3.12` on PATH that fails unless that version is chosen
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return run(program, "-c", code).strip() == minor
    except (CommandError, OSError):
        return False


def interpreter(minor: str) -> Path | None:
    """Return an interpreter of a minor version, from PATH or pyenv; None where there is none."""
    candidates = [Path(found)] if (found := shutil.which(f"python{minor}")) else []
    if shutil.which("pyenv"):
        versions = run("pyenv", "versions", "--bare").split()
        ours = [v for v in versions if re.fullmatch(re.escape(minor) + r"\.\d+", v)]
        newest = sorted(ours, key=lambda v: int(v.rsplit(".", 1)[1]), reverse=True)
        candidates += [Path(run("pyenv", "prefix", v).strip(), "bin", "python3") for v in newest]
    # the folder's name is no promise, what it says of itself is
    return next((path for path in candidates if _answers(path, minor)), None)


def python_in(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def tools(folder: Path, *packages: str) -> Path:
    """Make an environment with tools, unless it is there; return its folder of programs."""
    python = python_in(folder)
    if not (folder / "done").exists():
        venv.create(folder, clear=True, with_pip=True)
        pip = ("-m", "pip", "--disable-pip-version-check", "--quiet", "install")
        run(python, *pip, *packages)
        (folder / "done").touch()
    return python.parent


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this checkout into a folder, which is made; return it."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("ngffkit-*.whl"):
        old.unlink()
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (wheel,) = folder.glob("ngffkit-*.whl")
    return wheel


def keep(name: str, results: dict[str, Any]) -> None:
    """Write results beside the scripts, for the next reader and the next commit."""
    path = Path(__file__).parent / f"{name}.json"
    path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def kept(name: str) -> dict[str, Any]:
    """Return what was kept under a name; nothing where nothing was."""
    path = Path(__file__).parent / f"{name}.json"
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def between_markers(text: str, name: str, table: str) -> str:
    """Return a page with a table put between the two comments that bear its name.

    Raises
    ------
    ValueError
        If the page lacks one of them.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in text or end not in text:
        raise ValueError(f"the page has no {begin} ... {end}; put both where the table shall stand")
    head, rest = text.split(begin, 1)
    return f"{head}{begin}\n\n{table}\n\n{end}{rest.split(end, 1)[1]}"


def render(name: str, table: str) -> None:
    """Put a table into the page."""
    text = PAGE.read_text("utf-8")
    PAGE.write_text(between_markers(text, name, table), encoding="utf-8")


def table_of(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def machine() -> str:
    """Return what this ran on, without the machine's name."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text("utf-8").splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} × {models[0] if models else 'processor'}, {sys.platform}"
