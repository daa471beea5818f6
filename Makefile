# make run   serve on http://localhost:8080/v1 (SERVICE_HOST and SERVICE_PORT change that)
# make test  set up and pass everything: style, types, tests on CPython and in a real Worker
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# Built with the dev environment's compiler; without it the classifier's Python reference serves.
KERNEL := wasm_classifier/kernel.wasm

.PHONY: run test tests-core tests-rest check deploy bench clean

run: $(VENV)/.run $(KERNEL)
	@HARPOON_STATE=$${HARPOON_STATE:-.state} exec $(BIN)/harpoon serve

test: $(VENV)/.dev
	@$(PYTHON) tests/setup.py
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/python -m deploy.kernel.build
	@$(MAKE) --no-print-directory --jobs=2 tests-core tests-rest

# Two halves of about the same length, one for each core; what is not named in the first is in the second.
CORE := tests/worker tests/wasm_classifier tests/edge

tests-core:
	@$(BIN)/python -m pytest -p no:cacheprovider $(CORE)

tests-rest:
	@$(BIN)/python -m pytest -p no:cacheprovider $(addprefix --ignore=,$(CORE))

# The quick half of the tests, without the Worker and the clients from npm and PyPI.
check: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest --ignore=tests/edge --ignore=tests/clients

# Needs a Cloudflare account: CLOUDFLARE_API_TOKEN, or `wrangler login` before.
deploy: $(VENV)/.dev $(KERNEL)
	@$(PYTHON) tests/edge/setup_edge.py
	@$(PYTHON) deploy/edge/publish.py

bench: $(VENV)/.dev
	@$(BIN)/python -m bench.run

$(KERNEL): wasm_classifier/kernel/kernel.c $(wildcard wasm_classifier/*.py deploy/kernel/*.py) | $(VENV)/.run
	@$(BIN)/python -m deploy.kernel.build --if-possible

clean:
	rm -rf build $(KERNEL) wasm_classifier/kernel-*.cwasm .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "harpoon needs Python 3.11 or newer")'
	@echo "setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing harpoon and what it needs"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing harpoon, what it needs and what its tests need"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.run
