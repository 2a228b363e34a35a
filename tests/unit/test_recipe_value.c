/* SPDX-License-Identifier: MIT */
/* Values of a recipe: how they are written, where that is, and what they mean */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <asm/ptrace.h>
#include <cmocka.h>

#include "recipe_value.h"

static void parse(void **state)
{
	static const struct {
		const char *text;
		struct recipe_value value;
	} table[] = {
		{ "arg1", { RECIPE_ARGUMENT, 1, false, false, 8, 0, false } },
		{ "arg6", { RECIPE_ARGUMENT, 6, false, false, 8, 0, false } },
		{ "u8 return", { RECIPE_RETURN, 0, false, false, 1, 0, true } },
		{ "u16 return", { RECIPE_RETURN, 0, false, false, 2, 0, true } },
		{ "u32 return", { RECIPE_RETURN, 0, false, false, 4, 0, true } },
		{ "u64 return", { RECIPE_RETURN, 0, false, false, 8, 0, true } },
		{ "s8 return", { RECIPE_RETURN, 0, false, true, 1, 0, true } },
		{ "s16 return", { RECIPE_RETURN, 0, false, true, 2, 0, true } },
		{ "s32 return", { RECIPE_RETURN, 0, false, true, 4, 0, true } },
		{ "s64 return", { RECIPE_RETURN, 0, false, true, 8, 0, true } },
		{ "usdt12", { RECIPE_USDT, 12, false, false, 8, 0, false } },
		{ "*return", { RECIPE_RETURN, 0, true, false, 8, 0, false } },
		{ "  u8  *  ( return + 44 ) ", { RECIPE_RETURN, 0, true, false, 1, 44, true } },
		{ "s32 *arg2-0x10", { RECIPE_ARGUMENT, 2, true, true, 4, -16, true } },
		{ "*(usdt1+8)", { RECIPE_USDT, 1, true, false, 8, 8, false } },
	};
	struct recipe_value value;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct recipe_value *right = &table[i].value;

		if (!recipe_value_parse(table[i].text, &value))
			fail_msg("'%s' is none", table[i].text);
		if (value.place != right->place || value.number != right->number ||
		    value.memory != right->memory || value.is_signed != right->is_signed ||
		    value.width != right->width || value.offset != right->offset ||
		    value.typed != right->typed)
			fail_msg("'%s' is %d %u %d %d %d %lld", table[i].text, value.place,
				 value.number, value.memory, value.is_signed, value.width,
				 (long long)value.offset);
	}
}

static void parse_wrong(void **state)
{
	static const char *const texts[] = {
		"",          " ",          "arg",        "arg0",
		"arg7",      "arg1x",      "arg 1",      "arg-1",
		"usdt0",     "usdt13",     "returns",    "return 1",
		"u7 return", "u8",         "u8return",   "i32 return",
		"**return",  "return+8",   "*(return+8", "*return+8)",
		"*return+",  "*return+-8", "*return+x",  "*return+0x100000000",
		"(return)",  "%",          "%nope",      "$5",
		"5",         "arg1 arg2",
	};
	struct recipe_value value;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (recipe_value_parse(texts[i], &value))
			fail_msg("'%s' is taken", texts[i]);
}

/* ---- Where it is ---- */

#if defined(__x86_64__)
#define AT(field) ((uint32_t)offsetof(struct pt_regs, field))

static const char *bind(const char *text, const char *usdt, struct pb_source *out)
{
	struct recipe_value value;

	assert_true(recipe_value_parse(text, &value));
	return recipe_value_bind(&value, usdt, out);
}

static void bound(void **state)
{
	static const struct {
		const char *text, *usdt;
		struct pb_source source;
	} table[] = {
		{ "arg1", NULL, { PB_SOURCE_REGISTER, 8, 0, 0, AT(rdi), 0 } },
		{ "s32 arg4", NULL, { PB_SOURCE_REGISTER, 4, 1, 0, AT(rcx), 0 } },
		{ "arg6", NULL, { PB_SOURCE_REGISTER, 8, 0, 0, AT(r9), 0 } },
		{ "u8 *(return+44)", NULL, { PB_SOURCE_MEMORY, 1, 0, 0, AT(rax), 44 } },
		{ "*arg2-8", NULL, { PB_SOURCE_MEMORY, 8, 0, 0, AT(rsi), -8 } },
		{ "s32 %ebx", NULL, { PB_SOURCE_REGISTER, 4, 1, 0, AT(rbx), 0 } },
		{ "%r15", "8@%rax", { PB_SOURCE_REGISTER, 8, 0, 0, AT(r15), 0 } },
		/* A note says how wide it is, and whether it is signed. */
		{ "usdt1", "8@%rdi", { PB_SOURCE_REGISTER, 8, 0, 0, AT(rdi), 0 } },
		{ "usdt1", "-4@%eax", { PB_SOURCE_REGISTER, 4, 1, 0, AT(rax), 0 } },
		{ "usdt1", "1@%r12b", { PB_SOURCE_REGISTER, 1, 0, 0, AT(r12), 0 } },
		{ "usdt1", "-2@%cx", { PB_SOURCE_REGISTER, 2, 1, 0, AT(rcx), 0 } },
		{ "usdt1", "1@%sil", { PB_SOURCE_REGISTER, 1, 0, 0, AT(rsi), 0 } },
		{ "usdt1", "%rdi", { PB_SOURCE_REGISTER, 8, 0, 0, AT(rdi), 0 } },
		{ "usdt2", "8@%rdi -4@-20(%rbp)", { PB_SOURCE_MEMORY, 4, 1, 0, AT(rbp), -20 } },
		{ "usdt2", "8@%rdi  4@112(%rsp)", { PB_SOURCE_MEMORY, 4, 0, 0, AT(rsp), 112 } },
		{ "usdt1", "8@(%rax)", { PB_SOURCE_MEMORY, 8, 0, 0, AT(rax), 0 } },
		{ "usdt1", "8@0x10(%rax)", { PB_SOURCE_MEMORY, 8, 0, 0, AT(rax), 16 } },
		{ "usdt3", "8@%rdi 8@%rsi -4@$-11", { PB_SOURCE_CONSTANT, 4, 1, 0, 0, -11 } },
		{ "usdt1", "4@$7", { PB_SOURCE_CONSTANT, 4, 0, 0, 0, 7 } },
		{ "usdt1", "$5", { PB_SOURCE_CONSTANT, 8, 0, 0, 0, 5 } },
		/* Unless the recipe says so itself. */
		{ "s32 usdt1", "4@%eax", { PB_SOURCE_REGISTER, 4, 1, 0, AT(rax), 0 } },
		{ "u8 usdt1", "-4@8(%rsp)", { PB_SOURCE_MEMORY, 1, 0, 0, AT(rsp), 8 } },
		{ "s32 usdt1", "8@%rax", { PB_SOURCE_REGISTER, 4, 1, 0, AT(rax), 0 } },
		/* What it points to is as the recipe says. */
		{ "u32 *(usdt1+8)", "8@%rdi", { PB_SOURCE_MEMORY, 4, 0, 0, AT(rdi), 8 } },
		{ "s8 *usdt1", "8@%r8", { PB_SOURCE_MEMORY, 1, 1, 0, AT(r8), 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		const struct pb_source *right = &table[i].source;
		struct pb_source s;
		const char *wrong = bind(table[i].text, table[i].usdt, &s);

		if (wrong)
			fail_msg("'%s' of '%s' %s", table[i].text, table[i].usdt, wrong);
		if (s.kind != right->kind || s.width != right->width ||
		    s.is_signed != right->is_signed || s.at != right->at ||
		    s.offset != right->offset)
			fail_msg("'%s' of '%s' is %d %d %d %u %lld", table[i].text, table[i].usdt,
				 s.kind, s.width, s.is_signed, s.at, (long long)s.offset);
	}
}

static void bound_wrong(void **state)
{
	static const struct {
		const char *text, *usdt, *why;
	} table[] = {
		{ "usdt1", NULL, "this is none" },
		{ "arg1", "8@%rdi", "this is a USDT probe" },
		{ "return", "8@%rdi", "this is a USDT probe" },
		{ "usdt1", "", "more than the probe has" },
		{ "usdt3", "8@%rdi 8@%rsi", "more than the probe has" },
		{ "usdt1", "3@%rdi", "a size in the probe's note" },
		{ "usdt1", "16@%xmm0", "a size in the probe's note" },
		{ "usdt1", "8f@%xmm0", "a size in the probe's note" },
		{ "usdt1", "@%rdi", "a size in the probe's note" },
		{ "usdt1", "x@%rdi", "a size in the probe's note" },
		{ "usdt1", "8@%xmm0", "not a general one" },
		{ "usdt1", "8@%rip", "not a general one" },
		{ "usdt1", "8@", "a form in the probe's note" },
		{ "usdt1", "8@rdi", "a form in the probe's note" },
		{ "usdt1", "8@-8(%rdi,%rsi,8)", "has an index" },
		{ "usdt1", "8@(%rdi,%rsi)", "has an index" },
		{ "usdt1", "8@(%rdi", "a form in the probe's note" },
		{ "usdt1", "8@8(rdi)", "a form in the probe's note" },
		{ "usdt1", "8@counter(%rip)", "a form in the probe's note" },
		{ "usdt1", "8@8+counter(%rip)", "only the linker knows" },
		{ "usdt1", "8@4096", "only the linker knows" },
		{ "usdt1", "8@$", "constant that cannot be read" },
		{ "usdt1", "8@$5x", "constant that cannot be read" },
		{ "usdt1", "8@$counter", "constant that cannot be read" },
		{ "u64 usdt1", "4@%eax", "narrower in the probe's note" },
		{ "*usdt1", "8@8(%rdi)", "in memory itself" },
		{ "*usdt1", "8@$5", "in memory itself" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct pb_source s;
		const char *wrong = bind(table[i].text, table[i].usdt, &s);

		if (!wrong || !strstr(wrong, table[i].why))
			fail_msg("'%s' of '%s': \"%s\" instead of \"%s\"", table[i].text,
				 table[i].usdt, wrong ? wrong : "taken", table[i].why);
	}
}

static void registers(void **state)
{
	struct recipe_value value;

	(void)state;
	assert_int_equal(recipe_register_at("rdi"), AT(rdi));
	assert_int_equal(recipe_register_at("r11b"), AT(r11));
	assert_int_equal(recipe_register_at("spl"), AT(rsp));
	assert_int_equal(recipe_register_at("xmm0"), -1);
	assert_int_equal(recipe_register_at(""), -1);
	assert_int_equal(recipe_register_at(NULL), -1);
	assert_true(recipe_value_parse("arg3", &value));
	assert_int_equal(recipe_value_register(&value), AT(rdx));
	assert_true(recipe_value_parse("usdt3", &value));
	assert_int_equal(recipe_value_register(&value), -1);
	assert_int_equal(recipe_value_register(&(struct recipe_value){ 0 }), -1);
}
#endif

static void nowhere(void **state)
{
	struct recipe_value none = { 0 };
	struct pb_source s;

	(void)state;
	assert_null(recipe_value_bind(&none, NULL, &s));
	assert_int_equal(s.kind, PB_SOURCE_CONSTANT);
	assert_int_equal(s.offset, 0);
}

/* ---- What it means ---- */

static struct pb_rule rule_of(bool is_signed, uint8_t width)
{
	return (struct pb_rule){ .result = { .is_signed = is_signed, .width = width },
				 .otherwise = PUSHBACK_INVALID };
}

static void ranges(void **state)
{
	struct pb_rule r = rule_of(true, 8);

	(void)state;
	assert_null(recipe_value_ranges("0, 3..5 ,-11,-30 .. -20", PUSHBACK_REJECTED, &r, NULL));
	assert_int_equal(r.ranges_count, 4);
	assert_int_equal(r.ranges[0].low, 0);
	assert_int_equal(r.ranges[0].high, 0);
	assert_int_equal(r.ranges[0].outcome, PUSHBACK_REJECTED);
	assert_int_equal(r.ranges[1].low, 3);
	assert_int_equal(r.ranges[1].high, 5);
	assert_int_equal(r.ranges[2].low, (uint64_t)-11);
	assert_int_equal(r.ranges[3].low, (uint64_t)-30);
	assert_int_equal(r.ranges[3].high, (uint64_t)-20);
	assert_int_equal(r.otherwise, PUSHBACK_INVALID);
	assert_null(recipe_value_ranges("100, other", PUSHBACK_ACCEPTED, &r, NULL));
	assert_int_equal(r.ranges_count, 5);
	assert_int_equal(r.ranges[4].outcome, PUSHBACK_ACCEPTED);
	assert_int_equal(r.otherwise, PUSHBACK_ACCEPTED);
}

/* -1 is above all else where there are no signs. */
static void signs(void **state)
{
	struct pb_rule r = rule_of(true, 8);

	(void)state;
	assert_null(recipe_value_ranges("-5..5", PUSHBACK_REJECTED, &r, NULL));
	assert_non_null(recipe_value_ranges("-1", PUSHBACK_ACCEPTED, &r, NULL));
	assert_non_null(recipe_value_ranges("0..100", PUSHBACK_ACCEPTED, &r, NULL));
	assert_null(recipe_value_ranges("6..100", PUSHBACK_ACCEPTED, &r, NULL));

	r = rule_of(false, 8);
	assert_non_null(recipe_value_ranges("-5..5", PUSHBACK_REJECTED, &r, NULL));
	assert_null(recipe_value_ranges("5..-5", PUSHBACK_REJECTED, &r, NULL));
	assert_null(recipe_value_ranges("0..4", PUSHBACK_ACCEPTED, &r, NULL));
	assert_non_null(recipe_value_ranges("0x8000000000000000..0x80000000000000ff",
					    PUSHBACK_ACCEPTED, &r, NULL));
	assert_null(recipe_value_ranges("0xfffffffffffffffc..0xffffffffffffffff", PUSHBACK_INVALID,
					&r, NULL));
}

static void possible(void **state)
{
	static const struct {
		bool is_signed;
		uint8_t width;
		const char *text;
		bool right;
	} table[] = {
		{ true, 4, "-2147483648..2147483647", true },
		{ true, 4, "2147483648", false },
		{ true, 4, "-2147483649", false },
		{ true, 4, "0xffffffff", false },
		{ false, 4, "0xffffffff", true },
		{ false, 4, "-11", false },
		{ false, 4, "0x100000000", false },
		{ false, 1, "0..255", true },
		{ false, 1, "255..256", false },
		{ true, 1, "-128..127", true },
		{ true, 2, "32768", false },
		{ false, 8, "0xffffffffffffffff", true },
		{ false, 8, "-11", true },
		{ true, 8, "-9223372036854775808", true },
		{ true, 8, "-9223372036854775809", false },
		{ false, 8, "0x10000000000000000", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct pb_rule r = rule_of(table[i].is_signed, table[i].width);
		const char *wrong = recipe_value_ranges(table[i].text, PUSHBACK_REJECTED, &r, NULL);

		if (!wrong != table[i].right)
			fail_msg("'%s' of %d bytes: %s", table[i].text, table[i].width,
				 wrong ? wrong : "taken");
	}
}

static void ranges_wrong(void **state)
{
	static const char *const texts[] = {
		"",        ",", "1,", ",1",     "1,,2", "1 2", "1..", "..1", "2..1",
		"1..2..3", "x", "1x", "others", "- ",   "--1", "0x",  "1.5",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct pb_rule r = rule_of(true, 8);

		if (!recipe_value_ranges(texts[i], PUSHBACK_REJECTED, &r, NULL))
			fail_msg("'%s' is taken", texts[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse),
		cmocka_unit_test(parse_wrong),
#if defined(__x86_64__)
		cmocka_unit_test(bound),
		cmocka_unit_test(bound_wrong),
		cmocka_unit_test(registers),
#endif
		cmocka_unit_test(nowhere),
		cmocka_unit_test(ranges),
		cmocka_unit_test(signs),
		cmocka_unit_test(possible),
		cmocka_unit_test(ranges_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
