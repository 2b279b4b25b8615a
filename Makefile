# `make` alone lists the commands. Each does its own set-up; the first time takes minutes, then seconds.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The tools that set-up put into the project come before any others.
export PATH := $(CURDIR)/.tools/bin:$(CURDIR)/node_modules/.bin:$(PATH)

PORT ?= 8080
SEEDS ?= 5000
ROUNDS ?= 100000
ENGINE := --locked --no-default-features
# With the door for real clients, so that the crate is compiled once for the tests and for what they start.
SERVED := $(ENGINE) --features serve
# Optimised even for checking: so it shares the macros that the page's own build has compiled.
PAGE := --locked --release --target wasm32-unknown-unknown --features ui --lib --bin control-plane-lab
PAGE_SOURCES := $(shell find src assets lessons) index.html Trunk.toml Cargo.toml Cargo.lock .cargo/config.toml tools/stamp.mjs \
	$(shell find tools/split)

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

run: ## Build the page and serve it at http://127.0.0.1:8080 (PORT=… for another)
	@$(MAKE) --no-print-directory dist/index.html
	@node tools/serve.mjs --live --port $(PORT) dist

test: ## Everything that must hold: lint, engine, lessons, real clients, release page in Chromium
	@tools/setup.sh rust page browser clients
	@$(MAKE) --no-print-directory lint-only
	cargo test $(SERVED)
	@$(MAKE) --no-print-directory lessons-only clients-only dist/index.html
	node --test --test-timeout=300000 tests/browser/*.test.mjs

fuzz: ## Random lives: faults, clients and watches over many seeds, every promise checked (SEEDS=…)
	@tools/setup.sh rust
	cargo run $(ENGINE) --profile fast --bin lab -- fuzz --seeds $(SEEDS)

fuzz-inputs: ## Hostile inputs for everything that reads bytes from outside (ROUNDS=… for each reader)
	@tools/setup.sh rust
	ROUNDS=$(ROUNDS) cargo test $(ENGINE) --profile fast --test it hostile -- --nocapture

check-raft: ## The Raft core in every state that a small group can reach; takes minutes
	@tools/setup.sh rust
	LAB_CHECK_RAFT=1 cargo test $(ENGINE) --profile fast --test it raft_model -- --nocapture --test-threads 1

bless: ## Rewrite the golden files of the tests; read the diff before you commit it
	@tools/setup.sh rust
	UPDATE_EXPECT=1 cargo test $(SERVED)
	@git --no-pager diff --stat -- tests

lint: ## Format check and clippy, engine and page
	@tools/setup.sh rust
	@$(MAKE) --no-print-directory lint-only

dist: ## The release page into dist/, ready for any static host, and what it weighs
	@$(MAKE) --no-print-directory dist/index.html
	@node tools/size.mjs dist

clients: ## Only the tests with the real kubectl and the Python client
	@tools/setup.sh rust clients
	@$(MAKE) --no-print-directory clients-only

bench: ## Measure what docs/performance.md states
	@tools/setup.sh rust page browser
	@$(MAKE) --no-print-directory dist/index.html
	cargo bench $(ENGINE)
	node tests/browser/bench.mjs

split: ## Find out anew which code the first page runs (when a test says that the list is stale)
	@tools/setup.sh rust page browser
	LAB_SPLIT=off trunk build --release --dist target/unsplit
	node tools/split/record.mjs target/unsplit
	@$(MAKE) --no-print-directory dist/index.html

fonts: ## Cut the fonts anew (only when their characters change; needs Python 3)
	@tools/fonts.sh

clean: ## Remove what was built; the installed tools stay
	cargo clean
	rm -rf dist

lint-only:
	cargo fmt --check
	cargo clippy $(SERVED) --all-targets -- -D warnings
	cargo clippy $(PAGE) -- -D warnings

# Each lesson's start must fail its goal and its solution must reach it.
lessons-only:
	cargo run --quiet $(SERVED) --bin lab -- lessons check

# The real kubectl and Kubernetes' Python client against `lab serve`.
clients-only:
	cargo build --quiet $(SERVED) --bin lab
	node --test --test-timeout=300000 tests/clients/*.test.mjs

# Built only when something it is made of is newer; folders count, for what was added or removed.
dist/index.html: $(PAGE_SOURCES)
	@tools/setup.sh rust page
	trunk build --release
	@touch $@

.PHONY: help run test fuzz fuzz-inputs check-raft bless lint dist clients bench split fonts clean lint-only lessons-only clients-only
