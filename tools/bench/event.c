/* SPDX-License-Identifier: MIT */
/*
 * event - what a fired edge costs: the kernel's part of it, whoever is attached
 *
 *	event EDGES STEPS
 *
 * Steps in turn refuse and accept, and each edge is fired: the rate bound, which would fold nearly all,
 * is put back before each. The same edges are made folded too. Says the ns of an edge fired and of one
 * folded, in CPU time. Fails if it was not so.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pushback.h"

#define NEVER (UINT64_MAX / 2)

static uint64_t worked_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void end(const char *what)
{
	fprintf(stderr, "event: not what it should measure: %s\n", what);
	exit(1);
}

static void must_be(bool holds, const char *what)
{
	if (!holds)
		end(what);
}

static long number(const char *text)
{
	long n = strtol(text, NULL, 10);

	must_be(n > 0, "a number above 0");
	return n;
}

/* A refusal and an acceptance of each step in turn. */
static double edges(struct pushback_step *steps, long count, long pairs, uint64_t bound)
{
	uint64_t began = worked_ns();
	long i;

	for (i = 0; i < pairs; i++) {
		struct pushback_step *s = &steps[i % count];

		s->bound = bound;
		pushback_submit_return(s, PUSHBACK_REJECTED);
		pushback_submit_return(s, PUSHBACK_ACCEPTED);
	}
	return (double)(worked_ns() - began) / (double)(2 * pairs);
}

static uint64_t folded_of(const struct pushback_step *steps, long count)
{
	uint64_t folded = 0;
	long i;

	for (i = 0; i < count; i++) {
		must_be(steps[i].fired, "a step has fired");
		folded += steps[i].direction[PUSHBACK_SEND].folded;
	}
	return folded;
}

int main(int argc, char **argv)
{
	struct pushback_step *steps;
	long i, pairs, count;
	double fired, folded;
	char name[32];

	must_be(argc == 3, "event EDGES STEPS");
	pairs = number(argv[1]) / 2;
	count = number(argv[2]);
	steps = aligned_alloc(64, (size_t)count * sizeof(*steps));
	if (!steps || pairs < count)
		end("memory, and an edge for each step");
	memset(steps, 0, (size_t)count * sizeof(*steps));
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "step-%ld", i);
		pushback_step_init(&steps[i], name);
	}
	must_be(pushback_watched() && pushback_armed(PUSHBACK_SUBMIT_RETURN), "watched");
	edges(steps, count, count, 0); /* the first sight of each */
	fired = edges(steps, count, pairs, 0);
	must_be(folded_of(steps, count) == 0, "all are fired");
	folded = edges(steps, count, pairs, NEVER);
	/* Where the machine is slow there are heartbeats, which show an episode: its end is fired. */
	must_be(folded_of(steps, count) >= (uint64_t)pairs * 9 / 10, "nearly all are folded");
	printf("%.1f %.1f\n", fired, folded);
	return 0;
}
