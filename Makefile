# Every target sets up what it needs by itself, in .venv; see scripts/bootstrap.
.DEFAULT_GOAL := help
# Not named PYTHON: that is how scripts/bootstrap is told which interpreter to build .venv with.
VENV := .venv/bin/python
# For pytest, e.g. make test PYTEST_ARGS="-x tests/unit". By default on two cores, where the tests of the started product
# (tests/e2e) keep to one: they measure time and kill processes.
PYTEST_ARGS ?= -n 2 --dist loadgroup
# What comes out the same on every database, and so runs on SQLite alone: what never sees the application's tables
ON_SQLITE_ALONE := tests/unit tests/e2e/test_supervisor.py \
	$(addprefix tests/integration/,bot_config/test_schemas.py test_demo_exchange.py test_log_records.py)
# … what looks at pages, proxies, connections and bodies, behind which a user has been signed in and no more,
ON_SQLITE_ALONE += \
	$(addprefix tests/e2e/test_,browser_streams.py docs_page.py hostile_clients.py nginx.py postman.py readme.py \
		stream_doors.py) \
	$(addprefix tests/integration/,test_bodies.py test_dashboard.py test_documentation.py test_rate_limits.py \
		trading/test_stream.py) \
	$(addprefix tests/integration/streaming/test_,gunicorn.py handoff.py listener.py log_socket.py new_exchange.py)
# … and what looks at exchanges, markets and processes, whose statements others run on both: tests/integration/bot/test_keeper.py
# those of the bot's keeper, strategies/test_restart.py and test_life.py those of strategies, and most files those of orders.
ON_SQLITE_ALONE += tests/e2e/test_bot.py \
	$(addprefix tests/integration/,backtests/test_play.py bot/test_bot.py test_market_data.py test_market_orders.py \
		strategies/test_contributing.py strategies/test_foreign.py strategies/test_replay.py) \
	$(addprefix tests/integration/exchanges/test_,kucoin.py market.py mute.py options.py reads.py verification.py)
# There the engine in memory has nothing to keep; what SQL keeps of live orders is told by Binance under every fault, and by
# KuCoin in the life of an order; administrators may ask for whatever others may; and what is slowed down is measured once.
ON_POSTGRESQL := -k "not fake and (not kucoin or test_life) and (not test_schemathesis or admin) and not slows_no_other"
COMPILE := .venv/bin/uv pip compile --quiet --python $(VENV) --universal --python-version 3.12 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate

.PHONY: help run test check bench chaos migrate lock clean env env-dev

help: ## List the commands
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

run: env ## Start everything; Ctrl-C stops it
	@exec $(VENV) app.py

test: env-dev ## Run the tests on SQLite and, when TEST_POSTGRESQL_URL is set, once more on PostgreSQL
	@# the second run comes also when the first one failed: whoever mends something wants to know all of it
	@code=0; $(VENV) -m pytest $(PYTEST_ARGS) || code=$$?; \
	if [ -n "$$TEST_POSTGRESQL_URL" ] && [ $$code -le 1 ]; then \
		echo "Once more, with the application's tables on PostgreSQL"; \
		TEST_DATABASE_URL="$$TEST_POSTGRESQL_URL" \
			$(VENV) -m pytest $(ON_POSTGRESQL) $(PYTEST_ARGS) $(addprefix --ignore=,$(ON_SQLITE_ALONE)) || code=$$?; \
	fi; exit $$code

check: env-dev ## Style, types, import rules, OpenAPI drift and all tests
	$(VENV) -m ruff check .
	$(VENV) -m ruff format --check .
	$(VENV) -m mypy .
	.venv/bin/lint-imports
	$(VENV) -m scripts.openapi --check
	@$(MAKE) --no-print-directory test

chaos: env-dev ## Kill parts of the product at random while it trades; a table of what was lost, doubled or invented
	$(VENV) -m tests.chaos $(CHAOS_ARGS)

bench: env-dev ## Measure; tables on the screen, JSON in benchmarks/results
	$(VENV) -m benchmarks $(BENCH_ARGS)

migrate: env ## Bring the database of the settings to the newest schema (a start does it too)
	$(VENV) -m alembic upgrade head

lock: env ## Pin requirements*.txt anew from the .in files
	$(COMPILE) --upgrade -o requirements.txt requirements.in
	$(COMPILE) --upgrade -o requirements-dev.txt requirements-dev.in
	$(COMPILE) --upgrade -o requirements-uv.txt requirements-uv.in

clean: ## Remove .venv and caches; the data in var/ stays
	rm -rf .venv .venv.lock .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .schemathesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

env:
	@scripts/bootstrap

env-dev:
	@scripts/bootstrap dev
