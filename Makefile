# One command each; the first of them installs everything into .venv, later ones start at once and need no network.
#   COMFYUI_PATH=/path/to/ComfyUI    run against a ComfyUI of your own (its settings, models and outputs stay untouched)
#   COMFYUI_PYTHON=/path/to/python   with that Python; else the virtual environment in or beside its folder

PYTHON ?= $(shell command -v python3.11 || command -v python3)
export COMFYUI_PATH COMFYUI_PYTHON

# -P: this folder must not be on the path, its nodes/ would hide ComfyUI's own nodes.py
RUN := .venv/bin/python -P
# one file, or one name: make test TESTS=tests/test_media.py ARGS="-k png"
TESTS ?= tests
ARGS ?=
# how many seeded worlds: make soak SEEDS=10000
SEEDS ?= 1000

.PHONY: setup demo test check bench soak clean

setup: .venv/ready

.venv/ready: tests/requirements.txt tests/host/setup.py
	@echo "Setting up .venv: a ComfyUI for the CPU and the tools, some 350 MB to download, 1.6 GB on disk."
	"$(PYTHON)" tests/host/setup.py

demo: setup
	@cd tests && ../.venv/bin/python -m host.demo

test: setup
	@$(RUN) -m pytest $(TESTS) -n 2 --dist loadgroup $(ARGS)

check: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy nodes/runware

bench: setup
	@$(RUN) tests/benchmarks

soak: setup
	@$(RUN) tests/world --seeds $(SEEDS)

clean:
	rm -rf .venv output build tests/.pytest_cache .mypy_cache .ruff_cache .hypothesis
