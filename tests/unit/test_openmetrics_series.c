/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../userspace/openmetrics_page.h"
#include "pushback_abi.h"

#define COUNT  40
#define SECOND 1000000000ull

struct fixture {
	struct series series[COUNT];
	char names[COUNT][16];
	struct openmetrics_table table;
	uint64_t now;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	for (unsigned int i = 0; f && i < COUNT; i++) {
		snprintf(f->names[i], sizeof(f->names[i]), "step%u", i);
		f->series[i] = (struct series){
			.id = 10 * (i + 1), .step = f->names[i], .process = "p", .tags = ""
		};
	}
	if (f) {
		f->table = (struct openmetrics_table){ .max = 100, .tags = "" };
		f->now = 1000 * SECOND;
	}
	*state = f;
	return !f;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	openmetrics_table_free(&f->table);
	for (unsigned int i = 0; i < COUNT; i++)
		for (unsigned int d = 0; d < 2; d++)
			hist_free(&f->series[i].durations[d]);
	free(f);
	return 0;
}

/* Which series the model shows: bit i for series i; an interval's end clears durations. */
static void update(struct fixture *f, uint64_t mask, bool interval)
{
	const struct series *shown[COUNT];
	size_t count = 0;

	for (unsigned int i = 0; i < COUNT; i++)
		if (mask & 1ull << i)
			shown[count++] = &f->series[i];
	openmetrics_table_update(&f->table, shown, count, f->now, interval);
	for (unsigned int i = 0; interval && i < COUNT; i++)
		for (unsigned int d = 0; d < 2; d++)
			hist_clear(&f->series[i].durations[d]);
}

/* NULL: there is no such line. */
static const struct openmetrics_line *line(const struct fixture *f, const char *labels)
{
	for (size_t i = 0; i < f->table.count; i++)
		if (!strcmp(f->table.at[i]->labels, labels))
			return f->table.at[i];
	return NULL;
}

#define STEP0 "step=\"step0\",process=\"p\""
#define STEP1 "step=\"step1\",process=\"p\""

static void counters_are_since_the_start(void **state)
{
	struct fixture *f = *state;

	f->series[0].counter[COUNTER_SEND] = 5;
	update(f, 1, false);
	update(f, 1, false); /* of the same drain */
	assert_int_equal(line(f, STEP0)->counter[COUNTER_SEND], 5);
	f->series[0].counter[COUNTER_SEND] = 7;
	update(f, 1, true);
	assert_int_equal(line(f, STEP0)->counter[COUNTER_SEND], 7);
	assert_int_equal(f->table.count, 1);
}

static void a_series_that_comes_back_goes_on(void **state)
{
	struct fixture *f = *state;

	f->series[0].counter[COUNTER_SEND] = 5;
	update(f, 1, true);
	update(f, 0, true);
	assert_int_equal(line(f, STEP0)->gauge[GAUGE_INSTANCES], 0);
	/* The same names under another id, from 0 on. */
	f->series[1].step = "step0";
	f->series[1].counter[COUNTER_SEND] = 3;
	f->series[1].gauge[GAUGE_INSTANCES] = 1;
	update(f, 2, true);
	assert_int_equal(f->table.count, 1);
	assert_int_equal(line(f, STEP0)->counter[COUNTER_SEND], 8);
	assert_int_equal(line(f, STEP0)->gauge[GAUGE_INSTANCES], 1);
}

static void the_same_labels_are_one_line(void **state)
{
	struct fixture *f = *state;

	f->series[0].step = "a\x80";
	f->series[1].step = "a\x81";
	for (unsigned int i = 0; i < 2; i++) {
		f->series[i].counter[COUNTER_ACCEPTED] = 10 + i;
		f->series[i].gauge[GAUGE_INSTANCES] = 2;
		f->series[i].gauge[GAUGE_SEND_SPELL] = 100 * (i + 1);
		assert_int_equal(hist_add(&f->series[i].durations[PUSHBACK_SEND], 1500, 3), 0);
	}
	update(f, 3, true);
	assert_int_equal(f->table.count, 1);
	assert_int_equal(f->table.at[0]->counter[COUNTER_ACCEPTED], 21);
	assert_int_equal(f->table.at[0]->gauge[GAUGE_INSTANCES], 4);
	assert_int_equal(f->table.at[0]->gauge[GAUGE_SEND_SPELL], 200);
	assert_int_equal(f->table.at[0]->durations[PUSHBACK_SEND].count, 6);
}

static void durations_are_taken_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(hist_add(&f->series[0].durations[PUSHBACK_RECEIVE], 1500, 3), 0);
	update(f, 1, false);
	update(f, 1, true);
	update(f, 1, false);
	update(f, 1, true);
	assert_int_equal(line(f, STEP0)->durations[PUSHBACK_RECEIVE].count, 3);
	assert_int_equal(line(f, STEP0)->durations[PUSHBACK_RECEIVE].sum_ns, 4500);
	assert_int_equal(line(f, STEP0)->durations[PUSHBACK_SEND].count, 0);
}

static void what_ended_is_kept_for_a_while(void **state)
{
	struct fixture *f = *state;

	f->series[0].has_depth = true;
	f->series[0].gauge[GAUGE_QUEUE_DEPTH] = 9;
	f->series[0].counter[COUNTER_SEND] = 5;
	update(f, 3, true);
	assert_true(line(f, STEP0)->has_gauge[GAUGE_QUEUE_DEPTH]);
	f->now += SECOND;
	update(f, 2, true); /* from here on it has ended */
	f->now += OPENMETRICS_KEEP_NS - 1;
	update(f, 2, true);
	assert_non_null(line(f, STEP0));
	assert_int_equal(line(f, STEP0)->counter[COUNTER_SEND], 5);
	assert_true(line(f, STEP0)->has_gauge[GAUGE_INSTANCES]);
	assert_false(line(f, STEP0)->has_gauge[GAUGE_QUEUE_DEPTH]);
	f->now += 1;
	update(f, 2, true);
	assert_null(line(f, STEP0));
	assert_non_null(line(f, STEP1));
	/* It comes again, and begins at what is new. */
	f->series[2].step = "step0";
	f->series[2].counter[COUNTER_SEND] = 1;
	update(f, 6, true);
	assert_int_equal(line(f, STEP0)->counter[COUNTER_SEND], 1);
}

static void the_end_is_counted_from_the_last_time(void **state)
{
	struct fixture *f = *state;

	update(f, 1, true);
	update(f, 0, true);
	f->now += OPENMETRICS_KEEP_NS - 1;
	f->series[1].step = "step0";
	update(f, 2, true);
	update(f, 0, true);
	f->now += OPENMETRICS_KEEP_NS - 1;
	update(f, 0, true);
	assert_non_null(line(f, STEP0));
	f->now += 1;
	update(f, 0, true);
	assert_null(line(f, STEP0));
}

static void those_that_ended_first_make_room(void **state)
{
	struct fixture *f = *state;

	f->table.max = 20;
	update(f, 0xffff, true);
	update(f, 0xff00, true); /* 8 have ended long ago, */
	f->now += OPENMETRICS_KEEP_NS / 2;
	update(f, 0xf000, true); /* 4 just now */
	assert_int_equal(f->table.count, 16);
	f->now += SECOND;
	update(f, 0xfff000, true);
	assert_int_equal(f->table.count, 16);
	assert_null(line(f, STEP0));
	assert_non_null(line(f, "step=\"step8\",process=\"p\""));
	assert_non_null(line(f, "step=\"step23\",process=\"p\""));
	assert_int_equal(f->table.lost_full, 0);
}

static void those_that_live_keep_their_place(void **state)
{
	struct fixture *f = *state;

	f->table.max = 20;
	update(f, 0xfffff, true);
	update(f, 0xffffffffff, false); /* twice as many */
	assert_int_equal(f->table.lost_full, 0);
	update(f, 0xffffffffff, true);
	assert_int_equal(f->table.count, 20);
	assert_int_equal(f->table.lost_full, 20);
	assert_non_null(line(f, STEP0));
	/* Half of them end: there is room for as many of the others, whole. */
	f->series[39].counter[COUNTER_SEND] = 77;
	update(f, 0xfffff00000, true);
	f->now += SECOND;
	update(f, 0xfffff00000, true);
	assert_null(line(f, STEP0));
	assert_int_equal(f->table.count, 20);
	assert_int_equal(line(f, "step=\"step39\",process=\"p\"")->counter[COUNTER_SEND], 77);
}

/* A line that ended, and is found again in the same update in which room is made. */
static void one_that_came_back_is_not_thrown_out(void **state)
{
	struct fixture *f = *state;

	f->table.max = 10;
	update(f, 0x3ff, true);
	update(f, 0, true);
	f->series[10].step = "step0";
	f->series[10].counter[COUNTER_SEND] = 4;
	f->now += SECOND;
	update(f, 0x1ffc00, true); /* it, and ten others */
	assert_int_equal(f->table.count, 10);
	assert_int_equal(line(f, STEP0)->counter[COUNTER_SEND], 4);
	assert_int_equal(f->table.lost_full, 1);
}

static void consumers_have_their_pressure_only(void **state)
{
	struct fixture *f = *state;
	const struct openmetrics_line *l;

	f->table.tags = "env:prod";
	f->series[0].step = NULL;
	f->series[0].tags = "pid:7";
	f->series[0].counter[COUNTER_FULL_TIME] = 3;
	f->series[0].counter[COUNTER_SEND] = 3;
	update(f, 1, true);
	l = line(f, "process=\"p\",pid=\"7\",env=\"prod\"");
	assert_non_null(l);
	assert_int_equal(l->counter[COUNTER_FULL_TIME], 3);
	assert_true(l->has_counter[COUNTER_SOME_TIME]);
	assert_false(l->has_counter[COUNTER_SEND]);
	assert_false(l->has_gauge[GAUGE_INSTANCES]);
}

static void numbers_are_found(void **state)
{
	struct fixture *f = *state;

	update(f, 0x3f, true);
	assert_int_equal(openmetrics_table_after(&f->table, 0), 0);
	assert_int_equal(openmetrics_table_after(&f->table, 3), 3);
	assert_int_equal(openmetrics_table_after(&f->table, 6), 6);
	assert_int_equal(openmetrics_table_after(&f->table, UINT64_MAX), 6);
}

/* ---- Pages ---- */

static size_t times(const char *text, const char *what)
{
	size_t count = 0;

	for (; (text = strstr(text, what)); text++)
		count++;
	return count;
}

/* The whole page, to be freed; `change` happens after each of its `pieces`. */
static char *page_of(struct fixture *f, size_t *pieces, void (*change)(struct fixture *f))
{
	const struct openmetrics_agent agent = { .lost = { { "torn", 3 } }, .lost_count = 1 };
	const struct http_stats http = { .answers = { 4 } };
	const struct openmetrics_page page = { "s_p_", &f->table, &agent, &http, "env=\"x\"" };
	struct http_cursor cursor = { .variant = true };
	struct buffer all = { 0 }, piece = { 0 };
	bool more = true;

	for (*pieces = 0; more; ++*pieces) {
		buffer_clear(&piece);
		more = openmetrics_page_more(&page, &cursor, &piece);
		assert_in_range(piece.length, 0, 65536);
		buffer_add(&all, piece.data, piece.length);
		if (change)
			change(f);
	}
	buffer_add(&all, "", 1);
	assert_false(all.failed || piece.failed);
	buffer_free(&piece);
	return all.data;
}

static void families_stand_together(void **state)
{
	struct fixture *f = *state;
	size_t pieces;
	char *text;

	update(f, 3, true);
	text = page_of(f, &pieces, NULL);
	assert_int_equal(pieces, 1);
	assert_int_equal(times(text, "# TYPE s_p_send_backpressure counter\n"), 1);
	assert_non_null(strstr(text, "\ns_p_send_backpressure_total{" STEP0
				     "} 0\ns_p_send_backpressure_total{" STEP1 "} 0\n# TYPE"));
	/* What no line has is not there, not even its head. */
	assert_int_equal(times(text, "duration"), 0);
	assert_int_equal(times(text, "queue"), 0);
	assert_int_equal(times(text, "pressure_some"), 0);
	assert_non_null(strstr(text, "pushback_agent_lost_total{reason=\"torn\",env=\"x\"} 3\n"));
	assert_non_null(
		strstr(text, "pushback_agent_http_answers_total{code=\"200\",env=\"x\"} 4\n"));
	assert_int_equal(times(text, "pushback_agent_steps"), 0); /* before the first flush */
	assert_string_equal(text + strlen(text) - 6, "# EOF\n");
	free(text);
}

static void fill_table(struct fixture *f)
{
	for (unsigned int i = 0; i < COUNT; i++)
		for (unsigned int d = 0; d < 2; d++)
			assert_int_equal(hist_add(&f->series[i].durations[d], 1500, 3), 0);
	update(f, UINT64_MAX, true);
}

static void a_page_comes_in_pieces(void **state)
{
	struct fixture *f = *state;
	size_t pieces;
	char *text;

	fill_table(f);
	text = page_of(f, &pieces, NULL);
	assert_in_range(pieces, 3, 20);
	assert_int_equal(times(text, "s_p_submit_accepted_total{"), COUNT);
	assert_int_equal(times(text, "s_p_send_backpressure_duration_seconds_bucket{"),
			 COUNT * OPENMETRICS_BUCKETS);
	assert_int_equal(times(text, "duration_seconds_count{"), 2 * COUNT);
	assert_int_equal(times(text, "# TYPE s_p_send_backpressure_duration_seconds "), 1);
	free(text);
}

/* All of the first half go, and what is left has other indexes. */
static void lose_half(struct fixture *f)
{
	update(f, UINT64_MAX << COUNT / 2, true);
	f->now += OPENMETRICS_KEEP_NS;
}

static void a_page_goes_on_whatever_comes_or_goes(void **state)
{
	struct fixture *f = *state;
	size_t pieces;
	char *text, number[64];

	fill_table(f);
	text = page_of(f, &pieces, lose_half);
	assert_int_equal(f->table.count, COUNT / 2);
	for (unsigned int i = COUNT / 2; i < COUNT; i++) {
		snprintf(number, sizeof(number), "duration_seconds_count{step=\"step%u\",", i);
		assert_int_equal(times(text, number), 2);
	}
	for (const char *head = text; (head = strstr(head, "# TYPE ")); head++) {
		size_t length = strcspn(head, "\n");
		char *line = strndup(head, length);

		assert_non_null(line);
		assert_int_equal(times(text, line), 1);
		free(line);
	}
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(counters_are_since_the_start),
		TEST(a_series_that_comes_back_goes_on),
		TEST(the_same_labels_are_one_line),
		TEST(durations_are_taken_once),
		TEST(what_ended_is_kept_for_a_while),
		TEST(the_end_is_counted_from_the_last_time),
		TEST(those_that_ended_first_make_room),
		TEST(those_that_live_keep_their_place),
		TEST(one_that_came_back_is_not_thrown_out),
		TEST(consumers_have_their_pressure_only),
		TEST(numbers_are_found),
		TEST(families_stand_together),
		TEST(a_page_comes_in_pieces),
		TEST(a_page_goes_on_whatever_comes_or_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
