/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "compare.h"
#include "records.h"

#define START (10000 * SEC)

static int setup(void **state)
{
	*state = compare_new();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	compare_free(*state);
	return 0;
}

/* What an instance has by the end of a second. */
struct so_far {
	uint64_t accepted, self_ms, blocked_ms, busy_ms;
};

static void tell(struct compare *c, int side, uint64_t instance, const char *name, size_t level,
		 uint64_t second, struct so_far so_far)
{
	struct record r = record_of(1 + (uint32_t)side, instance, name);

	r.begun = START;
	r.marks = true;
	r.counter[COUNTER_ACCEPTED] = so_far.accepted;
	r.counter[COUNTER_SEND_SELF_TIME] = so_far.self_ms * MS;
	r.counter[COUNTER_SEND_TIME] = (so_far.self_ms + so_far.blocked_ms) * MS;
	r.counter[COUNTER_RECEIVE_TIME] = so_far.blocked_ms * MS;
	r.counter[COUNTER_BUSY_TIME] = so_far.busy_ms * MS;
	assert_int_equal(compare_record(c, side, &r, level, START + second * SEC), 0);
}

/* Ten seconds, in each of which `parse` of b has `more` ms of self time more, and a has what `noise` says. */
static void play(struct compare *c, uint64_t more, const unsigned int noise[COMPARE_PARTS])
{
	uint64_t a = 0, b = 0;

	for (uint64_t second = 1; second <= COMPARE_PARTS; second++) {
		a += noise[second - 1];
		b += 100 + more;
		tell(c, 0, 1, "parse", 1, second, (struct so_far){ 1000 * second, a, 0, 0 });
		tell(c, 1, 1, "parse", 1, second, (struct so_far){ 1000 * second, b, 0, 0 });
		compare_part(c, second - 1);
	}
}

static const struct compare_step *only(struct compare *c)
{
	size_t count;
	const struct compare_step *steps = compare_steps(c, &count);

	assert_int_equal(count, 1);
	return steps;
}

static void what_is_always_more_differs(void **state)
{
	static const unsigned int noise[] = { 90, 110, 95, 105, 100, 100, 80, 120, 100, 100 };
	const struct compare_step *step;
	enum compare_measure by;

	play(*state, 50, noise);
	step = only(*state);
	assert_string_equal(step->name, "parse");
	assert_int_equal(step->differs[COMPARE_SELF], 1);
	assert_int_equal(step->differs[COMPARE_REFUSING], 1);
	assert_int_equal(step->differs[COMPARE_ACCEPTED], 0);
	assert_int_equal(step->differs[COMPARE_BLOCKED], 0);
	assert_true(step->side[0].value[COMPARE_SELF] == 0.1);
	assert_true(step->side[1].value[COMPARE_SELF] == 0.15);
	assert_true(step->side[1].value[COMPARE_ACCEPTED] == 1000);
	assert_int_equal(step->side[1].watched_ns, 10 * SEC);
	assert_int_equal(step->side[1].instances, 1);
	assert_ptr_equal(compare_most(step, 1, 1, &by), step);
	assert_int_equal(by, COMPARE_SELF);
	assert_null(compare_most(step, 1, 0, &by));
}

/* One part of ten is enough against it. */
static void what_varies_as_much_does_not(void **state)
{
	static const unsigned int noise[] = { 90, 110, 95, 105, 100, 160, 80, 120, 100, 100 };
	enum compare_measure by;

	play(*state, 50, noise);
	assert_int_equal(only(*state)->differs[COMPARE_SELF], 0);
	assert_null(compare_most(only(*state), 1, 1, &by));
}

static void what_is_too_little_does_not(void **state)
{
	static const unsigned int even[] = { 95, 95, 95, 95, 95, 95, 95, 95, 95, 95 };

	play(*state, 4, even); /* 0.9 % of the time */
	assert_int_equal(only(*state)->differs[COMPARE_SELF], 0);
	play(*state, 6, even);
	assert_int_equal(only(*state)->differs[COMPARE_SELF], 1);
}

static void rates_are_of_an_instance(void **state)
{
	const struct compare_step *step;

	for (uint64_t second = 1; second <= COMPARE_PARTS; second++) {
		tell(*state, 0, 1, "parse", 1, second, (struct so_far){ 940 * second, 0, 0, 0 });
		tell(*state, 1, 1, "parse", 1, second, (struct so_far){ 900 * second, 0, 0, 0 });
		tell(*state, 1, 2, "parse", 1, second, (struct so_far){ 1100 * second, 0, 0, 0 });
		compare_part(*state, second - 1);
	}
	step = only(*state);
	assert_true(step->side[1].value[COMPARE_ACCEPTED] == 1000);
	assert_int_equal(step->side[1].instances, 2);
	assert_int_equal(step->side[1].counter[COUNTER_ACCEPTED], 20000);
	assert_int_equal(step->differs[COMPARE_ACCEPTED], 1);
}

static void a_side_that_was_hardly_there_claims_nothing(void **state)
{
	const struct compare_step *step;

	for (uint64_t second = 1; second <= COMPARE_PARTS; second++) {
		tell(*state, 0, 1, "parse", 1, second, (struct so_far){ 1000 * second, 0, 0, 0 });
		if (second < COMPARE_PARTS_LEAST)
			tell(*state, 1, 1, "parse", 1, second,
			     (struct so_far){ 10 * second, 0, 0, 0 });
		compare_part(*state, second - 1);
	}
	step = only(*state);
	assert_true(step->side[1].value[COMPARE_ACCEPTED] == 10);
	assert_int_equal(step->differs[COMPARE_ACCEPTED], 0);
}

static void order_is_that_of_the_pipeline(void **state)
{
	const struct compare_step *steps;
	size_t count;

	tell(*state, 1, 1, "sink", 2, 1, (struct so_far){ 0 });
	tell(*state, 0, 1, "gone", COMPARE_LEVEL_SAME, 1, (struct so_far){ 0 });
	tell(*state, 0, 2, "source", 0, 1, (struct so_far){ 0 });
	tell(*state, 0, 3, "parse", 1, 1, (struct so_far){ 0 });
	steps = compare_steps(*state, &count);
	assert_int_equal(count, 4);
	assert_string_equal(steps[0].name, "source");
	assert_string_equal(steps[1].name, "parse");
	assert_string_equal(steps[2].name, "sink");
	assert_string_equal(steps[3].name, "gone");
	assert_int_equal(steps[2].side[0].watched_ns, 0);
	assert_int_equal(steps[2].side[1].watched_ns, SEC);
}

static void own_time_stands_out_whichever_way_it_shows(void **state)
{
	const struct compare_step *steps, *most;
	enum compare_measure by;
	size_t count;

	for (uint64_t second = 1; second <= COMPARE_PARTS; second++) {
		tell(*state, 0, 1, "parse", 0, second, (struct so_far){ 0, 0, 900 * second, 0 });
		tell(*state, 0, 2, "sink", 1, second, (struct so_far){ 0, 800 * second, 0, 0 });
		tell(*state, 1, 1, "parse", 0, second, (struct so_far){ 0, 0, 0, 990 * second });
		tell(*state, 1, 2, "sink", 1, second, (struct so_far){ 0 });
		compare_part(*state, second - 1);
	}
	steps = compare_steps(*state, &count);
	most = compare_most(steps, count, 0, &by);
	assert_string_equal(most->name, "sink");
	assert_int_equal(by, COMPARE_SELF);
	most = compare_most(steps, count, 1, &by);
	assert_string_equal(most->name, "parse");
	assert_int_equal(by, COMPARE_BUSY);
}

/* By --budget: what it counts begins anew each time that it is watched. */
static void what_is_watched_in_parts_is_added_up(void **state)
{
	struct record r = record_of(1, 1, "parse");
	const struct compare_step *step;

	r.partly = true;
	r.begun = START;
	r.counter[COUNTER_ACCEPTED] = 10;
	assert_int_equal(compare_record(*state, 0, &r, 0, START + SEC), 0);
	r.begun = START + 5 * SEC;
	r.counter[COUNTER_ACCEPTED] = 4;
	assert_int_equal(compare_record(*state, 0, &r, 0, START + 6 * SEC), 0);
	step = only(*state);
	assert_int_equal(step->side[0].counter[COUNTER_ACCEPTED], 14);
	assert_int_equal(step->side[0].watched_ns, 2 * SEC);
	assert_int_equal(step->side[0].instances, 1);
	assert_true(step->side[0].partly);
	assert_true(step->side[0].value[COMPARE_ACCEPTED] == 7);
}

static void without_a_step_there_is_none(void **state)
{
	enum compare_measure by;
	size_t count = 1;

	assert_null(compare_steps(*state, &count));
	assert_int_equal(count, 0);
	assert_null(compare_most(NULL, 0, 0, &by));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_always_more_differs),
		TEST(what_varies_as_much_does_not),
		TEST(what_is_too_little_does_not),
		TEST(rates_are_of_an_instance),
		TEST(a_side_that_was_hardly_there_claims_nothing),
		TEST(order_is_that_of_the_pipeline),
		TEST(own_time_stands_out_whichever_way_it_shows),
		TEST(what_is_watched_in_parts_is_added_up),
		TEST(without_a_step_there_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
