/* SPDX-License-Identifier: MIT */
/* What a trace says of a step at its end, and which open episodes it has shown */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include <cmocka.h>

#include "trace_open.h"
#include "trace_steps.h"

#define US 1000ull
#define MS 1000000ull
#define S  1000000000ull

static void add(struct trace_steps *t, struct series *series, uint64_t ns, uint64_t count)
{
	hist_clear(&series->durations[PUSHBACK_SEND]);
	assert_int_equal(hist_add(&series->durations[PUSHBACK_SEND], ns, count), 0);
	series->counter[COUNTER_SEND_EPISODES] += count;
	series->counter[COUNTER_SEND_TIME] += count * ns;
	assert_int_equal(trace_steps_add(t, series), 0);
}

static char *text_of(const struct trace_steps *t, size_t width)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	trace_steps_write(t, width, true, out);
	fclose(out);
	return text;
}

static void is_text(const struct trace_steps *t, const char *right)
{
	char *text = text_of(t, 40);

	assert_string_equal(text, right);
	free(text);
}

static void a_histogram_adds_up_its_intervals(void **state)
{
	struct series series = { .id = 1, .step = "sink", .process = "demo", .tags = "pid:42" };
	struct trace_steps *t = trace_steps_new();

	(void)state;
	add(t, &series, 3 * MS, 2);
	add(t, &series, 30 * MS, 1);
	series.counter[COUNTER_SEND_FOLDED] = 1;
	series.counter[COUNTER_SEND_PARTIAL] = 1;
	series.counter[COUNTER_SEND_ABANDONED] = 5;
	add(t, &series, 3 * MS, 2);
	is_text(t, "\ndemo[42] sink refusing 42ms: 5 episodes, 1 of them folded, 1 of unknown "
		   "beginning, 5 abandoned\n"
		   "  p50 3.0ms  p99 30ms  longest 30ms\n"
		   "  2.0ms to 5.0ms          4 ||||||||||||\n"
		   "  5.0ms to  10ms          0\n"
		   "   10ms to  20ms          0\n"
		   "   20ms to  50ms          1 |||\n");
	hist_free(&series.durations[0]);
	trace_steps_free(t);
}

static void the_first_and_the_last_bucket_are_open(void **state)
{
	struct series series = { .id = 1, .step = "", .process = "", .tags = "a:b,pid:42" };
	struct trace_steps *t = trace_steps_new();
	char *text;

	(void)state;
	add(t, &series, 9999, 1);
	add(t, &series, 1000 * S, 1000);
	text = text_of(t, 79);
	assert_non_null(strstr(text, "(no name)[42] (no name) refusing"));
	assert_non_null(strstr(text, "\n      0 to  10us          1 |\n"));
	assert_non_null(strstr(text, " up             1000 |||||"));
	free(text);
	hist_free(&series.durations[0]);
	trace_steps_free(t);
}

/* Each duration is in the bucket that it is said to be in. */
static void a_limit_belongs_to_what_is_above_it(void **state)
{
	struct series series = { .id = 1, .step = "s", .process = "p", .tags = "pid:1" };
	struct trace_steps *t = trace_steps_new();
	json_t *object;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	add(t, &series, 10 * US - 1, 1);
	add(t, &series, 10 * US, 2);
	add(t, &series, 20 * US, 4);
	add(t, &series, 500 * S, 8);
	assert_int_equal(trace_steps_write_json(t, out), 0);
	fclose(out);
	assert_non_null(strstr(text, "\"buckets\":[[0.01,1],[0.02,2],[0.05,4],[null,8]]"));
	object = json_loads(text, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(object, "episodes")), 15);
	assert_string_equal(json_string_value(json_object_get(object, "state")), "refusing");
	json_decref(object);
	free(text);
	hist_free(&series.durations[0]);
	trace_steps_free(t);
}

static void what_had_no_episode_is_left_out(void **state)
{
	struct series series = { .id = 1, .step = "s", .process = "p", .tags = "" };
	struct series consumer = { .id = 2, .process = "p", .tags = "" };
	struct trace_steps *t = trace_steps_new();

	(void)state;
	series.counter[COUNTER_ACCEPTED] = 1000;
	assert_int_equal(trace_steps_add(t, &series), 0);
	assert_int_equal(trace_steps_add(t, &consumer), 0);
	is_text(t, "");
	series.counter[COUNTER_RECEIVE_TIME] = 5 * MS;
	assert_int_equal(trace_steps_add(t, &series), 0);
	is_text(t, "\np[0] s blocked 5.0ms: 0 episodes\n");
	trace_steps_free(t);
}

static void there_is_an_end_to_it(void **state)
{
	struct series series = { .step = "s", .process = "p", .tags = "pid:1" };
	struct trace_steps *t = trace_steps_new();

	(void)state;
	for (int again = 0; again < 2; again++)
		for (series.id = 1; series.id <= TRACE_STEPS_MOST + 7; series.id++)
			assert_int_equal(trace_steps_add(t, &series), 0);
	assert_int_equal(trace_steps_unlisted(t), 7);
	trace_steps_free(t);
}

/* As many different means as one likes do not make it larger. */
static void values_are_bounded(void **state)
{
	struct series series = { .id = 1, .step = "s", .process = "p", .tags = "pid:1" };
	struct trace_steps *t = trace_steps_new();
	char *text;

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		add(t, &series, MS + 7 * i, 1);
	text = text_of(t, 79);
	assert_non_null(strstr(text, ": 10000 episodes\n"));
	assert_non_null(strstr(text, " 1.0ms to 2.0ms      10000 |"));
	free(text);
	hist_free(&series.durations[0]);
	trace_steps_free(t);
}

static void names_are_shown_as_text(void **state)
{
	struct series series = { .id = 1, .step = "\x1b[2J\n", .process = "\xff", .tags = "pid:1" };
	struct trace_steps *t = trace_steps_new();
	char *text;

	(void)state;
	add(t, &series, MS, 1);
	text = text_of(t, 79);
	assert_non_null(strstr(text, "\n?[1] ?[2J? refusing"));
	free(text);
	hist_free(&series.durations[0]);
	trace_steps_free(t);
}

static void an_open_one_is_new_once(void **state)
{
	struct pb_step_key key = { .instance = 1 }, other = { .instance = 2 };
	struct trace_open *o = trace_open_new();

	(void)state;
	trace_open_begin(o);
	assert_true(trace_open_is_new(o, &key, PUSHBACK_SEND, 10));
	assert_true(trace_open_is_new(o, &key, PUSHBACK_RECEIVE, 10));
	assert_true(trace_open_is_new(o, &other, PUSHBACK_SEND, 10));
	trace_open_end(o);
	trace_open_begin(o);
	assert_false(trace_open_is_new(o, &key, PUSHBACK_SEND, 10));
	assert_true(trace_open_is_new(o, &key, PUSHBACK_RECEIVE, 11));
	trace_open_end(o);
	/* The other one was not open any more: forgotten. */
	trace_open_begin(o);
	assert_true(trace_open_is_new(o, &other, PUSHBACK_SEND, 10));
	trace_open_end(o);
	trace_open_free(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_histogram_adds_up_its_intervals),
		cmocka_unit_test(the_first_and_the_last_bucket_are_open),
		cmocka_unit_test(a_limit_belongs_to_what_is_above_it),
		cmocka_unit_test(what_had_no_episode_is_left_out),
		cmocka_unit_test(there_is_an_end_to_it),
		cmocka_unit_test(values_are_bounded),
		cmocka_unit_test(names_are_shown_as_text),
		cmocka_unit_test(an_open_one_is_new_once),
	};

	setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
