# SPDX-License-Identifier: MIT
#
# Coverage-guided fuzzing with clang's libFuzzer; see tests/fuzz/run.py. Each tests/fuzz/fuzz_NAME.c is a
# target. What they test is built once with the sanitizers into an archive, of which each takes its part.

FUZZ := $(B)/fuzz
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_PROGRAMS := $(addprefix $(FUZZ)/fuzz_,$(FUZZ_TARGETS))
FUZZ_TESTED := $(filter-out userspace/main.c userspace/attach.c $(wildcard userspace/cmd*.c), \
	$(wildcard userspace/*.c)) $(wildcard tests/fuzz/support/*.c tests/unit/support/*.c)
# Warnings are gcc's business, of each build.
FUZZ_CC = $(CLANG) $(filter-out -MMD -MP $(WARNINGS),$(ALL_CFLAGS)) -w -Itests/fuzz/support -Itests/unit/support -O1
FUZZ_SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

.PHONY: fuzz fuzz-programs fuzz-planted

fuzz: SECONDS = 1200
fuzz: fuzz-programs ## look for input that breaks the parsers, long; TARGET='elf recipe' SECONDS=1200 each
	$(Q)$(PYTHON) -B tests/fuzz/run.py $(FUZZ) --seconds $(SECONDS) $(TARGET)
	$(Q)$(PYTHON) -B tests/fuzz/run.py $(FUZZ) --cover $(TARGET)

fuzz-programs:
	$(Q)tools/need test
	$(Q)$(MAKE) --no-print-directory $(FUZZ_PROGRAMS)

$(FUZZ)/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ)/tested.a
	$(call say,FUZZ,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_SANITIZERS) -fsanitize=fuzzer -MMD -MP -MF $@.d $< $(FUZZ)/tested.a $(LDFLAGS) $(LIBS) -o $@

# A file that is new makes no archive old by itself (.SECONDARY): its folder does.
$(FUZZ)/tested.a: userspace tests/fuzz/support tests/fuzz/fuzz.mk $(patsubst %.c,$(FUZZ)/%.o,$(FUZZ_TESTED))
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)

$(FUZZ)/%.o: %.c | $(B)/need
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(FUZZ_CC) $(FUZZ_SANITIZERS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

# One target with another version of one of the sources, for the test of the tests.
fuzz-planted:
	@mkdir -p $(dir $(PLANTED))
	$(Q)$(FUZZ_CC) $(FUZZ_SANITIZERS) -fsanitize=fuzzer tests/fuzz/fuzz_$(TARGET).c $(PLANT) $(FUZZ)/tested.a \
		$(LDFLAGS) $(LIBS) -o $(PLANTED)

# The same for what part of the lines they reach: no sanitizers, counters of llvm-cov.
$(FUZZ)/cover/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ)/cover/tested.a
	$(call say,COVER,$@)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer -fprofile-instr-generate -fcoverage-mapping $< $(FUZZ)/cover/tested.a $(LDFLAGS) $(LIBS) -o $@

$(FUZZ)/cover/tested.a: userspace tests/fuzz/support tests/fuzz/fuzz.mk $(patsubst %.c,$(FUZZ)/cover/%.o,$(FUZZ_TESTED))
	@rm -f $@
	$(Q)ar rcs $@ $(filter %.o,$^)

$(FUZZ)/cover/%.o: %.c | $(B)/need
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fprofile-instr-generate -fcoverage-mapping -MMD -MP -c $< -o $@
