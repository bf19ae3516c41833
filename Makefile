# make demo: see it work. make test: all checks. Both install what they need.
SHELL := /bin/bash
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

# Two at a time, each with a lab of its own: the tests on hosts mostly wait.
TOGETHER := -n 2 --dist worksteal

.PHONY: help install demo test lint unit integration crash-test manager-test molecule docs man reference bench matrix lock clean

help:
	@echo "make demo         a whole patch day on throw-away hosts (HOSTS=8 IMAGE=mixed), about 5 minutes"
	@echo "make test         lint, unit and integration tests"
	@echo "make lint | unit | integration | molecule"
	@echo "make docs         dist/site, the documentation"
	@echo "make man          dist/man/patchctl.1, made from the help"
	@echo "make reference    reference pages of docs/ (settings, states, commands, JSON) and the JSON Schema"
	@echo "make crash-test   the longest tests: full disks, two controllers, a cloud plugin; 20 minutes"
	@echo "make manager-test what make test runs on hosts with apt, on hosts with dnf"
	@echo "make bench        every benchmark beside its peers, about half an hour (QUICK=1: minutes)"
	@echo "make matrix       unit tests, wheel and a rollout with each Python and ansible-core (PAIRS='3.12:2.20')"
	@echo "make lock         choose versions anew (PYTHONS='python3.11 python3.12 python3.13')"
	@echo "make clean        remove .venv and caches"

install:
	@scripts/install

demo: install
	@scripts/demo

test: lint
	$(BIN)/pytest $(TOGETHER) tests/unit
	$(BIN)/pytest $(TOGETHER) -m "not proof and not managers" --durations=15 tests/integration

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	shellcheck $$(scripts/shell-files)
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline -q

unit: install
	$(BIN)/pytest tests/unit

integration: install
	$(BIN)/pytest $(TOGETHER) -m "not proof and not managers" --durations=15 tests/integration

crash-test: install
	$(BIN)/pytest $(TOGETHER) -m "proof and not managers" tests/integration

manager-test: install
	$(BIN)/pytest $(TOGETHER) -m managers tests/integration

molecule: install
	$(BIN)/pytest tests/integration/test_molecule.py

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

man: install
	$(BIN)/python scripts/man

reference: install
	$(BIN)/python -m patchctl.config.schema >schema/patchctl.schema.json
	$(BIN)/python scripts/settings-page
	$(BIN)/python scripts/states-page
	$(BIN)/python scripts/commands-page
	$(BIN)/python scripts/json-page

bench: install
	for name in engine assessment reviews reading daily discovery patching waiting; do \
	  $(BIN)/python benchmarks/$$name.py $(if $(QUICK),--quick) || exit; done

matrix: install
	scripts/matrix $(PAIRS)

lock:
	scripts/lock $(or $(PYTHONS),python3)

clean:
	rm -rf .venv .matrix .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
