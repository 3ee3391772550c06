#!/usr/bin/env bash
# What Binder does, in a clean environment: install requirements.txt, run postBuild, run the notebooks.
# They share a folder, and run twice, since people do that.
#   bash binder/check.sh            (PYTHON=python3.13 chooses the interpreter)
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

"${PYTHON:-python3}" -m venv "$work/env"
export PATH="$work/env/bin:$PATH" PYTHONNOUSERSITE=1 JUPYTER_PREFER_ENV_PATH=1 JUPYTER_PLATFORM_DIRS=1
unset PYTHONPATH VIRTUAL_ENV MPLBACKEND

# a copy, as Binder has, so that nothing is left behind here; without what earlier runs left there
mkdir "$work/repo"
(cd "$root" && tar cf - pyproject.toml README.md LICENSE ngffkit notebooks/*.ipynb binder) | tar xf - -C "$work/repo"
cd "$work/repo"

python -m pip install --disable-pip-version-check --quiet -r binder/requirements.txt
python -m pip check --disable-pip-version-check
bash binder/postBuild
cd notebooks
for turn in first second; do
  for notebook in *.ipynb; do
    SECONDS=0
    jupyter execute --timeout=120 --output="$work/done.ipynb" "$notebook"
    python - "$work/done.ipynb" <<'PYTHON'
import sys
import nbformat

cells = [cell for cell in nbformat.read(sys.argv[1], as_version=4).cells if cell.cell_type == "code"]
outputs = [out for cell in cells for out in cell.outputs]
shown = sum(bool({"image/png", "text/html"} & set(out.get("data", ()))) for out in outputs)
errors = [out for out in outputs if out.output_type == "error" or out.get("name") == "stderr"]
silent = [cell.id for cell in cells if cell.execution_count is None]
assert cells and shown and not errors and not silent, (shown, errors, silent)
print(f"{len(cells)} cells, {shown} pictures, tables and cards")
PYTHON
    echo "$notebook runs in Binder's environment, the $turn time, within $SECONDS s"
  done
done
