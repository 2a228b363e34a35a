/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ended.h"

static char told[1024];

static void tell(const char *line, void *context)
{
	assert_null(context);
	strcat(told, line);
	strcat(told, "\n");
}

static void see(struct ended *e, uint32_t pid, const char *name, bool shown)
{
	const struct pb_process_key key = { .start_time = 7, .tgid = pid };

	ended_see(e, &key, name, shown);
}

static void assert_tells(struct ended *e, const char *expected)
{
	told[0] = '\0';
	ended_tell(e, tell, NULL);
	assert_string_equal(told, expected);
}

static void test_who_is_not_shown_any_more(void **state)
{
	struct ended *e = ended_new();

	(void)state;
	see(e, 1, "stays", true);
	see(e, 2, "ends", true);
	assert_tells(e, "");
	ended_begin_shown(e);
	see(e, 1, "stays", true);
	assert_tells(e, "consumer ends (2) ended while watched\n");
	assert_tells(e, "");
	ended_free(e);
	ended_free(NULL);
}

/* It came and went between two looks; and a step that ended in one that goes on is nothing. */
static void test_only_its_end_was_seen(void **state)
{
	struct ended *e = ended_new();

	(void)state;
	see(e, 1, "stays", true);
	see(e, 1, "stays", false);
	see(e, 2, "", false);
	see(e, 2, "", false);
	assert_tells(e, "consumer (no name) (2) ended while watched\n");
	see(e, 3, "new", false);
	see(e, 3, "new", true);
	assert_tells(e, "");
	ended_free(e);
}

static void test_very_many(void **state)
{
	struct ended *e = ended_new();
	size_t lines = 0;

	(void)state;
	for (uint32_t pid = 1; pid <= 1000; pid++)
		see(e, pid, "c", false);
	told[0] = '\0';
	ended_tell(e, tell, NULL);
	for (const char *at = told; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 9);
	assert_non_null(strstr(told, "consumer c (1) ended"));
	assert_non_null(strstr(told, "and 992 more ended while watched\n"));
	assert_tells(e, "");
	ended_free(e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_is_not_shown_any_more),
		cmocka_unit_test(test_only_its_end_was_seen),
		cmocka_unit_test(test_very_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
