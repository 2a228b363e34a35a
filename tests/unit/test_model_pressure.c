/* SPDX-License-Identifier: MIT */
/* Some and full: exact where one step says it, else by samples within what the steps say. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stand.h"
#include "step_series.h"

static int setup(void **state)
{
	return stand_setup(state, 2);
}

/* A second goes by in which step i refuses for ms[i - 1], driven or not; then the drain. */
static void second(struct stand *s, const unsigned int *ms, size_t size)
{
	assert_true((size_t)s->count <= size / sizeof(*ms));
	s->now = START + ((s->now - START) / SEC + 1) * SEC;
	for (int i = 1; i <= s->count; i++)
		s->r[i].counter[COUNTER_SEND_TIME] += ms[i - 1] * MS;
	stand_drain(s);
}
#define SECOND(s, ...)                                   \
	second(s, (const unsigned int[]){ __VA_ARGS__ }, \
	       sizeof((const unsigned int[]){ __VA_ARGS__ }))

static void assert_times(const struct stand *s, uint64_t some_ms, uint64_t full_ms)
{
	const struct consumer_view *c = consumer_at(s->m, 0);

	assert_int_equal(c->some_ns, some_ms * MS);
	assert_int_equal(c->full_ns, full_ms * MS);
	assert_int_equal(consumer_series(s->m)->counter[COUNTER_SOME_TIME], some_ms * MS);
	assert_int_equal(consumer_series(s->m)->counter[COUNTER_FULL_TIME], full_ms * MS);
}

static void assert_near(double is, double due)
{
	assert_true(fabs(is - due) < 1e-9);
}

static void test_one_head_is_exact(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	/* Of the first second too, with or without samples. */
	SECOND(s, 300, 700);
	assert_times(s, 700, 300);
	assert_near(consumer_at(s->m, 0)->full_share, 0.3);
	assert_near(consumer_at(s->m, 0)->some_share, 0.7);
	s->mark[1].refusing = s->mark[2].refusing = true;
	stand_samples(s, 19);
	SECOND(s, 123, 0);
	assert_times(s, 823, 423);
	SECOND(s, 0, 0);
	assert_times(s, 823, 423);
	assert_near(consumer_at(s->m, 0)->some_share, 0);
	/* What a record before has left out comes all at once. */
	SECOND(s, 1500, 0);
	assert_times(s, 2323, 1923);
	assert_near(consumer_at(s->m, 0)->full_share, 1);
}

/* Steps refuse one after the other, at the same time, or partly: only samples know. */
static void test_some_is_by_samples_within_bounds(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	SECOND(s, 0, 0);
	stand_samples(s, 1); /* from here on there is a sample before */
	s->mark[1].refusing = true;
	stand_samples(s, 6);
	s->mark[1].refusing = false;
	s->mark[2].refusing = true;
	stand_samples(s, 6);
	s->mark[2].refusing = false;
	SECOND(s, 400, 400);
	/* All of the first, and of the other what samples say. */
	assert_times(s, 700, 400);
	/* Less than one of them alone: too few samples. */
	s->mark[2].refusing = true;
	stand_samples(s, 1);
	SECOND(s, 0, 500);
	assert_times(s, 1200, 400);
	/* More than both together; than the time that went by. */
	stand_samples(s, 19);
	s->mark[2].refusing = false;
	SECOND(s, 100, 50);
	assert_times(s, 1350, 500);
	s->mark[2].refusing = true;
	stand_samples(s, 80);
	s->mark[2].refusing = false;
	s->now = START + 5 * SEC - 1;
	SECOND(s, 900, 900);
	assert_times(s, 2350, 1400);
}

/* All at the same moments: how many samples see them does not matter. */
static void test_some_of_one_rhythm_is_exact(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	SECOND(s, 0, 0);
	for (int ticks = 0; ticks < 20; ticks++) {
		stand_samples(s, 1);
		s->mark[1].refusing = s->mark[2].refusing = true;
		stand_samples(s, ticks);
		s->mark[1].refusing = s->mark[2].refusing = false;
		SECOND(s, 500, 490);
		assert_times(s, 500 * (ticks + 1), 500 * (ticks + 1));
	}
}

/* One sample is more than what a second has left beside a step that refuses nearly all of it. */
static void test_samples_without_room_are_not_lost(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	SECOND(s, 0, 0);
	stand_samples(s, 1);
	s->mark[2].refusing = true;
	stand_samples(s, 2);
	s->mark[2].refusing = false;
	SECOND(s, 960, 900);
	assert_times(s, 1000, 960);
	/* 60 ms are left of these; and room for 40 each time. */
	SECOND(s, 960, 900);
	assert_times(s, 2000, 1920);
	SECOND(s, 960, 900);
	assert_times(s, 2980, 2880);
	SECOND(s, 960, 900);
	assert_times(s, 3940, 3840);
	/* No more than a little: it would be told when nothing of it is true any more. */
	stand_samples(s, 1);
	s->mark[2].refusing = true;
	stand_samples(s, 10);
	s->mark[2].refusing = false;
	SECOND(s, 0, 0);
	SECOND(s, 300, 600);
	assert_times(s, 4640, 4140);
}

/* Two heads: full is when all that are not idle refuse. */
static void test_full_with_several_heads(void **state)
{
	struct stand *s = *state;

	s->count = 3;
	hands_on(&s->r[1], PLACE(3), 0);
	hands_on(&s->r[2], PLACE(3), 0);
	SECOND(s, 0, 0, 0);
	/* Only one is driven: it is exact. */
	s->r[1].counter[COUNTER_ACCEPTED]++;
	SECOND(s, 450, 0, 0);
	assert_times(s, 450, 450);
	/* Both refuse, half of it at the same time; in the rest the other one goes on. */
	s->r[1].marks = s->r[2].marks = true;
	SECOND(s, 0, 0, 0);
	stand_samples(s, 1);
	s->mark[1].refusing = s->mark[2].refusing = true;
	stand_samples(s, 5);
	s->mark[2].refusing = false;
	s->mark[2].inside = 1;
	stand_samples(s, 5);
	s->mark[1].refusing = false;
	s->mark[2].inside = 0;
	stand_samples(s, 5);
	s->r[1].counter[COUNTER_ACCEPTED]++;
	s->r[2].counter[COUNTER_ACCEPTED]++;
	SECOND(s, 500, 250, 0);
	assert_times(s, 450 + 500, 450 + 250);
}

/* Without enter marks a head that has taken something is taken to go on. */
static void test_heads_without_marks(void **state)
{
	struct stand *s = *state;

	s->count = 3;
	hands_on(&s->r[1], PLACE(3), 0);
	hands_on(&s->r[2], PLACE(3), 0);
	s->r[2].counter[COUNTER_ACCEPTED]++;
	SECOND(s, 0, 0, 0);
	stand_samples(s, 1);
	s->mark[1].refusing = true;
	stand_samples(s, 10);
	s->r[2].counter[COUNTER_ACCEPTED]++;
	SECOND(s, 500, 0, 0);
	assert_times(s, 500, 0);
	/* It has nothing to do any more. */
	SECOND(s, 0, 0, 0);
	s->mark[1].refusing = false;
	stand_samples(s, 1);
	s->mark[1].refusing = true;
	stand_samples(s, 10);
	s->r[2].counter[COUNTER_SEND]++;
	SECOND(s, 600, 0, 0);
	assert_times(s, 1100, 500);
}

/* By the exact times alone: both refuse for 0.8 s, so for 0.6 s at least they both do. */
static void test_full_has_a_lower_bound(void **state)
{
	struct stand *s = *state;

	s->count = 3;
	hands_on(&s->r[1], PLACE(3), 0);
	hands_on(&s->r[2], PLACE(3), 0);
	SECOND(s, 800, 800, 0);
	assert_times(s, 800, 600);
	SECOND(s, 400, 300, 0);
	assert_times(s, 1200, 600);
}

/* What is open goes on without a record, and is not counted twice when there is one. */
static void test_silent_steps_go_on(void **state)
{
	struct stand *s = *state;

	s->count = 1;
	s->r[1].since[PUSHBACK_SEND] = START + SEC / 2;
	SECOND(s, 500);
	s->count = 0;
	SECOND(s, 0);
	SECOND(s, 0);
	assert_times(s, 2500, 2500);
	s->count = 1;
	s->r[1].counter[COUNTER_SEND_TIME] = 3100 * MS;
	s->r[1].since[PUSHBACK_SEND] = 0;
	SECOND(s, 0);
	assert_times(s, 3100, 3100);
	/* It had gone on for less than it seemed. */
	s->r[1].since[PUSHBACK_SEND] = s->now;
	stand_drain(s);
	s->count = 0;
	SECOND(s, 0);
	assert_times(s, 4100, 4100);
	s->count = 1;
	s->r[1].counter[COUNTER_SEND_TIME] = 3600 * MS;
	s->r[1].since[PUSHBACK_SEND] = 0;
	SECOND(s, 0);
	assert_times(s, 4100, 4100);
	SECOND(s, 400);
	assert_times(s, 4100, 4100);
	SECOND(s, 400);
	assert_times(s, 4400, 4400);
}

/* Drains that come fast count at once and are judged together. */
static void test_averages_decay_as_linux_has_it(void **state)
{
	static const double window[MODEL_AVGS] = { 10, 60, 300 };
	struct stand *s = *state;
	double sum[MODEL_AVGS] = { 0 }, due[MODEL_AVGS];

	s->count = 1;
	for (int i = 0; i < 30; i++) {
		double share = i < 20 ? 1 : 0.25;

		for (int k = 0; k < 4; k++) {
			s->now += SEC / 4;
			s->r[1].counter[COUNTER_SEND_TIME] += (uint64_t)(share * SEC / 4);
			stand_drain(s);
		}
		for (int k = 0; k < MODEL_AVGS; k++) {
			double keeps = exp(-1 / window[k]);

			sum[k] = sum[k] * keeps + share * (1 - keeps);
			/* Of what was before, nothing is known. */
			due[k] = sum[k] / (1 - exp(-(i + 1) / window[k]));
			assert_near(consumer_at(s->m, 0)->full[k], due[k]);
			assert_near(consumer_at(s->m, 0)->some[k], due[k]);
		}
		assert_near(consumer_at(s->m, 0)->full_share, share);
	}
	assert_times(s, 22500, 22500);
	/* A long gap: of ten minutes nothing is left. */
	s->now += 600 * SEC;
	stand_drain(s);
	assert_true(consumer_at(s->m, 0)->full[MODEL_AVG10] < 1e-20);
	assert_true(consumer_at(s->m, 0)->full[MODEL_AVG300] < 0.02);
	assert_true(consumer_at(s->m, 0)->full[MODEL_AVG300] > 0);
}

/* ---- what happens to consumers ---- */

static uint64_t series_full(const struct stand *s)
{
	return consumer_series(s->m)->counter[COUNTER_FULL_TIME];
}

/* The last words of a consumer count, also of one that is dead at first sight. */
static void test_the_dead_count(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	SECOND(s, 1000, 0);
	s->r[1].dead = s->r[2].dead = true;
	SECOND(s, 250, 500);
	assert_int_equal(consumer_count(s->m), 0);
	assert_int_equal(series_full(s), 1250 * MS);
	assert_int_equal(consumer_series(s->m)->counter[COUNTER_SOME_TIME], 1500 * MS);
	assert_int_equal(consumer_series(s->m)->gauge[GAUGE_INSTANCES], 0);
	s->r[1] = placed(1, 3);
	s->r[1].dead = true;
	s->count = 1;
	SECOND(s, 100);
	assert_int_equal(series_full(s), 1350 * MS);
	model_next_interval(s->m);
	assert_null(consumer_series(s->m));
}

/* A step that died was in the consumer that goes on. */
static void test_a_consumer_outlives_its_oldest_step(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	SECOND(s, 1000, 1000);
	assert_times(s, 1000, 1000);
	s->r[1].dead = true;
	SECOND(s, 300, 400);
	assert_int_equal(consumer_at(s->m, 0)->steps[0]->record->key.instance, 2);
	assert_times(s, 1400, 1400);
	assert_true(consumer_at(s->m, 0)->full[MODEL_AVG10] > 0.1);
	s->r[1] = s->r[2];
	s->count = 1;
	SECOND(s, 500);
	assert_times(s, 1900, 1900);
}

/* Two become one when the edge shows: the older one goes on. */
static void test_consumers_merge(void **state)
{
	struct stand *s = *state;

	SECOND(s, 300, 600);
	assert_int_equal(consumer_count(s->m), 2);
	assert_int_equal(series_full(s), 900 * MS);
	assert_int_equal(consumer_series(s->m)->gauge[GAUGE_INSTANCES], 2);
	hands_on(&s->r[2], PLACE(1), 0);
	SECOND(s, 100, 500);
	assert_int_equal(consumer_count(s->m), 1);
	assert_int_equal(consumer_series(s->m)->gauge[GAUGE_INSTANCES], 1);
	/* As much as the one that had more, then by what they are now: 2 is the head. */
	assert_int_equal(consumer_at(s->m, 0)->some_ns, 1100 * MS);
	assert_int_equal(consumer_at(s->m, 0)->full_ns, 1100 * MS);
	assert_int_equal(series_full(s), 1400 * MS);
}

/* An older step comes to be known: what was before is not forgotten. */
static void test_an_older_step_joins(void **state)
{
	struct stand *s = *state;

	s->r[3] = s->r[1];
	s->r[1] = s->r[2];
	s->count = 1;
	SECOND(s, 700);
	s->r[1] = s->r[3];
	hands_on(&s->r[1], PLACE(2), 0);
	s->r[2].counter[COUNTER_SEND_TIME] = 700 * MS;
	s->count = 2;
	SECOND(s, 200, 200);
	assert_int_equal(consumer_count(s->m), 1);
	assert_times(s, 900, 900);
}

static void test_a_split_goes_on_where_the_oldest_is(void **state)
{
	struct stand *s = *state;

	s->count = 3;
	hands_on(&s->r[1], PLACE(2), 0);
	hands_on(&s->r[2], PLACE(3), 0);
	SECOND(s, 400, 0, 0);
	s->r[2].dead = true;
	SECOND(s, 100, 200, 50);
	assert_int_equal(consumer_count(s->m), 2);
	/* Of the dead one it has the time as well. */
	assert_int_equal(consumer_at(s->m, 0)->full_ns, 500 * MS);
	assert_int_equal(consumer_at(s->m, 0)->some_ns, 600 * MS);
	assert_int_equal(consumer_at(s->m, 1)->full_ns, 50 * MS);
	assert_int_equal(series_full(s), 550 * MS);
}

/* Its head dies: only one of the two that are left goes on as what it was. */
static void test_a_consumer_is_inherited_once(void **state)
{
	struct stand *s = *state;

	s->count = 3;
	hands_on(&s->r[1], PLACE(2), 0);
	hands_on(&s->r[1], PLACE(3), 0);
	SECOND(s, 400, 0, 0);
	s->r[1].dead = true;
	SECOND(s, 100, 0, 50);
	assert_int_equal(consumer_count(s->m), 2);
	assert_int_equal(consumer_at(s->m, 0)->full_ns, 500 * MS);
	assert_int_equal(consumer_at(s->m, 1)->full_ns, 50 * MS);
	assert_int_equal(series_full(s), 550 * MS);
}

/* Steps 3 and 4 come under the names of 1 and 2, and at their places. */
static void come_again(struct stand *s)
{
	for (int i = 3; i <= 4; i++) {
		strcpy(s->r[i].name, s->r[i - 2].name);
		s->r[i].place = s->r[i - 2].place;
	}
	hands_on(&s->r[3], s->r[4].place, 0);
}

static void die(struct record *r)
{
	r[0].dead = r[1].dead = true;
}

/* After a rebalance it goes on, whether the new ones are seen in the same drain or in the next. */
static void test_a_consumer_outlives_a_rebalance(void **state)
{
	for (int later = 0; later < 2; later++) {
		struct stand *s = *state;
		double before;

		hands_on(&s->r[1], PLACE(2), 0);
		come_again(s);
		for (int i = 0; i < 20; i++)
			SECOND(s, 1000, 1000);
		before = consumer_at(s->m, 0)->full[MODEL_AVG60];
		assert_near(before, 1);
		die(&s->r[1]);
		s->count = later ? 2 : 4;
		SECOND(s, 500, 500, 100, 100);
		if (later) {
			s->count = 4;
			SECOND(s, 0, 0, 600, 600);
		}
		assert_int_equal(consumer_count(s->m), 1);
		assert_times(s, later ? 21100 : 20600, later ? 21100 : 20600);
		assert_true(consumer_at(s->m, 0)->full[MODEL_AVG60] < before);
		assert_true(consumer_at(s->m, 0)->full[MODEL_AVG60] > 0.9);
		stand_teardown(state);
		setup(state);
	}
}

/* Two rebalances within a drain: the ones in between have come and gone. */
static void test_a_consumer_outlives_two_rebalances_at_once(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	come_again(s);
	for (int i = 5; i <= 6; i++) {
		s->r[i] = s->r[i - 2];
		s->r[i].key.instance = (uint64_t)i;
	}
	for (int i = 0; i < 20; i++)
		SECOND(s, 1000, 1000);
	die(&s->r[1]);
	die(&s->r[3]);
	s->count = 6;
	SECOND(s, 300, 300, 0, 0, 200, 200);
	assert_int_equal(consumer_count(s->m), 1);
	assert_times(s, 20500, 20500);
	assert_true(consumer_at(s->m, 0)->full[MODEL_AVG60] > 0.9);
}

/* Nobody knows whose place is taken by whom, or the place was empty for too long. */
static void test_what_no_rebalance_is(void **state)
{
	struct stand *s = *state;

	come_again(s);
	hands_on(&s->r[1], PLACE(2), 0);
	SECOND(s, 1000, 1000);
	die(&s->r[1]);
	SECOND(s, 1000, 1000);
	s->count = 0;
	SECOND(s, 0);
	s->count = 4;
	SECOND(s, 0, 0, 300, 300);
	assert_int_equal(consumer_at(s->m, 0)->full_ns, 300 * MS);
	assert_near(consumer_at(s->m, 0)->full[MODEL_AVG10], 0.3);
	stand_teardown(state);
	setup(state);
	s = *state;
	for (int i = 1; i < STAND_STEPS; i += 2) {
		strcpy(s->r[i].name, "head");
		strcpy(s->r[i + 1].name, "sink");
		hands_on(&s->r[i], PLACE((uint64_t)i + 1), 0);
	}
	s->count = 4;
	SECOND(s, 1000, 1000, 1000, 1000);
	die(&s->r[1]);
	die(&s->r[3]);
	s->count = 8;
	SECOND(s, 0, 0, 0, 0, 0, 0, 300, 300);
	assert_int_equal(consumer_count(s->m), 2);
	assert_int_equal(consumer_at(s->m, 1)->full_ns, 300 * MS);
	assert_near(consumer_at(s->m, 1)->full[MODEL_AVG10], 0.3);
}

/* A part of a second waits for the next one to be judged with it. */
static void test_a_part_of_a_second(void **state)
{
	struct stand *s = *state;

	s->count = 1;
	s->r[2].begun = START + SEC + 800 * MS;
	SECOND(s, 0);
	s->count = 2;
	SECOND(s, 0, 200);
	assert_int_equal(consumer_at(s->m, 1)->full_ns, 200 * MS);
	assert_false(consumer_at(s->m, 1)->pressed);
	SECOND(s, 0, 400);
	assert_true(consumer_at(s->m, 1)->pressed);
	assert_near(consumer_at(s->m, 1)->full_share, 0.5);
	assert_near(consumer_at(s->m, 1)->full[MODEL_AVG10], 0.5);
}

/* The sum of several under one name, as with steps. */
static void test_series_are_by_name(void **state)
{
	struct stand *s = *state;
	size_t count, found = 0;
	const struct series *const *series;

	s->count = 3;
	s->r[2].key.process.tgid = 2;
	s->r[3].key.process.tgid = 3;
	strcpy(s->r[3].process, "other");
	SECOND(s, 100, 200, 300);
	series = model_series(s->m, &count);
	for (size_t i = 0; i < count; i++) {
		bool other = !strcmp(series[i]->process, "other");

		if (series[i]->step) {
			assert_int_equal(series[i]->counter[COUNTER_FULL_TIME], 0);
			continue;
		}
		found++;
		assert_int_equal(series[i]->counter[COUNTER_FULL_TIME], 300 * MS);
		assert_int_equal(series[i]->counter[COUNTER_SEND_TIME], 0);
		assert_int_equal(series[i]->gauge[GAUGE_INSTANCES], other ? 1 : 2);
		assert_false(series[i]->has_depth || series[i]->has_marks);
	}
	assert_int_equal(found, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stand_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_one_head_is_exact),
		TEST(test_some_is_by_samples_within_bounds),
		TEST(test_some_of_one_rhythm_is_exact),
		TEST(test_samples_without_room_are_not_lost),
		TEST(test_full_with_several_heads),
		TEST(test_heads_without_marks),
		TEST(test_full_has_a_lower_bound),
		TEST(test_silent_steps_go_on),
		TEST(test_averages_decay_as_linux_has_it),
		TEST(test_the_dead_count),
		TEST(test_a_consumer_outlives_its_oldest_step),
		TEST(test_consumers_merge),
		TEST(test_an_older_step_joins),
		TEST(test_a_split_goes_on_where_the_oldest_is),
		TEST(test_a_consumer_is_inherited_once),
		TEST(test_a_consumer_outlives_a_rebalance),
		TEST(test_a_consumer_outlives_two_rebalances_at_once),
		TEST(test_what_no_rebalance_is),
		TEST(test_a_part_of_a_second),
		TEST(test_series_are_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
