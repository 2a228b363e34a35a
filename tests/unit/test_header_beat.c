/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats: a driven step is told about once a second, at any rate of returns and also when the rate
 * changes without an edge. Only a step that spins can be late, by the returns between two looks.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "clock_set.h"
#include "seed.h"
#include "watched.h"

#define MSEC  1000000ull
#define QUICK 5 /* ns between the returns of one turn */

/* Turns of a consumer's loop `period` ns apart for `ns`, `returns` of the step in each. */
struct leg {
	uint64_t period;
	uint64_t ns;
	unsigned int returns;
	uint64_t grows; /* the period, by this factor each turn; 0 not */
};

struct watch {
	uint64_t told;      /* when it was last */
	uint64_t worst;     /* gap between two fires, or since the last */
	unsigned int late;  /* returns since a heartbeat was due */
	unsigned int later; /* most of them */
};

/* As a step in a chain: its own submit, or what it handed on. */
static void drive_return(struct watch *w, unsigned int i)
{
	unsigned int before = observer_count;

	if (i % 2)
		pushback_forward_return(&a, ACCEPTED);
	else
		pushback_submit_return(&a, ACCEPTED);
	if (clock_now - w->told > w->worst)
		w->worst = clock_now - w->told;
	w->late += clock_now - w->told >= SECOND;
	if (w->late > w->later)
		w->later = w->late;
	if (observer_count != before) {
		w->told = clock_now;
		w->late = 0;
	}
}

static void drive(struct watch *w, const struct leg *leg)
{
	uint64_t end = clock_now + leg->ns, period = leg->period;
	unsigned int i;

	while (clock_now < end) {
		for (i = 0; i < leg->returns; i++) {
			drive_return(w, i);
			clock_now += QUICK;
		}
		clock_now += period;
		if (leg->grows)
			period *= leg->grows;
	}
}

static struct watch begin(void)
{
	struct watch w = { .told = clock_now };

	observer_attach();
	return w;
}

static void at_a_rate(void **state, uint64_t period, unsigned int returns)
{
	const struct leg leg = { period, 5 * SECOND, returns, 0 };
	struct watch w;

	set_up(state);
	w = begin();
	drive(&w, &leg);
	tear_down(state);
	assert_in_range(w.worst, 0, SECOND + 4 * period + clock_tick + 1000);
	assert_in_range(observer_count, 4, 6);
}

/* One fire at the beginning, then a beat a second, no more than a few turns and a tick late. */
static void at_any_rate(void **state)
{
	static const uint64_t periods[] = { 4000, 10000, MSEC, 10 * MSEC, 100 * MSEC, 300 * MSEC };
	static const uint64_t ticks[] = { 1, MSEC, 4 * MSEC, 10 * MSEC };
	unsigned int i, k, returns;

	for (k = 0; k < sizeof(ticks) / sizeof(ticks[0]); k++) {
		clock_tick = ticks[k];
		for (i = 0; i < sizeof(periods) / sizeof(periods[0]); i++)
			for (returns = 1; returns <= 4; returns++)
				at_a_rate(state, periods[i], returns);
	}
	clock_tick = 1;
}

static void a_spinning_step_is_late_by_a_look(void **state)
{
	const struct leg spins = { 10, SECOND * 3 / 2, 2, 0 };
	struct watch w = begin();

	(void)state;
	drive(&w, &spins);
	fired(2);
	assert_in_range(w.later, 1, PUSHBACK_LOOK_MOST);
	assert_in_range(w.worst, SECOND, SECOND + 10000);
}

/* From 100,000 turns a second to ten, and no edge between. */
static void a_slow_down_is_seen_at_once(void **state)
{
	const struct leg quick = { 10000, SECOND / 2, 3, 0 }, slow = { 100 * MSEC, SECOND, 3, 0 };
	struct watch w = begin();

	(void)state;
	drive(&w, &quick);
	drive(&w, &slow);
	fired(2);
	assert_in_range(w.worst, SECOND, SECOND + 200 * MSEC);
}

/* What the manual says: the returns between two looks, now slow ones, go by first. */
static void from_a_spin_it_takes_a_look(void **state)
{
	const struct leg spin = { 10, SECOND / 2, 1, 0 }, slow = { 100 * MSEC, 7 * SECOND, 1, 0 };
	struct watch w = begin();

	(void)state;
	drive(&w, &spin);
	drive(&w, &slow);
	assert_in_range(w.later, 1, PUSHBACK_LOOK_MOST);
	assert_int_equal(a.look_every, 1);
}

/* Each wait twice the one before. */
static void a_caller_that_backs_off(void **state)
{
	const struct leg leg = { 5000, 8 * SECOND, 3, 2 };
	struct watch w = begin();

	(void)state;
	drive(&w, &leg);
	/* At a period of more than a second each turn tells it. */
	assert_in_range(w.later, 1, 4);
}

static void any_rates_in_turn(void **state)
{
	struct seed seed = seed_new("any_rates_in_turn");
	unsigned int run, i;

	(void)state;
	for (run = 0; run < 300; run++) {
		struct watch w;

		set_up(state);
		w = begin();
		for (i = 0; i < 20; i++) {
			struct leg leg = { .period = 1 + seed_log(&seed, 28),
					   .returns = 1 + (unsigned int)seed_below(&seed, 5) };

			leg.ns = leg.period * (1 + seed_below(&seed, 3000));
			drive(&w, &leg);
		}
		tear_down(state);
		assert_in_range(w.later, 0, PUSHBACK_LOOK_MOST + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_any_rate),
		TEST(a_spinning_step_is_late_by_a_look),
		TEST(a_slow_down_is_seen_at_once),
		TEST(from_a_spin_it_takes_a_look),
		TEST(a_caller_that_backs_off),
		TEST(any_rates_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
