/* SPDX-License-Identifier: MIT */
/* Who is denied a look, and that what is advised is not what they have already */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "denied.h"

static void test_advice(void **state)
{
	static const struct {
		struct denied_asker asker;
		const char *says, *not ;
	} cases[] = {
		{ { .host = true }, "run as root, or with CAP_SYS_PTRACE", "security module" },
		{ { .host = true, .root = true }, "root lacks CAP_SYS_PTRACE", "run as root" },
		{ { .host = true, .root = true, .ptrace = true },
		  "security module",
		  "run as root" },
		{ { .host = true, .ptrace = true }, "security module", "run as root" },
		{ { .root = true, .ptrace = true }, "user namespace of the host", "root" },
		{ { .root = true }, "user namespace of the host", "root" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *advice = denied_advice(&cases[i].asker);

		assert_non_null(strstr(advice, cases[i].says));
		assert_null(strstr(advice, cases[i].not ));
		/* It ends a sentence: finding_fail_why() would take another colon for the first. */
		assert_null(strchr(advice, ':'));
	}
}

/* Root is never told to become root. */
static void test_this_program(void **state)
{
	(void)state;
	assert_int_equal(strstr(denied_why(), "run as root") != NULL, geteuid() != 0);
}

/* We may look into ourselves. */
static void test_count(void **state)
{
	size_t all, denied;

	(void)state;
	assert_int_equal(denied_count(&all, &denied), 0);
	assert_true(all > denied);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_this_program),
		cmocka_unit_test(test_count),
	};

	return cmocka_run_group_tests_name("denied", tests, NULL, NULL);
}
