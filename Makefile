# The workshop of the project; `make help` lists it.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.DEFAULT_GOAL := help
.PHONY: help setup fmt check test test-long test-browser chaos chaos-client ha fuzz bench bench-quick bench-profile bench-report bench-setup demo serve lock clean

# Servers and commands are started by the hundred: each would compile all of casedial anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.ready ## make a virtual environment in .venv, with bin/casedial in it

$(VENV)/.ready: requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "casedial needs Python 3.11 or newer; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

fmt: setup ## format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: setup ## formatting, lint, types, who may import whom
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Tests wait for servers, leases and disks: one more at a time than there are cores.
JOBS ?= $(shell echo $$(($$(nproc) + 1)))

test: setup ## every test, on SQLite and PostgreSQL, but those in a browser
	$(BIN)/pytest -n $(JOBS) --dist worksteal --ignore tests/browser

test-long: setup ## the same; tests that try some by chance, others each day, try everything
	CASEDIAL_TESTS=long ORACLE_STEP=1 $(BIN)/pytest -n $(JOBS) --dist worksteal --ignore tests/browser

test-browser: setup ## the console in a real browser; without chromium its tests are skipped
	$(BIN)/pytest -n auto tests/browser

chaos: setup ## kill servers under working dialers and check what is left; N=100 kills
	$(BIN)/python -m tests.chaos --kills $(or $(N),100)

chaos-client: setup ## kill dialers that use casedial-client, and count their results; N=200 kills, 50 reports for each
	$(BIN)/python -m clients.python.tests.chaos --kills $(or $(N),200)

ha: setup ## lose primaries of a PostgreSQL under Patroni beneath working dialers; N=10, ASYNC=1 shows what is lost without a wait
	@tests/ha/install.sh || true
	$(BIN)/python -m tests.ha --failovers $(or $(N),10) $(if $(ASYNC),--asynchronous)

fuzz: setup ## hostile input to servers of both databases; N=100000 raw requests
	$(BIN)/python -m tests.fuzz --raw $(or $(N),100000) --schema 1000

bench: bench-setup ## measure claims against other software, about an hour; ROWS=claim,growth ROUNDS=5
	$(BIN)/python -m benchmarks run $(if $(ROWS),--rows $(ROWS)) --rounds $(or $(ROUNDS),5)

bench-quick: bench-setup ## see that the benchmarks work, two minutes
	$(BIN)/python -m benchmarks quick

bench-profile: bench-setup ## see where the time of a claim goes
	$(BIN)/python -m benchmarks.profile

bench-report: setup ## put the latest figures into README and docs/explanation/performance.md
	$(BIN)/python -m benchmarks report

bench-setup: setup .venv-bench/.ready
	benchmarks/install.sh

.venv-bench/.ready: benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	@touch $@

demo: setup ## serve a sample firm on http://127.0.0.1:8000
	$(BIN)/casedial demo

serve: setup ## serve the database that CASEDIAL_DATABASE_URL names
	$(BIN)/casedial serve

lock: ## pin the newest dependencies (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -o requirements.lock

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-bench .interop .mypy_cache .ruff_cache .pytest_cache .import_linter_cache dist
