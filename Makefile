# make demo    environment, then prepare, train, evaluate and compare on the embedded data
# make test    environment, then every short test that needs no GPU and no cluster
# make test-slow    the long ones: browser, kills at random, parity of many processes, real packages
# make test-slurm [CLUSTER="path/to/script"]     tests on the Slurm that sinfo shows, or that the script starts
# make bench-prepare [ROWS=5000000 ROUNDS=1]    the prepare stage beside scripts that do the same
# make bench-loader [ROWS=100000]                the loader beside training
# make bench-train [ONLY="dcnv2 ipnn" SETS="1 4"]  a training step of every interaction, beside its floor
# make bench-engine [PAIRS=30]    the engine's step beside a bare loop over the same model
# make gpu-check    on a GPU: its tests, then a table of DCNv2's samples/s; needs .[cuda,dev]
# make chaos [KILLS=30]    a job of two ranks that are killed at random, beside one left alone; 10 minutes
# make bench-collapse [LARGE_ROWS=100000000]     spectra of large matrices, beside svdvals
# make lint    formatting, lint and types
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
INSTALLED := $(VENV)/.installed
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: env demo test test-slow test-slurm bench-prepare bench-loader bench-train bench-engine bench-collapse gpu-check chaos lint format clean

env: $(INSTALLED)

# The CPU build of the triple, pinned by the constraints. torchrec comes without its dependencies,
# because it would bring the CUDA build of fbgemm over the CPU one (see pyproject.toml).
$(INSTALLED): pyproject.toml docker/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in {(3, 11), (3, 12)})' \
		|| { echo "error: Python 3.11 or 3.12 is needed, $(PYTHON) is $$($(PYTHON) --version);" \
			"name one: make PYTHON=python3.11" >&2; exit 2; }
	@test -z "$(wildcard $(VENV)/lib/python3*/site-packages/fbgemm_gpu-*.dist-info)" \
		|| { echo "error: $(VENV) holds the CUDA build of fbgemm, which the CPU build would overwrite;" \
			"name another environment: make VENV=.venv-cpu, or use this one: make gpu-check" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q -c docker/constraints.txt -e '.[cpu,dev]'
	$(VENV)/bin/pip install -q -c docker/constraints.txt --no-deps torchrec
	@touch $@

DEMO := python -m components.chain --scheduler local_cwd --spec specs/demo.toml --
# Named on the command line: a cluster's own environment may have a RAW or a CLUSTER too.
ifeq ($(origin RAW),command line)
DEMO_RUN := runs/demo-raw
DEMO_DATA := data.source='$(RAW)' data.generator=
else
DEMO_RUN := runs/demo
endif

demo: $(INSTALLED)
	$(DEMO) run.directory=$(DEMO_RUN) $(DEMO_DATA)
	$(DEMO) run.directory=$(DEMO_RUN)-single model.sets=1 model.embedding_dim=32 data.directory=$(DEMO_RUN)/dataset $(DEMO_DATA)
	python -m pipeline.compare $(DEMO_RUN) $(DEMO_RUN)-single

# Two tests at a time with a thread each: most wait for processes that they start.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 pytest -n 2 --dist worksteal

test-slow: $(INSTALLED)
	pytest -m slow

# CLUSTER: a command that starts a cluster when called with "up", and prints what sets SLURM_CONF,
# and stops it when called with "down".
test-slurm: $(INSTALLED)
ifeq ($(origin CLUSTER),command line)
	settings="$$($(CLUSTER) up)" && trap '$(CLUSTER) down' EXIT && eval "$$settings" && pytest -m slurm tests/components
else
	@sinfo || { echo "error: sinfo shows no Slurm cluster; set SLURM_CONF, or name a command that" \
		"starts one: make test-slurm CLUSTER=path/to/script" >&2; exit 2; }
	pytest -m slurm tests/components
endif

KILLS := 30
chaos: $(INSTALLED)
	KILLS=$(KILLS) pytest -m slow -s tests/chaos

$(VENV)/.bench: $(INSTALLED)
	$(VENV)/bin/pip install -q -c docker/constraints.txt -e '.[bench]'
	@touch $@

ROWS := 500000
ROUNDS := 3
bench-prepare: $(VENV)/.bench
	python tests/benchmarks/bench_prepare.py --rows $(ROWS) --rounds $(ROUNDS)

bench-loader: $(INSTALLED)
	python tests/benchmarks/bench_loader.py --rows $(ROWS)

LARGE_ROWS := 100000000
bench-collapse: $(INSTALLED)
	python tests/benchmarks/bench_collapse.py --large-rows $(LARGE_ROWS)

bench-train: $(INSTALLED)
	python tests/benchmarks/bench_train.py $(if $(ONLY),--only $(ONLY)) $(if $(SETS),--sets $(SETS))

PAIRS := 30
bench-engine: $(INSTALLED)
	python tests/benchmarks/bench_engine.py --pairs $(PAIRS)

# In the environment that is there: make env installs the CPU build.
gpu-check:
	pytest -m gpu -rs tests/gpu
	python tests/benchmarks/bench_gpu.py

lint: $(INSTALLED)
	ruff format --check .
	ruff check .
	mypy

format: $(INSTALLED)
	ruff format .
	ruff check --fix .

clean:
	rm -rf "$(VENV)" build *.egg-info
