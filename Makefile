# `make bench` and `make test` are all a new user needs; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
RESULTS ?= results

DATASET ?=
# Empty: the suite's own default, as `python -m benchmark run --help` says.
SEEDS ?=
PROTOCOL ?=
PAPER ?=
STUDY ?=
MODELS ?=
BUDGET ?=
CLUSTERS ?=
DEVICE ?=
JOBS ?=
FID ?=
PLUGIN ?=
# slurm: on a cluster, see docs/slurm.md; what jobs ask for goes into ARGS, e.g. ARGS="--slurm partition=gpu".
EXECUTOR ?=
# Further options, passed on as they are: make bench ARGS="--retry", make test ARGS="-k vade".
ARGS ?=

python := $(VENV)/bin/python
option = $(if $($(1)),--$(2) "$($(1))")

.PHONY: bench test tables report fid-weights status gpu-check perf lint help clean

bench: $(VENV)/.installed  ## train models on a data set and print the table; DATASET MODELS SEEDS PROTOCOL PAPER STUDY BUDGET CLUSTERS DEVICE JOBS FID PLUGIN EXECUTOR RESULTS ARGS
	@$(python) -m benchmark run --results "$(RESULTS)" $(call option,DATASET,dataset) $(call option,SEEDS,seeds) $(call option,MODELS,models) \
		$(call option,PROTOCOL,protocol) $(call option,PAPER,paper) $(call option,STUDY,study) \
		$(call option,BUDGET,budget) $(call option,CLUSTERS,clusters) $(call option,DEVICE,device) $(call option,JOBS,jobs) \
		$(call option,FID,fid) $(call option,PLUGIN,plugin) $(call option,EXECUTOR,executor) $(ARGS)

test: $(VENV)/.installed  ## run the tests (not the slow, gpu, slurm and perf ones; ARGS="-m slow" runs those)
	$(python) -m pytest -n auto --dist worksteal $(ARGS)

tables: $(VENV)/.installed  ## write the tables of everything under RESULTS
	@$(python) -m benchmark tables --results "$(RESULTS)" $(ARGS)

report: $(VENV)/.installed  ## write one HTML page of everything under RESULTS
	@$(python) -m benchmark report --results "$(RESULTS)" $(ARGS)

fid-weights: $(VENV)/.installed  ## fetch the Inception weights that FID needs, verified
	@$(python) -m benchmark fid-weights

status: $(VENV)/.installed  ## which runs have ended, run, wait or failed, here and on SLURM
	@$(python) -m benchmark status --results "$(RESULTS)" $(ARGS)

gpu-check: $(VENV)/.installed  ## test and time the suite on CUDA within 8 minutes, into gpu-check.md; MODELS DEVICE ARGS
	@$(python) -m benchmark gpu-check $(call option,MODELS,models) $(call option,DEVICE,device) $(ARGS)

perf: $(VENV)/.installed  ## measure the time of training steps and epochs with pytest-benchmark
	$(python) -m pytest -m perf tests/perf --benchmark-columns=min,median,stddev,rounds --benchmark-sort=name $(ARGS)

lint: $(VENV)/.dev  ## ruff, its formatting, mypy, and the layers of imports
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 8

clean:  ## remove the virtual environment and caches; results stay
	rm -rf "$(VENV)" .pytest_cache .mypy_cache .ruff_cache .benchmarks dgcbench.egg-info

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $$($(PYTHON) --version 2>&1 || echo no $(PYTHON)) found, expected Python 3.11 or newer; try: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv "$(VENV)"
	$(python) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	@touch "$@"

$(VENV)/.dev: $(VENV)/.installed
	$(python) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch "$@"
