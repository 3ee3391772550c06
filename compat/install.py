"""Measure installing: seconds, megabytes and packages, of the wheel and of other people's.

    python compat/install.py                       # 3 rounds, the page made anew
    python compat/install.py --rounds 5 --only ngffkit zarr

Wheels are fetched first, into a folder for each package. What is timed is pip's work from there: it
resolves, unpacks and compiles into an empty environment, without a network. Packages take turns,
round by round; a ratio is the median of those of one round.
"""

from __future__ import annotations

import argparse
import importlib.metadata as md
import json
import platform
import shutil
import statistics
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _venvs import CommandError, build_wheel, keep, machine, python_in, render, run, table_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: As PyPI calls them.
PEERS = (
    "zarr ome-zarr ngff-zarr bioio-ome-zarr xarray-ome-ngff ngio webknossos neuroglancer ndv"
).split()

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")


def fetch(name: str, folder: Path, wheel: Path) -> str:
    """Fetch wheels of a package and all it needs; return what is wrong, or nothing.

    What has no wheel is built once, here, so that no time of a compiler counts.
    """
    wanted = wheel if name == "ngffkit" else name
    try:
        run(*PIP, "wheel", "--wheel-dir", folder, wanted)
    except CommandError as err:
        return str(err).splitlines()[-1]
    return ""


def site_of(env: Path) -> Path:
    """Return where an environment's packages are."""
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    return Path(run(python_in(env), "-c", code).strip())


def install_once(name: str, wheels: Path, env: Path) -> float:
    """Install into a new, empty environment; return the seconds that pip took."""
    venv.create(env, clear=True, with_pip=False)
    begin = time.monotonic()
    links = ("--no-index", "--find-links", wheels)
    run(*PIP, "--python", python_in(env), "install", *links, name)
    return time.monotonic() - begin


# --- sizes ----------------------------------------------------------------------------------------


def size_of(dist: md.Distribution) -> int:
    """Return how many bytes a distribution has on disk, compiled code with it."""
    return sum(Path(str(f.locate())).stat().st_size for f in dist.files or () if _there(f))


def _there(file: md.PackagePath) -> bool:
    return Path(str(file.locate())).is_file()


def needs(dist: md.Distribution) -> Iterator[str]:
    """Yield names of what a distribution needs on this machine, extras left out."""
    for line in dist.requires or ():
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield canonicalize_name(wanted.name)


def reached(graph: dict[str, set[str]], start: str, without: str = "") -> set[str]:
    """Return what is reached from a package, if it did not ask for another one itself."""
    found: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name not in found and name in graph:
            found.add(name)
            todo += graph[name] - ({without} if name == start else set())
    return found


def shares(site: Path, start: str) -> dict[str, float]:
    """Return MB that would be spared without each direct dependency, and what only it needs."""
    dists = {
        str(canonicalize_name(d.metadata["Name"])): d for d in md.distributions(path=[str(site)])
    }
    graph = {name: set(needs(dist)) for name, dist in dists.items()}
    sizes = {name: size_of(dist) for name, dist in dists.items()}
    everything = reached(graph, start)
    spared = {one: everything - reached(graph, start, one) for one in graph[start]}
    return {
        one: round(sum(map(sizes.__getitem__, names)) / 1e6, 1) for one, names in spared.items()
    }


def measure_site(name: str, env: Path) -> dict[str, Any]:
    """Return version, MB and number of packages of an environment."""
    site = site_of(env)
    dists = list(md.distributions(path=[str(site)]))
    version = next(d.version for d in dists if canonicalize_name(d.metadata["Name"]) == name)
    size = sum(f.stat().st_size for f in site.rglob("*") if f.is_file() and not f.is_symlink())
    return {"version": version, "megabytes": round(size / 1e6, 1), "packages": len(dists)}


# --- all of it ------------------------------------------------------------------------------------


def measure(names: list[str], rounds: int, work: Path) -> list[dict[str, Any]]:
    """Fetch, then let all take turns; return a row for each."""
    wheel = build_wheel(work / "dist")
    rows: dict[str, dict[str, Any]] = {}
    for name in names:
        wrong = fetch(name, work / "wheels" / name, wheel)
        rows[name] = {"name": name, "seconds": []} | ({"wrong": wrong} if wrong else {})
        print(f"fetched {name}: {wrong or 'all of it'}", file=sys.stderr, flush=True)
    for i in range(rounds):
        for name in names[i % len(names) :] + names[: i % len(names)]:
            row, env = rows[name], work / "env"
            if "wrong" in row:
                continue
            row["seconds"].append(round(install_once(name, work / "wheels" / name, env), 2))
            print(f"{name} {i + 1}/{rounds}: {row['seconds'][-1]} s", file=sys.stderr, flush=True)
            if i == 0:
                row |= measure_site(name, env)
                if name == "ngffkit":
                    row["spared"] = shares(site_of(env), name)
            shutil.rmtree(env)
    return list(rows.values())


def ratio(ours: dict[str, Any], other: dict[str, Any]) -> float:
    """Return how many times as long ours takes, the median over rounds."""
    pairs = zip(ours["seconds"], other["seconds"], strict=True)
    return float(statistics.median(a / b for a, b in pairs))


def table(results: dict[str, Any]) -> str:
    """Return the table: ratios first, in the order of size."""
    ours = next(row for row in results["rows"] if row["name"] == "ngffkit")
    heads = "package|ngffkit takes × the time|× the MB|s|MB|packages|version".split("|")
    rows: list[list[object]] = []
    good = [row for row in results["rows"] if "wrong" not in row]
    for row in sorted(good, key=lambda one: one["megabytes"]):
        ratios = ["", ""]
        if row is not ours:
            times, size = ratio(ours, row), ours["megabytes"] / row["megabytes"]
            ratios = [f"{times:.2f}", f"{size:.2f}"]
        seconds = f"{statistics.median(row['seconds']):.1f}"
        name = "**ngffkit**" if row is ours else row["name"]
        version = row["version"]
        rows.append([name, *ratios, seconds, f"{row['megabytes']:.0f}", row["packages"], version])
    bad = [row for row in results["rows"] if "wrong" in row]
    rows += [[row["name"], "–", "–", "–", "–", "–", f"failed: {row['wrong']}"] for row in bad]
    lighter = [row["name"] for row in good if row["megabytes"] < ours["megabytes"]]
    quicker = [row["name"] for row in good if row is not ours and ratio(ours, row) > 1]
    said = f"Python {results['python']}, {results['rounds']} rounds, on {results['machine']}."
    said += f" Lighter than ngffkit: {', '.join(lighter) or 'nobody'}."
    said += f" Quicker: {', '.join(quicker) or 'nobody'}."
    return f"{said}\n\n{table_of(heads, rows)}"


def share_table(results: dict[str, Any]) -> str:
    """Return what each direct dependency of ours costs."""
    ours = next(row for row in results["rows"] if row["name"] == "ngffkit")
    largest = sorted(ours["spared"].items(), key=lambda item: -item[1])
    shown = [(name, f"{size:.1f}") for name, size in largest if size >= 1]
    return table_of(["without", "MB less"], shown)


def main() -> int:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=["ngffkit", *PEERS])
    parser.add_argument("--no-page", action="store_true", help="keep no results")
    args = parser.parse_args()
    if "ngffkit" not in args.only:
        parser.error("the others are compared with ngffkit; name it, too")
    with tempfile.TemporaryDirectory(prefix="ngffkit-install-") as folder:
        rows = measure(args.only, args.rounds, Path(folder))
    about = {"python": platform.python_version(), "machine": machine(), "rounds": args.rounds}
    results = about | {"rows": rows}
    print(json.dumps(rows))
    print(table(results))
    if not args.no_page:
        keep("install", results)
        render("install", table(results))
        render("share", share_table(results))
    return 1 if any("wrong" in row for row in rows if row["name"] == "ngffkit") else 0


if __name__ == "__main__":
    sys.exit(main())
