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

.DEFAULT_GOAL := help
.PHONY: help demo test test-crash oracles check format lab bench bench-peers binder-check clean

help:  ## list these commands
	@echo "make demo          make a sample, open it, measure, plot; says what to do next"
	@echo "make lab           JupyterLab on the notebooks"
	@echo "make test          set up what tests need and run them all"
	@echo "make test-crash    200 conversions, killed at random moments, resumed"
	@echo "make oracles       other people's readers and validators, which tests ask"
	@echo "make check         ruff, format, types, architecture"
	@echo "make format        let ruff put code in shape"
	@echo "make bench         measure import, open, requests, reading and converting"
	@echo "make bench-peers   set up other converters, to measure beside"
	@echo "make binder-check  build Binder's environment in a clean venv and run its notebook there"
	@echo "make clean         remove .venv and everything made here"

demo: $(STAMPS)/demo  ## the main job, end to end
	$(PY) -m ngffkit.demo $(DEMO_DATA)

test: $(STAMPS)/test  ## all tests
	@$(MAKE) --no-print-directory oracles || echo "going on without oracles: what asks them is skipped"
	$(PY) -m pytest

test-crash: $(STAMPS)/test  ## slow: many kills
	NGFFKIT_KILLS=200 $(PY) -m pytest tests/test_crash.py -s

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

bench-peers:  ## for make bench
	$(PYTHON) benchmarks/peers/make_venvs.py

oracles: $(ORACLES)/.done $(WEBKNOSSOS)/.done  ## in venvs of their own: they pin what others use

clean:
	rm -rf $(VENV) $(ORACLES) $(WEBKNOSSOS) .bench $(DEMO_DATA) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

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
$(WEBKNOSSOS)/.done: tests/oracles/requirements-webknossos.txt
$(ORACLES)/.done $(WEBKNOSSOS)/.done:
	@echo "installing oracles into $(@D)"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check --quiet install --upgrade pip
	@$(@D)/bin/python -m pip --disable-pip-version-check --quiet install -r $< && touch $@
