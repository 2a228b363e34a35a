/* SPDX-License-Identifier: MIT */
/*
 * machine.h - drives the pure state machine of pushback.h at times of the test's choice
 *
 * Each returns what pushback_turn() said: nonzero if the edge is to be told.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "pushback.h"

static inline unsigned int machine_edge(struct pushback_step *s, unsigned int direction,
					unsigned int edge, uint64_t now)
{
	return edge == PUSHBACK_NO_EDGE ? 0
					: pushback_turn(s, direction, edge == PUSHBACK_OPENS, now);
}

static inline unsigned int machine_submit(struct pushback_step *s, int outcome, uint64_t now)
{
	return machine_edge(s, PUSHBACK_SEND, pushback_count(s, PUSHBACK_SEND, outcome), now);
}

static inline unsigned int machine_forward(struct pushback_step *s, int outcome, uint64_t now)
{
	return machine_edge(s, PUSHBACK_RECEIVE, pushback_count(s, PUSHBACK_RECEIVE, outcome), now);
}

static inline unsigned int machine_poll(struct pushback_step *s, int ready, uint64_t now)
{
	return machine_edge(s, PUSHBACK_SEND, pushback_ready(s, ready), now);
}

#endif /* MACHINE_H */
