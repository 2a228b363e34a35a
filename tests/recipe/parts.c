/* SPDX-License-Identifier: MIT */
/*
 * parts.c - functions that the compiler takes apart, returning an enum
 *
 *	parts CALLS
 *
 * What fails is cold, and lies elsewhere; of split_submit the beginning may be in its callers as well, and
 * clone_submit has an argument less. Knows how many of each it has accepted and refused.
 */
#include <stdio.h>
#include <stdlib.h>

enum answer { TAKEN = 3, FULL = 5, BAD = 6 };

struct step {
	int full;
	int more[50];
	unsigned long counts[7];
};

__attribute__((noinline, cold)) void complain(struct step *s, int message)
{
	s->more[message % 50]++;
	__asm__ volatile("" : : "r"(s) : "memory");
}

__attribute__((noinline)) void work(struct step *s, int i)
{
	s->more[i] += i;
	__asm__ volatile("" : : "r"(s) : "memory");
}

__attribute__((noinline)) enum answer cold_submit(struct step *s, int message)
{
	if (__builtin_expect(message == 99, 0)) {
		complain(s, message);
		complain(s, message + 1);
		return s->more[1] % 3 ? BAD : FULL;
	}
	return s->full && message & 1 ? FULL : TAKEN;
}

enum answer split_submit(struct step *s, int message)
{
	if (!(message & 1))
		return TAKEN;
	for (int i = 0; i < message % 50; i++) {
		work(s, i);
		complain(s, i);
	}
	return s->full ? FULL : BAD;
}

static __attribute__((noinline)) enum answer clone_submit(struct step *s, int message, int loud)
{
	if (loud)
		complain(s, message);
	work(s, message % 50);
	return s->full && message & 2 ? FULL : TAKEN;
}

static __attribute__((noinline)) enum answer bare_submit(const struct step *s, int message)
{
	return s->full & message ? FULL : TAKEN;
}

static void print(const char *name, const struct step *s)
{
	printf("%s %lu %lu %lu\n", name, s->counts[TAKEN], s->counts[FULL], s->counts[BAD]);
}

int main(int argc, char **argv)
{
	enum answer (*volatile split)(struct step *, int) = split_submit;
	static struct step cold, whole, clone;
	long calls = argc > 1 ? strtol(argv[1], NULL, 0) : 0;

	for (int i = 0; i < calls; i++) {
		cold.full = whole.full = clone.full = i % 5 < 2;
		cold.counts[cold_submit(&cold, i % 100)]++;
		whole.counts[split(&whole, i % 100)]++;
		clone.counts[clone_submit(&clone, i % 100, 0)]++;
		clone.counts[0] += bare_submit(i % 3 ? &clone : &whole, i);
	}
	print("cold_submit", &cold);
	print("split_submit", &whole);
	print("clone_submit", &clone);
	/* So that there is a reason to take it apart. */
	return calls < 0 && split_submit(&whole, argc) + split_submit(&cold, argc + 1) == BAD;
}
