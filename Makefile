.DEFAULT_GOAL := help
RUN := uv run --frozen --all-extras

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: ## make the environment in .venv from uv.lock
	@command -v uv >/dev/null || python3 -m pip install --quiet uv
	@uv sync --frozen --all-extras --quiet

test: setup ## run all tests, real Kafka and Redis included
	$(RUN) pytest tests

check: setup lint test ## what CI runs: lint, types, layout, tests

lint: setup ## check style, types and layout
	$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) mypy && $(RUN) lint-imports

format: setup ## format the code
	$(RUN) ruff format . && $(RUN) ruff check --fix .

.PHONY: help setup test check lint format
