/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kept.h"
#include "model.h"
#include "records.h"
#include "step_series.h"

#define START (10000 * SEC)

/* A step that refuses all the time but for what it closes, and the models that hear of it. */
struct stand {
	struct model *m;
	uint64_t now;
	struct record r;
};

static int set_up(void **state)
{
	static struct stand s;

	s = (struct stand){ .m = model_new(), .now = START, .r = record_of(1, 1, "sink") };
	s.r.watched = START / 2;
	model_begin(s.m, s.now);
	model_end(s.m);
	*state = &s;
	return 0;
}

static int tear_down(void **state)
{
	model_free(((struct stand *)*state)->m);
	return 0;
}

/* A second of refusing, in which `closed` episodes were closed, `sampled` of them with a duration. */
static void second(struct stand *s, uint64_t closed, uint64_t sampled)
{
	s->now += SEC;
	s->r.counter[COUNTER_SEND] += 1000;
	s->r.counter[COUNTER_ACCEPTED] += closed;
	s->r.counter[COUNTER_SEND_TIME] += SEC;
	s->r.counter[COUNTER_SEND_SELF_TIME] += SEC;
	s->r.counter[COUNTER_SEND_EPISODES] += closed;
	if (sampled)
		hist_add(&s->r.samples[PUSHBACK_SEND], MS, sampled);
	s->r.since[PUSHBACK_SEND] = s->now - SEC;
	model_begin(s->m, s->now);
	assert_int_equal(model_record(s->m, &s->r, "k:v"), 0);
	model_end(s->m);
	hist_free(&s->r.samples[PUSHBACK_SEND]);
}

/* Another model goes on with what this one has left. */
static void hand_over(struct stand *s)
{
	struct keep_writer w = { 0 };
	struct keep_reader r;

	keep_begin(&w, "test");
	model_save(s->m, &w);
	keep_end(&w);
	r = kept(&w);
	model_free(s->m);
	s->m = model_new();
	assert_int_equal(model_load(s->m, &r), 0);
	assert_int_equal(r.at, r.size);
	keep_free(&w);
	model_begin(s->m, s->now);
	model_end(s->m);
}

static const struct series *series_of(const struct stand *s)
{
	size_t count;
	const struct series *const *series = step_series(s->m, &count);

	assert_int_equal(count, 1);
	return series[0];
}

static void assert_counters(const struct stand *s)
{
	assert_memory_equal(series_of(s)->counter, s->r.counter,
			    sizeof(s->r.counter[0]) * COUNTER_BUSY_TIME);
}

static void test_series_count_on(void **state)
{
	struct stand *s = *state;
	uint64_t id, pressure;

	for (int i = 0; i < 3; i++)
		second(s, 5, 5);
	id = series_of(s)->id;
	pressure = consumer_series(s->m)->counter[COUNTER_FULL_TIME];
	assert_in_range(pressure, 2 * SEC, 3 * SEC);
	hand_over(s);
	assert_int_equal(series_of(s)->id, id);
	assert_string_equal(series_of(s)->step, "sink");
	assert_string_equal(series_of(s)->process, "consumer");
	assert_string_equal(series_of(s)->tags, "k:v");
	assert_counters(s);
	second(s, 5, 5);
	assert_counters(s);
	assert_int_equal(series_of(s)->gauge[GAUGE_INSTANCES], 1);
	/* What went by between the two models is the consumer's, but once. */
	assert_int_equal(consumer_series(s->m)->counter[COUNTER_FULL_TIME], pressure + SEC);
	/* New series have numbers that none had before. */
	s->r = record_of(2, 1, "other");
	second(s, 0, 0);
	for (size_t i = 0, count; i < 1; i++)
		assert_true(step_series(s->m, &count)[1]->id > id);
}

static void test_durations_are_taken_once(void **state)
{
	struct stand *s = *state;

	s->r.rest_ns[PUSHBACK_SEND] = 2 * MS;
	second(s, 10, 4);
	/* Not told yet, so the next one tells it. */
	hand_over(s);
	assert_int_equal(series_of(s)->durations[PUSHBACK_SEND].count, 4);
	s->r.settle = true;
	second(s, 0, 0);
	assert_int_equal(series_of(s)->durations[PUSHBACK_SEND].count, 10);
	model_next_interval(s->m);
	hand_over(s);
	second(s, 0, 6); /* late ones of those that were settled */
	assert_int_equal(series_of(s)->durations[PUSHBACK_SEND].count, 0);
	second(s, 1, 1);
	assert_int_equal(series_of(s)->durations[PUSHBACK_SEND].count, 1);
}

static void test_spells_go_on(void **state)
{
	struct stand *s = *state;
	uint64_t since = s->now;

	second(s, 1, 1);
	second(s, 1, 1);
	hand_over(s);
	s->now += 3 * SEC;
	s->r.counter[COUNTER_SEND_TIME] += 3 * SEC;
	second(s, 1, 1);
	assert_int_equal(series_of(s)->gauge[GAUGE_SEND_SPELL], s->now - since);
	hand_over(s);
	/* Well again: the last 0 is due. */
	s->now += 3 * SEC;
	model_begin(s->m, s->now);
	s->r.since[PUSHBACK_SEND] = 0;
	model_record(s->m, &s->r, "k:v");
	model_end(s->m);
	assert_int_equal(series_of(s)->gauge[GAUGE_SEND_SPELL], 0);
	assert_true(series_of(s)->spell_ended[PUSHBACK_SEND]);
}

/* No record comes for it before the model is handed on again. */
static void test_a_step_is_not_forgotten(void **state)
{
	struct stand *s = *state;

	second(s, 5, 5);
	hand_over(s);
	hand_over(s);
	second(s, 5, 5);
	assert_counters(s);
	assert_int_equal(series_of(s)->durations[PUSHBACK_SEND].count, 10);
}

static void test_an_end_stays_one(void **state)
{
	struct stand *s = *state;

	s->r.dead = true;
	second(s, 5, 5);
	hand_over(s);
	assert_counters(s);
	model_next_interval(s->m);
	/* Its series, with all that it has counted, is gone once it was told. */
	model_begin(s->m, s->now + SEC);
	model_end(s->m);
	model_next_interval(s->m);
	for (size_t i = 0, count; i < 1; i++)
		assert_true(step_series(s->m, &count) && !count);
}

/* What was open then was dropped, so the step itself says less; what was told stays told. */
static void test_a_step_that_was_not_watched_for_a_while(void **state)
{
	struct stand *s = *state;
	uint64_t told, again = 400 * MS;

	second(s, 5, 5);
	hand_over(s);
	told = s->r.counter[COUNTER_SEND_TIME];
	s->r.watched++;
	s->r.counter[COUNTER_SEND_TIME] = again - SEC;
	s->r.counter[COUNTER_SEND_SELF_TIME] = again - SEC;
	second(s, 0, 0);
	assert_int_equal(series_of(s)->counter[COUNTER_SEND_TIME], told);
	second(s, 0, 0);
	assert_int_equal(series_of(s)->counter[COUNTER_SEND_TIME], told + SEC);
	assert_int_equal(series_of(s)->counter[COUNTER_SEND_SELF_TIME], told + SEC);
}

static void load(struct keep_reader *r, void *context)
{
	struct stand s = { .m = model_new(), .now = START, .r = record_of(1, 1, "sink") };
	size_t *refused = context;

	*refused += model_load(s.m, r) != 0;
	second(&s, 1, 1);
	model_next_interval(s.m);
	model_free(s.m);
}

static void test_what_is_spoilt_does_no_harm(void **state)
{
	struct stand *s = *state;
	struct keep_writer w = { 0 };
	struct keep_reader r;
	size_t refused = 0;

	for (uint64_t i = 0; i < 3; i++) {
		second(s, 5, 5);
		s->r = record_of(1, i + 2, "more");
	}
	keep_begin(&w, "test");
	model_save(s->m, &w);
	keep_end(&w);
	r = kept(&w);
	load_spoilt(&r, load, &refused);
	assert_in_range(refused, 1000, 1999);
	r.at = 0;
	((unsigned char *)(uintptr_t)r.data)[0]++;
	assert_int_equal(model_load(s->m, &r), -EPROTO);
	keep_free(&w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_series_count_on),
		TEST(test_durations_are_taken_once),
		TEST(test_spells_go_on),
		TEST(test_a_step_is_not_forgotten),
		TEST(test_an_end_stays_one),
		TEST(test_a_step_that_was_not_watched_for_a_while),
		TEST(test_what_is_spoilt_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
