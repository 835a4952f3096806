# Needs only git, python3, pip and make. Everything is installed into $(VENV).
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev
# What `make run` trains; `make run ARGS="+experiment=cifar"` passes other arguments on.
ARGS ?= +sweep=quickstart
# Which tests: by default those that take seconds. `make test MARK=` runs all of them.
MARK ?= not slow
WORKERS ?= auto

ifneq ($(wildcard ../shared/data),)
export SNNJAX_DATA ?= $(abspath ../shared/data)
endif

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: help run test lint clean

help:
	@echo "make run [ARGS=...]   set up and train (default: a small comparison, no download)"
	@echo "make test [MARK=]     set up and run the tests (MARK= runs the slow ones too)"
	@echo "make lint             set up, check style and types"
	@echo "make clean            remove the environment and caches; run folders stay"

run: $(VENV)/.installed
	@$(BIN)/python -m snnjax.train $(ARGS)

test: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist worksteal -m "$(MARK)"

lint: $(VENV)/.installed-$(EXTRAS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-$(EXTRAS): pyproject.toml constraints.txt | $(BIN)/python
	$(INSTALL) -e ".[$(EXTRAS)]"
	@touch $@ $(VENV)/.installed
