/* SPDX-License-Identifier: MIT */
/*
 * wrong.c - functions that a recipe must not be taken at its word for; runs until its stdin ends
 *
 * tail_submit ends in another function; cut_submit is a clone without its arguments; good_submit is fine.
 */
#include <poll.h>
#include <stdio.h>

#define STEP __attribute__((noinline, noclone, noipa))

struct step {
	int full;
	int more[15];
};

STEP int good_submit(struct step *s)
{
	return s->full ? -11 : 0;
}

STEP int tail_submit(struct step *s)
{
	s->full ^= 1;
	return good_submit(s);
}

/* All that it takes of its argument is one number. */
static __attribute__((noinline)) int cut_submit(const struct step *s, int unused)
{
	(void)unused;
	return s->full ? -11 : 0;
}

int main(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	struct step s = { 0 };
	unsigned long calls = 0;
	int sum = 0;

	puts("ready");
	fflush(stdout);
	while (!poll(&in, 1, 1)) {
		s.full = (int)(calls++ & 1);
		good_submit(&s);
		tail_submit(&s);
		sum += cut_submit(&s, 5);
	}
	printf("%lu\n", calls);
	return sum > 0;
}
