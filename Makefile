# The environment and the commands of lulc_xr. An interrupted command is safe: run it again and it goes on.
#
#   make demo          the main job on real Sentinel-2 data
#   make place         a store from a STAC catalogue on disk, by zarr_stores/place.toml
#   make store RECIPE=FILE     the store of any recipe, built or extended
#   make test          the tests (about six minutes)
#   make bench         the tables of speeds and memory (about ten minutes)
#   make check         ruff, mypy, import rules, spelling, stripped notebooks
#   make integration   the tests with real servers, the slow ones and the notebooks
#   make clean         remove what these commands made
#
# PYTHON  the Python (3.11 or newer) to make the environment with:  make test PYTHON=python3.12
# VENV    where the environment lies:                               make test VENV=/tmp/lulc
# TORCH   the PyTorch to install, as pip is told it, for a GPU say: make demo TORCH="torch==2.13.0+cu130"
#         Options of pip may follow, such as --index-url and the address that pytorch.org names for your machine.

PYTHON ?= python3
VENV ?= .venv
RECIPE ?= zarr_stores/landscape.toml
TORCH ?= $(shell grep '^torch==' constraints.txt)

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input
STAMPS := $(VENV)/.lulc_xr

.PHONY: help demo place store test bench check integration clean FORCE
.DELETE_ON_ERROR:
# Two installations at a time would spoil one environment, also under `make -j`.
.NOTPARALLEL:

help:
	@sed -n 's/^#   make/  make/p' Makefile

demo: $(STAMPS)/demo
	$(VENV)/bin/lulc-xr demo

outputs/catalogue/catalog.json: zarr_stores/flanders_catalogue.py | $(STAMPS)/demo
	rm -rf outputs/catalogue
	$(PY) $< outputs/catalogue

place: outputs/catalogue/catalog.json
	$(VENV)/bin/lulc-xr plan zarr_stores/place.toml
	$(VENV)/bin/lulc-xr build zarr_stores/place.toml

store: $(STAMPS)/demo
	$(VENV)/bin/lulc-xr build $(RECIPE)

test: $(STAMPS)/test
	$(PY) -m pytest -q

bench: $(STAMPS)/dev
	$(PY) -m benchmarks.report
	$(PY) -m benchmarks.database

# The hooks are commands of the environment; nothing is fetched for them.
check: $(STAMPS)/dev
	PATH="$(abspath $(VENV))/bin:$$PATH" PRE_COMMIT_HOME="$(abspath $(VENV))/pre-commit" $(PY) -m pre_commit run --all-files

integration: $(STAMPS)/servers
	$(PY) -m pytest -q -m "(integration or notebook or slow) and not gpu"

# An environment is removed only where this Makefile made it.
clean:
	@if [ -d "$(STAMPS)" ]; then echo "removing $(VENV)"; rm -rf -- "$(VENV)"; fi
	rm -rf build dist .asv *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache lightning_logs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Each stamp below is written after the step it stands for has succeeded, so a broken step is done again.

# Made anew only where pip does not run: `python -m venv` mends a half-made environment in place.
$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"lulc_xr needs Python 3.11 or newer; $(PYTHON) is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12" if v < (3, 11) else 0)'
	$(PYTHON) -m venv "$(VENV)" && $(PIP) --version || $(PYTHON) -m venv --clear "$(VENV)"
	@mkdir -p $(STAMPS) && touch $@

# Holds the wish for PyTorch, and is touched only when the wish changes.
$(STAMPS)/torch-wanted: $(STAMPS)/venv FORCE
	@echo '$(TORCH)' | cmp -s - $@ || echo '$(TORCH)' > $@

# PyTorch comes first; what came is then the constraint of every other step, so none of them replaces it.
# `xargs`, since the shell would read torch>=2.13 as a redirection.
$(STAMPS)/constraints.txt: $(STAMPS)/torch-wanted constraints.txt
	xargs $(PIP) install < $<
	@grep -v '^torch==' constraints.txt > $@.part || true
	@$(PY) -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >> $@.part
	@mv $@.part $@

$(STAMPS)/demo $(STAMPS)/test $(STAMPS)/servers $(STAMPS)/dev: $(STAMPS)/constraints.txt setup.cfg pyproject.toml
	$(PIP) install --constraint $(STAMPS)/constraints.txt --editable ".[$(@F)]"
	@touch $@
