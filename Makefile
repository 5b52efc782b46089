# lab2: which vision architecture for this data, this budget, this machine?
# Variables: JOBS= SEEDS= DATASET= RUN= QUICK=1 PARALLEL= PYTHON=

PYTHON ?= python3
VENV := .venv
LAB2 := $(VENV)/bin/lab2
RUN ?= latest
SETUP := $(VENV)/.ready-run
SETUP_DEV := $(VENV)/.ready-dev

.DEFAULT_GOAL := help
.PHONY: help setup run-local resume status report doctor test check format lock clean

help: ## show this
	@echo 'lab2: which vision architecture for this data, this budget, this machine?'
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'
	@echo
	@echo '  variables: JOBS=cnn,vit  SEEDS=3  DATASET=fashion-mnist  RUN=<run id>  QUICK=1  PARALLEL=2'

setup: $(SETUP) ## make the virtual environment .venv

run-local: $(SETUP) ## train the five architectures here, then show the table
	@$(LAB2) run-local $(if $(JOBS),--jobs $(JOBS)) $(if $(SEEDS),--seeds $(SEEDS)) \
	  $(if $(DATASET),--dataset $(DATASET)) $(if $(QUICK),--quick) $(if $(PARALLEL),--parallel $(PARALLEL))

resume: $(SETUP) ## run what is missing or failed in RUN
	@$(LAB2) resume $(RUN) $(if $(PARALLEL),--parallel $(PARALLEL))

status: $(SETUP) ## what each trial of RUN is doing
	@$(LAB2) status $(RUN)

report: $(SETUP) ## show the comparison table of RUN
	@$(LAB2) report $(RUN)

doctor: $(SETUP) ## what this machine can do, and what is missing
	@$(LAB2) doctor

test: $(SETUP_DEV) ## all tests
	@$(VENV)/bin/pytest

check: $(SETUP_DEV) ## lint, types and the fast tests: before each commit
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/pytest -q -m 'not slow'

format: $(SETUP_DEV) ## lay the code out
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

lock: ## pin the dependencies anew (needs a network)
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install -q uv
	$(VENV)-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command 'make lock' pyproject.toml -o requirements.lock
	$(VENV)-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --extra dev \
	  --no-emit-index-url --custom-compile-command 'make lock' -c requirements.lock \
	  pyproject.toml -o requirements-dev.lock
	rm -rf $(VENV)-lock

clean: ## remove the virtual environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'lab2 needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...' >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo 'no venv module (Debian: apt install python3-venv)' >&2; exit 2; }

$(SETUP): $(VENV)/bin/python requirements.lock pyproject.toml
	@echo 'setting up $(VENV): some minutes, once'
	@$(VENV)/bin/pip install -q --require-hashes -r requirements.lock
	@$(VENV)/bin/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(SETUP_DEV): $(SETUP) requirements-dev.lock
	@echo 'adding the tools for tests to $(VENV)'
	@$(VENV)/bin/pip install -q --require-hashes -r requirements-dev.lock
	@touch $@
