# Every target uses the active environment. `make install` first, inside a virtual environment.
.PHONY: install lint format types test check

install:
	python -m pip install --editable ".[test]"

lint:
	ruff check
	ruff format --check

format:
	ruff check --fix
	ruff format

types:
	pyright

test:
	python -m pytest

check: lint types test
