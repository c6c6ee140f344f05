# The commands of this repository. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests
PYTEST_ARGS ?=
DEST ?=
ANSWERS ?=
AUDIT_ARGS ?=
SERVICES ?=
FLEET_ARGS ?=
VERSION ?=
QUICK ?=
TAGS ?=
YEAR_ARGS ?=
ADOPT_ARGS ?=
URL ?=
RUNS ?= 10
# Processes that run tests; on two cores four, since many of them wait for servers.
WORKERS ?= 4
MINUTES ?=
# By the environment, not by the command line: an answer may hold any character.
export DEST ANSWERS

.PHONY: help new adopt earlier original test weekly stress ecosystem lowest lint gates audit format manifest bench year grade lock newest fleet release packages clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

new: $(VENV)/.new ## Generate a project and verify it: make new DEST=../myapp [ANSWERS="framework=flask ..." or file.yml]
	@$(BIN)/python scripts/new.py

adopt: $(VENV)/.new ## Say what it takes to bring a service of yours under the template: make adopt DEST=../service ANSWERS="framework=flask ..." [ADOPT_ARGS=--write]
	@PYTHONPATH=hooks $(BIN)/python -m scripts.adopt $(ADOPT_ARGS)

test: $(VENV)/.dev packages ## Run the tests of each change, installing what they need [TESTS=tests/hooks WORKERS=4]
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS) $(TESTS)

weekly: $(VENV)/.dev packages ## Run all tests, those too that each change leaves to the weekly job: before a release [TESTS=tests/live]
	@WEEKLY=all $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS) $(TESTS)

stress: $(VENV)/.dev packages ## Run the live and update tests again and again beside load [RUNS=10 MINUTES=60 TESTS=tests/update]
	@$(BIN)/python -m tests.stress --runs $(RUNS) $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(PYTEST_ARGS) $(filter-out tests,$(TESTS))

ecosystem: $(VENV)/.dev packages ## Prove that packages of others work in a service as docs/ecosystem.md says [TESTS=tests/ecosystem/test_flask.py]
	@ECOSYSTEM=all $(BIN)/python -m pytest -n 2 --dist loadfile $(PYTEST_ARGS) $(if $(filter-out tests,$(TESTS)),$(TESTS),tests/ecosystem)

lowest: $(VENV)/.dev packages ## Run the tests of a project of each framework with the lowest versions that it allows
	@LOWEST=all $(BIN)/python -m pytest $(PYTEST_ARGS) tests/generated/test_lowest.py

lint: $(VENV)/.dev ## Check format, lint and types of this repository's own code
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy --scripts-are-modules hooks/_askpass hooks/gate hooks/monorepo hooks/pre-commit hooks/pre-push hooks/propose hooks/update hooks/verify

gates: $(VENV)/.gates ## Look for secrets, conflict markers, and faults of the workflows
	@if git grep -nE '^(<{7}|[|]{7}|>{7})( |$$)'; then echo 'conflict markers'; exit 1; fi
	@# Suites for made-up secrets are the tests; requirements are all hashes.
	@git ls-files -z | grep -zvE '^(requirements|tests|template/([^/]*/)?tests)/' | xargs -0 \
	  $(BIN)/detect-secrets-hook --no-verify --disable-plugin KeywordDetector \
	  --exclude-lines 'integrity="sha(256|384|512)-|//user:password@host'
	@$(BIN)/zizmor --quiet --offline --no-progress --persona pedantic \
	  .github 'template/{{ use.github }}/.github'

audit: $(VENV)/.gates ## Look for known vulnerabilities of what this repository's own code needs
	@for name in new dev judges gates; do \
	  $(BIN)/pip-audit --require-hashes --disable-pip --progress-spinner off $(AUDIT_ARGS) \
	    --requirement requirements/$$name.txt; \
	done

format: $(VENV)/.dev manifest ## Format this repository's own code
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

manifest: $(VENV)/.new ## Write what is made of other files: the pages of the contract, the manifest for drift
	@$(BIN)/python scripts/contract.py
	@$(BIN)/python scripts/manifest.py

bench: $(VENV)/.dev packages ## Run the benchmarks and write their results; QUICK=1: in a minute, for CI
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

year: $(VENV)/.dev ## Simulate a year of services with updates, bots and work, and write what it costs [YEAR_ARGS="--services 8"]
	@$(BIN)/python -m benchmarks.year $(YEAR_ARGS)

grade: $(VENV)/.dev packages ## Let programs of others judge the edge, and write docs/grade.md
	@$(BIN)/python -m tests.live.grade

lock: $(VENV)/.dev ## Lock requirements/*.in again, with hashes
	@for name in new dev judges gates; do \
	  $(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-header --no-annotate --no-emit-index-url \
	    -o requirements/$$name.txt requirements/$$name.in; \
	done

newest: ## Lift the upper bounds of all versions, for a test of what comes next
	@sed -Ei 's/,<[0-9.]+//g' requirements/*.in tests/ecosystem/*.in template/pyproject.toml.jinja copier.yml
	@sed -Ei '/^cooldown_days:/,/default:/ s/default: "[0-9]+"/default: "0"/' copier.yml
	@$(MAKE) lock

fleet: $(VENV)/.new ## Say which service is on which version: make fleet SERVICES="../a ../b" [FLEET_ARGS="--check --html fleet.html"]
	@PYTHONPATH=hooks $(BIN)/python -m scripts.fleet $(FLEET_ARGS) $(SERVICES)

release: $(VENV)/.new ## Check the changelog and tag a version: make release VERSION=1.2.0; alone, only check
	@PYTHONPATH=hooks $(BIN)/python -m scripts.release $(VERSION)

earlier: $(VENV)/.new ## Run the app/ of earlier versions on today's template [TAGS="v1.0.0"]
	@PYTHONPATH=hooks $(BIN)/python -m scripts.earlier $(TAGS)

original: ## In a fork: follow the original, its tags as original/v1.2.0: make original URL=https://...
	@test -n "$(URL)" || { echo 'usage: make original URL=https://...'; exit 1; }
	@git remote add original "$(URL)" 2>/dev/null || git remote set-url original "$(URL)"
	@git config remote.original.tagOpt --no-tags
	@git config --replace-all remote.original.fetch '+refs/heads/*:refs/remotes/original/*'
	@git config --add remote.original.fetch '+refs/tags/*:refs/tags/original/*'
	@git fetch --quiet original
	@echo 'original: its versions are original/v...; take one in by: git merge original/v1.2.0'

packages: $(VENV)/.dev
	@$(BIN)/python -m tests.needs

clean: ## Remove the virtual environment and the caches
	@rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(VENV)/.new: requirements/new.txt scripts/bootstrap
	@PYTHON=$(PYTHON) scripts/bootstrap $(VENV) $<
	@touch $@

# uv, which came with requirements/new.txt, installs the rest.
$(VENV)/.dev: requirements/dev.txt $(VENV)/.new
	@echo "bootstrap: installing $<"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r $<
	@touch $@

$(VENV)/.gates: requirements/gates.txt $(VENV)/.dev
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r $<
	@touch $@
