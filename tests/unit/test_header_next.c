/* SPDX-License-Identifier: MIT */
/* Whom a step hands messages to, and whether it has enter marks: how observers learn of it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "clock_set.h"
#include "watched.h"

static struct pushback_step many[64];

static void hand_on(struct pushback_step *to)
{
	pushback_submit_return(to, ACCEPTED);
	pushback_forward_return(&a, ACCEPTED);
}

/* The fires of `a` since last asked, with `next`. */
static unsigned int told(const struct pushback_step *next)
{
	unsigned int i, n = 0;

	for (i = 0; i < observer_count; i++)
		n += observer_fires[i].place == &a && observer_fires[i].next == next;
	return n;
}

/* Whether these two share a bit in the second that is `later` from now. */
static int share(const struct pushback_step *x, const struct pushback_step *y, uint64_t later)
{
	struct pushback_step s = { .nexts = ((clock_now >> 30) + later) << PUSHBACK_NEXT_BITS };

	return pushback_next_bit(&s, (uintptr_t)x) == pushback_next_bit(&s, (uintptr_t)y);
}

/* A step that shares none with `b`, in this second and the next. */
static struct pushback_step *apart_from_b(void)
{
	struct pushback_step *step = many;

	while (share(step, &b, 0) || share(step, &b, 1))
		step++;
	pushback_step_init(step, "c");
	return step;
}

static void each_one_is_told_once_a_second(void **state)
{
	struct pushback_step *c = apart_from_b();
	unsigned int i;

	(void)state;
	observer_attach();
	for (i = 0; i < 1000; i++) {
		hand_on(&b);
		hand_on(c);
	}
	assert_int_equal(told(&b), 1);
	assert_int_equal(told(c), 1);
	assert_true(a.next == (uintptr_t)c);
	observer_forget();
	clock_now += 1u << 30;
	for (i = 0; i < 1000; i++) {
		hand_on(&b);
		hand_on(c);
	}
	assert_int_equal(told(&b), 1);
	assert_int_equal(told(c), 1);
}

/* The loop waits at one place: a heartbeat would always be the same return's. */
static void a_quiet_consumer_tells_it_too(void **state)
{
	unsigned int i;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, ACCEPTED);
	observer_forget();
	for (i = 0; i < 30; i++) {
		clock_now += SECOND / 10;
		pushback_poll_return(&a, 1);
		hand_on(&b);
		pushback_submit_return(&a, ACCEPTED);
	}
	assert_in_range(told(&b), 3, 4);
}

/* The sites come later than the semaphore; the coarse clock may still be before the watch's beginning. */
static void what_no_site_could_tell_at_first_is_told_soon(void **state)
{
	struct pushback_step *c = apart_from_b();
	unsigned int i;

	(void)state;
	clock_tick = 4000000;
	clock_now += clock_tick - clock_now % clock_tick + 1000000;
	observer_raise(1);
	for (i = 0; i < 20; i++) {
		if (i == 10)
			observer_arm(OBSERVER_ALL);
		hand_on(&b);
		hand_on(c);
	}
	clock_tick = 1;
	assert_int_equal(told(&b), 1);
	assert_int_equal(told(c), 1);
}

/* 48 bits for any number of steps: who shares one in this second does not in the next. */
static void all_of_many_are_told_in_a_while(void **state)
{
	unsigned int seen[64] = { 0 }, i, k, second, missing = 0;

	(void)state;
	for (i = 0; i < 64; i++)
		pushback_step_init(&many[i], "many");
	observer_attach();
	/* The last of them shares one with another in 3 of 4 seconds. */
	for (second = 0; second < 60; second++) {
		for (k = 0; k < 3; k++)
			for (i = 0; i < 64; i++)
				hand_on(&many[i]);
		for (i = 0; i < 64; i++)
			seen[i] += told(&many[i]);
		assert_in_range(told(NULL), 0, 2);
		observer_forget();
		clock_now += 1u << 30;
	}
	for (i = 0; i < 64; i++)
		missing += !seen[i];
	assert_int_equal(missing, 0);
}

static void where_nobody_listens_it_is_not_tried_for_ever(void **state)
{
	unsigned int i;

	(void)state;
	observer_raise(1);
	observer_arm(1u << PUSHBACK_SUBMIT_RETURN);
	for (i = 0; i < 100; i++)
		hand_on(&b);
	clock_now += 2 * SECOND;
	for (i = 0; i < 100000; i++, clock_now += 10)
		pushback_forward_return(&a, ACCEPTED);
	assert_true(a.look_every > 32);
	for (i = 0; i < 100000; i++, clock_now += 10)
		hand_on(&b);
	assert_true(a.look_every > 32);
	/* Nor does another site tell it in place of that one. */
	observer_forget();
	for (i = 0; i < 1000; i++) {
		hand_on(&b);
		pushback_submit_return(&a, ACCEPTED);
	}
	assert_in_range(told(NULL), 0, 1);
}

/* In its first second it might only be late: that is waited for, and costs no fires elsewhere. */
static void a_forward_site_that_comes_late(void **state)
{
	unsigned int i;

	(void)state;
	observer_raise(1);
	observer_arm(1u << PUSHBACK_SUBMIT_RETURN);
	for (i = 0; i < 1000; i++) {
		hand_on(&b);
		pushback_submit_return(&a, ACCEPTED);
	}
	assert_int_equal(told(NULL), 1);
	observer_arm(OBSERVER_ALL);
	for (i = 0; i < 1000; i++)
		hand_on(&b);
	assert_int_equal(told(&b), 1);
}

static void unknown_and_itself_are_no_news(void **state)
{
	(void)state;
	observer_attach();
	pushback_submit_return(&a, ACCEPTED);
	observer_forget();
	pushback_forward_return(&a, ACCEPTED); /* it was itself that returned last */
	pushback_forward_return(&a, ACCEPTED);
	fired(0);
	assert_true(a.next == 0);
}

static void an_enter_mark_is_remembered(void **state)
{
	(void)state;
	pushback_submit_enter(&a);
	pushback_submit_return(&a, ACCEPTED);
	assert_false(a.state & PUSHBACK_MARKS);
	observer_attach();
	pushback_poll_enter(&a);
	assert_true(a.state & PUSHBACK_MARKS);
	pushback_poll_return(&a, 1);
	assert_true(a.state & PUSHBACK_MARKS);
	assert_true(a.inside == 0);
	observer_detach();
	pushback_submit_return(&a, ACCEPTED);
	observer_attach();
	pushback_submit_return(&a, ACCEPTED);
	assert_true(a.state & PUSHBACK_MARKS);
	pushback_step_end(&a);
	assert_false(a.state & PUSHBACK_MARKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_one_is_told_once_a_second),
		TEST(a_quiet_consumer_tells_it_too),
		TEST(what_no_site_could_tell_at_first_is_told_soon),
		TEST(all_of_many_are_told_in_a_while),
		TEST(a_forward_site_that_comes_late),
		TEST(where_nobody_listens_it_is_not_tried_for_ever),
		TEST(unknown_and_itself_are_no_news),
		TEST(an_enter_mark_is_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
