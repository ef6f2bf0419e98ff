# Each target sets itself up, from a bare checkout with only Python 3.11 or newer and its pip. No root.
# The virtual environment .venv is made again when pyproject.toml or a lock file changes.

PYTHON ?= python3
ARGS ?=
SEEDS ?= 0-200
ROUNDS ?= 10
IDLE ?= 600
READY := .venv/.ready
BROWSER := .venv/.browser
RUN := .venv/bin/python -m
# what in test-all minds no neighbour; the faults, and what needs an API server or a browser, run alone
SIDE_BY_SIDE := tests/model tests/simulation tests/examples $(patsubst %,tests/integration/test_%.py, \
	resume resume_pods tell_sidecars hold health route_sidecars)

.PHONY: demo test test-all lint bench simulate soak image test-cluster test-helm-3 test-node bench-kubernetes tools lock docs \
	setup zipapp
.NOTPARALLEL:

demo: $(READY) ## three sidecars on a real etcd, live; make demo ARGS="--rounds 2"
	@$(RUN) sidecar demo $(ARGS)

test: $(READY) ## what runs in minutes and needs no more tools
	$(RUN) pytest -m "not slow and not tools" --numprocesses 2 --dist loadfile $(ARGS)

test-all: $(READY) tools $(BROWSER) ## the rest: cluster faults, and what needs a browser or programs built from Go modules
	$(RUN) pytest -m "slow or tools" --numprocesses 2 $(SIDE_BY_SIDE) $(ARGS)
	$(RUN) pytest -m "slow or tools" $(SIDE_BY_SIDE:%=--ignore %) $(ARGS)

test-cluster: $(READY) tools ## routing's promise on a real API server, under faults of the sidecars and of the API; ten minutes
	$(RUN) pytest tests/cluster $(ARGS)

test-helm-3: $(READY) tools ## the chart's installations, by the oldest Helm that it is for
	$(RUN) tests.tools.build helm-3
	LEADER_SIDECAR_TEST_HELM=3 $(RUN) pytest tests/chart/test_install.py $(ARGS)

lint: $(READY)
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy
	.venv/bin/lint-imports

bench: $(READY) tools ## measures and reports, asserts nothing
	$(RUN) tests.bench $(ARGS)

simulate: $(READY) ## many electors in virtual time; make simulate SEEDS=17-17 replays one
	$(RUN) tests.simulation --seeds $(SEEDS) $(ARGS)

soak: $(READY) tools ## ten times the rounds and seeds of CI; ARGS="--rounds 100 --seed 7" is for the rounds of faults
	$(RUN) tests.soak $(ARGS)
	$(RUN) tests.soak.commands
	$(RUN) tests.simulation --seeds 0-1999
	$(RUN) sidecar demo --rounds 20

image: ## the container image as a docker archive, by buildah, which needs no daemon; scripts/image says what can be set
	@mkdir -p build
	scripts/image build/leader-sidecar.tar $(ARGS)

zipapp: $(READY) ## exec and wait as one file, for containers that have Python and nothing else
	@mkdir -p build
	$(RUN) sidecar.workload.exec.pack build/leader-sidecar.pyz

test-node: $(READY) tools ## the image and the chart on a real node, as root: kubelet and all; makes the image, and once its base
	@mkdir -p build
	[ -f build/base.tar ] || scripts/image-base build/base.tar
	BASE_ARCHIVE=build/base.tar scripts/image build/leader-sidecar.tar
	LEADER_SIDECAR_IMAGE=localhost/leader-sidecar:0.1.0 $(RUN) pytest tests/image
	$(RUN) tests.node $(ARGS)

bench-kubernetes: $(READY) tools ## what a Service's user goes without; needs what test-node has made; ROUNDS=3 IDLE=60 is shorter
	$(RUN) tests.image.size build/leader-sidecar.tar build/base.tar
	$(RUN) tests.cluster.bench --rounds $(ROUNDS)
	$(RUN) tests.node bench --rounds $(ROUNDS) --idle $(IDLE) $(ARGS)

tools: $(READY) ## builds etcd, kube-apiserver and our Go programs from their modules, once
	$(RUN) tests.tools.build

docs: $(READY) ## writes the generated pages: settings, and the state diagram
	.venv/bin/python docs/make_configuration.py
	.venv/bin/python docs/make_state_diagram.py

lock: $(READY) ## resolves the dependencies anew
	scripts/lock

setup: $(READY)

$(BROWSER): $(READY) requirements/browser.txt scripts/browser
	@PYTHON="$(PYTHON)" scripts/browser

$(READY): pyproject.toml requirements/build.txt requirements/dev.txt scripts/setup
	@echo "setting up .venv (a minute or two)"
	@PYTHON="$(PYTHON)" scripts/setup
