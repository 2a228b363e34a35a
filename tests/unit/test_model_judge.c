/* SPDX-License-Identifier: MIT */
/* Who is at fault since when, who is busy since when, and what is not known yet */
#include <stdint.h>
#include <string.h>

#include "stand.h"

/* Three steps in a row: 1 hands on to 2, that to 3. */
static int setup(void **state)
{
	struct stand *s;
	int err = stand_setup(state, 3);

	s = *state;
	hands_on(&s->r[1], PLACE(2), 0);
	hands_on(&s->r[2], PLACE(3), 0);
	return err;
}

/* A second in which each step refuses so many ms of its own; they are driven. */
static void second(struct stand *s, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t self[] = { 0, a, b, c };

	s->now += SEC;
	for (int i = 1; i <= s->count && i <= 3; i++) {
		s->r[i].counter[COUNTER_ACCEPTED]++;
		s->r[i].counter[COUNTER_SEND_TIME] += self[i] * MS;
		s->r[i].counter[COUNTER_SEND_SELF_TIME] += self[i] * MS;
	}
	stand_drain(s);
}

static const struct step_view *view(const struct stand *s, uint64_t instance)
{
	return step_numbered(s->m, instance);
}

static void assert_fault(const struct stand *s, uint64_t instance, uint64_t since, bool at_least)
{
	assert_int_equal(view(s, instance)->fault.since, since);
	assert_int_equal(view(s, instance)->fault.at_least, at_least);
}

/* It has refused all the time, and is at fault since another one is not. */
static void test_at_fault_is_not_refusing(void **state)
{
	struct stand *s = *state;

	second(s, 200, 0, 700);
	second(s, 200, 0, 700);
	assert_fault(s, 3, START, true);
	assert_fault(s, 1, 0, false);
	second(s, 600, 0, 300);
	assert_fault(s, 3, 0, false);
	assert_fault(s, 1, START + 2 * SEC, false);
	second(s, 700, 0, 800);
	assert_fault(s, 1, 0, false);
	assert_fault(s, 3, START + 3 * SEC, false);
	/* The spell of its self time is that old nevertheless. */
	assert_int_equal(view(s, 3)->spell[MODEL_SPELL_SELF].since, START);
	second(s, 0, 0, 50);
	assert_fault(s, 3, 0, false);
}

/* A long spell in which it was not the worst: nobody accused it. */
static void test_at_fault_since_the_other_one_got_well(void **state)
{
	struct stand *s = *state;

	second(s, 900, 0, 600);
	second(s, 900, 0, 600);
	assert_fault(s, 1, START, true);
	second(s, 0, 0, 600);
	assert_fault(s, 3, START + 2 * SEC, false);
}

static void test_self_time_that_goes_on_dates_it(void **state)
{
	struct stand *s = *state;

	s->r[3].self_since = s->r[3].since[PUSHBACK_SEND] = START - 100 * SEC;
	second(s, 0, 0, 1000);
	assert_fault(s, 3, START - 100 * SEC, true);
	/* It refuses for long, but was blocked until then. */
	s->r[1].since[PUSHBACK_SEND] = START - 500 * SEC;
	s->r[1].self_since = START + SEC;
	s->r[3].self_since = s->r[3].since[PUSHBACK_SEND] = 0;
	second(s, 1000, 0, 0);
	assert_int_equal(view(s, 1)->spell[MODEL_SPELL_SEND].since, START - 500 * SEC);
	assert_fault(s, 1, START + SEC, false);
}

static void test_partial_is_at_least(void **state)
{
	struct stand *s = *state;

	/* Not there at the beginning, but it ran unwatched. */
	s->count = 2;
	for (int i = 0; i < 5; i++)
		second(s, 0, 0, 0);
	s->count = 3;
	s->r[3].open_partial[PUSHBACK_SEND] = true;
	second(s, 0, 0, 900);
	assert_fault(s, 3, s->now - SEC, true);
}

static void test_of_a_new_step_the_beginning_is_seen(void **state)
{
	struct stand *s = *state;

	s->count = 2;
	for (int i = 0; i < 5; i++)
		second(s, 0, 0, 0);
	s->count = 3;
	second(s, 0, 0, 900);
	assert_fault(s, 3, s->now - SEC, false);
}

static void test_of_a_later_spell_the_beginning_is_seen(void **state)
{
	struct stand *s = *state;

	second(s, 0, 0, 0);
	second(s, 0, 0, 900);
	assert_fault(s, 3, START + SEC, false);
	assert_false(view(s, 3)->spell[MODEL_SPELL_SEND].at_least);
}

static void test_busy_spell(void **state)
{
	struct stand *s = *state;

	second(s, 0, 0, 0);
	s->mark[2].inside = 64 | 1;
	stand_samples(s, 18);
	s->mark[2].inside = 0;
	stand_samples(s, 2);
	stand_drain(s);
	assert_int_equal(view(s, 2)->spell[MODEL_SPELL_BUSY].since, START + SEC);
	assert_false(view(s, 2)->spell[MODEL_SPELL_BUSY].at_least);
	s->mark[2].inside = 64 | 1;
	stand_samples(s, 4);
	s->mark[2].inside = 0;
	stand_samples(s, 16);
	stand_drain(s);
	assert_int_equal(view(s, 2)->spell[MODEL_SPELL_BUSY].since, START + SEC);
	stand_samples(s, 20);
	stand_drain(s);
	assert_int_equal(view(s, 2)->spell[MODEL_SPELL_BUSY].since, 0);
}

/* ---- The second that is seen first ---- */

/* Told late, by a heartbeat: its counters count since then, not since the drain before. */
static void test_judged_from_its_beginning(void **state)
{
	struct stand *s = *state;

	second(s, 0, 0, 0);
	s->count = 4;
	s->r[4].begun = s->now + SEC * 3 / 4;
	s->r[4].counter[COUNTER_ACCEPTED] = 100;
	hands_on(&s->r[3], PLACE(4), 0);
	second(s, 0, 0, 0);
	assert_false(view(s, 4)->judged);
	assert_true(view(s, 4)->rate[COUNTER_ACCEPTED] == 0);
	assert_true(view(s, 1)->judged);
	assert_false(consumer_at(s->m, 0)->judged);
	s->r[4].counter[COUNTER_ACCEPTED] = 500;
	second(s, 0, 0, 0);
	assert_true(view(s, 4)->judged);
	assert_true(view(s, 4)->rate[COUNTER_ACCEPTED] == 400);
	assert_true(consumer_at(s->m, 0)->judged);
}

/* One that comes long after the others does not silence what is known of these. */
static void test_a_late_step_holds_nothing_up(void **state)
{
	struct stand *s = *state;

	for (int i = 0; i < 4; i++)
		second(s, 0, 0, 0);
	s->count = 4;
	hands_on(&s->r[3], PLACE(4), 0);
	s->r[4].begun = s->now + SEC * 3 / 4;
	second(s, 0, 0, 0);
	assert_false(view(s, 4)->judged);
	assert_true(consumer_at(s->m, 0)->judged);
}

static void test_driven_at(void **state)
{
	static const enum counter returns[] = { COUNTER_ACCEPTED, COUNTER_SEND, COUNTER_FORWARDED,
						COUNTER_RECEIVE };
	struct stand *s = *state;

	second(s, 0, 0, 0);
	for (int i = 0; i < 4; i++) {
		s->now += SEC;
		s->r[2].counter[returns[i]]++;
		stand_drain(s);
		assert_int_equal(consumer_at(s->m, 0)->driven_at, s->now);
		s->now += SEC;
		s->r[1].counter[COUNTER_SEND_TIME] += SEC;
		stand_drain(s);
		assert_int_equal(consumer_at(s->m, 0)->driven_at, s->now - SEC);
	}
}

/* ---- Another instance in its place ---- */

static void replace(struct stand *s, int old, int new)
{
	s->r[old].dead = true;
	strcpy(s->r[new].name, s->r[old].name);
	s->count = new > s->count ? new : s->count;
}

static void test_a_new_instance_goes_on(void **state)
{
	struct stand *s = *state;

	for (int i = 0; i < 5; i++)
		second(s, 0, 0, 900);
	replace(s, 3, 4);
	s->r[4].begun = s->now + SEC / 2;
	second(s, 0, 0, 0);
	assert_int_equal(view(s, 4)->spell[MODEL_SPELL_SEND].since, START);
	s->r[4].counter[COUNTER_SEND_TIME] = s->r[4].counter[COUNTER_SEND_SELF_TIME] = 900 * MS;
	second(s, 0, 0, 0);
	assert_true(view(s, 4)->judged);
	assert_int_equal(view(s, 4)->spell[MODEL_SPELL_SEND].since, START);
	assert_fault(s, 4, START, true);
}

static void test_a_new_instance_that_is_well_ends_it(void **state)
{
	struct stand *s = *state;

	for (int i = 0; i < 5; i++)
		second(s, 0, 0, 900);
	replace(s, 3, 4);
	second(s, 0, 0, 0);
	assert_true(view(s, 4)->judged);
	assert_int_equal(view(s, 4)->spell[MODEL_SPELL_SEND].since, 0);
	assert_fault(s, 4, 0, false);
}

/* One of another name, of another process, or that comes later, takes nobody's place. */
static void test_others_do_not_go_on(void **state)
{
	struct stand *s = *state;

	for (int i = 0; i < 5; i++)
		second(s, 0, 0, 900);
	replace(s, 3, 4);
	strcpy(s->r[4].name, "another");
	s->r[5] = placed(2, 5);
	strcpy(s->r[5].name, s->r[3].name);
	s->count = 5;
	for (int k = 0; k < 3; k++) {
		s->r[4].counter[COUNTER_SEND_TIME] += 900 * MS;
		s->r[5].counter[COUNTER_SEND_TIME] += 900 * MS;
		if (k == 2) {
			strcpy(s->r[6].name, s->r[3].name);
			s->r[6].counter[COUNTER_SEND_TIME] = 900 * MS;
			s->count = 6;
		}
		second(s, 0, 0, 0);
	}
	assert_true(view(s, 4)->spell[MODEL_SPELL_SEND].since >= START + 5 * SEC);
	assert_true(view(s, 5)->spell[MODEL_SPELL_SEND].since >= START + 5 * SEC);
	assert_true(view(s, 6)->spell[MODEL_SPELL_SEND].since >= START + 7 * SEC);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, stand_teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_at_fault_is_not_refusing),
		TEST(test_at_fault_since_the_other_one_got_well),
		TEST(test_self_time_that_goes_on_dates_it),
		TEST(test_partial_is_at_least),
		TEST(test_of_a_new_step_the_beginning_is_seen),
		TEST(test_of_a_later_spell_the_beginning_is_seen),
		TEST(test_busy_spell),
		TEST(test_judged_from_its_beginning),
		TEST(test_a_late_step_holds_nothing_up),
		TEST(test_driven_at),
		TEST(test_a_new_instance_goes_on),
		TEST(test_a_new_instance_that_is_well_ends_it),
		TEST(test_others_do_not_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
