/* SPDX-License-Identifier: MIT */
/* Functions that jump about, so that reading them would never end: how much is decoded of what they jump to */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "insn.h"

#define AT     0x1000000ull /* the function */
#define OTHERS 0x4000000ull /* those that it jumps to, one behind the other */

/* What there is behind the function. */
struct others {
	uint8_t *bytes; /* of each */
	uint64_t size;
	bool loads; /* later */
	size_t loaded;
	uint64_t table; /* what its entries say */
	size_t entries; /* that were asked for */
	uint64_t *work_left;
};

static bool find(uint64_t address, struct insn_code *out, void *context)
{
	const struct others *others = context;

	if (address < OTHERS)
		return false;
	*out = (struct insn_code){
		.bytes = others->loads ? NULL : others->bytes,
		.address = address - (address - OTHERS) % others->size,
		.size = others->size,
	};
	return true;
}

static bool load(struct insn_code *code, void *context)
{
	struct others *others = context;

	others->loaded++;
	code->bytes = others->bytes;
	return true;
}

static bool word(uint64_t address, uint64_t *out, void *context)
{
	struct others *others = context;

	(void)address;
	others->entries++;
	*out = others->table;
	return true;
}

static int read_function(const struct insn_code *code, struct others *others,
			 struct insn_function *out)
{
	struct insn_options options = { .machine = INSN_X86_64,
					.find = find,
					.load = load,
					.word = word,
					.context = others,
					.work_left = others->work_left };
	uint64_t wrong;

	return insn_function(code, &options, out, &wrong);
}

/* `je` to each of so many others, `apart` from each other. */
static struct insn_code jumps(size_t count, uint64_t apart)
{
	struct insn_code code = { .address = AT, .size = 6 * count + 1 };
	uint8_t *bytes = malloc(code.size);

	assert_non_null(bytes);
	for (size_t i = 0; i < count; i++) {
		int32_t distance = (int32_t)(OTHERS + i * apart - (AT + 6 * i + 6));

		bytes[6 * i] = 0x0f;
		bytes[6 * i + 1] = 0x84;
		memcpy(bytes + 6 * i + 2, &distance, sizeof(distance));
	}
	bytes[code.size - 1] = 0xc3;
	code.bytes = bytes;
	return code;
}

/* movabs, so that there are few instructions, and ret: it is no part of who jumps to it. */
static uint8_t *another(uint64_t size)
{
	uint8_t *bytes = calloc(1, size);

	assert_non_null(bytes);
	for (uint64_t at = 0; at + 10 < size; at += 10) {
		bytes[at] = 0x48;
		bytes[at + 1] = 0xb8;
	}
	bytes[size - 1] = 0xc3;
	return bytes;
}

/* However often it is jumped to, by whichever of its bytes. */
static void another_one_is_read_once(void **state)
{
	struct others others = { .size = 100001, .loads = true };
	struct insn_code code = jumps(90000, 1);
	struct insn_function f;

	(void)state;
	others.bytes = another(others.size);
	assert_int_equal(read_function(&code, &others, &f), 0);
	assert_int_equal(f.tail_call, OTHERS);
	assert_int_equal(f.returns_count, 1);
	assert_int_equal(others.loaded, 1);
	free(others.bytes);
	free((void *)code.bytes);
}

static void too_large_ones_are_not_loaded(void **state)
{
	struct others others = { .size = INSN_CODE_MAX, .loads = true };
	struct insn_code code = jumps(100, INSN_CODE_MAX);
	struct insn_function f;

	(void)state;
	assert_int_equal(read_function(&code, &others, &f), 0);
	assert_int_equal(f.tail_call, OTHERS);
	assert_int_equal(others.loaded, 0);
	free((void *)code.bytes);
}

static void too_many_others(void **state)
{
	struct others others = { .size = 1 << 16 | 1 };
	struct insn_function f;

	(void)state;
	others.bytes = another(others.size);
	for (size_t count = 50; count <= 75; count += 25) {
		struct insn_code code = jumps(count, others.size);

		assert_int_equal(read_function(&code, &others, &f), count == 50 ? 0 : -E2BIG);
		free((void *)code.bytes);
	}
	free(others.bytes);
}

/* What one has taken the next ones don't have. */
static void many_functions_share_what_is_left(void **state)
{
	uint64_t left = 25ull << 16, before;
	struct others others = { .size = 1 << 16 | 1, .work_left = &left };
	struct insn_code code = jumps(10, others.size);
	struct insn_function f;

	(void)state;
	others.bytes = another(others.size);
	assert_int_equal(read_function(&code, &others, &f), 0);
	assert_in_range(left, 14ull << 16, 15ull << 16);
	assert_int_equal(read_function(&code, &others, &f), 0);
	before = left;
	assert_int_equal(read_function(&code, &others, &f), -E2BIG);
	assert_true(left < before);
	/* Not even for itself. */
	left = code.size - 1;
	assert_int_equal(read_function(&code, &others, &f), -E2BIG);
	assert_int_equal(left, code.size - 1);
	free(others.bytes);
	free((void *)code.bytes);
}

/* Of one with as many instructions as can be: nops, or two bytes each that may be of a table. */
static void memory_of_the_largest(void **state)
{
	static const uint8_t kinds[][2] = { { 0x90, 0x90 }, { 0x01, 0xd0 }, { 0x3c, 0x01 } };
	struct insn_code code = { .address = AT, .size = INSN_CODE_MAX };
	struct insn_decoder *decoder = insn_decoder_new(INSN_X86_64);
	uint8_t *bytes = malloc(code.size);
	struct insn_walk walk;
	uint64_t wrong;

	(void)state;
	assert_non_null(decoder);
	assert_non_null(bytes);
	code.bytes = bytes;
	for (size_t kind = 0; kind < 3; kind++) {
		for (size_t at = 0; at < code.size; at++)
			bytes[at] = kinds[kind][at % 2];
		assert_int_equal(insn_walk_read(&walk, decoder, &code, &wrong), 0);
		assert_int_equal(walk.count, code.size / (kind ? 2 : 1));
		assert_int_equal(walk.tables_count, 1 + (kind ? walk.count : 0));
		assert_in_range(walk.count * sizeof(*walk.items) +
					walk.tables_count * sizeof(*walk.tables),
				1, 100 << 20);
		insn_walk_free(&walk);
	}
	insn_decoder_free(decoder);
	free(bytes);
}

/* Each goes through a table of 4096 entries, all of which lead back into the function. */
static void too_many_tables(void **state)
{
	/* jmp *0x402000(,%rdi,8) */
	static const uint8_t jump[] = { 0xff, 0x24, 0xfd, 0x00, 0x20, 0x40, 0x00 };
	struct others others = { .size = 1, .table = AT };
	uint8_t bytes[2000 * sizeof(jump)];
	struct insn_code code = { .bytes = bytes, .address = AT, .size = sizeof(bytes) };
	struct insn_function f;

	(void)state;
	for (size_t at = 0; at < sizeof(bytes); at += sizeof(jump))
		memcpy(bytes + at, jump, sizeof(jump));
	assert_int_equal(read_function(&code, &others, &f), -E2BIG);
	assert_true(others.entries <= INSN_WORK_MAX / 4);
	code.size = 200 * sizeof(jump);
	assert_int_equal(read_function(&code, &others, &f), 0);
}

/* movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax: nothing tells where the table is. */
static void sums_upon_sums(void **state)
{
	static const uint8_t jump[] = { 0x48, 0x63, 0x04, 0x82, 0x48, 0x01, 0xd0, 0xff, 0xe0 };
	struct others others = { .size = 1 };
	struct insn_code code = { .address = AT, .size = INSN_CODE_MAX / 9 * 9 };
	uint8_t *bytes = malloc(code.size);
	struct insn_function f;

	(void)state;
	assert_non_null(bytes);
	for (size_t at = 0; at < code.size; at += sizeof(jump))
		memcpy(bytes + at, jump, sizeof(jump));
	code.bytes = bytes;
	assert_int_equal(read_function(&code, &others, &f), 0);
	assert_int_equal(f.tail_call, 0);
	assert_int_equal(others.entries, 0);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_one_is_read_once),
		cmocka_unit_test(too_large_ones_are_not_loaded),
		cmocka_unit_test(too_many_others),
		cmocka_unit_test(many_functions_share_what_is_left),
		cmocka_unit_test(memory_of_the_largest),
		cmocka_unit_test(too_many_tables),
		cmocka_unit_test(sums_upon_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
