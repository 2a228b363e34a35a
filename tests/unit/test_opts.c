/* SPDX-License-Identifier: MIT */
/* What is an option, what is an operand, and what is refused */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opts.h"

struct settings {
	struct option_list files;
	struct option_list tags;
	bool json;
};

static const struct option operands = { .value = "FILE...",
					.kind = OPTION_LIST,
					.offset = offsetof(struct settings, files),
					.help = "the files" };
static const struct option options[] = {
	{ .name = "tag",
	  .value = "K:V",
	  .kind = OPTION_LIST,
	  .offset = offsetof(struct settings, tags),
	  .help = "a tag" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct settings, json),
	  .help = "as JSON" },
	{ .name = NULL },
};
static const struct verb with = {
	.name = "with", .summary = "s", .text = "t\n", .options = options, .operands = &operands
};
static const struct verb without = {
	.name = "without", .summary = "s", .text = "t\n", .options = options
};

static int parse(const struct verb *verb, struct settings *s, char why[256], char **argv)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	*s = (struct settings){ 0 };
	why[0] = '\0';
	return opts_parse(verb, argc, argv, s, why, 256);
}

#define ARGV(...) ((char *[]){ "verb", __VA_ARGS__, NULL })

static void test_operands(void **state)
{
	struct settings s;
	char why[256];

	(void)state;
	assert_int_equal(parse(&with, &s, why,
			       ARGV("a", "--json", "b", "--tag", "c", "--", "--json", "-h", "--")),
			 0);
	assert_int_equal(s.files.count, 5);
	assert_string_equal(s.files.items[0], "a");
	assert_string_equal(s.files.items[1], "b");
	assert_string_equal(s.files.items[2], "--json");
	assert_string_equal(s.files.items[3], "-h");
	assert_string_equal(s.files.items[4], "--");
	assert_null(s.files.items[5]);
	assert_true(s.json);
	assert_int_equal(s.tags.count, 1);
	assert_string_equal(s.tags.items[0], "c");
	opts_free(&with, &s);
	assert_int_equal(parse(&with, &s, why, (char *[]){ "verb", NULL }), 0);
	assert_int_equal(s.files.count, 0);
	opts_free(&with, &s);
}

static void test_refused(void **state)
{
	static char *const refused[][3] = { { "stray" },   { "-x" }, { "--", "stray" },
					    { "--none" },  { "-" },  { "--tag" },
					    { "--json=1" } };
	struct settings s;
	char why[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char *argv[] = { "verb", refused[i][0], refused[i][1], NULL };

		print_message("%s\n", refused[i][0]);
		assert_int_equal(parse(&without, &s, why, argv), -EINVAL);
		assert_non_null(strstr(why, "--"));
		opts_free(&without, &s);
	}
	assert_int_equal(parse(&with, &s, why, ARGV("-x")), -EINVAL);
	assert_string_equal(why, "'-x' is not an option of 'with': see pushback with --help");
	opts_free(&with, &s);
	assert_int_equal(parse(&without, &s, why, ARGV("stray")), -EINVAL);
	assert_string_equal(why, "'stray' is not understood: 'without' takes options only, such as "
				 "--tag K:V; see pushback without --help");
	opts_free(&without, &s);
}

/* In the unit that a reader would take. */
static void test_too_short(void **state)
{
	static const struct option second[] = {
		{ .name = "for", .value = "TIME", .kind = OPTION_DURATION, .least = 1000000000 },
		{ .name = "each", .value = "TIME", .kind = OPTION_DURATION, .least = 100000000 },
		{ .name = NULL },
	};
	static const struct verb verb = { .name = "v", .options = second };
	uint64_t settings;
	char why[256];

	(void)state;
	assert_int_equal(opts_parse(&verb, 3, ARGV("--for", "10ms"), &settings, why, sizeof(why)),
			 -EINVAL);
	assert_string_equal(why, "--for 10ms is too short: at least 1s");
	assert_int_equal(opts_parse(&verb, 3, ARGV("--each", "1ms"), &settings, why, sizeof(why)),
			 -EINVAL);
	assert_string_equal(why, "--each 1ms is too short: at least 100ms");
	assert_int_equal(opts_parse(&verb, 3, ARGV("--for", "1s"), &settings, why, sizeof(why)), 0);
}

static void test_help(void **state)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	opts_help(&with, out);
	fclose(out);
	assert_string_equal(text, "pushback with - s\n\nt\n\nOptions\n"
				  "  FILE...                  the files\n"
				  "  --tag K:V                a tag\n"
				  "  --json                   as JSON\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_operands),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_short),
		cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests_name("opts", tests, NULL, NULL);
}
