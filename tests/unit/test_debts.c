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
	assert_true(debts_must_wait(&debts, 1000, false, NOW));
	assert_true(debts_must_wait(&debts, 1000, true, NOW));
	for (uid_t user = 0; user < 1000; user++) {
		assert_false(debts_must_wait(&debts, user, false, NOW));
		assert_false(debts_must_wait(&debts, user, true, NOW));
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
		assert_true(debts_must_wait(&debts, user, false, NOW));
}

/* Fifty times as long; those who did not run into it a quarter of a second's worth before. */
static void it_is_paid_in_time(void **state)
{
	struct debts debts = { 0 };
	uint64_t paid = NOW + 50 * 500 * MS, soon = paid - 50 * 250 * MS;

	(void)state;
	debts_charge(&debts, 1000, 200 * MS, NOW);
	assert_false(debts_must_wait(&debts, 1000, false, NOW));
	assert_true(debts_must_wait(&debts, 1000, true, NOW));
	debts_charge(&debts, 1000, 300 * MS, NOW);
	assert_true(debts_must_wait(&debts, 1000, false, soon - 1));
	assert_false(debts_must_wait(&debts, 1000, false, soon));
	assert_true(debts_must_wait(&debts, 1000, true, paid - 1));
	assert_false(debts_must_wait(&debts, 1000, true, paid));
}

static void what_was_paid_is_no_credit(void **state)
{
	struct debts debts = { 0 };
	uint64_t later = NOW + 3600000 * MS;

	(void)state;
	debts_charge(&debts, 1000, MS, NOW);
	debts_charge(&debts, 1000, 500 * MS, later);
	assert_true(debts_must_wait(&debts, 1000, true, later + 50 * 500 * MS - 1));
	assert_false(debts_must_wait(&debts, 1000, true, later + 50 * 500 * MS));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_do_not_wait),
		cmocka_unit_test(root_waits_as_others_do),
		cmocka_unit_test(it_is_paid_in_time),
		cmocka_unit_test(what_was_paid_is_no_credit),
		cmocka_unit_test(of_more_users_there_is_no_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
