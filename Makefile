# `make run` and `make test` are all that a newcomer needs; `make help` tells the rest.

PYTHON ?= python3
BIN := .venv/bin
# Another pip than the one that comes with Python, as a command: make PIP=/usr/bin/pip test
PIP ?=
INSTALL = $(PYTHON) -u scripts/install.py $(if $(PIP),--pip="$(PIP)")
# Where everything is installed, that is kept as locked, and has what the service needs.
RUNTIME := $(or $(wildcard .venv/ready),.venv/runtime)
.DEFAULT_GOAL := help

.PHONY: help
help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# What is locked, and nothing else: for the service alone, and for everything else too.
.venv/runtime: requirements.txt
	@$(INSTALL) .venv $<
	@touch $@

.venv/ready: requirements-dev.txt
	@$(INSTALL) .venv $<
	@touch $@

.PHONY: run
run: $(RUNTIME) ## Start the service, with its own database unless DATABASE_URL is set
	@$(BIN)/taskapi serve

.PHONY: dev
dev: $(RUNTIME) ## The same, started again whenever a file changes
	@$(BIN)/taskapi serve --reload

PYTEST = $(BIN)/pytest --numprocesses auto --dist worksteal

.PHONY: example
example: $(RUNTIME) ## Start the web application of examples/web, with all that it needs but Node
	@$(BIN)/python -m scripts.example $(OPTIONS)

.PHONY: test
test: .venv/ready ## All tests, on a real PostgreSQL
	@$(PYTEST)

# What clients can tell of how rows are kept. Tokens, HTTP, servers' lives and documents do not depend
# on it, and plans, locks and migrations are tested on tables as the migrations make them.
CONTRACT = tests/tasks tests/changes tests/clock tests/idempotency tests/resource tests/transfer tests/operations
# Those of them that have databases or services of their own, which --partitions does not divide.
UNDIVIDED = tests/tasks/test_row_security.py tests/changes/test_race.py tests/idempotency/test_traces.py \
	tests/transfer/test_commands.py tests/transfer/test_moving_page.py tests/transfer/test_service.py

.PHONY: test-partitions
test-partitions: .venv/ready ## The contract, on tables in 32 hash partitions
	@$(PYTEST) --partitions $(CONTRACT) $(UNDIVIDED:%=--ignore=%)

.PHONY: coverage
coverage: .venv/ready ## The same, and which lines they reach; it takes twice the CPU
	@$(PYTEST) --cov="$(CURDIR)/taskapi" --cov-report term:skip-covered

.PHONY: fuzz
fuzz: .venv/ready ## The fuzz tests for long, each time at other places
	@$(BIN)/pytest --numprocesses 2 --hypothesis-profile long tests/fuzz

.PHONY: check
check: .venv/ready ## Format, lint, types, import contracts, migrations, documents, assets, licences, wheel, locks
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python scripts/check_documents.py
	$(BIN)/python scripts/check_migrations.py
	$(BIN)/python -m scripts.check_assets
	$(BIN)/python -m scripts.check_licences
	$(BIN)/python -m scripts.check_wheel
	$(BIN)/python -m scripts.check_locks
	$(if $(wildcard clients/typescript/node_modules),npm run --silent check --prefix clients/typescript)

.PHONY: format
format: .venv/ready ## Put the code into the one format
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: openapi
openapi: .venv/ready ## Write openapi.json anew
	$(BIN)/taskapi openapi > openapi.json

.PHONY: client
client: ## Build the TypeScript client and pack it, into clients/typescript; it needs Node
	@npm ci --prefix clients/typescript --no-audit --no-fund --silent
	@npm run --silent build --prefix clients/typescript
	@cd clients/typescript && npm pack --silent

.PHONY: sbom
sbom: .venv/ready ## Write what the service is made of, with licences, into dist/ (CycloneDX)
	@$(BIN)/python -m scripts.sbom dist/taskapi.cdx.json

benchmarks/.venv/ready: benchmarks/requirements.txt
	@$(INSTALL) benchmarks/.venv $<
	@touch $@

tests/generated/.venv/ready: tests/generated/requirements.txt
	@$(INSTALL) tests/generated/.venv $<
	@touch $@

# From this checkout: the service is started from it, and the soak uses the tests' helpers.
BENCHMARKS = PYTHONPATH="$(CURDIR):$(CURDIR)/tests" benchmarks/.venv/bin/python -m benchmarks

.PHONY: bench
bench: benchmarks/.venv/ready ## Measure this service and its peers; `make bench OPTIONS=--quick` in two minutes
	@$(BENCHMARKS) peers $(OPTIONS)

REVISION ?= HEAD~1

.PHONY: bench-against
bench-against: benchmarks/.venv/ready ## Measure this checkout beside another revision: `REVISION=HEAD~1`
	@$(BENCHMARKS) against $(REVISION) $(OPTIONS)

.PHONY: bench-growth
bench-growth: benchmarks/.venv/ready ## Measure how costs grow with the table and with a user's tasks
	@$(BENCHMARKS) growth $(OPTIONS)

.PHONY: bench-transfer
bench-transfer: benchmarks/.venv/ready ## Measure files of tasks, out and in, in each format
	@$(BENCHMARKS) transfer $(OPTIONS)

.PHONY: bench-pooler
bench-pooler: benchmarks/.venv/ready ## Measure what a pooler costs, with and without prepared statements
	@$(BENCHMARKS) pooler $(OPTIONS)

.PHONY: bench-report
bench-report: benchmarks/.venv/ready ## Write the figures of the last runs into docs/performance.md
	@$(BENCHMARKS) report

.PHONY: soak
soak: benchmarks/.venv/ready ## Use a fleet while everything under it is broken; `make soak MINUTES=20`
	@$(BENCHMARKS).soak --minutes $(or $(MINUTES),2)

.PHONY: abuse
abuse: benchmarks/.venv/ready ## Attack it in every known way beside a polite user; `make abuse OPTIONS=--quick`
	@$(BENCHMARKS).abuse $(OPTIONS)

# Extras by their names, because pip before 23.3 looks for `coverage[toml]` apart from `coverage`.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header
UPGRADE ?= --upgrade

.PHONY: lock
lock: .venv/ready ## Write the locked requirements anew; UPGRADE= keeps the versions that still fit
	$(LOCK) $(UPGRADE) pyproject.toml --output-file requirements.txt
	$(LOCK) $(UPGRADE) --constraint requirements.txt --group dev pyproject.toml --output-file requirements-dev.txt
	$(LOCK) --constraint requirements-dev.txt --group build --output-file requirements-build.txt
	$(LOCK) --constraint requirements-dev.txt pyproject.toml benchmarks/pyproject.toml --output-file benchmarks/requirements.txt
	$(LOCK) $(UPGRADE) tests/generated/pyproject.toml --output-file tests/generated/requirements.txt

.PHONY: clean
clean: ## Remove what make made, but not .taskapi, where the tasks are
	rm -rf .venv benchmarks/.venv tests/generated/.venv dist .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
