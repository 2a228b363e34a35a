/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - backpressure metrics inside of the process, as a framework has them
 *
 * For each step and direction a counter of attempts, labelled with step and outcome, and a timer of
 * how long it was refused: per attempt a look at the clock, a look-up by labels and an atomic add, per
 * episode an observation in a histogram.
 */
#ifndef BENCH_METRICS_H
#define BENCH_METRICS_H

#include <stdint.h>

enum metrics_direction {
	METRICS_SEND,
	METRICS_RECEIVE,
};

struct metrics_step {
	const char *name;
	uint64_t since[2]; /* by direction: the first refusal since the last acceptance, or 0 */
};

void metrics_init(struct metrics_step *step, const char *name);
void metrics_attempt(struct metrics_step *step, enum metrics_direction direction, int outcome);
/* What was counted under these labels. */
uint64_t metrics_count(const char *step, enum metrics_direction direction, int outcome);

#endif /* BENCH_METRICS_H */
