# Everything a person or CI does with this repository. 'make help' lists the targets.

# The lab's variables: make demo NODES=3 PODS=2
NODES ?= 2
PODS ?= 1
CONFIG ?= {"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}
DATAPATH ?= auto
LAB ?= lab
LINK ?= switch

# The benchmark's: make bench-datapath ROUNDS=3 ARMS=kernel,lanes WORKLOADS=stream,rr
ROUNDS ?= 10
SECONDS ?= 1
PEERS ?= 0
ARMS ?= all
WORKLOADS ?= all
GATE ?= 1
FORCE ?= 0
STEPS ?= 99

# The soak's: make soak MINUTES=10 SEED=7
MINUTES ?= 10
SEED ?=

# Of the package: make package PACKAGE_VERSION=0.1.0+1; make install DESTDIR=/tmp/tree
PACKAGE_VERSION ?= $(shell sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
DESTDIR ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
# Building and package installation are parallel in themselves; the steps go one after the other.
.NOTPARALLEL:
.DEFAULT_GOAL := help

export DOTNET_CLI_TELEMETRY_OPTOUT := 1
export DOTNET_NOLOGO := 1

# Shows what a command says only if it fails.
quietly = output=$$($(1) 2>&1 </dev/null) || { printf '%s\n' "$$output"; exit 1; }

# A value as one word of the shell, whatever is in it.
quote = '$(subst ','\'',$(1))'

# Namespaces need root. sudo drops the environment, so what the lab looks at is handed on.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
LAB_FRONT := artifacts/dotnet/bin/Accelerated.Lab/release/accelerated-lab.dll
LAB_ENVIRONMENT = PATH="$$PATH" $(foreach name,NO_COLOR DOTNET_ROOT ACCELERATED_BIN ACCELERATED_ETCD ACCELERATED_ETCDCTL,\
	$(if $($(name)),$(name)=$(call quote,$($(name)))))
RUN_LAB = $(SUDO) env $(LAB_ENVIRONMENT) dotnet $(LAB_FRONT)
# A lab of its own, unless LAB names one: a lab left up is not to be replaced by a measurement.
BENCH_LAB = $(if $(filter file,$(origin LAB)),bench,$(LAB))
RUN_BENCH = $(SUDO) env $(LAB_ENVIRONMENT) dotnet artifacts/dotnet/bin/Accelerated.Bench/release/accelerated-bench.dll
SOAK_LAB = $(if $(filter file,$(origin LAB)),soak,$(LAB))
RUN_SOAK = $(SUDO) env $(LAB_ENVIRONMENT) dotnet artifacts/dotnet/bin/Accelerated.Soak/release/accelerated-soak.dll
LAB_OPTIONS = --lab $(call quote,$(LAB)) --nodes $(call quote,$(NODES)) --pods $(call quote,$(PODS)) \
	--config $(call quote,$(CONFIG)) --datapath $(call quote,$(DATAPATH)) --link $(call quote,$(LINK))

HOUSE := global.json Directory.Build.props Directory.Packages.props
AGENT_INPUTS := $(HOUSE) $(shell find src $(wildcard bpf) -type f)
LAB_INPUTS := $(HOUSE) $(shell find tests/Lab -type f)
BENCH_INPUTS := $(LAB_INPUTS) $(shell find tests/Bench src -type f)
SOAK_INPUTS := $(LAB_INPUTS) $(shell find tests/Soak -type f)

.PHONY: help deps build install package test test-systemd test-faults test-xdp test-kernels faults-table demo lab-up lab-down bench-datapath bench-control bench-receive bench-idle soak lint format clean vagrant-box vagrant-up vagrant-test vagrant-down test-vagrant

help: ## list the targets and variables
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nVariables of demo and lab-up:\n'
	@printf '  %-14s %s\n' \
		'NODES=2' 'hosts, 1 to 50' \
		'PODS=1' 'containers on each host, 0 to 20' \
		"CONFIG='{...}'" "flannel's network configuration, JSON with Network and Backend" \
		'DATAPATH=auto' 'or bpf, kernel, host-gw' \
		'LAB=lab' 'name prefix, so that two labs can stand side by side' \
		'LINK=switch' 'or direct: two nodes joined by one veth, for benchmarks'
	@printf 'Variables of bench-datapath:\n'
	@printf '  %-14s %s\n' \
		'ROUNDS=10' 'how often everything is measured; SECONDS=1 how long each time' \
		'PEERS=0' 'leases of other hosts in etcd beside the two that talk' \
		'ARMS=all' 'or some of bare,host-gw,kernel,lane1,lanes' \
		'WORKLOADS=all' 'or some of stream,flows32,service,udp64,rr,crr' \
		'GATE=1' 'or 0: success even if a floor is not met'
	@printf 'Variables of bench-control:\n'
	@printf '  %-14s %s\n' \
		'ROUNDS=5' 'how often everything is measured; GATE as above' \
		'FORCE=0' 'or 1: measure on a machine that others keep busy'
	@printf 'Variables of bench-receive:\n'
	@printf '  %-14s %s\n' \
		'ROUNDS=3' 'how often everything is measured; SECONDS, GATE and FORCE as above' \
		'ARMS=all' 'or some of drop,xdp,tc,kernel,none' \
		'STEPS=99' 'or only so many steps of each kind, the lower ones'
	@printf 'Variable of bench-idle:\n  %-14s %s\n' 'MINUTES=60' 'how long the agents do nothing'
	@printf 'Variables of soak:\n'
	@printf '  %-14s %s\n' \
		'MINUTES=10' 'how long faults are made' \
		'SEED=' 'makes the same faults in the same order again; else another one each time, which is printed'
	@printf 'Variables of package and install:\n'
	@printf '  %-14s %s\n' \
		'PACKAGE_VERSION=' 'another than that of Directory.Build.props' \
		'DESTDIR=' 'where install puts everything'
	@printf 'Variable of test:\n  %-14s %s\n' 'FILTER=' 'only tests whose full name contains this'

deps: ## install what the demo and the tests need, nothing that starts a daemon
	@scripts/deps.sh

build: artifacts/accelerated artifacts/lab.built ## publish the agent to artifacts/accelerated and build the lab

artifacts/accelerated: $(AGENT_INPUTS)
	@echo 'build: publishing the agent'
	@$(call quietly,dotnet publish src/Agent --configuration Release --output artifacts/publish --verbosity quiet)
	@# A new file under the old name: a running agent keeps the one it was started from.
	@cp artifacts/publish/accelerated $@.new && mv -f $@.new $@

artifacts/lab.built: $(LAB_INPUTS)
	@echo 'build: the lab'
	@$(call quietly,dotnet build tests/Lab --configuration Release --verbosity quiet)
	@touch $@

artifacts/bench.built: $(BENCH_INPUTS)
	@echo 'build: the benchmark'
	@$(call quietly,dotnet build tests/Bench --configuration Release --verbosity quiet)
	@touch $@

artifacts/soak.built: $(SOAK_INPUTS)
	@echo 'build: the soak'
	@$(call quietly,dotnet build tests/Soak --configuration Release --verbosity quiet)
	@touch $@

install: artifacts/accelerated ## put the agent and what belongs to it below DESTDIR (empty: this machine)
	@scripts/install.sh $(call quote,$(DESTDIR)) $(call quote,$(PACKAGE_VERSION))

package: artifacts/accelerated ## make artifacts/accelerated_VERSION_amd64.deb
	@VERSION=$(call quote,$(PACKAGE_VERSION)) scripts/package.sh

test: deps build ## run all tests; the last line sums them up (FILTER=words for some)
	@FILTER=$(call quote,$(FILTER)) scripts/test.sh

test-systemd: deps build ## run the tests of service and package on machines with a real systemd (FILTER=words for some)
	@FILTER=$(call quote,$(FILTER)) NAMESPACE=Accelerated.System.Tests.Systemd scripts/test.sh tests/System.Tests

test-faults: deps build ## run every fault scenario, those of minutes too; times in artifacts/faults (FILTER=words for some)
	@FILTER=$(call quote,$(FILTER)) SCENARIOS=all scripts/test.sh tests/System.Tests

test-xdp: deps build ## run the tests of the lanes again with lane 3 on every node's veth (FILTER=words for some)
	@FILTER=$(call quote,$(FILTER)) NAMESPACE=Accelerated.System.Tests.Lanes ACCELERATED_AGENT_FLAGS=--xdp=on scripts/test.sh tests/System.Tests

test-kernels: deps build ## ask several kernels in virtual machines what works on them: verifier, lanes, two nodes that talk; writes docs/kernels.md
	@scripts/deps.sh kernels
	@$(SUDO) scripts/kernels.sh

faults-table: ## write the times of the last test-faults into docs/reliability.md
	@scripts/faults-table.sh

demo: deps build ## two hosts, a container each, proof that they reach each other, all taken down again
	@$(RUN_LAB) demo $(LAB_OPTIONS)

lab-up: deps build ## build a lab, leave it running and say how to look into it
	@$(RUN_LAB) up $(LAB_OPTIONS)

lab-down: artifacts/lab.built ## remove every trace of a lab, also of a half-made one
	@$(RUN_LAB) down --lab $(call quote,$(LAB))

bench-datapath: deps build artifacts/bench.built ## measure the datapaths against each other; picture and figures in artifacts/bench
	@$(RUN_BENCH) datapath --lab $(call quote,$(BENCH_LAB)) --rounds $(call quote,$(ROUNDS)) --seconds $(call quote,$(SECONDS)) --peers $(call quote,$(PEERS)) \
		--arms $(call quote,$(ARMS)) --workloads $(call quote,$(WORKLOADS)) --gate $(call quote,$(GATE))

bench-control: deps build artifacts/bench.built ## measure the way from etcd to the kernel: time, CPU and memory; figures in artifacts/bench
	@$(RUN_BENCH) control --lab $(call quote,$(BENCH_LAB)) --rounds $(call quote,$(if $(filter file,$(origin ROUNDS)),5,$(ROUNDS))) \
		--gate $(call quote,$(GATE)) --force $(call quote,$(FORCE))

bench-receive: deps build artifacts/bench.built ## measure how many packets a host receives, and beside a flood of forged ones; picture and figures in artifacts/bench
	@$(RUN_BENCH) receive --lab $(call quote,$(BENCH_LAB)) --rounds $(call quote,$(if $(filter file,$(origin ROUNDS)),3,$(ROUNDS))) \
		--seconds $(call quote,$(SECONDS)) --steps $(call quote,$(STEPS)) --arms $(call quote,$(ARMS)) --gate $(call quote,$(GATE)) --force $(call quote,$(FORCE))

bench-idle: deps build artifacts/bench.built ## measure what an agent costs that has nothing to do, alone and with 10,000 peers
	@$(RUN_BENCH) idle --lab $(call quote,$(BENCH_LAB)) --minutes $(call quote,$(if $(filter file,$(origin MINUTES)),60,$(MINUTES)))

soak: deps build artifacts/soak.built ## faults at random while containers talk, then every node is as a fresh one; report in artifacts/soak
	@$(RUN_SOAK) --lab $(call quote,$(SOAK_LAB)) --minutes $(call quote,$(MINUTES)) --seed $(call quote,$(SEED))

vagrant-box: ## make a box for Vagrant from Debian packages, where none can be fetched
	@scripts/deps.sh vagrant
	@$(SUDO) scripts/vagrant-box.sh

vagrant-up: package ## a cluster of virtual machines with the package installed (vagrant/; NODES=2)
	@scripts/deps.sh vagrant
	@NODES=$(call quote,$(NODES)) scripts/vagrant.sh run vagrant up --no-tty --no-parallel

vagrant-test: ## show from outside that the cluster works, over a reboot and with a mixed pair
	@NODES=$(call quote,$(NODES)) scripts/vagrant.sh run ./smoke.sh

vagrant-down: ## remove the cluster
	@NODES=$(call quote,$(NODES)) scripts/vagrant.sh run vagrant destroy --force --no-tty
	@scripts/vagrant.sh stop

test-vagrant: ## check the Vagrantfile, then box, cluster, test and removal
	@scripts/deps.sh vagrant
	@scripts/vagrant.sh run vagrant validate
	@$(MAKE) --no-print-directory vagrant-box vagrant-up vagrant-test vagrant-down

lint: ## formatting, analyzers, lock files, whitespace; changes nothing
	@scripts/lint.sh

format: ## correct the formatting of C# and C
	@dotnet format Accelerated.sln
	@files=$$(git ls-files -- '*.c' '*.h'); if [ -n "$$files" ]; then scripts/deps.sh lint && clang-format -i $$files; fi

clean: ## remove artifacts/ and what is left of the lab
	@if [ -d /run/accelerated-$(call quote,$(LAB)) ] || compgen -G /run/netns/$(call quote,$(LAB))-'*' >/dev/null; then $(MAKE) --no-print-directory lab-down; fi
	@rm -rf artifacts 2>/dev/null || $(SUDO) rm -rf artifacts
