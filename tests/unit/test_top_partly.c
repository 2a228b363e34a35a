/* SPDX-License-Identifier: MIT */
/* What top shows of consumers that are watched for a part of the time only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "records.h"
#include "top_layout.h"
#include "top_order.h"

#define START (1000 * SEC)

static struct model *model;
static struct top_rows *view;
static uint64_t now;
static char process_state = 'R';

static char state_of(uint32_t tgid)
{
	(void)tgid;
	return process_state;
}

static int setup(void **state)
{
	(void)state;
	now = START;
	process_state = 'R';
	model = model_new();
	view = top_rows_new(state_of);
	if (!model || !view)
		return -1;
	model_begin(model, now);
	model_end(model);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	model_free(model);
	top_rows_free(view);
	return 0;
}

static void drain(const struct record *records, size_t count)
{
	now += SEC;
	model_begin(model, now);
	for (size_t i = 0; i < count; i++) {
		/* As the agent has it. */
		if (records[i].dead && !records[i].partly)
			assert_int_equal(top_rows_ended(view, &records[i]), 0);
		assert_int_equal(model_record(model, &records[i], ""), 0);
	}
	model_end(model);
}

static const struct top_snapshot *second(const struct record *records, size_t count)
{
	drain(records, count);
	assert_int_equal(top_rows_take(view, model, now, false), 0);
	model_next_interval(model);
	return top_rows_snapshot(view);
}

/* A step that refuses all the time. */
static struct record stuck(uint64_t instance)
{
	struct record r = record_of(10, instance, "sink");

	r.counter[COUNTER_SEND] = 100;
	r.since[PUSHBACK_SEND] = now;
	return r;
}

static void go_on(struct record *r)
{
	r->counter[COUNTER_SEND] += 100;
	r->counter[COUNTER_SEND_TIME] += SEC;
	r->counter[COUNTER_SEND_SELF_TIME] += SEC;
}

static void says(const struct top_snapshot *s, const char *words, bool is_said)
{
	const char *verdict = s->consumers[0].verdict;

	if (!strstr(verdict, words) == is_said)
		fail_msg("\"%s\" %s \"%s\"", verdict, is_said ? "lacks" : "has", words);
}

/* Nobody is accused by what is seen of a part. */
static void test_nobody_is_accused(void **state)
{
	struct record r = stuck(1);
	const struct top_snapshot *s;

	(void)state;
	second(&r, 1);
	go_on(&r);
	s = second(&r, 1);
	assert_int_equal(s->consumers[0].kind, VERDICT_BOTTLENECK);
	assert_true(s->steps[0].at_fault);
	assert_true(s->steps[0].since_ns > 0);
	r.partly = true;
	go_on(&r);
	top_rows_partly(view, true, 0.25);
	s = second(&r, 1);
	assert_int_equal(s->consumers[0].kind, VERDICT_PARTLY);
	assert_true(s->consumers[0].partly);
	assert_int_equal(s->steps[0].state, TOP_PARTLY);
	assert_false(s->steps[0].at_fault);
	assert_int_equal(s->steps[0].since_ns, 0);
	assert_true(s->steps[0].part == 0.25);
	says(s, "watched 25 % of the time, so no verdict", true);
	says(s, "durations are of the last part only", true);
	says(s, "sink had most self time in it (100 %)", true);
	says(s, "bottleneck", false);
	says(s, "not just now", false);
}

static void test_shares_that_are_not_known(void **state)
{
	struct record r = record_of(10, 1, "sink");

	(void)state;
	r.partly = true;
	now -= SEC / 2;
	says(second(&r, 1), "too short for shares", true);
}

/* What was seen last stays until it is watched again, and is not said to have ended. */
static void test_who_is_away_stays(void **state)
{
	struct record r = record_of(10, 1, "sink"), other = record_of(11, 2, "other");
	struct record both[2];
	const struct top_snapshot *s;

	(void)state;
	r.counter[COUNTER_ACCEPTED] = 7;
	/* Paused before anything of it was shown. */
	drain(&r, 1);
	assert_int_equal(top_rows_keep(view, model, now), 0);
	r.dead = r.partly = true;
	both[0] = r;
	both[1] = other;
	top_rows_partly(view, true, 0.1);
	s = second(both, 2);
	assert_int_equal(s->consumer_count, 2);
	assert_int_equal(s->step_count, 2);
	assert_int_equal(s->ended_count, 0);
	for (int i = 0; i < 3; i++) {
		s = second(&other, 1);
		assert_int_equal(s->consumer_count, 2);
	}
	for (size_t i = 0; i < 2; i++) {
		const struct top_step *step = &s->steps[s->consumers[i].first];
		bool away = step->key.process.tgid == 10;

		assert_int_equal(s->consumers[i].partly, away);
		assert_int_equal(step->state == TOP_PARTLY, away);
		assert_true(step->part == (away ? 0.1 : 1));
		assert_int_equal(step->counter[COUNTER_ACCEPTED], away ? 7 : 0);
		assert_int_equal(strstr(s->consumers[i].verdict, "not just now") != NULL, away);
	}
	/* It comes again, as another instance. */
	both[0] = record_of(10, 3, "sink");
	both[0].partly = true;
	s = second(both, 2);
	assert_int_equal(s->consumer_count, 2);
	assert_int_equal(s->step_count, 2);
}

static void test_who_is_gone_goes(void **state)
{
	struct record r[2] = { record_of(10, 1, "sink"), record_of(11, 2, "sink") };

	(void)state;
	second(r, 2);
	r[0].dead = r[1].dead = true;
	r[0].partly = true;
	top_rows_partly(view, true, 0.1);
	/* The other one has ended. */
	assert_int_equal(second(r, 2)->consumer_count, 1);
	process_state = 0;
	assert_int_equal(second(NULL, 0)->consumer_count, 0);
	/* As one has that nobody pauses. */
	process_state = 'R';
	r[0] = record_of(10, 4, "sink");
	second(r, 1);
	r[0].dead = true;
	assert_int_equal(second(r, 1)->consumer_count, 0);
}

/* Whatever is exact stays so: names alone are not enough for one row. */
static void test_not_merged_with_exact_ones(void **state)
{
	struct record r[3] = { record_of(10, 1, "sink"), record_of(11, 2, "sink"),
			       record_of(12, 3, "sink") };
	struct top_view merged = { .merge = true };
	struct top_order *order = top_order_new();
	const struct top_row *rows;
	size_t count, steps = 0;

	(void)state;
	r[1].partly = true;
	top_rows_partly(view, true, 0.1);
	rows = top_order_rows(order, second(r, 3), &merged, &count);
	assert_non_null(rows);
	for (size_t i = 0; i < count; i++) {
		if (!rows[i].step)
			continue;
		steps++;
		assert_int_equal(rows[i].step->merged, rows[i].step->partly ? 1 : 2);
	}
	assert_int_equal(steps, 2);
	top_order_free(order);
}

static void test_it_is_marked(void **state)
{
	struct record r = record_of(10, 1, "sink");
	struct top_layout layout;
	struct top_row row = { 0 };
	const struct top_snapshot *s;
	char cell[TOP_CELL_SIZE];
	struct top_view plain = { 0 };

	(void)state;
	for (int partly = 0; partly < 2; partly++) {
		r.partly = partly;
		s = second(&r, 1);
		row = (struct top_row){ .consumer = &s->consumers[0], .step = &s->steps[0] };
		top_layout_make(&layout, &row, 1, &plain, 80, false);
		top_layout_cell(&layout, 0, &row, cell);
		assert_string_equal(cell, partly ? "~" : " ");
		top_layout_cell(&layout, 2, &row, cell);
		assert_int_equal(!strncmp(cell, "partly", 6), partly);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_is_accused),          TEST(test_shares_that_are_not_known),
		TEST(test_who_is_away_stays),          TEST(test_who_is_gone_goes),
		TEST(test_not_merged_with_exact_ones), TEST(test_it_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
