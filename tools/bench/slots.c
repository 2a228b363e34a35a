/* SPDX-License-Identifier: MIT */
/*
 * slots - a consumer without our probes that spins: it tries again until its sink has a slot
 *
 *	slots RATE FILE
 *
 * RATE slots a second come free. What it knows of itself is in FILE, a struct slots. Runs until its input
 * ends. Its submit has a return of its own for each result.
 */
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "slots.h"

#define STEP __attribute__((noinline, noclone, noipa))

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* An empty asm in each, so that the compiler does not make one return of both. */
static STEP int slots_submit(struct slots *s, uint64_t due)
{
	if (s->accepted >= due) {
		s->rejected++;
		__asm__ volatile("" ::: "memory");
		return -11;
	}
	s->accepted++;
	__asm__ volatile("" ::: "memory");
	return 0;
}

static void ended(struct slots *s, uint64_t ns)
{
	int at = ns ? (int)(2 * log2((double)ns)) : 0;

	s->lengths[at < 2 * SLOTS_LENGTHS ? at : 2 * SLOTS_LENGTHS - 1]++;
	s->episodes++;
	s->open_since = 0;
}

/* What nobody took is not made up for: the sink has room for one. */
static void run(struct slots *s, double rate)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	uint64_t gap = (uint64_t)(1e9 / rate), next = now_ns(), due = 0;

	for (uint64_t turn = 1;; turn++) {
		uint64_t now = now_ns();

		if (now >= next && s->accepted == due) {
			due++;
			next = next + gap > now ? next + gap : now + gap;
		}
		if (slots_submit(s, due)) {
			if (!s->open_since)
				__atomic_store_n(&s->open_since, now, __ATOMIC_RELEASE);
		} else if (s->open_since) {
			ended(s, now - s->open_since);
		}
		if (turn % 65536 == 0 && poll(&in, 1, 0))
			return;
	}
}

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	struct slots *s;

	if (fd < 0 || ftruncate(fd, sizeof(*s))) {
		fprintf(stderr, "usage: slots RATE FILE\n");
		return 2;
	}
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		return 1;
	puts("ready");
	fflush(stdout);
	run(s, strtod(argv[1], NULL));
	return 0;
}
