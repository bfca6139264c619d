.DEFAULT_GOAL := help
RUN := uv run --frozen --all-extras

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup: ## make the environment in .venv from uv.lock
	@command -v uv >/dev/null || python3 -m pip install --quiet uv
	@uv sync --frozen --all-extras --compile-bytecode --quiet

demo: setup ## show the whole stream and its models in fast motion, on a Kafka and Redis of its own; about 5 minutes
	@$(RUN) millrace demo

up: setup ## start Kafka, Redis and all services and leave them running
	@$(RUN) millrace up

down: ## stop what `make up` started
	@$(RUN) millrace down

accuracy: setup ## DATA=file: check features and models on the Handbook's data through the live services
	@$(RUN) python -m tests.accuracy.run $(DATA)

accuracy-prequential: setup ## DATA=file [EARLY=--early]: six weeks as the services retrain themselves (about 20 minutes)
	@$(RUN) python -m tests.accuracy.prequential $(DATA) $(EARLY)

accuracy-early: setup ## DATA=file: the same with labels 1 to 5 days late, mean of three draws of the delays (3 x 4 minutes)
	@$(RUN) python -m tests.accuracy.run $(DATA) --early

drift: setup ## 12 simulated streams of 120 days through the live services: detection, false alarms, recovery; 75 minutes
	@$(RUN) python -m tests.drift.run

bench: setup ## speed beside bare hops and peers, kept and written into the documents; under 10 minutes
	@$(RUN) python -m tests.bench

bench-growth: setup ## what a payment costs as everything grows, and restarts; a minute or two
	@$(RUN) python -m tests.bench growth

bench-learning: setup ## [DATA=file]: what learning costs the scores, what a refit on 60 days takes
	@$(RUN) python -m tests.bench learning $(if $(DATA),--data $(DATA))

bench-latency: setup ## latency at 5,000 payments/s beside four bare hops
	@$(RUN) python -m tests.bench.latency

bench-stages: setup ## each stage alone on a filled topic, beside one bare hop
	@$(RUN) python -m tests.bench.stages --rounds 2

faults: setup ## faults of every kind under load, judged against one thread; an hour; SHARE=0.1 for a tenth of it
	@$(RUN) python -m tests.faults --share $(or $(SHARE),1)

soak: setup ## half of capacity for 20 minutes with 5 kills; SHARE=0.25 for less
	@$(RUN) python -m tests.faults soak --share $(or $(SHARE),1)

fuzz: setup ## 1,000,000 executions of each target: raw records, framed records, packages, settings
	@$(RUN) python -m tests.fuzz.run

gates: setup ## planted bad models stopped by their gates, honest ones not, through the live services; about 5 minutes
	@$(RUN) python -m tests.gates.run

helm: setup ## lint, render and validate the Helm chart; builds helm with Go on first use
	@uv run --frozen --all-extras --group helm python -m tests.chart.run

scale-page: setup ## write the tables of docs/scale.md
	@$(RUN) python -m tests.bench.scale

test: setup ## run all tests, real Kafka and Redis included
	$(RUN) pytest tests --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: setup lint test ## what CI runs: lint, types, layout, tests

lint: setup ## check style, types and layout
	$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) mypy && $(RUN) lint-imports

format: setup ## format the code
	$(RUN) ruff format . && $(RUN) ruff check --fix .

.PHONY: help setup demo up down bench bench-growth bench-learning bench-latency bench-stages accuracy accuracy-early accuracy-prequential drift faults soak fuzz gates helm scale-page test check lint format
