/* SPDX-License-Identifier: MIT */
/* What man pages and completion are told of a verb's table */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "opts_list.h"

static const char *const formats[] = { "one", "two", NULL };

/* clang-format off */
static const struct option operands = { .value = "FILE...", .kind = OPTION_LIST, .help = "the files" };
static const struct option options[] = {
	{ .name = "pid", .value = "PID", .kind = OPTION_PIDS, .help = "in\ntwo lines" },
	{ .name = "format", .value = "FORMAT", .kind = OPTION_CHOICE, .choices = formats, .help = "h" },
	{ .name = "for", .value = "TIME", .kind = OPTION_DURATION, .help = "h" },
	{ .name = "budget", .value = "SHARE", .kind = OPTION_PERCENT, .help = "h" },
	{ .name = "socket", .value = "PATH", .kind = OPTION_TEXT, .help = "h" },
	{ .name = "only", .value = "BINARY", .kind = OPTION_LIST, .help = "h" },
	{ .name = "dir", .value = "DIR", .kind = OPTION_TEXT, .help = "h" },
	{ .name = "kind", .value = "FILETYPE", .kind = OPTION_TEXT, .help = "h" },
	{ .name = "secret", .kind = OPTION_FLAG, .hidden = true, .help = "h" },
	{ .name = "json", .kind = OPTION_FLAG, .help = "h" },
	{ .name = NULL },
};
/* clang-format on */
static const struct option none[] = { { .name = NULL } };
static const struct verb inner = { .name = "outer inner", .summary = "i", .options = none };
static const struct verb *const within[] = { &inner, NULL };
static const struct verb outer = {
	.name = "outer", .summary = "s", .options = options, .operands = &operands, .verbs = within
};

static void test_all(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	opts_list(&outer, out);
	fclose(out);
	assert_string_equal(text, "outer\t-\t-\tverb\t-\ts\n"
				  "outer\t-\tFILE...\tfile\tagain\tthe files\n"
				  "outer\t--pid\tPID\tpid\tagain\tin two lines\n"
				  "outer\t--format\tFORMAT\tone:one,two\t-\th\n"
				  "outer\t--for\tTIME\tduration\t-\th\n"
				  "outer\t--budget\tSHARE\tpercent\t-\th\n"
				  "outer\t--socket\tPATH\tfile\t-\th\n"
				  "outer\t--only\tBINARY\tfile\tagain\th\n"
				  "outer\t--dir\tDIR\tdirectory\t-\th\n"
				  "outer\t--kind\tFILETYPE\ttext\t-\th\n"
				  "outer\t--json\t-\tflag\t-\th\n"
				  "outer inner\t-\t-\tverb\t-\ti\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
