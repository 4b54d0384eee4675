# Every verb of the project; `make` alone lists them. CI calls `make test` and nothing else.
.DEFAULT_GOAL := help
.ONESHELL:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9

# Compiled byte code makes every Dagster run seconds cheaper; some machines switch it off.
unexport PYTHONDONTWRITEBYTECODE
# Nothing here calls home, whatever the caller's environment says.
export DAGSTER_DISABLE_TELEMETRY := 1
export RUNTIME__DLTHUB_TELEMETRY := false
export GX_ANALYTICS_ENABLED := false

.PHONY: help
help: ## List the verbs
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.locked: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

.PHONY: install
install: $(VENV)/.locked ## Create .venv from the lock file

.PHONY: demo
demo: install ## Everything with sample data: Postgres, ingest, Dagster, a local Google Sheets; Ctrl-C ends it
	exec $(BIN)/collect demo

.PHONY: up
up: install ## The same without sample data
	exec $(BIN)/collect up

# Browser, promtool, nginx and systemd-analyze: what some tests look through. Installed where they are missing.
.PHONY: tools
tools:
	@missing=""
	command -v chromium >/dev/null || missing="$$missing chromium"
	command -v promtool >/dev/null || missing="$$missing prometheus"
	command -v systemd-analyze >/dev/null || missing="$$missing systemd"
	PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || missing="$$missing nginx-light"
	[ -z "$$missing" ] && exit 0
	echo "Installing$$missing (Debian packages)"
	sudo=""; [ "$$(id -u)" = 0 ] || sudo=sudo
	# Their services must not start: only the programs are wanted.
	printf '#!/bin/sh\nexit 101\n' | $$sudo tee /usr/sbin/policy-rc.d >/dev/null && $$sudo chmod +x /usr/sbin/policy-rc.d
	trap "$$sudo rm -f /usr/sbin/policy-rc.d" EXIT
	$$sudo apt-get update -qq
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null

.PHONY: test
test: install tools lint types ## Lint, types and the whole default suite on real services
	# Three workers on two cores: much of the suite waits for processes to start, stop and recover. In the order of the
	# folders: the longest files come first.
	$(BIN)/pytest -m "not benchmark and not slow" --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: slow
slow: install tools ## What takes too long for every change: soaks, near variants, ten times the drawn examples
	COLLECT_LONG_RUN=1 $(BIN)/pytest -m "(slow or hypothesis) and not benchmark" --numprocesses 3 --dist loadfile

.PHONY: unit
unit: install ## Only the tests that need no service
	$(BIN)/pytest tests/unit tests/test_house.py

.PHONY: conformance
conformance: install ## Every installed destination against every requirement of the suite, as a table
	$(BIN)/python -m tests.conformance

.PHONY: lint
lint: install ## Style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: install ## Static types, strict
	$(BIN)/mypy

.PHONY: format
format: install ## Format and repair what can be repaired
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench-ingest
bench-ingest: install ## Responses per second at 1, 16, 64, 256 clients, grouped against one commit each; cost of checks
	$(BIN)/python tests/benchmarks/bench_ingest.py

.PHONY: bench-checks
bench-checks: install ## What isolating a check costs, and latencies while checks hang, crash, spin and leak
	$(BIN)/python tests/benchmarks/bench_checks.py

.PHONY: bench-isolation
bench-isolation: install ## Seconds from commit to delivered with another receiver well, dead, slow and hanging, in the same run
	$(BIN)/python tests/benchmarks/bench_isolation.py

.PHONY: bench-destinations
bench-destinations: install ## What a micro-batch costs per kind; a million responses to DuckDB and Parquet, next to dlt alone and directly
	$(BIN)/python tests/benchmarks/bench_destinations.py

.PHONY: bench-latency
bench-latency: install ## Seconds from commit to a visible cell, with and without a drain run alive
	$(BIN)/python tests/benchmarks/bench_latency.py

.PHONY: bench-mapping
bench-mapping: install ## What filters, masks and chosen columns cost: 5,000 rows with 20 questions, next to no mapping
	$(BIN)/python tests/benchmarks/bench_mapping.py

.PHONY: soak-sheets
soak-sheets: install ## Thousands of drawn stories of a sheet, its troubles and its people; COLLECT_SOAK_STORIES of them (2,000)
	$(BIN)/pytest -m slow tests/contract/test_google_sheets_scenarios.py

.PHONY: bench-sheets
bench-sheets: install ## Calls per 10,000 rows, rows per minute and use of Google's quota, fairness beside a backfill, and the naive writer
	$(BIN)/python tests/benchmarks/bench_sheets.py

.PHONY: bench-sheets-size
bench-sheets-size: install ## Three million cells through several spreadsheets, with the worker's memory on the way
	$(BIN)/python tests/benchmarks/bench_sheets_size.py

.PHONY: bench-slang
bench-slang: install ## Milliseconds to search 500 characters for 10,000 slang terms, next to naive ways
	$(BIN)/python tests/benchmarks/bench_slang.py

.PHONY: bench-validation
bench-validation: install ## CPU time of judging: 50 forms with 10 rows each, and 100,000 rows, next to polars alone
	$(BIN)/python tests/benchmarks/bench_validation.py

.PHONY: docs
docs: install ## Write the generated reference pages anew
	$(BIN)/python -m tests.generate_docs

.PHONY: lock
lock: install ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade --group dev pyproject.toml -o requirements.lock

.PHONY: clean
clean: ## Remove the environment and caches; data folders stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
