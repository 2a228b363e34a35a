/* SPDX-License-Identifier: MIT */
/*
 * What the probe header costs: ns per submit beside an empty loop, medians of interleaved rounds (short
 * ones: others use the machine too), and the least.
 *
 *	bench_header [--rounds N] [--submits N] [--wait-watched]
 *
 * By itself it watches itself: the semaphore is raised, and a breakpoint of its own counts the fires
 * (a signal costs about what a uprobe does). --wait-watched waits for an observer to attach instead,
 * and then runs the watched cases only. Asserts nothing.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "observer.h"

enum { EMPTY, UNWATCHED, ACCEPTED, REPEATED, ALTERNATING, FORWARDING, CASES };

static const char *const names[CASES] = {
	"empty loop",         "unwatched",   "accepted",
	"repeated rejection", "alternating", "forward + accepted",
};

static struct pushback_step step = PUSHBACK_STEP_INIT("bench");
static struct pushback_step next = PUSHBACK_STEP_INIT("next");

/* Each in a function of its own, as a step's submit is; the loop calls it. */
static __attribute__((noinline)) void submit_empty(int outcome)
{
	__asm__ volatile("" : : "r"(outcome));
}

static __attribute__((noinline)) void submit(int outcome)
{
	__asm__ volatile("" : : "r"(outcome));
	pushback_submit_return(&step, outcome);
}

static __attribute__((noinline)) void submit_forward(int outcome)
{
	__asm__ volatile("" : : "r"(outcome));
	pushback_forward_return(&next, outcome);
	pushback_submit_return(&next, outcome);
}

/* Returns ns per submit, in thousandths. */
static uint64_t one_round(int which, long submits)
{
	uint64_t began = observer_now();
	long i;

	switch (which) {
	case EMPTY:
		for (i = 0; i < submits; i++)
			submit_empty(PUSHBACK_ACCEPTED);
		break;
	case ALTERNATING:
		for (i = 0; i < submits; i++)
			submit((int)(i & 1));
		break;
	case FORWARDING:
		for (i = 0; i < submits; i++)
			submit_forward(PUSHBACK_ACCEPTED);
		break;
	case REPEATED:
		for (i = 0; i < submits; i++)
			submit(PUSHBACK_REJECTED);
		break;
	default:
		for (i = 0; i < submits; i++)
			submit(PUSHBACK_ACCEPTED);
		break;
	}
	return (observer_now() - began) * 1000 / (uint64_t)submits;
}

static int ascending(const void *a, const void *b)
{
	uint64_t l = *(const uint64_t *)a, r = *(const uint64_t *)b;

	return l < r ? -1 : l > r;
}

static void report(uint64_t (*took)[CASES], long rounds, int first)
{
	uint64_t *column = calloc((size_t)rounds, sizeof(*column));
	double ns, least, empty = 0, empty_least = 0;
	long round;
	int which;

	if (!column)
		return;
	printf("%-20s %9s %12s %9s %12s\n", "", "median ns", "above empty", "least ns",
	       "above empty");
	for (which = 0; which < CASES; which++) {
		if (which != EMPTY && which < first)
			continue;
		for (round = 0; round < rounds; round++)
			column[round] = took[round][which];
		qsort(column, (size_t)rounds, sizeof(*column), ascending);
		ns = (double)column[rounds / 2] / 1000;
		least = (double)column[0] / 1000;
		if (which == EMPTY) {
			empty = ns;
			empty_least = least;
		}
		printf("%-20s %9.2f %12.2f %9.2f %12.2f\n", names[which], ns, ns - empty, least,
		       least - empty_least);
	}
	free(column);
}

static long number(const char *text)
{
	long n = text ? strtol(text, NULL, 10) : 0;

	if (n > 0)
		return n;
	fprintf(stderr, "bench_header: a number above 0 is needed\n");
	exit(2);
}

int main(int argc, char **argv)
{
	long rounds = 151, submits = 100000, round;
	int wait = 0, which, first;
	uint64_t(*took)[CASES];

	for (which = 1; which < argc; which++) {
		if (!strcmp(argv[which], "--wait-watched"))
			wait = 1;
		else if (!strcmp(argv[which], "--rounds"))
			rounds = number(argv[++which]);
		else if (!strcmp(argv[which], "--submits"))
			submits = number(argv[++which]);
		else
			return 2;
	}
	took = calloc((size_t)rounds, sizeof(*took));
	if (!took)
		return 1;
	first = wait ? ACCEPTED : UNWATCHED;
	if (wait)
		fprintf(stderr, "bench_header: pid %d waits to be watched\n", (int)getpid());
	while (wait && !pushback_watched())
		usleep(10000);
	for (round = 0; round < rounds; round++)
		for (which = 0; which < CASES; which++) {
			if (which != EMPTY && which < first)
				continue;
			if (!wait && which == ACCEPTED)
				observer_attach();
			took[round][which] = one_round(which, submits);
			if (!wait && which == CASES - 1)
				observer_detach();
		}
	report(took, rounds, first);
	free(took);
	return 0;
}
