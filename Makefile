# `make help` lists what there is.

PORT := 4200
PYTHON :=# chosen from the list below unless given: make PYTHON=/path/to/python
CANDIDATES := python3.13 python3.12 python3.11 python3 python
SUITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet --no-input
UV := .venv/bin/uv --quiet --system-certs pip
LOCKED := $(UV) compile --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --upgrade
LOCK := $(LOCKED) --extra prefect --group build pyproject.toml

.PHONY: docs help study test test-slow coverage evidence check bench test-faults up down lock release clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

study: .venv/.installed ## install, and run the tutorial's study as a Prefect flow
	@.venv/bin/python -m flows tutorial

test: .venv/.installed-dev ## install, and run the tests (three minutes)
	@.venv/bin/python -m pytest -m 'not slow' $(FILES) --ignore tests/slow

# A file's tests stay together, for they share what is set up; the order of the files is that of tests/conftest.py.
FILES := -n 2 --dist loadfile --no-loadscope-reorder

# Four at a time, on two cores: those with a server mostly wait for it.
test-slow: .venv/.installed-dev ## the tests that take longer: browser, deployments, simulations (17 minutes)
	@.venv/bin/python -m pytest -m 'slow and not faults and not evidence' -n 4 --dist loadfile --no-loadscope-reorder

coverage: .venv/.installed-dev ## which lines `make test` runs (.coverage-html has them; four minutes)
	@.venv/bin/python -m coverage erase
	@.venv/bin/python -m coverage run -m pytest -m 'not slow' $(FILES) -q
	@.venv/bin/python -m coverage combine --quiet
	@.venv/bin/python -m coverage html --quiet
	@.venv/bin/python -m coverage report

evidence: .venv/.installed-dev ## the rest of long series of the engine, simulations behind docs/method.md, more random input (long)
	@.venv/bin/python -m pytest -m evidence $(FILES)

check: .venv/.installed-dev ## lint, format, types
	@.venv/bin/ruff check --quiet
	@.venv/bin/ruff format --check --quiet || { echo "the files above are not formatted: ruff format"; exit 1; }
	@.venv/bin/mypy

bench: .venv/.installed-bench ## speed against Model.fit and against JAX, measured in one run (an hour)
	@.venv/bin/python -m benchmarks

docs: .venv/.installed-docs ## build the site of docs/ into site/, warnings being errors
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet && echo "site/index.html"

KILLS := 50

test-faults: .venv/.installed-dev ## kill runs, workers and servers at random moments (KILLS=50, an hour)
	@.venv/bin/python -m tests.faults
	@.venv/bin/python -m pytest -m faults $(FILES)
	@.venv/bin/python -m tests.faults.publishing
	@.venv/bin/python -m tests.faults.kills --kills $(KILLS)

up: .venv/.installed ## start Prefect's server and a worker, and deploy (PORT=4200, POSTGRES=1)
	@.venv/bin/python -m flows.services up --port $(PORT) $(if $(POSTGRES),--postgres)

down: ## end what `make up` started
	@if [ -x .venv/bin/python ]; then .venv/bin/python -m flows.services down; else echo "Nothing is installed here."; fi

lock: .venv/.installed-dev ## choose the newest versions that fit, and lock them
	@echo "locking …"; \
	echo uv | $(LOCKED) - -o requirements/installer.lock && \
	$(LOCK) -o requirements/run.lock && \
	$(LOCK) --extra ray --extra mlflow --extra wandb --group dev -c requirements/run.lock -o requirements/dev.lock && \
	$(LOCK) --group docs -c requirements/run.lock -o requirements/docs.lock && \
	$(LOCK) --group bench -c requirements/run.lock -o requirements/bench.lock

release: .venv/.installed-dev ## build the wheel and the source archive of the tagged commit in dist/ (CONTRIBUTING.md)
	@version=$$(.venv/bin/python -c 'import noiseflow; print(noiseflow.__version__)'); \
	test -z "$$(git status --porcelain)" || { echo "commit first: the tree differs from what git has"; exit 1; }; \
	test "$$(git describe --exact-match --tags 2>/dev/null)" = "v$$version" || { echo "tag this commit first: git tag v$$version"; exit 1; }; \
	rm -rf dist && .venv/bin/python -m hatchling build -t wheel -t sdist && ls dist

clean: ## remove the environment and the caches; the results stay
	@if [ -d .run ]; then $(MAKE) --no-print-directory down; fi
	@rm -rf .venv .run .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .coverage.* .coverage-html dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment that is there and suits is kept.
.venv/.made:
	@if .venv/bin/python -c '$(SUITS)' 2>/dev/null && $(PIP) --version >/dev/null 2>&1; then touch $@; exit 0; fi; \
	for python in $(or $(PYTHON),$(CANDIDATES)); do \
	  if "$$python" -c '$(SUITS)' >/dev/null 2>&1; then \
	    echo "making .venv with $$("$$python" -c 'import sys; print(sys.executable, *sys.version.split()[:1])') …"; \
	    "$$python" -m venv --clear .venv && touch $@; exit; \
	  fi; \
	done; \
	echo "noiseflow needs Python 3.11, 3.12 or 3.13 (TensorFlow has no wheels for others) with the modules venv and ensurepip;" >&2; \
	echo "none of these is one: $(or $(PYTHON),$(CANDIDATES))." >&2; \
	echo "Install one (Debian: apt-get install python3-venv) or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python" >&2; \
	exit 1

# --no-deps: the locks name everything, and pip, resolving extras in hash-checking mode, asks for hashes that are there.
.venv/.installed: .venv/.made requirements/run.lock requirements/installer.lock pyproject.toml
	@echo "installing requirements/run.lock into .venv (the first time: half a minute, 3 GB) …"
	@$(call install,requirements/run.lock)
	@touch $@

.venv/.installed-dev: .venv/.made requirements/dev.lock requirements/installer.lock pyproject.toml
	@echo "installing requirements/dev.lock into .venv (the first time: a minute, 4 GB) …"
	@$(call install,requirements/dev.lock)
	@touch .venv/.installed $@

.venv/.installed-bench: .venv/.made requirements/bench.lock requirements/installer.lock pyproject.toml
	@echo "installing requirements/bench.lock into .venv (the first time: a minute, 4 GB) …"
	@$(call install,requirements/bench.lock)
	@touch .venv/.installed $@

.venv/.installed-docs: .venv/.made requirements/docs.lock requirements/installer.lock pyproject.toml
	@echo "installing requirements/docs.lock into .venv …"
	@$(call install,requirements/docs.lock)
	@touch .venv/.installed $@

# uv takes a third of pip's time. It reads no settings of pip: where it finds no index, pip does it. Certificates are those of
# the system, as pip has them: a company may have its own.
# pip compiles one file after the other; compileall does it on all cores. What it cannot compile nobody imports.
# In a terminal a dot every three seconds shows that it goes on.
define install
[ ! -t 1 ] || { while sleep 3; do printf .; done & trap "kill $$!; echo" EXIT; }; \
{ $(PIP) install --require-hashes -r requirements/installer.lock && \
$(UV) install --no-deps --require-hashes --compile-bytecode -r $(1) || \
{ echo "… with pip, for uv could not" && \
$(PIP) install --no-compile --no-deps --require-hashes -r $(1) && \
{ .venv/bin/python -m compileall -q -j 0 .venv/lib >/dev/null 2>&1 || true; }; }; } && \
$(PIP) install --no-deps --no-build-isolation -e . && \
{ .venv/bin/python -m pip check > .venv/check.log || { cat .venv/check.log; exit 1; }; }
endef
