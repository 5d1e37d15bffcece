# The project's commands. `make` alone lists them; `make demo PYTHON=python3.12` picks an interpreter.
PYTHON ?= $(shell python3.11 --version >/dev/null 2>&1 && echo python3.11 || echo python3)
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
MODEL ?= flux_mini
POLICY ?= ucb
SAMPLES ?= 64

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install dev demo compare compare-quick test lint types contracts packages tests \
	browser fuzz hostile portable lowest hashes audit docs components identity bench format clean

help:  ## list the commands
	@awk -F ':.*## *' '/^[a-z-]+:.*##/ { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- installing: a stamp per set of packages, older than nothing it depends on ---

$(VENV)/pyvenv.cfg:
	$(PYTHON) -c 'import sys; sys.exit("fastflow needs Python 3.11 or later, this is " + sys.version.split()[0] + ". Say make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	$(PIP) install -c constraints.txt torch
	$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.installed-caches: $(VENV)/.installed
	$(PIP) install -c constraints.txt -e '.[cache-dit]'
	@touch $@

install: $(VENV)/.installed  ## make .venv and install fastflow into it

dev: $(VENV)/.installed-dev  ## the same with the tools for tests and docs

# --- running ---

demo: $(VENV)/.installed  ## generate, skip, learn and write a report: the main job, a few minutes
	$(BIN)/fastflow sample model=$(MODEL) policy=$(POLICY) samples=$(SAMPLES) \
		out=runs/demo-$$(date +%Y%m%d-%H%M%S)

compare: $(VENV)/.installed-caches  ## every method but those that learn for long, on 64 samples: a few hours
	$(BIN)/fastflow compare model=$(MODEL) max_batch=64 live=1 pairs=1 executor=lightning executor.accelerator=cpu executor.devices=2 \
		out=runs/compare-$$(date +%Y%m%d-%H%M%S)

compare-quick: $(VENV)/.installed-caches  ## one method of each kind, few samples, one number of computed steps
	$(BIN)/fastflow compare model=$(MODEL) 'targets=[19]' samples=6 tuning=10 live=1 pairs=1 \
		'methods=[euler,ab2,uniform,teacache,taylor_seer,ucb,plan,oracle_linear_corrected,negative_control]' \
		converged_steps=100 max_batch=32 out=runs/compare-quick-$$(date +%Y%m%d-%H%M%S)

# --- checking ---

test: lint types contracts packages tests  ## everything that has to pass

lint: $(VENV)/.installed-dev  ## ruff: rules and layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev  ## pyright
	$(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(VENV)/.installed-dev  ## import-linter: who may import what
	$(BIN)/lint-imports

packages: $(VENV)/.installed-dev  ## pip check: no installed package contradicts another
	$(PIP) check

tests: $(VENV)/.installed-dev browser  ## pytest; the last line says what could not be tested
	$(BIN)/python -m pytest -q -n auto --dist worksteal

CASES ?= 10000

fuzz: $(VENV)/.installed-dev  ## mutated command lines and files: make fuzz CASES=10000
	FUZZ=$(CASES) $(BIN)/python -m pytest -q -n auto tests/fuzz

KILLS ?= 34

hostile: $(VENV)/.installed-dev  ## kills at random moments and disks of many sizes: make hostile KILLS=34
	KILLS=$(KILLS) DISKS=60 $(BIN)/python -m pytest -v -n0 -o faulthandler_timeout=0 \
		tests/hostile/test_kills.py tests/hostile/test_system_errors.py

browser:  ## find a browser for the report's tests, or install one (apt-get, as root)
	@.ci/browser

NUMERIC := tests/integration tests/policies tests/sampling tests/acceleration tests/plugins tests/minis tests/runs/test_recorded_decisions.py
PYTEST = $(BIN)/python -m pytest -q -n auto $(NUMERIC)

portable: $(VENV)/.installed-dev  ## what computes, under other instruction sets and 1, 2, 4 threads
	ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 OMP_NUM_THREADS=1 $(PYTEST)
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 $(PYTEST)
	OMP_NUM_THREADS=1 $(PYTEST)
	OMP_NUM_THREADS=2 OMP_WAIT_POLICY=passive $(PYTEST)
	OMP_NUM_THREADS=4 OMP_WAIT_POLICY=passive $(PYTEST)

LOWEST := .venv-lowest
LOWEST_PIP := $(LOWEST)/bin/python -m pip --disable-pip-version-check

$(LOWEST)/.installed: pyproject.toml .ci/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python .ci/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST_PIP) install -c $(LOWEST)/constraints.txt torch
	$(LOWEST_PIP) install -c $(LOWEST)/constraints.txt -e '.[test,sentencepiece]'
	@touch $@

lowest: $(LOWEST)/.installed  ## the core's tests with the lowest versions that pyproject.toml allows
	$(LOWEST_PIP) check
	$(LOWEST)/bin/python -m pytest -q -n auto tests/integration tests/policies tests/sampling tests/registry tests/testing tests/acceleration
	rm -rf $(LOWEST)/sample $(LOWEST)/compare
	$(LOWEST)/bin/fastflow sample model=flux_mini samples=4 steps=12 out=$(LOWEST)/sample
	$(LOWEST)/bin/fastflow compare model=mixture 'targets=[10]' samples=4 tuning=4 live=1 pairs=1 \
		'methods=[euler,uniform,ucb,negative_control]' converged_steps=60 out=$(LOWEST)/compare

hashes: $(VENV)/.installed  ## write hashes.txt: the files of the locked packages, torch left out
	$(BIN)/python .ci/hashes.py

audit: $(VENV)/.installed  ## known vulnerabilities of the locked packages, where the network has them
	$(PIP) install pip-audit
	$(BIN)/pip-audit --disable-pip --require-hashes -r hashes.txt

format: $(VENV)/.installed-dev  ## let ruff format the code and fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# --- writing ---

docs: $(VENV)/.installed-dev  ## build the documentation into site/, strictly
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

components: $(VENV)/.installed-dev  ## write docs/components.md, fields.md and bad_input.md again
	$(BIN)/python docs/components.py
	$(BIN)/python docs/fields.py
	$(BIN)/python docs/bad_input.py

identity: $(VENV)/.installed-dev  ## measure docs/identity.md again: pipelines untouched and enabled
	$(BIN)/python docs/identity.py

bench: $(VENV)/.installed  ## what skipping costs compared with the plain pipeline, and starting a command
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/overhead.py
	$(BIN)/python benchmarks/enable_overhead.py
	$(BIN)/python benchmarks/two_processes.py

clean:  ## remove what can be made again (not .venv, not runs)
	rm -rf site dist build .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
