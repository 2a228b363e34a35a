/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "model.h"
#include "records.h"
#include "step_series.h"

#define START (10000 * SEC)

/* A step of which every direction is told the same, and the model that hears of it. */
struct stand {
	struct model *m;
	uint64_t now;
	struct record record;
};

static int setup(void **state)
{
	static struct stand stand;

	stand = (struct stand){ .m = model_new(), .now = START, .record = record_of(1, 1, "sink") };
	*state = &stand;
	if (!stand.m)
		return -1;
	model_begin(stand.m, START);
	model_end(stand.m);
	return 0;
}

static int teardown(void **state)
{
	model_free(((struct stand *)*state)->m);
	return 0;
}

static const struct series *series_of(const struct stand *s)
{
	size_t count;
	const struct series *const *series = step_series(s->m, &count);

	assert_int_equal(count, 1);
	return series[0];
}

static const struct step_view *step_of(const struct stand *s)
{
	size_t count;
	const struct step_view *views = model_steps(s->m, &count);

	assert_int_equal(count, 1);
	return views;
}

/* `elapsed` goes by, of which `used` were in backpressure in both directions; the drain tells. */
static void pass(struct stand *s, uint64_t elapsed, uint64_t used)
{
	s->now += elapsed;
	s->record.counter[COUNTER_SEND_TIME] += used;
	s->record.counter[COUNTER_RECEIVE_TIME] += used;
	model_begin(s->m, s->now);
	assert_int_equal(model_record(s->m, &s->record, ""), 0);
	model_end(s->m);
}

/* The same, but there is no record. */
static void pass_untold(struct stand *s, uint64_t elapsed)
{
	s->now += elapsed;
	model_begin(s->m, s->now);
	model_end(s->m);
}

static void set_since(struct stand *s, uint64_t since, bool partial)
{
	for (int d = 0; d < 2; d++) {
		s->record.since[d] = since;
		s->record.open_partial[d] = partial;
	}
}

/* Both directions' spell began at `since`, or there is none if 0; gauges say the same. */
static void assert_spell(const struct stand *s, uint64_t since)
{
	uint64_t spell = since ? s->now - since : 0;

	assert_int_equal(step_of(s)->spell[PUSHBACK_SEND].since, since);
	assert_int_equal(step_of(s)->spell[PUSHBACK_RECEIVE].since, since);
	assert_int_equal(series_of(s)->gauge[GAUGE_SEND_SPELL], spell);
	assert_int_equal(series_of(s)->gauge[GAUGE_RECEIVE_SPELL], spell);
}

static void assert_ended(const struct stand *s, bool ended)
{
	assert_int_equal(series_of(s)->spell_ended[PUSHBACK_SEND], ended);
	assert_int_equal(series_of(s)->spell_ended[PUSHBACK_RECEIVE], ended);
}

/* ---- when a spell begins and ends ---- */

static void test_begins_with_half_a_second(void **state)
{
	struct stand *s = *state;

	pass(s, SEC, SEC / 2 - 1);
	assert_spell(s, 0);
	pass(s, SEC, SEC / 2);
	assert_spell(s, START + SEC);
	pass(s, SEC, SEC);
	assert_spell(s, START + SEC);
}

static void test_ends_below_a_tenth(void **state)
{
	struct stand *s = *state;

	pass(s, SEC, SEC);
	pass(s, SEC, SEC / 10);
	assert_spell(s, START);
	assert_ended(s, false);
	pass(s, SEC, SEC / 10 - 1);
	assert_spell(s, 0);
	assert_ended(s, true);
	/* A tenth does not begin one. */
	pass(s, SEC, SEC / 10);
	assert_spell(s, 0);
	assert_ended(s, true);
	model_next_interval(s->m);
	assert_ended(s, false);
	pass(s, SEC, 0);
	assert_ended(s, false);
}

static void test_a_new_spell_takes_back_the_last_zero(void **state)
{
	struct stand *s = *state;

	pass(s, SEC, SEC);
	pass(s, SEC, 0);
	assert_ended(s, true);
	pass(s, SEC, SEC);
	assert_spell(s, START + 2 * SEC);
	assert_ended(s, false);
}

static void test_directions_are_apart(void **state)
{
	struct stand *s = *state;

	s->record.counter[COUNTER_SEND_TIME] = SEC;
	pass(s, SEC, 0);
	assert_int_equal(step_of(s)->spell[PUSHBACK_SEND].since, START);
	assert_int_equal(step_of(s)->spell[PUSHBACK_RECEIVE].since, 0);
	assert_int_equal(series_of(s)->gauge[GAUGE_SEND_SPELL], SEC);
	assert_int_equal(series_of(s)->gauge[GAUGE_RECEIVE_SPELL], 0);
}

static void test_shares(void **state)
{
	struct stand *s = *state;

	s->record.counter[COUNTER_SEND_SELF_TIME] = SEC / 8;
	pass(s, SEC, SEC / 4);
	assert_true(step_of(s)->share[PUSHBACK_SEND] == 0.25);
	assert_true(step_of(s)->share[PUSHBACK_RECEIVE] == 0.25);
	assert_true(step_of(s)->self_share == 0.125);
	pass(s, 2 * SEC, SEC);
	assert_true(step_of(s)->share[PUSHBACK_SEND] == 0.5);
	assert_true(step_of(s)->self_share == 0);
	/* More than there was is all of it. */
	pass(s, SEC, 3 * SEC);
	assert_true(step_of(s)->share[PUSHBACK_SEND] == 1);
}

/* ---- drains that are not a second apart ---- */

static void test_fast_drains_make_up_a_second(void **state)
{
	struct stand *s = *state;

	for (int i = 0; i < 8; i++) {
		pass(s, SEC / 10, i < 2 ? 0 : SEC / 10);
		assert_spell(s, 0);
		assert_true(step_of(s)->share[PUSHBACK_SEND] == 0);
	}
	pass(s, SEC / 10, SEC / 10);
	assert_spell(s, START);
	/* 0.1 s without is no second without; the gauge goes on in between. */
	for (int i = 0; i < 8; i++) {
		pass(s, SEC / 10, 0);
		assert_spell(s, START);
	}
	pass(s, SEC / 10, 0);
	assert_spell(s, 0);
}

static void test_drain_at_the_same_instant(void **state)
{
	struct stand *s = *state;

	pass(s, SEC, SEC);
	pass(s, 0, 0);
	assert_spell(s, START);
	s->now -= SEC / 2;
	pass(s, 0, 0);
	assert_spell(s, START);
}

/* ---- since when ---- */

static void test_open_episode_dates_the_spell(void **state)
{
	struct stand *s = *state;

	set_since(s, START - 3600 * SEC, false);
	pass(s, SEC, SEC);
	assert_spell(s, START - 3600 * SEC);
}

/* First seen late in the second: the counters have less of it. */
static void test_true_beginning_is_taken_up_later(void **state)
{
	struct stand *s = *state;

	set_since(s, START - 3600 * SEC, false);
	pass(s, SEC, SEC * 6 / 10);
	assert_spell(s, START);
	pass(s, SEC, SEC);
	assert_spell(s, START - 3600 * SEC);
	/* What closed and opened anew within the spell does not make it younger. */
	set_since(s, START + 5 * SEC / 2, false);
	pass(s, SEC, SEC);
	assert_spell(s, START - 3600 * SEC);
}

static void test_episode_of_this_second_does_not_date_it(void **state)
{
	struct stand *s = *state;

	set_since(s, START + SEC / 4, false);
	pass(s, SEC, SEC * 3 / 4);
	assert_spell(s, START);
}

/* It says it is old, but the counters were not in backpressure all the time. */
static void test_episode_that_the_counters_deny(void **state)
{
	struct stand *s = *state;

	set_since(s, START - SEC, false);
	pass(s, SEC, SEC * 9 / 10);
	assert_spell(s, START);
}

static void test_partial_is_believed_as_far_as_counted(void **state)
{
	struct stand *s = *state;

	set_since(s, START - 3600 * SEC, true);
	s->record.counter[COUNTER_SEND_TIME] = 2 * SEC;
	s->record.counter[COUNTER_RECEIVE_TIME] = 2 * SEC;
	pass(s, SEC, SEC);
	assert_spell(s, START - 2 * SEC);
	set_since(s, START - SEC, true);
	pass(s, SEC, SEC);
	assert_spell(s, START - 2 * SEC);
}

static void test_partial_is_believed_if_younger(void **state)
{
	struct stand *s = *state;

	set_since(s, START - SEC, true);
	s->record.counter[COUNTER_SEND_TIME] = 9 * SEC;
	s->record.counter[COUNTER_RECEIVE_TIME] = 9 * SEC;
	pass(s, SEC, SEC);
	assert_spell(s, START - SEC);
}

/* ---- steps that are not told of ---- */

static void test_untold_step_is_as_it_was(void **state)
{
	struct stand *s = *state;

	set_since(s, START, false);
	pass(s, SEC, SEC);
	pass_untold(s, SEC);
	assert_spell(s, START);
	assert_true(step_of(s)->share[PUSHBACK_SEND] == 1);
	set_since(s, 0, false);
	pass(s, SEC, SEC + SEC / 2);
	assert_true(step_of(s)->share[PUSHBACK_SEND] == 0.5);
	pass_untold(s, SEC);
	assert_spell(s, 0);
	assert_ended(s, true);
}

static void test_self_share_of_untold_step(void **state)
{
	struct stand *s = *state;

	s->record.since[PUSHBACK_SEND] = START;
	pass(s, SEC, SEC);
	pass_untold(s, SEC);
	assert_true(step_of(s)->self_share == 1);
	s->record.since[PUSHBACK_RECEIVE] = START;
	s->record.counter[COUNTER_SEND_SELF_TIME] = SEC;
	pass(s, SEC, SEC);
	pass_untold(s, SEC);
	assert_true(step_of(s)->self_share == 0);
}

/* ---- many instances, and none ---- */

static void test_largest_instance_counts(void **state)
{
	struct stand *s = *state;
	struct record other = record_of(2, 1, "sink");

	pass(s, SEC, SEC);
	s->now += SEC;
	model_begin(s->m, s->now);
	other.counter[COUNTER_SEND_TIME] = SEC;
	assert_int_equal(model_record(s->m, &other, ""), 0);
	s->record.counter[COUNTER_SEND_TIME] += SEC;
	assert_int_equal(model_record(s->m, &s->record, ""), 0);
	model_end(s->m);
	assert_int_equal(series_of(s)->gauge[GAUGE_SEND_SPELL], 2 * SEC);
	assert_int_equal(series_of(s)->gauge[GAUGE_INSTANCES], 2);
	/* The older one dies: the younger one's is the largest now, and nothing has ended. */
	s->record.dead = true;
	s->now += SEC;
	model_begin(s->m, s->now);
	other.counter[COUNTER_SEND_TIME] += SEC;
	assert_int_equal(model_record(s->m, &s->record, ""), 0);
	assert_int_equal(model_record(s->m, &other, ""), 0);
	model_end(s->m);
	assert_int_equal(series_of(s)->gauge[GAUGE_SEND_SPELL], 2 * SEC);
	assert_false(series_of(s)->spell_ended[PUSHBACK_SEND]);
	assert_true(series_of(s)->spell_ended[PUSHBACK_RECEIVE]);
}

static void test_spell_ends_with_its_step(void **state)
{
	struct stand *s = *state;

	pass(s, SEC, SEC);
	s->record.dead = true;
	pass(s, SEC, SEC);
	assert_int_equal(series_of(s)->gauge[GAUGE_SEND_SPELL], 0);
	assert_int_equal(series_of(s)->gauge[GAUGE_INSTANCES], 0);
	assert_ended(s, true);
}

/* Without a drain before, the first one is only the beginning of a second. */
static void test_first_drain_of_all_judges_nothing(void **state)
{
	struct stand *s = *state;

	model_free(s->m);
	s->m = model_new();
	assert_non_null(s->m);
	pass(s, SEC, 100 * SEC);
	assert_spell(s, 0);
	pass(s, SEC, SEC / 4);
	assert_true(step_of(s)->share[PUSHBACK_SEND] == 0.25);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_begins_with_half_a_second),
		TEST(test_ends_below_a_tenth),
		TEST(test_a_new_spell_takes_back_the_last_zero),
		TEST(test_directions_are_apart),
		TEST(test_shares),
		TEST(test_fast_drains_make_up_a_second),
		TEST(test_drain_at_the_same_instant),
		TEST(test_open_episode_dates_the_spell),
		TEST(test_true_beginning_is_taken_up_later),
		TEST(test_episode_of_this_second_does_not_date_it),
		TEST(test_episode_that_the_counters_deny),
		TEST(test_partial_is_believed_as_far_as_counted),
		TEST(test_partial_is_believed_if_younger),
		TEST(test_untold_step_is_as_it_was),
		TEST(test_self_share_of_untold_step),
		TEST(test_largest_instance_counts),
		TEST(test_spell_ends_with_its_step),
		TEST(test_first_drain_of_all_judges_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
