/* SPDX-License-Identifier: MIT */
/* Tables: what is aligned, what is left out, what never gets through */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "table.h"

static const struct table_column columns[] = {
	{ .title = "PID", .right = true },
	{ .title = "NAME" },
	{ .title = "SKIPPED", .optional = true },
	{ .title = "FILE" },
	{ .title = NULL },
};

/* The whole text; freed by the caller. */
static char *text_of(const struct table *t, const char *indent)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(table_write(t, indent, out), 0);
	fclose(out);
	return text;
}

static void expect_in(bool utf8, const char *const rows[][4], size_t count, const char *indent,
		      const char *want)
{
	struct table *t = table_new(columns, utf8);
	char *text;
	size_t i;

	assert_non_null(t);
	for (i = 0; i < count; i++)
		assert_int_equal(table_add(t, rows[i]), 0);
	text = text_of(t, indent);
	assert_string_equal(text, want);
	free(text);
	table_free(t);
}

static void expect(const char *const rows[][4], size_t count, const char *indent, const char *want)
{
	expect_in(false, rows, count, indent, want);
}

static void test_aligned(void **state)
{
	const char *const rows[][4] = { { "7", "decode-and-more", "1 dead", "/a" },
					{ "12345", "x", "-", "/b/c d" } };

	(void)state;
	expect(rows, 2, "",
	       "  PID  NAME             SKIPPED  FILE\n"
	       "    7  decode-and-more  1 dead   /a\n"
	       "12345  x                -        /b/c d\n");
}

static void test_left_out(void **state)
{
	const char *const rows[][4] = { { "7", "-", "-", "/a" } };

	(void)state;
	expect(rows, 1, "  ", "  PID  NAME  FILE\n    7  -     /a\n");
	expect(NULL, 0, "", "PID  NAME  FILE\n");
}

static void test_last_column_left_out(void **state)
{
	static const struct table_column two[] = { { .title = "NAME" },
						   { .title = "MORE", .optional = true },
						   { .title = NULL } };
	const char *const row[] = { "a", "-" };
	struct table *t = table_new(two, false);
	char *text;

	(void)state;
	assert_int_equal(table_add(t, row), 0);
	text = text_of(t, "");
	assert_string_equal(text, "NAME\na\n");
	free(text);
	table_free(t);
}

/* A cell has one line, and tells the terminal nothing. */
static void test_hostile(void **state)
{
	const char *const rows[][4] = { { "7", "\x1b[31m\xc2\x9b\r", "-", "/a\nb\x7f" } };

	(void)state;
	expect(rows, 1, "", "PID  NAME      FILE\n  7  ?[31m???  /a?b?\n");
}

/* As wide as it looks; and where the terminal can't, none of it is broken. */
static void test_other_alphabets(void **state)
{
	const char *const rows[][4] = { { "7", "st\xc3\xa4p-\xe6\xb5\x81\x1b", "-", "/a" } };

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	expect_in(true, rows, 1, "", "PID  NAME      FILE\n  7  st\xc3\xa4p-\xe6\xb5\x81?  /a\n");
	expect(rows, 1, "", "PID  NAME        FILE\n  7  st??p-????  /a\n");
}

static void test_full(void **state)
{
	struct table *t = table_new(columns, false);
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(full);
	assert_int_equal(table_write(t, "", full), -ENOSPC);
	fclose(full);
	table_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aligned),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_last_column_left_out),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_other_alphabets),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
