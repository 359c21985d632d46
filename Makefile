# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv by itself.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash

.PHONY: demo test faults check docs setup clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   synthesise a small collection of music, then prepare, train, evaluate and restore it as Ray jobs"
	@echo "make test   run the test suite but for what make faults runs"
	@echo "make faults kill drivers, actors and nodes of every job, and join two hosts: the rest of the tests"
	@echo "make check  format, lint, types, import direction"
	@echo "make docs   the documents as a site in build/site, with their links checked"
	@echo "make setup  install everything into .venv"
	@echo "make clean  remove the virtual environment and what the demo made"

setup: .venv/.complete

.venv/.complete: pyproject.toml constraints.txt
	@started=$$(date +%s) && \
	( test -x $(BIN)/pip || $(PYTHON) -m venv .venv || \
	  { echo "no usable venv module: on Debian, apt-get install python3-venv" >&2; exit 1; } ) && \
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,docs]' && \
	$(BIN)/python cluster/mend_torchaudio.py && \
	touch $@ && echo "set up in $$(( $$(date +%s) - started )) s"

demo: setup
	@$(BIN)/python jobs/demo.py

test: setup
	@$(BIN)/pytest

faults: setup
	@$(BIN)/pytest -m faults

check: setup
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/python -m tests.support.words
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: setup
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict && echo "the documents: build/site/index.html"

clean:
	rm -rf .venv demo build *.egg-info
