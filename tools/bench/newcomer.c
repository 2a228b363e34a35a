/* SPDX-License-Identifier: MIT */
/*
 * newcomer - a consumer of one step that knows when it was first counted
 *
 *	newcomer [EVERY_US]
 *
 * Its step accepts a message every so many us (100), the first one at once. Says "ready" after that; for
 * each line of its input, and at the end of that, "state" with
 *	watched		the semaphore: who watches it now, times its sites
 *	began		time of its first return (CLOCK_MONOTONIC, ns)
 *	first		of the first one that was watched, 0 if there was none
 *	calls, missed	returns up to now, and those before that one
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <pushback.h>

static struct pushback_step step = PUSHBACK_STEP_INIT("newcomer");

static unsigned long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000000000u + (unsigned long)t.tv_nsec;
}

static void say_state(unsigned long began, unsigned long calls)
{
	unsigned long missed = calls;

	if (step.watch_since)
		missed -= step.accepted - step.watch_accepted;
	printf("state watched=%u began=%lu first=%lu calls=%lu missed=%lu\n", pushback_semaphore,
	       began, step.watch_since, calls, missed);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct timespec every = { .tv_nsec = (argc == 2 ? atol(argv[1]) : 100) * 1000 };
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	unsigned long began = 0, calls = 0;
	ssize_t size = 1;
	char line[16];

	while (size > 0) {
		pushback_submit_return(&step, PUSHBACK_ACCEPTED);
		if (++calls == 1) {
			began = now_ns();
			puts("ready");
			fflush(stdout);
		}
		if (ppoll(&input, 1, &every, NULL) <= 0)
			continue;
		size = read(STDIN_FILENO, line, sizeof(line));
		say_state(began, calls);
	}
	return 0;
}
