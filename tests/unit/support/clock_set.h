/* SPDX-License-Identifier: MIT */
/*
 * clock_set.h - the program's clock, set by the test
 *
 * Takes the place of the C library's clock_gettime() in the program that includes it, pushback.h's
 * readings among them: nothing depends on how fast the machine is. Goes on by CLOCK_TICK at each
 * reading.
 */
#ifndef CLOCK_SET_H
#define CLOCK_SET_H

#include <stdint.h>
#include <time.h>

#define CLOCK_TICK 20 /* ns */

static uint64_t clock_now = 1000000000000u;

int clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	clock_now += CLOCK_TICK;
	t->tv_sec = (time_t)(clock_now / 1000000000u);
	t->tv_nsec = (long)(clock_now % 1000000000u);
	return 0;
}

#endif /* CLOCK_SET_H */
