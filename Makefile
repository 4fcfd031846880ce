# The front door: each target says what it does and may be run again.
# NO_INSTALL=1 skips the installation of packages.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build run test test-units test-release test-fuzz test-threads test-integration bench lint gpu-test docs install clean \
        packages-build packages-run packages-test packages-bench

PREFIX ?= /usr/local
CCACHE := $(shell command -v ccache 2>/dev/null)
CONFIGURE = cmake $(if $(CCACHE),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
export CCACHE_NOHASHDIR = 1
EVERYWATT := build/release/bin/everywatt
PYTHON := /usr/bin/python3

help: ## what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

# A static pattern: make looks up no implicit rule for a phony target.
packages-build packages-run packages-test packages-bench: packages-%:
	@tools/install_packages.sh $*

build: packages-build ## build/release/bin/everywatt, the release binary
	@echo "== building the release binary"
	$(CONFIGURE) --preset release > /dev/null
	cmake --build --preset release

run: build packages-run ## train a small network under everywatt and print its bill
	@echo "== a small network learns handwritten digits; everywatt measures it"
	$(EVERYWATT) run --name digits --project examples --tag framework=pytorch -- $(PYTHON) examples/train_digits.py

test: test-units test-threads test-release test-fuzz ## all that continuous integration runs

test-units: packages-test
	@echo "== unit and law tests, with AddressSanitizer and UndefinedBehaviorSanitizer"
	$(CONFIGURE) --preset dev > /dev/null
	cmake --build --preset dev
	ctest --preset dev -j 2

test-threads: packages-test
	@echo "== store, meter and marks under ThreadSanitizer"
	$(CONFIGURE) --preset tsan > /dev/null
	cmake --build --preset tsan --target store_test meter_test marks_test
	ctest --preset tsan -j 2 -R '^(Store|Series|Codec|Meter|Books|Sampler|Presence|Election|ChannelMeter|SideReader|Gpu|RingTest|Library)'

test-release: build packages-run packages-test
	@echo "== the program as its users run it"
	$(PYTHON) -m pytest -q tests/integration --ignore=tests/integration/trackers

test-fuzz: packages-test
	@echo "== fuzz targets, a short run each, and what their corpora cover"
	$(CONFIGURE) --preset dev > /dev/null
	cmake --build --preset dev
	$(PYTHON) tools/fuzz.py --seconds 5

test-integration: build packages-run packages-test ## tests against real trackers and frameworks; says that they passed
	@echo "== real trackers and frameworks, from PyPI, on loopback"
	$(PYTHON) -m pytest -q tests/integration/trackers
	$(PYTHON) tools/trackers_checked.py --write

bench: packages-bench ## ratios against peers, with intervals, into docs/measurements
	@echo "== benchmarks"
	$(CONFIGURE) --preset bench > /dev/null
	cmake --build --preset bench
	$(PYTHON) bench/run_all.py

lint: packages-test ## layout, layers, clang-tidy
	@echo "== layout"
	clang-format-19 --dry-run -Werror $$(git ls-files '*.cc' '*.h')
	$(PYTHON) tools/check_layers.py
	@echo "== clang-tidy"
	$(CONFIGURE) --preset dev > /dev/null
	cmake --build --preset dev --target library_headers
	git ls-files 'src/*.cc' | grep -v _test.cc | xargs -P 2 -n 4 clang-tidy-19 --quiet -p build/dev

gpu-test: build ## everywatt on a real NVIDIA GPU: what holds, and what the card does, into docs/measurements
	$(PYTHON) tests/gpu/gpu_test.py $(EVERYWATT)

docs: build ## docs/guide/commands.md, from what the program says of itself
	$(PYTHON) tools/commands_page.py $(EVERYWATT) > docs/guide/commands.md

install: build ## install into PREFIX (/usr/local)
	cmake --install build/release --prefix $(PREFIX)

clean: ## remove what was built
	rm -rf build
