# `make demo` and `make test` are enough for most work. Each installs what it needs.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/ready-$(shell cksum < locks/dev.txt | cut -d ' ' -f 1)
# The demo needs few packages; the environment for development holds them too.
READY_DEMO := $(if $(wildcard $(READY)),$(READY),$(VENV)/demo-$(shell cksum < locks/demo.txt | cut -d ' ' -f 1))

# Uses all cores.
TESTS := pytest -q -n auto --dist worksteal
PYTEST := $(PY) -m $(TESTS)

.PHONY: help setup demo test test-rest test-all engines test-runners test-signing test-registry test-forges test-container soak mutation coverage lint bench smoke smoke-clean docs lock lock-check package release-check clean

help:
	@echo 'make demo    the main job on the embedded emulator: one image in, three locations out, one refused at first'
	@echo 'make test    unit, integration, docs and emulator tests, and a slice of the exhaustive ones: three to six minutes on two cores'
	@echo 'make test-all  every test; builds the real runners and cosign if Go is installed'
	@echo 'make test-rest  the tests that make test leaves out; run make engines before it so that none are skipped'
	@echo 'make test-runners  action.yml run by nektos/act and the engine of Gitea; builds both if Go is installed'
	@echo 'make test-signing  signatures, with @sigstore/mock if Node is installed, and with cosign, built if Go is'
	@echo 'make test-registry  mirrors pulled through by crane, containerd, k3s, Podman and Skopeo; builds what it needs if Go is installed'
	@echo 'make test-forges  releases: a real Gitea server, built if Go is installed, and every fault at every call'
	@echo 'make test-container  the container image, built by buildah on a base of Debian, and the main job in it'
	@echo 'make soak    random faults, then a run without any, for MINUTES=10; SEED=N EXAMPLES=N repeats one seed'
	@echo 'make mutation  one change at a time to code that decides, which the tests must notice; ONLY=plan AT=step_for picks some'
	@echo 'make coverage  branch coverage of replicator/ by all tests except those on real runners, and the lines not covered'
	@echo 'make lint    ruff, mypy, zizmor, schema checks, shellcheck, and actionlint if it is built'
	@echo 'make bench   check the promises about speed, in a few minutes; ONLY="skip copying" picks some'
	@echo 'make smoke PROJECT=my-project  try it on the real cloud: asks first, minutes, under a cent, cleans up, reports'
	@echo 'make smoke-clean PROJECT=my-project  remove what such runs left; make smoke EMULATOR=1 rehearses one'
	@echo 'make docs    generate the inputs of action.yml, tables of docs/, and the schema from the code'
	@echo 'make lock    make the hashed locks from locks/*.in (needs uv)'
	@echo 'make lock-check  check that the locks install on every system and Python (needs a package index)'
	@echo 'make package  wheel and source archive in dist/, the same to the byte anywhere, checked, installed offline and run'
	@echo 'make release-check VERSION=1.0.0  rehearse a release in a scratch repository'

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
	@$(PYTEST) --rest tests $(ARGS)

test-all: setup
	@MAKE="$(MAKE)" bash scripts/test_all.sh

engines: setup
	@bash scripts/engines.sh actionlint act gitea-act cosign crane distribution pull terraform-external
	@bash scripts/node.sh
	@bash scripts/pygithub.sh "$(VENV)"

test-runners: setup
	@bash scripts/engines.sh
	@bash scripts/node.sh sigstore
	@$(PYTEST) tests/clients/runners $(ARGS)

test-signing: setup
	@bash scripts/node.sh sigstore
	@bash scripts/engines.sh cosign
	@$(PYTEST) --all tests/integration/signing tests/exhaustive/test_mutated.py tests/clients/test_cosign.py tests/e2e/signing $(ARGS)

test-registry: setup
	@bash scripts/engines.sh crane distribution pull
	@$(PYTEST) --all tests/clients/registry tests/clients/test_gcloud_registry.py tests/integration/registry \
		tests/emulator/artifact_registry tests/exhaustive/test_registry_faults.py $(ARGS)

test-forges: setup
	@bash scripts/gitea-server.sh build
	@bash scripts/node.sh judges
	@bash scripts/pygithub.sh "$(VENV)"
	@$(PYTEST) --all tests/clients/test_gitea.py tests/clients/test_gitea_runs.py tests/clients/test_judges.py \
		tests/clients/webhooks tests/clients/test_boot_image.py \
		tests/exhaustive/test_release.py tests/exhaustive/test_dispatch.py tests/exhaustive/webhooks $(ARGS)

test-container: setup
	@$(PY) -m pytest -q -n 0 -rs tests/clients/container $(ARGS)

soak: setup
	@$(PY) scripts/soak.py $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) \
		$(if $(EXAMPLES),--examples $(EXAMPLES))

mutation: setup
	@$(PY) scripts/mutation.py $(if $(ONLY),--only $(ONLY)) $(if $(AT),--at $(AT))

coverage: setup
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m $(TESTS) --all tests --ignore=tests/clients/runners $(ARGS)
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

lint: setup
	@bash scripts/lint.sh "$(VENV)"

bench: setup
	@$(PY) -I -m benchmarks $(if $(ONLY),--only $(ONLY))

docs: setup
	@$(PY) -I scripts/docs.py

# Only what is written behind `make` counts: an environment in which YES or PUBLIC is set means something else by it.
given = $(if $(filter command,$(word 1,$(origin $(1)))),--$(2) '$($(1))')
SMOKE = $(PY) -I -m scripts.smoke $(1) $(call given,PROJECT,project) $(call given,EMULATOR,emulator) \
	$(call given,YES,yes) $(call given,REGISTRY,registry)

smoke: setup
	@$(call SMOKE,run) $(call given,ZONE,zone) $(call given,ONLY,only) $(call given,PUBLIC,public) \
		$(call given,THOROUGH,thorough)

smoke-clean: setup
	@$(call SMOKE,clean) $(call given,RUN,run)

LOCK := uv pip compile --quiet --universal --generate-hashes --no-annotate --python-version 3.11 --upgrade \
	--custom-compile-command 'make lock'
LOCK_SLIM := $(LOCK) --override locks/overrides.txt -c locks/action.txt

lock:
	$(LOCK) --override locks/overrides.txt locks/action.in -o locks/action.txt
	$(LOCK) locks/uv.in -o locks/uv.txt
	$(LOCK_SLIM) locks/announce.in -o locks/announce.txt
	$(LOCK_SLIM) locks/sign.in -o locks/sign.txt
	$(LOCK_SLIM) locks/demo.in -o locks/demo.txt
	$(LOCK_SLIM) locks/notify.in -o locks/notify.txt
	$(LOCK_SLIM) -c locks/sign.txt -c locks/demo.txt locks/serve.in -o locks/serve.txt
	$(LOCK_SLIM) -c locks/uv.txt -c locks/sign.txt -c locks/demo.txt -c locks/serve.txt locks/dev.in -o locks/dev.txt
	$(LOCK) -c locks/dev.txt locks/package.in -o locks/package.txt
	$(LOCK) locks/judges.in -o locks/judges.txt
	$(LOCK) locks/audit.in -o locks/audit.txt

lock-check: setup
	@$(PY) -I scripts/lock_check.py

package: setup
	@$(PY) -I scripts/package.py

release-check: setup
	@$(PY) -I scripts/rehearse_release.py "$(VERSION)"

clean:
	rm -rf $(VENV)
