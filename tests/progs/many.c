/* SPDX-License-Identifier: MIT */
/*
 * many - a consumer of many steps that return at random, and that knows its own truth
 *
 *	many STEPS CALLS SEED end|exit
 *
 * Prints "ready", waits for a line on stdin, drives the steps, and prints a JSON object per step.
 * end: each step is ended before the process is; exit: it just exits. As a shared library it has
 * many_run(), which is the same.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pushback.h>

/* By the semantics, and on its own: nothing of this looks into the step. */
struct truth {
	unsigned int accepted, rejected, forwarded, refused;
	unsigned int closed[2], abandoned[2];
	bool open[2];
};

struct many {
	size_t count;
	struct pushback_step *steps;
	struct truth *truths;
	uint64_t random;
};

int many_run(int argc, char **argv);

static uint64_t draw(struct many *m, uint64_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (m->random >> 11) % below;
}

static int make_steps(struct many *m, size_t count)
{
	char name[32];
	size_t i;

	m->count = count;
	m->steps = aligned_alloc(64, count * sizeof(*m->steps));
	m->truths = calloc(count, sizeof(*m->truths));
	if (!m->steps || !m->truths)
		return -1;
	for (i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "s%zu", i);
		pushback_step_init(&m->steps[i], name);
	}
	return 0;
}

static void closes(struct truth *t, int direction)
{
	t->closed[direction] += t->open[direction];
	t->open[direction] = false;
}

static void submit(struct many *m, size_t i)
{
	/* Streaks: a refusal is mostly followed by another. */
	static const int outcomes[] = { 0, 1, 1, 1, 2, 3, 0, 1 };
	int outcome = outcomes[draw(m, 8)];
	struct truth *t = &m->truths[i];

	if (outcome == PUSHBACK_ACCEPTED) {
		t->accepted++;
		closes(t, PUSHBACK_SEND);
	} else if (outcome == PUSHBACK_REJECTED) {
		t->rejected++;
		t->open[PUSHBACK_SEND] = true;
	}
	pushback_submit_return(&m->steps[i], outcome);
}

static void forward(struct many *m, size_t i)
{
	static const int outcomes[] = { 0, 1, 1, 2, 2, 3, 0, 1 };
	int outcome = outcomes[draw(m, 8)];
	struct truth *t = &m->truths[i];

	if (outcome == PUSHBACK_ACCEPTED) {
		t->forwarded++;
		closes(t, PUSHBACK_RECEIVE);
	} else if (outcome != PUSHBACK_INVALID) {
		t->refused++;
		t->open[PUSHBACK_RECEIVE] = true;
	}
	pushback_forward_return(&m->steps[i], outcome);
}

static void poll_one(struct many *m, size_t i)
{
	int ready = draw(m, 4) == 0;

	if (ready)
		closes(&m->truths[i], PUSHBACK_SEND);
	pushback_poll_return(&m->steps[i], ready);
}

static void drive(struct many *m, uint64_t calls)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (calls--) {
		size_t i = draw(m, m->count);
		uint64_t what = draw(m, 16);

		if (what < 8)
			submit(m, i);
		else if (what < 14)
			forward(m, i);
		else
			poll_one(m, i);
		if (draw(m, 64) == 0)
			nanosleep(&pause, NULL);
	}
}

static void finish(struct many *m, bool ends)
{
	struct truth *t;
	size_t i;
	int d;

	for (i = 0; i < m->count; i++) {
		t = &m->truths[i];
		for (d = 0; d < 2; d++)
			t->abandoned[d] += t->open[d];
		printf("{\"step\": \"%s\", \"accepted\": %u, \"forwarded\": %u, "
		       "\"send\": {\"attempts\": %u, \"episodes\": %u, \"abandoned\": %u, "
		       "\"partial\": 0}, "
		       "\"receive\": {\"attempts\": %u, \"episodes\": %u, \"abandoned\": %u, "
		       "\"partial\": 0}}\n",
		       m->steps[i].name, t->accepted, t->forwarded, t->rejected, t->closed[0],
		       t->abandoned[0], t->refused, t->closed[1], t->abandoned[1]);
		if (ends)
			pushback_step_end(&m->steps[i]);
	}
	fflush(stdout);
}

int many_run(int argc, char **argv)
{
	struct many m = { .count = 0 };
	char line[64];

	if (argc != 5 || make_steps(&m, strtoul(argv[1], NULL, 10)))
		return 2;
	m.random = strtoull(argv[3], NULL, 10) * 2654435761u + 1;
	printf("ready\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	drive(&m, strtoull(argv[2], NULL, 10));
	finish(&m, !strcmp(argv[4], "end"));
	return 0;
}

#ifndef MANY_LIBRARY
int main(int argc, char **argv)
{
	return many_run(argc, argv);
}
#endif
