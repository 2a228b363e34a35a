/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "peek.h"
#include "reader_ends.h"

#define PAGE  4096
#define PAGES 40
#define STEPS (PAGES * PAGE / sizeof(struct pushback_step))
#define GONE  (11 * PAGE / sizeof(struct pushback_step)) /* the first on a page that is not there */

/* Our own memory is read like anybody's. */
static struct pushback_step *steps;
static struct pushback_step known[STEPS];
static struct peek_step asked[STEPS];
static struct peeker *peeker;

static int set_up(void **state)
{
	(void)state;
	peeker = peeker_new();
	steps = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (!peeker || steps == MAP_FAILED)
		return -1;
	for (size_t i = 0; i < STEPS; i++) {
		pushback_step_init(&steps[i], "there");
		steps[i].instance = i + 1;
		steps[i].epoch = 1;
		known[i] = steps[i];
		strcpy(known[i].name, "known");
		asked[i] = (struct peek_step){ getpid(), (uint64_t)(uintptr_t)&steps[i], &known[i],
					       1, false };
		steps[i].accepted = i + 100;
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	peeker_free(peeker);
	return munmap(steps, PAGES * PAGE);
}

static void assert_read(size_t i)
{
	assert_int_equal(asked[i].result, 0);
	assert_int_equal(known[i].accepted, i + 100);
	assert_string_equal(known[i].name, "known");
}

static void test_all_of_them(void **state)
{
	(void)state;
	peek_steps(peeker, asked, STEPS);
	for (size_t i = 0; i < STEPS; i++)
		assert_read(i);
}

/* With others between them, or in no order. */
static void test_wherever_they_lie(void **state)
{
	static struct peek_step some[STEPS];
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < STEPS; i += 1 + i % 7)
		some[count++] = asked[i];
	some[count++] = asked[1];
	some[count++] = asked[STEPS - 1];
	peek_steps(peeker, some, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(some[i].result, 0);
		assert_int_equal(some[i].step->accepted, some[i].step->instance + 99);
	}
}

/* An episode since the last event: a look more, and it is the same. */
static void test_news_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < STEPS; i += 3)
		steps[i].direction[PUSHBACK_SEND].closed = i + 1;
	peek_steps(peeker, asked, STEPS);
	for (size_t i = 0; i < STEPS; i++) {
		assert_read(i);
		assert_int_equal(known[i].direction[PUSHBACK_SEND].closed, i % 3 ? 0 : i + 1);
	}
}

static void test_who_has_no_news(void **state)
{
	(void)state;
	peek_steps(peeker, asked, STEPS);
	for (size_t i = 0; i < STEPS; i++)
		assert_false(asked[i].same);
	steps[3].depth = 1;
	steps[4].accepted++;
	steps[5].nexts = 1;
	peek_steps(peeker, asked, STEPS);
	for (size_t i = 0; i < STEPS; i++) {
		assert_int_equal(asked[i].result, 0);
		assert_int_equal(asked[i].same, i < 3 || i > 5);
	}
	peek_steps(peeker, asked, STEPS);
	assert_true(asked[3].same && asked[4].same && asked[5].same);
}

static void test_what_is_not_as_it_was(void **state)
{
	(void)state;
	steps[5].instance = 1000; /* another one */
	steps[6].magic = 0;
	steps[7].epoch = 2;              /* watched anew */
	steps[8].state |= PUSHBACK_OPEN; /* in mid-edge for ever */
	peek_steps(peeker, asked, STEPS);
	assert_int_equal(asked[5].result, -ENOENT);
	assert_int_equal(asked[6].result, -ENOENT);
	assert_int_equal(asked[7].result, -EAGAIN);
	assert_int_equal(asked[8].result, -EAGAIN);
	for (size_t i = 5; i < 9; i++)
		assert_int_equal(known[i].accepted, 0);
	for (size_t i = 9; i < STEPS; i++)
		assert_read(i);
}

static bool is_lost(size_t i)
{
	return i >= GONE && i < GONE + PAGE / sizeof(*steps);
}

static void test_a_page_is_gone(void **state)
{
	(void)state;
	assert_int_equal(munmap(&steps[GONE], PAGE), 0);
	peek_steps(peeker, asked, STEPS);
	for (size_t i = 0; i < STEPS; i++) {
		if (is_lost(i))
			assert_int_equal(asked[i].result, -EFAULT);
		else
			assert_read(i);
	}
}

/* Has our memory, but for what it does to it, until it is ended. */
static pid_t begin_process(void (*change)(void))
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		change();
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 0);
	close(ready[0]);
	return pid;
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void lose_a_page(void)
{
	munmap(&steps[GONE], PAGE);
}

static void count_more(void)
{
	for (size_t i = 0; i < STEPS; i++)
		steps[i].accepted += 1000;
}

enum { PROCESSES = 4 };

static struct pushback_step known_of[PROCESSES][STEPS];
static struct peek_step asked_of[PROCESSES * STEPS];

/* Step `i` of process `n` is asked for as number at(n, i). */
static void ask_all(const pid_t *pids, size_t (*at)(size_t n, size_t i))
{
	for (size_t n = 0; n < PROCESSES; n++) {
		for (size_t i = 0; i < STEPS; i++) {
			known_of[n][i] = known[i];
			asked_of[at(n, i)] = asked[i];
			asked_of[at(n, i)].pid = pids[n];
			asked_of[at(n, i)].step = &known_of[n][i];
		}
	}
	peek_steps(peeker, asked_of, PROCESSES * STEPS);
}

static size_t one_after_the_other(size_t n, size_t i)
{
	return n * STEPS + i;
}

static size_t in_turns(size_t n, size_t i)
{
	return i * PROCESSES + n;
}

/* What one of them has not is none of the others' loss. */
static void test_of_several_processes(void **state)
{
	size_t (*const orders[])(size_t, size_t) = { one_after_the_other, in_turns };
	pid_t pids[PROCESSES] = { getpid(), begin_process(lose_a_page), begin_process(count_more),
				  begin_process(count_more) };

	(void)state;
	end_process(pids[3]);
	for (size_t order = 0; order < 2; order++) {
		ask_all(pids, orders[order]);
		for (size_t n = 0; n < PROCESSES; n++) {
			for (size_t i = 0; i < STEPS; i++) {
				int result = asked_of[orders[order](n, i)].result;
				bool lost = n == 1 && is_lost(i);

				assert_int_equal(result, n == 3 ? -ESRCH : lost ? -EFAULT : 0);
				if (!result)
					assert_int_equal(known_of[n][i].accepted,
							 i + 100 + (n == 2 ? 1000 : 0));
			}
		}
	}
	end_process(pids[1]);
	end_process(pids[2]);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_of_them),          TEST(test_wherever_they_lie),
		TEST(test_news_are_read),        TEST(test_what_is_not_as_it_was),
		TEST(test_who_has_no_news),      TEST(test_a_page_is_gone),
		TEST(test_of_several_processes),
	};

	return cmocka_run_group_tests(tests, NULL, reader_ends);
}
