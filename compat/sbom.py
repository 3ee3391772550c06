"""Write the bill of materials of the wheel: ``make sbom``, or ``python compat/sbom.py [FILE]``.

CycloneDX 1.6 as JSON, by cyclonedx-py: the wheel is installed into an empty environment with the
newest versions of what it needs, and that is what is listed, with licences. Packages of JavaScript
that are bundled into the wheel are added from ``js/package-lock.json``; today there are none.
The file is an artefact of a release (``dist/``), not of the repository: it is true on the day it
is made.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

from _venvs import ROOT, build_wheel, python_in, run, tools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

#: The generator, and what it validates with.
TOOLS = ("cyclonedx-bom>=7", "cyclonedx-python-lib[json-validation]")

VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
said = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(said) if said else 0)
"""


def bundled(lock: dict[str, Any]) -> list[dict[str, Any]]:
    """Return components of the JavaScript packages that are more than tools of developers."""
    out = []
    for path, about in lock["packages"].items():
        if path and not about.get("dev") and not about.get("devOptional"):
            name = path.rpartition("node_modules/")[2]
            purl = f"pkg:npm/{name.replace('@', '%40')}@{about['version']}"
            found = {"type": "library", "name": name, "version": about["version"], "purl": purl}
            licences = [{"expression": about["license"]}] if "license" in about else []
            out.append(found | {"bom-ref": purl, "licenses": licences})
    return out


def generate(program: Path, python: Path, out: Path) -> dict[str, Any]:
    """Let cyclonedx-py list an environment; return the bill.

    Parameters
    ----------
    program : Path
        ``cyclonedx-py``.
    python : Path
        Interpreter of the environment in which ngffkit is installed.
    out : Path
        File that is written.
    """
    about = ("--pyproject", ROOT / "pyproject.toml", "--mc-type", "library")
    how = ("--spec-version", "1.6", "--output-format", "JSON", "--output-reproducible")
    run(program, "environment", *about, *how, "--output-file", out, python)
    return dict(json.loads(out.read_text("utf-8")))


def complete(bill: dict[str, Any], wheel: Path) -> dict[str, Any]:
    """Add the wheel's digest and the bundled JavaScript to a bill; return it."""
    main = bill["metadata"]["component"]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    main["hashes"] = [{"alg": "SHA-256", "content": digest}]
    lock = json.loads((ROOT / "js" / "package-lock.json").read_text("utf-8"))
    found = bundled(lock)
    bill["components"] += found
    root = next(one for one in bill["dependencies"] if one["ref"] == main["bom-ref"])
    root["dependsOn"] = sorted({*root.get("dependsOn", ()), *(one["bom-ref"] for one in found)})
    bill["dependencies"] += [{"ref": one["bom-ref"]} for one in found]
    main.setdefault("properties", []).append(
        {"name": "ngffkit:javascript", "value": f"{len(found)} packages bundled"}
    )
    return bill


def missing(bill: dict[str, Any]) -> set[str]:
    """Return direct dependencies of pyproject.toml that a bill leaves out as such."""
    about = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {str(canonicalize_name(Requirement(one).name)) for one in about["dependencies"]}
    main = bill["metadata"]["component"]["bom-ref"]
    root: dict[str, Any] = next((d for d in bill["dependencies"] if d["ref"] == main), {})
    names = {one["bom-ref"]: canonicalize_name(one["name"]) for one in bill["components"]}
    return wanted - {names.get(ref, "") for ref in root.get("dependsOn", ())}


def unlicensed(bill: dict[str, Any]) -> list[str]:
    """Return components whose metadata name no licence."""
    return [one["name"] for one in bill["components"] if not one.get("licenses")]


def write(out: Path, work: Path) -> dict[str, Any]:
    """Build, install, list, complete, validate; return the bill, which is in the file then."""
    wheel = build_wheel(out.parent)
    venv.create(work / "env", with_pip=False)
    python = python_in(work / "env")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    run(*pip, "--python", python, "install", "--no-compile", wheel)
    programs = tools(work / "tools", *TOOLS)
    bill = complete(generate(programs / "cyclonedx-py", python, out), wheel)
    out.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    run(programs / "python", "-c", VALIDATE, out)
    return bill


def main() -> int:
    """Write the bill, and say what is in it."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / "ngffkit.cdx.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    # the same bill of the same packages, byte for byte
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1580601600")
    with tempfile.TemporaryDirectory(prefix="ngffkit-sbom-") as folder:
        bill = write(out.resolve(), Path(folder))
    print(f"{out}: {len(bill['components'])} components, valid CycloneDX {bill['specVersion']}")
    if nameless := unlicensed(bill):
        print(f"without a licence in their metadata: {', '.join(nameless)}")
    if left_out := missing(bill):
        print(f"left out: {', '.join(sorted(left_out))}")
    return 1 if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
