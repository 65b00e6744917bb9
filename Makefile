# Everything runs in .venv, which is made on first use and again whenever the lock file changes.

.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
STAMP := .venv/.installed
PYTEST_ARGS ?= -n 2

.PHONY: help demo test lint format bench bench-api bench-query flame soak lock clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(STAMP) ## broker, worker, real deployment changes, five questions and a verification, in one go
	$(BIN)/ledger demo

test: lint ## all checks: lint, then the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP) ## ruff, mypy and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## rewrite the code in the form that lint asks for
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure, print a table, write bench/results/*.json
	$(BIN)/python -m bench

flame: $(STAMP) ## draw where a worker's time goes, docs/flame.svg; needs py-spy
	$(BIN)/python -m bench.flame

bench-api: $(STAMP) ## measure the HTTP API: reads, 200 writers at once, what it adds to wranglers; ARGS="--seconds 10"
	$(BIN)/python -m bench.api $(ARGS)

ENTRIES ?= 1000000 10000000

bench-query: $(STAMP) ## measure questions over a whole fleet's ledger, made once; ENTRIES="1000000 10000000", CACHE=DIR
	$(BIN)/python -m bench.query $(ENTRIES:%=--entries %) $(if $(CACHE),--cache $(CACHE))

MINUTES ?= 5
BROKER ?= embedded

soak: $(STAMP) ## mixed faults at random under load; MINUTES=5, SEED=7, BROKER=embedded|kafka
	$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --broker $(BROKER) $(if $(SEED),--seed $(SEED))

lock: $(STAMP) ## pin the dependencies of pyproject.toml anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --upgrade --no-header --no-emit-index-url \
		pyproject.toml -o requirements.lock

clean: ## remove .venv and everything that can be made again
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist demo-ledger *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	bash scripts/make-venv
	touch $@
