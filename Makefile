# `make run` and `make test` are all a newcomer needs; `make help` lists the rest.
.DEFAULT_GOAL := help
.PHONY: help run setup pages check simulation test lock clean check-python

PYTHON ?= python3
ARGS ?=
SEEDS ?= 1
# Every run has seeds of its own: a third of them each time finds the same, three runs later.
TEST_SEEDS ?= 0.3
BIN := .venv/bin
TIMED := $(BIN)/python scripts/timed.py
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: .venv/run.stamp ## set everything up and serve on 127.0.0.1:8400 (ARGS="--port 0 …")
	@$(BIN)/python scripts/build_pages.py
	@exec $(BIN)/holdfast serve $(ARGS)

setup: .venv/dev.stamp ## make or refresh .venv with everything for development

pages: .venv/run.stamp ## build the web pages if their sources changed
	@$(BIN)/python scripts/build_pages.py

check: setup ## lint, types, floors, unit tests: under a minute
	@$(TIMED) "ruff" $(BIN)/ruff check --quiet .
	@$(TIMED) "format" $(BIN)/ruff format --check --quiet .
	@$(TIMED) "types" $(BIN)/mypy --no-error-summary
	@$(TIMED) "floors" $(BIN)/lint-imports --no-logo --config pyproject.toml
	@$(TIMED) "unit tests" $(BIN)/pytest -q tests/unit -n 2
	@if [ -d web/node_modules ]; then $(TIMED) "web types" sh -c 'cd web && npm run --silent check'; fi

simulation: setup ## our promises in virtual time, with seeds that were never tried (SEEDS=10: ten times as many)
	@$(TIMED) "simulation" $(BIN)/pytest -q -s tests/simulation -n 2 --dist loadgroup --sim-chunk=100 --sim-fresh --sim-factor=$(SEEDS)

test: setup pages .venv/chromium .venv/tor ## everything: check, web tests, integration, browser
	@$(MAKE) --no-print-directory check
	@$(TIMED) "web unit tests" $(BIN)/python scripts/web_test.py
	@$(MAKE) --no-print-directory simulation SEEDS=$(TEST_SEEDS)
	@$(TIMED) "integration tests" $(BIN)/pytest -q tests/integration -m "not alone" -n 2 --dist loadgroup -raP --durations=5
	@$(TIMED) "integration tests, one by one" $(BIN)/pytest -q -s tests/integration -m alone --durations=5
	@$(TIMED) "browser tests" $(BIN)/pytest -q tests/browser -n 2 --dist loadgroup --durations=5

lock: setup ## write the lock files anew
	@$(BIN)/python -m pip install --quiet uv && $(BIN)/python scripts/lock.py

clean: ## remove what can be made again
	rm -rf .venv web/node_modules src/holdfast/server/pages .pytest_cache .mypy_cache .ruff_cache

check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Holdfast needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python has no venv. On Debian: apt-get install python3-venv"; exit 1; }

$(BIN)/python: | check-python
	@$(PYTHON) -m venv .venv

.venv/run.stamp: pyproject.toml requirements.lock | $(BIN)/python
	@echo "setup: installing the server"
	@if [ ! -f .venv/dev.stamp ]; then $(PIP) -r requirements.lock; else $(PIP) -r requirements-dev.lock; fi
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: pyproject.toml requirements-dev.lock | $(BIN)/python
	@echo "setup: installing everything for development"
	@$(PIP) -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/run.stamp $@

.venv/chromium: | $(BIN)/python
	@sh scripts/chromium.sh > $@.new && mv $@.new $@

.venv/tor: | $(BIN)/python
	@sh scripts/tor.sh > $@.new && mv $@.new $@
