/* SPDX-License-Identifier: MIT */
/* What is taken on behalf of one user, that one waits for, and nobody else */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "debts.h"

#define MS  1000000ull
#define NOW 1000000000000ull

static void others_do_not_wait(void **state)
{
	struct debts debts = { 0 };

	(void)state;
	assert_true(debts_charge(&debts, 1000, 500 * MS, NOW));
	assert_true(debts_must_wait(&debts, 1000, 1, false, NOW));
	assert_true(debts_must_wait(&debts, 1000, 1, true, NOW));
	for (uid_t user = 0; user < 1000; user++) {
		assert_false(debts_must_wait(&debts, user, 1, false, NOW));
		assert_false(debts_must_wait(&debts, user, 1, true, NOW));
	}
}

/* Root is 0, as who has never been there. */
static void root_waits_as_others_do(void **state)
{
	struct debts debts = { 0 };

	(void)state;
	for (uid_t user = 0; user < 3; user++)
		assert_true(debts_charge(&debts, user, 500 * MS, NOW));
	for (uid_t user = 0; user < 3; user++)
		assert_true(debts_must_wait(&debts, user, 1, false, NOW));
}

/* Fifty times as long; those who did not run into it a quarter of a second's worth before. */
static void it_is_paid_in_time(void **state)
{
	struct debts debts = { 0 };
	uint64_t paid = NOW + 50 * 500 * MS, soon = paid - 50 * 250 * MS, look = 50 * 18 * MS;

	(void)state;
	debts_charge(&debts, 1000, 200 * MS, NOW);
	assert_false(debts_must_wait(&debts, 1000, 1, false, NOW));
	assert_true(debts_must_wait(&debts, 1000, 1, true, NOW));
	debts_charge(&debts, 1000, 300 * MS, NOW);
	assert_true(debts_must_wait(&debts, 1000, 1, false, soon - 1));
	assert_false(debts_must_wait(&debts, 1000, 1, false, soon));
	assert_true(debts_must_wait(&debts, 1000, 1, true, paid - look - 1));
	assert_false(debts_must_wait(&debts, 1000, 1, true, paid - look));
}

static void what_was_paid_is_no_credit(void **state)
{
	struct debts debts = { 0 };
	uint64_t later = NOW + 3600000 * MS;

	(void)state;
	debts_charge(&debts, 1000, MS, NOW);
	debts_charge(&debts, 1000, 500 * MS, later);
	assert_true(debts_must_wait(&debts, 1000, 1, true, later + 50 * 482 * MS - 1));
	assert_false(debts_must_wait(&debts, 1000, 1, true, later + 50 * 482 * MS));
}

/* Then all pay, until one of those has. */
static void of_more_users_there_is_no_account(void **state)
{
	struct debts debts = { 0 };

	(void)state;
	for (uid_t user = 0; user < DEBTS_MOST; user++)
		assert_true(debts_charge(&debts, 1000 + user, (2 + user) * MS, NOW));
	assert_false(debts_charge(&debts, 1, MS, NOW));
	assert_true(debts_charge(&debts, 1000, 8 * MS, NOW));
	assert_false(debts_charge(&debts, 1, MS, NOW + 149 * MS));
	assert_true(debts_charge(&debts, 1, MS, NOW + 150 * MS));
	assert_false(debts_charge(&debts, 2, MS, NOW + 150 * MS));
}

/* Of these processes, all heavy, which are looked at in a round; each takes so much. */
static unsigned int look(struct debts *debts, const pid_t *pids, size_t count, uint64_t took,
			 uint64_t now)
{
	unsigned int seen = 0;

	debts_begin_round(debts);
	for (size_t i = 0; i < count; i++) {
		if (debts_must_wait(debts, 1000, pids[i], true, now))
			continue;
		debts_charge(debts, 1000, took, now);
		seen |= 1u << i;
	}
	return seen;
}

/* The first one has always something new: the others come all the same, and so does it. */
static void heavy_ones_take_turns(void **state)
{
	static const pid_t pids[] = { 10, 20, 30, 40 };
	unsigned int times[4] = { 0 };
	struct debts debts = { 0 };

	(void)state;
	debts_charge(&debts, 1000, MS, NOW);
	for (uint64_t t = 0; t < 1000; t++) {
		unsigned int seen = look(&debts, pids, 4, 100 * MS, NOW + t * 900 * MS);

		for (size_t i = 0; i < 4; i++)
			times[i] += seen >> i & 1;
	}
	/* 900 s are paid by 18 s, of a hundredth each. */
	for (size_t i = 0; i < 4; i++)
		assert_in_range(times[i], 40, 50);
}

/* As many as there is time for, one look after the other. */
static void those_that_take_little_come_together(void **state)
{
	static const pid_t pids[] = { 10, 20, 30, 40 };
	struct debts debts = { 0 };

	(void)state;
	debts_charge(&debts, 1000, MS, NOW);
	for (uint64_t t = 1; t < 100; t++)
		assert_int_equal(look(&debts, pids, 4, 4 * MS, NOW + t * 900 * MS), 15);
}

/* It is not waited for. */
static void one_that_ended(void **state)
{
	static const pid_t pids[] = { 10, 20 };
	struct debts debts = { 0 };
	uint64_t now = NOW;

	(void)state;
	debts_charge(&debts, 1000, MS, now);
	assert_int_equal(look(&debts, pids, 2, 100 * MS, now), 1);
	now += 50 * 100 * MS;
	assert_int_equal(look(&debts, pids, 1, 100 * MS, now), 0);
	assert_int_equal(look(&debts, pids, 1, 100 * MS, now), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_do_not_wait),
		cmocka_unit_test(root_waits_as_others_do),
		cmocka_unit_test(it_is_paid_in_time),
		cmocka_unit_test(what_was_paid_is_no_credit),
		cmocka_unit_test(of_more_users_there_is_no_account),
		cmocka_unit_test(heavy_ones_take_turns),
		cmocka_unit_test(those_that_take_little_come_together),
		cmocka_unit_test(one_that_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
