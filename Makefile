# Doorstep's tasks. `make demo` and `make test` work on a fresh machine; `make help` lists the rest.
PY ?= python3
V := .venv
BIN := $(V)/bin
UV := $(shell command -v uv 2>/dev/null)
# One more than the cores of a small machine: many tests wait for processes to start and end.
WORKERS ?= 3
CODE := backend driver_api handset planner pod sync web tests bench migrations
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where compiled code may not be kept, each of our many processes compiles for a second or more.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format lock soak bench

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(V)/.runtime ## the virtual environment with what Doorstep needs to run
	@echo "Doorstep is ready: $(BIN)/doorstep --help"

demo: $(V)/.runtime ## a whole day on made-up data, then it serves until Ctrl-C (EXIT=1: it ends)
	@if [ "$(EXIT)" = 1 ] || ! [ -t 0 ]; then exit="--exit"; fi; exec $(BIN)/doorstep demo $$exit $(ARGS)

test: $(V)/.dev ## every test, on a real PostgreSQL and a real S3 server
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(V)/.dev ## ruff, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: $(V)/.dev ## put every file in form
	@$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format -q .

soak: $(V)/.dev ## the long runs that `make test` leaves out
	@$(BIN)/pytest -m soak $(ARGS)

bench: $(V)/.dev ## measure; each prints one table
	@for name in $$(ls bench/[a-z]*.py bench/*/__main__.py | sed 's:^bench/::; s:/__main__::; s:\.py$$::'); do \
	  echo "== bench.$$name"; $(BIN)/python -m bench.$$name || exit 1; done

lock: ## write both lock files anew (needs uv; UPGRADE=1 for newer versions)
	@[ -n "$(UV)" ] || { echo "uv is needed to lock: see its own site for how to install it"; exit 1; }
	uv lock $(if $(UPGRADE),--upgrade)
	uv export -q --no-emit-project --no-header --no-default-groups --group build -o requirements.lock
	uv export -q --no-emit-project --no-header --all-groups -o requirements-dev.lock
	@! grep -n '://' requirements.lock requirements-dev.lock

# A stamp is written last, so that a set-up that was killed is done again.
$(V)/.runtime: requirements.lock pyproject.toml
	@sh tools/install.sh $(PY) $(V) requirements.lock
	@touch $@

$(V)/.dev: requirements-dev.lock pyproject.toml
	@sh tools/install.sh $(PY) $(V) requirements-dev.lock
	@touch $@ $(V)/.runtime
