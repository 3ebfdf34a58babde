# Everything a person starts. The environment is made on the first call and kept.
FITS = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(or $(shell for v in python3 python3.13 python3.12 python3.11; do $$v -c "$(FITS)" 2>/dev/null && echo $$v && break; done),python3)
VENV ?= .venv
DOCS_VENV ?= .venv-docs
RAY_VENV ?= .venv-ray
VLLM_VENV ?= .venv-vllm
PORT ?= 7860
HOME_DIR ?=
GPU ?=
LOCK ?=
CPU_TORCH = https://download.pytorch.org/whl/cpu
TORCH = $(shell sed -n 's/^\(torch~=[0-9.]*\).*/\1/p' requirements.txt)
BIN = $(VENV)/bin
CONSTRAINT = $(if $(LOCK),--constraint requirements.lock)
HOME_FLAG = $(if $(HOME_DIR),--home "$(HOME_DIR)")
# One thread per process, and none that spins: spinning threads of several processes block each other.
TEST_ENV = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

.PHONY: help setup dev run test thorough coverage attack check-cluster matrix bench study gpu check-vllm screenshots lint format architecture reference lock docs docs-build
.DEFAULT_GOAL := help

help:
	@echo "make setup [GPU=1] [LOCK=1]           install the application into $(VENV); LOCK=1: the versions of requirements.lock"
	@echo "make run [PORT=7860] [HOME_DIR=...]   start the app and print its address"
	@echo "make lint                             ruff, format check and mypy"
	@echo "make format                           format the code and sort the imports"
	@echo "make test                             the test suite, without the long variants"
	@echo "make thorough                         its long variants: each has a like in make test; 5 minutes"
	@echo "make coverage                         the test suite with branch coverage per package"
	@echo "make attack [ONLY=name]               attack a server, stores and the command line; 30 minutes"
	@echo "make check-cluster                    runs on two real Ray nodes of this machine; 5 minutes"
	@echo "make matrix                           every model family in every verb, into docs/models.md, and every setting; 10 minutes"
	@echo "make bench [ONLY=name]                the short figures, one JSON line each"
	@echo "make study NAME=name                  one many-seed figure, resumable"
	@echo "make gpu                              figures of a machine with a GPU; 10 minutes. Without one, a tiny trial run"
	@echo "make check-vllm                       PPO in process and on a real vLLM server, which it installs (3 GB); 30 minutes"
	@echo "make architecture                     draw docs/images/architecture.svg from the imports"
	@echo "make reference                        write docs/reference: commands, settings, HTTP and Python APIs, metrics"
	@echo "make lock                             write requirements.lock: the newest versions that requirements.txt allows"
	@echo "make screenshots                      the pictures of the documents, from the running app"
	@echo "make docs                             serve the documentation on http://127.0.0.1:8000"
	@echo "make docs-build                       write the documentation to site/"

setup: $(VENV)/.installed

dev: $(VENV)/.dev-installed

$(VENV)/.installed: requirements.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else \
	"Python 3.11 to 3.13 is needed, found %d.%d: make PYTHON=/path/to/python3.12" % v)'
	@echo "Installing into $(VENV): $(if $(GPU),6 GB with PyTorch for a GPU,2 GB; for a GPU: make setup GPU=1). Two to five minutes."
	"$(PYTHON)" -m venv "$(VENV)"
	"$(BIN)/python" -m pip install --quiet --upgrade pip
	@echo "1 of 3: PyTorch"
	$(if $(GPU),,@"$(BIN)/python" -m pip install --no-deps --retries 1 $(CONSTRAINT) --index-url $(CPU_TORCH) "$(TORCH)" 2>/dev/null \
	|| echo "$(CPU_TORCH) has no PyTorch for this machine, or cannot be reached: PyPI's build is installed.")
	"$(BIN)/python" -m pip install --no-deps $(PIP_FLAGS) $(CONSTRAINT) "$(TORCH)"
	@echo "2 of 3: the other requirements"
	"$(BIN)/python" -m pip install $(PIP_FLAGS) $(CONSTRAINT) -r requirements.txt
	@echo "3 of 3: the application"
	"$(BIN)/python" -m pip install --quiet --no-deps --editable .
	@touch "$@"

$(VENV)/.dev-installed: requirements-dev.txt $(VENV)/.installed
	"$(BIN)/python" -m pip install --quiet $(PIP_FLAGS) -r requirements-dev.txt
	@touch "$@"

run: setup
	@"$(BIN)/preference-loop" serve --port "$(PORT)" $(HOME_FLAG)

test: dev
	$(TEST_ENV) "$(BIN)/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not thorough"

thorough: dev
	$(TEST_ENV) "$(BIN)/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m thorough

coverage: dev
	rm -f .coverage .coverage.*
	$(TEST_ENV) "$(BIN)/python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-branch --cov-report=json:.coverage.json
	"$(BIN)/python" -m tests.coverage_by_package .coverage.json

lint: dev
	"$(BIN)/ruff" check .
	"$(BIN)/ruff" format --check .
	"$(BIN)/mypy"

format: dev
	"$(BIN)/ruff" check --fix --select I,F401 .
	"$(BIN)/ruff" format .

attack: dev
	$(TEST_ENV) "$(BIN)/python" -m tests.attack $(ONLY)

$(RAY_VENV)/.installed:
	"$(PYTHON)" -m venv "$(RAY_VENV)"
	"$(RAY_VENV)/bin/python" -m pip install --quiet $(PIP_FLAGS) "ray[default]~=2.60"
	@touch "$@"

check-cluster: dev $(RAY_VENV)/.installed
	$(TEST_ENV) "$(BIN)/python" -m tests.cluster "$(RAY_VENV)/bin/ray"

matrix: dev
	$(TEST_ENV) "$(BIN)/python" -m tests.matrix --write
	$(TEST_ENV) "$(BIN)/python" -m tests.matrix.other_settings

bench: dev
	"$(BIN)/python" -m tests.bench $(ONLY)

study: dev
	"$(BIN)/python" -m tests.study $(NAME)

gpu: dev
	"$(BIN)/python" -m tests.gpu

$(VLLM_VENV)/.installed: tests/vllm/install.sh
	sh tests/vllm/install.sh "$(VLLM_VENV)" "$(PYTHON)"
	@touch "$@"

check-vllm: dev $(VLLM_VENV)/.installed
	$(TEST_ENV) PREFERENCE_LOOP_VLLM="$(VLLM_VENV)/bin/vllm" "$(BIN)/python" -m tests.vllm

architecture: dev
	"$(BIN)/python" -m docs.architecture

reference: dev
	for page in settings cli http_api metrics python_api planning label_curves; do "$(BIN)/python" -m "docs.$$page" || exit 1; done

lock:
	"$(PYTHON)" -m venv "$(VENV)-lock"
	"$(VENV)-lock/bin/python" -m pip install --quiet uv
	"$(VENV)-lock/bin/uv" pip compile requirements.txt --quiet --universal --python-version 3.11 --upgrade --no-annotate \
	--custom-compile-command "make lock" --output-file requirements.lock

screenshots: dev
	"$(BIN)/python" -m docs.screenshots

$(DOCS_VENV)/.installed: requirements-docs.txt
	"$(PYTHON)" -m venv "$(DOCS_VENV)"
	"$(DOCS_VENV)/bin/python" -m pip install --quiet $(PIP_FLAGS) -r requirements-docs.txt
	@touch "$@"

docs: $(DOCS_VENV)/.installed
	NO_MKDOCS_2_WARNING=1 "$(DOCS_VENV)/bin/mkdocs" serve --dev-addr 127.0.0.1:8000

docs-build: $(DOCS_VENV)/.installed
	NO_MKDOCS_2_WARNING=1 "$(DOCS_VENV)/bin/mkdocs" build --strict
