# dscompress: the two commands that do everything are `make demo` and `make test`.
# Both set the machine up (Debian 12, Ubuntu 24.04), can be run again, and ask nothing.

PREFIX ?= /usr/local
BUILD ?= build
JOBS ?= $(shell nproc)
CACHE = $(if $(DSC_CACHE),$(DSC_CACHE),$(HOME)/.cache/dscompress)
ASSETS ?= $(CACHE)/assets
FUZZ_SECONDS ?= 60
# unit tests and operators with two and three threads, and verbs that compare 1 with many
TSAN_TESTS ?= core cpu_prims exec metrics gate train_golden ops plan fuse weights linalg awq \
    cli-eval cli-gate cli-train cli-quantize cli-diagnose

.PHONY: help build demo test fuzz tsan torture coverage install clean

help:
	@echo "make demo     set up, build, and run the main job on real data"
	@echo "make test     set up, build with gcc and clang and sanitizers, run every test"
	@echo "make fuzz     fuzz every reader and the operators, FUZZ_SECONDS=60 each (clang)"
	@echo "make tsan     build with ThreadSanitizer and run the tests that start threads"
	@echo "make torture  let every allocation and file operation of every verb fail, one after the"
	@echo "              other, under sanitizers; kill runs at random; totals at the end (hours)"
	@echo "make coverage lines of the readers that the tests run, by file; fails below 90 %"
	@echo "make build    set up and build: $(BUILD)/cli/dscompress"
	@echo "make install  build and install to PREFIX=$(PREFIX)"
	@echo "make clean    remove what was built (the cache in $(CACHE) stays)"
	@echo "Variables: JOBS=$(JOBS) BUILD PREFIX DSC_CACHE ASSETS"

build:
	@tools/setup-packages build
	@[ -e $(BUILD)/build.ninja ] || { echo "build: meson setup $(BUILD)"; meson setup $(BUILD) --prefix $(PREFIX) > /dev/null; }
	@echo "build: ninja -C $(BUILD)"
	@ninja -j $(JOBS) -C $(BUILD) --quiet

demo: build
	@tools/fetch-assets "$(ASSETS)" minilm sms.tsv || echo "demo: not all assets are there"
	@$(MAKE) --no-print-directory -C examples/sms-fraud \
	    DSCOMPRESS="$(abspath $(BUILD))/cli/dscompress" ASSETS="$(ASSETS)"

test:
	@tools/setup-packages test
	@tools/fetch-assets "$(ASSETS)" || echo "test: tests without their assets will be skipped"
	@ASSETS="$(ASSETS)" JOBS="$(JOBS)" tools/run-tests

fuzz:
	@tools/setup-packages test
	@[ -e build-fuzz/build.ninja ] || { echo "fuzz: meson setup build-fuzz"; \
	    CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false \
	        -Dbuildtype=debugoptimized > /dev/null; }
	@echo "fuzz: ninja -C build-fuzz"
	@ninja -j $(JOBS) -C build-fuzz --quiet
	@FUZZ_SECONDS="$(FUZZ_SECONDS)" tests/fuzz/run-fuzz build-fuzz

# fault handlers off: a test of the shadow device wants its SIGSEGV
tsan:
	@tools/setup-packages test
	@[ -e build-tsan/build.ninja ] || { echo "tsan: meson setup build-tsan"; \
	    meson setup build-tsan -Db_sanitize=thread -Db_lundef=false \
	        -Dbuildtype=debugoptimized > /dev/null; }
	@echo "tsan: ninja -C build-tsan"
	@ninja -j $(JOBS) -C build-tsan --quiet
	@TSAN_OPTIONS=exitcode=66:handle_segv=0:handle_sigbus=0 DSC_SANITIZED=1 \
	    meson test -C build-tsan --no-rebuild --num-processes $(JOBS) --print-errorlogs \
	    --timeout-multiplier 10 $(TSAN_TESTS)

torture:
	@tools/setup-packages test
	@DSC_TEST_WAYS=torture JOBS="$(JOBS)" tools/run-tests

coverage:
	@tools/setup-packages test
	@JOBS="$(JOBS)" tools/coverage build-cov

install: build
	@meson configure $(BUILD) -Dprefix="$(abspath $(PREFIX))"
	@ninja -j $(JOBS) -C $(BUILD) --quiet
	@meson install -C $(BUILD) --no-rebuild

clean:
	rm -rf $(BUILD) build-clang build-sanitize build-fuzz build-tsan build-cov
	@[ ! -e examples/sms-fraud/Makefile ] || $(MAKE) --no-print-directory -C examples/sms-fraud clean
