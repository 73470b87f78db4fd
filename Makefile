# Two commands matter: `make demo` shows what phusong does, `make test` proves that it works.
# Both make .venv and install exactly what the lock files in requirements/ name, by hash. On another
# Python, beside it: make test PYTHON=python3.13 VENV=.build/py3.13

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# The repository's root is the package, so tools that read sources want a folder that holds it
# under its own name.
NAMED := .build/named

.PHONY: demo test check bench lock clean apt-packages

demo: $(VENV)/.demo
	$(BIN)/phusong demo

test: apt-packages $(VENV)/.test
	$(MAKE) --no-print-directory check

# The browser's tests run in a process of their own: Playwright keeps an event loop running in it.
check: $(VENV)/.test $(NAMED)/phusong
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	cd $(NAMED) && ../../$(BIN)/mypy --config-file ../../setup.cfg --cache-dir ../../.mypy_cache
	$(BIN)/pytest --cov --cov-report= --ignore=tests/maps
	$(BIN)/pytest --cov --cov-append --cov-report=term tests/maps

bench: $(VENV)/.test
	@for benchmark in benchmarks/*.py; do echo "== $$benchmark"; $(BIN)/python $$benchmark || exit 1; done

lock: $(VENV)/.uv
	for extra in base demo test; do \
	  $(BIN)/uv pip compile setup.cfg requirements/$$extra.in --universal --python-version 3.11 \
	    --generate-hashes --upgrade --quiet \
	    --custom-compile-command "make lock" --output-file requirements/$$extra.txt \
	    $$(case $$extra in demo) echo --extra analysis;; test) echo --extra test;; esac); \
	done

clean:
	rm -rf $(VENV) .build build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .coverage demo artifacts

# Debian packages that some tests need; elsewhere those tests skip and say why. A program of the
# package's name will do: npm, for one, also comes with other people's nodejs.
apt-packages:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  missing=$$(for p in $$(grep -v '^#' tests/apt-packages.txt); do \
	    dpkg -s $$p >/dev/null 2>&1 || command -v $$p >/dev/null || echo $$p; done); \
	  if [ -n "$$missing" ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -qq -y --no-install-recommends $$missing >/dev/null \
	      || echo "some packages of tests/apt-packages.txt could not be installed: their tests skip"; \
	  fi; \
	fi

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "phusong needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo $(VENV)/.test: $(VENV)/.%: requirements/%.txt setup.cfg | $(VENV)/bin/python
	@echo "installing what requirements/$*.txt names (a minute or two the first time)"
	$(PIP) install --require-hashes --requirement requirements/$*.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.uv: | $(VENV)/bin/python
	$(PIP) install uv
	@touch $@

$(NAMED)/phusong:
	@mkdir -p $(NAMED)
	@ln -sfn ../.. $@
