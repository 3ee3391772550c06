#!/usr/bin/env bash
# What Binder does, in a clean environment: install requirements.txt, run postBuild, run the notebooks.
#   bash binder/check.sh            (PYTHON=python3.13 chooses the interpreter)
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/env"
export PATH="$work/env/bin:$PATH" PYTHONNOUSERSITE=1 JUPYTER_PREFER_ENV_PATH=1
unset PYTHONPATH VIRTUAL_ENV MPLBACKEND

# a copy, as Binder has, so that nothing is left behind here
mkdir "$work/repo"
(cd "$root" && tar cf - pyproject.toml README.md LICENSE ngffkit notebooks binder) | tar xf - -C "$work/repo"
cd "$work/repo"

python -m pip install --disable-pip-version-check --quiet -r binder/requirements.txt
bash binder/postBuild
for notebook in notebooks/*.ipynb; do
  (cd notebooks && jupyter execute --timeout=120 --output="$work/done.ipynb" "$(basename "$notebook")")
  python - "$work/done.ipynb" <<'PYTHON'
import sys
import nbformat

cells = nbformat.read(sys.argv[1], as_version=4).cells
outputs = [out for cell in cells for out in cell.get("outputs", ())]
pictures = sum("image/png" in out.get("data", ()) for out in outputs)
errors = [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"]
assert pictures and not errors, (pictures, errors)
print(f"{len(cells)} cells, {pictures} pictures")
PYTHON
  echo "$notebook runs in Binder's environment"
done
