/* SPDX-License-Identifier: MIT */
/* Untrusted bytes as JSON, and lines of it */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "json_out.h"
#include "seed.h"

#define BAD "\\uFFFD"

static const struct {
	const char *bytes;
	size_t max;
	const char *line;
} texts[] = {
	{ "", 8, "\"\"" },
	{ "decode", 8, "\"decode\"" },
	{ "decode", 3, "\"dec\"" },
	{ "a\"b\\c/", 8, "\"a\\\"b\\\\c/\"" },
	{ "a\x1b[31m\n", 8, "\"a\\u001B[31m\\n\"" },
	{ "\x7f", 8, "\"" BAD "\"" },
	{ "\xc2\x9b", 8, "\"\\u009B\"" },     /* CSI, to some terminals */
	{ "\xe2\x80\xae", 8, "\"\\u202E\"" }, /* turns the writing round */
	{ "\xc3\xa9", 8, "\"\\u00E9\"" },
	{ "\xc3\xa9", 1, "\"" BAD "\"" }, /* cut within a character */
	{ "\xf0\x9f\x90\xb9", 8, "\"\\uD83D\\uDC39\"" },
	{ "\xf4\x90\x80\x80x", 8, "\"" BAD BAD BAD BAD "x\"" }, /* above U+10FFFF */
	{ "\xed\xa0\x80", 8, "\"" BAD BAD BAD "\"" },           /* a surrogate */
	{ "\xc0\xaf\xe0\x80\xaf", 8,
	  "\"" BAD BAD BAD BAD BAD "\"" }, /* too long for what they say */
	{ "\xff\xc3x\xa9", 8, "\"" BAD BAD "x" BAD "\"" },
};

/* What json_line() writes; freed by the caller. */
static char *line_of(json_t *object)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(json_line(out, object), 0);
	fclose(out);
	assert_int_equal(strlen(text), size);
	return text;
}

static void test_texts(void **state)
{
	char want[64], *line;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		line = line_of(json_pack("[o]", json_text(texts[i].bytes, texts[i].max)));
		snprintf(want, sizeof(want), "[%s]\n", texts[i].line);
		assert_string_equal(line, want);
		free(line);
	}
}

/* Nothing that a consumer writes spoils a line, and all of it that is text comes back. */
static void test_any_bytes(void **state)
{
	struct seed seed = seed_new(__func__);
	char bytes[24], *line, *c;
	json_t *back;
	size_t i, n;

	(void)state;
	for (i = 0; i < 2000; i++) {
		/* Half of them begin characters or go on with them. */
		for (n = 0; n < sizeof(bytes); n++)
			bytes[n] = (char)(seed_chance(&seed, 50) ? seed_next(&seed)
								 : 0x80 | seed_next(&seed));
		line = line_of(json_pack("{so}", "name", json_text(bytes, sizeof(bytes))));
		for (c = line; c[1]; c++)
			assert_true(*c >= ' ' && *c <= '~');
		assert_int_equal(*c, '\n');
		back = json_loads(line, 0, NULL);
		assert_non_null(back);
		assert_true(json_string_length(json_object_get(back, "name")) >=
			    strnlen(bytes, sizeof(bytes)));
		json_decref(back);
		free(line);
	}
}

static void test_lines(void **state)
{
	char *line;

	(void)state;
	line = line_of(json_pack("{sisosf}", "pid", 7, "open", json_null(), "share", 0.1));
	assert_string_equal(line, "{\"pid\":7,\"open\":null,\"share\":0.1}\n");
	free(line);
	/* What cannot be built is no half of a line. */
	assert_int_equal(json_line(stdout, json_pack("{so}", "pid", NULL)), -ENOMEM);
}

static void test_full(void **state)
{
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	assert_non_null(full);
	assert_int_equal(json_line(full, json_pack("{si}", "pid", 7)), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_any_bytes),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("json_out", tests, NULL, NULL);
}
