# make run and make test need python3 >= 3.11 and nothing else; every other tool comes into .venv.
PYTHON ?= python3
BIN := .venv/bin
# The exporter and what it needs; then also the tools of make test, make check and the others.
RUNS := .venv/.runs
READY := .venv/.ready
COMPILED := .venv/.compiled
# A virtual environment refuses `user = true`, which some people have in the settings of pip.
PIP := PIP_USER=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Every version with its hashes, for every Python and platform.
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-strip-extras --python-version 3.11 \
	--custom-compile-command 'make lock'

.PHONY: help run demo install test soak check lint bench dashboards lock audit clean

help:
	@echo 'make run       the exporter on port 9728'
	@echo 'make demo      the exporter with a simulated building, and Prometheus if it is installed; PORT=, PROMETHEUS_PORT='
	@echo 'make test      all tests'
	@echo 'make soak      property tests with many random examples, kills, hostile requests: twenty minutes'
	@echo 'make install   only the environment: .venv with the package and its tools'
	@echo 'make check     format, lint, types, tests: what CI runs'
	@echo 'make bench     what an event, a scrape and a zone cost, beside other programs: some minutes'
	@echo 'make dashboards writes grafana/dashboards/ from grafana/*.py'
	@echo 'make lock      the newest versions that pyproject.toml allows, into locks/'
	@echo 'make audit     asks a public database for known weaknesses of the locked versions'
	@echo 'make clean     removes the environment and what tools left behind'

# A setting of the user's own wins over the journal in the clone.
run: $(RUNS)
	@[ -n "$$BUTLR_EXPORTER_JOURNAL" ] || { mkdir -p journal && export BUTLR_EXPORTER_JOURNAL=journal/journal.db; }; \
		exec $(BIN)/butlr-exporter serve

demo: $(RUNS)
	@exec $(BIN)/python scripts/demo.py $(PORT:%=--port=%) $(PROMETHEUS_PORT:%=--prometheus-port=%)

install: $(READY)

# .venv knows the path of this folder and of its Python: it is made anew where one of them is gone or another, also
# where PYTHON asks for another version, and where an installation did not end.
MADE_FOR := import os, sys; print(*sys.version_info[:2], ascii(os.getcwd()))
ASKED := $(if $(filter file,$(origin PYTHON)),$(BIN)/python,$(PYTHON))
ifneq ($(shell { $(BIN)/python -c '' && [ "$$($(ASKED) -c '$(MADE_FOR)')" = "$$(cat $(RUNS))" ]; } 2> /dev/null && echo usable),usable)
.PHONY: $(RUNS)
endif

$(RUNS): pyproject.toml locks/pip.txt locks/image.txt locks/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or later is needed; set PYTHON=...' >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || \
		{ echo 'On Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PIP) --require-hashes --requirement locks/pip.txt
	$(PIP) --no-deps --no-compile --require-hashes --requirement locks/image.txt --requirement locks/build.txt
	$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c '$(MADE_FOR)' > $@

# The stamp of .venv is away meanwhile, so that the next make begins anew if this installation does not end. Other
# versions of the tools get a new .venv too: pip would leave the packages that are no longer needed.
$(READY): $(RUNS) locks/ci.txt
	@[ ! -e $@ ] || { rm $(RUNS) && $(MAKE) --no-print-directory $(RUNS); }
	@rm $(RUNS)
	$(PIP) --no-deps --no-compile --require-hashes --requirement locks/ci.txt
	@$(BIN)/python -c '$(MADE_FOR)' > $(RUNS)
	@touch $@

# Once, or each worker of make test would compile everything, all at the same time.
$(COMPILED): $(READY)
	@$(BIN)/pytest --collect-only --quiet --quiet > /dev/null 2>&1 || true
	@touch $@

# The parser, the rule, the families and the settings are covered line by line and branch by branch.
test: $(READY) $(COMPILED)
	$(BIN)/pytest --numprocesses auto --dist loadgroup --cov --cov-report=
	$(BIN)/coverage report --fail-under=100

# Other random examples on each run: 20,000 of the rule, 4,000 of every other property; kills and hostile requests.
soak: $(READY)
	HOSTILE=20 KILLS=200 $(BIN)/pytest --numprocesses auto --dist loadgroup --hypothesis-profile soak -m soak

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: $(READY)
	@$(MAKE) --no-print-directory --jobs=2 lint test

# Granian, gunicorn and waitress are only compared with.
bench: $(READY)
	@$(BIN)/python -c 'import granian' 2>/dev/null || { \
		$(PIP) --upgrade pip && $(PIP) --group bench; }
	@$(BIN)/python -m bench $(BENCH)

dashboards: $(READY)
	$(BIN)/python -m grafana.build

lock: $(READY)
	$(PIP) --upgrade pip
	$(PIP) --group supply
	$(LOCK) --upgrade pyproject.toml --group build --group test --group tools --group plot --output-file locks/ci.txt
	$(LOCK) --constraint locks/ci.txt pyproject.toml --output-file locks/image.txt
	$(LOCK) --constraint locks/ci.txt --group build --output-file locks/build.txt
	$(LOCK) --upgrade --group pip --output-file locks/pip.txt

audit: $(READY)
	$(PIP) --upgrade pip
	$(PIP) --group supply
	$(BIN)/pip-audit --strict --disable-pip --requirement locks/image.txt
	$(BIN)/pip-audit --strict --disable-pip --requirement locks/ci.txt

clean:
	rm -rf .venv .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist *.egg-info
