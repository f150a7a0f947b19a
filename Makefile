# Everything a newcomer needs: `make up` runs Trimtab, `make test` proves it works.
# Needs only python3.11 with venv, and make; the rest is installed into .venv.
PYTHON ?= python3.11
BIN := .venv/bin
UP ?=
BENCH ?= tests/bench

.PHONY: up test test-ragas test-phoenix check fmt docs bench lock clean

up: .venv/core $(if $(findstring --local-model,$(UP)),.venv/local)
	$(BIN)/trimtab up $(UP)

test: check
	$(BIN)/pytest -n auto $(TESTS)

# Apart from `test`, for its environment has 800 MB; it is built once.
test-ragas: .venv/dev .venv/ragas/installed.txt
	$(BIN)/pytest -m ragas tests/evals/test_ragas_parity.py

# A real Phoenix, in an environment of 620 MB.
test-phoenix: .venv/dev .venv/phoenix/installed
	$(BIN)/pytest -m phoenix -p no:randomly -s tests/e2e/test_phoenix.py tests/bench/test_phoenix.py

check: .venv/dev
	$(BIN)/ruff format --check src tests tools
	$(BIN)/ruff check src tests tools
	$(BIN)/lint-imports
	$(BIN)/basedpyright
	$(BIN)/deptry src
	$(BIN)/vulture

fmt: .venv/dev
	$(BIN)/ruff format src tests tools
	$(BIN)/ruff check --fix src tests tools

docs: .venv/dev
	$(BIN)/python tools/telemetry_assets.py
	$(BIN)/python tools/reference.py

bench: .venv/dev
	$(BIN)/pytest -m "bench and not phoenix" -p no:randomly -s $(BENCH)

prices: .venv/dev
	$(BIN)/python tools/prices.py

# The lock names hashes and no index, so it installs from whichever index the machine uses.
lock: .venv/uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --upgrade pyproject.toml --all-extras --group dev --output-file requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header pyproject.toml --constraint requirements.lock --output-file requirements-core.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header pyproject.toml --extra local --constraint requirements.lock --output-file requirements-local.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header pyproject.toml --extra litellm --constraint requirements.lock --output-file requirements-litellm.lock

clean:
	rm -rf .venv .trimtab

.venv/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

.venv/core: .venv/uv requirements-core.lock pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements-core.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

# A real model on this machine: `make up UP=--local-model`.
.venv/local: .venv/core requirements-local.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements-local.lock
	@touch $@

.venv/dev: .venv/core requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements.lock
	@touch $@

.venv/ragas/installed.txt: src/trimtab/evals/ragas.requirements.txt | .venv/core
	$(BIN)/trimtab evals ragas install --home .venv

.venv/phoenix/installed: tests/phoenix.requirements.txt | .venv/uv
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/phoenix
	$(BIN)/uv pip install --quiet --python .venv/phoenix/bin/python --require-hashes --requirement tests/phoenix.requirements.txt
	@touch $@
