# Needs make and a Python >= 3.11; everything else goes into .venv, from hashed releases.
.DEFAULT_GOAL := help
.PHONY: help demo test live lint docs accuracy bench lock clean

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

help:
	@echo "make demo   plan the built-in example"
	@echo "make test   lint, then every test"
	@echo "make live   measure, anchor and predict a real model server on this CPU (installs it: 130 MB)"
	@echo "make lint   ruff, pyrefly, import-linter"
	@echo "make docs   write docs/reference.md and docs/catalogue.md anew"
	@echo "make accuracy SHARED=FOLDER  write docs/accuracy.md anew from tables of measured rows"
	@echo "make bench  measurements under bench/"
	@echo "make lock   pin the dependencies of pyproject.toml anew"
	@echo "make clean  remove what make created"

$(STAMP): requirements.lock pyproject.toml
	@python=""; \
	for name in python3 python3.13 python3.12 python3.11; do \
	  if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "groundplan needs Python 3.11 or newer; none of python3, python3.13, python3.12, python3.11 is." >&2; \
	  exit 1; \
	fi; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $$python -m venv --clear $(VENV)
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PIP) install --quiet --no-build-isolation --no-deps -e .
	@touch $@

demo: $(STAMP)
	$(BIN)/groundplan demo

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/pyrefly check
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadscope

live: $(STAMP)
	$(PIP) install --quiet --no-deps --require-hashes -r requirements-live.lock
	$(BIN)/python -m pytest -n 0 tests/end_to_end/test_real_server.py

docs: $(STAMP)
	$(BIN)/python tools/generated_docs.py

SHARED ?= ../shared
accuracy: $(STAMP)
	$(BIN)/python tools/accuracy_page.py --shared $(SHARED)

bench: $(STAMP)
	@set -e; for script in bench/bench_*.py; do \
	  if [ -f "$$script" ]; then echo "== $$script"; $(BIN)/python "$$script"; fi; \
	done

# Settings of this machine must add nothing to the lock.
lock: $(STAMP)
	env -u PIP_FIND_LINKS PIP_CONFIG_FILE=/dev/null CUSTOM_COMPILE_COMMAND="make lock" \
	  $(BIN)/pip-compile --quiet --upgrade --extra dev --strip-extras \
	  --allow-unsafe --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links \
	  --no-emit-options --output-file requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis
