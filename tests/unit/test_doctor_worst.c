/* SPDX-License-Identifier: MIT */
/* Of the processes of a file the worst one is told, and how many were not examined */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "doctor_worst.h"

#define ALL 100

static pid_t pids[ALL];
static size_t judged;

static void judge(struct finding *f, pid_t pid, const void *context)
{
	const pid_t *bad = context;

	judged++;
	if (pid == *bad)
		finding_fail(f, "bad");
	else
		finding_ok(f, "good");
}

static void expect(size_t count, bool is_asked, pid_t bad, const char *fact)
{
	const struct doctor_pids some = { pids, count, is_asked };
	struct finding worst = { .check = "sites" };

	judged = 0;
	assert_int_equal(doctor_worst(&worst, &some, judge, &bad), count > 0);
	assert_string_equal(worst.check, "sites");
	assert_string_equal(worst.fact, fact);
	assert_int_equal(worst.level, *fact == 'b' ? FINDING_FAILURE : FINDING_OK);
	assert_int_equal(judged, count < DOCTOR_PIDS_MOST ? count : DOCTOR_PIDS_MOST);
}

static void test_the_worst(void **state)
{
	(void)state;
	for (size_t i = 0; i < ALL; i++)
		pids[i] = (pid_t)(1000 + i);
	expect(0, false, 0, "");
	expect(1, true, 0, "good");
	expect(3, false, 0, "good (process 1000)");
	expect(3, false, 1001, "bad (process 1001)");
	expect(DOCTOR_PIDS_MOST, false, 1063, "bad (process 1063)");
}

static void test_too_many(void **state)
{
	(void)state;
	expect(DOCTOR_PIDS_MOST + 1, false, 1064,
	       "good (process 1000); 1 more process was not examined");
	expect(ALL, false, 1002, "bad (process 1002); 36 more processes were not examined");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_worst),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
