# One command each; the first of them installs everything into .venv, later ones start at once and need no network.
#   COMFYUI_PATH=/path/to/ComfyUI    run against a ComfyUI of your own (its settings, models and outputs stay untouched)
#   COMFYUI_PYTHON=/path/to/python   with that Python; else the virtual environment in or beside its folder

PYTHON ?= $(shell command -v python3.11 || command -v python3)
export COMFYUI_PATH COMFYUI_PYTHON

# -P: this folder must not be on the path, its nodes/ would hide ComfyUI's own nodes.py
RUN := .venv/bin/python -P
# one file, or one name: make test TESTS=tests/test_media.py ARGS="-k png"
TESTS ?= tests
APART := $(patsubst %,page/test_%.py,running sidebar languages help) packaging scaling
ARGS ?=
# how many seeded worlds, the first of them, and how many kills at each step: make soak SEEDS=10000 START=50000 KILLS=5
SEEDS ?= 1000
START ?= 0
KILLS ?= 50

COVERING := tests/runware tests/world tests/test_bad_inputs.py tests/test_graph.py tests/test_routes.py
# these two judge the other tests, and kill processes before they could tell what they ran
UNCOUNTED := --ignore=tests/world/test_sharpness.py --ignore=tests/world/test_processes.py
ALONE := runware film test_bad_inputs.py test_graph.py test_compat.py test_installed.py

.PHONY: setup setup-packaging setup-scaling setup-mutate demo test test-page test-packaging test-scaling test-lowest check coverage mutate bench soak clean

setup: .venv/ready

.venv/ready: tests/requirements.txt tests/host/setup.py
	@echo "Setting up .venv: a ComfyUI for the CPU and the tools, some 350 MB to download, 1.6 GB on disk."
	"$(PYTHON)" tests/host/setup.py

demo: setup
	@cd tests && ../.venv/bin/python -m host.demo

# comfy-cli and comfy-test, which judge the archive: tests/packaging
setup-packaging: .venv/packaging/ready

.venv/packaging/ready: tests/packaging/environment.py
	"$(PYTHON)" tests/packaging/environment.py tools

# A queue and an object store for the render farm of docs/scaling-out: tests/scaling. Redis itself is the system's.
setup-scaling: .venv/scaling/ready

.venv/scaling/ready: tests/packaging/environment.py
	"$(PYTHON)" tests/packaging/environment.py scaling

# cosmic-ray, which makes the mistakes of `make mutate`
setup-mutate: .venv/mutate/ready

.venv/mutate/ready: tests/packaging/environment.py
	"$(PYTHON)" tests/packaging/environment.py mutate

# What every change is judged by, with the page's tests on one of its four stages; the dearer tests have a command each below
test: setup
	@KLING_TEST_STAGES="1.32 classic" $(RUN) -m pytest $(TESTS) -n 2 $(APART:%=--ignore=tests/%) $(ARGS)

# The page in a real browser: both renderers, the host's frontend and the newest; a quarter of an hour
test-page: setup
	@$(RUN) -m pytest tests/page $(ARGS)

# The archive as users get it, judged by comfy-cli and comfy-test and started in odd places
test-packaging: setup setup-packaging
	@$(RUN) -m pytest tests/packaging $(ARGS)

# The render farm of docs/scaling-out; needs redis-server
test-scaling: setup setup-scaling
	@$(RUN) -m pytest tests/scaling $(ARGS)

# The parts that need no ComfyUI, with the oldest versions the pack allows on the oldest Python at hand
test-lowest:
	@cd tests && "$$("$(PYTHON)" packaging/environment.py lowest)" -m pytest $(ALONE) -n 2 $(ARGS)

# ... and with today's versions on another Python: make test-python3.13
test-python3.%:
	@cd tests && "$$("$(PYTHON)" packaging/environment.py python3.$*)" -m pytest $(ALONE) -n 2 $(ARGS)

# Everything but running the pack; the same checks are part of make test
check: setup node_modules
	@$(RUN) tests/check.py

# The compiler, linter and formatter of the page's code; without npm, or without a network, they are left out
node_modules: package-lock.json
	@if command -v npm >/dev/null; then npm ci --silent --no-audit --no-fund && touch node_modules; fi || true

# Lines and branches of nodes/runware that the tests without a ComfyUI run
coverage: setup
	@rm -f .venv/coverage*
	@KLING_TEST_WORLDS=1000 $(RUN) -m coverage run --rcfile tests/coverage.ini -m pytest $(COVERING) $(UNCOUNTED) -n 2 -q $(ARGS)
	@$(RUN) -m coverage combine --rcfile tests/coverage.ini --quiet
	@$(RUN) -m coverage report --rcfile tests/coverage.ini --fail-under 95

# Small mistakes put into the code that guards the money, one after the other: do the tests notice?
mutate: setup setup-mutate
	@$(RUN) tests/mutate $(ARGS)

# ... and with make bench ARGS="--plots docs/performance" the drawings of docs/performance.md
bench: setup
	@$(RUN) tests/benchmarks $(ARGS)

soak: setup
	@$(RUN) tests/world --seeds $(SEEDS) --start $(START) --kills $(KILLS) $(ARGS)

clean:
	rm -rf .venv node_modules output build tests/.pytest_cache .mypy_cache .ruff_cache .hypothesis
