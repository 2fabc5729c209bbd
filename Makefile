# finesweep: `make sweep` shows what it does, `make test` checks that it does it.
# Every target does its own set-up; all of it stays in .venv.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# The first Python on the PATH that the dependencies have wheels for.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	2>/dev/null && echo $$python && break; done)

# The article's two sentences: an ordinary headline, then a sarcastic one.
PLAIN := With their homes in ashes, residents share harrowing tales of survival after massive wildfires kill 15
SARCASTIC := News anchor hits back at viewer who sent her snarky note about ‘showing too much cleavage’ during broadcast

.DEFAULT_GOAL := help
CYCLES ?= 200
.PHONY: help setup sweep test check format parity chaos bench bench-quick clean

help: ## List the targets.
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup: $(VENV)/.installed ## Make the environment: .venv/bin/finesweep.

sweep: $(VENV)/.installed ## Run the quickstart: a sweep on the bundled headlines, in minutes.
	@$(BIN)/finesweep run sweeps/quickstart.yaml
	@echo
	@$(BIN)/finesweep predict models:/quickstart/Staging "$(PLAIN)" "$(SARCASTIC)"

test: check ## Every check: format, lint, types, import contract, tests.
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev ## The checks that run nothing: format, lint, types, imports.
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## Put the code into its format.
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

parity: $(VENV)/.installed-dev ## Compare the model with transformers on torch, live.
	$(PIP) install --quiet --constraint constraints.txt --editable '.[parity]'
	$(BIN)/python -m pytest -m parity

chaos: $(VENV)/.installed-dev ## Kill sweeps at random moments, CYCLES times, and count what is lost.
	$(BIN)/python tests/chaos --cycles $(CYCLES) $(if $(SEED),--seed $(SEED))

bench: $(VENV)/.installed-bench ## Compare the speed with other tools, about half an hour; BENCH='--geometry base'.
	$(BIN)/python -m benchmarks.compare $(BENCH)

bench-quick: $(VENV)/.installed-bench ## The same in one short round.
	$(BIN)/python -m benchmarks.compare --quick $(BENCH)

clean: ## Remove the environment and the caches; mlruns/ stays.
	rm -rf $(VENV) .bench .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "finesweep needs Python 3.11, 3.12 or 3.13; none is on the PATH. \
	Install one, or name it: make PYTHON=/path/to/python" >&2; exit 2; }
	@echo "setting up $(VENV) with $$($(PYTHON) --version); some minutes at the first time"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --constraint constraints.txt pip
	@$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install --quiet --constraint constraints.txt --group dev
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	@$(PIP) install --quiet --constraint constraints.txt --group bench \
		$$(command -v nvidia-smi > /dev/null && echo "--editable .[gpu]")
	@touch $@
