# Everything a person starts: the environment is made on the first call and kept.
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(or $(shell for v in python3 python3.13 python3.12 python3.11; do $$v -c "$(FITS)" 2>/dev/null && echo $$v && break; done),python3)
VENV ?= .venv
PORT ?= 7860
HOME_DIR ?=
PY = $(VENV)/bin/python
HOME_FLAG = $(if $(HOME_DIR),--home $(HOME_DIR))

.PHONY: setup run test bench study screenshots lint
.DEFAULT_GOAL := help

help:
	@echo "make run [PORT=7860] [HOME_DIR=...]   start the app and print its address"
	@echo "make test                             the whole test suite"
	@echo "make bench [ONLY=name]                the short figures, one JSON line each"
	@echo "make study NAME=name                  one many-seed figure, resumable"
	@echo "make screenshots                      the README's pictures, from the running app"

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	"Python 3.11 to 3.13 is needed, found %d.%d: make PYTHON=/path/to/python3.12" % v)'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade pip
	$(PY) -m pip install --quiet $(PIP_FLAGS) -r requirements.txt
	@touch $@

run: setup
	@$(PY) app.py serve --port $(PORT) $(HOME_FLAG)

# One thread each, and none that spins: threads of several processes that wait for each other by spinning stand still together.
test: setup
	OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive $(PY) -m pytest -n 2 --dist loadfile

lint: setup
	$(PY) -m ruff check .

bench: setup
	$(PY) -m tests.bench $(ONLY)

study: setup
	$(PY) -m tests.study $(NAME)

screenshots: setup
	$(PY) -m docs.screenshots
