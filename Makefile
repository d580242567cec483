.DEFAULT_GOAL := help
# make demo   two daemons and a client on loopback, one real test
# make test   everything that shows that this works

PYTHON ?= python3
TESTER ?= thrulay
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
SOAK_MINUTES ?= 30

.PHONY: help demo test abuse faults soak audit lint types clean

help:
	@echo "make demo [TESTER=iperf3]  two daemons and a client on loopback, one real test"
	@echo "make test                  the whole suite (REQUIRE_TESTERS=1: no skips for missing testers)"
	@echo "make abuse [ABUSE_SEED=7]  hours of hostile clients, peers, servers and inputs"
	@echo "make faults                every fault in every phase of a test; what is promised and was seen"
	@echo "make soak [SOAK_MINUTES=30 SOAK_SEED=7]  tests and random faults; nothing may grow"
	@echo "make audit                 dependencies with known vulnerabilities"
	@echo "make lint, make types      ruff; mypy"
	@echo "make clean                 removes what the others made"

demo: $(VENV)/.installed
	@$(BIN)/python -m bwctl.demo --tester $(TESTER)

test: $(VENV)/.test
	@tests/install-testers
	$(BIN)/python tests/run.py --jobs $(JOBS)

abuse: $(VENV)/.test
	ABUSE=long $(BIN)/python tests/run.py --jobs $(JOBS) tests.abuse

faults: $(VENV)/.test
	@tests/install-testers
	$(BIN)/python -m tests.faults.figures --jobs $(JOBS)

soak: $(VENV)/.test
	@tests/install-testers
	$(BIN)/python -m tests.soak --minutes $(SOAK_MINUTES) $(if $(SOAK_SEED),--seed $(SOAK_SEED))

audit: $(VENV)/.test
	$(BIN)/python tests/audit.py

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lint
	$(BIN)/mypy

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.lint: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info _trial_temp* .mypy_cache .ruff_cache .hypothesis
	rm -f twisted/plugins/dropin.cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
