/* SPDX-License-Identifier: MIT */
/*
 * step.h - a chain of steps of arroyo's shape
 *
 * A step is driven by the one before it: submit() offers a message, which the step takes or refuses;
 * poll() reaches the steps behind it and lets each do what is due. One whose next step refuses what it
 * took carries that over, refuses what comes meanwhile, and tries again in poll.
 */
#ifndef BENCH_STEP_H
#define BENCH_STEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes.h"

struct message {
	uint64_t offset;
	uint64_t sum; /* of the payload: parse finds it */
	uint32_t payload[12];
};

struct step;

struct step_ops {
	enum outcome (*submit)(struct step *step, struct message *message);
	void (*poll)(struct step *step);
};

#define STEP_BRANCHES 2

/* What a step knows of itself: what its probes tell is held against this. */
struct step_counts {
	uint64_t submits[3];  /* by outcome */
	uint64_t forwards[2]; /* taken, refused */
};

struct step {
	struct probe probe;
	const struct step_ops *ops;
	const char *name;
	struct step *next[STEP_BRANCHES];
	size_t branches;
	void (*work)(struct message *message);

	bool carries;
	bool pending[STEP_BRANCHES]; /* of a broadcast: it has not taken `carried` yet */
	struct message carried;

	/* A sink: its one slot is free again so long after it was taken. */
	uint64_t service;
	bool busy;
	uint64_t taken_at;
	uint64_t free_at;
	uint64_t sum; /* of what it got */

	struct step_counts counts;
};

/* hands all through: check; carries over: parse, enrich, batch; copies to all branches; takes */
extern const struct step_ops step_through, step_task, step_broadcast, step_sink;

uint64_t step_clock(void);

/* Of parse and enrich. */
void step_parse(struct message *message);
void step_enrich(struct message *message);

#endif /* BENCH_STEP_H */
