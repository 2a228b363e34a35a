/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "silent.h"

#define S 1000000000ull

static struct silent_view view;

/* A process that waits, or is stopped; and would end with us. */
static pid_t begin(bool stopped)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "waits");
		raise(SIGSTOP);
		for (;;)
			pause();
	}
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	if (stopped)
		return pid;
	kill(pid, SIGCONT);
	assert_int_equal(waitpid(pid, &status, WCONTINUED), pid);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void assert_silent(const struct silent *s, uint64_t now, size_t count)
{
	silent_get(s, now, &view);
	assert_int_equal(view.count, count);
}

static void test_who_has_been_heard_is_not_silent(void **state)
{
	struct silent *s = silent_new();
	pid_t us = getpid(), child = begin(true);

	(void)state;
	silent_meet(s, us, 10 * S);
	silent_meet(s, child, 10 * S);
	silent_hear(s, us);
	silent_end_look(s);
	/* It may have had no time yet. */
	assert_silent(s, 11 * S, 0);
	assert_silent(s, 12 * S, 1);
	assert_int_equal(view.shown[0].pid, child);
	assert_string_equal(view.shown[0].name, "waits");
	assert_int_equal(view.shown[0].state, 'T');
	silent_hear(s, child);
	assert_silent(s, 12 * S, 0);
	end(child);
	silent_free(s);
}

/* Once each, and only who has been it for that long. */
static void test_news(void **state)
{
	struct silent *s = silent_new();
	pid_t us = getpid(), child = begin(true), later = begin(true);

	(void)state;
	silent_meet(s, us, 10 * S);
	silent_meet(s, child, 10 * S);
	silent_meet(s, later, 60 * S);
	silent_hear(s, us);
	assert_int_equal(silent_news(s, 69 * S, 60 * S, &view), 0);
	assert_int_equal(silent_news(s, 70 * S, 60 * S, &view), 1);
	assert_int_equal(view.shown[0].pid, child);
	assert_int_equal(silent_news(s, 71 * S, 60 * S, &view), 0);
	assert_int_equal(silent_news(s, 120 * S, 60 * S, &view), 1);
	assert_int_equal(view.shown[0].pid, later);
	/* That it was told makes it no less silent. */
	assert_silent(s, 120 * S, 2);
	end(child);
	end(later);
	assert_int_equal(silent_news(s, 999 * S, 60 * S, &view), 0);
	assert_int_equal(silent_news(NULL, 999 * S, 60 * S, &view), 0);
	silent_free(s);
}

/* So new that the first return came before the first look. */
static void test_heard_before_it_is_met(void **state)
{
	struct silent *s = silent_new();

	(void)state;
	silent_hear(s, getpid());
	silent_end_look(s);
	silent_meet(s, getpid(), 10 * S);
	silent_end_look(s);
	assert_silent(s, 20 * S, 0);
	silent_free(s);
}

static void test_who_is_not_met_again_is_forgotten(void **state)
{
	struct silent *s = silent_new();

	(void)state;
	silent_meet(s, getpid(), 10 * S);
	silent_end_look(s);
	assert_silent(s, 20 * S, 1);
	silent_end_look(s);
	assert_silent(s, 20 * S, 0);
	/* Of one that is heard no more, but was, all is forgotten as well. */
	silent_hear(s, getpid());
	silent_end_look(s);
	silent_hear(s, getpid());
	silent_end_look(s);
	silent_meet(s, getpid(), 20 * S);
	assert_silent(s, 30 * S, 1);
	silent_free(s);
}

static void test_who_has_ended_is_not_silent(void **state)
{
	struct silent *s = silent_new();
	pid_t child = begin(true);

	(void)state;
	silent_meet(s, child, 10 * S);
	assert_silent(s, 20 * S, 1);
	end(child);
	assert_silent(s, 20 * S, 0);
	silent_free(s);
	assert_silent(NULL, 20 * S, 0);
}

static void test_stopped_ones_come_first(void **state)
{
	struct silent *s = silent_new();
	pid_t child[SILENT_SHOWN + 2];

	(void)state;
	for (size_t i = 0; i < SILENT_SHOWN + 2; i++) {
		child[i] = begin(i > SILENT_SHOWN - 1);
		silent_meet(s, child[i], S);
	}
	assert_silent(s, 10 * S, SILENT_SHOWN + 2);
	assert_int_equal(view.shown_count, SILENT_SHOWN);
	assert_int_equal(view.shown[0].pid, child[SILENT_SHOWN]);
	assert_int_equal(view.shown[1].pid, child[SILENT_SHOWN + 1]);
	assert_int_equal(view.shown[2].pid, child[0]);
	assert_int_equal(view.shown[3].pid, child[1]);
	for (size_t i = 0; i < SILENT_SHOWN + 2; i++)
		end(child[i]);
	silent_free(s);
}

static void test_words(void **state)
{
	const struct silent_view none = { 0 };
	const struct silent_view some = { .count = 5,
					  .shown_count = 2,
					  .shown = { { 7, "a", 'T' }, { 8, "", 'S' } } };
	char line[256], small[24];

	(void)state;
	silent_words(&none, line, sizeof(line));
	assert_string_equal(line, "");
	silent_words(&some, line, sizeof(line));
	assert_string_equal(line, "no return since we attached: a (7) stopped, "
				  "(no name) (8) sleeping, and 3 more");
	silent_words(&some, small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_has_been_heard_is_not_silent),
		cmocka_unit_test(test_news),
		cmocka_unit_test(test_heard_before_it_is_met),
		cmocka_unit_test(test_who_is_not_met_again_is_forgotten),
		cmocka_unit_test(test_who_has_ended_is_not_silent),
		cmocka_unit_test(test_stopped_ones_come_first),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
