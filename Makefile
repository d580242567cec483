.DEFAULT_GOAL := help
# make demo   two daemons and a client on loopback, one real test
# make test   everything that shows that this works

PYTHON ?= python3
TESTER ?= thrulay
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: help demo test abuse audit lint types clean

help:
	@echo "make demo [TESTER=iperf3]  two daemons and a client on loopback, one real test"
	@echo "make test                  the whole suite (REQUIRE_TESTERS=1: no skips for missing testers)"
	@echo "make abuse [ABUSE_SEED=7]  hours of hostile clients, peers, servers and inputs"
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
