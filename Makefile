# One line each: the logic is in the programs that these lines call.
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
.DEFAULT_GOAL := help
.PHONY: help setup lab lab-down check test rehearse rehearse-kernels bench docs pins

help: ## Show the verbs
	@grep -E '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

setup: ## Install what the controller needs (system packages, .venv)
	@./bin/setup

lab: setup ## Make the whole site on this machine and show it
	@$(PYTHON) -m bin.lab up

lab-down: setup ## Remove everything that make lab made
	@$(PYTHON) -m bin.lab down

check: setup ## Lint, types, unit, templates, inventories, house law
	@$(PYTHON) -m bin.suite check

test: setup ## Everything: check, every role's scenario, the site, its acceptance tests and rehearsals
	@$(PYTHON) -m bin.suite test

molecule-%: setup ## One role's scenario, e.g. make molecule-redis
	@$(PYTHON) -m bin.suite scenario $*

rehearse: setup ## All rehearsals on the lab that make lab keeps; their table is in .cache/rehearsals.md
	@$(PYTHON) -m bin.suite rehearse

rehearse-%: setup ## Those with this in their name, e.g. make rehearse-network-split, make rehearse-primary
	@$(PYTHON) -m bin.suite rehearse $*

rehearse-kernels: molecule-kernel_update_served molecule-kernel_update_machines ## New kernels, really booted in virtual machines

bench: setup ## Measure the lab: a no-op run against the floor, the edge against a bare nginx
	@$(PYTHON) -m bin.bench

docs: setup ## Fill the variable tables of the roles' READMEs
	@$(PYTHON) docs/generate.py

pins: setup ## Renew constraints.txt from what requirements.txt names
	@.venv/bin/pip freeze | sed '1i # Every package that requirements.txt brings, at the version that was tested.' > constraints.txt
