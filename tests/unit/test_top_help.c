/* SPDX-License-Identifier: MIT */
/* The help on any screen: all of its words are there, and no line is wider than it may be */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "top_help.h"
#include "top_text.h"

#define WIDTHS 300

/* All letters, without blanks. */
static void gather(size_t width, char *out, size_t size)
{
	char line[TOP_TEXT_SIZE(WIDTHS)];
	size_t count = top_help_count(width, true), used = 0;

	for (size_t i = 0; i < count; i++) {
		top_help_line(i, width, true, line);
		assert_true(top_text_width(line, true) <= width);
		for (const char *at = line; *at; at++) {
			assert_true(used + 1 < size);
			if (*at != ' ')
				out[used++] = *at;
		}
	}
	out[used] = '\0';
}

static void test_every_width(void **state)
{
	char whole[4096], narrow[4096];

	(void)state;
	gather(WIDTHS - 1, whole, sizeof(whole));
	assert_non_null(strstr(whole, "notknownSINCEforsolong"));
	for (size_t width = 12; width < WIDTHS; width++) {
		gather(width, narrow, sizeof(narrow));
		assert_string_equal(narrow, whole);
	}
	for (size_t width = 1; width < 12; width++)
		gather(width, narrow, sizeof(narrow));
}

/* With its title on the screen that everybody has. */
static void test_fits_80_by_24(void **state)
{
	(void)state;
	assert_true(top_help_count(80, true) + 1 <= 24);
	assert_true(top_help_count(40, true) + 1 > 12);
}

static void test_lines(void **state)
{
	char line[TOP_TEXT_SIZE(40)];

	(void)state;
	top_help_line(2, 40, true, line);
	assert_string_equal(line, "/            show only what has this in");
	top_help_line(3, 40, true, line);
	assert_string_equal(line, "             its name, or this pid;");
	top_help_line(top_help_count(40, true), 40, true, line);
	assert_string_equal(line, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_width),
		cmocka_unit_test(test_fits_80_by_24),
		cmocka_unit_test(test_lines),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("top_help", tests, NULL, NULL);
}
