/* SPDX-License-Identifier: MIT */
/*
 * Heartbeats in real time: a driven step is told at most 1.25 s after it was last told, at any rate
 * of returns. All rates at once, a thread each. What the machine did to a thread (it came later
 * than its rate says) is not held against the header: it is added to what is allowed.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "watched.h"

#define ALLOWED (SECOND + SECOND / 4)

/* Returns `period` ns apart for `ns`, the first of them with an edge if `edge`. */
struct leg {
	uint64_t period;
	uint64_t ns;
	int edge;
};

struct driver {
	const char *name;
	struct leg legs[2];
	struct pushback_step step;
	pthread_t thread;
	uint64_t last;     /* return */
	uint64_t excused;  /* since the last fire */
	uint64_t worst;    /* gap between fires, less what is excused */
	unsigned int told; /* fires */
};

static void wait_until(uint64_t when, uint64_t period)
{
	struct timespec t = { (time_t)(when / SECOND), (long)(when % SECOND) };

	if (period >= SECOND / 1000)
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	else
		while (observer_now() < when)
			;
}

/* One return at `period` after the last one; keeps the book of its fires. */
static void drive_return(struct driver *d, uint64_t period, int outcome)
{
	uint64_t before = d->step.fired, now, gap;

	wait_until(d->last + period, period);
	now = observer_now();
	if (now > d->last + period)
		d->excused += now - d->last - period;
	d->last = now;
	pushback_submit_return(&d->step, outcome);
	gap = (d->step.fired != before ? d->step.fired : now) - before;
	if (before && gap > d->excused && gap - d->excused > d->worst)
		d->worst = gap - d->excused;
	if (d->step.fired != before) {
		d->told++;
		d->excused = 0;
	}
}

static void *drive(void *place)
{
	struct driver *d = place;
	int i, outcome = PUSHBACK_ACCEPTED;

	d->last = observer_now();
	for (i = 0; i < 2; i++) {
		uint64_t end = observer_now() + d->legs[i].ns;

		if (d->legs[i].edge)
			outcome = PUSHBACK_REJECTED;
		while (d->last < end)
			drive_return(d, d->legs[i].period, outcome);
	}
	return NULL;
}

static struct driver drivers[] = {
	{ .name = "3/s", .legs = { { SECOND / 3, 5 * SECOND, 0 }, { 1, 0, 0 } } },
	{ .name = "10/s", .legs = { { SECOND / 10, 5 * SECOND, 0 }, { 1, 0, 0 } } },
	{ .name = "100/s", .legs = { { SECOND / 100, 5 * SECOND, 0 }, { 1, 0, 0 } } },
	{ .name = "1000/s", .legs = { { SECOND / 1000, 5 * SECOND, 0 }, { 1, 0, 0 } } },
	{ .name = "1M/s", .legs = { { 1000, 5 * SECOND, 0 }, { 1, 0, 0 } } },
	{ .name = "1M/s to 10/s at an edge",
	  .legs = { { 1000, 2 * SECOND, 0 }, { SECOND / 10, 3 * SECOND, 1 } } },
	{ .name = "1000/s to 10/s at an edge",
	  .legs = { { SECOND / 1000, 2 * SECOND, 0 }, { SECOND / 10, 3 * SECOND, 1 } } },
	{ .name = "10/s to 1000/s",
	  .legs = { { SECOND / 10, 2 * SECOND, 0 }, { SECOND / 1000, 3 * SECOND, 0 } } },
};
#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static void a_driven_step_is_never_silent_for_long(void **state)
{
	size_t i, k, recorded;

	(void)state;
	observer_attach();
	for (i = 0; i < DRIVERS; i++) {
		pushback_step_init(&drivers[i].step, drivers[i].name);
		assert_int_equal(pthread_create(&drivers[i].thread, NULL, drive, &drivers[i]), 0);
	}
	for (i = 0; i < DRIVERS; i++)
		pthread_join(drivers[i].thread, NULL);
	for (i = 0; i < DRIVERS; i++) {
		printf("%-26s %u fires, at most %.3f s apart\n", drivers[i].name, drivers[i].told,
		       (double)drivers[i].worst / 1e9);
		for (recorded = 0, k = 0; k < observer_count; k++)
			recorded += observer_fires[k].place == &drivers[i].step;
		assert_int_equal(recorded, drivers[i].told);
	}
	for (i = 0; i < DRIVERS; i++) {
		assert_in_range(drivers[i].worst, 0, ALLOWED);
		/* About one a second, not more: one at the beginning, one for each edge. */
		assert_in_range(drivers[i].told, 3, 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_driven_step_is_never_silent_for_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
