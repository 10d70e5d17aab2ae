# `make` lists what there is. Everything here also runs without make: the work is in scripts/, benches/ and cargo.

# Debian keeps sshd and dockerd where an ordinary user's PATH does not look.
export PATH := $(PATH):/usr/sbin:/sbin

.PHONY: help demo clean-demo build install uninstall test fuzz test-clients test-api simulate campaign-kill fmt lint bench bench-api bench-swap bench-trigger bench-proxy bench-runtime bench-lists

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## deploy an example app on this machine under load: a good version, one that fails, a good one
	@scripts/demo

clean-demo: ## remove what a demo that was killed left behind
	@scripts/demo --clean

build: ## the release program, target/release/longshore
	cargo build --release --locked

# Where `make install` puts things; DESTDIR is for packages.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
PROGRAM ?= target/release/longshore

install: ## the program, units, users and an example configuration under PREFIX=/usr/local; build it first
	PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) PROGRAM=$(PROGRAM) DESTDIR=$(DESTDIR) scripts/install

uninstall: ## what install put there; configuration, data and the user stay
	PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR) DESTDIR=$(DESTDIR) scripts/install --remove

test: ## all tests; starts a Docker engine and installs test programs (Debian) if they are missing
	scripts/engine-up --for-tests
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -ex; \
		cargo nextest run --all-targets --locked; \
		cargo test --doc --locked; \
	else \
		echo "cargo-nextest is not installed: running the same tests with cargo test"; \
		set -ex; \
		cargo test --all-targets --locked; \
		cargo test --doc --locked; \
	fi

test-clients: ## published clients from PyPI and npm against a real daemon and engine
	scripts/test-clients

test-api: ## Schemathesis by the daemon's own OpenAPI description; EXAMPLES=50 of each operation, SEED=1
	EXAMPLES=$(or $(EXAMPLES),50) SEED=$(or $(SEED),1) scripts/test-api

campaign-kill: ## the daemon and the ingress killed KILLS=200 times on a real engine, as SEED=1 decides; takes about 3 s a kill
	scripts/engine-up --for-tests
	KILLS=$(or $(KILLS),200) SEED=$(or $(SEED),1) cargo test --locked --test campaign -- --ignored --nocapture survives_a_campaign

simulate: ## made-up days through the driver: SEEDS=5000 of them from FROM=1 on, or the story of one, SEED=7
ifdef SEED
	SEED=$(SEED) cargo test --locked --test simulation -- --ignored --exact replay --nocapture
else
	SEEDS=$(or $(SEEDS),5000) FROM=$(or $(FROM),1) cargo test --locked --test simulation -- --exact the_laws_hold_whatever_the_world_does --nocapture
endif

fuzz: ## every parser fed with made-up input, SECONDS=30 each; needs nightly Rust and cargo-fuzz
	SECONDS_EACH=$(or $(SECONDS),30) scripts/fuzz

fmt: ## format the Rust code
	cargo fmt

lint: ## clippy, and shellcheck where it is installed
	cargo clippy --all-targets --locked -- -D warnings
	@if command -v shellcheck >/dev/null; then \
		set -x; \
		shellcheck -x scripts/* tests/clients/*/*.sh benches/*.sh benches/*.bash .ci/run examples/hello/serve examples/hello/www/cgi-bin/*; \
	else \
		echo "shellcheck is not installed: the shell scripts were not checked"; \
	fi

bench: ## memory and start of an idle daemon; a first deployment beside the same made by hand; the API with a million deployments
	benches/footprint.sh
	benches/first_deploy.sh
	benches/api.sh

bench-swap: ## DEPLOYMENTS=50 under load beside none, kills and misbehaving apps included; what failed; about twelve minutes
	DEPLOYMENTS=$(or $(DEPLOYMENTS),50) benches/swap.sh

bench-trigger: ## from a request to the new version's first answer, beside the engine alone and docker-compose; three minutes
	benches/trigger.sh

bench-proxy: ## requests a second through the ingress beside nginx; four minutes
	benches/proxy.sh

bench-runtime: ## a container that prints 50,000 lines a second for a minute: what of it is kept, and what that takes; three minutes
	benches/runtime.sh

bench-api: ## the API alone, beside a minimal server; takes ten minutes and 8 GB of disk
	benches/api.sh

bench-lists: ## every order and filter of a list, first and deep pages, with a thousand and a million deployments; five minutes and 8 GB of disk
	benches/lists.sh
