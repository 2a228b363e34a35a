# SPDX-License-Identifier: MIT
#
# `make demo` and `make test` do all set-up on a fresh machine; see `make help`.

CC = gcc
CXX = g++
CLANG ?= clang
OBJCOPY ?= objcopy
BPFTOOL ?= $(firstword $(shell command -v bpftool 2>/dev/null) /usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
DESTDIR ?=
# Of another machine's libraries and headers, with its CC and OBJCOPY.
SYSROOT ?=
V ?= 0
STATIC ?= 0
DEBUG ?= 0
SANITIZE ?= 0
VALGRIND ?= 0

VERSION := 0.1
COMMA := ,
on = $(filter 1,$($(1)))
# Memory and what C leaves undefined, or races between threads: there is no build with both.
SANITIZED := $(if $(call on,SANITIZE),-sanitize,$(if $(filter thread,$(SANITIZE)),-thread))
# Trees with other settings lie beside each other.
B ?= build$(if $(call on,STATIC),-static)$(if $(call on,DEBUG),-debug)$(SANITIZED)$(if $(call on,VALGRIND),-valgrind)
Q := $(if $(call on,V),,@)
say = @$(if $(call on,V),:,printf '  %-8s %s\n' '$(1)' '$(2)')

# Looked up when used: on a fresh machine there is no compiler yet when this is read.
ARCH = $(shell $(CC) -dumpmachine 2>/dev/null | sed 's/-.*//; s/x86_64/x86/; s/aarch64/arm64/')
MULTIARCH = $(shell $(CC) -print-multiarch 2>/dev/null)
RDKAFKA_CFLAGS = $(shell $(PKG_CONFIG) --cflags rdkafka)
RDKAFKA_LIBS = $(shell $(PKG_CONFIG) --libs rdkafka)

WARNINGS := -Wall -Wextra -Wpedantic -Werror -Wstrict-prototypes -Wmissing-prototypes
CFLAGS ?= $(if $(call on,DEBUG),-O0,-O2) -g
SANITIZERS := $(if $(SANITIZED),-fsanitize=$(if $(call on,SANITIZE),address$(COMMA)undefined,thread) \
	-fno-sanitize-recover=all -fno-omit-frame-pointer)
# Both make system calls of their own, which the filter of ours knows nothing of.
FILTER := $(if $(SANITIZED)$(call on,VALGRIND),-DNO_SYSCALL_FILTER=)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE= -DPUSHBACK_TOOL_VERSION='"$(VERSION)"' $(WARNINGS) $(CFLAGS) \
	$(SANITIZERS) $(FILTER) $(addprefix --sysroot=,$(SYSROOT)) -Iinclude -Iuserspace -I$(B) -MMD -MP
CXX_FLAGS = -std=c++11 $(filter-out -Wstrict-prototypes -Wmissing-prototypes,$(WARNINGS)) -Wold-style-cast \
	$(CFLAGS) $(SANITIZERS) -Iinclude -MMD -MP
LINK = $(CC) $(CFLAGS) $(SANITIZERS) $(addprefix --sysroot=,$(SYSROOT)) $(LDFLAGS)
LIBS := -lbpf -lcap-ng -lseccomp -lcapstone -liberty -ldw -lelf -lz -linih -ljansson -lncursesw -ltinfo -lm -pthread

LIBRARY := $(patsubst %.c,$(B)/%.o,$(filter-out userspace/main.c,$(wildcard userspace/*.c)))
# The tool that adds probes to finished files; nothing of it is in the observer. What both know of code,
# of names and of JSON is the observer's.
CODE := $(wildcard userspace/insn_*.c) userspace/symbol_suffix.c userspace/json_out.c
INJECT := $(patsubst %.c,$(B)/%.o,$(filter-out %/main.c,$(wildcard tools/usdt-inject/*.c)) $(CODE))
INJECT_LIBS := -lcapstone -ldw -lelf -lz -liberty -ljansson
DEMO := $(patsubst tools/%.c,$(B)/%.o,$(wildcard tools/demo/*.c))
SUPPORT := $(patsubst %.c,$(B)/%.o,$(wildcard tests/unit/support/*.c))
UNITS := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/test_*.c))
PROGS := $(patsubst tests/progs/%.c,$(B)/tests/%,$(wildcard tests/progs/*.c))
SHARED := $(patsubst tests/progs/shared/%.c,$(B)/tests/%.so,$(wildcard tests/progs/shared/*.c))
BENCH := $(patsubst tools/%.c,$(B)/%,$(filter-out %.bpf.c,$(wildcard tools/bench/*.c))) \
	$(addprefix $(B)/bench/pipeline-,nothing pushback unmarked sdt metrics)
# Headers that are made.
SKELETONS := $(B)/pushback.skel.h $(B)/bench/hit.skel.h
# Other languages' probes and programs: of those that are here.
CPP := $(if $(shell command -v $(CXX)),$(B)/tests/driver_cpp $(B)/tests/driver_cpp_library.so)
PYTHON_H := $(wildcard $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)/Python.h)
EXTENSION := $(if $(PYTHON_H),$(B)/python/pushback/__init__.py)
# From the verbs' own tables.
MAN := $(patsubst tools/%,$(B)/%,$(wildcard tools/man/*.1))
COMPLETION := $(patsubst tools/%,$(B)/%,$(wildcard tools/completion/*/*))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all compilations docs demo test test-long test-soak test-kernels test-sanitize test-valgrind test-instrumented \
	unit e2e progs check analyse bench bench-smoke bench-programs clean help

all: $(B)/pushback $(B)/pushback-demo $(B)/usdt-inject docs ## build pushback, the demo consumer and usdt-inject
docs: $(MAN) $(COMPLETION) ## man pages and completion for shells

demo: all ## watch a consumer get into backpressure, 30 s
	$(Q)tools/need demo
	$(Q)tools/demo/run $(B)

test: JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
test: ## build and run all tests; as root
	$(Q)tools/need test
	$(Q)$(MAKE) $(JOBS) all progs $(UNITS) $(FUZZ_PROGRAMS) $(SKELETONS)
	$(Q)PUSHBACK_BUILD=$(abspath $(B)) $(PYTHON) tests/run.py $(B)

test-long: all progs ## what takes too long for each day: 200 attaches, 1,000 schedules, all builds
	$(Q)tools/need test
	$(Q)PUSHBACK_BUILD=$(abspath $(B)) PUSHBACK_TEST_LONG=1 PUSHBACK_RUNS=1000 $(PYTHON) -m pytest -q --durations=8 \
		tests/e2e/test_attach.py tests/e2e/test_exact.py tests/e2e/test_fault.py \
		tests/e2e/test_property.py tests/e2e/test_recipe_rust.py tests/e2e/test_rust.py tests/e2e/test_rust_link.py \
		tests/e2e/test_cpp.py tests/e2e/test_python.py
	$(Q)$(PYTHON) tests/header/matrix.py --full

test-soak: SECONDS = 1800
test-soak: all progs ## agents left alone for half an hour, with a restart a minute; SECONDS=N
	$(Q)tools/need test
	$(Q)PUSHBACK_BUILD=$(abspath $(B)) $(PYTHON) -B tests/soak.py --seconds $(SECONDS) $(ARGS)

test-kernels: KERNELS = running 5.10 6.1 6.12 newest aarch64
test-kernels: all progs ## the end-to-end tests on Debian's kernels, emulated; KERNELS='5.10 6.1', FILES='exact pin', FEW=1
	$(Q)tools/need kernels
	$(Q)$(PYTHON) -B tests/kernels/run.py $(B) --kernels '$(KERNELS)' $(if $(FILES),--files '$(FILES)') \
		$(if $(call on,FEW),--few) -- $(ARGS)

# All is run, whatever the first finds.
test-sanitize: ## all tests watched by the sanitizers of addresses, of undefined behaviour and of threads; FILES='exact pin'
	$(Q)status=0; for by in 1:address thread:thread; do \
		$(MAKE) SANITIZE=$${by%:*} BY=$${by#*:} test-instrumented || status=1; done; exit $$status

test-valgrind: ## all tests with our programs in valgrind, hours; FILES='exact pin'
	$(Q)$(MAKE) VALGRIND=1 BY=valgrind test-instrumented

test-instrumented: JOBS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))
# What the tests build is as it is.
AS_IT_IS = env $(foreach word,MAKEFLAGS MFLAGS MAKELEVEL SANITIZE VALGRIND BY FILES ARGS,-u $(word))
test-instrumented:
	$(Q)tools/need test
	$(Q)$(MAKE) $(JOBS) all progs $(UNITS) $(if $(call on,VALGRIND),$(B)/tests/bpf_calls.so)
	$(Q)$(AS_IT_IS) $(PYTHON) -B tests/instrumented/run.py $(BY) $(B) $(if $(FILES),--files '$(FILES)') $(ARGS)

unit: $(UNITS) ## only the unit tests
	$(Q)tests/run-unit $(UNITS)

e2e: all progs ## only the end-to-end tests; ARGS='-k name' narrows
	$(Q)PUSHBACK_BUILD=$(abspath $(B)) $(PYTHON) -m pytest -q tests/e2e $(ARGS)

check: ## formatting, layering, headers alone, lengths, static analysis
	$(Q)tools/need test
	$(Q)$(MAKE) -s --no-print-directory $(SKELETONS)
	$(Q)PUSHBACK_BUILD=$(abspath $(B)) $(PYTHON) -B tools/check.py

analyse: ## static analysis that follows every call, long; ARGS=FILE for a few sources
	$(Q)tools/need test
	$(Q)$(MAKE) -s --no-print-directory $(SKELETONS)
	$(Q)PUSHBACK_BUILD=$(abspath $(B)) $(PYTHON) -B tools/analyse.py --deep $(ARGS)

bench: ## what it costs beside other tools, in under 10 minutes; ARGS='point agent' picks
	$(Q)tools/need bench
	$(Q)$(MAKE) --no-print-directory bench-programs
	$(Q)$(PYTHON) -B tools/bench/main.py $(B) $(ARGS)

bench-smoke: ## whether the benchmark works, in seconds; its figures mean nothing
	$(Q)$(MAKE) --no-print-directory bench ARGS='--smoke $(ARGS)'

# Rust's only where there is a cargo.
bench-programs: all progs $(BENCH)
	$(if $(shell command -v cargo),$(Q)cd tests/rust && CARGO_TARGET_DIR=$(abspath $(B))/rust cargo build --release --offline --quiet)

clean: ## remove what was built
	$(Q)rm -rf build build-*

help: ## this
	@echo 'make TARGET [SETTING=...]'
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '  %-10s %s\n' "$$name" "$$text"; done
	@echo 'Settings: V=1 (show commands) STATIC=1 (one static binary) DEBUG=1 SANITIZE=1 SANITIZE=thread VALGRIND=1'
	@echo '          PREFIX DESTDIR CC CLANG BPFTOOL CFLAGS LDFLAGS'

# ---- The observer ----
# In valgrind no probe of the kernel's can be set in us.
OWN_PROBES := $(if $(call on,VALGRIND),$(B)/tests/instrumented/own_probes.o)
WRAP := $(addprefix -Wl$(COMMA)--wrap=,hit_cost_measure doctor_self_check doctor_redzone_check)
# It includes pushback.h for the layout, and for doctor's probes of its own. The notes would make each
# pushback a consumer to --all.
$(B)/pushback: $(B)/userspace/main.o $(LIBRARY) $(OWN_PROBES)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(if $(call on,STATIC),-static) $(OWN_PROBES:%=$(WRAP)) $^ $(LIBS) -o $@
	$(Q)$(OBJCOPY) --remove-section=.note.stapsdt $@

# The kernel side: object, then the skeleton that only attach includes.
$(B)/pushback.bpf.o: bpf/pushback.bpf.c $(wildcard bpf/*.h) include/pushback.h include/pushback_abi.h | $(B)/need
	$(call say,BPF,$@)
	$(Q)$(CLANG) -target bpf -D__TARGET_ARCH_$(ARCH) -mcpu=v3 -ffreestanding -O2 -g \
		-Wall -Wextra -Wno-unused-parameter -Werror \
		-Iinclude $(addprefix -I$(SYSROOT)/usr/include/,$(MULTIARCH)) -c $< -o $@

$(B)/pushback.skel.h: $(B)/pushback.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name pushback_bpf > $@

$(B)/userspace/attach.o: $(B)/pushback.skel.h

# The page that it embeds.
$(B)/userspace/report_page.o: userspace/report.html

$(B)/%.o: %.c | $(B)/need
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests/unit/support -c $< -o $@

# ---- The demo consumer ----
$(B)/pushback-demo: $(DEMO)
	$(call say,LINK,$@)
	$(Q)$(LINK) $^ $(RDKAFKA_LIBS) -pthread -o $@

$(B)/demo/%.o: tools/demo/%.c | $(B)/need
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $(RDKAFKA_CFLAGS) -c $< -o $@

# ---- Probes for finished files ----
$(B)/usdt-inject: $(B)/tools/usdt-inject/main.o $(INJECT)
	$(call say,LINK,$@)
	$(Q)$(LINK) $(if $(call on,STATIC),-static) $^ $(INJECT_LIBS) -o $@

# ---- Man pages and completion ----
# See userspace/opts_list.h.
$(B)/tables: $(B)/pushback
	$(Q)$< help --tables > $@

$(B)/man/%: tools/man/% tools/man/fill.awk $(B)/tables
	@mkdir -p $(@D)
	$(call say,MAN,$@)
	$(Q)awk -f tools/man/fill.awk $(B)/tables $< > $@

$(B)/completion/%: tools/completion/% $(B)/tables
	@mkdir -p $(@D)
	$(call say,SHELL,$@)
	$(Q)sed -e '/^@TABLES@$$/{r $(B)/tables' -e 'd;}' $< > $@

# In fish there is no way to quote a text that may have quotes, but to quote each.
$(B)/completion/fish/%: tools/completion/fish/% $(B)/tables
	@mkdir -p $(@D)
	$(call say,SHELL,$@)
	$(Q)sed "s/['\\\\]/\\\\&/g" $(B)/tables | sed -e '/^@TABLES@$$/{r /dev/stdin' -e 'd;}' $< > $@

# ---- Tests ----
# Hostile files need these sanitizers to be seen, whatever the rest is built with.
$(B)/tests/unit/test_inject_spoilt: SANITIZERS :=
$(B)/tests/unit/test_inject_spoilt: tests/unit/test_inject_spoilt.c $(wildcard tools/usdt-inject/*) $(CODE) | $(B)/need
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) -Itools/usdt-inject $(filter-out -MMD -MP,$(ALL_CFLAGS)) -O1 -fsanitize=address,undefined -fno-sanitize-recover=undefined \
		-Itests/unit/support $< $(filter-out %/main.c $<,$(filter %.c,$^)) \
		$(LDFLAGS) $(INJECT_LIBS) -lcmocka -o $@

$(B)/tests/unit/test_inject%: $(B)/tests/unit/test_inject%.o $(INJECT)
	$(call say,LINK,$@)
	$(Q)$(LINK) $^ $(INJECT_LIBS) -lcmocka -o $@

$(B)/tests/unit/test_inject%.o: ALL_CFLAGS := -Itools/usdt-inject $(ALL_CFLAGS)

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(SUPPORT) $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(LINK) $^ $(LIBS) -lcmocka -o $@

# They are what is watched: as their users build them, whatever the observer is built with.
CONSUMERS := $(addprefix $(B)/tests/,attacker blocking crowd driver host hostile many soaked spinner without_links)
$(CONSUMERS) $(SHARED) $(CPP): SANITIZERS :=

$(CONSUMERS): $(B)/tests/%: $(B)/tests/progs/%.o
	$(call say,LINK,$@)
	$(Q)$(LINK) $^ -ldl -pthread -o $@

# For what runs in valgrind.
$(B)/tests/bpf_calls.so: tests/instrumented/bpf_calls.c | $(B)/need
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -shared $< -lbpf -o $@

$(B)/tests/%.so: tests/progs/shared/%.c | $(B)/need
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -fPIC -shared $< -o $@

$(B)/tests/%: $(B)/tests/progs/%.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(LINK) $^ $(LIBS) -ldl -o $@

# ---- The benchmark ----
$(B)/bench/%: tools/bench/%.c | $(B)/need
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $< -lbpf -lelf -lz -lm -pthread -o $@

# One consumer with each kind of probes, and with none.
$(B)/bench/pipeline-%: $(wildcard tools/bench/pipeline/*) tools/bench/labelled.h include/pushback.h | $(B)/need
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) -DWAY_$(shell echo $* | tr a-z A-Z) $(filter %.c,$^) -pthread -o $@

$(B)/bench/%.bpf.o: tools/bench/%.bpf.c | $(B)/need
	@mkdir -p $(@D)
	$(call say,BPF,$@)
	$(Q)$(CLANG) -target bpf -mcpu=v3 -ffreestanding -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror \
		$(addprefix -I$(SYSROOT)/usr/include/,$(MULTIARCH)) -c $< -o $@

$(B)/bench/%.skel.h: $(B)/bench/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

$(B)/bench/hit $(B)/bench/arm: $(B)/bench/hit.skel.h

# The driver whose steps are C++ ones, and its library.
$(B)/tests/driver_cpp: tests/progs/driver.c tests/progs/cpp/driver.cc | $(B)/need
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -DSCRIPTED_ELSEWHERE -MT $@ -c $< -o $@.main.o
	$(Q)$(CXX) $(CXX_FLAGS) -MT $@ -c tests/progs/cpp/driver.cc -o $@.o
	$(Q)$(CXX) $(CFLAGS) $(SANITIZERS) $(LDFLAGS) $@.main.o $@.o -ldl -pthread -o $@

$(B)/tests/driver_cpp_library.so: tests/progs/cpp/library.cc | $(B)/need
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CXX) $(CXX_FLAGS) -fPIC -shared $< -o $@

# The Python package, as pip builds it.
$(B)/python/pushback/__init__.py: include/pushback.h $(wildcard $(addprefix include/python/,*.py src/* pushback/*))
	$(call say,PYTHON,$(@D))
	$(Q)CC='$(CC)' CFLAGS='$(CFLAGS) $(WARNINGS)' $(PYTHON) -B include/python/backend.py $(B)/python
	@touch $@

progs: $(PROGS) $(SHARED) $(CPP) $(EXTENSION)

include tests/fuzz/fuzz.mk
include tools/packages/install.mk
include tools/packages/deb.mk

# What tools/analyse.py asks `make -Bn` about: here, where the fuzzers are known.
compilations: all progs $(UNITS) $(FUZZ_PROGRAMS) $(BENCH)

$(B)/need: tools/need
	@mkdir -p $(B)
	$(Q)tools/need build
	@touch $@

# Not in other machines' files.
-include $(shell find $(B) \( -path $(B)/kernels -o -path $(B)/packages -o -path $(B)/deb \) -prune -o -type f -name '*.d' -print 2>/dev/null)
