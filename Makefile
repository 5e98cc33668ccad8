# `make demo`, `make test` and `make check` do all set-up; nothing but Python >= 3.10 and make is needed.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
SOURCES = conec simec corpora tests benchmarks

.PHONY: demo test check lint clean

demo: $(VENV)/demo.done
	$(BIN)/python -m conec.demo --out demo

# types are checked while the tests run
test: $(VENV)/test.done
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy & types=$$!; \
	$(BIN)/python -m pytest -n 2 --dist loadgroup; tests=$$?; \
	wait $$types && exit $$tests

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

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo.done: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[plots]"
	touch $@

$(VENV)/test.done: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e ".[simec,molecules,plots,parquet,spacy,ner,index,distributed,s3,test]"
	touch $@

clean:
	rm -rf $(VENV) build demo *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
