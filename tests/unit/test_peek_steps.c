/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "peek.h"

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
		asked[i] =
			(struct peek_step){ (uint64_t)(uintptr_t)&steps[i], &known[i], 1, false };
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
	peek_steps(peeker, getpid(), asked, STEPS);
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
	peek_steps(peeker, getpid(), some, count);
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
	peek_steps(peeker, getpid(), asked, STEPS);
	for (size_t i = 0; i < STEPS; i++) {
		assert_read(i);
		assert_int_equal(known[i].direction[PUSHBACK_SEND].closed, i % 3 ? 0 : i + 1);
	}
}

static void test_who_has_no_news(void **state)
{
	(void)state;
	peek_steps(peeker, getpid(), asked, STEPS);
	for (size_t i = 0; i < STEPS; i++)
		assert_false(asked[i].same);
	steps[3].depth = 1;
	steps[4].accepted++;
	steps[5].nexts = 1;
	peek_steps(peeker, getpid(), asked, STEPS);
	for (size_t i = 0; i < STEPS; i++) {
		assert_int_equal(asked[i].result, 0);
		assert_int_equal(asked[i].same, i < 3 || i > 5);
	}
	peek_steps(peeker, getpid(), asked, STEPS);
	assert_true(asked[3].same && asked[4].same && asked[5].same);
}

static void test_what_is_not_as_it_was(void **state)
{
	(void)state;
	steps[5].instance = 1000; /* another one */
	steps[6].magic = 0;
	steps[7].epoch = 2;              /* watched anew */
	steps[8].state |= PUSHBACK_OPEN; /* in mid-edge for ever */
	peek_steps(peeker, getpid(), asked, STEPS);
	assert_int_equal(asked[5].result, -ENOENT);
	assert_int_equal(asked[6].result, -ENOENT);
	assert_int_equal(asked[7].result, -EAGAIN);
	assert_int_equal(asked[8].result, -EAGAIN);
	for (size_t i = 5; i < 9; i++)
		assert_int_equal(known[i].accepted, 0);
	for (size_t i = 9; i < STEPS; i++)
		assert_read(i);
}

static void test_a_page_is_gone(void **state)
{
	(void)state;
	assert_int_equal(munmap(&steps[GONE], PAGE), 0);
	peek_steps(peeker, getpid(), asked, STEPS);
	for (size_t i = 0; i < STEPS; i++) {
		if (i >= GONE && i < GONE + PAGE / sizeof(*steps))
			assert_int_equal(asked[i].result, -EFAULT);
		else
			assert_read(i);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_of_them),     TEST(test_wherever_they_lie),
		TEST(test_news_are_read),   TEST(test_what_is_not_as_it_was),
		TEST(test_who_has_no_news), TEST(test_a_page_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
