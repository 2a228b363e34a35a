/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "records.h"
#include "top_rows.h"

#define START (1000 * SEC)

static struct model *model;
static struct top_rows *view;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	now = START;
	model = model_new();
	view = top_rows_new(NULL);
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

/* A second passes, these records come, and the view takes the interval. */
static const struct top_snapshot *second(struct record *records, size_t count, bool hold)
{
	now += SEC;
	model_begin(model, now);
	for (size_t i = 0; i < count; i++) {
		if (records[i].dead)
			assert_int_equal(top_rows_ended(view, &records[i]), 0);
		assert_int_equal(model_record(model, &records[i], "pid:1"), 0);
	}
	model_end(model);
	assert_int_equal(top_rows_take(view, model, now, hold), 0);
	model_next_interval(model);
	return top_rows_snapshot(view);
}

static const struct top_step *only(const struct top_snapshot *s)
{
	assert_int_equal(s->step_count, 1);
	assert_int_equal(s->consumer_count, 1);
	return &s->steps[0];
}

static void test_begins_empty(void **state)
{
	const struct top_snapshot *s = top_rows_snapshot(view);

	(void)state;
	assert_int_equal(s->step_count, 0);
	assert_false(s->any_ever);
	assert_int_equal(second(NULL, 0, false)->step_count, 0);
}

static void test_a_step(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_step *step;
	const struct top_snapshot *s;

	(void)state;
	r.counter[COUNTER_SEND_TIME] = r.counter[COUNTER_SEND_SELF_TIME] = 900 * MS;
	r.counter[COUNTER_ACCEPTED] = 100;
	s = second(&r, 1, false);
	step = only(s);
	assert_true(step->judged);
	assert_string_equal(step->name, "sink");
	assert_string_equal(step->process, "consumer");
	assert_int_equal(step->key.process.tgid, 10);
	assert_true(step->side[PUSHBACK_SEND].share > 0.89 &&
		    step->side[PUSHBACK_SEND].share < 0.91);
	assert_true(step->self > 0.89 && step->self < 0.91);
	assert_true(step->rate[COUNTER_ACCEPTED] > 99 && step->rate[COUNTER_ACCEPTED] < 101);
	assert_int_equal(step->counter[COUNTER_ACCEPTED], 100);
	assert_int_equal(step->state, TOP_REFUSING);
	assert_true(step->at_fault);
	assert_int_equal(s->consumers[0].kind, VERDICT_BOTTLENECK);
	assert_non_null(strstr(s->consumers[0].verdict, "sink"));
}

/* What it did most of the second, as shares tell without enter marks. */
static void test_states(void **state)
{
	static const struct {
		uint64_t send_ms, receive_ms, self_ms, accepted;
		enum top_state want;
	} cases[] = {
		{ 900, 0, 900, 10, TOP_REFUSING }, { 900, 850, 50, 10, TOP_BLOCKED },
		{ 0, 900, 0, 10, TOP_BLOCKED },    { 900, 400, 500, 10, TOP_REFUSING },
		{ 100, 0, 100, 10, TOP_FLOWING },  { 0, 0, 0, 10, TOP_FLOWING },
		{ 0, 0, 0, 0, TOP_UNKNOWN },
	};
	struct record r = record_of(10, 1, "sink");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		r.counter[COUNTER_SEND_TIME] += cases[i].send_ms * MS;
		r.counter[COUNTER_RECEIVE_TIME] += cases[i].receive_ms * MS;
		r.counter[COUNTER_SEND_SELF_TIME] += cases[i].self_ms * MS;
		r.counter[COUNTER_ACCEPTED] += cases[i].accepted;
		assert_int_equal(only(second(&r, 1, false))->state, cases[i].want);
	}
}

static const struct top_step *sampled_second(struct record *r, const struct model_mark *mark)
{
	for (uint64_t i = 0; i < 20; i++) {
		model_sample_begin(model, now + i * 50 * MS);
		model_sample(model, &r->key, mark);
		model_sample_end(model);
	}
	return only(second(r, 1, false));
}

/* The thread is inside it all the time: busy, unless that is to be refused again and again. */
static void test_busy_state(void **state)
{
	static const struct model_mark inside = { .inside = 1 << 3 | 1 }, outside;
	struct record r = record_of(10, 1, "sink");

	(void)state;
	r.marks = true;
	second(&r, 1, false);
	assert_int_equal(sampled_second(&r, &inside)->state, TOP_BUSY);
	assert_true(only(top_rows_snapshot(view))->busy > 0.8);
	r.counter[COUNTER_RECEIVE_TIME] += 900 * MS;
	assert_int_equal(sampled_second(&r, &inside)->state, TOP_BLOCKED);
	sampled_second(&r, &outside);
	assert_int_equal(sampled_second(&r, &outside)->state, TOP_IDLE);
	second(&r, 1, false);
	assert_int_equal(only(second(&r, 1, false))->state, TOP_UNKNOWN);
}

/* Since when it is in the state that it is in; of self time where it is itself that refuses. */
static void test_since(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_step *step;

	(void)state;
	for (int i = 0; i < 3; i++) {
		r.counter[COUNTER_SEND_TIME] += 900 * MS;
		r.counter[COUNTER_RECEIVE_TIME] += 850 * MS;
		step = only(second(&r, 1, false));
	}
	assert_int_equal(step->state, TOP_BLOCKED);
	assert_int_equal(step->since_ns, 3 * SEC);
	assert_true(step->since_at_least);
	r.counter[COUNTER_SEND_TIME] += 900 * MS;
	r.counter[COUNTER_SEND_SELF_TIME] += 900 * MS;
	step = only(second(&r, 1, false));
	assert_int_equal(step->state, TOP_REFUSING);
	assert_int_equal(step->since_ns, SEC);
	assert_false(step->since_at_least);
	assert_int_equal(step->side[PUSHBACK_SEND].spell_ns, 4 * SEC);
	assert_true(step->side[PUSHBACK_SEND].spell_at_least);
	/* In a spell still, but this second it flows. */
	r.counter[COUNTER_SEND_TIME] += 300 * MS;
	r.counter[COUNTER_SEND_SELF_TIME] += 300 * MS;
	r.counter[COUNTER_ACCEPTED]++;
	step = only(second(&r, 1, false));
	assert_int_equal(step->state, TOP_FLOWING);
	assert_int_equal(step->since_ns, 0);
}

static uint32_t asked;

static char stopped(uint32_t tgid)
{
	asked = tgid;
	return 'T';
}

/* Only of one that is quiet it is asked whether it is stopped. */
static void test_stopped(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_snapshot *s;

	(void)state;
	top_rows_free(view);
	view = top_rows_new(stopped);
	assert_non_null(view);
	asked = 0;
	r.since[PUSHBACK_SEND] = r.self_since = START;
	for (int i = 0; i < 3; i++) {
		r.counter[COUNTER_SEND]++;
		r.counter[COUNTER_SEND_TIME] += SEC;
		r.counter[COUNTER_SEND_SELF_TIME] += SEC;
		s = second(&r, 1, false);
	}
	assert_int_equal(s->consumers[0].kind, VERDICT_BOTTLENECK);
	assert_true(only(s)->at_fault);
	assert_int_equal(s->consumers[0].culprit, 0);
	assert_int_equal(asked, 0);
	s = second(NULL, 0, false);
	assert_int_equal(asked, 10);
	assert_int_equal(s->consumers[0].kind, VERDICT_STOPPED);
	assert_false(only(s)->at_fault);
	assert_int_equal(s->consumers[0].culprit, 1);
}

/* A step that is known late is not judged by a part of a second. */
static void test_not_judged_yet(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_snapshot *s;

	(void)state;
	r.begun = START + SEC / 2;
	r.counter[COUNTER_ACCEPTED] = 100;
	r.counter[COUNTER_SEND_TIME] = r.counter[COUNTER_SEND_SELF_TIME] = 400 * MS;
	s = second(&r, 1, false);
	assert_false(only(s)->judged);
	assert_int_equal(only(s)->state, TOP_UNKNOWN);
	assert_int_equal(s->consumers[0].kind, VERDICT_MEASURING);
	assert_false(s->consumers[0].pressed);
	s = second(&r, 1, false);
	assert_true(s->consumers[0].pressed);
	assert_true(only(s)->judged);
	assert_true(only(s)->rate[COUNTER_ACCEPTED] > 66 && only(s)->rate[COUNTER_ACCEPTED] < 67);
	assert_int_equal(s->consumers[0].kind, VERDICT_BOTTLENECK);
}

/* That there were some is known also of those that no snapshot has seen. */
static void test_any_ever(void **state)
{
	struct record r = record_of(10, 1, "sink");

	(void)state;
	assert_false(second(NULL, 0, false)->any_ever);
	r.dead = true;
	assert_true(second(&r, 1, false)->any_ever);
	assert_int_equal(top_rows_snapshot(view)->step_count, 0);
	assert_true(second(NULL, 0, false)->any_ever);
}

/* Percentiles are of the whole time of the view, the paused part included. */
static void test_durations(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_side *side;

	(void)state;
	for (int i = 0; i < 3; i++) {
		r.counter[COUNTER_SEND_EPISODES] += 100;
		assert_int_equal(hist_add(&r.samples[PUSHBACK_SEND], i == 1 ? 500 * MS : MS, 100),
				 0);
		side = &only(second(&r, 1, i == 1))->side[PUSHBACK_SEND];
		hist_clear(&r.samples[PUSHBACK_SEND]);
		if (i < 2)
			assert_int_equal(side->durations->count, 100 * (uint64_t)(i + 1));
	}
	assert_int_equal(side->durations->count, 300);
	assert_int_equal(side->p50, hist_bucket_ns(pb_hist_index(MS)));
	assert_int_equal(side->p99, hist_bucket_ns(pb_hist_index(500 * MS)));
	assert_int_equal(side->longest, side->p99);
	assert_false(side->at_least);
	hist_free(&r.samples[PUSHBACK_SEND]);
}

/* However many different durations come, what is kept of them is bounded. */
static void test_durations_are_bounded(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_side *side = NULL;

	(void)state;
	for (uint64_t i = 0; i < 5000; i++) {
		r.counter[COUNTER_SEND_EPISODES]++;
		assert_int_equal(hist_add(&r.samples[PUSHBACK_SEND], MS + i * 100, 1), 0);
		side = &only(second(&r, 1, false))->side[PUSHBACK_SEND];
		hist_clear(&r.samples[PUSHBACK_SEND]);
	}
	assert_int_equal(side->durations->count, 5000);
	assert_true(side->durations->size < 60);
	hist_free(&r.samples[PUSHBACK_SEND]);
}

static void test_open_episode_counts_for_longest(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_side *side;

	(void)state;
	r.since[PUSHBACK_SEND] = START - 59 * SEC;
	r.open_partial[PUSHBACK_SEND] = true;
	side = &only(second(&r, 1, false))->side[PUSHBACK_SEND];
	assert_int_equal(side->longest, 60 * SEC);
	assert_true(side->at_least);
	assert_int_equal(side->p99, 0);
	/* Of a clock that is ahead of ours nothing is open yet. */
	r.since[PUSHBACK_SEND] = now + 5 * SEC;
	side = &only(second(&r, 1, false))->side[PUSHBACK_SEND];
	assert_int_equal(side->longest, 0);
}

static void test_hold(void **state)
{
	struct record r = record_of(10, 1, "sink");

	(void)state;
	r.counter[COUNTER_ACCEPTED] = 1;
	assert_int_equal(only(second(&r, 1, false))->counter[COUNTER_ACCEPTED], 1);
	r.counter[COUNTER_ACCEPTED] = 2;
	assert_int_equal(only(second(&r, 1, true))->counter[COUNTER_ACCEPTED], 1);
	r.dead = true;
	assert_int_equal(only(second(&r, 1, true))->counter[COUNTER_ACCEPTED], 1);
	assert_int_equal(second(NULL, 0, true)->step_count, 1);
	assert_int_equal(second(NULL, 0, false)->step_count, 0);
}

/* A step's last counts are shown once, and then no more. */
static void test_ended(void **state)
{
	struct record r[2] = { record_of(10, 1, "sink"), record_of(10, 2, "sink") };
	const struct top_snapshot *s;

	(void)state;
	r[0].counter[COUNTER_ACCEPTED] = r[1].counter[COUNTER_ACCEPTED] = 5;
	s = second(r, 2, false);
	assert_int_equal(s->step_count, 2);
	assert_int_equal(s->ended_count, 0);
	r[0].counter[COUNTER_ACCEPTED] = 7;
	r[0].counter[COUNTER_SEND_EPISODES] = 1;
	assert_int_equal(hist_add(&r[0].samples[PUSHBACK_SEND], MS, 1), 0);
	r[0].dead = true;
	s = second(r, 2, false);
	assert_int_equal(only(s)->key.instance, 2);
	assert_int_equal(s->ended_count, 1);
	assert_int_equal(s->ended[0].key.instance, 1);
	assert_int_equal(s->ended[0].counter[COUNTER_ACCEPTED], 7);
	assert_int_equal(s->ended[0].state, TOP_ENDED);
	assert_int_equal(s->ended[0].side[PUSHBACK_SEND].durations->count, 1);
	hist_free(&r[0].samples[PUSHBACK_SEND]);
	s = second(&r[1], 1, false);
	assert_int_equal(s->ended_count, 0);
}

/* What a step had is still there after a view that stood still, and its last record is one. */
static void test_ended_while_held(void **state)
{
	struct record r = record_of(10, 1, "sink");
	const struct top_snapshot *s;

	(void)state;
	r.counter[COUNTER_SEND_EPISODES] = 1;
	assert_int_equal(hist_add(&r.samples[PUSHBACK_SEND], MS, 1), 0);
	second(&r, 1, false);
	hist_free(&r.samples[PUSHBACK_SEND]);
	r.dead = true;
	second(&r, 1, true);
	second(&r, 1, true);
	second(NULL, 0, true);
	assert_int_equal(only(top_rows_snapshot(view))->side[PUSHBACK_SEND].durations->count, 1);
	s = second(NULL, 0, false);
	assert_int_equal(s->step_count, 0);
	assert_int_equal(s->ended_count, 1);
	assert_int_equal(s->ended[0].side[PUSHBACK_SEND].durations->count, 1);
	assert_int_equal(second(NULL, 0, false)->ended_count, 0);
}

static void test_ended_are_bounded(void **state)
{
	const struct top_snapshot *s;

	(void)state;
	for (uint64_t i = 0; i < TOP_ENDED_MOST + 3; i++) {
		struct record r = record_of(10, i + 1, "sink");

		assert_int_equal(top_rows_ended(view, &r), i < TOP_ENDED_MOST ? 0 : -ENOSPC);
	}
	s = second(NULL, 0, false);
	assert_int_equal(s->ended_count, TOP_ENDED_MOST);
	assert_int_equal(s->ended_lost, 3);
}

/* Ever new steps of ever new names, while nobody looks. */
static void churn(uint64_t *number)
{
	struct record r[10];
	char name[16];

	for (size_t i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "s%llu", (unsigned long long)++*number);
		r[i] = record_of(10, *number, name);
		r[i].counter[COUNTER_SEND_EPISODES] = 100;
		for (uint64_t k = 0; k < 100; k++)
			assert_int_equal(hist_add(&r[i].samples[PUSHBACK_SEND], (k + 1) * MS, 1),
					 0);
	}
	second(r, 10, true);
	for (size_t i = 0; i < 10; i++) {
		hist_free(&r[i].samples[PUSHBACK_SEND]);
		r[i].dead = true;
		model_record(model, &r[i], "pid:1");
	}
}

static void test_held_view_does_not_grow(void **state)
{
	struct record r = record_of(10, 1, "kept");
	uint64_t number = 1;
	size_t before;

	(void)state;
	second(&r, 1, false);
	for (int i = 0; i < 20; i++)
		churn(&number);
	before = mallinfo2().uordblks;
	for (int i = 0; i < 200; i++)
		churn(&number);
	assert_true(mallinfo2().uordblks < before + 65536);
	assert_string_equal(only(top_rows_snapshot(view))->name, "kept");
}

/* Those in trouble come first, and each row knows its consumer. */
static void test_worst_first(void **state)
{
	struct record r[3] = { record_of(10, 1, "calm"), record_of(20, 1, "stuck"),
			       record_of(30, 1, "calm") };
	const struct top_snapshot *s = NULL;

	(void)state;
	for (int i = 0; i < 5; i++) {
		r[1].counter[COUNTER_SEND_TIME] += 990 * MS;
		r[1].counter[COUNTER_SEND_SELF_TIME] += 990 * MS;
		for (size_t k = 0; k < 3; k++)
			r[k].counter[COUNTER_ACCEPTED] += 10;
		s = second(r, 3, false);
	}
	assert_int_equal(s->consumer_count, 3);
	assert_int_equal(s->consumers[0].process.tgid, 20);
	assert_int_equal(s->consumers[1].process.tgid, 10);
	assert_int_equal(s->consumers[2].process.tgid, 30);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(s->steps[i].consumer, i);
		assert_int_equal(s->consumers[i].first, i);
		assert_int_equal(s->consumers[i].count, 1);
		assert_int_equal(s->steps[i].key.process.tgid, s->consumers[i].process.tgid);
	}
}

/* Two that have nothing to do with each other are told apart. */
static void test_siblings(void **state)
{
	struct record r[3] = { record_of(10, 1, "a"), record_of(10, 2, "b"),
			       record_of(20, 1, "c") };
	const struct top_snapshot *s;

	(void)state;
	s = second(r, 3, false);
	assert_int_equal(s->consumer_count, 3);
	assert_int_equal(s->consumers[0].sibling, 1);
	assert_int_equal(s->consumers[1].sibling, 2);
	assert_int_equal(s->consumers[2].sibling, 0);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begins_empty),
		TEST(test_a_step),
		TEST(test_states),
		TEST(test_busy_state),
		TEST(test_since),
		TEST(test_stopped),
		TEST(test_not_judged_yet),
		TEST(test_any_ever),
		TEST(test_durations),
		TEST(test_durations_are_bounded),
		TEST(test_open_episode_counts_for_longest),
		TEST(test_hold),
		TEST(test_ended),
		TEST(test_ended_while_held),
		TEST(test_ended_are_bounded),
		TEST(test_held_view_does_not_grow),
		TEST(test_worst_first),
		TEST(test_siblings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
