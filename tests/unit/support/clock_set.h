/* SPDX-License-Identifier: MIT */
/*
 * clock_set.h - the program's clock, set by the test
 *
 * Takes the place of the C library's clock_gettime() in the program that includes it, pushback.h's
 * readings among them: nothing depends on how fast the machine is. Goes on by CLOCK_READ at each
 * reading; the coarse clock only every `clock_tick`.
 */
#ifndef CLOCK_SET_H
#define CLOCK_SET_H

#include <stdint.h>
#include <time.h>

#define CLOCK_READ 20 /* ns */

static uint64_t clock_now = 1000000000000u;
static uint64_t clock_tick = 1;

int clock_gettime(clockid_t id, struct timespec *t)
{
	uint64_t now = clock_now += CLOCK_READ;

	if (id == CLOCK_MONOTONIC_COARSE)
		now -= now % clock_tick;
	t->tv_sec = (time_t)(now / 1000000000u);
	t->tv_nsec = (long)(now % 1000000000u);
	return 0;
}

#endif /* CLOCK_SET_H */
