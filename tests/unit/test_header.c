/* SPDX-License-Identifier: MIT */
/* The state machine of pushback.h, row by row of its table; no probes, no clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "machine.h"
#include "pushback_abi.h"

#define MS     1000000ull
#define SECOND (1000 * MS)
/* Long enough after zero that the rate bound's allowance is whole. */
#define START (1000 * SECOND)

#define ACCEPTED   PUSHBACK_ACCEPTED
#define REJECTED   PUSHBACK_REJECTED
#define PROPAGATED PUSHBACK_PROPAGATED
#define INVALID    PUSHBACK_INVALID
#define SEND       PUSHBACK_SEND
#define RECEIVE    PUSHBACK_RECEIVE

#define OPEN(s, direction) (((s).state >> (direction)) & PUSHBACK_OPEN)

static const struct pushback_step fresh = PUSHBACK_STEP_INIT("step");

/* As pushback_begin() leaves one that ran before. */
static struct pushback_step missed(void)
{
	struct pushback_step s = fresh;

	pushback_miss_begin(&s);
	return s;
}

static void assert_counts(const struct pushback_step *s, uint64_t accepted, uint64_t rejected,
			  uint64_t forwarded, uint64_t refused)
{
	assert_int_equal(s->accepted, accepted);
	assert_int_equal(s->rejected, rejected);
	assert_int_equal(s->forwarded, forwarded);
	assert_int_equal(s->refused, refused);
}

static void assert_ends(const struct pushback_step *s, unsigned int direction, uint64_t closed,
			uint64_t partial, uint64_t abandoned)
{
	assert_int_equal(s->direction[direction].closed, closed);
	assert_int_equal(s->direction[direction].partial, partial);
	assert_int_equal(s->direction[direction].abandoned, abandoned);
}

static void assert_times(const struct pushback_step *s, unsigned int direction, uint64_t closed,
			 uint64_t partial, uint64_t abandoned)
{
	assert_int_equal(s->direction[direction].closed_ns, closed);
	assert_int_equal(s->direction[direction].partial_ns, partial);
	assert_int_equal(s->direction[direction].abandoned_ns, abandoned);
}

/* ---- The table ---- */

static void submit_rejected_opens_send(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	assert_int_not_equal(machine_submit(&s, REJECTED, START), 0);
	assert_true(OPEN(s, SEND));
	assert_false(OPEN(s, RECEIVE));
	assert_int_equal(s.direction[SEND].since, START);
	/* Each attempt counts; the beginning stays. */
	assert_int_equal(machine_submit(&s, REJECTED, START + MS), 0);
	assert_int_equal(machine_submit(&s, REJECTED, START + 2 * MS), 0);
	assert_int_equal(s.direction[SEND].since, START);
	assert_counts(&s, 0, 3, 0, 0);
	assert_int_equal(pushback_time(&s, SEND, START + 5 * MS), 5 * MS);
	assert_ends(&s, SEND, 0, 0, 0);
}

static void submit_accepted_closes_send(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	assert_int_equal(machine_submit(&s, ACCEPTED, START - MS), 0);
	machine_submit(&s, REJECTED, START);
	assert_int_not_equal(machine_submit(&s, ACCEPTED, START + 7 * MS), 0);
	assert_false(OPEN(s, SEND));
	assert_int_equal(s.direction[SEND].since, 0);
	assert_int_equal(s.direction[SEND].last, 7 * MS);
	assert_ends(&s, SEND, 1, 0, 0);
	assert_times(&s, SEND, 7 * MS, 0, 0);
	assert_ends(&s, RECEIVE, 0, 0, 0);
	assert_counts(&s, 2, 1, 0, 0);
	assert_int_equal(pushback_time(&s, SEND, START + 99 * MS), 7 * MS);
	/* It is not closed twice. */
	assert_int_equal(machine_submit(&s, ACCEPTED, START + 8 * MS), 0);
	assert_ends(&s, SEND, 1, 0, 0);
}

static void submit_propagated_and_invalid_change_nothing(void **state)
{
	static const int outcomes[] = { PROPAGATED, INVALID, 4, 1000, -1, INT32_MAX, INT32_MIN };
	struct pushback_step closed = fresh, open = fresh, before;
	size_t i;

	(void)state;
	machine_submit(&open, REJECTED, START);
	before = open;
	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		assert_int_equal(machine_submit(&closed, outcomes[i], START + MS), 0);
		assert_int_equal(machine_submit(&open, outcomes[i], START + MS), 0);
	}
	assert_memory_equal(&closed, &fresh, sizeof(fresh));
	assert_memory_equal(&open, &before, sizeof(before));
}

static void forward_refused_opens_receive(void **state)
{
	static const int outcomes[] = { REJECTED, PROPAGATED };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct pushback_step s = fresh;

		assert_int_not_equal(machine_forward(&s, outcomes[i], START), 0);
		assert_int_equal(machine_forward(&s, outcomes[i], START + MS), 0);
		assert_true(OPEN(s, RECEIVE));
		assert_false(OPEN(s, SEND));
		assert_int_equal(s.direction[RECEIVE].since, START);
		assert_counts(&s, 0, 0, 0, 2);
	}
}

static void forward_accepted_closes_receive(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	assert_int_equal(machine_forward(&s, ACCEPTED, START), 0);
	machine_forward(&s, PROPAGATED, START + MS);
	assert_int_not_equal(machine_forward(&s, ACCEPTED, START + 4 * MS), 0);
	assert_ends(&s, RECEIVE, 1, 0, 0);
	assert_times(&s, RECEIVE, 3 * MS, 0, 0);
	assert_ends(&s, SEND, 0, 0, 0);
	assert_counts(&s, 0, 0, 2, 1);
	assert_int_equal(s.direction[RECEIVE].since, 0);
}

static void forward_invalid_changes_nothing(void **state)
{
	static const int outcomes[] = { INVALID, 4, 1000, -1, INT32_MAX, INT32_MIN };
	struct pushback_step s = fresh, before;
	size_t i;

	(void)state;
	machine_forward(&s, REJECTED, START);
	before = s;
	for (i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++)
		assert_int_equal(machine_forward(&s, outcomes[i], START + MS), 0);
	assert_memory_equal(&s, &before, sizeof(before));
}

static void poll_ready_closes_send_only(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	assert_int_equal(machine_poll(&s, 1, START - MS), 0);
	machine_submit(&s, REJECTED, START);
	machine_forward(&s, REJECTED, START);
	assert_int_equal(machine_poll(&s, 0, START + MS), 0);
	assert_true(OPEN(s, SEND));
	assert_int_not_equal(machine_poll(&s, 1, START + 2 * MS), 0);
	assert_false(OPEN(s, SEND));
	assert_true(OPEN(s, RECEIVE));
	assert_ends(&s, SEND, 1, 0, 0);
	assert_times(&s, SEND, 2 * MS, 0, 0);
	/* Neither accepted nor rejected is counted by a poll. */
	assert_counts(&s, 0, 1, 0, 1);
}

static void abandoned_are_counted_with_their_time(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	machine_submit(&s, REJECTED, START);
	machine_forward(&s, REJECTED, START + MS);
	s.state |= PUSHBACK_SHOWN | PUSHBACK_SHOWN << 1;
	pushback_abandon(&s, START + 3 * MS);
	assert_ends(&s, SEND, 0, 0, 1);
	assert_ends(&s, RECEIVE, 0, 0, 1);
	assert_times(&s, SEND, 0, 0, 3 * MS);
	assert_times(&s, RECEIVE, 0, 0, 2 * MS);
	assert_int_equal(s.self_ns, MS);
	assert_int_equal(pushback_time(&s, SEND, START + 9 * MS), 3 * MS);
	assert_int_equal(pushback_self_time(&s, START + 9 * MS), MS);
	assert_int_equal(s.direction[SEND].last, 0);
	/* Once. */
	pushback_abandon(&s, START + 4 * MS);
	assert_ends(&s, SEND, 0, 0, 1);
	assert_false(s.state & (PUSHBACK_SHOWN | PUSHBACK_SHOWN << 1));
}

static void nothing_open_abandons_nothing(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	machine_submit(&s, REJECTED, START);
	machine_submit(&s, ACCEPTED, START + MS);
	pushback_abandon(&s, START + 3 * MS);
	assert_ends(&s, SEND, 1, 0, 0);
	assert_ends(&s, RECEIVE, 0, 0, 0);
}

/* ---- Partial ---- */

static void what_ran_unwatched_is_partial(void **state)
{
	struct pushback_step s = missed();

	(void)state;
	machine_submit(&s, REJECTED, START);
	machine_submit(&s, REJECTED, START + MS);
	assert_true(s.state & PUSHBACK_PARTIAL);
	machine_submit(&s, ACCEPTED, START + 4 * MS);
	assert_ends(&s, SEND, 0, 1, 0);
	assert_times(&s, SEND, 0, 4 * MS, 0);
	assert_int_equal(s.direction[SEND].folded, 0);
	assert_int_equal(s.direction[SEND].last, 0);
	assert_false(s.state & (PUSHBACK_SAMPLE | PUSHBACK_PARTIAL));
	assert_true(s.state & PUSHBACK_PARTED);
	assert_int_equal(pushback_time(&s, SEND, START + 9 * MS), 4 * MS);
	/* The next one is seen from its beginning. */
	machine_submit(&s, REJECTED, START + 5 * MS);
	machine_submit(&s, ACCEPTED, START + 6 * MS);
	assert_ends(&s, SEND, 1, 1, 0);
	assert_times(&s, SEND, MS, 4 * MS, 0);
}

/* Each direction by itself; an acceptance or a ready poll says that none is open. */
static void an_acceptance_ends_the_not_knowing(void **state)
{
	struct pushback_step s = missed();

	(void)state;
	machine_submit(&s, ACCEPTED, START);
	machine_submit(&s, REJECTED, START + MS);
	machine_submit(&s, ACCEPTED, START + 2 * MS);
	assert_ends(&s, SEND, 1, 0, 0);
	machine_forward(&s, REJECTED, START + 3 * MS);
	machine_forward(&s, ACCEPTED, START + 4 * MS);
	assert_ends(&s, RECEIVE, 0, 1, 0);

	s = missed();
	machine_poll(&s, 1, START);
	machine_submit(&s, REJECTED, START + MS);
	machine_submit(&s, ACCEPTED, START + 2 * MS);
	assert_ends(&s, SEND, 1, 0, 0);

	s = missed();
	machine_poll(&s, 0, START);
	machine_submit(&s, PROPAGATED, START);
	machine_submit(&s, INVALID, START);
	machine_submit(&s, REJECTED, START + MS);
	machine_submit(&s, ACCEPTED, START + 2 * MS);
	assert_ends(&s, SEND, 0, 1, 0);
}

static void abandoned_wins_over_partial(void **state)
{
	struct pushback_step s = missed();

	(void)state;
	machine_submit(&s, REJECTED, START);
	pushback_abandon(&s, START + MS);
	assert_ends(&s, SEND, 0, 0, 1);
	assert_times(&s, SEND, 0, 0, MS);
	assert_false(s.state & PUSHBACK_PARTIAL);
}

static void missing_drops_what_was_open_and_keeps_totals(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	machine_submit(&s, REJECTED, START);
	machine_submit(&s, ACCEPTED, START + MS);
	machine_submit(&s, REJECTED, START + 2 * MS);
	machine_forward(&s, REJECTED, START + 2 * MS);
	s.state |= PUSHBACK_NAME_CUT | PUSHBACK_UNTOLD | PUSHBACK_SHOWN;
	pushback_miss_begin(&s);
	assert_counts(&s, 1, 2, 0, 1);
	assert_ends(&s, SEND, 0, 0, 0);
	assert_times(&s, SEND, 0, 0, 0);
	assert_int_equal(s.direction[SEND].since, 0);
	assert_int_equal(s.direction[RECEIVE].since, 0);
	assert_int_equal(pushback_time(&s, SEND, START + SECOND), 0);
	assert_int_equal(pushback_self_time(&s, START + SECOND), 0);
	assert_int_equal(s.state, PUSHBACK_NAME_CUT | PUSHBACK_UNKNOWN | PUSHBACK_UNKNOWN << 1);
}

/* ---- Self time ---- */

/*
 * send and receive as pairs of times in ms (0: never), and what the self time is. All orders in
 * which two intervals can lie.
 */
static void self_time_in_all_orders(void **state)
{
	static const struct {
		unsigned int send[2], receive[2], self;
	} cases[] = {
		{ { 1, 5 }, { 0, 0 }, 4 }, /* no receive */
		{ { 0, 0 }, { 1, 5 }, 0 }, /* no send */
		{ { 1, 3 }, { 4, 6 }, 2 }, /* before */
		{ { 1, 3 }, { 3, 6 }, 2 }, /* touching */
		{ { 1, 5 }, { 3, 8 }, 2 }, /* overlapping, send first */
		{ { 1, 9 }, { 3, 5 }, 6 }, /* receive inside */
		{ { 1, 9 }, { 1, 5 }, 4 }, /* same beginning, receive ends first */
		{ { 1, 5 }, { 1, 9 }, 0 }, /* same beginning, send ends first */
		{ { 1, 5 }, { 1, 5 }, 0 }, /* the same */
		{ { 1, 5 }, { 2, 5 }, 1 }, /* same end */
		{ { 3, 5 }, { 1, 9 }, 0 }, /* send inside */
		{ { 3, 9 }, { 1, 5 }, 4 }, /* overlapping, receive first */
		{ { 4, 6 }, { 1, 3 }, 2 }, /* after */
	};
	unsigned int t, swapped;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]) * 2; i++) {
		struct pushback_step s = fresh;
		const unsigned int *send = cases[i / 2].send, *receive = cases[i / 2].receive;

		/* Events of one instant in both orders: no time passes between them. */
		for (t = 1; t < 10; t++)
			for (swapped = 0; swapped < 2; swapped++) {
				if ((i & 1) == swapped && (t == send[0] || t == send[1]))
					machine_submit(&s, t == send[0] ? REJECTED : ACCEPTED,
						       START + t * MS);
				if ((i & 1) != swapped && (t == receive[0] || t == receive[1]))
					machine_forward(&s, t == receive[0] ? REJECTED : ACCEPTED,
							START + t * MS);
			}
		assert_int_equal(s.self_ns, cases[i / 2].self * MS);
		assert_int_equal(s.self_since, 0);
		assert_int_equal(s.direction[SEND].closed_ns, (send[1] - send[0]) * MS);
		assert_int_equal(s.direction[RECEIVE].closed_ns, (receive[1] - receive[0]) * MS);
	}
}

static void self_time_runs_while_open(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	machine_submit(&s, REJECTED, START);
	assert_int_equal(pushback_self_time(&s, START + 3 * MS), 3 * MS);
	machine_forward(&s, REJECTED, START + 4 * MS);
	assert_int_equal(pushback_self_time(&s, START + 9 * MS), 4 * MS);
	assert_int_equal(pushback_time(&s, SEND, START + 9 * MS), 9 * MS);
}

/* BPF's clock may be behind the one that the consumer has read. */
static void a_clock_behind_makes_no_time(void **state)
{
	struct pushback_step s = fresh, ended;

	(void)state;
	machine_submit(&s, REJECTED, START);
	assert_int_equal(pushback_time(&s, SEND, START - 5), 0);
	assert_int_equal(pushback_self_time(&s, START - 5), 0);
	ended = s;
	pushback_abandon(&ended, START - 5);
	assert_times(&ended, SEND, 0, 0, 0);
	assert_int_equal(ended.self_ns, 0);
	machine_submit(&s, ACCEPTED, START - 5);
	assert_times(&s, SEND, 0, 0, 0);
	assert_int_equal(s.self_ns, 0);
}

/* ---- The rate bound ---- */

/* One cycle of two edges; were both to be told? */
static int cycle(struct pushback_step *s, uint64_t now, uint64_t took)
{
	unsigned int opened = machine_submit(s, REJECTED, now);
	unsigned int closed = machine_submit(s, ACCEPTED, now + took);

	assert_int_equal(!opened, !closed);
	s->state &= ~(PUSHBACK_SAMPLE | PUSHBACK_SAMPLE << 1);
	return opened != 0;
}

static void the_allowance_is_64_edges_at_once(void **state)
{
	struct pushback_step s = fresh;
	int i, told = 0;

	(void)state;
	for (i = 0; i < 100; i++) {
		told += cycle(&s, START + (uint64_t)i, 1);
		assert_int_equal(told, i < 32 ? i + 1 : 32);
	}
	assert_ends(&s, SEND, 100, 0, 0);
	assert_times(&s, SEND, 100, 0, 0);
	assert_int_equal(s.direction[SEND].folded, 68);
	assert_int_equal(s.direction[SEND].folded_ns, 68);
	/* One edge comes back each 2 ms, and after a rest all 64. */
	assert_int_equal(cycle(&s, START + 2 * MS - 1, 1), 0);
	assert_int_equal(cycle(&s, START + 2 * MS, 1), 1);
	assert_int_equal(cycle(&s, START + 2 * MS + 2, 1), 0);
	for (told = 0, i = 0; i < 100; i++)
		told += cycle(&s, START + SECOND + (uint64_t)i, 1);
	assert_int_equal(told, 32);
}

static void in_the_long_run_one_edge_in_2_ms(void **state)
{
	static const uint64_t period[] = { 1000, 7919, 100003, 999983 };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct pushback_step s = fresh;
		uint64_t t, told = 0, cycles = 0;

		for (t = 0; t < SECOND; t += period[i], cycles++)
			told += (uint64_t)cycle(&s, START + t, period[i] / 2);
		assert_in_range(told, 249, 250 + 32);
		assert_int_equal(s.direction[SEND].folded, cycles - told);
	}
	/* Slower than one edge in 2 ms: none is folded. */
	struct pushback_step s = fresh;

	for (i = 0; i < 1000; i++)
		assert_true(cycle(&s, START + 4 * i * MS, 10));
	assert_int_equal(s.direction[SEND].folded, 0);
}

static void a_cycle_lasts_until_both_are_closed(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	s.bound = START + 2; /* nothing fires before */
	assert_int_equal(machine_submit(&s, REJECTED, START), 0);
	/* The bound is over, the cycle is still the folded one. */
	assert_int_equal(machine_forward(&s, REJECTED, START + 3), 0);
	assert_int_equal(machine_submit(&s, ACCEPTED, START + 4), 0);
	assert_int_equal(machine_submit(&s, REJECTED, START + 5), 0);
	assert_int_equal(machine_forward(&s, ACCEPTED, START + 6), 0);
	assert_int_equal(machine_submit(&s, ACCEPTED, START + 7), 0);
	assert_int_equal(s.direction[SEND].folded, 2);
	assert_int_equal(s.direction[RECEIVE].folded, 1);
	assert_int_not_equal(machine_submit(&s, REJECTED, START + 8), 0);
}

/* Directions that take turns are never closed both: the cycle is cut after 16 edges. */
static void a_cycle_is_cut_after_16_edges(void **state)
{
	struct pushback_step s = fresh;
	uint64_t now = START;
	int edge, told = 1;

	(void)state;
	machine_submit(&s, REJECTED, now);
	for (edge = 1; edge < 16 * 100; edge++) {
		now += 10;
		switch (edge % 4) {
		case 1:
			told += 0 != machine_forward(&s, REJECTED, now);
			break;
		case 2:
			told += 0 != machine_submit(&s, ACCEPTED, now);
			break;
		case 3:
			told += 0 != machine_submit(&s, REJECTED, now);
			break;
		default:
			told += 0 != machine_forward(&s, ACCEPTED, now);
			break;
		}
		assert_true(s.edges < 16);
		assert_true(s.state & PUSHBACK_OPEN_ANY);
	}
	/* It pays for all of them. */
	assert_int_equal(told, 64);
}

static void a_shown_end_is_told_whatever_the_cycle(void **state)
{
	struct pushback_step s = fresh;

	(void)state;
	s.bound = START + SECOND;
	assert_int_equal(machine_submit(&s, REJECTED, START), 0);
	s.state |= PUSHBACK_SHOWN;
	assert_int_not_equal(machine_submit(&s, ACCEPTED, START + MS), 0);
	assert_true(s.state & PUSHBACK_SAMPLE);
	assert_false(s.state & PUSHBACK_SHOWN);
	assert_int_equal(s.direction[SEND].folded, 0);
	assert_int_equal(s.direction[SEND].last, MS);
	/* The other one's end is not. */
	s.state &= ~PUSHBACK_SAMPLE;
	assert_int_equal(machine_forward(&s, REJECTED, START + 2 * MS), 0);
	assert_int_equal(machine_forward(&s, ACCEPTED, START + 3 * MS), 0);
	assert_int_equal(s.direction[RECEIVE].folded, 1);
	assert_false(s.state & (PUSHBACK_SAMPLE | PUSHBACK_SAMPLE << 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(submit_rejected_opens_send),
		cmocka_unit_test(submit_accepted_closes_send),
		cmocka_unit_test(submit_propagated_and_invalid_change_nothing),
		cmocka_unit_test(forward_refused_opens_receive),
		cmocka_unit_test(forward_accepted_closes_receive),
		cmocka_unit_test(forward_invalid_changes_nothing),
		cmocka_unit_test(poll_ready_closes_send_only),
		cmocka_unit_test(abandoned_are_counted_with_their_time),
		cmocka_unit_test(nothing_open_abandons_nothing),
		cmocka_unit_test(what_ran_unwatched_is_partial),
		cmocka_unit_test(an_acceptance_ends_the_not_knowing),
		cmocka_unit_test(abandoned_wins_over_partial),
		cmocka_unit_test(missing_drops_what_was_open_and_keeps_totals),
		cmocka_unit_test(self_time_in_all_orders),
		cmocka_unit_test(self_time_runs_while_open),
		cmocka_unit_test(a_clock_behind_makes_no_time),
		cmocka_unit_test(the_allowance_is_64_edges_at_once),
		cmocka_unit_test(in_the_long_run_one_edge_in_2_ms),
		cmocka_unit_test(a_cycle_lasts_until_both_are_closed),
		cmocka_unit_test(a_cycle_is_cut_after_16_edges),
		cmocka_unit_test(a_shown_end_is_told_whatever_the_cycle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
