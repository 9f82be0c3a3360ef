# What is built once is kept outside of the checkout: peers, the Python environment, cargo's target folder.
FLYTE_REG_BUILD ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/flyte-registration
CARGO_TARGET_DIR ?= $(FLYTE_REG_BUILD)/target
export FLYTE_REG_BUILD CARGO_TARGET_DIR

CARGO_DENY := 0.20.2
CARGO_FUZZ := 0.13.2
FUZZ_SECONDS ?= 60
RUNNER = cargo run --package flyte-registration-tests --bin flyte-registration-runner --

.DEFAULT_GOAL := help
.PHONY: help deps prerequisites peers build demo measure bench test fuzz check fmt

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## Install what needs root or a package manager, where it is missing
	@sh tests/deps.sh $(CARGO_DENY)

# Cargo cannot say what it needs itself, so this comes before it.
prerequisites:
	@sh tests/peers/prerequisites.sh

peers: prerequisites ## Build the real peers of the tests (kube-apiserver, etcd, ...), once
	@$(RUNNER) peers

build: prerequisites
	cargo build --workspace --bins

demo: prerequisites build ## Two clusters, one hub, a real package registered; ONCE=1 checks it and exits
	@$(RUNNER) demo $(if $(ONCE),--once)

test: deps peers build ## Run all tests, on the real peers too
	cargo test --workspace
	@$(RUNNER) demo --once

measure: peers ## Print the figures of docs/performance.md
	cargo build --release --workspace --bins
	@cargo run --release --quiet --package flyte-registration-tests --bin flyte-registration-runner -- measure

fuzz: prerequisites ## Fuzz what reads foreign bytes, FUZZ_SECONDS=60 for each target
	@sh fuzz/run.sh $(CARGO_FUZZ) $(FUZZ_SECONDS) $(FLYTE_REG_BUILD)/fuzz

bench: peers ## Compare the registrar and the sources with bare clients, and time the planning of packages
	cargo build --release --package flyteadmin-emulator
	cargo bench --package flyte-registration-hub --bench package --bench fleet
	cargo bench --package flyte-registration-tests --bench fetching -- $(if $(ROUNDS),--rounds $(ROUNDS))
	cargo bench --package flyte-registration-tests --bench registration -- $(if $(ROUNDS),--rounds $(ROUNDS))

check: deps prerequisites ## Formatting, lints, licences, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo deny --all-features check bans licenses sources
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --document-private-items
