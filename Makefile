# The commands of this repository; each sets up what it needs first. `make demo` and `make test` are the two to know.

# The recipes use pipefail and the like.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
export PYTHON

.PHONY: help setup demo test bench lock

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## .venv from the lock, and bubblewrap; nothing when it is there already
	@scripts/setup

demo: setup ## the main job on embedded parts; KEEP=1 keeps serving
	@$(BIN)/fettle demo $(if $(filter-out 0 no,$(KEEP)),--keep)

test: setup ## every check, then every test; pytest's summary is the last line
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/pytest -n 3 -q --tb=short

bench: setup ## every benchmark, a JSON line a figure; NAME=intake for one
	@for name in $(or $(NAME),intake label_to_pr sandbox workspace); do $(BIN)/python -m benchmarks $$name --json; done

lock: setup ## requirements.lock anew from pyproject.toml
	@$(BIN)/uv pip compile --generate-hashes --no-emit-index-url --universal --group pyproject.toml:dev pyproject.toml \
		-o requirements.lock -q
