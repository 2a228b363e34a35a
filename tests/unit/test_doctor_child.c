/* SPDX-License-Identifier: MIT */
/* A process to try things on: it answers, it may die, it leaves nothing */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "doctor_child.h"
#include "finding.h"

static int calls;

static void serve(char command, void *answer)
{
	if (command == 'x')
		raise(SIGKILL); /* other signals are cmocka's */
	memset(answer, command, 1000);
	((char *)answer)[0] = (char)++calls;
}

static void test_answers(void **state)
{
	struct doctor_child child;
	char answer[1000];

	(void)state;
	assert_int_equal(doctor_child_start(&child, serve, sizeof(answer)), 0);
	assert_int_equal(doctor_child_ask(&child, 'a', answer), 0);
	assert_int_equal(answer[0], 1);
	assert_int_equal(answer[999], 'a');
	assert_int_equal(doctor_child_ask(&child, 'b', answer), 0);
	assert_int_equal(answer[0], 2);
	assert_int_equal(answer[999], 'b');
	assert_int_equal(calls, 0); /* a process of its own */
	doctor_child_end(&child);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	doctor_child_end(&child);
}

static void test_dies(void **state)
{
	struct doctor_child child;
	char answer[1000];

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(doctor_child_start(&child, serve, sizeof(answer)), 0);
	assert_int_equal(doctor_child_ask(&child, 'x', answer), -EPIPE);
	assert_int_equal(doctor_child_ask(&child, 'a', answer), -EPIPE);
	doctor_child_end(&child);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void test_too_much(void **state)
{
	struct doctor_child child;

	(void)state;
	assert_int_equal(doctor_child_start(&child, serve, 4097), -E2BIG);
	doctor_child_end(&child);
}

/* A line of ours is taken apart where its advice begins. */
static void test_why(void **state)
{
	struct finding f = { .check = "x" }, no_help = { .check = "x" }, plain = { .check = "x" };

	(void)state;
	finding_fail_why(&f, "not allowed: run as root, or not: at all");
	assert_int_equal(f.level, FINDING_FAILURE);
	assert_string_equal(f.fact, "not allowed");
	assert_string_equal(f.advice, "run as root, or not: at all");
	finding_fail_why(&no_help, "cannot open 'x': No such file");
	assert_string_equal(no_help.fact, "cannot open 'x': No such file");
	assert_non_null(strstr(no_help.advice, "--verbose"));
	finding_fail_why(&plain, "out of memory");
	assert_string_equal(plain.fact, "out of memory");
	assert_non_null(strstr(plain.advice, "--verbose"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_dies),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
