# SPDX-License-Identifier: MIT
#
# make, make demo, make test: see `make help`.

# Of the user, to be set on the command line or in the environment.
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(shell command -v bpftool 2>/dev/null) /usr/sbin/bpftool)
PKG_CONFIG ?= pkg-config
PREFIX ?= /usr/local
DESTDIR ?=
V ?= 0
STATIC ?= 0
DEBUG ?= 0
SANITIZE ?= 0
COMMA := ,

B ?= build
Q := $(if $(filter 1,$(V)),,@)
say = @$(if $(filter 1,$(V)),:,printf '  %-8s %s\n' '$(1)' '$(2)')

ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

WARNINGS := -Wall -Wextra -Wpedantic -Werror -Wstrict-prototypes -Wmissing-prototypes
OPTIMISE := $(if $(filter 1,$(DEBUG)),-O0,-O2) -g
SANITIZERS := $(if $(filter 1,$(SANITIZE)),-fsanitize=address$(COMMA)undefined -fno-omit-frame-pointer)
CFLAGS ?= $(OPTIMISE)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE= $(WARNINGS) $(CFLAGS) $(SANITIZERS) -Iinclude -Iuserspace -I$(B) -MMD -MP
LINK_STATIC := $(if $(filter 1,$(STATIC)),-static)
LIBS := $(if $(filter 1,$(STATIC)),-lbpf -lelf -lz -lpthread,-lbpf -lelf -lz -pthread)

# ---- What the build and the tests need; see tools/need ----
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:

SOURCES := $(wildcard userspace/*.c)
OBJECTS := $(SOURCES:userspace/%.c=$(B)/userspace/%.o)
LIBRARY := $(filter-out $(B)/userspace/main.o,$(OBJECTS))
DEMO := $(patsubst tools/demo/%.c,$(B)/demo/%.o,$(wildcard tools/demo/*.c))
SUPPORT := $(patsubst tests/%.c,$(B)/tests/%.o,$(wildcard tests/unit/support/*.c))
UNITS := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/test_*.c))
PROGS := $(patsubst tests/progs/%.c,$(B)/tests/%,$(wildcard tests/progs/*.c))

.PHONY: all
all: $(B)/pushback $(B)/pushback-demo

$(B)/pushback: $(OBJECTS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZERS) $(LDFLAGS) $(LINK_STATIC) $^ $(LIBS) -o $@

$(B)/pushback-demo: $(DEMO)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZERS) $(LDFLAGS) $^ $$($(PKG_CONFIG) --libs rdkafka) -pthread -o $@

$(B)/userspace/%.o: userspace/%.c | $(B)/installed
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -c $< -o $@

$(B)/demo/%.o: tools/demo/%.c | $(B)/installed
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) $$($(PKG_CONFIG) --cflags rdkafka) -c $< -o $@

# The kernel side: object, then the skeleton that only attach includes.
$(B)/pushback.bpf.o: bpf/pushback.bpf.c bpf/maps.bpf.h include/pushback.h include/pushback_abi.h | $(B)/installed
	$(call say,BPF,$@)
	$(Q)$(CLANG) -target bpf -D__TARGET_ARCH_$(ARCH) -mcpu=v3 -ffreestanding -O2 -g -Wall -Wextra -Wno-unused-parameter -Werror \
		-Iinclude $(if $(MULTIARCH),-I/usr/include/$(MULTIARCH)) -c $< -o $@

$(B)/pushback.skel.h: $(B)/pushback.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name pushback_bpf > $@

$(B)/userspace/attach.o: $(B)/pushback.skel.h

# ---- Tests ----
$(B)/tests/unit/%: $(B)/tests/unit/%.o $(SUPPORT) $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZERS) $(LDFLAGS) $^ $(LIBS) -lcmocka -lm -o $@

$(B)/tests/%: $(B)/tests/progs/%.o $(LIBRARY)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(SANITIZERS) $(LDFLAGS) $^ $(LIBS) -ldl -o $@

$(B)/tests/%.o: tests/%.c | $(B)/installed
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(ALL_CFLAGS) -Itests/unit/support -c $< -o $@

.PHONY: unit
unit: $(UNITS)
	$(Q)tests/run-unit $(UNITS)

.PHONY: progs
progs: $(PROGS)

# Order-only: looked at once a build tree.
$(B)/installed:
	@mkdir -p $(B)
	@touch $@

.PHONY: clean
clean:
	$(Q)rm -rf $(B)

-include $(shell find $(B) -name '*.d' 2>/dev/null)
