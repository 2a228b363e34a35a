/* SPDX-License-Identifier: MIT */
/* Who is busy, by samples: of one process with steps 1 to 8, at their places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "stand.h"
#include "step_series.h"

#define SUBMIT 1ULL
#define POLL   2ULL
#define THREAD 0x7f0000001000ULL
#define OTHER  0x7f0000002000ULL

static int setup(void **state)
{
	return stand_setup(state, 3);
}

/* Chain of all. */
static void chain(struct stand *s)
{
	for (int i = 1; i < s->count; i++)
		hands_on(&s->r[i], PLACE(i + 1), 0);
	stand_drain(s);
}

/* In ticks. */
static uint64_t busy(const struct stand *s, uint64_t instance)
{
	uint64_t ns = step_numbered(s->m, instance)->record->counter[COUNTER_BUSY_TIME];

	assert_int_equal(ns % TICK, 0);
	return ns / TICK;
}

static void assert_busy(const struct stand *s, uint64_t one, uint64_t two, uint64_t three)
{
	assert_int_equal(busy(s, 1), one);
	assert_int_equal(busy(s, 2), two);
	assert_int_equal(busy(s, 3), three);
}

static void assert_state(const struct stand *s, uint64_t instance, enum model_state state,
			 double share)
{
	double is = step_numbered(s->m, instance)->state[state];

	assert_true(is > share - 1e-9 && is < share + 1e-9);
}

static void test_the_innermost_is_busy(void **state)
{
	struct stand *s = *state;

	chain(s);
	s->mark[1].inside = s->mark[2].inside = s->mark[3].inside = THREAD | SUBMIT;
	stand_samples(s, 1);
	/* The first one begins the time. */
	assert_busy(s, 0, 0, 0);
	stand_samples(s, 4);
	assert_busy(s, 0, 0, 4);
	/* In submit of one and in poll of the other is the same thread. */
	s->mark[3].inside = 0;
	s->mark[2].inside = THREAD | POLL;
	stand_samples(s, 3);
	assert_busy(s, 0, 3, 4);
	/* Not next to it, but behind it all the same. */
	s->mark[3].inside = THREAD | SUBMIT;
	s->mark[2].inside = 0;
	stand_samples(s, 1);
	assert_busy(s, 0, 3, 5);
	s->mark[3].inside = 0;
	stand_samples(s, 1);
	assert_busy(s, 1, 3, 5);
	assert_int_equal(step_series(s->m, &(size_t){ 0 })[0]->counter[COUNTER_BUSY_TIME], TICK);
}

/* Ages say nothing: the chain may have been built from its end. */
static void test_order_is_by_edges_not_by_age(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[3], PLACE(2), 0);
	hands_on(&s->r[2], PLACE(1), 0);
	stand_drain(s);
	for (int i = 1; i <= 3; i++)
		s->mark[i].inside = THREAD | SUBMIT;
	stand_samples(s, 3);
	assert_busy(s, 2, 0, 0);
}

static void test_each_thread_has_its_own(void **state)
{
	struct stand *s = *state;

	chain(s);
	s->mark[1].inside = THREAD | SUBMIT;
	s->mark[2].inside = s->mark[3].inside = OTHER | POLL;
	stand_samples(s, 3);
	assert_busy(s, 2, 0, 2);
}

static void test_each_process_has_its_own(void **state)
{
	struct stand *s = *state;

	/* A fork: the same thread pointer, the same places. */
	s->r[3].key.process.tgid = 2;
	s->r[3].place = PLACE(2);
	s->r[2].key.process.tgid = 2;
	s->r[2].place = PLACE(1);
	hands_on(&s->r[2], PLACE(2), 0);
	stand_drain(s);
	for (int i = 1; i <= 3; i++)
		s->mark[i].inside = THREAD | SUBMIT;
	stand_samples(s, 3);
	assert_busy(s, 2, 0, 2);
}

/* Branches: neither is behind the other. The later mark counts, then the older step. */
static void test_unknown_order(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	hands_on(&s->r[1], PLACE(3), 0);
	stand_drain(s);
	s->mark[1].inside = s->mark[3].inside = THREAD | SUBMIT;
	stand_samples(s, 2);
	assert_busy(s, 0, 0, 1);
	s->mark[2].inside = THREAD | SUBMIT;
	stand_samples(s, 2);
	assert_busy(s, 0, 2, 1);
	/* A new mark of the same step is later. */
	s->mark[3].inside = THREAD | POLL;
	stand_samples(s, 1);
	assert_busy(s, 0, 2, 2);
	s->mark[1].inside = s->mark[2].inside = s->mark[3].inside = 0;
	stand_samples(s, 1);
	s->mark[2].inside = s->mark[3].inside = THREAD | SUBMIT;
	stand_samples(s, 2);
	assert_busy(s, 0, 4, 2);
}

/* One that was not in a sample may have left and come again. */
static void test_a_missing_sample_makes_a_mark_new(void **state)
{
	struct stand *s = *state;

	stand_drain(s);
	s->mark[1].inside = THREAD | SUBMIT;
	stand_samples(s, 1);
	s->mark[2].inside = THREAD | SUBMIT;
	stand_samples(s, 2);
	assert_busy(s, 0, 2, 0);
	s->now += TICK;
	sample(s->m, s->now, &(struct sampled){ &s->r[2], s->mark[2] }, 1);
	assert_busy(s, 0, 3, 0);
	stand_samples(s, 1);
	assert_busy(s, 1, 3, 0);
}

static void test_cycles_end(void **state)
{
	struct stand *s = *state;

	hands_on(&s->r[1], PLACE(2), 0);
	hands_on(&s->r[2], PLACE(3), 0);
	hands_on(&s->r[3], PLACE(1), 0);
	for (int i = 1; i <= 3; i++)
		s->r[i].marks = true;
	stand_drain(s);
	for (int i = 1; i <= 3; i++)
		s->mark[i].inside = THREAD | SUBMIT;
	stand_samples(s, 3);
	assert_busy(s, 0, 0, 2);
}

/* Busy, blocked, refusing, idle: the first that holds, adding up to the time that went by. */
static void test_states_in_their_order(void **state)
{
	struct stand *s = *state;

	s->count = 4;
	for (int i = 1; i <= 4; i++)
		s->r[i].marks = i != 4;
	chain(s);
	s->mark[1] = (struct model_mark){ .refusing = true, .blocked = true };
	s->mark[2] = (struct model_mark){ .refusing = true };
	s->mark[3] = (struct model_mark){ THREAD | POLL, true, true };
	stand_samples(s, 11);
	s->mark[1].inside = THREAD | SUBMIT; /* 3 is behind it */
	s->mark[2].refusing = false;
	s->mark[3].blocked = false;
	stand_samples(s, 5);
	s->mark[3].inside = 0;
	stand_samples(s, 4);
	s->now += TICK;
	stand_drain(s);
	assert_state(s, 1, MODEL_BLOCKED, 15 / 19.0);
	assert_state(s, 1, MODEL_BUSY, 4 / 19.0);
	assert_state(s, 2, MODEL_REFUSING, 10 / 19.0);
	assert_state(s, 2, MODEL_IDLE, 9 / 19.0);
	assert_state(s, 3, MODEL_BUSY, 15 / 19.0);
	assert_state(s, 3, MODEL_REFUSING, 4 / 19.0);
	assert_state(s, 4, MODEL_IDLE, 1);
	for (uint64_t i = 1; i <= 4; i++)
		assert_int_equal(step_numbered(s->m, i)->marks, i != 4);
	assert_int_equal(step_numbered(s->m, 3)->rate[COUNTER_BUSY_TIME] + 0.5,
			 15 * TICK / 1.05 + 0.5);
	/* A second without a sample: nothing is known. */
	s->now += SEC;
	stand_drain(s);
	for (int k = 0; k < MODEL_STATES; k++)
		assert_state(s, 1, (enum model_state)k, 0);
}

static void test_marks_are_known_by_record_or_sample(void **state)
{
	struct stand *s = *state;
	size_t count;

	s->r[1].marks = true;
	stand_drain(s);
	assert_true(step_series(s->m, &count)[0]->has_marks);
	assert_false(step_series(s->m, &count)[1]->has_marks);
	s->mark[2].inside = THREAD | SUBMIT;
	stand_samples(s, 1);
	s->mark[2].inside = 0;
	stand_drain(s);
	assert_true(step_series(s->m, &count)[1]->has_marks);
	assert_false(step_series(s->m, &count)[2]->has_marks);
	assert_true(step_numbered(s->m, 2)->marks);
	assert_false(step_numbered(s->m, 3)->marks);
}

/* Nobody knows of a longer time without a sample what it was like; nor does time run backwards. */
static void test_a_gap_counts_for_a_second_at_most(void **state)
{
	struct stand *s = *state;

	chain(s);
	s->mark[1].inside = THREAD | SUBMIT;
	stand_samples(s, 1);
	s->now += 3600 * SEC;
	stand_samples(s, 1);
	assert_busy(s, SEC / TICK, 0, 0);
	s->now -= SEC;
	stand_samples(s, 1);
	assert_busy(s, SEC / TICK, 0, 0);
	stand_samples(s, 1);
	assert_busy(s, SEC / TICK + 1, 0, 0);
}

static void test_what_is_not_known_is_passed_over(void **state)
{
	struct stand *s = *state;
	struct record other = placed(9, 9);
	struct sampled twice[3] = { { &s->r[1], { .inside = THREAD | SUBMIT } },
				    { &s->r[1], { .inside = 0 } },
				    { &other, { .inside = THREAD | SUBMIT } } };

	/* Before there is any step, and before any sample has begun. */
	model_sample(s->m, &s->r[1].key, &twice[0].mark);
	model_sample_end(s->m);
	stand_samples(s, 2);
	chain(s);
	/* Its second mark in one sample is not taken. */
	for (int i = 0; i < 2; i++)
		sample(s->m, s->now += TICK, twice, 3);
	assert_busy(s, 2, 0, 0);
	/* Dead, and new in a drain that has not ended. */
	s->r[1].dead = true;
	model_begin(s->m, s->now);
	assert_int_equal(model_record(s->m, &s->r[1], ""), 0);
	assert_int_equal(model_record(s->m, &s->r[4], ""), 0);
	s->count = 4;
	s->mark[1].inside = s->mark[4].inside = THREAD | SUBMIT;
	stand_samples(s, 2);
	model_end(s->m);
	assert_int_equal(busy(s, 4), 0);
	assert_int_equal(step_series(s->m, &(size_t){ 0 })[0]->counter[COUNTER_BUSY_TIME],
			 2 * TICK);
}

/* The walks end where every step of a thicket has a mark, of as many threads as can be. */
static void test_thickets(void **state)
{
	struct stand *s = *state;
	struct model_mark mark = { .inside = THREAD | SUBMIT };
	struct record r = { 0 };
	uint64_t sum = 0;
	size_t count;
	const struct step_view *views;

	model_begin(s->m, s->now);
	for (uint64_t i = 1; i <= PB_MAX_PROCESS_STEPS; i++) {
		r = placed(1, i);
		strcpy(r.name, "step");
		for (uint64_t k = 1; k <= PB_MAX_NEXT; k++)
			hands_on(&r, PLACE(i + k * (1 + i % 3)), 0);
		assert_int_equal(model_record(s->m, &r, ""), 0);
	}
	model_end(s->m);
	for (int n = 0; n < 20; n++) {
		model_sample_begin(s->m, s->now += TICK);
		for (uint64_t i = 1; i <= PB_MAX_PROCESS_STEPS; i++) {
			mark.inside = (i * 7 % PB_MAX_PROCESS_STEPS / 2 + 1) << 4 | SUBMIT;
			r.key.instance = i;
			model_sample(s->m, &r.key, &mark);
		}
		model_sample_end(s->m);
	}
	views = model_steps(s->m, &count);
	for (size_t i = 0; i < count; i++)
		sum += views[i].record->counter[COUNTER_BUSY_TIME];
	/* One of each thread. */
	assert_int_equal(sum, PB_MAX_PROCESS_STEPS / 2 * 19 * TICK);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stand_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_the_innermost_is_busy),
		TEST(test_order_is_by_edges_not_by_age),
		TEST(test_each_thread_has_its_own),
		TEST(test_each_process_has_its_own),
		TEST(test_unknown_order),
		TEST(test_a_missing_sample_makes_a_mark_new),
		TEST(test_cycles_end),
		TEST(test_states_in_their_order),
		TEST(test_marks_are_known_by_record_or_sample),
		TEST(test_a_gap_counts_for_a_second_at_most),
		TEST(test_what_is_not_known_is_passed_over),
		TEST(test_thickets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
