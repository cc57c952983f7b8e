# Everything runs in .venv; TORCH picks the build of PyTorch (README, "Installing").
TORCH  ?= torch==2.13.0
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: lint lint-tree
lint-tree:  # ruff, mypy and import-linter see the package mapping of setup.py only through a tree of links
	@rm -rf build/lint && mkdir -p build/lint/stc
	@ln -s $(CURDIR)/stc/* build/lint/stc/
	@for folder in model training export runtime benchmarks; do ln -s $(CURDIR)/$$folder build/lint/stc/$$folder; done

lint: lint-tree
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	MYPYPATH=build/lint $(BIN)/mypy -p stc
	cd build/lint && PYTHONPATH=. ../../$(BIN)/lint-imports --config ../../pyproject.toml
