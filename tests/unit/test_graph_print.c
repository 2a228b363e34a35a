/* SPDX-License-Identifier: MIT */
/* Names of any kind in a tree whose columns stay where they are */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "graph_print.h"
#include "top_text.h"

#define STEPS 4

static const char *const names[STEPS] = {
	"\xc3\xa9tape", "", "\xe6\xb5\x81\xe6\xb0\xb4\xe7\xba\xbf\x1b[2J\xff",
	"a_name_that_is_longer_than_what_a_line_of_eighty_columns_has_left_for_it"
};

static struct record records[STEPS];
static struct step_view views[STEPS];
static const struct step_view *steps[STEPS];
/* The first hands on to the second and third, that one to the last. */
static const struct edge_view edges[] = {
	{ &views[0], &views[1], 12, false },
	{ &views[0], &views[2], 3, true },
	{ &views[2], &views[3], 0, false },
};
static struct consumer_view consumer = { .process = { .tgid = 4711 },
					 .name = "consumer",
					 .steps = steps,
					 .step_count = STEPS,
					 .edges = edges,
					 .edge_count = 3 };

static void make(void)
{
	for (size_t i = 0; i < STEPS; i++) {
		strcpy(records[i].name, names[i]);
		records[i].counter[COUNTER_ACCEPTED] = i;
		views[i].record = &records[i];
		steps[i] = &views[i];
	}
}

/* Watched for a part of the time only. */
static bool partly;

static char *print(size_t width, bool utf8, bool dot)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	make();
	assert_int_equal(dot ? graph_print_dot(out, &consumer, partly, 0, utf8)
			     : graph_print_text(out, &consumer, partly, width, utf8),
			 0);
	fclose(out);
	return text;
}

static void test_text(void **state)
{
	char *text = print(60, true, false);

	(void)state;
	assert_string_equal(
		text, "consumer (4711)                refused to it        accepted\n"
		      "  \xc3\xa9tape                                                    0\n"
		      "  ├─ (no name)                            12               1\n"
		      "  └─ \xe6\xb5\x81\xe6\xb0\xb4\xe7\xba\xbf?[2J?                          "
		      "~3               2\n"
		      "     └─ a_name_that_is_long\xe2\x80\xa6               0               3\n");
	free(text);
	text = print(60, false, false);
	assert_string_equal(text, "consumer (4711)                refused to it        accepted\n"
				  "  ??tape                                                   0\n"
				  "  |- (no name)                            12               1\n"
				  "  `- ??????????[2J?                       ~3               2\n"
				  "     `- a_name_that_is_long~               0               3\n");
	free(text);
}

/* Whatever there is to show, on any width: each line is as wide as the others. */
static void test_widths(void **state)
{
	(void)state;
	for (size_t width = 1; width < 200; width++) {
		for (int utf8 = 0; utf8 < 2; utf8++) {
			char *text = print(width, utf8, false), *rest = text, *line;
			size_t first = 0;

			while ((line = strsep(&rest, "\n")) && *line) {
				size_t columns = top_text_width(line, utf8);

				assert_int_equal(columns, first ? first : columns);
				first = columns;
			}
			assert_true(first <= width || width < 64);
			free(text);
		}
	}
}

static void test_dot(void **state)
{
	char *text = print(0, true, true);

	(void)state;
	assert_non_null(strstr(text, "label=\"\xc3\xa9tape\\naccepted 0\""));
	assert_non_null(strstr(text, "label=\"(no name)\\naccepted 1\""));
	assert_non_null(strstr(text, "\xe7\xba\xbf?[2J?\\naccepted 2"));
	assert_non_null(strstr(text, names[3]));
	free(text);
	text = print(0, false, true);
	for (const char *at = text; *at; at++)
		assert_true(*at == '\n' || *at == '\t' || (*at >= ' ' && *at <= '~'));
	free(text);
}

static void test_partly(void **state)
{
	char *text;

	(void)state;
	partly = true;
	text = print(60, true, false);
	assert_non_null(strstr(text, "consumer (4711) watched partly "));
	free(text);
	text = print(0, true, true);
	assert_non_null(strstr(text, "label=\"consumer (4711) watched partly\""));
	free(text);
	partly = false;
	text = print(0, true, true);
	assert_null(strstr(text, "partly"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_dot),
		cmocka_unit_test(test_partly),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests_name("graph_print", tests, NULL, NULL);
}
