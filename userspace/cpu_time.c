/* SPDX-License-Identifier: MIT */
#include "cpu_time.h"

#include <time.h>

uint64_t cpu_time_of(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	/* 0 would be our own. */
	if (pid <= 0 || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Thread_local uint64_t added;

uint64_t cpu_time_here(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + added;
}

void cpu_time_add_here(uint64_t ns)
{
	added += ns;
}
