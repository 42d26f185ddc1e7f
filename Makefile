# make demo    everything from nothing: install, tweets, fine-tuning, index, the table with its verdict
# make test    lint, types and all tests
# make setup   the installation alone;  make chat  the agent;  make dashboard  the window on what was measured
# make bench   speed against peers
# GEMMA=no     leaves out the second LLM, which comes under Gemma's terms

PYTHON ?= python3
GEMMA ?= yes
LIMIT ?= 200

comma := ,
VENV := .venv
UV := $(VENV)/bin/uv
BAKEOFF := $(VENV)/bin/bakeoff
EXTRAS := offline,mcp,dashboard$(if $(filter yes,$(GEMMA)),$(comma)gemma)
SKIP := $(if $(filter yes,$(GEMMA)),,--skip rag@embedded:gemma3-270m)

# uv does not read pip's settings: hand it the folder of local builds and the index that pip would use.
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.PHONY: demo test setup chat dashboard screenshots bench lint lock clean

demo: setup
	$(BAKEOFF) index add
	$(BAKEOFF) eval sentiment --limit $(LIMIT) $(SKIP)

chat: setup
	$(BAKEOFF) chat

dashboard: setup
	$(BAKEOFF) dashboard

bench: $(VENV)/.installed-dev
	$(VENV)/bin/python -m benchmarks.training
	$(VENV)/bin/python -m benchmarks.prediction
	$(VENV)/bin/python -m benchmarks.memory
	$(VENV)/bin/python -m benchmarks.judge
	$(VENV)/bin/python -m benchmarks.ingestion
	$(VENV)/bin/python -m benchmarks.querying
	$(VENV)/bin/python -m benchmarks.growth
	$(VENV)/bin/python -m benchmarks.suggesting
	$(VENV)/bin/python -m benchmarks.agent
	$(VENV)/bin/python -m benchmarks.dashboard

# The README's two pictures, which no wheel carries, anew from the workspace that `make demo` leaves.
screenshots: $(VENV)/.installed-dev
	SCREENSHOTS_TO=images SCREENSHOTS_OF=.bakeoff $(VENV)/bin/python -m pytest tests/dashboard/test_screens.py

setup: $(VENV)/.installed-$(GEMMA)

test: $(VENV)/.installed-dev $(VENV)/servers/.installed lint
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.installed-dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lock: $(UV)
	env -u UV_FIND_LINKS $(UV) pip compile --quiet --universal --all-extras pyproject.toml \
		--no-header --no-annotate --output-file requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache dist

$(UV):
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check uv

$(VENV)/.installed-$(GEMMA): $(UV) pyproject.toml requirements.lock
	$(UV) pip install --quiet --compile-bytecode --constraints requirements.lock --editable ".[$(EXTRAS)]"
	touch $@

# Real MCP servers for the tests, in an environment of their own: they hold back the mcp that Bakeoff uses.
$(VENV)/servers/.installed: $(UV)
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)/servers
	$(UV) pip install --quiet --python $(VENV)/servers mcp==1.30.0 mcp-server-sqlite==2025.4.25 mcp-server-time==2026.10.10
	touch $@

$(VENV)/.installed-dev: $(UV) pyproject.toml requirements.lock
	$(UV) pip install --quiet --compile-bytecode --constraints requirements.lock --editable ".[offline,gemma,dev]"
	touch $@
