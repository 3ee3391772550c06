# What there is to do here. Needs make and Python 3.12 or later; everything else goes into .venv.
#   make PYTHON=python3.13 test                             chooses the interpreter
#   make LAB_OPTIONS='--allow-root --no-browser' lab        options for JupyterLab

PYTHON ?= python3
VENV ?= .venv
DEMO_DATA ?= demo-data
LAB_OPTIONS ?=
BENCH_OPTIONS ?=
COMPAT_OPTIONS ?=

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif

PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
STAMPS := $(VENV)/.stamps
ORACLES := .venv-oracles
WEBKNOSSOS := .venv-webknossos
FUZZ := .venv-fuzz
NODE_MODULES := js/node_modules

.DEFAULT_GOAL := help
.PHONY: help demo js test faults browser oracles check format lab docs bench bench-full bench-peers compat wheel sbom binder-check clean

help:  ## list these commands
	@echo "make demo          make a sample, open it, measure, plot; says what to do next"
	@echo "make lab           JupyterLab on the notebooks"
	@echo "make js            bundle the viewer's JavaScript (node and npm)"
	@echo "make test          set up what tests need and run them all"
	@echo "make faults        break everything, all cases: an hour; fills in the table of docs/faults.md"
	@echo "make browser       Chromium, node and packages, which tests of the viewer ask"
	@echo "make oracles       other people's readers and validators, which tests ask"
	@echo "make check         ruff, format, types, architecture"
	@echo "make format        let ruff put code in shape"
	@echo "make docs          build the site of docs/, with the notebooks run; a warning is an error"
	@echo "make bench         measure ngffkit beside its peers, in ten minutes; BENCH_OPTIONS=--keep keeps it"
	@echo "make bench-full    the same on larger volumes with more rounds, and keep it; hours"
	@echo "make bench-peers   set up the peers, each in a venv of its own"
	@echo "make compat        the wheel on each Python found, by newest and lowest dependencies; what installing takes"
	@echo "make wheel         build wheel and sdist into dist/, the same bytes each time"
	@echo "make sbom          list what the wheel brings along, with licences, into dist/ (CycloneDX)"
	@echo "make binder-check  build Binder's environment in a clean venv and run all notebooks there"
	@echo "make clean         remove .venv and everything made here"

demo: $(STAMPS)/demo  ## the main job, end to end
	$(BIN)/ngffkit demo $(DEMO_DATA)

js: $(NODE_MODULES)  ## ngffkit/widgets/static/browse.js, which is committed
	cd js && npm run --silent build

test: $(STAMPS)/test browser  ## all tests
	@$(MAKE) --no-print-directory oracles || echo "going on without oracles: what asks them is skipped"
	$(PY) -m pytest

faults: $(STAMPS)/test $(FUZZ)/.done  ## slow: all cases, counted
	NGFFKIT_FAULTS=full NGFFKIT_LEDGER=tests/proof/faults.json $(PY) -m pytest -m faults --timeout 7200
	NGFFKIT_FAULTS=full NGFFKIT_LEDGER=tests/proof/faults.json $(FUZZ)/bin/python tests/proof/fuzz.py
	$(PY) tests/proof/table.py

check: $(STAMPS)/test browser  ## what a reviewer's tools say
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	@if test -d $(NODE_MODULES); then echo "tsc" && cd js && npm run --silent check; \
	  else echo "going on without node: the types of js/ are not checked"; fi
	$(PY) -m pytest tests/test_architecture.py

format: $(STAMPS)/test
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lab: $(STAMPS)/lab  ## JupyterLab
	$(PY) -m jupyterlab $(LAB_OPTIONS) notebooks/00_start.ipynb

docs: $(STAMPS)/test  ## the site; NGFFKIT_DOCS_NOTEBOOKS=off shows notebooks without results
	$(PY) -m sphinx -q -W --keep-going -d docs/_build/trees docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(STAMPS)/test bench-peers  ## quick
	$(PY) -m benchmarks $(BENCH_OPTIONS)

bench-full: $(STAMPS)/test bench-peers  ## what docs/results.md shows
	$(PY) -m benchmarks --full --keep $(BENCH_OPTIONS)

compat: $(STAMPS)/test  ## and what installing takes; both fill in docs/compatibility.md
	$(PY) compat/check.py $(COMPAT_OPTIONS)
	$(PY) compat/install.py

wheel: $(STAMPS)/venv  ## the wheel is built of the sdist; dates in both are those of the last commit
	@$(PIP) install "build>=1.2"
	SOURCE_DATE_EPOCH="$$(git log -1 --format=%ct)" $(PY) -m build --outdir dist .

sbom: $(STAMPS)/test  ## of the newest packages there are today
	$(PY) compat/sbom.py dist/ngffkit.cdx.json

binder-check:  ## Binder's environment, from its own files
	PYTHON="$(PYTHON)" bash binder/check.sh

bench-peers: $(STAMPS)/venv  ## each contender of benchmarks/contenders in a venv of its own
	$(PY) benchmarks/make_venvs.py || echo "going on without those that could not be installed"

oracles: $(ORACLES)/.done $(WEBKNOSSOS)/.done  ## in venvs of their own: they pin what others use

browser:  ## no Python packages; what they are for is skipped without them, and fails in CI
	@sh tests/browser/prepare.sh
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NODE_MODULES) \
	  || echo "going on without the packages of js/: what asks them is skipped"; fi

clean:
	rm -rf $(VENV) $(ORACLES) $(WEBKNOSSOS) $(FUZZ) $(NODE_MODULES) docs/_build docs/notebooks .bench $(DEMO_DATA) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

# --- what each of them needs; a stamp is newer than pyproject.toml when that is installed ---------

$(STAMPS)/venv:
	@found="$$($(PYTHON) --version 2>/dev/null || echo not there)"; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || { \
	  echo "ngffkit needs Python 3.12 or later; '$(PYTHON)' is $$found." \
	    "Name another one: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(PY) || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/demo: pyproject.toml $(STAMPS)/venv
	@echo "installing what the demo needs"
	@$(PIP) install --editable '.[dask]' && touch $@

$(STAMPS)/test: pyproject.toml $(STAMPS)/venv
	@echo "installing what the tests need"
	@$(PIP) install --editable '.[test,dev]' && touch $@

$(STAMPS)/lab: pyproject.toml $(STAMPS)/venv
	@echo "installing JupyterLab"
	@$(PIP) install --editable '.[lab]' && touch $@

$(ORACLES)/.done: tests/oracles/requirements.txt
$(WEBKNOSSOS)/.done: tests/oracles/requirements-webknossos.txt pyproject.toml
$(ORACLES)/.done $(WEBKNOSSOS)/.done:
	@echo "installing oracles into $(@D)"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check --quiet install --upgrade pip
	@$(@D)/bin/python -m pip --disable-pip-version-check --quiet install -r $< && touch $@

# atheris asks for particular Pythons, so it stays out of the way
$(FUZZ)/.done: tests/proof/requirements-fuzz.txt pyproject.toml
	@echo "installing what fuzzing needs into $(@D)"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check --quiet install --editable . -r $< && touch $@

$(NODE_MODULES): js/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: apt-get install nodejs npm, or https://nodejs.org"; exit 1; }
	@echo "installing esbuild and TypeScript into $@"
	@cd js && npm ci --silent --no-audit --no-fund && touch node_modules
