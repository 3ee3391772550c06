"""Test the wheel in clean environments: each Python found, by newest and by lowest dependencies.

    python compat/check.py                                        # core tests, the page made anew
    python compat/check.py --python 3.13 --resolution lowest --all
    python compat/check.py --resolution pre --no-page             # pre-releases; kept nowhere

"lowest" means each direct dependency at the bound that pyproject.toml gives, those of extras too;
what they need in turn, and the tools that run the tests, are the newest that go with them. Nothing
of the checkout's `ngffkit/` is where the tests run, so that only the wheel can be what they import.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from _venvs import (
    PYTHONS,
    ROOT,
    CommandError,
    build_wheel,
    clean_environment,
    interpreter,
    keep,
    kept,
    machine,
    python_in,
    render,
    run,
    table_of,
    tools,
)

RESOLUTIONS = ("newest", "lowest", "pre")

#: Opening, writing, converting, editing, checking, the command line, coordinates, stores, formats.
CORE = (
    "accessor check cli_convert coordinates cutting editing formats_tiff formats_zarr import "
    "roundtrip stores writing"
).split()

#: Versions of these stand in the table; all are in check.json.
SHOWN = ("zarr", "numpy", "xarray", "tifffile")

#: These look at the checkout's own sources, which are not there.
OF_SOURCES = ("architecture", "browse_bundle", "wheel")

#: Extras that have no place here: tools, whole applications, and what pins older packages.
NOT_RESOLVED = ("app", "dev", "docs", "lab", "test", "webknossos")

#: An old package calls what its newer neighbours will drop one day; that is no fault of ours, and
#: no other kind of warning is forgiven.
FORGIVEN = ("-W", "ignore::DeprecationWarning", "-W", "ignore::PendingDeprecationWarning")


def project() -> dict[str, Any]:
    """Return the table `project` of pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    return dict(tomllib.loads(text)["project"])


def name_of(requirement: str) -> str:
    """Return the name of a requirement as indexes spell it."""
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def direct() -> set[str]:
    """Return names of the direct dependencies, with those of the extras that are resolved."""
    about = project()
    groups = about["optional-dependencies"].items()
    wanted = [one for extra, ones in groups if extra not in NOT_RESOLVED for one in ones]
    wanted += about["dependencies"]
    return {name_of(one) for one in wanted} - {about["name"]}


def lowest(uv: Path, python: Path) -> list[str]:
    """Return direct dependencies, pinned to the lowest versions that go together."""
    extras = [e for e in project()["optional-dependencies"] if e not in NOT_RESOLVED]
    asked = [word for extra in extras for word in ("--extra", extra)]
    how = ("--quiet", "--no-annotate", "--no-header", "--resolution", "lowest-direct")
    said = run(uv, "pip", "compile", *how, "--python", python, *asked, ROOT / "pyproject.toml")
    return [line for line in said.split() if "==" in line and name_of(line) in direct()]


def copy_tests(folder: Path) -> None:
    """Copy what tests look at, everything but the package itself."""
    said = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in said.splitlines():
        if not name.startswith("ngffkit/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def counts(report: Path) -> dict[str, Any]:
    """Return what pytest's report in JUnit's format counts, and which tests failed."""
    out: dict[str, Any] = {"passed": 0, "failed": 0, "skipped": 0, "failures": []}
    # written by the pytest that was just run
    for case in ET.parse(report).iter("testcase"):  # noqa: S314
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            out["failed"] += 1
            out["failures"].append(f"{case.get('classname')}::{case.get('name')}")
        else:
            out["skipped" if "skipped" in kinds else "passed"] += 1
    return out


@dataclass(frozen=True)
class Setting:
    """What all rows of a table share.

    Parameters
    ----------
    uv, wheel : Path
        The installer, and what it installs.
    work : Path
        Folder for environments, one at a time.
    modules : sequence of str
        Which test modules run; none means the whole suite.
    """

    uv: Path
    wheel: Path
    work: Path
    modules: Sequence[str]


def install(setting: Setting, python: Path, resolution: str, env: Path) -> dict[str, str]:
    """Install the wheel and what tests need; return versions of the direct dependencies."""
    uv = setting.uv
    run(uv, "venv", "--quiet", "--python", python, env)
    ours = python_in(env)
    wanted: list[str | Path] = [f"{setting.wheel}[test,s3]"]
    if resolution == "lowest":
        pins = env.parent / "lowest.txt"
        pins.write_text("\n".join(lowest(uv, python)) + "\n", encoding="utf-8")
        wanted += ["--constraint", pins]
    elif resolution == "pre":
        wanted += ["--prerelease", "allow"]
    # a bound below which an interpreter has no wheel is no bound that people can use
    wheels = [f"--only-binary={name}" for name in sorted(direct())]
    run(uv, "pip", "install", "--quiet", "--python", ours, *wheels, *wanted)
    run(uv, "pip", "check", "--python", ours)
    place = run(ours, "-c", "import ngffkit; print(ngffkit.__file__)", cwd=env.parent).strip()
    assert Path(place).is_relative_to(env), f"tests would import {place}, not the wheel"
    listed = json.loads(run(uv, "pip", "list", "--python", ours, "--format", "json"))
    return {one["name"]: one["version"] for one in listed if name_of(one["name"]) in direct()}


def run_tests(setting: Setting, env: Path, tree: Path, resolution: str) -> dict[str, Any]:
    """Run pytest in an environment; return counts and seconds."""
    report = env.parent / "report.xml"
    words = [env / "bin" / "pytest", "-p", "no:cacheprovider", "--tb=short", f"--junitxml={report}"]
    words += ["-o", "faulthandler_timeout=600"]
    words += FORGIVEN if resolution != "newest" else ()
    if not setting.modules:
        words += [f"--ignore=tests/test_{name}.py" for name in OF_SOURCES]
    else:
        words += [f"tests/test_{name}.py" for name in setting.modules]
    begin = time.monotonic()
    corpus = os.environ.get("NGFFKIT_CORPUS", str(ROOT / ".." / "shared" / "corpus"))
    environment = clean_environment() | {
        "NGFFKIT_CORPUS": str(tree / "none") if setting.modules else corpus
    }
    with (env.parent / "said.txt").open("w", encoding="utf-8") as said:
        try:
            done = subprocess.run(
                [str(word) for word in words],
                cwd=tree,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=3 * 3600 if not setting.modules else 3600,
                check=False,
            )
        except subprocess.TimeoutExpired as err:
            end = (env.parent / "said.txt").read_text("utf-8")[-20_000:]
            sys.stderr.write(end)  # with the stacks of the test that hangs
            raise CommandError(f"tests hang: not done after {err.timeout:.0f} s") from None
    if not report.exists():
        raise CommandError((env.parent / "said.txt").read_text("utf-8")[-2000:])
    found = counts(report) | {"seconds": round(time.monotonic() - begin)}
    if done.returncode and not found["failed"]:
        raise CommandError((env.parent / "said.txt").read_text("utf-8")[-2000:])
    if found["failed"]:
        sys.stderr.write((env.parent / "said.txt").read_text("utf-8")[-20_000:])
    return found


def one_row(setting: Setting, minor: str, resolution: str) -> dict[str, Any]:
    """Test one interpreter with one resolution, in a folder that is removed afterwards."""
    row: dict[str, Any] = {"python": minor, "resolution": resolution}
    python = interpreter(minor)
    if python is None:
        return row | {"wrong": "not found", **reachable(setting.uv, minor)}
    row["python"] = run(python, "-c", "import platform; print(platform.python_version())").strip()
    place = Path(tempfile.mkdtemp(dir=setting.work))
    try:
        (tree := place / "tree").mkdir()
        copy_tests(tree)
        row["versions"] = install(setting, python, resolution, place / "env")
        return row | run_tests(setting, place / "env", tree, resolution)
    except CommandError as err:
        return row | {"wrong": str(err)}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def reachable(uv: Path, minor: str) -> dict[str, bool]:
    """Return whether, of an interpreter that is not here, wheels of all base dependencies exist."""
    how = ("--quiet", "--python-version", minor, "--only-binary", ":all:")
    try:
        run(uv, "pip", "compile", *how, ROOT / "pyproject.toml")
    except CommandError:
        return {"wheels": False}
    return {"wheels": True}


def merged(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows of both, new ones instead of old ones; old ones of another scope are dropped."""

    def which(row: dict[str, Any]) -> tuple[str, str]:
        return ".".join(row["python"].split(".")[:2]), row["resolution"]

    same = all(old.get(key) == new[key] for key in ("scope", "machine"))
    rows = {which(row): row for row in [*(old["rows"] if same else ()), *new["rows"]]}
    return [rows[key] for key in sorted(rows, key=lambda key: (key[0], RESOLUTIONS.index(key[1])))]


def table(results: dict[str, Any]) -> str:
    """Return the table of the page, and a line on what it is."""
    heads = ["Python", "dependencies", *SHOWN, "passed", "failed", "skipped", "s"]
    rows = []
    for row in results["rows"]:
        begin = [row["python"], row["resolution"]]
        if "wrong" in row:
            reason = row["wrong"].splitlines()[-1] if row["wrong"] else "no reason given"
            if "wheels" in row:
                reason += "; all it needs has wheels" if row["wheels"] else "; wheels are missing"
            rows.append([*begin, *["–"] * 4, f"not run: {reason}", *["–"] * 3])
            continue
        versions = [
            row["versions"].get(name, "–") for name in ("zarr", "numpy", "xarray", "tifffile")
        ]
        kinds = [row[kind] for kind in ("passed", "failed", "skipped", "seconds")]
        rows.append([*begin, *versions, *kinds])
    core, whole = " ".join(CORE), "all"
    scope = {core: "Core tests", whole: "The whole suite"}.get(results["scope"])
    scope = scope or f"Of the core tests: {results['scope']}"
    return f"{scope}, on {results['machine']}:\n\n{table_of(heads, rows)}"


@contextlib.contextmanager
def workplace(asked: Path | None) -> Iterator[Path]:
    """Yield a folder for environments and uv's cache, outside of the checkout; it is removed."""
    if asked is not None:
        asked.mkdir(parents=True, exist_ok=True)
        yield asked.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="ngffkit-compat-") as folder:
        yield Path(folder)


def main() -> int:
    """Test all that was asked for; 1 if anything failed, or nothing could be tested."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--python", nargs="*", default=PYTHONS, help=f"of {', '.join(PYTHONS)}")
    parser.add_argument("--resolution", nargs="*", default=RESOLUTIONS[:2], choices=RESOLUTIONS)
    parser.add_argument("--all", action="store_true", help="the whole suite; else core tests")
    parser.add_argument(
        "--only", nargs="+", metavar="MODULE", help="these test modules, e.g. stores"
    )
    parser.add_argument("--no-page", action="store_true", help="keep no results")
    parser.add_argument("--work", type=Path, help="folder to work in, which is kept")
    args = parser.parse_args()
    modules = () if args.all else args.only or CORE
    rows = []
    with workplace(args.work) as work:
        os.environ.setdefault("UV_CACHE_DIR", str(work / "cache"))
        uv = Path(shutil.which("uv") or tools(work / "tools", "uv") / "uv")
        setting = Setting(uv, build_wheel(work / "dist"), work, modules)
        for minor in args.python:
            for resolution in args.resolution:
                row = one_row(setting, minor, resolution)
                rows.append(row)
                said = {k: v for k, v in row.items() if k != "versions"}
                print(json.dumps(said), flush=True)
                if interpreter(minor) is None:
                    break
    scope = "all" if args.all else " ".join(modules)
    results = {"scope": scope, "machine": machine(), "rows": rows}
    print(table(results))
    if not args.no_page:
        results["rows"] = merged(kept("check"), results)
        keep("check", results)
        render("check", table(results))
    ran = [row for row in rows if "failed" in row]
    wrong = [
        row for row in rows if row.get("failed") or row.get("wrong", "not found") != "not found"
    ]
    return 1 if wrong or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
