# Two commands set everything up on a machine with only Python 3.10 to 3.13: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
# Processes that share the tests; each that imports TensorFlow takes 1.5 GB.
JOBS ?= 2
BIN := $(VENV)/bin
PYTEST := $(BIN)/pytest -q -n $(JOBS)
# The GPU libraries are several GB: they come along only where an NVIDIA driver answers.
GPU := $(shell nvidia-smi -L >/dev/null 2>&1 && echo ,gpu)

.PHONY: setup demo test check lint fast fetch wheel durations docs facts lock clean

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e .
	touch $@

$(VENV)/setup.stamp: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt -e '.[all,dev$(GPU)]'
	touch $@ $(VENV)/demo.stamp

setup: $(VENV)/setup.stamp  ## all extras and the development tools

demo: $(VENV)/demo.stamp  ## a whole build on the shipped data
	$(BIN)/edgekit build --curate iqr --quantize int8

check: lint fast  ## format, lint, types, layers, fast tests

lint: $(VENV)/setup.stamp  ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: $(VENV)/setup.stamp  ## the fast tests alone
	$(PYTEST) -m "not tf and not jax and not device"

fetch: $(VENV)/setup.stamp  ## what tests fetch or build once, into ~/.cache/edgekit-tests
	$(BIN)/python -m tests.fetch

test: $(VENV)/setup.stamp  ## all tests
	$(PYTEST)

wheel:  ## a build from the wheel on each Python of PYTHONS ("3.12 3.13"), by default on those that no test runs on
	$(PYTHON) -m tests.wheel $(PYTHONS)

durations: $(VENV)/setup.stamp  ## all tests, and how long each file took, by which they are ordered
	$(PYTEST) --write-durations --durations=100

docs: $(VENV)/setup.stamp  ## the site, into site/; a broken link or anchor is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

facts: $(VENV)/setup.stamp  ## what each student costs, into students/facts.json: after a change to one, and for a new one
	$(BIN)/python benchmarks/student_facts.py

lock:  ## resolve constraints.txt anew for Python 3.10 to 3.13 (needs uv)
	uv pip compile -q --universal --python-version 3.10 --extra all --extra dev --extra docs pyproject.toml -o constraints.txt \
		--no-annotate --custom-compile-command "make lock"
	# ai-edge-litert needs it on every Python, but its last release is for 3.10 only: pip picks what fits.
	sed -i '/^backports-strenum/d' constraints.txt

clean:
	rm -rf $(VENV) site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
