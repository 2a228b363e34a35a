/* SPDX-License-Identifier: MIT */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "seed.h"
#include "top_text.h"

#define SEC 1000000000ull

static void assert_fit(const char *text, size_t columns, bool right, const char *want)
{
	char out[TOP_TEXT_SIZE(128)];

	top_text_fit(out, text, columns, right, true);
	assert_string_equal(out, want);
}

static void test_fit(void **state)
{
	(void)state;
	assert_fit("sink", 6, false, "sink  ");
	assert_fit("sink", 6, true, "  sink");
	assert_fit("sink", 4, false, "sink");
	assert_fit("sink", 3, false, "si\xe2\x80\xa6");
	assert_fit("sink", 1, false, "\xe2\x80\xa6");
	assert_fit("sink", 0, false, "");
	assert_fit("", 2, false, "  ");
}

/* A wide character takes two columns: where only one is left a blank stands in. */
static void test_fit_wide(void **state)
{
	(void)state;
	assert_fit("\xe6\xb5\x81\xe6\xb0\xb4", 4, false, "\xe6\xb5\x81\xe6\xb0\xb4");
	assert_fit("\xe6\xb5\x81\xe6\xb0\xb4", 5, true, " \xe6\xb5\x81\xe6\xb0\xb4");
	assert_fit("\xe6\xb5\x81\xe6\xb0\xb4", 3, false, "\xe6\xb5\x81\xe2\x80\xa6");
	assert_fit("a\xe6\xb5\x81\xe6\xb0\xb4", 3, false, "a\xe2\x80\xa6 ");
	/* An accent of its own takes none, and more than two are not meant well. */
	assert_fit("e\xcc\x81x", 3, false, "e\xcc\x81x ");
	assert_fit("e\xcc\x81\xcc\x81\xcc\x81\xcc\x81x", 3, false, "e\xcc\x81\xcc\x81x ");
}

static void test_fit_hostile(void **state)
{
	(void)state;
	assert_fit("a\x1b[31m\n\tb\x7f", 11, false, "a?[31m??b? ");
	assert_fit("\xc2\x9b"
		   "2J",
		   4, false, "?2J "); /* a C1 control: CSI */
	assert_fit("\xe2\x80\xae"
		   "abc",
		   5, false, "?abc ");                          /* right to left override */
	assert_fit("\xff\xfe\xc3", 4, false, "??? ");           /* not UTF-8, cut UTF-8 */
	assert_fit("\xc0\x80\xed\xa0\x80", 6, false, "????? "); /* overlong, surrogate */
}

static void test_fit_without_utf8(void **state)
{
	char out[TOP_TEXT_SIZE(8)];

	(void)state;
	top_text_fit(out, "caf\xc3\xa9", 6, false, false);
	assert_string_equal(out, "caf?? ");
	top_text_fit(out, "transform", 6, false, false);
	assert_string_equal(out, "trans~");
}

/* Whatever the bytes: as wide as asked for, within bounds, and without a control character. */
static void test_fit_random(void **state)
{
	struct seed seed = seed_new("fit_random");
	char text[129], out[TOP_TEXT_SIZE(48)];

	(void)state;
	for (int run = 0; run < 20000; run++) {
		size_t size = seed_below(&seed, sizeof(text)), columns = seed_below(&seed, 49);
		bool utf8 = seed_chance(&seed, 75);

		for (size_t i = 0; i < size; i++)
			text[i] = (char)(seed_chance(&seed, 66) ? seed_below(&seed, 96) + 32
								: seed_below(&seed, 256));
		text[size] = '\0';
		memset(out, 'X', sizeof(out));
		top_text_fit(out, text, columns, seed_chance(&seed, 50), utf8);
		assert_int_equal(top_text_width(out, utf8), utf8 ? columns : strlen(out));
		for (const char *p = out; *p; p++)
			assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
	}
}

static void test_line(void **state)
{
	char out[TOP_TEXT_SIZE(10)];
	const char *text = "sink is the bottleneck";

	(void)state;
	assert_int_equal(top_text_line(out, text, 10, true), 8);
	assert_string_equal(out, "sink is");
	text += 8;
	assert_int_equal(top_text_line(out, text, 10, true), 4);
	assert_string_equal(out, "the");
	text += 4;
	assert_int_equal(top_text_line(out, text, 10, true), 10);
	assert_string_equal(out, "bottleneck");
	assert_int_equal(top_text_line(out, "aaaaaaaaaaaaaa", 10, true), 10);
	assert_string_equal(out, "aaaaaaaaaa");
	assert_int_equal(top_text_line(out, "\x1b\x1b \x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b", 10, true),
			 3);
	assert_string_equal(out, "??");
}

static void test_time(void **state)
{
	static const struct {
		uint64_t ns;
		const char *want;
	} cases[] = {
		{ 0, "0" },
		{ 999, "<1us" },
		{ 1000, "1us" },
		{ 999499, "999us" },
		{ 999500, "1.0ms" },
		{ 9949999, "9.9ms" },
		{ 9950000, "10ms" },
		{ 999499999, "999ms" },
		{ 999500000, "1.0s" },
		{ 9949999999, "9.9s" },
		{ 59499999999, "59s" },
		{ 59500000000, "1m00s" },
		{ 599 * SEC, "9m59s" },
		{ 600 * SEC, "10m" },
		{ 3599 * SEC, "59m" },
		{ 3600 * SEC, "1h00m" },
		{ 35999 * SEC, "9h59m" },
		{ 36000 * SEC, "10h" },
		{ 100 * 3600 * SEC, "4d" },
		{ UINT64_MAX, ">27y" },
	};
	char out[TOP_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		top_text_time(out, cases[i].ns);
		assert_string_equal(out, cases[i].want);
		assert_true(strlen(out) <= 5);
	}
}

static void test_count(void **state)
{
	static const struct {
		double value;
		const char *want;
	} cases[] = {
		{ 0, "0" },          { 0.01, "<0.1" },     { 0.3, "0.3" },
		{ 2, "2" },          { 9.94, "9.9" },      { 9.96, "10" },
		{ 998.4, "998" },    { 9999, "9999" },     { 9999.5, "10.0k" },
		{ 99949, "99.9k" },  { 99950, "100k" },    { 999499, "999k" },
		{ 999500, "1.00M" }, { 6123456, "6.12M" }, { 1e9, "1.00G" },
		{ 1e21, ">999E" },   { -1, "0" },          { 1.8446744073709552e19, "18.4E" },
	};
	char out[TOP_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		top_text_count(out, cases[i].value);
		assert_string_equal(out, cases[i].want);
		assert_true(strlen(out) <= 5);
	}
	top_text_count(out, 0.0 / 0.0);
	assert_string_equal(out, "0");
}

static void test_percent(void **state)
{
	static const struct {
		double share;
		const char *want;
	} cases[] = {
		{ 0, "0" },    { 0.004, "<1" },  { 0.005, "1" },
		{ 0.5, "50" }, { 0.999, "100" }, { 3, "100" },
	};
	char out[TOP_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		top_text_percent(out, cases[i].share);
		if (cases[i].share == 0.005) /* which way that is rounded does not matter */
			continue;
		assert_string_equal(out, cases[i].want);
	}
}

static void test_bar(void **state)
{
	static const struct {
		uint32_t n, capacity;
		const char *want;
	} cases[] = {
		{ 0, 64, "[    ]" },
		{ 1, 64, "[|   ]" },
		{ 32, 64, "[||  ]" },
		{ 63, 64, "[||| ]" },
		{ 64, 64, "[||||]" },
		{ 99, 64, "[||||]" },
		{ UINT32_MAX - 1, UINT32_MAX, "[||| ]" },
		{ UINT32_MAX, UINT32_MAX, "[||||]" },
	};
	char out[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		top_text_bar(out, 6, cases[i].n, cases[i].capacity);
		assert_string_equal(out, cases[i].want);
	}
}

static void assert_safe(const char *text, size_t size, bool utf8, const char *want)
{
	char out[64] = "###";

	top_text_safe(out, size, text, utf8);
	assert_string_equal(out, want);
}

/* Lines of any length, which no columns bound. */
static void test_safe(void **state)
{
	(void)state;
	assert_safe("ab", 64, true, "ab");
	assert_safe("\t~ x\x1b[m\x7f\xc2\x9b\xff", 64, true, "?~ x?[m???");
	assert_safe("gr\xc3\xbc\xc3\x9f\xe6\xb5\x81", 64, true, "gr\xc3\xbc\xc3\x9f\xe6\xb5\x81");
	assert_safe("gr\xc3\xbc", 64, false, "gr??");
	assert_safe("e\xcc\x81\xcc\x81\xcc\x81x", 64, true, "e\xcc\x81\xcc\x81x");
	/* No half of a character. */
	assert_safe("\xc3\xbc", 2, true, "");
	assert_safe("\xc3\xbc", 3, true, "\xc3\xbc");
	assert_safe("abc", 3, true, "ab");
	assert_safe("abc", 1, true, "");
	assert_safe("abc", 0, true, "###");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit),         cmocka_unit_test(test_fit_wide),
		cmocka_unit_test(test_fit_hostile), cmocka_unit_test(test_fit_without_utf8),
		cmocka_unit_test(test_fit_random),  cmocka_unit_test(test_line),
		cmocka_unit_test(test_time),        cmocka_unit_test(test_count),
		cmocka_unit_test(test_safe),        cmocka_unit_test(test_percent),
		cmocka_unit_test(test_bar),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
