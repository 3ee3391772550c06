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

.DEFAULT_GOAL := help
.PHONY: help demo test check format lab bench binder-check clean

help:  ## list these commands
	@echo "make demo          make a sample, open it, measure, plot; says what to do next"
	@echo "make lab           JupyterLab on the notebooks"
	@echo "make test          set up what tests need and run them all"
	@echo "make check         ruff, format, types, architecture"
	@echo "make format        let ruff put code in shape"
	@echo "make bench         measure import, open, requests and reading"
	@echo "make binder-check  build Binder's environment in a clean venv and run its notebook there"
	@echo "make clean         remove .venv and everything made here"

demo: $(STAMPS)/demo  ## the main job, end to end
	$(PY) -m ngffkit.demo $(DEMO_DATA)

test: $(STAMPS)/test  ## all tests
	$(PY) -m pytest

check: $(STAMPS)/test  ## what a reviewer's tools say
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest tests/test_architecture.py

format: $(STAMPS)/test
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lab: $(STAMPS)/lab  ## JupyterLab
	$(PY) -m jupyterlab $(LAB_OPTIONS) notebooks/01_open.ipynb

bench: $(STAMPS)/test  ## measurements
	$(PY) -m benchmarks

binder-check:  ## Binder's environment, from its own files
	PYTHON="$(PYTHON)" bash binder/check.sh

clean:
	rm -rf $(VENV) $(DEMO_DATA) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

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
