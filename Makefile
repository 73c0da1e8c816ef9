# A thin wrapper: every target runs an ordinary ansible-playbook, pytest or molecule command, shown in the README.
#
# ARGS is handed on, for example:   make single-az ARGS='-e mlflow_server_workers=4'
# PYTHON chooses the interpreter:   make test PYTHON=python3.12

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON

# Ansible refuses to work in a locale without UTF-8, which minimal systems have.
ifeq ($(filter %.UTF-8 %.utf8,$(LC_ALL)$(LC_CTYPE)$(LANG)),)
export LC_ALL := C.UTF-8
endif

# A name with an underscore is another name of the playbook with a hyphen, for use by FQCN.
PLAYBOOKS := $(basename $(notdir $(wildcard playbooks/*.yml)))
DEPLOYMENTS := $(filter-out adopt campaign database destroy verify resilience minikube,$(foreach name,$(PLAYBOOKS),$(if $(findstring _,$(name)),,$(name))))

.PHONY: help
help:
	@printf '%s\n' 'Deployments, each ends with a verification by real training:'
	@for name in $(DEPLOYMENTS); do printf '  make %s\n' "$$name"; done
	@printf '%s\n' \
		'  make minikube   start a Kubernetes cluster of minikube, and deploy there' \
		'' \
		'  make verify     verify the running deployment again' \
		'  make destroy    take down what is deployed, and everything that belongs to it' \
		'  make destroy minikube-delete  the cluster as well' \
		'  make resilience break the running deployment under load, and print what its clients noticed' \
		'  make campaign   deploy, test, break and destroy one deployment after the other; a page shows them side by side' \
		'  make scalability  print and plot throughput for 1, 2 and 4 servers' \
		'' \
		'Development:' \
		'  make test       all tests, or the stages named: make test STAGES="lint unit"' \
		'  make test-all   also what takes too long for every run: the other stores, Kubernetes, test machines' \
		'  make lint       the linters, and whether the generated documents are fresh' \
		'  make docs       generate the documents again' \
		'  make benchmark  print the figures of deployment, memory and size' \
		'  make lock       compile requirements.txt from requirements.in; needs uv' \
		'  make venv       only make the virtual environment .venv' \
		'' \
		'ARGS="..." is handed on to the command, for example ARGS="-e keep_data=true" for destroy.'

.PHONY: venv
venv:
	@tools/venv

.PHONY: $(DEPLOYMENTS)
$(DEPLOYMENTS): venv
	ansible-playbook playbooks/$@.yml playbooks/verify.yml $(ARGS)

# A cluster of one's own, and MLflow on it.
.PHONY: minikube
minikube: venv
	ansible-playbook playbooks/minikube.yml playbooks/k8s.yml playbooks/verify.yml $(ARGS)

# As a second word after destroy: `make destroy minikube-delete`.
.PHONY: minikube-delete
minikube-delete: venv
	ansible-playbook playbooks/minikube.yml --tags delete $(ARGS)

.PHONY: verify destroy
verify destroy: venv
	ansible-playbook playbooks/$@.yml $(ARGS)

.PHONY: test
test: venv
	@tests/run $(STAGES)

.PHONY: test-all
test-all: venv
	@tests/run --all

.PHONY: lint
lint: venv
	@tests/run lint drift

.PHONY: docs
docs: venv
	tools/docs

.PHONY: benchmark
benchmark: venv
	python laboratory/benchmark/run.py $(ARGS)

.PHONY: resilience
resilience: venv
	python -m laboratory.resilience $(ARGS)

.PHONY: campaign
campaign: venv
	python -m laboratory.campaign $(ARGS)

.PHONY: scalability
scalability: venv
	python laboratory/benchmark/scalability.py $(ARGS)

.PHONY: lock
lock:
	@command -v uv >/dev/null || { echo 'make lock needs uv: install it, for example by "pipx install uv".' >&2; exit 1; }
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command 'make lock' --output-file requirements.txt $(ARGS) requirements.in
