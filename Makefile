# Gatehouse: every command a developer or a user of the sources needs.
SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)

## build       the release binary: build/release/gatehouse
build: deps
	@cmake --preset release >/dev/null
	@cmake --build build/release -j $(JOBS) --target gatehouse mock-upstream loadgen

## run         start Gatehouse with a model to try it on; prints a link and a curl line
run: build
	@scripts/run

## test        everything: units, architecture, corpora, fuzzing for a while, end to end, browser
test: deps-test
	@scripts/test

## bench       all benchmarks, one after another (bench/run NAME for one)
bench: build
	@for name in $$(bench/run --list | cut -d' ' -f1); do bench/run $$name; done

## simulate    SEEDS lifetimes of the store on a disk that fails (default 1000; forever)
simulate: deps-test
	@cmake --preset release >/dev/null
	@cmake --build build/release -j $(JOBS) --target simulate
	@build/release/simulate $${SEEDS:-1000}

## fuzz        every fuzz target for SECONDS (default 60)
fuzz: deps-test
	@scripts/fuzz $${SECONDS_EACH:-60}

## sanitize    units and real traffic under address + undefined, then under thread
sanitize: deps-test
	@scripts/sanitize

## format      clang-format over the sources
format: deps-test
	@git ls-files '*.h' '*.cc' | xargs clang-format-14 -i

## lint        formatting and clang-tidy, without changing anything
lint: deps-test
	@scripts/lint

## clean       remove what was built
clean:
	@rm -rf build

deps:
	@scripts/install-deps build
deps-test:
	@scripts/install-deps build test

## help        this list
help:
	@sed -n 's/^## //p' Makefile

.PHONY: build run test bench simulate fuzz sanitize format lint clean deps deps-test help
