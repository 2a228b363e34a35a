/* SPDX-License-Identifier: MIT */
/* The calls of pushback.h as an observer sees them, through real breakpoints in this process. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "clock_set.h"
#include "watched.h"

/* ---- Whether there is a watch ---- */

static void unwatched_costs_nothing_and_marks_missed(void **state)
{
	(void)state;
	assert_int_equal(a.epoch, PUSHBACK_EPOCH_FRESH);
	pushback_submit_return(&a, REJECTED);
	pushback_forward_return(&b, REJECTED);
	pushback_poll_return(&a, 1);
	pushback_submit_enter(&a);
	assert_int_equal(a.epoch, PUSHBACK_EPOCH_MISSED);
	assert_int_equal(b.epoch, PUSHBACK_EPOCH_MISSED);
	assert_int_equal(a.rejected + b.refused + a.inside + a.instance + a.state, 0);
	fired(0);
}

static void a_fresh_step_begins_true(void **state)
{
	const struct observer_fire *fire;
	uint64_t before = observer_now();

	(void)state;
	observer_attach();
	errno = 4711;
	pushback_submit_return(&a, REJECTED);
	assert_int_equal(errno, 4711);
	fire = fired(1);
	assert_int_equal(fire->site, PUSHBACK_SUBMIT_RETURN);
	assert_ptr_equal(fire->place, &a);
	assert_ptr_equal(fire->name, a.name);
	assert_int_equal(fire->value, REJECTED);
	assert_int_equal(fire->yes, 0);
	assert_int_equal(fire->no, 1);
	assert_null(fire->next);
	assert_true(fire->step.state & OPEN_SEND);
	assert_false(fire->step.state & (PUSHBACK_PARTIAL | PUSHBACK_UNTOLD));
	assert_in_range(fire->step.direction[SEND].since, before, fire->at);
	assert_in_range(fire->step.watch_since, before, fire->step.direction[SEND].since);
	assert_int_equal(fire->step.watch_rejected, 0);
	assert_int_not_equal(fire->step.instance, 0);
	/* Repeated rejections are no news. */
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, REJECTED);
	fired(0);
	pushback_submit_return(&a, ACCEPTED);
	fire = fired(1);
	assert_true(fire->step.state & PUSHBACK_SAMPLE);
	assert_int_equal(fire->step.direction[SEND].closed, 1);
	assert_int_equal(fire->step.direction[SEND].last, fire->step.direction[SEND].closed_ns);
	assert_int_equal(fire->yes, 1);
	assert_int_equal(fire->no, 3);
	/* Told once. */
	assert_false(a.state & PUSHBACK_SAMPLE);
}

static void a_missed_step_begins_partial_with_its_totals(void **state)
{
	const struct observer_fire *fire;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, ACCEPTED);
	pushback_submit_return(&a, REJECTED);
	fired(2);
	observer_detach();
	pushback_submit_return(&a, REJECTED); /* not counted, but seen to be missed */
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	fire = fired(1);
	assert_true(fire->step.state & PUSHBACK_PARTIAL);
	assert_int_equal(fire->step.rejected, 2);
	assert_int_equal(fire->step.watch_accepted, 1);
	assert_int_equal(fire->step.watch_rejected, 1);
	pushback_submit_return(&a, ACCEPTED);
	fire = fired(1);
	assert_int_equal(fire->step.direction[SEND].partial, 1);
	assert_int_equal(fire->step.direction[SEND].closed, 0);
	assert_true(fire->step.state & PUSHBACK_PARTED);
	assert_false(fire->step.state & PUSHBACK_SAMPLE);
}

static void with_no_call_in_between_nothing_is_missed(void **state)
{
	const struct observer_fire *fire;
	uint64_t since;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	since = a.direction[SEND].since;
	observer_detach();
	observer_attach();
	pushback_submit_return(&a, ACCEPTED);
	fire = fired(2);
	assert_int_equal(fire->step.direction[SEND].closed, 1);
	assert_true(fire->step.direction[SEND].closed_ns > 0);
	assert_true(fire->step.watch_since <= since);
}

static void two_observers_see_the_same(void **state)
{
	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	observer_raise(1);
	pushback_submit_return(&a, REJECTED);
	fired(1);
	observer_raise(-1);
	pushback_submit_return(&a, ACCEPTED);
	assert_int_equal(fired(1)->step.direction[SEND].closed, 1);
}

/* ---- The armed check ---- */

static void what_no_site_could_tell_is_told_with_the_next_return(void **state)
{
	const struct observer_fire *fire;
	int i;

	(void)state;
	observer_raise(1);
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, ACCEPTED);
	for (i = 0; i < 200; i++)
		pushback_submit_return(&a, ACCEPTED);
	fired(0);
	assert_true(a.state & PUSHBACK_UNTOLD);
	observer_arm(OBSERVER_ALL);
	pushback_submit_return(&a, ACCEPTED); /* no edge */
	fire = fired(1);
	assert_int_equal(fire->step.accepted, 202);
	assert_int_equal(fire->step.direction[SEND].closed, 1);
	assert_true(fire->step.state & PUSHBACK_SAMPLE);
	assert_false(fire->step.state & PUSHBACK_UNTOLD);
	for (i = 0; i < 200; i++)
		pushback_submit_return(&a, ACCEPTED);
	fired(0);
}

static void an_edge_while_not_armed_is_told_later(void **state)
{
	const struct observer_fire *fire;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, ACCEPTED);
	fired(1);
	observer_arm(0);
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, REJECTED);
	observer_arm(OBSERVER_ALL);
	pushback_submit_return(&a, REJECTED);
	fire = fired(1);
	assert_true(fire->step.state & OPEN_SEND);
	assert_false(fire->step.state & PUSHBACK_BEAT);
	assert_int_equal(fire->no, 4);
}

static void another_site_tells_what_one_could_not(void **state)
{
	(void)state;
	observer_raise(1);
	observer_arm(1u << PUSHBACK_POLL_RETURN);
	pushback_submit_return(&a, REJECTED);
	pushback_forward_return(&a, REJECTED);
	fired(0);
	pushback_poll_return(&a, 0);
	assert_int_equal(fired(1)->step.state & PUSHBACK_OPEN_ANY, OPEN_SEND | OPEN_RECEIVE);
}

/* As fast as it can, for three ticks of the coarse clock. */
static void spin(int outcome)
{
	uint64_t end = pushback_clock_coarse() + 30 * 1000000;

	while (pushback_clock_coarse() < end)
		pushback_submit_return(&a, outcome);
}

/* Attached to other sites only: the clock is looked at as ever, and news is kept. */
static void a_site_that_nobody_arms_costs_no_clock_for_ever(void **state)
{
	int i;

	(void)state;
	observer_raise(1);
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, REJECTED);
	assert_int_equal(a.countdown, 0);
	age(&a, 2 * SECOND);
	spin(REJECTED);
	assert_true(a.look_every > 1);
	observer_arm(OBSERVER_ALL);
	for (i = 0; i < 61; i++)
		pushback_submit_return(&a, REJECTED);
	assert_true(fired(1)->step.state & OPEN_SEND);
}

/* ---- Heartbeats and the bound ---- */

static void a_heartbeat_shows_what_is_open(void **state)
{
	const struct observer_fire *fire;
	uint64_t since;
	int i;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, ACCEPTED);
	fired(2);
	a.bound = UINT64_MAX; /* from here on cycles are folded */
	pushback_submit_return(&a, REJECTED);
	since = a.direction[SEND].since;
	for (i = 0; i < 500; i++)
		pushback_submit_return(&a, REJECTED);
	fired(0);
	age(&a, SECOND);
	for (i = 0; i < 61; i++)
		pushback_submit_return(&a, REJECTED);
	fire = fired(1);
	assert_true(fire->step.state & PUSHBACK_BEAT);
	assert_true(fire->step.state & OPEN_SEND);
	assert_true(fire->step.direction[SEND].since == since);
	/* Shown open, so its end is fired, and is a sample; the next cycle is folded again. */
	pushback_submit_return(&a, ACCEPTED);
	fire = fired(1);
	assert_true(fire->step.state & PUSHBACK_SAMPLE);
	assert_false(fire->step.state & PUSHBACK_BEAT);
	assert_int_equal(fire->step.direction[SEND].folded, 0);
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, ACCEPTED);
	fired(0);
	assert_int_equal(a.direction[SEND].folded, 1);
}

static void overlapping_directions_do_not_show_each_other_for_ever(void **state)
{
	int i;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, REJECTED);
	pushback_submit_return(&a, ACCEPTED);
	a.bound = UINT64_MAX;
	pushback_submit_return(&a, REJECTED);
	age(&a, SECOND);
	for (i = 0; i < 61; i++)
		pushback_submit_return(&a, REJECTED);
	fired(3);
	for (i = 0; i < 100; i++) {
		pushback_forward_return(&a, REJECTED);
		pushback_submit_return(&a, ACCEPTED);
		pushback_submit_return(&a, REJECTED);
		pushback_forward_return(&a, ACCEPTED);
	}
	fired(1); /* the end of the one that the heartbeat has shown */
	assert_int_equal(a.direction[SEND].closed, 101);
	assert_int_equal(a.direction[SEND].folded, 99);
	assert_int_equal(a.direction[RECEIVE].folded, 100);
}

static void healthy_steps_beat_at_either_site(void **state)
{
	unsigned int seen = 0, i, n;

	(void)state;
	observer_attach();
	for (n = 0; n < 20; n++) {
		for (i = 0; i < 500; i++) {
			pushback_submit_return(&b, ACCEPTED);
			pushback_forward_return(&a, ACCEPTED);
			pushback_submit_return(&a, ACCEPTED);
		}
		a.fired = 0;
	}
	for (i = 0; i < observer_count; i++)
		if (observer_fires[i].place == &a)
			seen |= 1u << observer_fires[i].site;
	assert_int_equal(seen, 1u << PUSHBACK_SUBMIT_RETURN | 1u << PUSHBACK_FORWARD_RETURN);
}

/* From millions of returns a second to one a second: each one is looked at again. */
static void looks_follow_the_rate_down(void **state)
{
	unsigned int every, i;

	(void)state;
	observer_attach();
	spin(ACCEPTED);
	every = a.look_every;
	assert_in_range(every, 2, PUSHBACK_LOOK_MOST);
	age(&a, 61 * SECOND);
	for (i = 0; i < every && a.look_every == every; i++)
		pushback_submit_return(&a, ACCEPTED);
	assert_int_equal(a.look_every, 1);
}

/* ---- Probes other than submit ---- */

static void forward_and_poll_have_their_arguments(void **state)
{
	const struct observer_fire *fire;

	(void)state;
	observer_attach();
	pushback_submit_return(&b, REJECTED);
	fired(1);
	pushback_forward_return(&a, PROPAGATED);
	fire = fired(1);
	assert_int_equal(fire->site, PUSHBACK_FORWARD_RETURN);
	assert_int_equal(fire->value, PROPAGATED);
	assert_int_equal(fire->yes, 0);
	assert_int_equal(fire->no, 1);
	assert_ptr_equal(fire->next, &b);
	assert_int_equal(fire->step.next, (uintptr_t)&b);
	pushback_submit_return(&a, REJECTED);
	fired(1);
	pushback_poll_return(&a, 77);
	fire = fired(1);
	assert_int_equal(fire->site, PUSHBACK_POLL_RETURN);
	assert_int_equal(fire->value, 1);
	assert_int_equal(fire->yes, 0);
	assert_int_equal(fire->no, 1);
	assert_null(fire->next);
	assert_int_equal(fire->step.state & PUSHBACK_OPEN_ANY, OPEN_RECEIVE);
	assert_int_equal(fire->step.next, (uintptr_t)&b);
}

/* The next step that a forward of `a` reports right now, by an edge each time. */
static const struct pushback_step *next_of_a(void)
{
	pushback_forward_return(&a, a.state & OPEN_RECEIVE ? ACCEPTED : REJECTED);
	return fired(1)->next;
}

static void *submit_b(void *unused)
{
	pushback_submit_return(&b, ACCEPTED);
	return unused;
}

static void the_next_step_is_the_one_called_last(void **state)
{
	pthread_t thread;

	(void)state;
	observer_attach();
	pushback_submit_return(&b, ACCEPTED);
	fired(1);
	assert_ptr_equal(next_of_a(), &b);
	assert_null(next_of_a()); /* forgotten */
	pushback_submit_return(&a, ACCEPTED);
	assert_null(next_of_a()); /* never itself */
	pushback_submit_return(&b, ACCEPTED);
	pushback_poll_return(&a, 0);
	assert_null(next_of_a());
	pushback_submit_return(&b, ACCEPTED);
	pushback_submit_enter(&a);
	assert_null(next_of_a());
	pushback_submit_return(&b, ACCEPTED);
	pushback_poll_enter(&a);
	assert_null(next_of_a());
	pushback_submit_return(&b, ACCEPTED);
	pushback_step_end(&b);
	fired(1);
	assert_null(next_of_a());
	/* Per thread. */
	assert_int_equal(pthread_create(&thread, NULL, submit_b, NULL), 0);
	pthread_join(thread, NULL);
	fired(1);
	assert_null(next_of_a());
}

static void marks_and_depth(void **state)
{
	uint64_t in_submit, in_poll;
	int i;

	(void)state;
	observer_attach();
	pushback_submit_return(&a, ACCEPTED);
	pushback_submit_enter(&a);
	in_submit = a.inside;
	assert_int_equal(in_submit & 3, 1);
	assert_int_equal(in_submit & ~3ull, (uint64_t)pthread_self());
	pushback_submit_return(&a, ACCEPTED);
	assert_int_equal(a.inside, 0);
	pushback_poll_enter(&a);
	in_poll = a.inside;
	assert_int_equal(in_poll, (in_submit & ~3ull) | 2);
	pushback_poll_return(&a, 0);
	assert_int_equal(a.inside, 0);
	pushback_depth(&a, 7, 8);
	fired(1);
	age(&a, SECOND);
	for (i = 0; i < 61; i++)
		pushback_poll_return(&a, 0);
	assert_int_equal(fired(1)->step.depth, 7 | 8ull << 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unwatched_costs_nothing_and_marks_missed),
		TEST(a_fresh_step_begins_true),
		TEST(a_missed_step_begins_partial_with_its_totals),
		TEST(with_no_call_in_between_nothing_is_missed),
		TEST(two_observers_see_the_same),
		TEST(what_no_site_could_tell_is_told_with_the_next_return),
		TEST(an_edge_while_not_armed_is_told_later),
		TEST(another_site_tells_what_one_could_not),
		TEST(a_site_that_nobody_arms_costs_no_clock_for_ever),
		TEST(a_heartbeat_shows_what_is_open),
		TEST(overlapping_directions_do_not_show_each_other_for_ever),
		TEST(healthy_steps_beat_at_either_site),
		TEST(looks_follow_the_rate_down),
		TEST(forward_and_poll_have_their_arguments),
		TEST(the_next_step_is_the_one_called_last),
		TEST(marks_and_depth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
