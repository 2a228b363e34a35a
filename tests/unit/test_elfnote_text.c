/* SPDX-License-Identifier: MIT */
/* A file's notes in words */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "elfnote_text.h"

static const struct elfnote none, usual = {
	.sites_count = 4,
	.sites = { { PB_PROBE_STEP_END, 4, 9 },
		   { PB_PROBE_SUBMIT_RETURN, 1, 9 },
		   { PB_PROBE_POLL_RETURN, 3, 9 },
		   { PB_PROBE_FORWARD_RETURN, 2, 9 } },
	.build_id_size = 3,
	.build_id = { 0x0a, 0xbc, 0xde },
};
static const struct elfnote odd = {
	.sites_count = 4,
	.sites = { { PB_PROBE_SUBMIT_RETURN, 1, 9 },
		   { PB_PROBE_STEP_END, 4, 9 },
		   { PB_PROBE_SUBMIT_RETURN, 2, 9 },
		   { PB_PROBE_SUBMIT_RETURN, 3, 9 } },
	.dead = 2,
	.unknown = 1,
	.too_many = 30,
};

static void test_probes(void **state)
{
	char text[ELFNOTE_TEXT_SIZE];

	(void)state;
	assert_string_equal(elfnote_text_probes(&usual, text, sizeof(text)), "all");
	assert_string_equal(elfnote_text_probes(&odd, text, sizeof(text)), "submit*3,end");
	assert_string_equal(elfnote_text_probes(&none, text, sizeof(text)), "-");
	assert_string_equal(elfnote_text_probes(&odd, text, 8), "submit*");
}

static void test_skipped(void **state)
{
	char text[ELFNOTE_TEXT_SIZE];

	(void)state;
	assert_string_equal(elfnote_text_skipped(&usual, text, sizeof(text)), "-");
	assert_string_equal(elfnote_text_skipped(&odd, text, sizeof(text)),
			    "2 dead,1 unknown,30 too_many");
}

/* No count is so large that a reason is cut off. */
static void test_longest(void **state)
{
	char text[ELFNOTE_TEXT_SIZE], id[2 * ELFNOTE_BUILD_ID_MAX + 1];
	struct elfnote note = { .dead = 10000,
				.duplicate = 10000,
				.unknown = 10000,
				.malformed = 16777216,
				.too_many = SIZE_MAX,
				.build_id_size = ELFNOTE_BUILD_ID_MAX };

	(void)state;
	assert_string_equal(elfnote_text_skipped(&note, text, sizeof(text)),
			    "10000 dead,10000 duplicate,10000 unknown,16777216 malformed,"
			    "18446744073709551615 too_many");
	assert_string_equal(elfnote_text_build_id(&note, sizeof(id), id, sizeof(id)),
			    "0000000000000000000000000000000000000000");
}

static void test_build_id(void **state)
{
	char text[ELFNOTE_TEXT_SIZE];

	(void)state;
	assert_string_equal(elfnote_text_build_id(&usual, 8, text, sizeof(text)), "0abcde");
	assert_string_equal(elfnote_text_build_id(&usual, 4, text, sizeof(text)), "0abc");
	assert_string_equal(elfnote_text_build_id(&none, 8, text, sizeof(text)), "-");
}

static void expect_json(json_t *value, const char *want)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	assert_string_equal(text, want);
	free(text);
	json_decref(value);
}

static void test_json(void **state)
{
	(void)state;
	expect_json(elfnote_json_build_id(&usual), "\"0abcde\"");
	expect_json(elfnote_json_build_id(&none), "null");
	expect_json(elfnote_json_probes(&odd), "{\"submit_return\":3,\"forward_return\":0,"
					       "\"poll_return\":0,\"step_end\":1}");
	expect_json(elfnote_json_skipped(&odd), "{\"dead\":2,\"duplicate\":0,\"unknown\":1,"
						"\"malformed\":0,\"too_many\":30}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probes),  cmocka_unit_test(test_skipped),
		cmocka_unit_test(test_longest), cmocka_unit_test(test_build_id),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests_name("elfnote_text", tests, NULL, NULL);
}
