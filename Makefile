# `make demo`, `make test`, `make test-all`, `make check` and `make docs` do all set-up; nothing but Python >= 3.10 and make is needed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SELECTED = -m "not long"
SOURCES = conec simec corpora tests benchmarks

.PHONY: demo test test-all check lint docs pretrained clean

demo: $(VENV)/demo.done
	$(BIN)/python -m conec.demo --out demo

# types are checked while the tests run
test: $(VENV)/test.done
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy & types=$$!; \
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(SELECTED); tests=$$?; \
	wait $$types && exit $$tests

# all tests; `make test` leaves out quick runs of benchmarks, stress tests, the browser, and embedding and training on
# a cluster, which take minutes
test-all: SELECTED =
test-all: test

# what `make test` does, with the fast tests only
check: $(VENV)/test.done
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadgroup -q -m "not slow"

lint: $(VENV)/test.done
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/mypy

# the site in docs/_build/html; executed notebooks are kept in docs/_build/.jupyter_cache
docs: $(VENV)/docs.done
	$(BIN)/python -m sphinx -W --keep-going -n -q docs docs/_build/html

# a small English model in pretrained/, from the Wikipedia texts in the folder CORPORA_DATA
pretrained: $(VENV)/demo.done
	$(BIN)/python -m benchmarks.pretrained

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.done: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[plots]"
	touch $@

$(VENV)/test.done: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[simec,molecules,plots,parquet,spacy,ner,distributed,s3,explore,test]"
	touch $@

$(VENV)/docs.done: $(VENV)/test.done
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) build docs/_build docs/reference/generated pretrained demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
