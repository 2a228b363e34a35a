/* SPDX-License-Identifier: MIT */
/* What an instruction means for a probe, and a function's instructions, on both machines */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "insn.h"

#define AT 0x1000

struct expected {
	const char *what;
	uint8_t size;
	enum insn_flow flow;
	bool emulated;
	bool refused;
	uint8_t bytes[12];
	uint64_t target;
};

/* clang-format off */
static const struct expected x86[] = {
	{ "ret", 1, INSN_RETURN, false, false, { 0xc3 }, 0 },
	{ "ret $8", 3, INSN_RETURN, false, false, { 0xc2, 8, 0 }, 0 },
	{ "repz ret", 2, INSN_RETURN, false, false, { 0xf3, 0xc3 }, 0 },
	{ "bnd ret", 2, INSN_RETURN, false, false, { 0xf2, 0xc3 }, 0 },
	{ "nop", 1, INSN_ON, true, false, { 0x90 }, 0 },
	{ "nop5", 5, INSN_ON, true, false, { 0x0f, 0x1f, 0x44, 0, 0 }, 0 },
	{ "cs nop", 10, INSN_ON, true, true, { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }, 0 },
	{ "push", 1, INSN_ON, true, false, { 0x55 }, 0 },
	{ "pop", 1, INSN_ON, false, false, { 0x5d }, 0 },
	{ "mov", 3, INSN_ON, false, false, { 0x48, 0x89, 0xe5 }, 0 },
	{ "endbr64", 4, INSN_ON, false, false, { 0xf3, 0x0f, 0x1e, 0xfa }, 0 },
	{ "call", 5, INSN_ON, true, false, { 0xe8, 0, 0, 0, 0 }, 0 },
	{ "call *rax", 2, INSN_ON, false, false, { 0xff, 0xd0 }, 0 },
	{ "jmp", 2, INSN_JUMP, true, false, { 0xeb, 0x10 }, AT + 0x12 },
	{ "jmp far", 5, INSN_JUMP, true, false, { 0xe9, 0, 1, 0, 0 }, AT + 0x105 },
	{ "je", 6, INSN_JUMP, true, false, { 0x0f, 0x84, 0xfa, 0xff, 0xff, 0xff }, AT },
	{ "loop", 2, INSN_JUMP, false, false, { 0xe2, 0xfe }, AT },
	{ "jrcxz", 2, INSN_JUMP, false, false, { 0xe3, 0x00 }, AT + 2 },
	{ "bnd jmp", 6, INSN_JUMP, true, false, { 0xf2, 0xe9, 0, 1, 0, 0 }, AT + 0x106 },
	{ "push r12", 2, INSN_ON, true, false, { 0x41, 0x54 }, 0 },
	{ "rex.w push", 2, INSN_ON, false, false, { 0x48, 0x54 }, 0 },
	{ "push $1", 2, INSN_ON, false, false, { 0x6a, 1 }, 0 },
	{ "xchg ax", 2, INSN_ON, true, false, { 0x66, 0x90 }, 0 },
	{ "callw", 4, INSN_ON, true, true, { 0x66, 0xe8, 0, 0 }, 0 },
	{ "jmp *rax", 2, INSN_INDIRECT, false, false, { 0xff, 0xe0 }, 0 },
	{ "jmp *8(rax)", 3, INSN_INDIRECT, false, false, { 0xff, 0x60, 8 }, 0 },
	{ "jmp *(,rax,8)", 7, INSN_SWITCH, false, false, { 0xff, 0x24, 0xc5, 0, 0, 0, 0 }, 0 },
	{ "notrack jmp *rax", 3, INSN_SWITCH, false, true, { 0x3e, 0xff, 0xe0 }, 0 },
	{ "lock inc", 3, INSN_ON, false, true, { 0xf0, 0xff, 0x00 }, 0 },
	{ "syscall", 2, INSN_ON, false, true, { 0x0f, 0x05 }, 0 },
	{ "int3", 1, INSN_ON, false, true, { 0xcc }, 0 },
	{ "ud2", 2, INSN_ON, false, true, { 0x0f, 0x0b }, 0 },
	{ "hlt", 1, INSN_ON, false, true, { 0xf4 }, 0 },
	{ "AVX-512", 6, INSN_ON, false, true, { 0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1 }, 0 },
};

#define WORD(w) { (w) & 0xff, (w) >> 8 & 0xff, (w) >> 16 & 0xff, (w) >> 24 & 0xff }

static const struct expected aarch64[] = {
	{ "ret", 4, INSN_RETURN, true, false, WORD(0xd65f03c0u), 0 },
	{ "ret x5", 4, INSN_RETURN, true, false, WORD(0xd65f00a0u), 0 },
	{ "retaa", 4, INSN_RETURN, true, true, WORD(0xd65f0bffu), 0 },
	{ "retab", 4, INSN_RETURN, true, true, WORD(0xd65f0fffu), 0 },
	{ "nop", 4, INSN_ON, true, false, WORD(0xd503201fu), 0 },
	{ "add", 4, INSN_ON, false, false, WORD(0x8b010000u), 0 },
	{ "b", 4, INSN_JUMP, true, false, WORD(0x14000002u), AT + 8 },
	{ "b.eq", 4, INSN_JUMP, true, false, WORD(0x54000040u), AT + 8 },
	{ "cbz", 4, INSN_JUMP, true, false, WORD(0xb4000040u), AT + 8 },
	{ "tbnz", 4, INSN_JUMP, true, false, WORD(0x37000040u), AT + 8 },
	{ "bl", 4, INSN_ON, true, false, WORD(0x94000002u), 0 },
	{ "blr", 4, INSN_ON, true, false, WORD(0xd63f0000u), 0 },
	{ "br", 4, INSN_INDIRECT, true, false, WORD(0xd61f0020u), 0 },
	{ "ldxr", 4, INSN_ON, false, true, WORD(0xc85f7c00u), 0 },
	{ "ldaxr", 4, INSN_ON, false, true, WORD(0xc85ffc00u), 0 },
	{ "ldar", 4, INSN_ON, false, false, WORD(0xc8dffc00u), 0 },
	{ "ldr literal", 4, INSN_ON, false, true, WORD(0x58000040u), 0 },
	{ "ldr d0, literal", 4, INSN_ON, false, true, WORD(0x5c000040u), 0 },
	{ "adr", 4, INSN_ON, true, false, WORD(0x10000040u), 0 },
	{ "adrp", 4, INSN_ON, true, false, WORD(0x90000000u), 0 },
	{ "braa", 4, INSN_INDIRECT, true, true, WORD(0xd71f0801u), 0 },
	{ "blraaz", 4, INSN_ON, false, true, WORD(0xd63f081fu), 0 },
	{ "bti c", 4, INSN_ON, false, false, WORD(0xd503245fu), 0 },
	{ "paciasp", 4, INSN_ON, false, false, WORD(0xd503233fu), 0 },
	{ "wfe", 4, INSN_ON, false, true, WORD(0xd503205fu), 0 },
	{ "mrs tpidr_el0", 4, INSN_ON, false, false, WORD(0xd53bd040u), 0 },
	{ "msr tpidr_el0", 4, INSN_ON, false, true, WORD(0xd51bd040u), 0 },
	{ "stp, pre", 4, INSN_ON, false, false, WORD(0xa9be7bfdu), 0 },
	{ "svc", 4, INSN_ON, false, true, WORD(0xd4000001u), 0 },
	{ "unknown", 4, INSN_ON, false, false, WORD(0x00000000u), 0 },
};
/* clang-format on */

static void check_all(enum insn_machine machine, const struct expected *all, size_t count)
{
	struct insn_decoder *decoder = insn_decoder_new(machine);

	assert_non_null(decoder);
	for (size_t i = 0; i < count; i++) {
		const struct expected *e = &all[i];
		struct insn got;

		if (!insn_decode(decoder, e->bytes, sizeof(e->bytes), AT, &got, NULL))
			fail_msg("%s is not decoded", e->what);
		if (got.size != e->size || got.flow != e->flow || got.target != e->target ||
		    (got.cost != INSN_STEPPED) != e->emulated || !got.refused != !e->refused)
			fail_msg("%s: size %u flow %d target %#lx cost %d refused %s", e->what,
				 got.size, (int)got.flow, (unsigned long)got.target, (int)got.cost,
				 got.refused ? got.refused : "not");
	}
	insn_decoder_free(decoder);
}

static void test_x86(void **state)
{
	(void)state;
	check_all(INSN_X86_64, x86, sizeof(x86) / sizeof(*x86));
}

static void test_aarch64(void **state)
{
	(void)state;
	check_all(INSN_AARCH64, aarch64, sizeof(aarch64) / sizeof(*aarch64));
}

/* ---- a function ---- */

static int walk_bytes(enum insn_machine machine, const char *bytes, size_t size,
		      struct insn_walk *walk, uint64_t *wrong)
{
	const struct insn_code code = { .bytes = (const uint8_t *)bytes,
					.address = AT,
					.size = size };
	struct insn_decoder *decoder = insn_decoder_new(machine);
	int err;

	assert_non_null(decoder);
	*wrong = 0;
	err = insn_walk_read(walk, decoder, &code, wrong);
	insn_decoder_free(decoder);
	return err;
}

#define WALK(code) walk_bytes(INSN_X86_64, code, sizeof(code) - 1, &walk, &wrong)

static void test_a_function(void **state)
{
	struct insn_walk walk;
	uint64_t wrong;

	(void)state;
	/* je to the ret; mov; ret */
	assert_int_equal(WALK("\x74\x03\x48\x89\xe5\xc3"), 0);
	assert_int_equal(walk.count, 3);
	assert_non_null(insn_walk_at(&walk, AT + 2));
	assert_null(insn_walk_at(&walk, AT + 3));
	assert_null(insn_walk_at(&walk, AT + 6));
	assert_true(insn_walk_is_target(&walk, AT + 5));
	assert_false(insn_walk_is_target(&walk, AT + 2));
	insn_walk_free(&walk);
	assert_int_equal(WALK(""), 0);
	assert_null(insn_walk_at(&walk, AT));
	insn_walk_free(&walk);
}

static void test_what_is_no_clean_code(void **state)
{
	struct insn_code code = { .size = INSN_CODE_MAX + 1 };
	struct insn_walk walk;
	uint64_t wrong;

	(void)state;
	/* je into the mov */
	assert_int_equal(WALK("\x74\x01\x48\x89\xe5\xc3"), -EILSEQ);
	assert_int_equal(wrong, AT);
	/* je over a lock prefix */
	assert_int_equal(WALK("\x74\x01\xf0\xff\x00\xc3"), 0);
	insn_walk_free(&walk);
	/* the last one reaches past the end */
	assert_int_equal(WALK("\xc3\x48\x89"), -EBADMSG);
	assert_int_equal(wrong, AT + 1);
	/* what is none in 64 bits */
	assert_int_equal(WALK("\x06\xc3"), -EBADMSG);
	assert_int_equal(wrong, AT);
	assert_int_equal(insn_walk_read(&walk, NULL, &code, &wrong), -EFBIG);
}

static enum insn_flow last_flow(enum insn_machine machine, const char *code, size_t size)
{
	struct insn_walk walk;
	enum insn_flow flow;
	uint64_t wrong;

	assert_int_equal(walk_bytes(machine, code, size, &walk, &wrong), 0);
	flow = walk.items[walk.count - 1].flow;
	insn_walk_free(&walk);
	return flow;
}

#define LAST(machine, code) last_flow(machine, code, sizeof(code) - 1)

static void test_a_switch_is_told_from_a_tail_call(void **state)
{
	(void)state;
	/* movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax */
	assert_int_equal(LAST(INSN_X86_64, "\x48\x63\x04\x82\x48\x01\xd0\xff\xe0"), INSN_SWITCH);
	/* jmp *%rcx */
	assert_int_equal(LAST(INSN_X86_64, "\x48\x63\x04\x82\x48\x01\xd0\xff\xe1"), INSN_INDIRECT);
	/* without a load */
	assert_int_equal(LAST(INSN_X86_64, "\x48\x01\xd0\xff\xe0"), INSN_INDIRECT);
	/* ldrb w0, [x0, w1, uxtw]; adr x1, 8; add x0, x1, w0, sxtb #2; br x0 */
	assert_int_equal(LAST(INSN_AARCH64,
			      "\x00\x48\x61\x38\x41\x00\x00\x10\x20\x88\x20\x8b\x00\x00\x1f\xd6"),
			 INSN_SWITCH);
	/* br x16 */
	assert_int_equal(LAST(INSN_AARCH64,
			      "\x00\x48\x61\x38\x41\x00\x00\x10\x20\x88\x20\x8b\x00\x02\x1f\xd6"),
			 INSN_INDIRECT);
	/* strb instead */
	assert_int_equal(LAST(INSN_AARCH64,
			      "\x00\x48\x21\x38\x41\x00\x00\x10\x20\x88\x20\x8b\x00\x00\x1f\xd6"),
			 INSN_INDIRECT);
}

/* An array of functions is no table, whatever it is scaled by. */
static void test_an_array_of_functions(void **state)
{
	(void)state;
	/* jmp *(%rdx,%rax,8) */
	assert_int_equal(LAST(INSN_X86_64, "\xff\x24\xc2"), INSN_INDIRECT);
}

static void test_a_function_of_aarch64(void **state)
{
	/* cbz x0, to the ret; b, elsewhere; ret */
	uint32_t words[] = { 0xb4000040u, 0x14000400u, 0xd65f03c0u };
	const struct insn_code code = { .bytes = (const uint8_t *)words,
					.address = AT,
					.size = sizeof(words) };
	const struct insn_options options = { .machine = INSN_AARCH64 };
	struct insn_function f;
	uint64_t wrong;

	(void)state;
	assert_int_equal(insn_function(&code, &options, &f, &wrong), 0);
	assert_int_equal(f.entry.address, AT);
	assert_int_equal(f.entry.cost, INSN_EMULATED);
	assert_int_equal(f.returns_count, 1);
	assert_int_equal(f.returns[0].address, AT + 8);
	assert_int_equal(f.returns[0].cost, INSN_EMULATED);
	assert_int_equal(f.tail_call, AT + 4 + 0x1000);
	/* retaa */
	words[2] = 0xd65f0bffu;
	assert_int_equal(insn_function(&code, &options, &f, &wrong), -EACCES);
	assert_int_equal(wrong, AT + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86),
		cmocka_unit_test(test_aarch64),
		cmocka_unit_test(test_a_function),
		cmocka_unit_test(test_what_is_no_clean_code),
		cmocka_unit_test(test_a_switch_is_told_from_a_tail_call),
		cmocka_unit_test(test_an_array_of_functions),
		cmocka_unit_test(test_a_function_of_aarch64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
