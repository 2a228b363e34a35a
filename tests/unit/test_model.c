/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "begun.h"
#include "step_series.h"

static const struct series *only_series(const struct model *m)
{
	size_t count;
	const struct series *const *series = step_series(m, &count);

	assert_int_equal(count, 1);
	return series[0];
}

static const struct step_view *only_step(const struct model *m)
{
	size_t count;
	const struct step_view *views = model_steps(m, &count);

	assert_int_equal(count, 1);
	return views;
}

static size_t series_count(const struct model *m)
{
	size_t count;

	step_series(m, &count);
	return count;
}

static size_t step_count(const struct model *m)
{
	size_t count;

	model_steps(m, &count);
	return count;
}

/* ---- series ---- */

static void test_empty(void **state)
{
	struct model *m = *state;

	assert_int_equal(series_count(m), 0);
	assert_int_equal(step_count(m), 0);
	model_next_interval(m);
	assert_int_equal(series_count(m), 0);
	model_free(NULL);
}

static void test_same_names_are_one_series(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");
	size_t count;
	const struct series *const *series;

	model_begin(m, START + SEC);
	r.counter[COUNTER_ACCEPTED] = 5;
	assert_int_equal(model_record(m, &r, "a:b"), 0);
	r = record_of(2, 1, "sink");
	r.counter[COUNTER_ACCEPTED] = 7;
	assert_int_equal(model_record(m, &r, "a:b"), 0);
	r = record_of(3, 1, "sink");
	assert_int_equal(model_record(m, &r, "a:c"), 0);
	r = record_of(4, 1, "source");
	assert_int_equal(model_record(m, &r, "a:b"), 0);
	r = record_of(5, 1, "sink");
	strcpy(r.process, "other");
	assert_int_equal(model_record(m, &r, "a:b"), 0);
	model_end(m);
	series = step_series(m, &count);
	assert_int_equal(count, 4);
	assert_int_equal(series[0]->counter[COUNTER_ACCEPTED], 12);
	assert_int_equal(series[0]->gauge[GAUGE_INSTANCES], 2);
	assert_string_equal(series[0]->step, "sink");
	assert_string_equal(series[0]->process, "consumer");
	assert_string_equal(series[0]->tags, "a:b");
	assert_string_equal(series[1]->tags, "a:c");
	assert_string_equal(series[2]->step, "source");
	assert_string_equal(series[3]->process, "other");
	for (size_t i = 1; i < count; i++) {
		assert_true(series[i - 1]->id < series[i]->id);
		assert_int_equal(series[i]->gauge[GAUGE_INSTANCES], 1);
	}
}

/* Names that look alike when they are written one after the other. */
static void test_names_do_not_run_together(void **state)
{
	struct model *m = *state;
	struct record a = record_of(1, 1, "ab"), b = record_of(1, 2, "a"), c = record_of(1, 3, "a");

	strcpy(a.process, "c");
	strcpy(b.process, "bc");
	strcpy(c.process, "b");
	model_begin(m, START + SEC);
	assert_int_equal(model_record(m, &a, ""), 0);
	assert_int_equal(model_record(m, &b, ""), 0);
	assert_int_equal(model_record(m, &c, "c"), 0);
	model_end(m);
	assert_int_equal(series_count(m), 3);
}

static void test_counters_never_shrink(void **state)
{
	static const uint64_t told[] = { 10, 4, 9, 10, 12 }, shown[] = { 10, 10, 10, 10, 12 };
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");

	for (unsigned int i = 0; i < 5; i++) {
		for (int c = 0; c < COUNTER_BUSY_TIME; c++)
			r.counter[c] = told[i] * (uint64_t)(c + 1);
		drain_all(m, START + (i + 1) * SEC, &r, 1);
		for (int c = 0; c < COUNTER_BUSY_TIME; c++) {
			assert_int_equal(only_series(m)->counter[c], shown[i] * (uint64_t)(c + 1));
			assert_int_equal(only_step(m)->record->counter[c],
					 shown[i] * (uint64_t)(c + 1));
		}
	}
}

/* Busy time and pressure are found out by the model; nobody tells them. */
static void test_own_counters_are_not_taken(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");

	for (int c = COUNTER_BUSY_TIME; c < COUNTERS; c++)
		r.counter[c] = 5 * SEC;
	drain_all(m, START + SEC, &r, 1);
	for (int c = COUNTER_BUSY_TIME; c < COUNTERS; c++) {
		assert_int_equal(only_series(m)->counter[c], 0);
		assert_int_equal(only_step(m)->record->counter[c], 0);
		assert_int_equal(consumer_series(m)->counter[c], 0);
	}
}

static void test_rates_are_of_the_last_second(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");

	r.counter[COUNTER_ACCEPTED] = 500;
	r.counter[COUNTER_SEND_TIME] = 250 * MS;
	drain_all(m, START + SEC / 2, &r, 1);
	assert_true(only_step(m)->rate[COUNTER_ACCEPTED] == 0);
	r.counter[COUNTER_ACCEPTED] = 3000;
	r.counter[COUNTER_SEND_TIME] = 500 * MS;
	drain_all(m, START + 2 * SEC, &r, 1);
	assert_true(only_step(m)->rate[COUNTER_ACCEPTED] == 1500);
	assert_true(only_step(m)->rate[COUNTER_SEND_TIME] == 250 * MS);
	assert_true(only_step(m)->rate[COUNTER_FORWARDED] == 0);
	/* What is open goes on, told or not. */
	r.since[PUSHBACK_SEND] = START + 2 * SEC;
	drain_all(m, START + 3 * SEC, &r, 1);
	drain_all(m, START + 4 * SEC, NULL, 0);
	assert_true(only_step(m)->rate[COUNTER_SEND_TIME] == SEC);
	assert_true(only_step(m)->rate[COUNTER_ACCEPTED] == 0);
}

static void test_queue_gauges_are_the_largest(void **state)
{
	struct model *m = *state;
	struct record r[3] = { record_of(1, 1, "sink"), record_of(1, 2, "sink"),
			       record_of(1, 3, "sink") };

	drain_all(m, START + SEC, r, 3);
	assert_false(only_series(m)->has_depth);
	r[0].depth = 70;
	r[1].depth = 9;
	r[1].capacity = 80;
	drain_all(m, START + 2 * SEC, r, 3);
	assert_true(only_series(m)->has_depth);
	assert_int_equal(only_series(m)->gauge[GAUGE_QUEUE_DEPTH], 70);
	assert_int_equal(only_series(m)->gauge[GAUGE_QUEUE_CAPACITY], 80);
	assert_int_equal(model_steps(m, &(size_t){ 0 })[1].depth, 9);
	assert_true(model_steps(m, &(size_t){ 0 })[0].has_depth);
	assert_false(model_steps(m, &(size_t){ 0 })[2].has_depth);
	/* Empty is a depth too, once it was told; without a record it is as it was. */
	r[0].depth = 0;
	drain_all(m, START + 3 * SEC, r, 1);
	assert_true(model_steps(m, &(size_t){ 0 })[0].has_depth);
	assert_int_equal(only_series(m)->gauge[GAUGE_QUEUE_DEPTH], 9);
	r[1].dead = true;
	drain_all(m, START + 4 * SEC, &r[1], 1);
	assert_true(only_series(m)->has_depth);
	assert_int_equal(only_series(m)->gauge[GAUGE_QUEUE_DEPTH], 0);
	assert_int_equal(only_series(m)->gauge[GAUGE_QUEUE_CAPACITY], 0);
}

static void test_counters_never_wrap(void **state)
{
	struct model *m = *state;
	struct record r[2] = { record_of(1, 1, "sink"), record_of(2, 1, "sink") };

	r[0].counter[COUNTER_SEND] = UINT64_MAX - 1;
	r[1].counter[COUNTER_SEND] = 5;
	drain_all(m, START + SEC, r, 2);
	assert_true(only_series(m)->counter[COUNTER_SEND] == UINT64_MAX);
}

static void test_dead_instances_stay_in(void **state)
{
	struct model *m = *state;
	struct record r[2] = { record_of(1, 1, "sink"), record_of(1, 2, "sink") };

	r[0].counter[COUNTER_SEND] = 10;
	r[1].counter[COUNTER_SEND] = 1;
	drain_all(m, START + SEC, r, 2);
	r[0].counter[COUNTER_SEND] = 15;
	r[0].dead = true;
	drain_all(m, START + 2 * SEC, r, 2);
	assert_int_equal(only_series(m)->counter[COUNTER_SEND], 16);
	assert_int_equal(only_series(m)->gauge[GAUGE_INSTANCES], 1);
	assert_int_equal(only_step(m)->record->key.instance, 2);
	model_next_interval(m);
	r[1].counter[COUNTER_SEND] = 3;
	drain_all(m, START + 3 * SEC, &r[1], 1);
	assert_int_equal(only_series(m)->counter[COUNTER_SEND], 18);
}

static void test_late_records_are_ignored(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");

	r.counter[COUNTER_SEND] = 10;
	r.dead = true;
	drain_all(m, START + SEC, &r, 1);
	r.counter[COUNTER_SEND] = 99;
	model_begin(m, START + 2 * SEC);
	r.dead = false;
	assert_int_equal(model_record(m, &r, ""), 0);
	r.dead = true;
	assert_int_equal(model_record(m, &r, ""), 0);
	model_end(m);
	assert_int_equal(only_series(m)->counter[COUNTER_SEND], 10);
	assert_int_equal(only_series(m)->gauge[GAUGE_INSTANCES], 0);
	assert_int_equal(step_count(m), 0);
}

/* The dead are remembered for so long only, or churn would fill the memory. */
static void test_key_is_free_again_later(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");

	r.counter[COUNTER_SEND] = 10;
	r.dead = true;
	drain_all(m, START + SEC, &r, 1);
	drain_all(m, START + 2 * SEC, NULL, 0);
	r.dead = false;
	drain_all(m, START + 3 * SEC, &r, 1);
	assert_int_equal(step_count(m), 1);
	assert_int_equal(only_series(m)->counter[COUNTER_SEND], 20);
}

static void test_series_is_forgotten_after_it_was_seen_empty(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");
	uint64_t id;

	drain_all(m, START + SEC, &r, 1);
	id = only_series(m)->id;
	model_next_interval(m);
	r.dead = true;
	model_begin(m, START + 2 * SEC);
	assert_int_equal(model_record(m, &r, ""), 0);
	/* Nobody can have seen it empty yet. */
	model_next_interval(m);
	assert_int_equal(only_series(m)->id, id);
	assert_int_equal(model_ended_series(m), 0);
	model_end(m);
	assert_int_equal(only_series(m)->gauge[GAUGE_INSTANCES], 0);
	assert_int_equal(model_ended_series(m), 2);
	model_next_interval(m);
	assert_int_equal(series_count(m), 0);
	assert_null(consumer_series(m));
	r = record_of(1, 2, "sink");
	drain_all(m, START + 3 * SEC, &r, 1);
	assert_true(only_series(m)->id > id);
}

/* A step whose whole life lies between two drains counts, and is seen once. */
static void test_step_that_is_dead_at_first_sight(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");

	r.counter[COUNTER_SEND] = 3;
	r.counter[COUNTER_SEND_EPISODES] = 2;
	r.rest_ns[PUSHBACK_SEND] = 7000;
	r.settle = r.dead = true;
	drain_all(m, START + SEC, &r, 1);
	assert_int_equal(only_series(m)->counter[COUNTER_SEND], 3);
	assert_int_equal(only_series(m)->durations[PUSHBACK_SEND].count, 2);
	assert_int_equal(only_series(m)->gauge[GAUGE_INSTANCES], 0);
	assert_int_equal(step_count(m), 0);
	model_next_interval(m);
	assert_int_equal(series_count(m), 0);
}

static void test_first_record_decides_the_series(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");

	drain_all(m, START + SEC, &r, 1);
	strcpy(r.process, "renamed");
	r.counter[COUNTER_SEND] = 4;
	drain_all(m, START + 2 * SEC, &r, 1);
	assert_string_equal(only_series(m)->process, "consumer");
	assert_int_equal(only_series(m)->counter[COUNTER_SEND], 4);
}

static void test_steps_are_in_order(void **state)
{
	struct model *m = *state;
	struct record r[6] = { record_of(9, 1, "a"), record_of(2, 7, "a"), record_of(2, 3, "b"),
			       record_of(2, 3, "c"), record_of(2, 3, "d"), record_of(1, 8, "a") };
	static const int order[] = { 5, 2, 4, 3, 1, 0 };
	const struct step_view *views;
	size_t count;

	r[3].key.process.start_time++; /* the pid came again */
	r[4].key.process.exec_id++;
	drain_all(m, START + SEC, r, 6);
	views = model_steps(m, &count);
	assert_int_equal(count, 6);
	for (int i = 0; i < 6; i++) {
		assert_memory_equal(&views[i].record->key, &r[order[i]].key, sizeof(r->key));
		assert_string_equal(views[i].series->step, r[order[i]].name);
	}
	model_begin(m, START + 2 * SEC);
	assert_int_equal(step_count(m), 0);
	model_end(m);
	assert_int_equal(step_count(m), 6);
}

/* ---- durations ---- */

static void add(struct hist *h, uint64_t ns, uint64_t count)
{
	assert_int_equal(hist_add(h, ns, count), 0);
}

/* One record with `samples` samples of 1 ms, `closed` closed episodes; gives back how many are in.
 */
static uint64_t reconcile(struct model *m, uint64_t samples, uint64_t closed, bool settle)
{
	struct record r = record_of(1, 1, "sink");

	add(&r.samples[PUSHBACK_RECEIVE], MS, samples);
	r.counter[COUNTER_RECEIVE_EPISODES] = closed;
	r.rest_ns[PUSHBACK_RECEIVE] = 2 * MS;
	r.settle = settle;
	drain_all(m, START + SEC, &r, 1);
	assert_int_equal(r.samples[PUSHBACK_RECEIVE].count, samples);
	hist_free(&r.samples[PUSHBACK_RECEIVE]);
	assert_int_equal(only_step(m)->record->samples[PUSHBACK_RECEIVE].count, 0);
	assert_int_equal(only_series(m)->durations[PUSHBACK_SEND].count, 0);
	return only_series(m)->durations[PUSHBACK_RECEIVE].count;
}

static uint64_t at_rest(const struct model *m)
{
	const struct hist *h = &only_series(m)->durations[PUSHBACK_RECEIVE];

	return h->size == 2                           ? h->values[1].count
	       : h->size && h->values[0].ns == 2 * MS ? h->count
						      : 0;
}

static void test_durations_equal_closed_episodes(void **state)
{
	static const struct {
		uint64_t samples, closed;
		bool settle;
		uint64_t in, rest;
	} table[] = {
		{ 3, 3, false, 3, 0 },  /* as it should be */
		{ 1, 6, false, 4, 0 },  /* two are on their way */
		{ 2, 6, true, 6, 0 },   /* they came */
		{ 0, 9, true, 9, 3 },   /* three never will */
		{ 2, 9, false, 9, 3 },  /* but two did: too late */
		{ 5, 12, true, 12, 3 }, /* two of five are too many */
		{ 1, 2, true, 12, 3 },  /* a counter that shrank */
		{ 1, 15, true, 15, 5 },
	};
	struct model *m = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		assert_int_equal(reconcile(m, table[i].samples, table[i].closed, table[i].settle),
				 table[i].in);
		assert_int_equal(at_rest(m), table[i].rest);
	}
}

static void test_trimming_spares_rare_durations(void **state)
{
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");
	const struct hist *h;

	add(&r.samples[PUSHBACK_SEND], MS, 10);
	add(&r.samples[PUSHBACK_SEND], 2 * SEC, 1);
	r.counter[COUNTER_SEND_EPISODES] = 8;
	drain_all(m, START + SEC, &r, 1);
	h = &only_series(m)->durations[PUSHBACK_SEND];
	assert_int_equal(h->size, 2);
	assert_int_equal(h->values[0].count, 7);
	assert_int_equal(h->values[1].count, 1);
	hist_free(&r.samples[PUSHBACK_SEND]);
}

/* Whatever else came with it, and however often. */
static void test_what_comes_late_is_dropped(void **state)
{
	const uint64_t late = hist_bucket_ns(200), same = late + 1;
	struct model *m = *state;
	struct record r = record_of(1, 1, "sink");
	const struct hist *h;

	r.counter[COUNTER_SEND_EPISODES] = 1;
	r.rest_ns[PUSHBACK_SEND] = same;
	r.settle = true;
	drain_all(m, START + SEC, &r, 1);
	add(&r.samples[PUSHBACK_SEND], late, 1);
	add(&r.samples[PUSHBACK_SEND], 2 * SEC, 2);
	r.counter[COUNTER_SEND_EPISODES] = 3;
	r.settle = false;
	drain_all(m, START + 2 * SEC, &r, 1);
	h = &only_series(m)->durations[PUSHBACK_SEND];
	assert_int_equal(h->size, 2);
	assert_int_equal(h->values[0].ns, same);
	assert_int_equal(h->values[0].count, 1);
	assert_int_equal(h->values[1].count, 2);
	hist_free(&r.samples[PUSHBACK_SEND]);
}

static void test_durations_are_of_the_interval(void **state)
{
	struct model *m = *state;

	assert_int_equal(reconcile(m, 3, 3, true), 3);
	model_next_interval(m);
	assert_int_equal(only_series(m)->durations[PUSHBACK_RECEIVE].count, 0);
	assert_int_equal(reconcile(m, 2, 5, true), 2);
	model_next_interval(m);
	model_next_interval(m);
	assert_int_equal(reconcile(m, 1, 6, true), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begun_setup, begun_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_same_names_are_one_series),
		TEST(test_names_do_not_run_together),
		TEST(test_counters_never_shrink),
		TEST(test_own_counters_are_not_taken),
		TEST(test_rates_are_of_the_last_second),
		TEST(test_queue_gauges_are_the_largest),
		TEST(test_counters_never_wrap),
		TEST(test_dead_instances_stay_in),
		TEST(test_late_records_are_ignored),
		TEST(test_key_is_free_again_later),
		TEST(test_series_is_forgotten_after_it_was_seen_empty),
		TEST(test_step_that_is_dead_at_first_sight),
		TEST(test_first_record_decides_the_series),
		TEST(test_steps_are_in_order),
		TEST(test_durations_equal_closed_episodes),
		TEST(test_trimming_spares_rare_durations),
		TEST(test_what_comes_late_is_dropped),
		TEST(test_durations_are_of_the_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
