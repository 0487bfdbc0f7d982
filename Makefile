# Everything a person does with a checkout. `make help` lists it.
#
#   INVENTORY   the inventory to work on; default inventories/local (this machine)
#   ARGS        more arguments for ansible-playbook, e.g. ARGS="--check --diff"
#   PLATFORM    platform_name of what `make down` takes away; naming it is the confirmation
#   VOLUMES=1   `make down` removes the data volumes too
#   APP         the app that `make exec` opens a terminal in; REPLICA its number or node; CMD the program, default sh
#   STAGES      what `make test` runs, e.g. STAGES="lint unit"; SCENARIOS the molecule scenarios, e.g. SCENARIOS="proxy app"
#   LANES       how many groups of tests run side by side; default: one more than there are cores
#   KEEP=1      what a molecule scenario made stays, to look inside
#   SINCE       `make check`: the commit to compare with; default: what is not committed, or else the last commit

SHELL := /bin/bash
.DEFAULT_GOAL := help

INVENTORY ?= inventories/local
PLATFORM ?= fungap
VOLUMES ?=
ARGS ?=
STAGES ?=
SCENARIOS ?=
SINCE ?=
export SCENARIOS KEEP LANES

export PATH := $(CURDIR)/.venv/bin:$(PATH)
# The checkout's own settings, wherever it lies; Ansible insists on a UTF-8 locale and this one is always there.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export LC_ALL := C.UTF-8
# Compiled once, not by each run of Ansible and of the tests; modules read in one piece, not byte by byte.
unexport PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED

playbook = ansible-playbook -i $(INVENTORY)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: setup ## Bring the platform up: from a bare machine to an HTTPS answer; again: nothing to change
	$(playbook) site.yml $(ARGS)

.PHONY: status
status: setup ## Say how the platform is
	$(playbook) playbooks/status.yml $(ARGS)

.PHONY: exec
exec: setup ## Open a terminal in a replica of APP, wherever it runs (REPLICA=2 or a node's name, CMD="node")
	@python bin/exec.py $(INVENTORY) "$(APP)" "$(REPLICA)" "$(CMD)" $(ARGS)

.PHONY: down
down: setup ## Take the platform away; data volumes stay unless VOLUMES=1
	$(playbook) playbooks/reset.yml -e reset_confirmed=$(PLATFORM) -e '{"reset_volumes": $(if $(VOLUMES),true,false)}' $(ARGS)

.PHONY: setup
setup: ## Install what the playbooks need into .venv
	@./setup.sh

.PHONY: setup-dev
setup-dev: ## Install what the tests need into .venv
	@./setup.sh dev
	@.venv/bin/python -m tests.checkout

.PHONY: test
test: setup-dev ## Run everything that proves it (STAGES="lint unit" for a part)
	@python tests/run.py $(STAGES)

.PHONY: check
check: setup-dev ## Lint, unit tests, and the tests of what was changed
	@python tests/run.py $$(python tests/affected.py $(SINCE))

.PHONY: lint unit sanity integration molecule platform
lint: setup-dev ## ansible-lint, yamllint, ruff, mypy, changelog fragments
	@python tests/run.py lint
unit: setup-dev ## Unit tests
	@python tests/run.py unit
sanity: setup-dev ## Build the collection, install it elsewhere, use it from there; ansible-test sanity
	@python tests/run.py sanity
integration: setup-dev ## Modules on real engines
	@python tests/run.py integration
molecule: setup-dev ## The roles' scenarios (SCENARIOS="proxy app" for some)
	@python tests/run.py molecule
platform: setup-dev ## The platform from end to end
	@python tests/run.py platform

.PHONY: promises
promises: setup-dev ## Break each promise of the README by one line, see a unit test fail
	@python bin/promises.py

.PHONY: mutants
mutants: setup-dev ## Mutation testing of what decides (plan, model, release): which changes no unit test notices
	@bin/mutants.sh run

.PHONY: test-vm
test-vm: setup-dev ## The platform on a real Debian VM under emulation, from nothing, over SSH, with a reboot
	@tests/vm/run

.PHONY: test-ipvs
test-ipvs: setup-dev ## No request lost with IPVS: under load on a kernel that has it (User Mode Linux)
	@python tests/vm/ipvs.py

.PHONY: cores
cores: setup-dev ## Unit tests, sanity and a platform on all ansible-cores and Pythons that are supported (CORES="2.17.14 3.12 smoke" for a part)
	@python -m tests.cores $(CORES)

.PHONY: site
site: setup-dev ## The reference of all plugins and roles as a site: .cache/site/build/html
	@bin/site.sh

.PHONY: importer
importer: setup-dev ## Build the collection and let galaxy-importer judge the archive
	@bin/importer.sh

.PHONY: bench
bench: setup-dev ## Measure against the peers, write bench/results.md
	@bench/run

.PHONY: docs
docs: setup ## Write docs/reference and the roles' READMEs anew from the specs
	@python bin/docs.py

.PHONY: dashboards
dashboards: setup-dev ## Write Grafana's dashboards anew from bin/dashboards.py
	@python bin/dashboards.py

.PHONY: changelog
changelog: setup-dev ## Write CHANGELOG.md from the fragments for the version in galaxy.yml
	antsibull-changelog release

.PHONY: lock
lock: ## Resolve requirements*.txt anew into requirements*.lock
	@bin/lock.sh
