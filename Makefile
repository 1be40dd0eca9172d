# Two commands on a fresh machine: make demo, make test. All of it lives in .venv/.
PYTHON ?= python3
BIN := .venv/bin
# faiss-cpu and faiss-gpu own the same module: one of them, by what the machine has
FAISS := $(shell nvidia-smi -L >/dev/null 2>&1 && echo gpu || echo cpu)
export WANDB_SILENT := true

.PHONY: help setup demo explore test test-slow test-gpu check format clean

help:
	@echo "make setup      the environment in .venv/ ($(FAISS) build of FAISS)"
	@echo "make demo       set up, train on the embedded emoji, score the test split, draw panels"
	@echo "make explore    set up, open the demo's model in a browser"
	@echo "make test       set up, run the tests; test-slow and test-gpu run the others"
	@echo "make check      ruff, mypy, import-linter"
	@echo "make format     ruff's formatter and safe fixes"

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "xmr needs Python 3.11 or newer; call make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[$(FAISS),dev]'
	@touch $@

demo: setup
	$(BIN)/python train.py experiment=emoji name=demo
	$(BIN)/python scripts/evaluate.py checkpoint=runs/demo/latest split=test
	$(BIN)/python scripts/leaderboard.py runs/demo
	@echo
	@echo "look at     runs/demo/latest/panels/text_to_image-random.png"
	@echo "try next    $(BIN)/python train.py experiment=emoji loss=siglip"
	@echo "            $(BIN)/python train.py data=table data.path=your.csv"
	@echo "in Python   xmr.load('runs/demo/latest').search(text='a happy cat')"

explore: setup
	test -e runs/demo/latest || $(MAKE) demo
	$(BIN)/python scripts/explore.py runs/demo/latest

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not gpu"

test-slow: setup
	$(BIN)/python -m pytest -m "slow and not gpu"

test-gpu: setup
	$(BIN)/python -m pytest -m gpu

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
