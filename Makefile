# Everything is made inside .venv; a fresh machine needs python3 (3.11 or later), its venv module and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := signaling media_worker mixer_core openai_link benchmarks deploy tests docs
# Tests at once: those of real processes wait more than they work.
TEST_WORKERS ?= $(shell echo $$((5 * $$(getconf _NPROCESSORS_ONLN) / 2)))

# Where this is set, every process that a test starts compiles every module again.
unexport PYTHONDONTWRITEBYTECODE
COMPILED := tests/__pycache__/.compiled

.DEFAULT_GOAL := help
.PHONY: help setup run quick test check bench docs clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(BIN)/.dev  ## install everything, the tools for tests included

run: $(BIN)/.run  ## start the gateway on http://127.0.0.1:8080 (Ctrl-C ends it)
	@exec $(BIN)/mixminus run

quick: $(BIN)/.dev  ## the tests that need memory only, long tables in part, in about a minute
	TEST_STRIDE=5 $(BIN)/python -m pytest -n auto --dist worksteal -m "not sockets and not processes and not browser"

test: $(BIN)/.dev $(COMPILED)  ## all tests; those in a browser are skipped where there is no Chromium
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

check: $(BIN)/.dev  ## formatting, lint, types
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

bench: $(BIN)/.bench  ## measure this machine (some minutes)
	@exec $(BIN)/python -m benchmarks all --quick

docs: $(BIN)/.docs  ## the documents as pages, in site/
	@$(BIN)/mkdocs build --strict
	@echo "open site/index.html"

clean:  ## remove what was installed and cached
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist site *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One process compiles what would else be compiled in each of the test workers, which all begin at
# once. What it cannot collect is told by the tests themselves.
$(COMPILED): $(shell find $(SOURCES) -name '*.py') | $(BIN)/.dev
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null || true
	@mkdir -p $(@D) && touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "mixminus needs Python 3.11 or later: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ echo "python3 has no venv module: install the package python3-venv"; rm -rf $(VENV); exit 1; }

$(BIN)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mixminus into $(VENV) (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(BIN)/.bench: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mixminus and what draws its plots into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@ $(BIN)/.run

$(BIN)/.docs: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing what builds the documents into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@ $(BIN)/.run

$(BIN)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing mixminus and its test tools into $(VENV) (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(BIN)/.run
