# What there is to do here. Needs make and Python 3.12 or later; everything else goes into .venv.
#   make PYTHON=python3.13 test                             chooses the interpreter
#   make LAB_OPTIONS='--allow-root --no-browser' lab        options for JupyterLab

PYTHON ?= python3
VENV ?= .venv
DEMO_DATA ?= demo-data
LAB_OPTIONS ?=

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
NODE_MODULES := js/node_modules

.DEFAULT_GOAL := help
.PHONY: help demo js test test-crash browser oracles check format lab docs bench bench-peers binder-check clean

help:  ## list these commands
	@echo "make demo          make a sample, open it, measure, plot; says what to do next"
	@echo "make lab           JupyterLab on the notebooks"
	@echo "make js            bundle the viewer's JavaScript (node and npm)"
	@echo "make test          set up what tests need and run them all"
	@echo "make test-crash    200 conversions, killed at random moments, resumed"
	@echo "make browser       Chromium, node and packages, which tests of the viewer ask"
	@echo "make oracles       other people's readers and validators, which tests ask"
	@echo "make check         ruff, format, types, architecture"
	@echo "make format        let ruff put code in shape"
	@echo "make docs          build the site of docs/, with the notebooks run; a warning is an error"
	@echo "make bench         measure opening, reading, streaming, converting, rewriting, serving, browsing"
	@echo "make bench-peers   set up other converters, to measure beside"
	@echo "make binder-check  build Binder's environment in a clean venv and run all notebooks there"
	@echo "make clean         remove .venv and everything made here"

demo: $(STAMPS)/demo  ## the main job, end to end
	$(BIN)/ngffkit demo $(DEMO_DATA)

js: $(NODE_MODULES)  ## ngffkit/widgets/static/browse.js, which is committed
	cd js && npm run --silent build

test: $(STAMPS)/test browser  ## all tests
	@$(MAKE) --no-print-directory oracles || echo "going on without oracles: what asks them is skipped"
	$(PY) -m pytest

test-crash: $(STAMPS)/test  ## slow: many kills
	NGFFKIT_KILLS=200 $(PY) -m pytest tests/test_crash.py -s

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

bench: $(STAMPS)/test  ## measurements
	$(PY) -m benchmarks

binder-check:  ## Binder's environment, from its own files
	PYTHON="$(PYTHON)" bash binder/check.sh

bench-peers:  ## for make bench
	$(PYTHON) benchmarks/peers/make_venvs.py

oracles: $(ORACLES)/.done $(WEBKNOSSOS)/.done  ## in venvs of their own: they pin what others use

browser:  ## no Python packages; what they are for is skipped without them, and fails in CI
	@sh tests/browser/prepare.sh
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NODE_MODULES) \
	  || echo "going on without the packages of js/: what asks them is skipped"; fi

clean:
	rm -rf $(VENV) $(ORACLES) $(WEBKNOSSOS) $(NODE_MODULES) docs/_build docs/notebooks .bench $(DEMO_DATA) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

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

$(NODE_MODULES): js/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: apt-get install nodejs npm, or https://nodejs.org"; exit 1; }
	@echo "installing esbuild and TypeScript into $@"
	@cd js && npm ci --silent --no-audit --no-fund && touch node_modules
