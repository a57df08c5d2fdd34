# Smart Payment Service. `make` prints this help.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STATE  ?= var
SEEDS  ?= 2000
PACKAGES := libs/common libs/cli services/contract-api services/consensus-node services/carrier-gateway \
            services/payment-gateway services/settlement services/sandbox
SOURCES := $(wildcard libs/*/src) $(wildcard services/*/src)
.DEFAULT_GOAL := help
MINUTES ?= 30
.PHONY: help install run demo servers test test-deploy storm check docs manifests format simulate bench lock clean

help:  ## print this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  \033[1mmake %-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Two steps: strangers pinned by hash, then our own packages without dependencies.
$(VENV)/.installed: requirements/dev.txt $(addsuffix /pyproject.toml,$(PACKAGES))
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned packages into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ,$(PACKAGES))
	@touch $@

$(VENV)/.deploy: $(VENV)/.installed requirements/deploy.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/deploy.txt
	@touch $@

install: $(VENV)/.installed  ## make the virtual environment (done by every target that needs it)

run: $(VENV)/.installed  ## the whole platform in one process, with the sandbox; state in $(STATE)/
	@$(BIN)/sps up --state $(STATE) $(if $(TRACES),--traces $(TRACES))

demo: $(VENV)/.installed  ## the story of Alice and Bob, told in the terminal and checked
	@$(BIN)/sps demo

servers: $(VENV)/.installed  ## Kafka and PostgreSQL without containers, to look at; data in $(STATE)/servers
	@$(BIN)/sps servers --folder $(STATE)/servers

# Two phases: what runs side by side, and then, alone, what needs the machine for itself.
test: check  ## all tests
	@$(BIN)/sps servers fetch
	@$(BIN)/pytest -n 3 --dist worksteal -m "not fleet and not deploy"
	@$(BIN)/pytest -m fleet

test-deploy: $(VENV)/.deploy  ## chart, rules, dashboards and drills against real tools; builds Helm and an API server once
	@$(BIN)/sps tools fetch
	@$(BIN)/pytest -m deploy

storm: $(VENV)/.installed  ## MINUTES=30: random faults under load, over real servers; the books stay exact
	@$(BIN)/sps storm --minutes $(MINUTES)

check: $(VENV)/.installed  ## ruff, mypy, import-linter, tidy test, documents without drift
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy $(SOURCES)
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/architecture

manifests: $(VENV)/.deploy  ## render the chart's values files to deploy/k8s/manifests
	@$(BIN)/sps tools fetch && $(BIN)/sps tools manifests

docs: $(VENV)/.installed  ## build the documents that follow from the code
	@$(BIN)/sps docs build
	@$(BIN)/sps docs sbom

format: $(VENV)/.installed  ## let ruff format and mend what it can
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

simulate: $(VENV)/.installed  ## SEEDS=100000: the consensus simulation at full length
	@$(BIN)/python -m consensus_node.simulation --seeds $(SEEDS) --jobs 2

bench: $(VENV)/.installed  ## measure, print and write build/bench.json
	@mkdir -p build && $(BIN)/sps bench --out build/bench.json

lock: $(VENV)/.installed  ## pin the requirements again, by hash, without the address of any registry
	@cd requirements && for f in runtime build dev deploy; do ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras \
	  --allow-unsafe --no-emit-index-url --no-emit-trusted-host --no-emit-find-links -o $$f.txt $$f.in; done

clean:  ## remove what was built, not the state of `make run`
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
