# Two commands do nearly everything: `make demo` and `make test`. Each sets up what it needs.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready-$(shell cksum < locks/dev.txt | cut -d ' ' -f 1)
# The few packages that the demo needs; those for development hold them too.
READY_DEMO := $(if $(wildcard $(READY)),$(READY),$(VENV)/demo-$(shell cksum < locks/demo.txt | cut -d ' ' -f 1))

# Spread over all cores.
RUN := pytest -q -n auto --dist worksteal
PYTEST := $(PY) -m $(RUN)

.PHONY: help setup demo test test-rest test-all engines test-runners test-signing soak mutation coverage lint bench docs lock lock-check release-check clean

help:
	@echo 'make demo    the main job on the embedded emulator: one image in, three locations out'
	@echo 'make test    unit, integration, docs, emulator, and a slice of the exhaustive tests, within three minutes on two cores'
	@echo 'make test-all  make test and every other test there is; builds the runners and cosign where Go is'
	@echo 'make test-rest  what make test leaves out; with make engines before it, all of it'
	@echo 'make test-runners  action.yml executed by nektos/act and by the engine of Gitea; builds both where Go is'
	@echo 'make test-signing  signatures, with the Sigstore of @sigstore/mock where Node is and with cosign, built where Go is'
	@echo 'make soak    any faults anywhere, then none, for MINUTES=10; SEED=N EXAMPLES=N repeats one seed'
	@echo 'make mutation  one thing wrong at a time in what decides; the tests must notice; ONLY=plan AT=step_for takes some'
	@echo 'make coverage  branch coverage of replicator/ by all tests but those on real runners, and what is missing'
	@echo 'make lint    ruff, mypy, zizmor, schema checks, shellcheck, actionlint where present'
	@echo 'make bench   what holds of the promises about speed, in some minutes; ONLY="skip copying" takes some'
	@echo 'make docs    the tables of README.md, docs/errors.md and the schema again, from the code'
	@echo 'make lock    the hashed locks again, from locks/*.in (needs uv)'
	@echo 'make lock-check                      whether the lock installs on every system and Python (needs a package index)'
	@echo 'make release-check VERSION=1.0.0     a release, rehearsed in a scratch repository'

setup: $(READY)

$(READY):
	@bash scripts/venv.sh "$(PYTHON)" "$(VENV)" locks/dev.txt
	@touch $@

$(VENV)/demo-%:
	@bash scripts/venv.sh "$(PYTHON)" "$(VENV)" locks/demo.txt
	@touch $@

demo: $(READY_DEMO)
	@$(PY) -I scripts/demo.py

test: setup
	@$(PYTEST) $(ARGS)

test-rest: setup
	@$(PYTEST) --rest tests/exhaustive tests/e2e tests/clients $(ARGS)

test-all: setup
	@MAKE="$(MAKE)" bash scripts/test_all.sh

engines:
	@bash scripts/engines.sh actionlint act gitea-act cosign
	@bash scripts/sigstore.sh

test-runners: setup
	@bash scripts/engines.sh
	@bash scripts/sigstore.sh
	@$(PYTEST) tests/clients/runners $(ARGS)

test-signing: setup
	@bash scripts/sigstore.sh
	@bash scripts/engines.sh cosign
	@$(PYTEST) --all tests/integration/signing tests/exhaustive/test_mutated.py tests/clients/test_cosign.py tests/e2e/signing $(ARGS)

soak: setup
	@$(PY) scripts/soak.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(EXAMPLES),--examples $(EXAMPLES))

mutation: setup
	@$(PY) scripts/mutation.py $(if $(ONLY),--only $(ONLY)) $(if $(AT),--at $(AT))

coverage: setup
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m $(RUN) --all tests --ignore=tests/clients/runners $(ARGS)
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

lint: setup
	@bash scripts/lint.sh "$(VENV)"

bench: setup
	@$(PY) -I -m benchmarks $(if $(ONLY),--only $(ONLY))

docs: setup
	@$(PY) -I scripts/docs.py

LOCK := uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 --upgrade \
	--custom-compile-command 'make lock'
LOCK_SLIM := $(LOCK) --override locks/overrides.txt -c locks/action.txt

lock:
	$(LOCK) --override locks/overrides.txt locks/action.in -o locks/action.txt
	$(LOCK) locks/uv.in -o locks/uv.txt
	$(LOCK_SLIM) locks/sign.in -o locks/sign.txt
	$(LOCK_SLIM) locks/demo.in -o locks/demo.txt
	$(LOCK_SLIM) -c locks/uv.txt -c locks/sign.txt -c locks/demo.txt locks/dev.in -o locks/dev.txt
	$(LOCK) locks/audit.in -o locks/audit.txt

lock-check: setup
	@$(PY) -I scripts/lock_check.py

release-check: setup
	@$(PY) -I scripts/rehearse_release.py "$(VERSION)"

clean:
	rm -rf $(VENV)
