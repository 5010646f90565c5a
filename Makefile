# Every target makes what it needs: `.venv` comes from the committed lock, with nothing but Python 3.11+ on the PATH.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
STAMP := .venv/.installed
PYTEST_ARGS ?=
DEMO_ARGS ?=
# Where a company signs its own certificates, the system's store knows them.
export UV_SYSTEM_CERTS ?= 1

.DEFAULT_GOAL := help
.PHONY: help install demo test check bench up down docs format lint types imports test-fast test-long lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
	@UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --frozen --inexact --all-extras --all-groups --compile-bytecode --quiet
	@touch $@

install: $(STAMP) ## Make .venv with everything from the committed lock
	@echo "ready: $(BIN)/firebreak"

demo: $(STAMP) ## Break a real stack and watch Firebreak mend it (DEMO_ARGS="--fault hang")
	@$(BIN)/firebreak demo $(DEMO_ARGS)

up: $(STAMP) ## Start everything here and leave it running
	@$(BIN)/firebreak up --detach

down: $(STAMP) ## Stop everything of this home
	@$(BIN)/firebreak down

test: $(STAMP) ## Run all tests and print branch coverage
	@$(BIN)/python -m cli.checks test $(PYTEST_ARGS)

test-long: $(STAMP) ## Run the patient's faults at length, one by one
	@$(BIN)/python -m pytest -m campaign $(PYTEST_ARGS)

test-fast: $(STAMP) ## Run the unit tests only
	@$(BIN)/python -m pytest tests/unit -q $(PYTEST_ARGS)

check: format lint types imports docs-check ## Format, lint, types, import contracts, generated documents

format: $(STAMP)
	@$(BIN)/ruff format --check .

lint: $(STAMP)
	@$(BIN)/ruff check .

types: $(STAMP)
	@$(BIN)/mypy
	@$(BIN)/pyright

imports: $(STAMP)
	@$(BIN)/lint-imports

.PHONY: docs-check
docs-check: $(STAMP)
	@$(BIN)/python -m cli.documents --check

docs: $(STAMP) ## Write the generated documents (.env.example, settings table, picture of the graph, JSON Schema, Vault policies)
	@$(BIN)/python -m cli.documents

bench: $(STAMP) ## Print the benchmark tables (drills, diagnosis, bundles, retrieval, graph overhead, footprint); takes a while
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

lock: ## Renew uv.lock
	@$(UV) lock

clean: ## Remove what make install and the tests made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
