/* SPDX-License-Identifier: MIT */
/* What an instruction means for a probe, and a function's instructions */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "inject_craft.h"
#include "walk.h"

#define AT 0x1000

struct expected {
	const char *what;
	uint8_t size;
	enum flow flow;
	bool emulated;
	bool refused;
	uint8_t bytes[12];
	uint64_t target;
};

/* clang-format off */
static const struct expected x86[] = {
	{ "ret", 1, FLOW_RETURN, false, false, { 0xc3 }, 0 },
	{ "ret $8", 3, FLOW_RETURN, false, false, { 0xc2, 8, 0 }, 0 },
	{ "repz ret", 2, FLOW_RETURN, false, false, { 0xf3, 0xc3 }, 0 },
	{ "bnd ret", 2, FLOW_RETURN, false, false, { 0xf2, 0xc3 }, 0 },
	{ "nop", 1, FLOW_ON, true, false, { 0x90 }, 0 },
	{ "nop5", 5, FLOW_ON, true, false, { 0x0f, 0x1f, 0x44, 0, 0 }, 0 },
	{ "cs nop", 10, FLOW_ON, true, true, { 0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0 }, 0 },
	{ "push", 1, FLOW_ON, true, false, { 0x55 }, 0 },
	{ "pop", 1, FLOW_ON, false, false, { 0x5d }, 0 },
	{ "mov", 3, FLOW_ON, false, false, { 0x48, 0x89, 0xe5 }, 0 },
	{ "endbr64", 4, FLOW_ON, false, false, { 0xf3, 0x0f, 0x1e, 0xfa }, 0 },
	{ "call", 5, FLOW_ON, true, false, { 0xe8, 0, 0, 0, 0 }, 0 },
	{ "call *rax", 2, FLOW_ON, false, false, { 0xff, 0xd0 }, 0 },
	{ "jmp", 2, FLOW_JUMP, true, false, { 0xeb, 0x10 }, AT + 0x12 },
	{ "jmp far", 5, FLOW_JUMP, true, false, { 0xe9, 0, 1, 0, 0 }, AT + 0x105 },
	{ "je", 6, FLOW_JUMP, true, false, { 0x0f, 0x84, 0xfa, 0xff, 0xff, 0xff }, AT },
	{ "loop", 2, FLOW_JUMP, true, false, { 0xe2, 0xfe }, AT },
	{ "jrcxz", 2, FLOW_JUMP, true, false, { 0xe3, 0x00 }, AT + 2 },
	{ "jmp *rax", 2, FLOW_INDIRECT, false, false, { 0xff, 0xe0 }, 0 },
	{ "jmp *8(rax)", 3, FLOW_INDIRECT, false, false, { 0xff, 0x60, 8 }, 0 },
	{ "jmp *(,rax,8)", 7, FLOW_SWITCH, false, false, { 0xff, 0x24, 0xc5, 0, 0, 0, 0 }, 0 },
	{ "notrack jmp *rax", 3, FLOW_SWITCH, false, true, { 0x3e, 0xff, 0xe0 }, 0 },
	{ "lock inc", 3, FLOW_ON, false, true, { 0xf0, 0xff, 0x00 }, 0 },
	{ "syscall", 2, FLOW_ON, false, true, { 0x0f, 0x05 }, 0 },
	{ "int3", 1, FLOW_ON, false, true, { 0xcc }, 0 },
	{ "ud2", 2, FLOW_ON, false, true, { 0x0f, 0x0b }, 0 },
	{ "hlt", 1, FLOW_ON, false, true, { 0xf4 }, 0 },
	{ "AVX-512", 6, FLOW_ON, false, true, { 0x62, 0xf1, 0x7c, 0x48, 0x28, 0xc1 }, 0 },
};

#define WORD(w) { (w) & 0xff, (w) >> 8 & 0xff, (w) >> 16 & 0xff, (w) >> 24 & 0xff }

static const struct expected aarch64[] = {
	{ "ret", 4, FLOW_RETURN, true, false, WORD(0xd65f03c0u), 0 },
	{ "ret x5", 4, FLOW_RETURN, true, false, WORD(0xd65f00a0u), 0 },
	{ "retaa", 4, FLOW_RETURN, true, false, WORD(0xd65f0bffu), 0 },
	{ "retab", 4, FLOW_RETURN, true, false, WORD(0xd65f0fffu), 0 },
	{ "nop", 4, FLOW_ON, true, false, WORD(0xd503201fu), 0 },
	{ "add", 4, FLOW_ON, false, false, WORD(0x8b010000u), 0 },
	{ "b", 4, FLOW_JUMP, true, false, WORD(0x14000002u), AT + 8 },
	{ "b.eq", 4, FLOW_JUMP, true, false, WORD(0x54000040u), AT + 8 },
	{ "cbz", 4, FLOW_JUMP, true, false, WORD(0xb4000040u), AT + 8 },
	{ "tbnz", 4, FLOW_JUMP, true, false, WORD(0x37000040u), AT + 8 },
	{ "bl", 4, FLOW_ON, false, false, WORD(0x94000002u), 0 },
	{ "blr", 4, FLOW_ON, false, false, WORD(0xd63f0000u), 0 },
	{ "br", 4, FLOW_INDIRECT, true, false, WORD(0xd61f0020u), 0 },
	{ "ldxr", 4, FLOW_ON, false, true, WORD(0xc85f7c00u), 0 },
	{ "svc", 4, FLOW_ON, false, true, WORD(0xd4000001u), 0 },
	{ "unknown", 4, FLOW_ON, false, false, WORD(0x00000000u), 0 },
};
/* clang-format on */

static void check_all(unsigned machine, const struct expected *all, size_t count)
{
	struct decoder decoder;
	struct why why;

	assert_int_equal(decoder_open(&decoder, machine, &why), 0);
	for (size_t i = 0; i < count; i++) {
		const struct expected *e = &all[i];
		struct instruction got;

		if (!decoder_decode(&decoder, e->bytes, sizeof(e->bytes), AT, &got))
			fail_msg("%s is not decoded", e->what);
		if (got.size != e->size || got.flow != e->flow || got.target != e->target ||
		    got.is_emulated != e->emulated || !got.refused != !e->refused)
			fail_msg("%s: size %u flow %d target %#lx emulated %d refused %s", e->what,
				 got.size, (int)got.flow, (unsigned long)got.target,
				 got.is_emulated, got.refused ? got.refused : "not");
	}
	decoder_close(&decoder);
}

static void test_x86(void **state)
{
	(void)state;
	check_all(EM_X86_64, x86, sizeof(x86) / sizeof(*x86));
}

static void test_aarch64(void **state)
{
	(void)state;
	check_all(EM_AARCH64, aarch64, sizeof(aarch64) / sizeof(*aarch64));
}

/* ---- a function ---- */

/* Walks the crafted file's function with other bytes in it; "": taken. */
static const char *walk_bytes(const char *code, size_t size, struct walk *walk)
{
	static struct why why;
	const struct function function = { .start = CRAFT_WORK, .end = CRAFT_WORK + size };
	struct decoder decoder;
	struct image image;
	uint8_t *bytes = craft_file();
	int err;

	memcpy(bytes + CRAFT_TEXT, code, size);
	assert_int_equal(image_open(&image, bytes, CRAFT_SIZE, &why), 0);
	assert_int_equal(decoder_open(&decoder, EM_X86_64, &why), 0);
	err = walk_function(walk, &decoder, &image, &function, &why);
	decoder_close(&decoder);
	image_close(&image);
	return err ? why.text : "";
}

#define WALK(code) walk_bytes(code, sizeof(code) - 1, &walk)

static void test_a_function(void **state)
{
	struct walk walk;

	(void)state;
	/* je to the ret; mov; ret */
	assert_string_equal(WALK("\x74\x03\x48\x89\xe5\xc3"), "");
	assert_int_equal(walk.count, 3);
	assert_non_null(walk_at(&walk, CRAFT_WORK + 2));
	assert_null(walk_at(&walk, CRAFT_WORK + 3));
	assert_null(walk_at(&walk, CRAFT_WORK + 6));
	assert_true(walk_is_target(&walk, CRAFT_WORK + 5));
	assert_false(walk_is_target(&walk, CRAFT_WORK + 2));
	walk_free(&walk);
}

static void test_what_is_no_clean_code(void **state)
{
	struct walk walk;

	(void)state;
	/* je into the mov */
	assert_non_null(strstr(WALK("\x74\x01\x48\x89\xe5\xc3"), "middle of an instruction"));
	/* the last one reaches past the end */
	assert_non_null(strstr(WALK("\xc3\x48\x89"), "can't be decoded at 0x201"));
	/* what is none in 64 bits */
	assert_non_null(strstr(WALK("\x06\xc3"), "can't be decoded at 0x200"));
	assert_non_null(strstr(WALK(""), "how long"));
}

static void test_a_switch_is_told_from_a_tail_call(void **state)
{
	struct walk walk;

	(void)state;
	/* add %rdx,%rax; jmp *%rax */
	assert_string_equal(WALK("\x48\x01\xd0\xff\xe0"), "");
	assert_int_equal(walk.items[1].flow, FLOW_SWITCH);
	walk_free(&walk);
	/* add %rdx,%rax; jmp *%rcx */
	assert_string_equal(WALK("\x48\x01\xd0\xff\xe1"), "");
	assert_int_equal(walk.items[1].flow, FLOW_INDIRECT);
	walk_free(&walk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_x86),
		cmocka_unit_test(test_aarch64),
		cmocka_unit_test(test_a_function),
		cmocka_unit_test(test_what_is_no_clean_code),
		cmocka_unit_test(test_a_switch_is_told_from_a_tail_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
