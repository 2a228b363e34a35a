/* SPDX-License-Identifier: MIT */
/* An episode in a line, whatever its consumer has called itself */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "trace_line.h"

#define MS 1000000ull

static const struct trace_episode usual = {
	.key = { .process = { .tgid = 4711 }, .instance = UINT64_MAX },
	.end = TRACE_CLOSED,
	.direction = PUSHBACK_SEND,
	.time_ns = 3723004005006,
	.ns = 12 * MS,
	.counted = true,
	.rejections = 312,
	.self_ns = 5 * MS,
	.folded = 4,
	.folded_ns = 8 * MS,
	.process = "consumer",
	.name = "sink",
};

/* Not inlined: gcc 12 takes what open_memstream() has written for its own variable. */
__attribute__((noinline)) static char *line_of(struct trace_columns *c,
					       const struct trace_episode *e)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (e)
		trace_line(c, e, out);
	else
		trace_titles(c, out);
	fclose(out);
	return text;
}

static void is_line(const struct trace_episode *e, const char *right)
{
	struct trace_columns c;
	char *text;

	trace_columns_begin(&c, 79, true);
	text = line_of(&c, e);
	assert_string_equal(text, right);
	free(text);
}

static void all_that_is_known(void **state)
{
	(void)state;
	is_line(&usual, "01:02:03.004  4711 consumer sink refusing    12ms      312 5.0ms      4 "
			"2.0ms\n");
}

static void what_is_not_known_is_a_dash(void **state)
{
	struct trace_episode e = usual;

	(void)state;
	e.counted = false;
	e.folded = 0;
	is_line(&e, "01:02:03.004  4711 consumer sink refusing    12ms        -     -      -     "
		    "-\n");
}

static void a_blocked_one_has_no_self_time(void **state)
{
	struct trace_episode e = usual;

	(void)state;
	e.direction = PUSHBACK_RECEIVE;
	is_line(&e, "01:02:03.004  4711 consumer sink blocked     12ms      312     -      4 "
		    "2.0ms\n");
}

static void how_it_ended(void **state)
{
	static const struct {
		enum trace_end end;
		bool at_least, late;
		uint64_t untold;
		const char *lasted, *notes;
	} cases[] = {
		{ TRACE_OPEN, false, false, 0, " 12ms ", "  still open\n" },
		{ TRACE_OPEN, true, false, 0, " >=12ms ", "  still open\n" },
		{ TRACE_ABANDONED, false, false, 0, " 12ms ", "  abandoned\n" },
		{ TRACE_PARTIAL, true, false, 0, " >=12ms ", "2.0ms\n" },
		{ TRACE_PARTIAL, true, true, 0, " >=12ms ", "  ended before\n" },
		{ TRACE_CLOSED, false, false, 9, " 12ms ", "  9 before it untold\n" },
		{ TRACE_ABANDONED, false, false, 9, " 12ms ", "  abandoned, 9 before it untold\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trace_episode e = usual;
		struct trace_columns c;
		size_t size = strlen(cases[i].notes);
		char *text;

		e.end = cases[i].end;
		e.at_least = cases[i].at_least;
		e.late = cases[i].late;
		e.untold = cases[i].untold;
		trace_columns_begin(&c, 79, true);
		text = line_of(&c, &e);
		assert_non_null(strstr(text, cases[i].lasted));
		assert_string_equal(text + strlen(text) - size, cases[i].notes);
		free(text);
	}
}

static size_t column_of(const char *line, const char *what)
{
	assert_non_null(strstr(line, what));
	return (size_t)(strstr(line, what) - line);
}

static void columns_grow_and_nothing_is_cut(void **state)
{
	struct trace_episode e = usual;
	struct trace_columns c;
	char *before, *longer, *after;

	(void)state;
	memset(e.name, 'n', sizeof(e.name) - 1);
	trace_columns_begin(&c, 79, true);
	before = line_of(&c, &usual);
	longer = line_of(&c, &e);
	after = line_of(&c, &usual);
	assert_non_null(strstr(longer, e.name));
	assert_true(column_of(before, "refusing") < column_of(longer, "refusing"));
	assert_int_equal(column_of(longer, "refusing"), column_of(after, "refusing"));
	free(before);
	free(longer);
	free(after);
}

static void titles_stand_above_their_columns(void **state)
{
	struct trace_columns c;
	char *titles, *line;

	(void)state;
	trace_columns_begin(&c, 200, true);
	titles = line_of(&c, NULL);
	line = line_of(&c, &usual);
	assert_int_equal(column_of(titles, "PROCESS"), column_of(line, "consumer"));
	assert_int_equal(column_of(titles, "STEP"), column_of(line, "sink"));
	assert_int_equal(column_of(titles, "STATE"), column_of(line, "refusing"));
	assert_int_equal(column_of(titles, "LASTED") + strlen("LASTED"),
			 column_of(line, "12ms") + strlen("12ms"));
	assert_int_equal(strlen(titles), strlen(line));
	free(titles);
	free(line);
}

static void names_do_nothing_to_a_terminal(void **state)
{
	static const char *const names[] = { "\x1b[2J", "a\nb\tc", "\xff\xfe", "\xe2\x80\xae", "" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct trace_episode e = usual;
		struct trace_columns c;
		char *text;

		strcpy(e.name, names[i]);
		strcpy(e.process, names[i]);
		trace_columns_begin(&c, 79, true);
		text = line_of(&c, &e);
		for (char *at = text; *at; at++)
			assert_true((*at >= ' ' && *at <= '~') || !at[1]);
		free(text);
	}
}

static void of_any_bytes_of_the_kernel(void **state)
{
	struct trace_episode e;
	struct pb_close close;
	json_t *object;

	(void)state;
	memset(&close, 0xff, sizeof(close));
	trace_of_close(&e, &close, 0);
	assert_int_equal(strlen(e.name), sizeof(e.name) - 1);
	assert_int_equal(strlen(e.process), sizeof(e.process) - 1);
	assert_in_range(e.direction, 0, 1);
	assert_in_range(e.end, TRACE_CLOSED, TRACE_ABANDONED);
	object = trace_object(&e);
	assert_non_null(object);
	json_decref(object);
}

static void a_close_is_told_as_it_is(void **state)
{
	struct pb_close close = { .key = usual.key,
				  .end_ns = 100 * MS,
				  .ns = 40 * MS,
				  .rejections = 7,
				  .self_ns = 3,
				  .folded = 2,
				  .folded_ns = 9,
				  .untold = 1,
				  .direction = PUSHBACK_RECEIVE,
				  .kind = PB_CLOSE_ABANDONED,
				  .flags = PB_CLOSE_COUNTED,
				  .comm = "c",
				  .name = "s" };
	struct trace_episode e;

	(void)state;
	trace_of_close(&e, &close, (int64_t)MS);
	assert_true(e.time_ns == 101 * (int64_t)MS && e.began_ns == 60 * MS && e.ns == 40 * MS);
	assert_true(e.counted && !e.at_least && !e.late && e.end == TRACE_ABANDONED);
	assert_true(e.rejections == 7 && e.self_ns == 3 && e.folded == 2 && e.folded_ns == 9);
	assert_true(e.untold == 1 && e.direction == PUSHBACK_RECEIVE);
	close.flags = PB_CLOSE_LATE | PB_CLOSE_AT_LEAST;
	trace_of_close(&e, &close, 0);
	assert_true(!e.counted && e.at_least && e.late);
}

static void is_object(const struct trace_episode *e, const char *right)
{
	json_t *object = trace_object(e);
	char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));

	assert_string_equal(text, right);
	free(text);
	json_decref(object);
}

static void as_an_object(void **state)
{
	struct trace_episode e = usual;

	(void)state;
	is_object(&e, "{\"kind\":\"episode\",\"time\":3723.004005,\"pid\":4711,\"process\":"
		      "\"consumer\",\"step\":\"sink\",\"instance\":\"18446744073709551615\","
		      "\"state\":\"refusing\",\"end\":\"closed\",\"duration\":12.0,"
		      "\"at_least\":false,\"late\":false,\"rejections\":312,\"self\":5.0,"
		      "\"folded\":4,\"folded_time\":8.0,\"untold\":0}");
	e.counted = false;
	e.end = TRACE_OPEN;
	is_object(&e, "{\"kind\":\"episode\",\"time\":3723.004005,\"pid\":4711,\"process\":"
		      "\"consumer\",\"step\":\"sink\",\"instance\":\"18446744073709551615\","
		      "\"state\":\"refusing\",\"end\":\"open\",\"duration\":12.0,"
		      "\"at_least\":false,\"late\":false,\"rejections\":null,\"self\":null,"
		      "\"folded\":4,\"folded_time\":8.0,\"untold\":0}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_known),
		cmocka_unit_test(what_is_not_known_is_a_dash),
		cmocka_unit_test(a_blocked_one_has_no_self_time),
		cmocka_unit_test(how_it_ended),
		cmocka_unit_test(columns_grow_and_nothing_is_cut),
		cmocka_unit_test(titles_stand_above_their_columns),
		cmocka_unit_test(names_do_nothing_to_a_terminal),
		cmocka_unit_test(of_any_bytes_of_the_kernel),
		cmocka_unit_test(a_close_is_told_as_it_is),
		cmocka_unit_test(as_an_object),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
