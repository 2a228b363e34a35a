/* SPDX-License-Identifier: MIT */
#include "metrics.h"
#include "../labelled.h"

static const char *const counters[] = { "send_attempts", "receive_attempts" };
static const char *const timers[] = { "send_duration", "receive_duration" };
static const char *const outcomes[] = { "accepted", "rejected", "propagated" };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void metrics_init(struct metrics_step *step, const char *name)
{
	*step = (struct metrics_step){ .name = name };
}

void metrics_attempt(struct metrics_step *step, enum metrics_direction direction, int outcome)
{
	uint64_t at = now();
	uint64_t *since = &step->since[direction];

	labelled_count(counters[direction], step->name, outcomes[outcome]);
	if (outcome && !*since)
		*since = at;
	if (!outcome && *since) {
		labelled_observe(timers[direction], step->name, outcomes[outcome], at - *since);
		*since = 0;
	}
}

uint64_t metrics_count(const char *step, enum metrics_direction direction, int outcome)
{
	return labelled_find(counters[direction], step, outcomes[outcome])->value;
}
