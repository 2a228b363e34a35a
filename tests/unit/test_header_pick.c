/* SPDX-License-Identifier: MIT */
/* Which folded episode stands for the others: each with the same chance, whatever their pattern. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "pushback.h"
#include "seed.h"

#define ROUNDS 20000
#define OF     8

/* A folded episode of `took` ns that ends at `*now`. */
static void fold(struct pushback_step *s, uint64_t took, uint64_t *now)
{
	s->bound = UINT64_MAX; /* no cycle fires */
	pushback_turn(s, PUSHBACK_SEND, 1, *now);
	*now += took;
	pushback_turn(s, PUSHBACK_SEND, 0, *now);
}

static void test_the_only_one(void **state)
{
	struct pushback_step s = PUSHBACK_STEP_INIT("s");
	uint64_t now = 1000;

	(void)state;
	fold(&s, 77, &now);
	assert_int_equal(s.pick[PUSHBACK_SEND].of, 1);
	assert_int_equal(s.pick[PUSHBACK_SEND].ns, 77);
	assert_int_equal(s.pick[PUSHBACK_RECEIVE].of, 0);
}

static void test_fired_ones_are_not_picked(void **state)
{
	struct pushback_step s = PUSHBACK_STEP_INIT("s");

	(void)state;
	pushback_turn(&s, PUSHBACK_SEND, 1, 1000);
	pushback_turn(&s, PUSHBACK_SEND, 0, 2000);
	assert_int_equal(s.direction[PUSHBACK_SEND].closed, 1);
	assert_int_equal(s.pick[PUSHBACK_SEND].of, 0);
}

/* Durations tell which of the eight it was. Each is picked in an eighth of the rounds. */
static void test_equal_chances(void **state)
{
	struct pushback_step s = PUSHBACK_STEP_INIT("s");
	unsigned int picked[OF] = { 0 };
	uint64_t now = 1000000;
	struct seed seed = seed_new("pick");

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		s.pick[PUSHBACK_SEND].of = 0;
		for (uint64_t i = 0; i < OF; i++) {
			/* Clocks tick unevenly; the pattern of durations does not matter. */
			now += seed_below(&seed, 4096);
			fold(&s, 1000 * (i + 1), &now);
		}
		assert_int_equal(s.pick[PUSHBACK_SEND].of, OF);
		picked[s.pick[PUSHBACK_SEND].ns / 1000 - 1]++;
	}
	for (int i = 0; i < OF; i++)
		assert_in_range(picked[i], ROUNDS / OF * 85 / 100, ROUNDS / OF * 115 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_only_one),
		cmocka_unit_test(test_fired_ones_are_not_picked),
		cmocka_unit_test(test_equal_chances),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
