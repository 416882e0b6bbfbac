# Needs GNU make and Python 3.11 or newer. PYTHON=path chooses another Python than the newest found.

# Python keeps the bytecode of what it loads, whatever the environment says: hundreds of processes load it.
export PYTHONDONTWRITEBYTECODE :=

UV_VERSION := 0.13.9
PYTHONS := $(if $(PYTHON),"$(PYTHON)",python3.14 python3.13 python3.12 python3.11 python3)
PIP := .venv/bin/python -m pip install --quiet --no-deps
PYTEST := .venv/bin/python -m pytest
MEASURED := -m slipcover --source services,shared --json --out .coverage/lines.json
TRACED := .venv/bin/coverage run --branch
WORKERS ?= 3
PARALLEL = -n $(WORKERS) --dist loadfile --no-loadscope-reorder
FLOOR := 95
PORT ?= 8080
RUNTIME := .venv/.runtime
DEVELOPMENT := .venv/.development
RELEASE := .venv/release
VENDOR := services/api/console/vendor/vendor.lock
ATHERIS := .venv/atheris
COMPILE := .venv/bin/uv pip compile --universal --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --quiet

.DEFAULT_GOAL := help
.PHONY: help install setup demo run check lint format types imports test unit contract service e2e deploy
.PHONY: coverage covered fuzz figures bench soak lock derived-locks clean rabbitmq promtool chromium codes schema
.PHONY: licences sbom audit

help: ## Show this
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

install: $(RUNTIME) $(VENDOR) ## Make .venv with what standalone and the command line need

setup: $(DEVELOPMENT) $(VENDOR) ## Add what tests and checks need

demo: $(RUNTIME) $(VENDOR) ## Import and export an archive on a standalone of its own, and compare (ARCHIVE=path for yours, KEEP=1 to leave it running)
	@.venv/bin/python -m services.cli demo $(if $(ARCHIVE),--archive "$(ARCHIVE)") $(if $(KEEP),--keep)

run: $(RUNTIME) $(VENDOR) ## Run standalone on PORT (8080), its data in crossdock-data
	@.venv/bin/python -m services.cli standalone --port $(PORT) --data crossdock-data

check: lint format types imports ## Lint, format, types, import rules

lint: $(DEVELOPMENT)
	.venv/bin/ruff check .

format: $(DEVELOPMENT)
	.venv/bin/ruff format --check .

types: $(DEVELOPMENT)
	.venv/bin/mypy

imports: $(DEVELOPMENT)
	.venv/bin/lint-imports

ifdef ARGS
test: $(DEVELOPMENT)
	$(PYTEST) $(ARGS)
else
test: check $(VENDOR) rabbitmq promtool chromium ## Everything: checks, then all tests with real servers (ARGS=path for some, COVERAGE=yes as in CI)
	@rm -rf .coverage; mkdir .coverage
	.venv/bin/python $(if $(COVERAGE),$(MEASURED)) -m pytest $(PARALLEL)
	$(if $(COVERAGE),@.venv/bin/python -m tests.figures.lines .coverage/lines.json)
	$(if $(COVERAGE),@$(MAKE) --no-print-directory covered)
endif

unit: $(DEVELOPMENT) ## The tests of one folder, in parallel (ARGS for pytest), and so on:
	$(PYTEST) $(PARALLEL) tests/unit $(ARGS)

contract service e2e deploy: $(DEVELOPMENT) $(VENDOR) rabbitmq promtool
	$(PYTEST) $(PARALLEL) tests/$@ $(ARGS)

e2e: chromium

contract: ## Every adapter of a port
service: ## Services in the process of the test
e2e: ## Crossdock in processes of its own
deploy: ## Images, compose file, chart, locks

# Tests that bound memory or time may fail while everything is measured; the table is what is asked for.
coverage: $(DEVELOPMENT) $(VENDOR) rabbitmq promtool chromium ## Print what all tests run of each folder, lines and branches, in all processes
	@rm -rf .coverage; mkdir .coverage
	-MEASURE_PROCESSES=yes $(TRACED) -m pytest $(PARALLEL)
	@$(MAKE) --no-print-directory covered

covered:
	@find .coverage -name 'data.*' -size 0 -delete # of processes that were killed
	@.venv/bin/coverage combine --quiet
	@.venv/bin/python -m tests.figures.coverage $(FLOOR)

ifdef TARGET
fuzz: $(ATHERIS)
	PYTHONPATH=$(ATHERIS) .venv/bin/python -m tests.fuzz $(TARGET) $(ARGS)
else
fuzz: $(DEVELOPMENT) ## Fuzz the archive reader for a minute; TARGET=name of tests/fuzz: that, by its coverage, without end
	CROSSDOCK_FUZZ_SECONDS=$${CROSSDOCK_FUZZ_SECONDS:-5} $(PYTEST) tests/unit/archive/test_fuzz.py
endif

figures: $(DEVELOPMENT) ## Print the figures of the code that must not get worse: length, complexity, cycles
	@.venv/bin/python -m tests.figures

bench: $(DEVELOPMENT) rabbitmq ## Measure against what one would do instead, in 10 minutes (ARGS="--only mixed,tiny --size 1024", --help)
	.venv/bin/python -m tests.benchmarks $(ARGS)

soak: $(DEVELOPMENT) rabbitmq ## Run it under load for 10 minutes with a fault every two seconds, and say what was lost (ARGS="--seconds 120")
	.venv/bin/python -m tests.soak $(ARGS)

codes: $(DEVELOPMENT) ## Write the table of error codes anew
	.venv/bin/python -m tests.support.error_codes

schema: $(DEVELOPMENT) ## Write shared/database/schema.sql anew from the migrations and functions
	.venv/bin/python -m tests.support.schema

licences: $(DEVELOPMENT) ## Write the table of what images carry, with licences, anew
	.venv/bin/python -m tests.support.licences

sbom: $(RELEASE) ## Write the bill of materials of the images to sbom.json (CycloneDX)
	$(RELEASE)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--output-file sbom.json deploy/runtime.lock

audit: $(RELEASE) ## Ask PyPI for known vulnerabilities of what images carry
	$(RELEASE)/bin/pip-audit --disable-pip --require-hashes --requirement deploy/runtime.lock

lock: $(DEVELOPMENT) ## Pin the newest versions that pyproject.toml allows
	printf 'hatchling\neditables\n' | $(COMPILE) pyproject.toml - --upgrade \
		--extra embedded --extra tracing --group test --group check --output-file requirements.lock
	@$(MAKE) --no-print-directory derived-locks

# The same versions for what needs only some of them: the images, and standalone without its tests.
derived-locks: $(DEVELOPMENT)
	printf 'hatchling\nnodejs-wheel-binaries\nuv==$(UV_VERSION)\n' | $(COMPILE) - --constraint requirements.lock --output-file deploy/build.lock
	printf 'cyclonedx-bom\npip-audit\n' | $(COMPILE) - --output-file deploy/release.lock
	$(COMPILE) pyproject.toml --extra tracing --constraint requirements.lock --output-file deploy/runtime.lock
	printf 'hatchling\neditables\n' | $(COMPILE) pyproject.toml - --extra embedded \
		--constraint requirements.lock --output-file deploy/standalone.lock

clean: ## Remove all that make and the tools made; crossdock-data stays
	rm -rf .venv services/api/console/vendor .bench .coverage .fuzz .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find services shared tests -name __pycache__ -type d -exec rm -rf {} +

$(RUNTIME): deploy/standalone.lock pyproject.toml
	@for python in $(PYTHONS); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; \
	done; \
	[ "$$python" ] || { echo 'Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3' >&2; exit 1; }; \
	"$$python" -c 'import ensurepip, venv' 2>/dev/null || { $(call install,$$("$$python" -c \
		'import sys; print("python{}.{}-venv".format(*sys.version_info))')); } || exit 1; \
	[ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv
	@$(call install-lock,deploy/standalone.lock)
	@$(PIP) --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements.lock
	@$(call install-lock,requirements.lock)
	@touch $@

# What browsers load of others. Where nobody has it to give, that is said in a line, and asked again next time.
$(VENDOR): services/api/console/vendor.lock $(RUNTIME)
	@.venv/bin/python -m services.api.console.vendoring || true

# Tools of a release in an environment of their own, as they pin what tests have in other versions.
$(RELEASE): $(DEVELOPMENT) deploy/release.lock
	@.venv/bin/python -m venv --clear $@
	@$@/bin/python -m pip install --quiet --no-deps --require-hashes -r deploy/release.lock

# Beside the locked packages, as no version of it has wheels for all of Python 3.11 to 3.14.
$(ATHERIS): $(DEVELOPMENT)
	@$(PIP) --target $@ 'atheris~=3.0'

# uv is quick; pip takes over where uv is not to be had or knows no index.
define install-lock
echo 'Installing what $(1) pins'; \
$(PIP) uv==$(UV_VERSION) 2>/dev/null \
	&& .venv/bin/python -m uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r $(1) 2>/dev/null \
	|| $(PIP) --require-hashes -r $(1)
endef

rabbitmq:
	@[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || { $(call install,rabbitmq-server); }

promtool:
	@command -v promtool >/dev/null || { $(call install,prometheus); }

# Ubuntu has none as a package. Any of these will do, and without any the tests that need it are skipped, and say so.
chromium:
	@for each in chromium-headless-shell chromium google-chrome; do command -v $$each >/dev/null && exit; done; \
		( $(call install,chromium-headless-shell) ) || echo 'Install chromium or google-chrome for the tests of the console' >&2

# Installs a package of Debian or Ubuntu, without starting the service that it may bring.
define install
package=$(1); \
if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	echo "Install $$package first: sudo apt-get install --no-install-recommends $$package" >&2; exit 1; \
fi; \
policy=/usr/sbin/policy-rc.d; \
[ -e $$policy ] || { printf '#!/bin/sh\nexit 101\n' >$$policy; chmod 755 $$policy; trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }; \
echo "Installing $$package" >&2; \
export DEBIAN_FRONTEND=noninteractive; \
apt-get install -y -qq --no-install-recommends "$$package" >/dev/null 2>&1 || \
	{ apt-get update -qq && apt-get install -y -qq --no-install-recommends "$$package" >/dev/null; }
endef
