# make train | make test | make lint | make docs; each makes its own virtual environment first.
# Options go through ARGS: make train ARGS="--data synthetic --epochs 3"

PYTHON ?= python3
VENV ?= .venv
IN_VENV = $(VENV)/bin/python

.PHONY: train test lint docs clean

train: $(VENV)/installed
	$(IN_VENV) experiments/utkface_age.py $(ARGS)

test: $(VENV)/installed
	$(IN_VENV) -m pytest -n 2 $(ARGS)

lint: $(VENV)/installed
	$(IN_VENV) -m ruff check
	$(IN_VENV) -m ruff format --check
	$(IN_VENV) -m mypy

docs: $(VENV)/installed
	$(IN_VENV) -m mkdocs build --strict $(ARGS)

clean:
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(IN_VENV) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	touch $@
