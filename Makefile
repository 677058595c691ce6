# `make run` and `make test` are all that a newcomer needs; `make help` tells the rest.

PYTHON ?= python3
BIN := .venv/bin
.DEFAULT_GOAL := help

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/ready: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.13 …")'
	@echo "Preparing .venv, once…"
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --requirement requirements-dev.txt
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: run
run: .venv/ready ## Start the service, with its own database unless DATABASE_URL is set
	@$(BIN)/taskapi serve

.PHONY: dev
dev: .venv/ready ## The same, started again whenever a file changes
	@$(BIN)/taskapi serve --reload

.PHONY: test
test: .venv/ready ## All tests, on a real PostgreSQL, with coverage
	@$(BIN)/pytest --numprocesses auto --dist worksteal --cov="$(CURDIR)/taskapi" --cov-report term:skip-covered

.PHONY: fuzz
fuzz: .venv/ready ## The fuzz tests for long, each time at other places
	@$(BIN)/pytest --numprocesses 2 --hypothesis-profile long tests/fuzz

.PHONY: check
check: .venv/ready ## Format, lint, types, import contracts, migrations, documents, wheel
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/check_documents.py
	$(BIN)/python scripts/check_migrations.py
	$(BIN)/python scripts/check_wheel.py

.PHONY: format
format: .venv/ready ## Put the code into the one format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: openapi
openapi: .venv/ready ## Write openapi.json anew
	$(BIN)/taskapi openapi > openapi.json

benchmarks/.venv/ready: benchmarks/requirements.txt
	@echo "Preparing benchmarks/.venv, once…"
	@$(PYTHON) -m venv benchmarks/.venv
	@benchmarks/.venv/bin/pip install --quiet --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@benchmarks/.venv/bin/pip check
	@touch $@

# From this checkout: the service is started from it, and the soak uses the tests' helpers.
BENCHMARKS = PYTHONPATH="$(CURDIR):$(CURDIR)/tests" benchmarks/.venv/bin/python -m benchmarks

.PHONY: bench
bench: benchmarks/.venv/ready ## Measure this service and its peers; `make bench OPTIONS=--quick` in two minutes
	@$(BENCHMARKS) peers $(OPTIONS)

.PHONY: bench-growth
bench-growth: benchmarks/.venv/ready ## Measure how costs grow with the table and with a user's tasks
	@$(BENCHMARKS) growth $(OPTIONS)

.PHONY: bench-report
bench-report: benchmarks/.venv/ready ## Write the figures of the last runs into docs/performance.md
	@$(BENCHMARKS) report

.PHONY: soak
soak: benchmarks/.venv/ready ## Use a fleet while everything under it is broken; `make soak MINUTES=20`
	@$(BENCHMARKS).soak --minutes $(or $(MINUTES),2)

.PHONY: lock
lock: .venv/ready ## Write the locked requirements anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml --output-file requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --group dev pyproject.toml --output-file requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --group build --constraint requirements-dev.txt --output-file requirements-build.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --constraint requirements-dev.txt pyproject.toml benchmarks/pyproject.toml --output-file benchmarks/requirements.txt

.PHONY: clean
clean: ## Remove what make made, but not .taskapi, where the tasks are
	rm -rf .venv benchmarks/.venv dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
